"""A task for tests, in one file: a price, which is correct within a tolerance."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from automm.tasks.base import LARGER, SMALLER, Detailed, Metric, Task, Terms

TOLERANCE = 10_000.0


class Price(Task):
    name = "price"
    targets = "prices"
    model = "price model"
    target = "number"
    head = "number"
    loss = "huber"
    linear = "ridge"
    linear_title = "ridge regression"
    figure = "true_and_predicted"
    has_labels = False
    metrics: ClassVar[dict[str, Metric]] = {
        "close": Metric("close", LARGER),
        "off": Metric("off by", SMALLER),
    }
    published = metrics
    smooth = "off"
    loss_unit = "loss"
    score_unit = "share, and thousands"
    baselines: ClassVar[dict[str, str]] = {"majority": "median", "logistic_both": "ridge_both"}

    def outputs(self, labels: Sequence[str]) -> int:
        return 1

    def measure(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        errors = np.abs(answers[:, 0] - targets)
        return {"close": float((errors <= TOLERANCE).mean()), "off": float(errors.mean()) / 1000}

    def detailed(
        self,
        targets: np.ndarray,
        answers: np.ndarray,
        decided: np.ndarray,
        labels: Sequence[str],
        *,
        each_label: bool = True,
    ) -> Detailed:
        return Detailed(dict(self.measure(targets, answers)))

    def terms(self, metric: str, targets: np.ndarray, answers: np.ndarray) -> Terms:
        errors = np.abs(answers[:, 0] - targets)
        return Terms.of_mean((errors <= TOLERANCE).astype(float) if metric == "close" else errors / 1000)

    def from_sums(self, metric: str, sums: np.ndarray) -> np.ndarray:
        return np.asarray(sums[1] / sums[0])

    def smooth_inputs(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        return np.asarray(answers[:, 0] - targets)

    def smooth_loss(self, inputs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.asarray(np.average(np.abs(inputs), axis=-1, weights=weights))

    def constant(self, targets: np.ndarray, outputs: int) -> np.ndarray:
        return np.asarray([targets.mean()])

    def explained_output(self, answers: np.ndarray) -> np.ndarray:
        return np.zeros(len(answers), np.int64)

    def record(self, answer: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        return {"price": round(float(answer[0])), "cheap": bool(answer[0] < TOLERANCE)}

    @property
    def record_types(self) -> dict[str, type]:
        return {"price": int, "cheap": bool}
