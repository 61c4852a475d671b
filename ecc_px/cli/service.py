"""`ecc-px service`: set the service up, ask it, and decide about single brains."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecc_px.errors import InvalidSetting

if TYPE_CHECKING:
    from ecc_px.service.ledger import Brain, Ledger

app = typer.Typer(no_args_is_help=True, help="The night shift: set it up, ask it, decide about single brains.")

DEFAULT = Path("/etc/ecc-px/facility.toml")

NewFacility = Annotated[Path, typer.Argument(metavar="FACILITY", help="Where to write it.", show_default=False)]
Facility = Annotated[Path, typer.Argument(metavar="FACILITY", help="The configuration.", show_default=False)]
FacilityOption = Annotated[
    Path | None,
    typer.Option(
        "--facility",
        "-f",
        envvar="ECC_PX_FACILITY",
        help=f"The configuration. Default: ./facility.toml, else {DEFAULT}.",
        show_default=False,
    ),
]
BrainArgument = Annotated[
    str,
    typer.Argument(
        metavar="BRAIN", help="Its number, its name, ROUTE/NAME, or the path of its raw data.", show_default=False
    ),
]
MaybeBrain = Annotated[
    str | None,
    typer.Argument(metavar="[BRAIN]", help="As `service status` shows it; default: all.", show_default=False),
]


@app.command()
def init(facility: NewFacility) -> None:
    """Write a commented configuration, to be filled in."""
    from ecc_px.service.template import write_template

    write_template(facility)
    typer.echo(f"{facility}: fill it in, then: ecc-px service check {facility}")


@app.command()
def check(facility: Facility) -> None:
    """Look whether all that the configuration speaks of is there, and what would match right now; writes nothing."""
    from ecc_px.service.condition import examine, would_take
    from ecc_px.service.config import read_facility

    settings = read_facility(facility)
    signs = {True: "ok  ", False: "BAD ", None: "    "}
    failed = 0
    for remark in examine(settings):
        failed += remark.is_well is False
        typer.echo(f"{signs[remark.is_well]} {remark.sentence}")
    brains, problems = would_take(settings)
    for problem in problems:
        typer.echo(f"BAD  {problem}")
    for brain in brains:
        typer.echo(f"     {brain.title}: {brain.state}. {brain.reason}")
    typer.echo(f"{len(brains):,} brains match; {failed + len(problems)} things to mend.")
    if failed or problems:
        raise typer.Exit(1)


@app.command()
def status(
    brain: MaybeBrain = None,
    facility: FacilityOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a machine.")] = False,
) -> None:
    """How the service is, and every brain's state and reason; or all that is known of one brain."""
    from ecc_px.service.watch import SHIFT

    with _ledger(facility) as ledger:
        if brain is not None:
            known = ledger.find(brain)
            _print_json(asdict(known)) if as_json else _describe(known)
            return
        brains, shift = ledger.brains(), ledger.noted(SHIFT, {})
        if as_json:
            _print_json({"service": shift, "brains": [asdict(known) for known in brains]})
            return
        typer.echo(_how_it_is(shift))
        for problem in shift.get("problems", []):
            typer.echo(f"Warning: {problem}", err=True)
        typer.echo(", ".join(f"{count:,} {state}" for state, count in ledger.counts().items()) or "No brain yet.")
        for known in brains:
            typer.echo(f"{known.id:>5}  {known.state:<11} {known.title}{_progress(known)}  {known.reason}")


@app.command()
def log(
    brain: MaybeBrain = None,
    facility: FacilityOption = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="So many of the latest changes.")] = 50,
) -> None:
    """Every change of state with its time and reason, latest last."""
    with _ledger(facility) as ledger:
        for event in ledger.events(ledger.find(brain).id if brain else None, limit=lines):
            before = f"{event.before} → " if event.before and event.before is not event.after else ""
            typer.echo(f"{_at(event.at)}  {event.route}/{event.name}  {before}{event.after}: {event.why}")


@app.command()
def retry(brain: BrainArgument, facility: FacilityOption = None) -> None:
    """Look at a brain again, from quarantine, after a pause, or after `skip`."""
    from ecc_px.service import decisions

    _decide(facility, brain, decisions.retry)


@app.command()
def release(brain: BrainArgument, facility: FacilityOption = None) -> None:
    """Take a brain as it is: don't wait for its marker, planes or quiet any more."""
    from ecc_px.service import decisions

    _decide(facility, brain, decisions.release)


@app.command()
def skip(brain: BrainArgument, facility: FacilityOption = None) -> None:
    """Don't process a brain; if it is being processed, stop."""
    from ecc_px.service import decisions

    _decide(facility, brain, decisions.skip)


@app.command()
def forget(brain: BrainArgument, facility: FacilityOption = None) -> None:
    """Remove a brain from the ledger; its files and its history stay."""
    from ecc_px.service import decisions

    _decide(facility, brain, decisions.forget)


@app.command()
def rerun(
    brain: Annotated[str | None, typer.Argument(metavar="[BRAIN]", help="A stale brain.", show_default=False)] = None,
    stale: Annotated[bool, typer.Option("--stale", help="All stale brains.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which, and how long it would take.")] = False,
    facility: FacilityOption = None,
) -> None:
    """Do stale brains again, with the classifier and the settings that hold now."""
    from ecc_px.service import decisions
    from ecc_px.service.quantities import duration
    from ecc_px.service.states import State

    if (brain is None) is not stale:
        raise InvalidSetting("rerun: give one BRAIN, or --stale for all that are stale.")
    with _ledger(facility) as ledger:
        chosen = ledger.brains(State.stale) if brain is None else [ledger.find(brain)]
        for known in chosen:
            if dry_run:
                typer.echo(f"{known.title}: {known.reason}")
            else:
                typer.echo(decisions.rerun(ledger, known))
        seconds = sum(known.seconds for known in chosen)
        typer.echo(f"{len(chosen):,} brains; they took {duration(seconds)} of work the last time.")


@app.command()
def unit(facility: Facility) -> None:
    """Print a systemd unit for /etc/systemd/system/ecc-px.service."""
    from ecc_px.service.config import read_facility
    from ecc_px.service.systemd import unit as unit_of

    typer.echo(unit_of(read_facility(facility)), nl=False)


def _ledger(facility: Path | None) -> AbstractContextManager[Ledger]:
    from ecc_px.service.config import read_facility
    from ecc_px.service.ledger import Ledger

    if facility is None:
        here = Path("facility.toml")
        facility = here if here.exists() or not DEFAULT.exists() else DEFAULT
    settings = read_facility(facility)
    if not settings.service.state.exists():
        raise InvalidSetting(f"{settings.service.state}: there is no ledger yet; `ecc-px watch {facility}` begins one.")
    return Ledger(settings.service.state)


def _decide(facility: Path | None, brain: str, decision: Callable[[Ledger, Brain], str]) -> None:
    with _ledger(facility) as ledger:
        typer.echo(decision(ledger, ledger.find(brain)))


def _how_it_is(shift: dict[str, Any]) -> str:
    from ecc_px.service.clock import SystemClock
    from ecc_px.service.quantities import duration

    if not shift or shift["process"] is None:
        return "The service is not running."
    now = SystemClock().moment()
    if shift["boot"] != now.boot:
        return "The service has not been running since the machine was started."
    since = now.seconds - shift["beat"]
    if since > 120:
        return f"The service has said nothing for {duration(since)} (process {shift['process']})."
    paused = f" It waits: {shift['paused']}" if shift["paused"] else ""
    age = duration(time.time() - shift["begun"])
    return (
        f"The service is running (process {shift['process']}, for {age}); its last look took "
        f"{shift['look_seconds']:.2f} s for {shift['files']:,} files.{paused}"
    )


def _describe(brain: Brain) -> None:
    from ecc_px.service.quantities import duration, size
    from ecc_px.service.states import MEANING

    facts = {
        "number": brain.id,
        "state": f"{brain.state}: {MEANING[brain.state]}",
        "since": _at(brain.since),
        "reason": brain.reason,
        "raw data": f"{brain.source} ({brain.files:,} files, {size(brain.bytes)})",
        "results": brain.output,
        "progress": _progress(brain).strip(),
        "cells": None if brain.cells is None else f"{brain.cells:,}",
        "work": duration(brain.seconds) if brain.seconds else None,
        "tried again": _at(brain.retry_at) if brain.state == "retry" and brain.retry_at else None,
        "classifier": brain.classifier,
        "fingerprint": brain.fingerprint,
    }
    typer.echo(brain.title)
    for name, value in facts.items():
        if value not in (None, ""):
            typer.echo(f"  {name:<12} {value}")
    for warning in brain.warnings:
        typer.echo(f"  warning      {warning}")


def _progress(brain: Brain) -> str:
    from ecc_px.service.quantities import duration

    if not brain.total or brain.done is None:
        return ""
    left = brain.seconds_left
    return f"  {brain.step} {brain.done / brain.total:.0%}" + (f", {duration(left)} left" if left is not None else "")


def _at(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _print_json(content: object) -> None:
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
