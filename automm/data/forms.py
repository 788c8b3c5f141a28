"""The file forms of records: JSON Lines, a JSON array, CSV, TSV, Parquet.

Each reader yields (line or row number, columns), and appends to `problems` what it could not read.
"""

import ast
import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from automm.data.surrogates import join_pairs

Values = dict[str, object]
Numbered = Iterator[tuple[int, Values]]


def lines_of(file: Path, encoding: str, problems: list[str], newline: str = "\n") -> Iterator[str]:
    """The lines of a file, gzipped or not, as they are read, never the whole.

    They end where its bytes are not of this encoding.

    The lines that are not stand among the problems then, all of them.

    Args:
        newline: as `open` has it. Only "\n" ends a line of JSON, which may hold other separators as they are.
    """
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        with (
            gzip.open(file, "rt", encoding=encoding, newline=newline)
            if file.suffix == ".gz"
            else file.open(encoding=encoding, newline=newline) as lines
        ):
            yield from lines
    except UnicodeError:
        problems += _misencoded(file, encoding)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        problems.append(f"{file.name}: not a whole gzip file: {error}. Fetch it again")


def _misencoded(file: Path, encoding: str) -> list[str]:
    hint = "Set encoding: in the manifest (gb18030, cp1252, ...), or convert the file"
    if file.suffix == ".gz":
        return [f"{file.name}: not {encoding.removesuffix('-sig')}. {hint}"]
    raw, first = file.read_bytes(), 1
    try:
        raw.decode(encoding)
    except UnicodeError as error:
        first = raw[: getattr(error, "start", 0)].count(b"\n") + 1
    found = [n for n, line in enumerate(raw.split(b"\n"), 1) if n >= first and not _decodes(line, encoding)]
    return [f"{file.name}:{n}: not {encoding.removesuffix('-sig')}. {hint}" for n in found or [first]]


def json_lines(file: Path, encoding: str, problems: list[str], *, literals: bool = False) -> Numbered:
    """The objects of a JSON Lines file; with `literals` a line may also be a dict as Python writes it."""
    for number, line in enumerate(lines_of(file, encoding, problems), 1):
        if line.strip():
            parsed = parse_literal(line) if literals and line.startswith(("{'", "{u'")) else UNREADABLE
            if parsed is UNREADABLE:
                parsed = parse_json(line.removesuffix("\n"), f"{file.name}:{number}", problems)
            if isinstance(parsed, dict):
                yield number, parsed
            elif parsed is not UNREADABLE:
                problems.append(f"{file.name}:{number}: expected an object {{...}}, got {type(parsed).__name__}")


def parse_literal(text: str) -> object:
    """A value as Python writes it, pairs of surrogates joined, or UNREADABLE; nothing of it is run."""
    try:
        return join_pairs(ast.literal_eval(text.strip()))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return UNREADABLE


def _json_array(file: Path, encoding: str, problems: list[str]) -> Numbered:
    before = len(problems)
    text = "".join(lines_of(file, encoding, problems))
    if len(problems) > before or not text.strip():
        return
    parsed = parse_json(text, file.name, problems)
    if parsed is UNREADABLE:
        return
    if not isinstance(parsed, list):
        problems.append(f"{file.name}: expected an array [...], got {type(parsed).__name__}. JSON Lines end in .jsonl")
        return
    for number, item in enumerate(parsed, 1):
        if isinstance(item, dict):
            yield number, item
        else:
            problems.append(f"{file.name}:{number}: expected an object {{...}}, got {type(item).__name__}")


def _unique(pairs: list[tuple[str, object]]) -> Values:
    """An object; a key given twice would lose a value without a word."""
    values = dict(pairs)
    if len(values) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {twice[:80]!r} stands twice")
    return values


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
UNREADABLE = object()


def parse_json(text: str, where: str, problems: list[str]) -> Any:
    try:
        parsed = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        place = f"{where}:{error.lineno}" if "\n" in text else where
        problems.append(f"{place}: not JSON: {error.msg} at column {error.colno}")
    except UnicodeEncodeError:
        problems.append(f"{where}: holds half a surrogate pair (\\ud...), which is no text")
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        problems.append(f"{where}: not JSON that can be read: {error}")
    else:
        return parsed
    return UNREADABLE


def _comma(file: Path, encoding: str, problems: list[str]) -> Numbered:
    return _table(file, encoding, problems, ",")


def _tab(file: Path, encoding: str, problems: list[str]) -> Numbered:
    return _table(file, encoding, problems, "\t")


def _table(file: Path, encoding: str, problems: list[str], delimiter: str) -> Numbered:
    misencoded: list[str] = []
    reader = csv.reader(lines_of(file, encoding, misencoded, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if misencoded:  # the text has ended there, and with it a quotation perhaps
                break
            problems.append(f"{file.name}:{line}: not {file.suffix[1:].upper()}: {error}")
            if header is None:
                return
            cells = []
        start, line = line, reader.line_num + 1
        if not cells:
            continue
        if header is None:
            header = cells
            twice = sorted({name for name in header if header.count(name) > 1})
            if twice:
                problems.append(f"{file.name}:{start}: column names stand twice: {', '.join(twice)}. Rename one")
                return
        elif len(cells) != len(header):
            problems.append(f"{file.name}:{start}: {len(cells)} cells, expected {len(header)} as in the header")
        else:
            yield start, dict(zip(header, cells, strict=True))
    problems += misencoded


def _parquet(file: Path, encoding: str, problems: list[str]) -> Numbered:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as table:
            # to_pylist, not pandas: an integer column with a missing value stays an integer column.
            for batch in table.iter_batches(batch_size=4096):
                for values in batch.to_pylist():
                    number += 1
                    yield number, values
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        problems.append(f"{file.name}: not readable as Parquet after row {number}: {' '.join(str(error).split())}")


FORMS: dict[str, Callable[[Path, str, list[str]], Numbered]] = {
    ".jsonl": json_lines,
    ".json": _json_array,
    ".csv": _comma,
    ".tsv": _tab,
    ".parquet": _parquet,
}


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeError:
        return False
    return True
