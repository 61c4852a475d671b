"""A progress bar that says how fast it goes and how long it still takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text


class VoxelSpeed(ProgressColumn):
    """Millions of voxels per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed / 1e6:.2f} Mvoxel/s")


@contextmanager
def voxel_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error; call what it yields with the voxels done and the voxels in all."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), VoxelSpeed(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
