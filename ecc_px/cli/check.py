"""`ecc-px check`: is an input all there?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ecc_px.cli.options import AllowMissing, Axes, Channel, Inputs, Jobs, Level
from ecc_px.cli.progress import voxel_progress

if TYPE_CHECKING:
    from ecc_px.completeness import CheckReport


def check(
    inputs: Inputs,
    axes: Axes = None,
    level: Level = 0,
    channel: Channel = None,
    allow_missing: AllowMissing = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at names, sizes and headers only: seconds, whatever the size.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of reports as JSON, for machines.")] = False,
    jobs: Jobs = None,
) -> None:
    """Look for everything that is missing or damaged in images, and name each plane and place.

    Every voxel is read once. Exit code 1 when anything is wrong.
    """
    from ecc_px.completeness import CheckReport, Finding, check_input
    from ecc_px.completeness.findings import Kind
    from ecc_px.errors import EccPxError

    reports = []
    for path in inputs:
        try:
            with voxel_progress(f"check {path.name}") as progress:
                report = check_input(
                    path,
                    axes=axes,
                    level=level,
                    channel=channel,
                    allow_missing=allow_missing,
                    quick=quick,
                    jobs=jobs,
                    progress=progress,
                )
        except EccPxError as error:
            # The next input may be well.
            report = CheckReport(path, findings=(Finding(Kind.other, str(path), str(error)),))
        reports.append(report)
        if not as_json:
            for line in lines_about(report):
                typer.echo(line)
    if as_json:
        typer.echo(json.dumps([report.as_json() for report in reports], indent=2, ensure_ascii=False))
    wrong = [report for report in reports if not report.ok]
    if len(reports) > 1 and not as_json:
        typer.echo(f"{len(reports) - len(wrong)} of {len(reports)} inputs are complete.")
    if wrong:
        raise typer.Exit(1)


def lines_about(report: CheckReport) -> list[str]:
    """A line for each finding and warning, and a summary."""
    lines = [finding.sentence for finding in report.findings]
    if report.more:
        lines.append(f"… and {report.more:,} more like these.")
    lines += [f"Warning: {warning.sentence}" for warning in report.warnings]
    looked_at = "; looked at " + ("names, sizes and headers" if report.quick else "every voxel")
    if report.ok:
        summary = f"{report.path}: complete: {report.planes:,} planes{looked_at}."
    else:
        count = len(report.findings) + report.more
        summary = f"{report.path}: {count:,} thing{'s' if count > 1 else ''} wrong{looked_at if report.planes else ''}."
    return [*lines, summary]
