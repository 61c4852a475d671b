# Sourced by the other scripts: a Python environment that has ecc_px in it.
#
#   install_ecc_px            what running it needs
#   install_ecc_px dev        and what developing it needs
#
# An active virtual environment is used as it is; otherwise .venv beside this folder is made and used.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

activate_environment() {
    if [ -z "${VIRTUAL_ENV:-}" ]; then
        local python=${PYTHON:-python3}
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
            echo "ecc_px needs Python 3.11 or newer, and $python is $("$python" --version 2>&1)." \
                 "Set PYTHON to a newer one." >&2
            return 1
        }
        if [ ! -x "$root/.venv/bin/python" ]; then
            "$python" -m venv "$root/.venv" || {
                echo "$python can't make virtual environments. On Debian: apt-get install python3-venv" >&2
                return 1
            }
        fi
        . "$root/.venv/bin/activate"
    fi
}

install_ecc_px() {
    local extra=${1:+[$1]}
    activate_environment || return 1
    # A note of what was installed saves the seconds of asking pip again, and the network.
    local note="$VIRTUAL_ENV/.ecc_px${extra}"
    if [ ! "$note" -nt "$root/pyproject.toml" ] || [ "$(cat "$note")" != "$root" ]; then
        echo "Installing ecc_px${extra} into $VIRTUAL_ENV" >&2
        python -m pip install --quiet --disable-pip-version-check --editable "$root$extra" || return 1
        echo "$root" >"$note"
    fi
    # Compiled once, kept on disk: no later command waits for a compiler.
    ecc-px warmup | tail -n 1
}
