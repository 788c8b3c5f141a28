"""The base class of all candidates, and the result of fitting one.

Neural heads, linear models, constants, averages, ensembles and fine-tuned models are all estimators. Each is fitted on
every fold, and yields out-of-fold answers and a model from which `models/whole.compose` builds the whole model.
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
        model: the Keras model of all folds together; it reads features, encoder states, or raw arrays.
        trained: the training history, the out-of-fold answers and their metrics.
        point: hyperparameters that were chosen during fitting, in addition to those of the estimator.
        comparable, decision: see `Candidate`.
    """

    model: Any
    trained: Trained
    point: Mapping[str, Any] = field(default_factory=dict)
    comparable: float | None = None
    decision: tuple[float, ...] = ()


@dataclass(frozen=True)
class Estimator(ABC):
    """A candidate that can be fitted on a bench, any number of times.

    Attributes:
        name: the name of the candidate.
        kind: as in `Candidate`, or "finalist" if it is fitted again on another fold.
        point: its hyperparameters.
        seed_name: the name from which the seed is derived; "": `name`.
        seed: a seed that replaces the derived one, or None.
        proposed_by: as in `Candidate`; "": `kind`.
        folds: the number of folds, from the first, that it is fitted and evaluated on; None: all folds of the setup.
        tier: 1 with frozen encoders, 2 if encoders are trained.
        in_batches: whether it is trained in batches, whose size can be halved.
    """

    name: str
    kind: str
    point: Mapping[str, Any] = field(default_factory=dict)
    seed_name: str = ""
    seed: int | None = None
    proposed_by: str = ""
    folds: int | None = None
    tier: ClassVar[int] = 1
    in_batches: ClassVar[bool] = False

    def seed_on(self, bench: Bench) -> int:
        """Return the seed of initial weights, batches and dropout."""
        return bench.seed_of(self.seed_name or self.name) if self.seed is None else self.seed

    def prepare(self, bench: Bench) -> None:  # noqa: B027 - most candidates need nothing
        """Compute what is kept for later fits too; the seconds of a candidate begin after it."""

    @abstractmethod
    def fit(self, bench: Bench) -> Fitted:
        """Fit on every fold.

        Raises:
            TrialError: it cannot be fitted; the message is the cause.
        """
