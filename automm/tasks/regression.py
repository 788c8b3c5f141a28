"""Regression: predict a number for each review."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from automm.tasks.base import LARGER, SMALLER, Detailed, Metric, Task, Terms


class Regression(Task):
    """Answers are numbers in the unit of the targets, (n, 1); targets are numbers, (n,) float32."""

    name = "regression"
    targets = "numbers"
    model = "regression model"
    target = "number"
    head = "number"
    loss = "huber"
    linear = "ridge"
    linear_title = "ridge regression"
    figure = "true_and_predicted"
    has_labels = False
    metrics: ClassVar[dict[str, Metric]] = {
        "mae": Metric("MAE", SMALLER),
        "rmse": Metric("RMSE", SMALLER),
        "r2": Metric("R2", LARGER, objective=False),
    }
    published: ClassVar[dict[str, Metric]] = {**metrics, "spearman": Metric("Spearman correlation", LARGER)}
    smooth = "rmse"
    loss_unit = "loss (of scaled numbers)"
    score_unit = "error"
    checks = frozenset(("one_number", "far_numbers", "number_shift"))
    baselines: ClassVar[dict[str, str]] = {
        "majority": "median",
        "logistic_text": "ridge_text",
        "logistic_image": "ridge_image",
        "logistic_both": "ridge_both",
        "logistic_columns": "ridge_columns",
        "logistic_all": "ridge_all",
        "logistic_all_encoders": "ridge_all_encoders",
    }

    def outputs(self, labels: Sequence[str]) -> int:
        return 1

    def measure(self, targets: np.ndarray, answers: np.ndarray) -> dict[str, float]:
        """Compute mean absolute error, root mean squared error, and the share of the variance that is explained.

        Returns:
            {"mae", "rmse", "r2"}: the first two in the unit of the targets; r2 is 0 if the answers are the mean of the
            targets, or if all targets are equal.
        """
        true, errors = targets.astype(np.float64), self.smooth_inputs(targets, answers)
        squared, variance = float((errors**2).mean()), float(true.var())
        r2 = 1.0 - squared / variance if variance > 0 else 0.0
        return {"mae": float(np.abs(errors).mean()), "rmse": float(np.sqrt(squared)), "r2": r2}

    def detailed(
        self,
        targets: np.ndarray,
        answers: np.ndarray,
        decided: np.ndarray,
        labels: Sequence[str],
        *,
        each_label: bool = True,
    ) -> Detailed:
        """Return the metrics; r2 is None for fewer than two reviews, and spearman if either side is constant."""
        from scipy.stats import spearmanr
        from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

        true, found = targets.astype(np.float64), answers[:, 0].astype(np.float64)
        varies = len(np.unique(true)) > 1 and len(np.unique(found)) > 1
        return Detailed(
            {
                "mae": float(mean_absolute_error(true, found)),
                "rmse": float(root_mean_squared_error(true, found)),
                "r2": float(r2_score(true, found)) if len(true) > 1 else None,
                "spearman": float(spearmanr(true, found).statistic) if varies else None,
            }
        )

    def terms(self, metric: str, targets: np.ndarray, answers: np.ndarray) -> Terms:
        errors = self.smooth_inputs(targets, answers)
        if metric != "r2":
            return Terms.of_mean(np.abs(errors) if metric == "mae" else errors**2)
        # Around a fixed number, because sums of squares of large numbers cancel.
        true = targets.astype(np.float64) - float(targets[0])
        values = np.stack([np.ones(len(true)), errors**2, true, true**2], axis=1)
        return Terms(np.tile(np.arange(4), (len(true), 1)), values, 4)

    def from_sums(self, metric: str, sums: np.ndarray) -> np.ndarray:
        count, squared, *of_targets = sums
        if metric == "r2":
            variance = of_targets[1] - of_targets[0] ** 2 / count
            return np.asarray(1.0 - np.divide(squared, variance, out=np.ones_like(squared), where=variance > 0))
        mean = np.maximum(squared, 0.0) / count  # of "mae": of absolute errors; a difference of sums may be below 0
        return np.asarray(np.sqrt(mean) if metric == "rmse" else mean)

    def smooth_inputs(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return the errors."""
        return np.asarray(answers[:, 0].astype(np.float64) - targets.astype(np.float64))

    def smooth_loss(self, inputs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.asarray(np.average(inputs**2, axis=-1, weights=weights))

    def constant(self, targets: np.ndarray, outputs: int) -> np.ndarray:
        """Return the median, which has the smallest mean absolute error."""
        return np.asarray(np.median(targets, keepdims=True))

    def explained_output(self, answers: np.ndarray) -> np.ndarray:
        """Return 0 for every review: there is one output."""
        return np.zeros(len(answers), np.int64)

    def record(self, answer: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """Return {"value": the number}, rounded to the precision of float32."""
        return {"value": float(f"{float(answer[0]):.7g}")}

    @property
    def record_types(self) -> dict[str, type]:
        return {"value": float}
