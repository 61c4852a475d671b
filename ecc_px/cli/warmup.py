"""`ecc-px warmup`: compile the kernels ahead of the first brain."""

from __future__ import annotations

import time

import typer


def warmup() -> None:
    """Compile all kernels now and keep them on disk, so that no brain has to wait for it."""
    from ecc_px.pipeline.warmup import warm_up

    started = time.monotonic()
    for stage in warm_up():
        typer.echo(f"Compiling once, and keeping on disk: {stage} …", err=True)
    typer.echo(f"All kernels are compiled ({time.monotonic() - started:.0f} s).")
