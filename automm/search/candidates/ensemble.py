"""An ensemble of fitted candidates: a weighted mean, whose members and shares `evaluate/combine` selects."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from automm.errors import TrialError
from automm.evaluate.combine import FEWEST, Choice, Crossing, Greedy, divisions
from automm.models.average import average
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted
from automm.search.training.loop import Trained
from automm.tracking.run_folder import Candidate


@dataclass(frozen=True)
class Ensemble(Estimator):
    """A weighted mean of fitted candidates.

    It is evaluated by crossing: the answer for a review is that of an ensemble selected without the review's part. Its
    metrics are means over several divisions into parts, and its answers are the mean of the crossed answers.

    A single candidate's score has a selection bias that a crossed one has not. For the ranking (`Fitted.comparable`),
    the ensemble has the recorded score of the best single candidate, and its lead over that candidate where both are
    crossed. If it has no lead, both numbers are the same.

    Attributes:
        members: the candidates to select from with their out-of-fold answers, best first.
    """

    members: Sequence[tuple[Candidate, np.ndarray]] = field(kw_only=True)

    def fit(self, bench: Bench) -> Fitted:
        judged = bench.setup.judged([prediction for _, prediction in self.members])
        if judged.count < FEWEST:
            raise TrialError(f"an ensemble needs {FEWEST} groups of linked reviews, and there are {judged.count}")
        rng = np.random.default_rng(bench.setup.experiment.seed)  # as in `finalists/selection`: the same divisions
        crossings = [Crossing.drawn(judged, rng) for _ in range(divisions(judged))]
        greedy = Greedy(tuple(range(len(self.members))))
        shares = crossings[0].fit(greedy).shares
        picked = [(one.name, float(share)) for (one, _), share in zip(self.members, shares, strict=True) if share > 0]
        models = [bench.saved(name) for name, _ in picked]
        return Fitted(
            average(models, [share for _, share in picked], name="member"),
            _mean([bench.evaluate_answers(crossing.answers(greedy)) for crossing in crossings]),
            {f"ensemble/{name}": round(share, 3) for name, share in picked},
            comparable=self.members[0][0].ranked_by + judged.sign * Choice(greedy).lead(crossings),
        )


def _mean(evaluated: Sequence[Trained]) -> Trained:
    """Return the means of the metrics and of the answers."""
    validation = {name: float(np.mean([one.validation[name] for one in evaluated])) for name in evaluated[0].validation}
    answers = np.mean([one.probabilities for one in evaluated], axis=0)
    return replace(evaluated[0], validation=validation, probabilities=answers)
