"""AutoKeras' greedy tuner, for an `ak.AutoModel` of automm's blocks."""

from typing import Any

import autokeras as ak

from automm.models.heads import Statistics, learn_statistics
from automm.search.autokeras.keras_tuner_internals import WithoutTensorBoard


class Greedy(WithoutTensorBoard, ak.tuners.Greedy):
    """AutoKeras' default tuner; each model learns the statistics of the training rows before it is trained.

    Pass it as `tuner` to an `ak.AutoModel`, and its `statistics` too. AutoKeras' own tuners do not know them, and
    would train on features that are not standardised.

    Args:
        statistics: of the rows that models are trained on: an entry of `Setup.statistics`.
    """

    def __init__(self, *, statistics: Statistics, **kwargs: Any):
        self.statistics = statistics
        super().__init__(**kwargs)

    def adapt(self, model: Any, dataset: Any) -> Any:
        learn_statistics(model, self.statistics)
        return model
