"""What the trials gained over the baselines, and the last third of them over the others, without the luck of the best.

Every new candidate makes the best score a little better by luck alone. The choices are therefore made without a fifth
of the units, and compared on it (`evaluate/combine`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import overload

import numpy as np

from automm.evaluate.combinations import Mean
from automm.evaluate.combine import FEWEST, BestSingle, Crossing, Judged, divisions
from automm.evaluate.ensembles import gain_of

LATE = 1 / 3  # of the trials
FEWEST_TRIALS = 9  # for a last third of three
KEPT = 4  # candidates' answers in memory


@dataclass(frozen=True)
class Gain:
    """What the choice from all baselines and trials gains over the choice from the first ones.

    Attributes:
        trials: the number of trials that only the first choice has.
        gain: in the objective, positive if better; crossed.
        error: its standard error over units.
    """

    trials: int
    gain: float
    error: float


@dataclass(frozen=True)
class Gains:
    """What trials gained.

    Attributes:
        trials: the number of comparable trials.
        over_baselines: of all trials; None without trials or baselines.
        late: of the last third of the trials; None if there are fewer than FEWEST_TRIALS.
        settled: whether the late gain is at most its standard error; None without one.
    """

    trials: int
    over_baselines: Gain | None
    late: Gain | None
    settled: bool | None


@dataclass(frozen=True)
class BestOfFirst:
    """The candidate with the best objective among the first ones."""

    count: int

    def fit(self, crossing: Crossing, left_out: frozenset[int]) -> Mean:
        scores = crossing.judged.sign * crossing.scores(left_out)
        return Mean(np.eye(len(scores))[np.argmax(scores[: self.count])])


class Loaded(Sequence[np.ndarray]):
    """The answers of candidates, loaded when they are read: those of 200 candidates for many classes are gigabytes."""

    def __init__(self, load: Callable[[str], np.ndarray], names: Sequence[str]):
        """
        Args:
            load: returns the answers of a candidate by its name, (n, outputs).
        """
        self._names, self._load = list(names), lru_cache(maxsize=KEPT)(load)

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, place: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[np.ndarray]: ...
    def __getitem__(self, place: int | slice) -> np.ndarray | Sequence[np.ndarray]:
        if isinstance(place, slice):
            return [self._load(name) for name in self._names[place]]
        return self._load(self._names[place])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self._load(name) for name in self._names)


def gains_of(judged: Judged, baselines: int, rng: np.random.Generator) -> Gains:
    """Compute what trials gained.

    Args:
        judged: the answers of baselines, then of trials in the order in which they were finished.
        baselines: the number of baselines.
    """
    trials = len(judged.answers) - baselines
    if judged.count < FEWEST or not trials:
        return Gains(trials, None, None, None)
    crossings = [Crossing.drawn(judged, rng) for _ in range(divisions(judged))]

    def gain(late: int) -> Gain:
        return Gain(late, *gain_of(crossings, BestSingle(), BestOfFirst(len(judged.answers) - late)))

    last = gain(int(trials * LATE)) if trials >= FEWEST_TRIALS else None
    return Gains(
        trials, gain(trials) if baselines else None, last, None if last is None else bool(last.gain <= last.error)
    )
