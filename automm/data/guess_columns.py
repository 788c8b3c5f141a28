"""What the columns of a records file may mean: label, id, group, split, text; each guess with its reason."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from automm.data.cells import cell_number
from automm.data.formats.files import SPLIT_NAMES

MOST_LABELS = 100
VALIDATION = 0.15  # the share of training reviews, where a column names no validation split
MANY = 20  # values; a number with more of them is rather measured than chosen
LABELS = (
    *("label", "labels", "sentiment", "class", "category", "target", "rating", "stars", "score", "overall"),
    *("tag", "tags", "genre", "genres", "type", "polarity"),
)
TEXTS = (
    *("title", "headline", "summary", "text", "review", "reviewtext", "review_text", "body", "content", "caption"),
    *("comment", "description", "sentence", "tweet", "tweet_text", "plot", "message"),
)
IDS = re.compile(r"(^|_)(id|guid|uuid|key)$", re.IGNORECASE)
OWN_IDS = re.compile(r"((review|record|row|comment|sample)[_ ]?)?(id|guid|uuid|key|index)", re.IGNORECASE)
PICTURES = re.compile(r"(image|img|photo|(?<!to)pic|poster|gambar|foto|bild|thumb)", re.IGNORECASE)
NAMELESS = re.compile(r"\s*|Unnamed: [0-9]+")  # what pandas makes of an index when it writes, and when it reads again
NUMBERS = re.compile(
    r"(^|[_ ])(price|score|rating|stars?|target|value|y|votes?|likes?|helpful(ness)?|overall|label)s?($|[_ ])",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")
GROUPS = re.compile(r"(product|item|business|asin|gmap|shop|hotel|movie|user|author|group)", re.IGNORECASE)


@dataclass
class Column:
    """What a column holds: its cells that are not empty, and how many records there are."""

    name: str
    records: int = 0
    cells: list[Any] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The cells that are texts or numbers, as texts."""
        return [str(cell) for cell in self.cells if isinstance(cell, str | int | float)]

    @property
    def distinct(self) -> int:
        """How many different values."""
        return len(set(self.texts))

    @property
    def full(self) -> bool:
        """Whether each record has a value."""
        return len(self.texts) == self.records

    @property
    def words(self) -> float:
        """Words of a text on average; of scripts without spaces, a word for two characters."""
        return sum(max(len(t.split()), len(t) / 12) for t in self.texts) / max(1, len(self.texts))


def names_no_column(name: str) -> bool:
    """Whether a header says nothing: an index that pandas has written."""
    return NAMELESS.fullmatch(name) is not None


def label_of(columns: list[Column]) -> tuple[Column, str] | None:
    """A column with one of the usual names, or one of few different values."""
    listed = [c for c in columns if c.name.lower() in LABELS and any(isinstance(cell, list) for cell in c.cells)]
    named = [c for name in LABELS for c in columns if c.name.lower() == name and 2 <= c.distinct <= MOST_LABELS]
    named = [c for c in named if c.distinct <= c.records / 2]
    if named:
        column = named[0]
        return column, f"has a usual name and {column.distinct} different values: {_examples(column)}"
    if listed:
        return listed[0], "has a usual name and holds lists: several labels a review (pick: first takes one)"
    few = [c for c in columns if c.full and 2 <= c.distinct <= 20 and c.distinct <= c.records / 10 and c.words < 3]
    few = [c for c in few if {text.strip().lower() for text in c.texts} - SPLIT_NAMES.keys()]
    if few:
        column = min(few, key=lambda one: one.distinct)
        return column, f"has {column.distinct} different values: {_examples(column)}"
    return None


def _examples(column: Column) -> str:
    return ", ".join(f"{value} ({count})" for value, count in Counter(column.texts).most_common(4))


def identity_of(columns: list[Column]) -> tuple[Column, str] | None:
    unique = [c for c in columns if c.full and c.distinct == c.records and not any("\n" in text for text in c.texts)]
    named = [c for c in unique if IDS.search(c.name)] or [c for c in unique if c.words <= 1.5 and not _floats(c)]
    return (named[0], f"holds a different value in each of {named[0].records:,} records") if named else None


def _floats(column: Column) -> bool:
    return any(isinstance(cell, float) for cell in column.cells) or all(map(_DECIMAL.fullmatch, column.texts))


def numbers_of(columns: list[Column]) -> str:
    """What is to be said of columns whose numbers somebody may want to predict; "" where there is none."""
    named = [c for c in columns if NUMBERS.search(c.name) and c.distinct > MANY and _numeric(c)]
    if not named:
        return ""
    first, *others = [repr(column.name) for column in named]
    also = f", and so {'do' if len(others) > 1 else 'does'} {' and '.join(others)}" if others else ""
    mend = f"for a number to predict set label: {named[0].name} and task: regression"
    return f"column {first} holds numbers{also}: {mend}"


def _numeric(column: Column) -> bool:
    try:
        return all(cell_number(cell, column.name) is not None for cell in column.cells)
    except ValueError:
        return False


def split_of(columns: list[Column]) -> tuple[str, dict[str, Any], str] | None:
    """A column that names the split of each record, the rule, and the reason; train and test are the least."""
    for column in columns:
        values = {text.strip().lower() for text in column.texts}
        if not column.full or not values <= SPLIT_NAMES.keys():
            continue
        splits = {SPLIT_NAMES[value] for value in values}
        if not {"train", "test"} <= splits:
            continue
        names = {text for text in column.texts if SPLIT_NAMES[text.strip().lower()] != text}
        rule: dict[str, Any] = {"column": column.name}
        rule |= {"values": {name: SPLIT_NAMES[name.strip().lower()] for name in sorted(names)}} if names else {}
        reason = f"holds {', '.join(sorted(values))}"
        if "validation" not in splits:
            rule["validation"] = VALIDATION
            reason += f"; no validation split, so {VALIDATION:.0%} of the training reviews are drawn for one"
        return column.name, rule, reason
    return None


def texts_of(columns: list[Column]) -> tuple[list[str], str]:
    """The columns with usual names, in their usual order; else the one with the longest texts."""
    strings = [c for c in columns if any(isinstance(cell, str | list) for cell in c.cells) and c.words >= 1]
    named = [c for name in TEXTS for c in strings if c.name.lower() == name]
    if named:
        return [c.name for c in named], f"usual names; {named[-1].words:.0f} words on average"
    prose = [c for c in strings if c.words >= 2 and c.distinct > 0.1 * len(c.texts)]
    if prose:
        longest = max(prose, key=lambda column: column.words)
        return [longest.name], f"the longest texts, {longest.words:.0f} words on average"
    return [], ""


def group_of(columns: list[Column]) -> tuple[Column, str] | None:
    """Several reviews of one product, business or user: never spread over two splits."""
    for column in columns:
        if OWN_IDS.fullmatch(column.name):  # of a review, however often it repeats
            continue
        if (IDS.search(column.name) or GROUPS.fullmatch(column.name)) and column.full:
            per_value = column.records / column.distinct
            if column.distinct > 1 and per_value >= 1.05:
                return column, f"{column.distinct:,} different values, {per_value:.1f} records each"
    return None
