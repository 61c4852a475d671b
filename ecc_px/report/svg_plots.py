"""Small plots as SVG inside of a page: they take the page's colours, by day and by night, and need no other file."""

from __future__ import annotations

from math import floor, log10

from markupsafe import Markup, escape

from ecc_px.report.brain_facts import Profile

WIDTH, HEIGHT = 360, 170
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 12, 34
"""Margins for the axes."""


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two values.

    Examples
    --------
    >>> ticks(0, 9.4, 4)
    [0, 2, 4, 6, 8]
    >>> ticks(3.1, 3.4, 3)
    [3.1, 3.2, 3.3, 3.4]
    """
    if not high > low:
        return [low]
    raw = (high - low) / about
    decade = 10 ** floor(log10(raw))
    step = min((s * decade for s in (1, 2, 5, 10)), key=lambda s: abs(s - raw))
    digits = max(0, -floor(log10(step)) + 1)
    first = -floor(-(low / step) + 1e-9)
    return [round(n * step, digits) for n in range(first, floor(high / step + 1e-9) + 1)]


def plot(profile: Profile) -> Markup:
    """A profile as steps over its axis."""
    low, high = float(profile.edges[0]), float(profile.edges[-1])
    top = float(profile.values.max()) * 1.05 if profile.values.any() else 1.0

    def across(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    ground = up(0)
    corners = [f"M{across(low):.1f},{ground:.1f}"]
    for left, right, value in zip(profile.edges[:-1], profile.edges[1:], profile.values, strict=True):
        y = up(float(value))
        corners.append(f"L{across(float(left)):.1f},{y:.1f}L{across(float(right)):.1f},{y:.1f}")
    corners.append(f"L{across(high):.1f},{ground:.1f}Z")
    parts = []
    for value in ticks(0, top, 3):
        y = up(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="up" x="{LEFT - 6}" y="{y + 3.5:.1f}">{_number(value)}</text>')
    parts.append(f'<path d="{"".join(corners)}"/>')
    for value in ticks(low, high, 4):
        parts.append(f'<text class="across" x="{across(value):.1f}" y="{HEIGHT - BOTTOM + 15}">{_number(value)}</text>')
    unit = f" ({profile.unit})" if profile.unit else ""
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="across" x="{middle}" y="{HEIGHT - 4}">{escape(profile.title + unit)}</text>')
    label = escape(f"{profile.value_unit} {profile.title}{unit}, at most {_number(float(profile.values.max()))}")
    body = "".join(parts)
    # Everything in it was made here, or escaped.
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{body}</svg>')


def _number(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
