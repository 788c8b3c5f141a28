"""Columns that the manifest does not name, and the ids of users, products and the like in them."""

import hashlib
import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from automm.data.download.urls import is_url
from automm.data.images.tree import is_picture
from automm.data.manifest import Manifest
from automm.data.quality.finding import SHOWN, SHOWN_REVIEWS
from automm.data.records.cells.nested import flattened
from automm.data.records.field_values import columns_of, is_empty
from automm.data.records.reviews import Dataset, Review
from automm.data.records.source import Record
from automm.data.sections import LONGEST_INTEGER, SPLITS

# Words in the name of a column that may identify the author or the subject of a review.
NAMES = frozenset(
    re.findall(
        r"\S+",
        """user author reviewer customer buyer writer product item asin business shop store seller merchant hotel
        restaurant place venue movie book app game tweet post thread session sku gmap""",
    )
)
NAMED_BY = frozenset({"name", "key", "code"})  # user_name, but not user_age
FIRST_RECORDS = 100  # records whose cells are kept as examples
MOST_COLUMNS = 20  # columns of ids; a hostile file may have more, which are ignored
MOST_TEXTS, LONGEST_TEXT = 10_000, 200  # values of a column that are kept for examples; characters of each

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def words_of(column: str) -> list[str]:
    """Return the words of a column's name in lower case: "parentAsin" and "parent_asin" have two."""
    return [word.lower() for word in _WORDS.findall(column)]


def names_ids(column: str) -> bool:
    """Return whether a column's name suggests ids of users, products and the like."""
    words = words_of(column)
    if not words:
        return False
    return words[-1] == "id" or words[-1] in NAMES or (words[-1] in NAMED_BY and not NAMES.isdisjoint(words))


def used_columns(manifest: Manifest) -> set[str]:
    """Return the columns that the manifest names."""
    fields, splits = manifest.fields, manifest.splits
    used = {name for names in columns_of(fields, True).values() for name in names} if fields is not None else set()
    return used | {str(splits.column), str(splits.time)}


def unused_columns(dataset: Dataset) -> list[str]:
    """Return the columns of the records that the manifest does not name."""
    used = used_columns(dataset.manifest)
    return [column for column in dataset.columns if column not in used]


@dataclass(frozen=True)
class Spread:
    """How the values of a column are spread over the splits.

    Attributes:
        values: the number of distinct values.
        apart: how many of them have reviews in several splits.
        examples: the first five of these: the value ("" if its text was not kept), and its first reviews.
    """

    values: int
    apart: int
    examples: list[tuple[str, list[Review]]]


@dataclass(frozen=True)
class _Column:
    """A code for each review (0 if it has no value), and the first values, shortened, by their codes."""

    codes: "array[int]" = field(default_factory=lambda: array("Q"))
    texts: dict[int, str] = field(default_factory=dict)


class UnusedIds:
    """Collects ids in columns that the manifest does not name while `read_dataset` reads; pass it as `watch`.

    Memory: 8 bytes per review and column, and the texts of at most 10,000 values per column.
    """

    def __init__(self, manifest: Manifest):
        self._used = used_columns(manifest)
        self._known: set[str] = set()
        self._columns: dict[str, _Column] = {}
        self._reviews: list[Review] = []
        self._cells: dict[str, object] = {}  # the first cell of each column that is not empty

    def __call__(self, record: Record, review: Review) -> None:
        """Collect the ids of a record."""
        if not self._known >= record.values.keys():
            self._add_columns(record)
        if len(self._reviews) < FIRST_RECORDS:
            self._cells = {name: cell for name, cell in record.values.items() if not is_empty(cell) and cell != []} | (
                self._cells
            )
        for name, column in self._columns.items():
            value = _id(record.values.get(name))
            if value:
                column.codes.extend([0] * (len(self._reviews) - len(column.codes)))  # of reviews without a value
                digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                code = int.from_bytes(digest, "big")
                column.codes.append(code)
                if len(column.texts) < MOST_TEXTS:
                    column.texts.setdefault(code, value[:LONGEST_TEXT])
        self._reviews.append(review)

    def path_of_pictures(self, column: str) -> str:
        """Return a column, or the dotted path in its objects that names pictures: "images.url"."""
        cells = flattened({column: self._cells.get(column)})
        found = [name for name, cell in cells.items() if name != column and _names_picture(cell)]
        return found[-1] if found else column

    def spreads(self, split_of: Mapping[str, str]) -> Iterator[tuple[str, Spread]]:
        """Yield each unused column of ids, and how its values are spread over the splits.

        Args:
            split_of: the split of each review by its id; reviews without a split are ignored.
        """
        place = {split: number for number, split in enumerate(SPLITS)}
        splits = np.array([place.get(split_of.get(review.id, ""), -1) for review in self._reviews], np.int8)
        for name, column in self._columns.items():
            yield name, self._spread(column, splits)

    def _spread(self, column: _Column, splits: np.ndarray) -> Spread:
        """Return the spread of one column; `splits` (n,) int8 is the split of each review, -1 to ignore it."""
        codes = np.zeros(len(self._reviews), np.uint64)
        codes[: len(column.codes)] = column.codes
        rows = np.flatnonzero((codes != 0) & (splits >= 0))
        distinct, first, value_of = np.unique(codes[rows], return_index=True, return_inverse=True)
        present = np.zeros((len(distinct), len(SPLITS)), bool)
        present[value_of, splits[rows]] = True
        apart = np.flatnonzero(present.sum(axis=1) > 1)
        examples = []
        for value in apart[np.argsort(first[apart])][:SHOWN]:
            reviews = [self._reviews[row] for row in rows[value_of == value][:SHOWN_REVIEWS]]
            examples.append((column.texts.get(int(distinct[value]), ""), reviews))
        return Spread(len(distinct), len(apart), examples)

    def _add_columns(self, record: Record) -> None:
        new = [name for name in record.values if name not in self._known]
        ids = [name for name in new if name not in self._used and names_ids(name)]
        self._columns |= {name: _Column() for name in ids[: MOST_COLUMNS - len(self._columns)]}
        self._known.update(new)


def _names_picture(cell: object) -> bool:
    first = cell[0] if isinstance(cell, list) and cell else cell
    return isinstance(first, str) and (is_url(first) or is_picture(first))


def _id(cell: object) -> str:
    """Return an id as text; "" if the cell holds anything else."""
    if isinstance(cell, bool) or (isinstance(cell, int) and cell.bit_length() > LONGEST_INTEGER):
        return ""
    return str(cell) if isinstance(cell, str | int) and str(cell).strip() else ""
