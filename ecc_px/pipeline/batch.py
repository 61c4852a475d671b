"""Many brains, one after the other: a bad one is reported and does not stop the others."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ecc_px.errors import EccPxError, InvalidSetting
from ecc_px.volumes.naming import split_inner_path, volume_name

Result = TypeVar("Result")


@dataclass(frozen=True)
class Done(Generic[Result]):
    """A brain that went through."""

    source: Path
    result: Result


@dataclass(frozen=True)
class Failed:
    """A brain that did not, and why; `trace` is set where the reason is a bug of ours."""

    source: Path
    reason: str
    trace: str | None = None


def each(sources: Sequence[Path], work: Callable[[Path], Result]) -> Iterator[Done[Result] | Failed]:
    """Call `work` for each source, in order, and yield what became of it.

    Raises
    ------
    InvalidSetting
        Two sources have the same name, so the second would overwrite the first's results. Nothing is begun.
    """
    names = Counter(volume_name(split_inner_path(source)[0]) for source in sources)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise InvalidSetting(
            f"Several inputs are called {', '.join(twice)}, and their results would have the same names: "
            "run them one by one into different folders."
        )
    return _each(sources, work)


def _each(sources: Sequence[Path], work: Callable[[Path], Result]) -> Iterator[Done[Result] | Failed]:
    for source in sources:
        try:
            yield Done(source, work(source))
        except EccPxError as error:
            yield Failed(source, str(error))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one brain, the next may be well
            yield Failed(source, f"{source}: {type(error).__name__}: {error}", traceback.format_exc())
