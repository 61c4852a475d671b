"""Reading tables of cells of any length: piece by piece, with the bytes of every row, and a sentence for a bad line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecc_px.errors import UnreadableTable

POSITION = ("X", "Y", "Z")
PIECE_BYTES = 8 << 20
"""Read at once: some 150,000 rows."""

_LONGEST_HEADER = 1 << 16
_NO_NUMBER = ["", "nan", "NaN", "NA"]
"""How a number that is not known is written."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a table, one after the other.

    Parameters
    ----------
    lines : list of bytes
        Each row as it is in the file, with its line end.
    starts : (n,) int64
        The byte of the file at which each row begins.
    table : DataFrame
        The columns that were asked for.
    """

    lines: list[bytes]
    starts: npt.NDArray[np.int64]
    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def positions(self) -> npt.NDArray[np.float64]:
        """(n, 3) X, Y, Z in µm, where they were asked for."""
        return self.table[list(POSITION)].to_numpy()


def moved_together(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The rows of all parts, one after the other; the list is emptied meanwhile, so that nothing is there twice."""
    end = sum(map(len, parts))
    out = np.empty((end, *parts[0].shape[1:]), parts[0].dtype)
    while parts:
        part = parts.pop()
        out[end - len(part) : end] = part
        end -= len(part)
    return out


class CellFile:
    """A CSV file with one row for each cell: commas between fields, points in numbers, one header line.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    columns : tuple of str
    header : bytes
        The header line as it is in the file.

    Raises
    ------
    UnreadableTable
        It can't be opened, or does not begin with a header line.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._opened() as file:
            self.header = file.readline(_LONGEST_HEADER)
        self.columns = self._columns()

    @property
    def stem(self) -> str:
        """The file's name without its extension: the beginning of the name of what is made from it."""
        return self.path.stem

    def require(self, columns: Sequence[str]) -> None:
        """Refuse a table that lacks one of these columns."""
        missing = [name for name in columns if name not in self.columns]
        if missing:
            raise UnreadableTable(
                f"{self.path}: there is no column {', '.join(missing)}, only {', '.join(self.columns)}. "
                "Is it a table of cells?"
            )

    def rows(
        self, *, finite: Sequence[str] = (), numbers: Sequence[str] = (), texts: Sequence[str] = ()
    ) -> Iterator[Rows]:
        """The rows in their order, some at a time.

        Parameters
        ----------
        finite : sequence of str
            Columns to read as float64, in which every row must have a number.
        numbers : sequence of str
            Columns to read as float64; an empty field is NaN.
        texts : sequence of str
            Columns to read as they are written.

        Raises
        ------
        UnreadableTable
            A column is missing, or a line has too many or too few fields or no number where there must be one.
        """
        self.require([*finite, *numbers, *texts])
        line = 2
        with self._opened() as file:
            start = len(file.readline())
            while piece := file.read(PIECE_BYTES):
                piece += file.readline()
                lines = piece.splitlines(keepends=True)
                self._refuse_ragged(lines, line, quoted=b'"' in piece)
                starts = start + np.cumsum([0, *map(len, lines[:-1])], dtype=np.int64)
                start += len(piece)
                filled = [k for k, text in enumerate(lines) if not text.isspace()]
                table = self._parsed(piece, list(finite), list(numbers), list(texts), line)
                line += len(lines)
                if len(filled) < len(lines):
                    lines, starts = [lines[k] for k in filled], starts[filled]
                yield Rows(lines, starts, table)

    def read(self, columns: Sequence[str]) -> npt.NDArray[np.float64]:
        """(n, columns) numbers of the whole table, every one finite."""
        parts = [rows.table[list(columns)].to_numpy() for rows in self.rows(finite=columns)]
        return moved_together([np.zeros((0, len(columns))), *parts])

    def fields(self, line: bytes) -> list[str]:
        """A row cut into its fields, as they are written."""
        return next(csv.reader([line.decode("utf-8")]))

    def _opened(self) -> io.BufferedReader:
        try:
            return self.path.open("rb")
        except FileNotFoundError as error:
            raise UnreadableTable(f"{self.path}: there is no such file.") from error
        except IsADirectoryError as error:
            raise UnreadableTable(f"{self.path}: it is a folder; give the table of cells (.csv).") from error
        except OSError as error:
            raise UnreadableTable(f"{self.path}: it can't be read ({error.strerror}).") from error

    def _columns(self) -> tuple[str, ...]:
        if not self.header:
            raise UnreadableTable(f"{self.path}: the file is empty: not even a header line is there.")
        try:
            text = self.header.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text or (not text.endswith(("\n", "\r")) and len(self.header) == _LONGEST_HEADER):
            raise UnreadableTable(f"{self.path}: it is no CSV text in UTF-8. Save the table as CSV.")
        for separator, name in ((";", "semicolons"), ("\t", "tabs")):
            if separator in text and "," not in text:
                raise UnreadableTable(
                    f"{self.path}: its fields are separated by {name}. Save it as CSV with commas between fields and "
                    "points in numbers."
                )
        columns = tuple(name.strip() for name in next(csv.reader([text]), []))
        if len(set(columns)) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise UnreadableTable(f"{self.path}: two columns have the name {twice!r}. Rename one.")
        return columns

    def _refuse_ragged(self, lines: list[bytes], first: int, *, quoted: bool) -> None:
        for number, line in enumerate(lines, first):
            if quoted and line.count(b'"') % 2:
                self._refuse(number, "a quoted text does not end on the line on which it begins")
            separators = len(self.fields(line)) - 1 if quoted and not line.isspace() else line.count(b",")
            if separators != len(self.columns) - 1 and not line.isspace():
                hint = " Numbers need a decimal point, not a comma." if separators >= len(self.columns) else ""
                reason = f"{separators + 1} fields, the header has {len(self.columns)}"
                raise UnreadableTable(f"{self.path}, line {number}: {reason}.{hint or ' Was it cut short?'}")

    def _parsed(self, piece: bytes, finite: list[str], numbers: list[str], texts: list[str], line: int) -> pd.DataFrame:
        wanted = [*dict.fromkeys([*finite, *numbers, *texts])]
        if not wanted:
            return pd.DataFrame()
        as_numbers = {*finite, *numbers}
        reading: dict[str, Any] = {"names": self.columns, "header": None, "usecols": wanted, "keep_default_na": False}
        try:
            table = pd.read_csv(
                io.BytesIO(piece),
                dtype={name: np.float64 if name in as_numbers else object for name in wanted},
                na_values=dict.fromkeys(as_numbers, _NO_NUMBER),
                **reading,
            )
        except ValueError:
            self._refuse_no_number(pd.read_csv(io.BytesIO(piece), dtype=str, **reading), [*finite, *numbers], line)
        for name in finite:
            odd = ~np.isfinite(table[name].to_numpy())
            if odd.any():
                self._refuse(line + int(odd.argmax()), f"{name} is {table[name][odd.argmax()]}, which is no number")
        return table[wanted]

    def _refuse_no_number(self, texts: pd.DataFrame, columns: list[str], line: int) -> NoReturn:
        for name in columns:
            values = pd.to_numeric(texts[name], errors="coerce")
            odd = np.flatnonzero(values.isna() & ~texts[name].str.strip().isin(_NO_NUMBER))
            if len(odd):
                self._refuse(line + int(odd[0]), f"{name} is {texts[name][int(odd[0])]!r}, which is no number")
        self._refuse(line, "the numbers can't be read")

    def _refuse(self, line: int, reason: str) -> NoReturn:
        raise UnreadableTable(f"{self.path}, line {line}: {reason}. Mend the line or make the table again.")
