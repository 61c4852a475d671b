"""Times and sizes as people write them: "10 min", "20 GB"."""

from __future__ import annotations

import re

from ecc_px.errors import InvalidSetting

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_NUMBER_AND_UNIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def seconds_of(text: str) -> float:
    """Seconds of a duration.

    Raises
    ------
    InvalidSetting

    Examples
    --------
    >>> seconds_of("10 min"), seconds_of("1.5h")
    (600.0, 5400.0)
    """
    return _value(text, _SECONDS, "a duration such as 30 s, 10 min, 2 h or 1 d")


def bytes_of(text: str) -> int:
    """Bytes of a size; GB are 10⁹, GiB are 2³⁰.

    Raises
    ------
    InvalidSetting

    Examples
    --------
    >>> bytes_of("20 GB"), bytes_of("1 GiB")
    (20000000000, 1073741824)
    """
    return int(_value(text, _BYTES, "a size such as 500 MB, 20 GB or 1 TB"))


def _value(text: str, units: dict[str, int], wanted: str) -> float:
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if match is None or match[2] not in units:
        raise InvalidSetting(f"{text!r} is not {wanted}.")
    return float(match[1]) * units[match[2]]


def duration(seconds: float) -> str:
    """A duration for people, with two units at most.

    >>> duration(42), duration(605), duration(93600)
    ('42 s', '10 min', '1 d 2 h')
    """
    seconds = round(seconds)
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    days, hours = divmod(hours, 24)
    return f"{days} d" + (f" {hours} h" if hours else "")


def size(count: float) -> str:
    """A number of bytes for people.

    >>> size(512), size(2_500_000), size(31_700_000_000)
    ('512 bytes', '2.5 MB', '31.7 GB')
    """
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.95:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"
