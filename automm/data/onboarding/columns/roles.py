"""Guess the columns of id, group and texts, and say why other columns are left out."""

import re
from collections.abc import Mapping, Sequence

from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.columns.names import GROUPS, IDS, OWN_IDS, names_person, names_text, snake_case, words_of
from automm.data.sections import plain_value

PROSE_WORDS = 3.0  # average words of a column that people read
VARIED = 0.1  # least share of different texts
FEWEST_GROUPS = 10  # fewer cannot be split
FEWEST_PER_GROUP = 1.05  # records per value of an id that repeats

_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")


def guess_id(columns: list[Column]) -> tuple[Column, str] | None:
    """Guess the id: a column with a different value in each record, preferably named like one."""
    unique = [column for column in columns if column.unique and not column.is_date and not _names_time(column.name)]
    ids = [column for column in unique if IDS.search(snake_case(column.name))]
    ids.sort(key=lambda c: (not OWN_IDS.fullmatch(snake_case(c.name)), GROUPS.search(c.name) is not None))
    words = [c for c in unique if max(len(text.split()) for text in c.texts) == 1]
    short = [c for c in words if not all(map(_DECIMAL.fullmatch, c.texts))]
    named = ids or [c for c in short if not names_text(c.name) and len(max(c.texts, key=len)) <= 100]
    return (named[0], f"a different value in each of {named[0].all_records:,} records") if named else None


def _names_time(name: str) -> bool:
    return not {"time", "timestamp", "date", "created", "updated", "utc"}.isdisjoint(words_of(name))


def guess_group(columns: list[Column]) -> tuple[Column, str] | None:
    """Guess the group: a column of ids of products, businesses or users that have several reviews each.

    An id of the records that repeats comes last: it means records of one product, or copies of one record.
    """
    repeated = [column for column in columns if _names_id(column) and column.full and not column.is_url]
    for column in sorted(repeated, key=lambda column: OWN_IDS.fullmatch(snake_case(column.name)) is not None):
        per_value = column.all_records / column.distinct
        if column.distinct >= FEWEST_GROUPS and per_value >= FEWEST_PER_GROUP:
            reason = f"an id that repeats: {column.distinct:,} different values, {per_value:.1f} records each, "
            return column, reason + "which stay in one split"
    return None


def _names_id(column: Column) -> bool:
    return IDS.search(snake_case(column.name)) is not None or GROUPS.fullmatch(column.name) is not None


def guess_texts(columns: list[Column]) -> tuple[list[str], str]:
    """Guess the texts: the columns with usual names, and those whose values are sentences, in the table's order."""
    texts = [column for column in columns if _is_text(column)]
    if not texts:
        texts = [column for column in columns if _may_be_text(column) and column.words >= 2 and not _is_few(column)]
        texts = sorted(texts, key=lambda column: -column.words)[:1]
    named = [column for column in texts if names_text(column.name)]
    words = max((column.words for column in texts), default=0.0)
    what = "usual names for texts" if len(named) > 1 else "a usual name for texts" if named else "the longest texts"
    if named and len(named) < len(texts):
        what += ", and sentences"
    return [column.name for column in texts], f"{what}; up to {words:.0f} words on average"


def reads_like_text(column: Column) -> bool:
    """Return whether the values of a column are sentences."""
    return _may_be_text(column) and column.words >= PROSE_WORDS and not _is_few(column)


def _may_be_text(column: Column) -> bool:
    holds_texts = any(isinstance(cell, str | list) for cell in column.cells)
    return holds_texts and not (column.numeric or column.is_date or column.is_url or column.is_embedded)


def _is_few(column: Column) -> bool:
    return column.distinct <= VARIED * column.filled


def _is_text(column: Column) -> bool:
    if not _may_be_text(column) or names_person(column.name) or "@" in "".join(column.texts[:3]).split(" ")[0]:
        return False
    if names_text(column.name):
        plain = len(snake_case(column.name).split("_")) == 1
        return column.words >= 1 and (plain or column.words >= PROSE_WORDS or not _is_few(column))
    return reads_like_text(column)


def repeats(rows: Sequence[Mapping[str, object]], label: Column, column: Column) -> bool:
    """Return whether a column says the same as the label: each value of one goes with one value of the other."""
    if not 2 <= column.distinct == label.distinct <= min(100, label.filled / 2) or column.is_listed or label.is_listed:
        return False
    pairs: dict[str, str] = {}
    for row in rows:
        one, other = row.get(label.name), row.get(column.name)
        if not isinstance(one, str | int | float) or not isinstance(other, str | int | float):
            return False
        if pairs.setdefault(_value(one), _value(other)) != _value(other):
            return False
    return len(set(pairs.values())) == len(pairs) > 1


def _value(cell: str | float) -> str:
    try:
        return plain_value(cell)
    except ValueError:
        return str(cell)


def why_left_out(column: Column) -> str:
    """Return why a column without a role is not used, and how it could be."""
    if column.distinct == 1 and not column.is_listed:
        return "the same value in every record" if column.filled == column.all_records else "one value only"
    if column.is_date:
        return "a date; to split by time, set splits: {time: ...}"
    if column.is_url:
        return "URLs"
    if column.is_embedded:
        return "pictures inside cells"
    if names_person(column.name):
        return "people, whom a model should not recognise"
    if IDS.search(snake_case(column.name)):
        if column.unique:
            return "an id, with a different value in each record"
        each = f"an id with {column.distinct:,} values"
        return f"{each}; to keep the records of each in one split, set fields: {{group: ...}}"
    if column.numeric or column.decimal:
        return "a number; as a further input, set fields: {metadata: {numeric: ...}}"
    if column.unique:
        return "a different value in each record"
    if column.distinct <= 100:
        return f"{column.distinct} values; as a further input, set fields: {{metadata: {{categorical: ...}}}}"
    return "short values, neither texts nor classes"
