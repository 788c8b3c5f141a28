"""What the columns of a records file may mean: label, id, group, split, text; each guess with its reason."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from automm.data.layouts.files import SPLIT_NAMES
from automm.data.records.field_values import cell_number
from automm.errors import yaml_word

MOST_LABELS = 100
VALIDATION = 0.15  # the share of training reviews, where a column names no validation split
MANY = 20  # values; a number with more of them is rather measured than chosen
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
# Of who wrote a review. In the plural ("user_images") they are those that users have uploaded.
PORTRAITS = re.compile(
    rf"(?:^|_)(?:avatars?|userpics?|headshots?|profile_?{_PICTURE}s?"
    rf"|(?:user|author|reviewer|member|account|owner|host)_?{_PICTURE})(?:_|$)"
)
NAMELESS = re.compile(r"\s*|Unnamed: [0-9]+")  # what pandas makes of an index when it writes, and when it reads again
NUMBERS = re.compile(
    r"(^|[_ ])(price|score|rating|stars?|target|value|y|votes?|likes?|helpful(ness)?|overall|label)s?($|[_ ])",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")
GROUPS = re.compile(r"(product|item|business|asin|gmap|shop|hotel|movie|user|author|group)", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """What a column holds: its cells that are not empty, and how many records there are. What is asked is kept."""

    name: str
    records: int
    cells: list[Any]

    @cached_property
    def texts(self) -> list[str]:
        """The cells that are texts or numbers, as texts."""
        return [str(cell) for cell in self.cells if isinstance(cell, str | int | float)]

    @cached_property
    def distinct(self) -> int:
        """How many different values."""
        return len(set(self.texts))

    @cached_property
    def full(self) -> bool:
        """Whether each record has a value."""
        return len(self.texts) == self.records

    @cached_property
    def numeric(self) -> bool:
        """Whether all its cells are numbers, or texts of numbers."""
        try:
            return all(cell_number(cell, self.name) is not None for cell in self.cells)
        except ValueError:
            return False

    @cached_property
    def words(self) -> float:
        """Words of a text on average; of scripts without spaces, a word for two characters."""
        return sum(max(len(t.split()), len(t) / 12) for t in self.texts) / max(1, len(self.texts))


def spelt(name: str) -> str:
    """A name in small letters, its words parted by underscores: "Review Text" and "reviewText" are review_text."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"\W+", "_", parted).strip("_").lower()


def names_portrait(name: str) -> bool:
    """Whether a column is called like pictures of a person: userImage, profile_photos, user.avatar."""
    return PORTRAITS.search(spelt(name)) is not None


def names_no_column(name: str) -> bool:
    """Whether a header says nothing: an index that pandas has written."""
    return NAMELESS.fullmatch(name) is not None


def label_of(columns: list[Column]) -> tuple[Column, str] | None:
    """A column with one of the usual names, or one of few different values."""
    listed = [c for c in columns if c.name.lower() in LABELS and any(isinstance(cell, list) for cell in c.cells)]
    ordered = [c for name in LABELS for c in columns if spelt(c.name) == name]
    ordered += [c for name in LABELS_OF for c in columns if spelt(c.name).endswith(f"_{name}")]
    named = [c for c in ordered if 2 <= c.distinct <= MOST_LABELS]
    named = [c for c in named if c.distinct <= c.records / 2]
    if named:
        column = named[0]
        return column, f"has a usual name and {column.distinct} different values: {_examples(column)}"
    if listed:
        return listed[0], "has a usual name and holds lists: several labels a review (pick: first takes one)"
    few = [c for c in columns if c.full and 2 <= c.distinct <= 20 and c.distinct <= c.records / 10 and c.words < 3]
    few = [c for c in few if {text.strip().lower() for text in c.texts} - SPLIT_NAMES.keys()]
    if few:
        column = min(few, key=lambda one: (_is_aside(one), one.distinct))
        return column, f"has {column.distinct} different values: {_examples(column)}"
    return None


def _is_aside(column: Column) -> bool:
    """Whether it rather tells something of a review than what it says."""
    return ASIDE.search(column.name) is not None or {text.strip().lower() for text in column.texts} <= TWO_WAYS


def _examples(column: Column) -> str:
    return ", ".join(f"{value} ({count})" for value, count in Counter(column.texts).most_common(4))


def identity_of(columns: list[Column]) -> tuple[Column, str] | None:
    unique = [c for c in columns if c.full and c.distinct == c.records and not any("\n" in text for text in c.texts)]
    ids = [c for c in unique if IDS.search(spelt(c.name))]
    ids.sort(key=lambda c: (not OWN_IDS.fullmatch(spelt(c.name)), GROUPS.search(c.name) is not None))
    named = ids or [c for c in unique if c.words <= 1.5 and not _floats(c)]
    return (named[0], f"holds a different value in each of {named[0].records:,} records") if named else None


def _floats(column: Column) -> bool:
    return any(isinstance(cell, float) for cell in column.cells) or all(map(_DECIMAL.fullmatch, column.texts))


def numbers_of(columns: list[Column]) -> str:
    """What is to be said of columns whose numbers somebody may want to predict; "" where there is none."""
    named = [c for c in columns if NUMBERS.search(c.name) and c.distinct > MANY and c.numeric]
    if not named:
        return ""
    first, *others = [repr(column.name) for column in named]
    also = f", and so {'do' if len(others) > 1 else 'does'} {' and '.join(others)}" if others else ""
    fix = f"for a number to predict set label: {yaml_word(named[0].name)} and task: regression"
    return f"column {first} holds numbers{also}: {fix}"


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
    named = sorted((c for c in strings if _place_of(c) is not None), key=lambda c: _place_of(c) or 0)
    prose = [c for c in strings if c.words >= 2 and c.distinct > 0.1 * len(c.texts)]
    longest = max(prose, key=lambda column: column.words, default=None)
    if named:
        reason = f"usual names; {named[-1].words:.0f} words on average"
        if longest is not None and longest.words > 2 * max(c.words for c in named):
            named.append(longest)
            reason = f"usual names, and the longest texts, {longest.words:.0f} words on average"
        return [c.name for c in named], reason
    if longest is not None:
        return [longest.name], f"the longest texts, {longest.words:.0f} words on average"
    return [], ""


def _place_of(column: Column) -> int | None:
    """Of its name among TEXTS, or of its last word; None of a name that tells no text of a review."""
    name = spelt(column.name)
    first, _, last = name.rpartition("_")
    if name not in TEXTS and (not first or last not in TEXTS or first.split("_")[0] in OF_OTHERS):
        return None
    return TEXTS.index(name if name in TEXTS else last)


def group_of(columns: list[Column]) -> tuple[Column, str] | None:
    """Several reviews of one product, business or user: never spread over two splits."""
    for column in columns:
        if OWN_IDS.fullmatch(spelt(column.name)):  # of a review, however often it repeats
            continue
        if (IDS.search(spelt(column.name)) or GROUPS.fullmatch(column.name)) and column.full:
            per_value = column.records / column.distinct
            if column.distinct > 1 and per_value >= 1.05:
                return column, f"{column.distinct:,} different values, {per_value:.1f} records each"
    return None
