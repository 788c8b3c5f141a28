"""Count the pictures that prediction was given and read, and say what lost pictures cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automm.data.change_kinds import Change, change_lines
from automm.tasks.registry import TASKS

FEWER = 0.05  # a smaller loss is not reported, unless pictures were given and not read

Lost = tuple[Change, str]  # why a picture was not read, and its name


@dataclass
class PictureCounts:
    """Pictures given and read, over all reviews of a prediction.

    Attributes:
        given: pictures that the records name.
        read: pictures that the model read.
        answered: reviews that were predicted; `pictured` of them name pictures, and `seen` had at least one read.
        lost: pictures that were not read, by reason.
        first: the first picture of each reason, "reviews.jsonl:3 'a.png'".
        otherwise: pictures that were found under another name than the record's, by how the names differ.
    """

    given: int = 0
    read: int = 0
    answered: int = 0
    pictured: int = 0
    seen: int = 0
    lost: Counter[Change] = field(default_factory=Counter)
    first: dict[Change, str] = field(default_factory=dict)
    otherwise: dict[Change, int] = field(default_factory=dict)

    def add(self, where: str, given: int, read: int, lost: Sequence[Lost], *, answered: bool) -> None:
        """Count the pictures of one review; those without a reason of their own belong to a review with an error."""
        self.given += given
        self.read += read
        if answered:
            self.answered += 1
            self.pictured += given > 0
            self.seen += read > 0
        unexplained = given - read - len(lost)
        for change, name in [*lost, *[(Change.REFUSED_REVIEW, "")] * unexplained]:
            self.lost[change] += 1
            self.first.setdefault(change, f"{where} {name!r}" if name else where)

    @property
    def lines(self) -> list[str]:
        """The totals, a line for each reason, and a line for each way in which names differ, in words."""
        reasons = [
            f"  not read: {change.text.partition(': ')[2]}: {count:,}, the first at {self.first[change]}"
            for change, count in self.lost.items()
        ]
        otherwise = [f"  {line}" for line in change_lines(self.otherwise)]
        return [f"pictures: {self.given:,} given, {self.read:,} read", *reasons, *otherwise]

    def warning(self, about: Mapping[str, Any]) -> str:
        """Return a warning if reviews lack pictures that they had in training, with its measured price; else "".

        Args:
            about: the content of bundle.json.
        """
        if not self.answered:
            return ""
        trained = about.get("pictured") or 0.0
        has, named = self.seen / self.answered, self.pictured / self.answered
        expected = max(trained, named)
        lost = 1 - has / expected if expected else 0.0
        if lost < FEWER and self.seen == self.pictured:
            return ""
        known = f"in training {trained:.0%}" if trained else f"the records name pictures for {named:.0%}"
        text = f"{has:.0%} of the predicted reviews have a picture that was read; {known}"
        return f"{text}. {_price(about, lost)}"


def _price(about: Mapping[str, Any], lost: float) -> str:
    """Return what it cost on the test split when this share of the reviews with pictures lost them."""
    missing = about.get("missing")
    scores = (missing or {}).get("scores", {}).get("image")
    if not scores:
        return "The run did not measure what lost pictures cost"
    task = TASKS[about["reading"]["task"]]
    name = task.main_metrics[0]
    left = float(np.interp(100 * lost, missing["percent"], scores[name])) if missing else 0.0
    return (
        f"Measured on the test split: when {lost:.0%} of the reviews lost their pictures, "
        f"{task.metrics[name].title} went from {scores[name][0]:.3f} to {left:.3f}"
    )
