"""A table of a TOML file, read key by key; every complaint names the file and the key."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ecc_px.errors import InvalidSetting
from ecc_px.service.quantities import bytes_of, seconds_of

Value = TypeVar("Value")

_KINDS: dict[type, str] = {
    str: "a text in quotes",
    int: "a whole number",
    bool: "true or false",
    dict: 'a table such as { quiet = "10 min" }',
    list: "a list in [ ]",
}


class Table:
    """One table; `refuse_others` at the end refuses what nobody asked for.

    Parameters
    ----------
    file : Path
        For messages, and as what relative paths are relative to its folder.
    name : str
        ``service`` or ``route PV``.
    content : mapping
    """

    def __init__(self, file: Path, name: str, content: Mapping[str, Any]) -> None:
        self._file = file
        self._name = name
        self._left = dict(content)
        self._known: list[str] = []

    def error(self, key: str, complaint: str) -> InvalidSetting:
        """What to raise for a key."""
        return InvalidSetting(f"{self._file}: [{self._name}] {key}: {complaint}")

    def has(self, key: str) -> bool:
        return key in self._left

    def required(self, key: str, example: str) -> None:
        """Refuse a table without the key."""
        if key not in self._left:
            raise self.error(key, f"it is missing; add for example: {key} = {example}")

    def text(self, key: str, default: Value) -> str | Value:
        value = self._take(key, str, default)
        if isinstance(value, str) and key in self._known and not value.strip():
            raise self.error(key, "it is empty.")
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        value = str(self._take(key, str, default))
        if value not in choices:
            raise self.error(key, f"{value!r} is not one of {', '.join(choices)}.")
        return value

    def number(self, key: str, default: Value, *, least: int, most: int | None = None) -> int | Value:
        value = self._take(key, int, default)
        if isinstance(value, int) and (value < least or (most is not None and value > most)):
            raise self.error(key, f"{value} is not " + (f"{least} or more." if most is None else f"{least} to {most}."))
        return value

    def number_or_text(self, key: str) -> int | str | None:
        if isinstance(self._left.get(key), str):
            return self.text(key, None)
        return self.number(key, None, least=0)

    def yes_or_no(self, key: str, default: bool) -> bool:
        return bool(self._take(key, bool, default))

    def duration(self, key: str, default: Value) -> float | Value:
        """Seconds."""
        return self._converted(key, default, seconds_of)

    def size(self, key: str, default: Value) -> int | Value:
        """Bytes."""
        return self._converted(key, default, bytes_of)

    def path(self, key: str) -> Path:
        """A path; relative ones begin at the file's folder, and `..` is resolved by name."""
        text = str(self.text(key, ""))
        if "\0" in text:
            raise self.error(key, "a path can't hold a null character.")
        if text.startswith("~"):
            raise self.error(key, f"{text}: write the whole path; a service has no home folder to begin at.")
        return Path(_normal(self._file.parent / text))

    def texts(self, key: str, choices: tuple[str, ...] | None = None) -> tuple[str, ...]:
        values = self._take(key, list, [])
        for value in values:
            if not isinstance(value, str) or not value.strip():
                raise self.error(key, f"{value!r} is not a text in quotes.")
            if choices is not None and value not in choices:
                raise self.error(key, f"{value!r} is not one of {', '.join(choices)}.")
        return tuple(values)

    def voxel_um(self, key: str) -> tuple[float, float, float] | None:
        values = self._take(key, list, None)
        if values is None:
            return None
        right = len(values) == 3 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        if not right or not all(0 < v < 1e4 for v in values):
            raise self.error(key, f"{values} is not a voxel size: three numbers above 0, µm along [z, y, x].")
        z, y, x = (float(v) for v in values)
        return z, y, x

    def table(self, key: str) -> Table:
        """A table inside; empty if it is not there."""
        return Table(self._file, f"{self._name}.{key}", self.plain(key))

    def plain(self, key: str) -> dict[str, Any]:
        """What a table inside holds; empty if it is not there."""
        content: dict[str, Any] = self._take(key, dict, {})
        return content

    def tables(self, key: str) -> list[dict[str, Any]]:
        """The tables of a `[[key]]`."""
        tables = self._take(key, list, [])
        if not all(isinstance(table, dict) for table in tables):
            raise self.error(key, f"write it as a table: [[{key}]].")
        return list(tables)

    def settings(self, key: str, known: tuple[str, ...]) -> dict[str, Any]:
        """A table whose values somebody else judges; keys that are not known are refused."""
        inner = self.table(key)
        inner._known = list(known)
        settings = {name: inner._left.pop(name) for name in known if name in inner._left}
        inner.refuse_others()
        return settings

    def refuse_others(self) -> None:
        """Refuse keys that nobody asked for: a misspelt setting must not pass for the default."""
        for key in self._left:
            near = difflib.get_close_matches(key, self._known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(self._known)}."
            raise self.error(key, f"there is no such setting; {hint}")

    def _take(self, key: str, kind: type, default: Any) -> Any:
        self._known.append(key)
        if key not in self._left:
            return default
        value = self._left.pop(key)
        # In Python, but not in TOML, true is a number.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(key, f"{value!r} is not {_KINDS[kind]}.")
        return value

    def _converted(self, key: str, default: Value, convert: Callable[[str], Any]) -> Any:
        value = self._take(key, str, None)
        if value is None:
            return default
        try:
            return convert(value)
        except InvalidSetting as error:
            raise self.error(key, str(error)) from None


def _normal(path: Path) -> str:
    """Absolute, without `..`, and without following links: a share may be mounted later."""
    return os.path.normpath(path.absolute())
