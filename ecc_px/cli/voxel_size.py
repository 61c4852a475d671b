"""`--voxel-um 6.5` for voxels that are as long along each axis; an option of typer takes three numbers or none."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from typer.core import TyperGroup

from ecc_px.errors import InvalidSetting

OPTION = "--voxel-um"


class CommandLine(TyperGroup):
    """All commands; a voxel size may be one number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, along_each_axis(args))


def along_each_axis(arguments: list[str]) -> list[str]:
    """The arguments of a command line, a voxel size that is one number said three times.

    >>> along_each_axis(["convert", "a.h5", "b.h5", "--voxel-um", "6.5"])
    ['convert', 'a.h5', 'b.h5', '--voxel-um', '6.5', '6.5', '6.5']

    Raises
    ------
    InvalidSetting
        There are two numbers.
    """
    if OPTION not in arguments:
        return arguments
    after = arguments.index(OPTION) + 1
    sizes = list(takewhile(_is_number, arguments[after : after + 3]))
    if len(sizes) == 2:
        raise InvalidSetting(
            f"{OPTION} {' '.join(sizes)}: three numbers are needed, z y x in µm, or one if all three are the same."
        )
    return [*arguments[:after], *(sizes * 2 if len(sizes) == 1 else []), *arguments[after:]]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
