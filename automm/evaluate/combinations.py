"""Combinations of candidates: answers computed from those of the candidates, and labels decided from the answers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automm.evaluate.decision import biased, logs, softmax, tempered


class Combination(ABC):
    """A fitted combination of candidates."""

    @property
    @abstractmethod
    def weights(self) -> np.ndarray:
        """The weight of each candidate, (candidates,) float64, not negative; 0 if it is no member."""

    @abstractmethod
    def answers(self, answers: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Return the answers for some reviews, (len(rows), outputs) float32.

        Args:
            answers: of each candidate, (n, outputs).
        """

    def decided(self, answers: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Return scores, (len(rows), outputs), of which the largest is the label; without a decision, the answers."""
        return self.answers(answers, rows)

    @property
    def members(self) -> list[int]:
        """The candidates that have a weight."""
        return list(np.flatnonzero(self.weights).tolist())


@dataclass(frozen=True)
class Mean(Combination):
    """A weighted mean of candidates.

    Attributes:
        shares: (candidates,) float64, not negative, their sum 1.
    """

    shares: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        return self.shares

    def answers(self, answers: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        return np.asarray(sum(np.float32(self.shares[place]) * answers[place][rows] for place in self.members))


@dataclass(frozen=True)
class LogMean(Combination):
    """The softmax of a weighted sum of the candidates' logarithms of probabilities, and a bias for each class.

    Attributes:
        coefficients: (candidates,) float64, not negative.
        biases: (classes,) float64.
    """

    coefficients: np.ndarray
    biases: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        return self.coefficients

    def answers(self, answers: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        return softmax(
            sum((self.coefficients[place] * logs(answers[place][rows]) for place in self.members), self.biases)
        )


@dataclass(frozen=True)
class Tempered(Combination):
    """A combination with calibrated probabilities."""

    inner: Combination
    temperature: float

    @property
    def weights(self) -> np.ndarray:
        return self.inner.weights

    def answers(self, answers: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        return tempered(self.inner.answers(answers, rows), self.temperature)

    def decided(self, answers: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        return self.inner.decided(answers, rows)


@dataclass(frozen=True)
class Biased(Combination):
    """A combination whose labels are decided with a bias for each class; its answers are unchanged.

    Attributes:
        biases: (classes,) float64, added to the logarithms of the probabilities.
    """

    inner: Combination
    biases: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        return self.inner.weights

    def answers(self, answers: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        return self.inner.answers(answers, rows)

    def decided(self, answers: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        return biased(self.inner.answers(answers, rows), self.biases)
