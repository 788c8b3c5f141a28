"""The mean of the answers of fitted candidates."""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from automm.errors import TrialError
from automm.models import baselines
from automm.search.bench import Bench
from automm.search.candidates.estimator import Estimator, Fitted

AVERAGED = ("text_only", "image_only")


@dataclass(frozen=True)
class LateAverage(Estimator):
    """The mean of the baselines in AVERAGED, without further training.

    Attributes:
        completed: the names of completed candidates.
    """

    completed: Collection[str] = field(kw_only=True)

    def fit(self, bench: Bench) -> Fitted:
        predictions = []
        for member in AVERAGED:
            predicted = bench.run.predictions(member) if member in self.completed else None
            if predicted is None:
                raise TrialError(f"late_average needs the baseline {member}, which is not completed")
            predictions.append(predicted)
        members = {member: bench.saved(member) for member in AVERAGED}
        return Fitted(
            baselines.late_average(bench.setup.shapes, members), bench.evaluate_answers(np.mean(predictions, axis=0))
        )
