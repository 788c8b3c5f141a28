"""The columns of a table: a sample of their values, counts over all records, and the kind of the values."""

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from automm.data.download.urls import is_url
from automm.data.images.embedded import is_embedded
from automm.data.records.cells.written_numbers import decimal_mark
from automm.data.records.field_values import is_empty, is_number, listed_names
from automm.data.sections import plain_value

MOST_VALUES = 2_000  # different values of a column that are counted
LONGEST_CELL = 4_000  # characters of a sampled cell; a cell may hold a whole picture
EXAMPLES = 3

_DATE_WORD = re.compile(
    r"(?:[0-9]{1,4}|mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|am|pm|utc|gmt|t|z)"
    r"[a-z]{0,6}\.?",
    re.IGNORECASE,
)
_DATE = re.compile(r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}|[0-9]:[0-9]{2}")
_PARTS = re.compile(r"[^\W_]+\.?")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\x00", b"MM\x00*")


@dataclass
class Totals:
    """Counts over all records of a table, also where only some of them are in the sample."""

    filled: int = 0
    hashes: "array[int]" = field(default_factory=lambda: array("q"))
    counts: Counter[str] | None = field(default_factory=Counter)  # None: too many different values
    numeric: bool = True

    def add(self, cell: object) -> None:
        """Count a cell that is not empty."""
        text = cell if isinstance(cell, str) else _as_text(cell)
        self.filled += 1
        self.hashes.append(hash(text))
        if self.counts is not None:
            self.counts[text.strip()] += 1
            if len(self.counts) > MOST_VALUES:
                self.counts = None
        if self.numeric:
            self.numeric = is_number(text.strip())

    @cached_property
    def distinct(self) -> int:
        """The number of different values."""
        import numpy as np

        return len(np.unique(np.frombuffer(self.hashes, np.int64))) if self.hashes else 0


@dataclass(frozen=True)
class Column:
    """A column of a table. Its properties are computed once, when they are needed.

    Attributes:
        name: its name in the header.
        records: the number of records in the sample.
        cells: the cells of the sample that are not empty, in order.
        totals: counts over all records; None if the sample holds all.
        total: the number of all records.
    """

    name: str
    records: int
    cells: list[Any]
    totals: Totals | None = None
    total: int = 0

    @cached_property
    def texts(self) -> list[str]:
        """The cells that are texts or numbers, as texts."""
        return [str(cell) for cell in self.cells if isinstance(cell, str | int | float)]

    @cached_property
    def values(self) -> Counter[str]:
        """How often each value occurs, in the normal form of labels: of all records, or of the sample if many."""
        counted = None if self.totals is None else self.totals.counts
        counts: Counter[str] = Counter()
        for text, count in (counted if counted is not None else Counter(self.texts)).items():
            counts[_normal(text)] += count
        return counts

    @cached_property
    def filled(self) -> int:
        """The number of cells that are not empty, in all records."""
        return len(self.cells) if self.totals is None else self.totals.filled

    @cached_property
    def all_records(self) -> int:
        """The number of all records."""
        return self.records if self.totals is None else self.total

    @cached_property
    def distinct(self) -> int:
        """The number of different values, in all records."""
        if self.totals is None or self.totals.counts is not None:
            return len(self.values)
        return self.totals.distinct

    @cached_property
    def full(self) -> bool:
        """Whether each record has a value that is a text or a number."""
        return len(self.texts) == len(self.cells) and self.filled == self.all_records

    @cached_property
    def unique(self) -> bool:
        """Whether each record has a value of its own, which is one word or a number without decimals."""
        if not self.full or self.distinct < self.all_records or any("\n" in text for text in self.texts):
            return False
        return not any(isinstance(cell, bool | float) for cell in self.cells)

    @cached_property
    def numeric(self) -> bool:
        """Whether all cells are numbers, or texts of numbers."""
        if self.totals is not None and not self.totals.numeric:
            return False
        return bool(self.cells) and len(self.texts) == len(self.cells) and all(map(_is_number, self.cells))

    @cached_property
    def whole(self) -> bool:
        """Whether all cells are whole numbers."""
        numbers = map(float, self.texts) if self.numeric else ()
        return self.numeric and all(number.is_integer() for number in numbers if math.isfinite(number))

    @cached_property
    def decimal(self) -> str | None:
        """The decimal mark of numbers written for people, such as "$1,250.00"; None if the column holds others."""
        texts = [text.strip() for text in self.texts]
        if self.numeric or len(texts) < len(self.cells) or not any(len(text) > 1 for text in texts):
            return None
        return decimal_mark(texts)

    @cached_property
    def words(self) -> float:
        """The average number of words of a text; scripts without spaces have a word per three characters or so."""
        texts = self.texts or [" ".join(map(str, cell)) for cell in self.cells if isinstance(cell, list | tuple)]
        return sum(map(_count_words, texts)) / max(1, len(texts))

    @cached_property
    def is_listed(self) -> bool:
        """Whether most cells are lists, also lists written as text."""
        first = self.cells[:50]
        lists = [cell for cell in first if isinstance(cell, list) or (isinstance(cell, str) and listed_names(cell))]
        return len(lists) > len(first) / 2

    @cached_property
    def is_boolean(self) -> bool:
        """Whether there are two values, such as yes and no."""
        return len(self.values) == 2 and {value.lower() for value in self.values} <= TWO_WAYS

    @cached_property
    def is_date(self) -> bool:
        """Whether the cells are dates or times."""
        texts = [text for text in self.texts[:50] if text.strip()]
        dated = [text for text in texts if _DATE.search(text) and all(map(_is_date_word, _PARTS.findall(text)))]
        return bool(texts) and len(dated) > 0.9 * len(texts) and not self.numeric

    @cached_property
    def is_url(self) -> bool:
        """Whether the cells are URLs."""
        texts = self.texts[:50]
        return bool(texts) and sum(is_url(text.strip()) for text in texts) > 0.9 * len(texts)

    @cached_property
    def is_embedded(self) -> bool:
        """Whether cells hold pictures themselves: base64, data: URIs, or bytes."""
        found = sum(map(_holds_picture, self.cells[:50]))
        return found > 0 and found >= len(self.cells[:50]) / 2

    @property
    def examples(self) -> list[str]:
        """Three values, shortened."""
        cells = dict.fromkeys(" ".join(brief_value(cell).split())[:40] for cell in self.cells[:200])
        return [text if len(text) < 40 else f"{text[:37]}..." for text in list(cells)[:EXAMPLES]]


TWO_WAYS = frozenset({"y", "n", "yes", "no", "true", "false", "0", "1", "ja", "nein", "si", "sì", "sí", "oui", "non"})


def shortened(cell: Any) -> Any:
    """Return a cell for a sample: long texts are cut, because a cell may hold a whole picture."""
    if isinstance(cell, str):
        return cell if len(cell) <= LONGEST_CELL else cell[:LONGEST_CELL]
    if isinstance(cell, bytes):
        return cell[:64]
    if isinstance(cell, list):
        return [shortened(item) for item in cell[:100]]
    if isinstance(cell, dict):
        return {key: shortened(inner) for key, inner in cell.items()}
    return cell


def brief_value(cell: Any) -> str:
    """Return a cell for people; bytes and objects in few words."""
    if isinstance(cell, bytes) or (isinstance(cell, dict) and isinstance(cell.get("bytes"), bytes)):
        return "(bytes)"
    return ", ".join(map(brief_value, cell)) if isinstance(cell, list | tuple) else str(cell)


def cells_of(names: Iterable[str], rows: Iterable[Mapping[str, object]]) -> dict[str, list[object]]:
    """Return the cells of each column that are not empty, in order, in time proportional to the cells."""
    cells: dict[str, list[object]] = {name: [] for name in names}
    for row in rows:
        for name, cell in row.items():
            if not is_empty(cell) and cell != []:
                cells[name].append(cell)
    return cells


def _count_words(text: str) -> float:
    words = len(text.split())
    return words if text.isascii() else max(words, len(text) / 12)


def _as_text(cell: object) -> str:
    return str(cell) if isinstance(cell, int | float) else repr(cell)


def _normal(text: str) -> str:
    try:
        return plain_value(text)
    except ValueError:
        return text


def _is_number(cell: object) -> bool:
    if isinstance(cell, bool):
        return False
    return is_number(cell.strip()) if isinstance(cell, str) else isinstance(cell, int | float) and abs(cell) < 3e38


def _is_date_word(word: str) -> bool:
    return _DATE_WORD.fullmatch(word) is not None


def _holds_picture(cell: object) -> bool:
    if isinstance(cell, list | tuple):
        return any(map(_holds_picture, cell))
    if isinstance(cell, dict):
        return isinstance(cell.get("bytes"), bytes | str) and is_embedded(cell)
    return cell.startswith(_MAGIC) if isinstance(cell, bytes) else is_embedded(cell)
