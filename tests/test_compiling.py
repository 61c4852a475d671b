"""No compiled kernel outlives a change of the sources it was made from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecc_px.compiling import forget_stale_kernels

CALLER = """
from numba import njit
from package.filters.callee import answer

@njit(cache=True)
def ask():
    return answer()
"""
CALLEE = """
from numba import njit

@njit(cache=True)
def answer():
    return {}
"""


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    (folder / "filters").mkdir(parents=True)
    for init in (folder, folder / "filters"):
        (init / "__init__.py").touch()
    (folder / "filters" / "caller.py").write_text(CALLER)
    (folder / "filters" / "callee.py").write_text(CALLEE.format(1))
    return folder


def ask(package):
    command = [sys.executable, "-c", "from package.filters.caller import ask; print(ask())"]
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    finished = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(finished.stdout)


def kernels(package):
    return list(package.glob("*/__pycache__/*.nb[ic]"))


def test_kernel_is_compiled_anew_when_a_function_that_it_calls_changed(package):
    forget_stale_kernels(package)
    assert ask(package) == 1
    (package / "filters" / "callee.py").write_text(CALLEE.format(22))
    assert ask(package) == 1  # numba alone does not notice: the reason for all this
    assert forget_stale_kernels(package)
    assert ask(package) == 22


def test_kernels_are_kept_while_nothing_changes(package):
    assert forget_stale_kernels(package)
    ask(package)
    kept = kernels(package)
    assert not forget_stale_kernels(package)
    assert kernels(package) == kept != []


def test_package_that_cannot_be_written_to_is_left_alone(package):
    forget_stale_kernels(package)
    (package / "filters" / "new.py").touch()
    shutil.rmtree(package / "__pycache__")
    (package / "__pycache__").write_text("in the way")
    assert forget_stale_kernels(package)


def test_kernels_of_this_package_were_checked_on_import():
    import ecc_px.filters.rows

    assert not forget_stale_kernels(Path(ecc_px.__file__).parent)
