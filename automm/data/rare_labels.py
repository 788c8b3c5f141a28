"""Drop or merge the labels that few reviews have, as `labels.min_count` and `labels.rare` say."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from automm.data.change_kinds import Change
from automm.data.manifest import Manifest
from automm.data.records.review import Review
from automm.errors import Problem

OTHER = "other"


def settle_rare_labels(manifest: Manifest, reviews: list[Review], changes: Counter[Change]) -> list[Review]:
    """Return the reviews after rare labels were dropped or changed to OTHER, and count each change.

    All labelled reviews are counted, before they are split.
    """
    least = manifest.labels.min_count
    if least is None:
        return reviews
    counts = Counter(label for review in reviews for label in review.all_labels)
    rare = {label for label, count in counts.items() if count < least}
    if not rare:
        return reviews
    kept = []
    for review in reviews:
        if rare.isdisjoint(review.all_labels):
            kept.append(review)
        elif manifest.labels.rare == "other":
            changes[Change.OTHER_LABEL] += 1
            kept.append(_relabelled(review, [OTHER if label in rare else label for label in review.all_labels]))
        elif labels := [label for label in review.all_labels if label not in rare]:
            changes[Change.RARE_LABEL_OF_SEVERAL] += len(review.all_labels) - len(labels)
            kept.append(_relabelled(review, labels))
        else:
            changes[Change.RARE_LABEL] += 1
    return kept


def other_label_problem(manifest: Manifest, reviews: Sequence[Review]) -> Problem | None:
    """Return why rare labels cannot become OTHER: a label is called so already."""
    if manifest.labels.rare != "other":
        return None
    first = next((review for review in reviews if OTHER in review.all_labels), None)
    if first is None and OTHER not in (manifest.labels.map or {}):
        return None
    where = manifest.file.name if first is None else first.where
    fix = "Rename it in labels.map, or set labels.rare: drop"
    return Problem("other_label", where, f"labels.rare: other, but a label is called {OTHER!r} already", fix)


def _relabelled(review: Review, labels: Sequence[str]) -> Review:
    several = tuple(dict.fromkeys(labels)) if review.labels else ()
    return replace(review, label=labels[0], labels=several)
