"""Read Parquet files row by row, with a bound in bytes on what is in memory at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automm.data.files import read_failure
from automm.data.records.shape import DEEPEST, MALFORMED, repeated_names, too_deep
from automm.errors import DataError, Problem

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS = 64  # in a batch, at most
BYTES = 64 * 2**20  # in a batch; a single row may be larger
BUFFER = 2**20  # bytes of a column read at once, instead of the column's whole row group
SKEW = 4  # rows of a batch may be this many times the average size of their row group


def parquet_rows(file: Path, columns: Sequence[str] | None = None) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the rows, numbered from 1.

    Args:
        file: a Parquet file.
        columns: the columns to read; None for all.

    Raises:
        DataError: two columns have the same name, values are nested too deep, or the file is damaged; damage further
            down is raised after the rows before it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False) as table:
            _check_columns(file, table.schema_arrow, columns)
            for group in range(table.num_row_groups):
                size = _rows_at_once(table, group)
                for batch in table.iter_batches(batch_size=size, row_groups=[group], columns=columns):
                    # to_pylist, not pandas: an integer column with a missing value stays an integer column.
                    for values in batch.to_pylist():
                        number += 1
                        yield number, values
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _unreadable(file, number, error) from error


def parquet_schema(file: Path) -> "pa.Schema":
    """Return the columns of a file with their types and metadata.

    Raises:
        DataError: the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(file, 0, error) from error


def _rows_at_once(table: "pq.ParquetFile", group: int) -> int:
    """Return how many rows of a row group fit into `BYTES`, by their average size and the size of the first.

    The first row is measured because values shared by all rows are stored once, but are read again for each row.
    """
    size: int = table.metadata.row_group(group).total_byte_size
    if size * ROWS <= BYTES:  # no row can be too large
        return ROWS
    first = next(table.iter_batches(batch_size=1, row_groups=[group]), None)
    average = size // max(1, table.metadata.row_group(group).num_rows)
    largest: int = max(SKEW * average, first.nbytes if first is not None else 0)
    return max(1, min(ROWS, BYTES // max(1, largest)))


def _check_columns(file: Path, schema: "pa.Schema", columns: Sequence[str] | None) -> None:
    read = [field for field in schema if columns is None or field.name in columns]
    if repeated := repeated_names([field.name for field in read], file.name):
        raise DataError([repeated])
    for field in read:
        if _depth(field.type) > DEEPEST:
            raise DataError([too_deep(f"{file.name}: column {field.name!r}")])


def _depth(kind: "pa.DataType") -> int:
    """Return how deep lists and structures of a type are nested, at most `DEEPEST` + 1."""
    level = [kind]
    for depth in range(DEEPEST + 1):
        level = [one.field(place).type for one in level for place in range(one.num_fields)]
        if not level:
            return depth
    return DEEPEST + 1


def _unreadable(file: Path, number: int, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.errno is not None:  # errors of Arrow have no number
        return read_failure(file, error)
    reason = " ".join(str(error).split()).removesuffix(".")
    text = f"not readable as Parquet after row {number}: {reason}"
    return DataError([Problem(MALFORMED, file.name, text, "Download or write the file again")])
