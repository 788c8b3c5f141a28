"""Guess which columns of a records file are label, id, group, split and text, each with its reason."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from automm.data.layouts.files import SPLIT_NAMES
from automm.data.records.field_values import cell_number
from automm.errors import yaml_word

MOST_LABELS = 100
VALIDATION = 0.15  # share of the training reviews, if a column names no validation split
EXAMPLES = 4  # values of a label that are shown
MANY = 20  # a column with more different numbers is more likely measured than chosen from a scale
LABELS = (
    *("label", "labels", "sentiment", "class", "target", "rating", "stars", "score", "overall", "polarity"),
    *("sterne", "bewertung", "note", "stimmung", "category", "kategorie", "tag", "tags", "genre", "genres", "type"),
)
LABELS_OF = ("label", "sentiment", "rating", "stars", "score")  # star_rating, review_score
TEXTS = (
    *("title", "headline", "summary", "text", "review", "reviewtext", "review_text", "body", "content", "caption"),
    *("comment", "description", "sentence", "tweet", "tweet_text", "plot", "message"),
    *("titel", "bewertungstext", "kommentar", "beschreibung"),
)
OF_OTHERS = frozenset({"product", "item", "business", "shop", "seller", "user", "author"})  # product_title
ASIDE = re.compile(r"verified|vine|purchase|verifiziert|recommend", re.IGNORECASE)
TWO_WAYS = frozenset({"y", "n", "yes", "no", "true", "false", "0", "1", "ja", "nein"})
IDS = re.compile(r"(^|_)(id|guid|uuid|key)$", re.IGNORECASE)
OWN_IDS = re.compile(r"((review|record|row|comment|sample)[_ ]?)?(id|guid|uuid|key|index)", re.IGNORECASE)
PICTURES = re.compile(r"(image|img|photo|(?<!to)pic|poster|gambar|foto|bild|thumb(nail|s?$|_))", re.IGNORECASE)
_PICTURE = "(?:image|img|photo|pic|picture|thumbnail|thumb|icon|foto|bild|gambar)"
# Portraits of the author of a review. A plural ("user_images") means pictures that users have uploaded.
PORTRAITS = re.compile(
    rf"(?:^|_)(?:avatars?|userpics?|headshots?|profile_?{_PICTURE}s?"
    rf"|(?:user|author|reviewer|member|account|owner|host)_?{_PICTURE})(?:_|$)"
)
NAMELESS = re.compile(r"\s*|Unnamed: [0-9]+")  # how pandas names an index when it writes, and when it reads it again
NUMBERS = re.compile(
    r"(^|[_ ])(price|score|rating|stars?|target|value|y|votes?|likes?|helpful(ness)?|overall|label)s?($|[_ ])",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")
GROUPS = re.compile(r"(product|item|business|asin|gmap|shop|hotel|movie|user|author|group)", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """A column of a sample of the records. Its properties are computed once, when they are needed.

    Attributes:
        name: its name in the header.
        records: the number of records in the sample.
        cells: the cells that are not empty, in order.
    """

    name: str
    records: int
    cells: list[Any]

    @cached_property
    def texts(self) -> list[str]:
        """The cells that are texts or numbers, as texts."""
        return [str(cell) for cell in self.cells if isinstance(cell, str | int | float)]

    @cached_property
    def distinct(self) -> int:
        """The number of different values."""
        return len(set(self.texts))

    @cached_property
    def full(self) -> bool:
        """Whether each record has a value."""
        return len(self.texts) == self.records

    @cached_property
    def numeric(self) -> bool:
        """Whether all cells are numbers, or texts of numbers."""
        try:
            return all(cell_number(cell, self.name) is not None for cell in self.cells)
        except ValueError:
            return False

    @cached_property
    def words(self) -> float:
        """The average number of words of a text; at least one word per twelve characters (scripts without spaces)."""
        return sum(max(len(t.split()), len(t) / 12) for t in self.texts) / max(1, len(self.texts))


def snake_case(name: str) -> str:
    """Return a name in snake case: "Review Text" and "reviewText" are review_text."""
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"\W+", "_", separated).strip("_").lower()


def names_portrait(name: str) -> bool:
    """Return whether a column's name suggests portraits: userImage, profile_photos, user.avatar."""
    return PORTRAITS.search(snake_case(name)) is not None


def is_nameless(name: str) -> bool:
    """Return whether a header is empty, or the name that pandas gives an index."""
    return NAMELESS.fullmatch(name) is not None


def guess_label(columns: list[Column]) -> tuple[Column, str] | None:
    """Guess the label: a column with a usual name, or one with few different values."""
    listed = [c for c in columns if c.name.lower() in LABELS and any(isinstance(cell, list) for cell in c.cells)]
    ordered = [c for name in LABELS for c in columns if snake_case(c.name) == name]
    ordered += [c for name in LABELS_OF for c in columns if snake_case(c.name).endswith(f"_{name}")]
    named = [c for c in ordered if 2 <= c.distinct <= MOST_LABELS]
    named = [c for c in named if c.distinct <= c.records / 2]
    if named:
        column = named[0]
        return column, f"a usual name for labels, and {column.distinct} different values: {_examples(column)}"
    if listed:
        return listed[0], "a usual name for labels, but several labels per review. To use the first, add pick: first"
    few = [c for c in columns if c.full and 2 <= c.distinct <= 20 and c.distinct <= c.records / 10 and c.words < 3]
    few = [c for c in few if {text.strip().lower() for text in c.texts} - SPLIT_NAMES.keys()]
    if few:
        column = min(few, key=lambda one: (_is_aside(one), one.distinct))
        return column, f"only {column.distinct} different values: {_examples(column)}"
    return None


def _is_aside(column: Column) -> bool:
    """Return whether a column is more likely a property of a review (verified, yes/no) than its label."""
    return ASIDE.search(column.name) is not None or {text.strip().lower() for text in column.texts} <= TWO_WAYS


def _examples(column: Column) -> str:
    """Return the most frequent values with their counts."""
    counts = Counter(column.texts)
    examples = [f"{value} ({count})" for value, count in counts.most_common(EXAMPLES)]
    return ", ".join(examples + ["..."] * (len(counts) > EXAMPLES))


def guess_id(columns: list[Column]) -> tuple[Column, str] | None:
    """Guess the id: a column with a different value in each record, preferably named like one."""
    unique = [c for c in columns if c.full and c.distinct == c.records and not any("\n" in text for text in c.texts)]
    ids = [c for c in unique if IDS.search(snake_case(c.name))]
    ids.sort(key=lambda c: (not OWN_IDS.fullmatch(snake_case(c.name)), GROUPS.search(c.name) is not None))
    named = ids or [c for c in unique if c.words <= 1.5 and not _floats(c)]
    return (named[0], f"a different value in each of {named[0].records:,} records") if named else None


def _floats(column: Column) -> bool:
    return any(isinstance(cell, float) for cell in column.cells) or all(map(_DECIMAL.fullmatch, column.texts))


def hint_at_numbers(columns: list[Column]) -> str:
    """Return a hint about columns whose numbers may be worth predicting; "" if there are none."""
    named = [c for c in columns if NUMBERS.search(c.name) and c.distinct > MANY and c.numeric]
    if not named:
        return ""
    first, *others = [repr(column.name) for column in named]
    also = f" (so {'do' if len(others) > 1 else 'does'} {' and '.join(others)})" if others else ""
    fix = f"To predict them, set label: {yaml_word(named[0].name)} and task: regression"
    return f"column {first} holds numbers{also}. {fix}"


def guess_split(columns: list[Column]) -> tuple[str, dict[str, Any], str] | None:
    """Guess the column that names the split of each record; it must name at least train and test.

    Returns:
        Its name, the content of `splits`, and the reason.
    """
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
        reason = f"its values are {', '.join(sorted(values))}"
        if "validation" not in splits:
            rule["validation"] = VALIDATION
            reason += f". There is no validation split, so {VALIDATION:.0%} of the training reviews are drawn for it"
        return column.name, rule, reason
    return None


def guess_texts(columns: list[Column]) -> tuple[list[str], str]:
    """Guess the texts: the columns with usual names in their usual order, else the one with the longest texts."""
    strings = [c for c in columns if any(isinstance(cell, str | list) for cell in c.cells) and c.words >= 1]
    named = sorted((c for c in strings if _place_of(c) is not None), key=lambda c: _place_of(c) or 0)
    prose = [c for c in strings if c.words >= 2 and c.distinct > 0.1 * len(c.texts)]
    longest = max(prose, key=lambda column: column.words, default=None)
    if named:
        reason = f"a usual name for texts; {named[-1].words:.0f} words on average"
        if longest is not None and longest.words > 2 * max(c.words for c in named):
            named.append(longest)
            reason = f"usual names for texts, and the longest texts, {longest.words:.0f} words on average"
        return [c.name for c in named], reason
    if longest is not None:
        return [longest.name], f"the longest texts, {longest.words:.0f} words on average"
    return [], ""


def _place_of(column: Column) -> int | None:
    """Return the place of a name, or of its last word, in TEXTS; None if it does not name a text of a review."""
    name = snake_case(column.name)
    first, _, last = name.rpartition("_")
    if name not in TEXTS and (not first or last not in TEXTS or first.split("_")[0] in OF_OTHERS):
        return None
    return TEXTS.index(name if name in TEXTS else last)


def guess_group(columns: list[Column]) -> tuple[Column, str] | None:
    """Guess the group: a column of ids of products, businesses or users that have several reviews each."""
    for column in columns:
        if OWN_IDS.fullmatch(snake_case(column.name)):  # an id of reviews, even if it repeats
            continue
        if (IDS.search(snake_case(column.name)) or GROUPS.fullmatch(column.name)) and column.full:
            per_value = column.records / column.distinct
            if column.distinct > 1 and per_value >= 1.05:
                return (
                    column,
                    f"an id that repeats: {column.distinct:,} different values, {per_value:.1f} records each",
                )
    return None
