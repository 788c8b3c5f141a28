"""Choose from candidates: the best single one, or an ensemble; and score such a choice on reviews that it did not see.

The best of many candidates is partly the luckiest, and the shares of an ensemble fit the reviews that they are chosen
on. A choice is therefore scored by crossing: the resampling units are divided into parts, the whole choice is made
without one part at a time, and its answers for that part are collected (as in stacking, Wolpert 1992). The crossed
answers of a single candidate and of an ensemble are found in the same way, and their scores are comparable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array, hstack

from automm.evaluate.compare import jackknifed, places_of, standard_error, unit_sums
from automm.tasks.base import LARGER, Task

FEWEST = 3  # units: a `Choice` for one of them is made from the others, by crossing
PICKS = 20
PARTS = 5  # of the units. With more parts a choice varies less from part to part, and one lucky candidate hides
DIVISIONS = 20  # of the units into parts; the score of an ensemble is a mean over them
ANSWERS = 1_000_000  # of candidates for reviews; an ensemble is chosen from so many in about three seconds
NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Judged:
    """The answers of candidates for the same reviews, which none of their models was trained on.

    Attributes:
        objective: an objective of the task.
        targets: (n,), the targets of the task.
        units: (n,) int64, the resampling unit of each review.
        answers: of each candidate, (n, outputs).
    """

    task: Task
    objective: str
    targets: np.ndarray
    units: np.ndarray
    answers: Sequence[np.ndarray]

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


@dataclass(frozen=True)
class Mean:
    """A weighted mean of candidates.

    Attributes:
        shares: (candidates,) float64, not negative, their sum 1.
    """

    shares: np.ndarray

    def answers(self, answers: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Return the mean of the candidates' answers for some reviews, (len(rows), outputs)."""
        return np.asarray(sum(np.float32(self.shares[place]) * answers[place][rows] for place in self.members))

    @property
    def members(self) -> list[int]:
        """The candidates that have a share."""
        return list(np.flatnonzero(self.shares).tolist())


class Combiner(Protocol):
    """Makes a choice from all candidates. It is hashable: a crossing keeps what it has fitted."""

    def fit(self, crossing: "Crossing", left_out: frozenset[int]) -> Mean:
        """Choose on the reviews that are not in the parts that are left out."""


@dataclass(frozen=True)
class Crossing:
    """One division of the units into parts.

    Attributes:
        parts: (units,) int64, the part of each unit, from 0 without gaps.
    """

    judged: Judged
    parts: np.ndarray
    _fitted: dict[tuple[Combiner, frozenset[int]], Mean] = field(default_factory=dict, init=False, repr=False)

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

    def fit(self, combiner: Combiner, left_out: frozenset[int] = NOTHING) -> Mean:
        """Return the choice on the reviews that are not left out."""
        key = (combiner, left_out)
        if key not in self._fitted:
            self._fitted[key] = combiner.fit(self, left_out)
        return self._fitted[key]

    def answers(self, combiner: Combiner, left_out: frozenset[int] = NOTHING) -> np.ndarray:
        """Return the crossed answers for `rows(left_out)`: a review's are those of the choice made without its part."""
        crossed = np.zeros_like(self.judged.answers[0])
        for part in self._kept(left_out):
            rows = self._rows[part]
            crossed[rows] = self.fit(combiner, left_out | {part}).answers(self.judged.answers, rows)
        return np.asarray(crossed[self.rows(left_out)])

    def score(self, combiner: Combiner, left_out: frozenset[int] = NOTHING) -> float:
        """Return the objective of the crossed answers for the reviews that are not left out."""
        sums = [self._sums_of(self.fit(combiner, left_out | {part}), part) for part in self._kept(left_out)]
        return float(self.judged.task.from_sums(self.judged.metric, np.sum(sums, axis=0)))

    def _sums_of(self, mean: Mean, part: int) -> np.ndarray:
        """Return the sums of a mean's answers for a part, (sums,)."""
        if len(mean.members) == 1:
            return np.asarray(self._sums[part, mean.members[0]])
        judged, rows = self.judged, self._rows[part]
        terms = judged.task.terms(judged.metric, judged.targets[rows], mean.answers(judged.answers, rows))
        return np.bincount(terms.columns.ravel(), terms.values.ravel(), terms.size)


@dataclass(frozen=True)
class BestSingle:
    """The candidate with the best objective; of equal ones, the first."""

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> Mean:
        scores = crossing.judged.sign * crossing.scores(left_out)
        return Mean(np.eye(len(scores))[np.argmax(scores)])


@dataclass(frozen=True)
class Greedy:
    """An ensemble by greedy forward selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004,
    "Ensemble selection from libraries of models").

    Each step adds the member that minimises the loss of the mean answers. The loss is used for every objective because
    it is smooth; the number of correct answers in few reviews is mostly chance.

    Attributes:
        always: the candidates that may be members.
        others: candidates of which only the `best` by the objective may be members, because other models are not kept.
    """

    always: tuple[int, ...]
    others: tuple[int, ...] = ()
    best: int = 0

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> Mean:
        judged = crossing.judged
        scores = judged.sign * crossing.scores(left_out)
        best = sorted(self.others, key=lambda place: -scores[place])[: self.best]
        allowed = sorted((*self.always, *best))
        shares = np.zeros(len(judged.answers))
        shares[allowed] = greedy_shares(judged.task, judged.smooth_inputs[allowed][:, crossing.rows(left_out)])
        return Mean(shares)


@dataclass(frozen=True)
class Choice:
    """The ensemble, unless the best single candidate is better; a tie goes to the ensemble.

    The crossed scores of both are compared. Less than one standard error of their difference is a tie (the rule of
    Breiman, Friedman, Olshen and Stone 1984): a mean of several models varies less.
    """

    ensemble: Greedy
    single: BestSingle = BestSingle()

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> Mean:
        return crossing.fit(self.ensemble if self.lead([crossing], left_out) >= 0 else self.single, left_out)

    def lead(self, crossings: Sequence[Crossing], left_out: frozenset[int] = NOTHING) -> float:
        """Return by how much the ensemble is better, in the unit of the objective; not below 0 if it is a tie.

        Args:
            crossings: divisions of the same units, of which the mean is taken.
        """
        found = [self._difference(crossing, left_out) for crossing in crossings]
        lead = crossings[0].judged.sign * float(np.mean([whole for whole, _ in found]))
        without = np.mean([without for _, without in found], axis=0)
        return max(lead, 0.0) if lead >= -standard_error(without) else lead

    def _difference(self, crossing: Crossing, left_out: frozenset[int]) -> tuple[float, np.ndarray]:
        """Return ensemble minus single in the metric, and its values without each of the units, (units,)."""
        judged, rows = crossing.judged, crossing.rows(left_out)
        places, targets = places_of(judged.units[rows]), judged.targets[rows]
        ensemble, single = (
            jackknifed(
                judged.task,
                judged.metric,
                unit_sums(judged.task, judged.metric, targets, crossing.answers(one, left_out), places),
            )
            for one in (self.ensemble, self.single)
        )
        return ensemble[0] - single[0], ensemble[1] - single[1]


def greedy_shares(task: Task, inputs: np.ndarray) -> np.ndarray:
    """Select members greedily, and return the share of each candidate, (candidates,) float64, their sum 1.

    Args:
        inputs: (candidates, n), the `Task.smooth_inputs` of each.
    """
    counts = np.zeros(len(inputs))
    total = np.zeros_like(inputs[0])
    best_counts, least = counts.copy(), np.inf
    for size in range(1, PICKS + 1):
        losses = task.smooth_loss((total + inputs) / size)
        place = int(np.argmin(losses))
        counts[place] += 1
        total += inputs[place]
        if losses[place] < least:
            best_counts, least = counts.copy(), losses[place]
    return np.asarray(best_counts / best_counts.sum())


def divisions(judged: Judged) -> int:
    """Return over how many divisions an ensemble is scored: DIVISIONS, or fewer if there are more than ANSWERS."""
    size = len(judged.targets) * max(len(judged.answers), int(judged.answers[0].shape[1]))
    return min(DIVISIONS, max(1, ANSWERS // size))


def honest(combiner: Combiner, judged: Judged, *, rng: np.random.Generator, repeats: int) -> float:
    """Return the mean crossed score of a choice over several random divisions of the units."""
    return float(np.mean([Crossing.drawn(judged, rng).score(combiner) for _ in range(repeats)]))
