"""Findings about columns that the manifest does not use: users and products that the splits tear apart."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from automm.data.cells import columns_of
from automm.data.quality.checked import Checked
from automm.data.quality.duplicates import keep_together
from automm.data.quality.findings import Finding, example, finding
from automm.data.records import open_source
from automm.data.reviews import Review
from automm.errors import yaml_word

# A column named so may tell who wrote a review, or of what it is.
NAMES = frozenset(
    re.findall(
        r"\S+",
        """user author reviewer customer buyer writer product item asin business shop store seller merchant hotel
        restaurant place venue movie book app game tweet post thread session sku gmap""",
    )
)
NAMED_BY = frozenset({"name", "key", "code"})  # user_name, but not user_age
FEWEST_VALUES = 10  # fewer cannot be split by

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def ungrouped_columns(checked: Checked) -> Iterator[Finding]:
    """Columns of ids whose reviews stand in several splits; a group of products does not keep users together."""
    fields = checked.dataset.manifest.fields
    group = None if fields is None else fields.group
    for column, values in _values(checked).items():
        if len(values) < FEWEST_VALUES:
            continue
        torn = {value: reviews for value, reviews in values.items() if len(checked.splits(reviews)) > 1}
        if torn:
            examples = [example(reviews, f"{column} {value!r}") for value, reviews in list(torn.items())[:5]]
            mend = f"Set fields: {{group: {yaml_word(column)}}}, unless it means something else."
            if group is not None:
                mend = (
                    f"fields.group, which names one column, is {group!r}: set {column!r} in its place where "
                    "new ones of it matter more; else read the figures with that in mind."
                )
            rules = checked.dataset.manifest.splits
            if rules.rule not in ("fractions", "folds", "by") or "groups" not in rules.keep_together:
                mend = f"{mend} And: {keep_together(rules, 'groups')}"
            yield finding("ungrouped_column", len(torn), examples, column=column, mend=mend)


def names_somebody(column: str) -> bool:
    """Whether a column's name is that of an id of users, products and the like."""
    words = words_of(column)
    if not words:
        return False
    return words[-1] == "id" or words[-1] in NAMES or (words[-1] in NAMED_BY and not NAMES.isdisjoint(words))


def words_of(column: str) -> list[str]:
    """The words of a column's name, in small letters: "parentAsin" and "parent_asin" have two."""
    return [word.lower() for word in _WORDS.findall(column)]


def unused_columns(checked: Checked) -> list[str]:
    """Columns of the records that the manifest does not name."""
    manifest, fields = checked.dataset.manifest, checked.dataset.manifest.fields
    used = {name for names in columns_of(fields, True).values() for name in names} if fields is not None else set()
    used |= {str(manifest.splits.column), str(manifest.splits.time)}
    return [column for column in checked.dataset.columns if column not in used]


def _values(checked: Checked) -> Mapping[str, dict[str, list[Review]]]:
    """The reviews of each value of each unused column of somebody's ids.

    The records are read once more where there is such a column: reviews do not keep them.
    """
    telling = [column for column in unused_columns(checked) if names_somebody(column)]
    found: dict[str, dict[str, list[Review]]] = {column: defaultdict(list) for column in telling}
    if not telling:
        return found
    review_at = {review.where: review for review in checked.reviews}
    for record in open_source(checked.dataset.manifest).rows:
        review = review_at.get(record.where)
        if review is None:
            continue
        for column in telling:
            cell = record.values.get(column)
            if isinstance(cell, str | int) and not isinstance(cell, bool) and str(cell).strip():
                found[column][str(cell)].append(review)
    return found
