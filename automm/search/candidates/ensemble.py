"""An ensemble of fitted candidates: a weighted mean, whose members and shares `evaluate/combine` selects."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from automm.errors import TrialError
from automm.evaluate.combine import FEWEST, Choice, Crossing, Greedy
from automm.models.average import average
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted


@dataclass(frozen=True)
class Ensemble(Estimator):
    """A weighted mean of fitted candidates.

    It is evaluated by crossing: the answer for a review is that of an ensemble selected without the review's part. A
    single candidate's score has a selection bias that a crossed one has not. For the ranking (`Fitted.comparable`), the
    ensemble has the score of the best single candidate, and its lead over that candidate where both are crossed.

    Attributes:
        members: name and out-of-fold answers of each candidate to select from, best first.
    """

    members: Sequence[tuple[str, np.ndarray]] = field(kw_only=True)

    def fit(self, bench: Bench) -> Fitted:
        judged = bench.setup.judged([prediction for _, prediction in self.members])
        if judged.count < FEWEST:
            raise TrialError(f"an ensemble needs {FEWEST} groups of linked reviews, and there are {judged.count}")
        crossing = Crossing.drawn(judged, np.random.default_rng(bench.seed_of("ensemble")))
        greedy = Greedy(tuple(range(len(self.members))))
        best = float((judged.sign * crossing.scores()).max()) + Choice(greedy).lead(crossing)
        shares = crossing.fit(greedy).shares
        picked = [(name, float(share)) for (name, _), share in zip(self.members, shares, strict=True) if share > 0]
        models = [bench.saved(name) for name, _ in picked]
        return Fitted(
            average(models, [share for _, share in picked], name="member"),
            bench.evaluate_answers(crossing.answers(greedy)),
            {f"ensemble/{name}": round(share, 3) for name, share in picked},
            comparable=judged.sign * best,
        )
