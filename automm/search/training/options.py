"""How a candidate is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from automm.tasks.base import Task

# What works between the parts of a suffix. A model of tier 2 has its suffix inside, and goes on without.
OF_SUFFIXES = ("training/mixup", "training/auxiliary", "training/modulation")


@dataclass(frozen=True)
class Options:
    """The hyperparameters `training/...` of the same names; 0 is off, which they are where nobody names them.

    Attributes:
        class_weights: a name of `losses.CLASS_WEIGHTS`.
        focal_gamma: by how much rows that are right already count less: the loss times (1 - p) ** gamma (focal loss,
            Lin et al. 2017, arXiv 1708.02002, equation 4).
        label_smoothing: the share of a label that is spread over all classes (Szegedy et al. 2016, arXiv 1512.00567).
        mixup: alpha of the beta distribution by which fused vectors and their labels are mixed in pairs (Zhang et al.
            2018, arXiv 1710.09412; on hidden vectors: Verma et al. 2019, arXiv 1806.05236).
        auxiliary: the weight of the losses of auxiliary heads, one a modality, that see it alone; they are thrown away.
        modulation: alpha of on-the-fly gradient modulation (`search/training/modulation`).
        modality_dropout: the rate at which modalities are left out of training rows (`data/inputs/modalities`).
    """

    class_weights: str = "square_root"
    focal_gamma: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    auxiliary: float = 0.0
    modulation: float = 0.0
    modality_dropout: float = 0.0

    @classmethod
    def of(cls, values: Mapping[str, Any], class_weights: str) -> "Options":
        """Those that a point of the search space names.

        Args:
            class_weights: where the point names none.
        """
        named = {field.name: values.get(f"training/{field.name}") for field in fields(cls)}
        return cls(**{"class_weights": class_weights, **{k: v for k, v in named.items() if v is not None}})

    def values(self) -> dict[str, Any]:
        """As hyperparameters."""
        return {f"training/{field.name}": getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Plan:
    """What every candidate of a tier is given, and what one of them has asked for."""

    task: Task = field(kw_only=True)
    objective: str
    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    seed: int
    options: Options = Options()
    weight_decay: float = 1e-3
    encoder_rate: float = 0.0  # the learning rate of what of the encoders is trained
    warm_up: float = 0.0  # share of all steps in which rates rise from 0; then they fall to 0 at the end. 0: constant
    bars: tuple[float, ...] = ()  # of each epoch: patience is halved while the best score is worse (`stopping`)
