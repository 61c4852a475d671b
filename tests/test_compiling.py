"""No compiled kernel outlives a change of the sources it was made from, wherever kernels are kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import ecc_px.compiling
from ecc_px.compiling import CACHE_FOLDER, cache_folder

CALLER = """
from {package}.compiling import kernel
from {package}.filters.callee import answer

@kernel()
def ask():
    return answer()
"""
CALLEE = """
from {package}.compiling import kernel

@kernel()
def answer():
    return {value}
"""


@pytest.fixture
def package(tmp_path):
    """A package with a kernel that calls a kernel of another file."""
    folder = tmp_path / "installed" / "package"
    (folder / "filters").mkdir(parents=True)
    for init in (folder, folder / "filters"):
        (init / "__init__.py").touch()
    shutil.copy(ecc_px.compiling.__file__, folder)
    (folder / "filters" / "caller.py").write_text(CALLER.format(package="package"))
    change(folder, 1)
    return folder


def change(package, value):
    (package / "filters" / "callee.py").write_text(CALLEE.format(package="package", value=value))


def ask(package, **environment):
    command = [sys.executable, "-c", "from package.filters.caller import ask; print(ask(), ask.stats.cache_hits)"]
    environment = {**os.environ, "PYTHONPATH": str(package.parent), **environment}
    finished = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    answer, *hits = finished.stdout.split(maxsplit=1)
    return int(answer), "1" in hits[0]


@pytest.mark.parametrize("place", ["package", "NUMBA_CACHE_DIR", "user's cache"])
def test_kernel_is_compiled_anew_when_a_function_that_it_calls_changed(package, place, tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "given")} if place == "NUMBA_CACHE_DIR" else {}
    if place == "user's cache":
        (package / "__pycache__").write_text("in the way of a folder")
        environment = {"XDG_CACHE_HOME": str(tmp_path / "user"), "PYTHONDONTWRITEBYTECODE": "1"}
    assert ask(package, **environment) == (1, False)
    assert ask(package, **environment) == (1, True)
    change(package, 22)
    assert ask(package, **environment) == (22, False)
    kept = {"package": package, "NUMBA_CACHE_DIR": tmp_path / "given", "user's cache": tmp_path / "user"}[place]
    assert list(kept.rglob("*.nbi"))


def test_kernels_of_an_earlier_state_beside_the_package_are_removed(package):
    ask(package)
    (earlier,) = (package / "__pycache__").glob("kernels-*")
    change(package, 2)
    ask(package)
    (now,) = (package / "__pycache__").glob("kernels-*")
    assert now != earlier


def test_options_of_compiling_count_as_a_source(package):
    before = cache_folder(package)
    with (package / "compiling.py").open("a") as source:
        source.write("# fastmath, say\n")
    assert cache_folder(package).name != before.name


def test_kernels_of_other_packages_stay_where_they_were():
    assert str(CACHE_FOLDER) != numba.config.CACHE_DIR


def test_every_kernel_lives_in_a_room_that_is_watched():
    package = Path(ecc_px.compiling.__file__).parent
    with_kernels = {
        path.parent.name for path in package.rglob("*.py") if "@kernel(" in path.read_text(encoding="utf-8")
    }
    assert with_kernels == set(ecc_px.compiling.KERNEL_ROOMS)
    assert not any(
        "njit" in path.read_text(encoding="utf-8") for room in with_kernels for path in (package / room).glob("*.py")
    )
