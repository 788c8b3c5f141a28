"""Read the file formats of records: JSON Lines, JSON array, CSV, TSV, Parquet, Excel.

Each reader yields (line or row number, cells by column), and appends what it could not read to `problems`.
"""

import ast
import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from automm.data.records.shape import DEEPEST, MALFORMED, nests_too_deep, repeated_names, too_deep
from automm.data.records.surrogates import LONE_SURROGATE, join_surrogates
from automm.data.records.tables.excel import excel_rows
from automm.data.records.tables.json_columns import rows_of_columns
from automm.data.records.tables.parquet import parquet_rows
from automm.errors import DataError, Problem

Values = dict[str, object]
Numbered = Iterator[tuple[int, Values]]

DELIMITERS = {".csv": ",", ".tsv": "\t"}
LIKELY_DELIMITERS = (",", ";", "\t", "|")
LARGEST_LINE = 64 * 2**20  # characters; a few megabytes of gzip may expand to one line that exceeds memory
ENCODING = "encoding"  # code of problems
QUOTES = (
    "Set quotes: false in the manifest if quotation marks are part of the text, quotes: true if cells contain line "
    "breaks"
)
LARGEST_CELL = 10_000_000  # characters; an unclosed quotation must not swallow the whole file


def lines_of(file: Path, encoding: str, problems: list[Problem], newline: str = "\n") -> Iterator[str]:
    """Yield the lines of a file, gzipped or not, without reading it whole.

    The lines stop at the first bytes that are invalid in the encoding. That line, and the number of other invalid
    lines, become one problem.

    Args:
        file: a text file, gzipped if it ends in .gz.
        encoding: a byte order mark of UTF-8 is skipped.
        problems: new problems are appended.
        newline: as in `open`. Only "\n" ends a line of JSON, which may contain other line separators unescaped.
    """
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        with (
            gzip.open(file, "rt", encoding=encoding, newline=newline)
            if file.suffix == ".gz"
            else file.open(encoding=encoding, newline=newline) as lines
        ):
            for number, line in enumerate(iter(partial(lines.readline, LARGEST_LINE), ""), 1):
                if len(line) == LARGEST_LINE:
                    size = f"{LARGEST_LINE // 2**20} million characters"
                    problems.append(
                        Problem(
                            "long_line", f"{file.name}:{number}", f"line of more than {size}", "Split it, or remove it"
                        )
                    )
                    return
                yield line
    except UnicodeError:
        problems.append(_misencoded(file, encoding))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        problems.append(Problem("gzip", file.name, f"truncated or damaged gzip file: {error}", "Download it again"))


def _misencoded(file: Path, encoding: str) -> Problem:
    """Return the problem of a file with lines that are invalid in the encoding."""
    named = encoding.removesuffix("-sig")
    hint = "Set encoding in the manifest (gb18030, cp1252, ...), or convert the file"
    if file.suffix == ".gz":
        return Problem(ENCODING, file.name, f"not {named}", hint)
    if "16" in encoding or "32" in encoding:  # a byte 10 is not always a line end
        first, more = 1, 0
    else:
        with file.open("rb") as lines:
            wrong = [number for number, line in enumerate(lines, 1) if not _decodes(line, encoding)]
        first, more = (wrong or [1])[0], max(0, len(wrong) - 1)
    also = f" (and {more:,} more {'line' if more == 1 else 'lines'})" if more else ""
    return Problem(ENCODING, f"{file.name}:{first}", f"not {named}{also}", hint)


def json_lines(file: Path, encoding: str, problems: list[Problem], *, literals: bool = False) -> Numbered:
    """Yield the objects of a JSON Lines file; with `literals` a line may also be a dict in Python syntax."""
    for number, line in enumerate(lines_of(file, encoding, problems), 1):
        if line.strip():
            parsed = parse_literal(line) if literals and line.startswith(("{'", "{u'")) else UNREADABLE
            if parsed is UNREADABLE:
                parsed = parse_json(line.removesuffix("\n"), f"{file.name}:{number}", problems, _fix_of_line)
            if isinstance(parsed, dict):
                yield number, parsed
            elif parsed is not UNREADABLE:
                problems.append(_no_object(f"{file.name}:{number}", parsed))


def _no_object(where: str, value: object) -> Problem:
    text = f"expected an object {{...}}, got {type(value).__name__}"
    return Problem(MALFORMED, where, text, 'Write each record as a JSON object, such as {"text": "..."}')


def _fix_of_line(line: str) -> str:
    """Return the fix for a line that is not JSON; "" if the cause is unknown."""
    line = line.strip()
    if line.endswith(",") and line.startswith("{"):
        return "Remove the commas at line ends, or put all lines in [...] and name the file .json"
    if line.startswith(("{'", "{u'")):
        return "The line is a Python dict: write records with json.dumps"
    if line in ("[", "{", "]", "}", "},") or (line.startswith('"') and line.endswith((",", "{", "["))):
        return "Write one whole object per line, or put objects that span lines in [...] and name the file .json"
    return ""


def parse_literal(text: str) -> object:
    """Return a value in Python syntax, surrogate pairs joined, or UNREADABLE; no code is run."""
    try:
        return join_surrogates(ast.literal_eval(text.strip()))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return UNREADABLE


def _json_array(file: Path, encoding: str, problems: list[Problem]) -> Numbered:
    """Yield the objects of an array, of JSON Lines (often published as .json), or of JSON by columns."""
    if _holds_lines(file, encoding):
        yield from json_lines(file, encoding, problems)
        return
    before = len(problems)
    text = "".join(lines_of(file, encoding, problems))
    if len(problems) > before or not text.strip():
        return
    parsed = parse_json(text, file.name, problems)
    if parsed is UNREADABLE:
        return
    if isinstance(parsed, dict):
        parsed = rows_of_columns(parsed) or parsed
    if not isinstance(parsed, list):
        problems.append(_no_array(file.name, parsed))
        return
    for number, item in enumerate(parsed, 1):
        if isinstance(item, dict):
            yield number, item
        else:
            problems.append(_no_object(f"{file.name}:{number}", item))


def _holds_lines(file: Path, encoding: str) -> bool:
    """Return whether the first line is a whole object, and another line follows."""
    lines = (line for line in lines_of(file, encoding, []) if line.strip())
    first, second = next(lines, ""), next(lines, "")
    return first.startswith("{") and bool(second) and isinstance(parse_json(first, "", []), dict)


def _no_array(where: str, parsed: object) -> Problem:
    """Return the problem of a JSON file that is not an array."""
    text = "expected an array [...], got"
    keys = [key for key, value in parsed.items() if isinstance(value, list)] if isinstance(parsed, dict) else []
    if not keys:
        fix = "Put the records in one array, or write one object per line"
        return Problem(MALFORMED, where, f"{text} {type(parsed).__name__}", fix)
    named = " or ".join(repr(key) for key in keys[:5])
    fix = "Write only that list to a file, and set records to the file"
    return Problem(MALFORMED, where, f"{text} an object with a list under {named}", fix)


def _unique(pairs: list[tuple[str, object]]) -> Values:
    """Return an object; raise ValueError for a duplicate key, which would lose a value silently."""
    values = dict(pairs)
    if len(values) < len(pairs):
        [(repeated, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"duplicate key {repeated[:80]!r}")
    return values


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
UNREADABLE = object()


def parse_json(text: str, where: str, problems: list[Problem], fix_of: Callable[[str], str] = lambda text: "") -> Any:
    """Return the parsed value, or UNREADABLE after appending a problem; `fix_of` returns the fix for a text."""
    try:
        parsed = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        place = f"{where}:{error.lineno}" if "\n" in text else where
        problems.append(Problem(MALFORMED, place, f"not JSON: {error.msg} at column {error.colno}", fix_of(text)))
    except UnicodeEncodeError:
        problems.append(Problem("surrogate", where, LONE_SURROGATE, fix_of(text)))
    except (ValueError, RecursionError) as error:  # thousands of digits or brackets
        problems.append(Problem(MALFORMED, where, f"unreadable JSON: {error}", fix_of(text)))
    else:
        if text.count("[") + text.count("{") <= DEEPEST or not nests_too_deep(parsed):
            return parsed
        problems.append(too_deep(where))
    return UNREADABLE


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        delimiter: between cells; None for the usual one of the file's suffix.
        quotes: whether a cell that begins with a quotation mark ends with one. None: it does, but cells between tabs
            must not contain line breaks. Otherwise texts that only begin with a mark would merge lines.
    """

    delimiter: str | None = None
    quotes: bool | None = None


DEFAULT_DIALECT = Dialect()


def read_table(file: Path, encoding: str, problems: list[Problem], dialect: Dialect = DEFAULT_DIALECT) -> Numbered:
    """Yield the rows of a CSV or TSV file after its header."""
    delimiter = dialect.delimiter or DELIMITERS[file.suffix.lower()]
    breaks = dialect.quotes is True or delimiter != "\t"
    misencoded: list[Problem] = []
    csv.field_size_limit(LARGEST_CELL)  # Python's default is 131,072, less than some reviews with HTML
    lines = lines_of(file, encoding, misencoded, newline="")
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if dialect.quotes is False else csv.QUOTE_MINIMAL,
        strict=True,
    )
    header: list[str] | None = None
    blank: list[int] = []  # lines of empty cells; at the end of a table they are no records
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if misencoded:  # the text stopped there, perhaps inside a quotation
                break
            text = f"not {file.suffix[1:].upper()}: {error}"
            problems.append(Problem(MALFORMED, f"{file.name}:{line}", text, _fix(error)))
            if header is None:
                return
            cells = []
        start, line = line, reader.line_num + 1
        if not cells:
            continue
        if header is None:
            header = _numbered(cells)
            if wrong := _wrong_header(f"{file.name}:{start}", header, dialect):
                problems.append(wrong)
                return
        elif not breaks and any("\n" in cell or "\r" in cell for cell in cells):
            text = f"a quoted cell continues to line {line - 1}"
            problems.append(Problem(MALFORMED, f"{file.name}:{start}", text, QUOTES))
        elif len(cells) != len(header):
            text = f"{len(cells)} cells, expected {len(header)} as in the header"
            fix = "Correct the row, or put cells with delimiters in quotes"
            problems.append(Problem(MALFORMED, f"{file.name}:{start}", text, fix))
        elif len(header) > 1 and not any(map(str.strip, cells)):
            blank.append(start)
        else:
            for empty in blank:
                yield empty, dict.fromkeys(header, "")
            blank.clear()
            yield start, dict(zip(header, cells, strict=True))
    problems += misencoded


def _numbered(header: list[str]) -> list[str]:
    """Return a header in which only the first empty name stays empty; a spreadsheet may have many empty columns."""
    first = next((place for place, name in enumerate(header) if not name.strip()), len(header))
    return [f"Unnamed: {place}" if place > first and not name.strip() else name for place, name in enumerate(header)]


def _fix(error: csv.Error) -> str:
    if "field limit" in str(error):
        return "Close the open quotation mark, or set quotes: false in the manifest if the marks are part of the text"
    return "Set quotes: false in the manifest if quotation marks are part of the text, or double the inner ones"


def _wrong_header(where: str, header: list[str], dialect: Dialect) -> Problem | None:
    """Return the problem of the column names; None if they are fine."""
    if repeated := repeated_names(header, where):
        return repeated
    if dialect.delimiter is None and len(header) == 1 and (other := likely_delimiter(header[0])) is not None:
        fix = f"Set delimiter: {json.dumps(other)} in the manifest if it separates columns, else the file's delimiter"
        return Problem(MALFORMED, where, f"only one column, {header[0][:80]!r}, and its name contains {other!r}", fix)
    return None


def likely_delimiter(header: str) -> str | None:
    """Return the delimiter that occurs most in a line outside quotation marks; None without any."""
    outside = "".join(header.split('"')[::2])
    counts = {mark: outside.count(mark) for mark in LIKELY_DELIMITERS}
    best = max(counts, key=lambda mark: counts[mark])  # the first of a draw
    return best if counts[best] else None


def _parquet(file: Path, encoding: str, problems: list[Problem]) -> Numbered:
    """Yield the rows, with the columns that hive partitions name: year=2024/part-0.parquet has a column year."""
    folders = takewhile(lambda folder: "=" in folder.name, file.parents)
    parts: Values = {name: value for name, _, value in (folder.name.partition("=") for folder in folders)}
    try:
        for number, values in parquet_rows(file):
            yield number, parts | values
    except DataError as error:
        problems += error.problems


FORMS: dict[str, Callable[[Path, str, list[Problem]], Numbered]] = {
    ".jsonl": json_lines,
    ".json": _json_array,
    ".csv": read_table,
    ".tsv": read_table,
    ".parquet": _parquet,
    ".xlsx": excel_rows,
}


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeError:
        return False
    return True
