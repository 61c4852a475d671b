"""How the status page says things: durations, sizes, speeds, times of day, and what the states mean."""

from __future__ import annotations

from datetime import datetime, timedelta

STATES = {
    "seen": "just seen",
    "arriving": "arriving",
    "settled": "all there, to be checked",
    "checked": "checked",
    "queued": "waiting",
    "running": "running",
    "done": "done",
    "late": "late",
    "retry": "will be tried again",
    "quarantined": "set aside",
    "stale": "outdated",
    "skipped": "skipped",
    "gone": "gone",
}
"""What a person reads instead of the name of a state."""


def state(name: str) -> str:
    """A state in plain words; an unknown one as it is called."""
    return STATES.get(name, name)


def duration(seconds: float) -> str:
    """Such as "40 s", "12 min", "3 h 05 min", "2 d 4 h": two figures are enough.

    Examples
    --------
    >>> [duration(s) for s in (0.4, 40, 60, 3599, 3600, 11_100, 187_200)]
    ['0 s', '40 s', '1 min', '59 min', '1 h 00 min', '3 h 05 min', '2 d 4 h']
    """
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 48:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def age(then: datetime, now: datetime) -> str:
    """How long ago something was; a clock that was set back makes it 0 s."""
    return duration((now - then).total_seconds())


def size(count: int) -> str:
    """Bytes as people say them, in powers of ten as disks are sold.

    Examples
    --------
    >>> [size(n) for n in (0, 999, 1000, 12_400_000, 2_000_000_000_000)]
    ['0 B', '999 B', '1.0 kB', '12 MB', '2.0 TB']
    """
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if value < 999.5 or unit == "PB":
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"


def speed(voxels_per_s: float) -> str:
    """Voxels per second.

    Examples
    --------
    >>> [speed(v) for v in (820.0, 640_000.0, 4_130_000.0)]
    ['820 voxels/s', '640 kvoxel/s', '4.1 Mvoxel/s']
    """
    if voxels_per_s < 1000:
        return f"{voxels_per_s:.0f} voxels/s"
    if voxels_per_s < 999_500:
        return f"{voxels_per_s / 1e3:.0f} kvoxel/s"
    return f"{voxels_per_s / 1e6:.1f} Mvoxel/s"


def clock(moment: datetime, now: datetime) -> str:
    """Time of day where the service runs, with the day where it is not today."""
    here, today = moment.astimezone(), now.astimezone().date()
    if here.date() == today:
        return f"{here:%H:%M}"
    if abs(here.date() - today) <= timedelta(days=6):
        return f"{here:%a %H:%M}"
    return f"{here:%Y-%m-%d %H:%M}"


def percent(share: float) -> str:
    """A share without a decimal; 100 % is for what is finished.

    Examples
    --------
    >>> [percent(s) for s in (0.0, 0.634, 0.9999, 1.0)]
    ['0 %', '63 %', '99 %', '100 %']
    """
    return f"{int(share * 100)} %"


def number(count: int) -> str:
    """A count, in groups of three digits."""
    return f"{count:,}"
