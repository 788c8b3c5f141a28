"""Choose from candidates: the best single one, or an ensemble; and score such a choice on reviews that it did not see.

The best of many candidates is partly the luckiest, and the shares of an ensemble fit the reviews that they are chosen
on. A choice is therefore scored by crossing: the resampling units are divided into parts, the whole choice is made
without one part at a time, and its answers for that part are collected (as in stacking, Wolpert 1992). The crossed
answers of a single candidate and of an ensemble are found in the same way, and their scores are comparable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_array, hstack

from automm.evaluate.combinations import Combination, Mean
from automm.evaluate.compare import jackknifed, places_of, unit_sums
from automm.tasks.base import LARGER, Task

FEWEST = 3  # units: a `Choice` for one of them is made from the others, by crossing
PARTS = 5  # of the units. With more parts a choice varies less from part to part, and one lucky candidate hides
DIVISIONS = 20  # of the units into parts; the score of an ensemble is a mean over them
ANSWERS = 500_000  # of candidates for reviews: so many are combined and scored in a few seconds
NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Judged:
    """The answers of candidates for the same reviews, which none of their models was trained on.

    Attributes:
        objective: an objective of the task.
        targets: (n,), the targets of the task.
        units: (n,) int64, the resampling unit of each review.
        answers: of each candidate, (n, outputs).
        weights: (n,), of the reviews in the smooth loss, if the objective counts all classes equally; else None.
    """

    task: Task
    objective: str
    targets: np.ndarray
    units: np.ndarray
    answers: Sequence[np.ndarray]
    weights: np.ndarray | None = None

    @cached_property
    def places(self) -> np.ndarray:
        """The units, numbered from 0 without gaps, (n,)."""
        return places_of(self.units)

    @property
    def count(self) -> int:
        """The number of units."""
        return int(self.places.max()) + 1

    @property
    def metric(self) -> str:
        return self.objective.removeprefix("val_")

    @property
    def sign(self) -> float:
        """1 if a larger objective is better, else -1."""
        return 1.0 if self.task.objectives[self.objective] == LARGER else -1.0

    @property
    def of_labels(self) -> bool:
        """Whether the objective depends on the predicted labels only."""
        return self.task.metrics[self.metric].of_labels

    @cached_property
    def sums(self) -> csr_array:
        """The sums of each unit for the objective of all candidates, (units, candidates * sums)."""
        sums = [unit_sums(self.task, self.metric, self.targets, answers, self.places) for answers in self.answers]
        return csr_array(hstack(sums))

    @cached_property
    def smooth_inputs(self) -> np.ndarray:
        """(candidates, n) float32, see `Task.smooth_inputs`."""
        inputs = [self.task.smooth_inputs(self.targets, answers) for answers in self.answers]
        return np.stack(inputs).astype(np.float32)


class Combiner(Protocol):
    """Makes a choice from all candidates. It is hashable: a crossing keeps what it has fitted."""

    def fit(self, crossing: "Crossing", left_out: frozenset[int]) -> Combination:
        """Choose on the reviews that are not in the parts that are left out."""


@dataclass(frozen=True)
class Crossing:
    """One division of the units into parts.

    Attributes:
        parts: (units,) int64, the part of each unit, from 0 without gaps.
    """

    judged: Judged
    parts: np.ndarray
    _fitted: dict[tuple[Combiner, frozenset[int]], Combination] = field(default_factory=dict, init=False, repr=False)
    _differences: dict[Any, tuple[float, np.ndarray]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def drawn(cls, judged: Judged, rng: np.random.Generator) -> "Crossing":
        """Divide the units into PARTS random parts of equal numbers of units; `FEWEST` units are needed."""
        return cls(judged, rng.permutation(judged.count) % min(PARTS, judged.count))

    @cached_property
    def _rows(self) -> list[np.ndarray]:
        """The reviews of each part."""
        part_of = self.parts[self.judged.places]
        return [np.flatnonzero(part_of == part) for part in range(self.parts.max() + 1)]

    @cached_property
    def _sums(self) -> np.ndarray:
        """The sums of each part for the objective of each candidate, (parts, candidates, sums)."""
        units = np.arange(len(self.parts))
        of_part = csr_array((np.ones(len(units)), (self.parts, units)))
        sums = (of_part @ self.judged.sums).toarray()
        return np.asarray(sums.reshape(len(sums), len(self.judged.answers), -1))

    def _kept(self, left_out: frozenset[int]) -> list[int]:
        return [part for part in range(len(self._rows)) if part not in left_out]

    def rows(self, left_out: frozenset[int]) -> np.ndarray:
        """Return the reviews that are not left out, (n,) int64."""
        return np.sort(np.concatenate([self._rows[part] for part in self._kept(left_out)]))

    def scores(self, left_out: frozenset[int] = NOTHING) -> np.ndarray:
        """Return the objective of each candidate on the reviews that are not left out, (candidates,)."""
        return self.judged.task.from_sums(self.judged.metric, self._sums[self._kept(left_out)].sum(axis=0).T)

    def fit(self, combiner: Combiner, left_out: frozenset[int] = NOTHING) -> Combination:
        """Return the choice on the reviews that are not left out."""
        key = (combiner, left_out)
        if key not in self._fitted:
            self._fitted[key] = combiner.fit(self, left_out)
        return self._fitted[key]

    def answers(self, combiner: Combiner, left_out: frozenset[int] = NOTHING) -> np.ndarray:
        """Return the crossed answers for `rows(left_out)`: a review's are those of the choice made without its part."""
        return self._crossed(combiner, left_out, lambda fitted, rows: fitted.answers(self.judged.answers, rows))

    def decided(self, combiner: Combiner, left_out: frozenset[int] = NOTHING) -> np.ndarray:
        """Return the crossed decisions for `rows(left_out)`, see `Combination.decided`."""
        return self._crossed(combiner, left_out, lambda fitted, rows: fitted.decided(self.judged.answers, rows))

    def _crossed(
        self,
        combiner: Combiner,
        left_out: frozenset[int],
        read: Callable[[Combination, np.ndarray], np.ndarray],
    ) -> np.ndarray:
        crossed = np.zeros_like(self.judged.answers[0])
        for part in self._kept(left_out):
            rows = self._rows[part]
            crossed[rows] = read(self.fit(combiner, left_out | {part}), rows)
        return np.asarray(crossed[self.rows(left_out)])

    def difference(
        self, first: Combiner, second: Combiner, left_out: frozenset[int] = NOTHING, metric: str = ""
    ) -> tuple[float, np.ndarray]:
        """Return first minus second in a crossed metric, and its values without each of the units, (units,).

        Args:
            metric: "": that of the objective.
        """
        metric = metric or self.judged.metric
        key = (first, second, left_out, metric)
        if key not in self._differences:
            judged, rows = self.judged, self.rows(left_out)
            places, targets = places_of(judged.units[rows]), judged.targets[rows]
            read = self.decided if judged.task.metrics[metric].of_labels else self.answers
            ours, theirs = (
                jackknifed(
                    judged.task,
                    metric,
                    unit_sums(judged.task, metric, targets, read(one, left_out), places),
                )
                for one in (first, second)
            )
            self._differences[key] = ours[0] - theirs[0], ours[1] - theirs[1]
        return self._differences[key]

    def score(self, combiner: Combiner, left_out: frozenset[int] = NOTHING) -> float:
        """Return the objective of the crossed answers for the reviews that are not left out."""
        sums = [self._sums_of(self.fit(combiner, left_out | {part}), part) for part in self._kept(left_out)]
        return float(self.judged.task.from_sums(self.judged.metric, np.sum(sums, axis=0)))

    def _sums_of(self, fitted: Combination, part: int) -> np.ndarray:
        """Return the sums of a combination's answers for a part, (sums,)."""
        if isinstance(fitted, Mean) and len(fitted.members) == 1:
            return np.asarray(self._sums[part, fitted.members[0]])
        judged, rows = self.judged, self._rows[part]
        answers = (fitted.decided if judged.of_labels else fitted.answers)(judged.answers, rows)
        terms = judged.task.terms(judged.metric, judged.targets[rows], answers)
        return np.bincount(terms.columns.ravel(), terms.values.ravel(), terms.size)


@dataclass(frozen=True)
class BestSingle:
    """The candidate with the best objective; of equal ones, the first."""

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> Mean:
        scores = crossing.judged.sign * crossing.scores(left_out)
        return Mean(np.eye(len(scores))[np.argmax(scores)])


def divisions(judged: Judged) -> int:
    """Return over how many divisions an ensemble is scored: DIVISIONS, or fewer if there are more than ANSWERS."""
    size = len(judged.targets) * max(len(judged.answers), int(judged.answers[0].shape[1]))
    return min(DIVISIONS, max(1, ANSWERS // size))


def honest(combiner: Combiner, judged: Judged, *, rng: np.random.Generator, repeats: int) -> float:
    """Return the mean crossed score of a choice over several random divisions of the units."""
    return float(np.mean([Crossing.drawn(judged, rng).score(combiner) for _ in range(repeats)]))
