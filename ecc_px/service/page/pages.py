"""Views in, HTML out."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ecc_px.service.page import wording
from ecc_px.service.page.addresses import brain_address, output_address
from ecc_px.service.page.groups import finish_time, grouped, headline
from ecc_px.service.page.health import problems_of
from ecc_px.service.page.views import Action, BrainView, Output, ServiceView

HERE = Path(__file__).parent

STATIC = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

UPDATED_EVERY = 4000
"""Milliseconds after which an open page asks what has changed."""

LISTED_WHEN_DONE = 60
"""Finished brains that the page shows; the API has all."""

PICTURES = (".png", ".jpg", ".svg")
THUMBNAILS = ("_thumbnail.jpg", "_thumbnail.png")
"""Ends of names of pictures that are shown large, and small."""

TONES = {
    "running": "running",
    "done": "done",
    "quarantined": "bad",
    "late": "warn",
    "retry": "warn",
    "stale": "faint",
    "skipped": "faint",
    "gone": "faint",
}
"""Colour of a state; others have none of their own."""

DECISIONS: dict[Action, tuple[str, str]] = {
    "retry": ("Try again", "begin it once more; what is finished of it is kept."),
    "release": ("Release", "the cause is mended, or it may be taken as it is: it is checked and waits for its turn."),
    "skip": ("Skip", "leave it alone. Its raw data stays as it is."),
    "rerun": ("Do again", "with the classifier and the settings that hold now. The results until now are kept aside."),
}
"""What the buttons say, and what they mean."""


def overview_page(view: ServiceView, *, wall: bool = False) -> str:
    """The page of all brains."""
    return _render("overview.html", _overview(view), wall=wall)


def overview_part(view: ServiceView) -> str:
    """What of it changes."""
    return _render("_overview.html", _overview(view))


def brain_page(view: ServiceView, brain: BrainView, *, with_token: bool) -> str:
    """The page of one brain; with buttons if there is a token that allows to press them."""
    return _render("brain.html", _brain(view, brain, with_token))


def brain_part(view: ServiceView, brain: BrainView, *, with_token: bool) -> str:
    """What of it changes."""
    return _render("_brain.html", _brain(view, brain, with_token))


def message_page(title: str, sentence: str, *, base: str = "") -> str:
    """A page that says one thing, such as that there is no such brain."""
    return _render("message.html", {"base": base, "title": title, "sentence": sentence})


def pictures_of(brain: BrainView) -> list[Output]:
    """The pictures that are shown large."""
    return [o for o in brain.outputs if o.name.lower().endswith(PICTURES) and not o.name.endswith(THUMBNAILS)]


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Name → content and media type of what the pages load."""
    return {name: ((HERE / "static" / name).read_bytes(), media_type) for name, media_type in STATIC.items()}


@cache
def look() -> str:
    """Changes whenever a template or a static file does: an open page then loads itself anew."""
    digest = hashlib.sha256()
    for folder in ("static", "templates"):
        for path in sorted((HERE / folder).iterdir()):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _overview(view: ServiceView) -> dict[str, Any]:
    problems = problems_of(view)
    groups = grouped(view.brains)
    return {
        "base": "",
        "view": view,
        "problems": problems,
        "headline": headline(view, problems),
        "finish": finish_time(view),
        "groups": groups,
        "listed_when_done": LISTED_WHEN_DONE,
        "mood": _mood(view, problems, [group.key for group, _ in groups]),
    }


def _mood(view: ServiceView, problems: tuple[str, ...], groups: list[str]) -> str:
    """Colour of the headline."""
    if problems:
        return "bad"
    return "warn" if "attention" in groups or view.paused or view.remarks else "good"


def _brain(view: ServiceView, brain: BrainView, with_token: bool) -> dict[str, Any]:
    pictures = pictures_of(brain)
    report = next((o for o in brain.outputs if o.name.endswith("_report.html")), None)
    return {
        "base": "../",
        "here": brain.id,
        "actions": view.actions.get(brain.state, ()) if with_token else (),
        "decisions": DECISIONS,
        "view": view,
        "brain": brain,
        "pictures": pictures,
        "report": report,
        "files": [
            o for o in brain.outputs if o not in pictures and o is not report and not o.name.endswith(THUMBNAILS)
        ],
    }


def _render(template: str, values: dict[str, Any], **more: Any) -> str:
    return _templates().get_template(template).render(**values, **more)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        state=wording.state,
        duration=wording.duration,
        size=wording.size,
        speed=wording.speed,
        percent=wording.percent,
        number=wording.number,
        clock=wording.clock,
        age=wording.age,
        address=lambda output: output_address(output.path),
        brain_address=lambda brain: brain_address(brain.id),
        tone=lambda name: TONES.get(name, "plain"),
    )
    environment.globals.update(look=look(), updated_every=lambda: UPDATED_EVERY)
    return environment
