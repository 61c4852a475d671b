#!/usr/bin/env bash
# Sets everything up and runs every check: style, types, the floors of the architecture, the tests.
# Arguments go to pytest: scripts/test.sh tests/cells -k split
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/environment.sh
install_ecc_px dev

failed=()
check() {
    echo "── $*"
    "$@" || failed+=("$*")
}

check ruff check
check ruff format --check
check mypy
check lint-imports
if /usr/bin/python3 -c 'import vigra' 2>/dev/null; then
    check python scripts/compare_with_vigra.py
fi
if ((${#failed[@]})); then
    printf '── FAILED: %s\n' "${failed[@]}"
fi
# The tests come last, whatever failed before, so that the last line is always their summary.
check pytest --numprocesses auto "$@"
((${#failed[@]} == 0))
