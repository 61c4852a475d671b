"""A table is read as it is written, in pieces of any size, and a bad line is told by its number."""

import numpy as np
import pytest
from cell_tables import HEADER, ROWS, table_text, write_table

from ecc_px.cells import reading
from ecc_px.cells.reading import POSITION, CellFile
from ecc_px.errors import UnreadableTable


@pytest.fixture
def table_of(tmp_path):
    def write(content):
        path = tmp_path / "cells.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, **columns):
    return list(CellFile(path).rows(**columns))


@pytest.mark.parametrize("piece_bytes", [1, 60, 1 << 20])
def test_pieces_of_any_size_give_the_same_rows(tmp_path, monkeypatch, piece_bytes):
    monkeypatch.setattr(reading, "PIECE_BYTES", piece_bytes)
    path = write_table(tmp_path / "cells.csv")
    parts = read(path, finite=POSITION, texts=["vol"])
    assert b"".join(line for rows in parts for line in rows.lines).decode() == "".join(f"{r}\n" for r in ROWS)
    assert [x for rows in parts for x in rows.table["X"]] == [26.0, 0.0, 253.5, 68.25]
    assert [t for rows in parts for t in rows.table["vol"]] == ["818.31", "292.25", "584.51", "1169.01"]
    starts = [start for rows in parts for start in rows.starts]
    assert [path.read_bytes()[s:].splitlines()[0].decode() for s in starts] == list(ROWS)


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_read(table_of):
    path = table_of(b"\xef\xbb\xbf" + table_text().replace("\n", "\r\n").encode() + b"\r\n")
    (rows,) = read(path, finite=POSITION)
    assert CellFile(path).columns == tuple(HEADER.split(","))
    assert len(rows) == len(rows.table) == len(ROWS)


def test_last_line_without_an_end_is_a_row(table_of):
    (rows,) = read(table_of(table_text().rstrip("\n")), finite=POSITION)
    assert len(rows) == len(ROWS)


def test_quoted_text_with_a_comma_is_one_field(table_of):
    path = table_of('X,Y,Z,region\n1.0,2.0,3.0,"cortex, layer 5"\n')
    (rows,) = read(path, finite=POSITION, texts=["region"])
    assert rows.table["region"].tolist() == ["cortex, layer 5"]
    assert CellFile(path).fields(rows.lines[0]) == ["1.0", "2.0", "3.0", "cortex, layer 5"]


def test_empty_field_is_nan_where_a_number_may_be_missing(table_of):
    (rows,) = read(table_of("X,Y,Z,p\n1,2,3,\n1,2,3,0.5\n"), finite=POSITION, numbers=["p"])
    np.testing.assert_array_equal(rows.table["p"], [np.nan, 0.5])


def test_header_alone_has_no_rows(table_of):
    path = table_of(HEADER + "\n")
    assert read(path, finite=POSITION) == []
    assert CellFile(path).read(POSITION).shape == (0, 3)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not even a header"),
        (b"\x89HDF\r\n\x1a\n\x00\x00", "no CSV text"),
        (b"\xff\xfeX\x00,\x00Y\x00\n\x00", "no CSV text"),
        ("X;Y;Z\n1,5;2,5;3,5\n", "separated by semicolons"),
        ("X\tY\tZ\n1\t2\t3\n", "separated by tabs"),
        ("X,Y,Z\n1,5,2,5,3,5\n", "line 2: 6 fields, the header has 3. Numbers need a decimal point"),
        ("X,Y,Z\n1,2,3\n1,2\n", "line 3: 2 fields, the header has 3. Was it cut short?"),
        ("X,Y,Z\n1,2,3\n4,nan,6\n", "line 3: Y is nan"),
        ("X,Y,Z\n1,2,inf\n", "line 2: Z is inf"),
        ("X,Y,Z\n1,2,3\n1,2,3\n1,here,3\n", "line 4: Y is 'here'"),
        ("X,Y,Y\n1,2,3\n", "two columns have the name 'Y'"),
        ("x,y,z\n1,2,3\n", "no column X, Y, Z, only x, y, z"),
        ('X,Y,Z\n1,2,"3\n4"\n', "line 2: a quoted text does not end"),
    ],
)
def test_malformed_table_is_refused_with_its_name_and_line(table_of, content, says):
    path = table_of(content)
    with pytest.raises(UnreadableTable, match=r"cells\.csv") as refusal:
        read(path, finite=POSITION)
    assert says in str(refusal.value)


def test_missing_file_and_folder_are_refused(tmp_path):
    with pytest.raises(UnreadableTable, match="no such file"):
        CellFile(tmp_path / "none.csv")
    with pytest.raises(UnreadableTable, match="it is a folder"):
        CellFile(tmp_path)
