"""An ensemble of fitted candidates: a weighted mean, whose members and shares `evaluate/combine` selects."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from automm.errors import TrialError
from automm.evaluate.combine import BestSingle, Crossing, Greedy
from automm.models.average import average
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted


@dataclass(frozen=True)
class Ensemble(Estimator):
    """A weighted mean of fitted candidates.

    It is evaluated by crossing: the answer for a review is that of an ensemble selected without the review's part. A
    single candidate's score has a selection bias that a crossed one has not. For the ranking, the bias of the best
    single candidate, measured with the same parts, is therefore added to the ensemble's score (`Fitted.comparable`).

    Attributes:
        members: name and out-of-fold answers of each candidate to select from, best first.
    """

    members: Sequence[tuple[str, np.ndarray]] = field(kw_only=True)

    def fit(self, bench: Bench) -> Fitted:
        judged = bench.setup.judged([prediction for _, prediction in self.members])
        if judged.count < 2:
            raise TrialError("an ensemble needs two groups of reviews that are not linked, and all reviews are linked")
        crossing = Crossing.drawn(judged, np.random.default_rng(bench.seed_of("ensemble")))
        greedy, single = Greedy(tuple(range(len(self.members)))), BestSingle()
        best = float(crossing.scores()[crossing.fit(single).members[0]])
        shares = crossing.fit(greedy).shares
        picked = [(name, float(share)) for (name, _), share in zip(self.members, shares, strict=True) if share > 0]
        models = [bench.saved(name) for name, _ in picked]
        return Fitted(
            average(models, [share for _, share in picked], name="member"),
            bench.evaluate_answers(crossing.answers(greedy)),
            {f"ensemble/{name}": round(share, 3) for name, share in picked},
            comparable=best + crossing.score(greedy) - crossing.score(single),
        )
