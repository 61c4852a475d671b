"""What `pip install` brings is all that the program imports: a fresh machine lacks nothing that ours happen to have."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What may need an extra, and says so in a sentence where it is missing; all else is needed by everybody.
SERVICE_ROOMS = ("ecc_px/service/page/", "ecc_px/service/notifications.py")
PARQUET = "ecc_px/cells/exports/parquet.py"


def imported(path: Path) -> set[str]:
    """Top-level names of what a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"ecc_px"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    """Names of distributions, without their versions."""
    return {normal(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in requirements}


def test_everything_that_is_imported_is_declared_as_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    distributions = packages_distributions()
    undeclared = set()
    for path in (ROOT / "ecc_px").rglob("*.py"):
        where = path.relative_to(ROOT).as_posix()
        allowed = declared(project["dependencies"])
        if where.startswith(SERVICE_ROOMS):
            allowed |= declared(extras["service"])
        if where == PARQUET:
            allowed |= declared(extras["parquet"])
        for name in imported(path):
            if not {normal(found) for found in distributions.get(name, [name])} & allowed:
                undeclared.add(f"{where} imports {name}")
    assert not undeclared
