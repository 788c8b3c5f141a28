"""What every candidate is before it is fitted, and what fitting leaves.

Neural heads, linear models, constants, averages, ensembles and fine-tuned models are estimators alike: each is fitted
on every fold, and gives out-of-fold answers and a model that `models/whole.compose` makes whole.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from automm.search.bench import Bench
from automm.search.training.loop import Trained


@dataclass(frozen=True)
class Fitted:
    """A fitted candidate.

    Attributes:
        model: a Keras model of all folds together, from features, from states of the encoders, or from raw arrays.
        trained: its out-of-fold answers, and what they are worth.
        point: hyperparameters that fitting has chosen, beside those that the estimator was given.
    """

    model: Any
    trained: Trained
    point: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimator(ABC):
    """A candidate that can be fitted on a bench, as often as one likes.

    Attributes:
        name: of the candidate.
        kind: "baseline", "trial", "fine-tuned", "ensemble", or "finalist" where it is fitted again on another fold.
        point: its hyperparameters.
        seed_name: candidates of one seed name have the same seed; without one, their own name.
        seed: in place of the one that follows from the seed name.
        tier: 1 with frozen encoders, 2 where encoders are trained.
        folds: None: fitted and judged on all folds of the setup; else on the first so many.
    """

    name: str
    kind: str
    point: Mapping[str, Any] = field(default_factory=dict)
    seed_name: str = ""
    seed: int | None = None
    tier: ClassVar[int] = 1
    folds: ClassVar[int | None] = None

    def seed_on(self, bench: Bench) -> int:
        """The seed of first weights, batches and dropout."""
        return bench.seed_of(self.seed_name or self.name) if self.seed is None else self.seed

    @abstractmethod
    def fit(self, bench: Bench) -> Fitted:
        """Fit on every fold.

        Raises:
            TrialError: it cannot be fitted, in words.
        """
