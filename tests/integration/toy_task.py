"""A task for tests, in one file: a price, which is correct within a tolerance."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from automm.tasks.base import LARGER, SMALLER, Metric, Task

TOLERANCE = 10_000.0


class Price(Task):
    name = "price"
    targets = "prices"
    model = "price model"
    target = "number"
    head = "number"
    loss = "huber"
    linear = "ridge"
    figure = "true_and_predicted"
    has_labels = False
    scaled = True
    metrics: ClassVar[dict[str, Metric]] = {
        "close": Metric("close", LARGER),
        "off": Metric("off by", SMALLER),
    }
    smooth = "off"
    loss_unit = "loss"
    score_unit = "share, and thousands"
    baselines: ClassVar[dict[str, str]] = {"majority": "median", "logistic_both": "ridge_both"}

    def outputs(self, labels: Sequence[str]) -> int:
        return 1

    def measure(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        errors = np.abs(answers[:, 0] - targets)
        return {"close": float((errors <= TOLERANCE).mean()), "off": float(errors.mean()) / 1000}

    def scorer(self, targets: np.ndarray, answers: Sequence[np.ndarray], objective: str) -> "Price.Scorer":
        return self.Scorer(np.stack([np.abs(prices[:, 0] - targets) for prices in answers]), objective)

    class Scorer:
        def __init__(self, errors: np.ndarray, objective: str):
            self.values = (errors <= TOLERANCE) if objective == "val_close" else errors / 1000

        def scores(self, rows: np.ndarray, candidate: int | None = None) -> np.ndarray:
            chosen = self.values if candidate is None else self.values[candidate : candidate + 1]
            return chosen[:, rows].mean(axis=1)

    def constant(self, targets: np.ndarray, outputs: int) -> np.ndarray:
        return np.asarray([targets.mean()])

    def explained_output(self, answers: np.ndarray) -> np.ndarray:
        return np.zeros(len(answers), np.int64)

    def record(self, answer: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        return {"price": round(float(answer[0])), "cheap": bool(answer[0] < TOLERANCE)}

    @property
    def record_types(self) -> dict[str, type]:
        return {"price": int, "cheap": bool}
