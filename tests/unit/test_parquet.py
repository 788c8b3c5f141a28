"""Reading Parquet files."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automm.data.records.tables import parquet
from automm.data.records.tables.parquet import parquet_rows
from automm.errors import DataError


def nested(depth):
    values = pa.array([1])
    for _ in range(depth):
        values = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), values)
    return values


@pytest.fixture
def write(tmp_path):
    def written(columns, **options):
        pq.write_table(pa.table(columns), tmp_path / "r.parquet", **options)
        return tmp_path / "r.parquet"

    return written


@pytest.mark.parametrize(
    "cell",
    [
        lambda: "z" * 2**20,  # stored once, read for every row
        lambda: os.urandom(2**20),
        lambda: {"bytes": b"z" * 2**20, "path": None},
        lambda: [b"z" * 2**19] * 2,
    ],
    ids=["shared", "distinct", "structures", "lists"],
)
def test_rows_in_memory_are_bounded_in_bytes(write, monkeypatch, cell):
    cells = [cell() for _ in range(100)]
    shared = ["cell"] if isinstance(cells[0], str) else False
    file = write({"cell": cells}, row_group_size=50, use_dictionary=shared, write_batch_size=4)  # pages of 4 MB
    before, peak = pa.total_allocated_bytes(), 0
    monkeypatch.setattr(parquet, "BYTES", 4 * 2**20)
    for number, values in parquet_rows(file):
        assert values == {"cell": cells[number - 1]}
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert number == 100
    assert peak < 32 * 2**20


def test_small_rows_are_read_many_at_once(write):
    file = write({"cell": list(range(1000))}, row_group_size=500)
    with pq.ParquetFile(file) as table:
        assert parquet._rows_at_once(table, 0) == parquet.ROWS
    assert [number for number, _ in parquet_rows(file)] == list(range(1, 1001))


@pytest.mark.parametrize(
    ("cells", "rows"),
    [
        (["z" * 2**18] * 50, 15),  # stored once, read again for each row, with its offsets
        ([os.urandom(2**18) for _ in range(50)], 3),  # rows of a batch may be four times the average
    ],
    ids=["shared", "distinct"],
)
def test_rows_at_once_allow_for_shared_and_for_uneven_values(write, monkeypatch, cells, rows):
    monkeypatch.setattr(parquet, "BYTES", 4 * 2**20)
    file = write({"cell": cells}, use_dictionary=["cell"] if isinstance(cells[0], str) else False)
    with pq.ParquetFile(file) as table:
        assert parquet._rows_at_once(table, 0) == rows


@pytest.mark.parametrize(("depth", "fits"), [(99, True), (101, False), (400, False)])
def test_nesting_is_limited(write, depth, fits):
    file = write({"id": [1], "cell": nested(depth)}, store_schema=False)
    if fits:
        assert len(list(parquet_rows(file))) == 1
    else:
        with pytest.raises(DataError, match=r"r\.parquet: column 'cell': lists or objects nested more than 100"):
            list(parquet_rows(file))
    assert list(parquet_rows(file, ["id"])) == [(1, {"id": 1})]


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([2**62], pa.timestamp("us")),
        pa.array([1], pa.timestamp("s", tz="Mars/Phobos")),
        pa.array([2**30], pa.date32()),
        pa.array([b"\xff\xfe"]).view(pa.string()),
        pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"]),
    ],
    ids=lambda cells: str(cells.type),
)
def test_cells_without_a_python_value_are_reported(write, cells):
    with pytest.raises(DataError, match=r"r\.parquet: not readable as Parquet after row 0: .*"):
        list(parquet_rows(write({"cell": cells})))


def test_a_file_truncated_anywhere_is_reported(write):
    file = write({"cell": [str(n) * 50 for n in range(500)]}, row_group_size=50, compression="none")
    whole = file.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        file.write_bytes(whole[:place])
        with pytest.raises(DataError, match=r"r\.parquet: not readable as Parquet after row 0"):
            list(parquet_rows(file))
