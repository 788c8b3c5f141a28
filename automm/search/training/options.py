"""Training options and the training plan of a candidate."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from automm.tasks.base import Task

TIER_1_ONLY = ("training/schedule",)  # in tier 2, rates rise first


@dataclass(frozen=True)
class Options:
    """The hyperparameters `training/...` of the same names; 0, the default, turns an option off.

    Attributes:
        schedule: a key of `schedule.SCHEDULES`. With another than "constant" the epochs are fixed: patience does not
            end the training.
        weight_decay: decoupled weight decay of matrices: each step multiplies them by 1 - learning rate * weight decay
            (Loshchilov and Hutter 2019, arXiv 1711.05101). A head has about a thousand steps, so that 1 at a rate of
            1e-3 divides weights without a gradient by e.
        class_weights: a key of `losses.CLASS_WEIGHTS`.
        focal_gamma: gamma of the focal loss: the loss is multiplied by (1 - p) ** gamma, so that rows with confident
            correct answers count less (Lin et al. 2017, arXiv 1708.02002, equation 4).
        label_smoothing: the share of a label that is spread over all classes (Szegedy et al. 2016, arXiv 1512.00567).
        modality_dropout: the rate at which modalities are masked in training rows (`data/inputs/modalities`).
    """

    schedule: str = "constant"
    weight_decay: float = 0.0
    class_weights: str = "square_root"
    focal_gamma: float = 0.0
    label_smoothing: float = 0.0
    modality_dropout: float = 0.0

    @classmethod
    def of(cls, values: Mapping[str, Any], class_weights: str) -> "Options":
        """Return the options of a point of the search space.

        Args:
            class_weights: used if the point does not set them.
        """
        named = {field.name: values.get(f"training/{field.name}") for field in fields(cls)}
        return cls(**{"class_weights": class_weights, **{k: v for k, v in named.items() if v is not None}})

    def values(self) -> dict[str, Any]:
        """Return the options as hyperparameters."""
        return {f"training/{field.name}": getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Plan:
    """The settings for training one candidate: those of its tier, and those of its point."""

    task: Task = field(kw_only=True)
    objective: str
    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    seed: int
    options: Options = Options()
    encoder_rate: float = 0.0  # the learning rate of the encoders' trained layers
    warm_up: float = 0.0  # share of steps in which rates rise from 0, before they fall to 0 at the end. 0: the schedule
    median_scores: tuple[float, ...] = ()  # by epoch: patience is halved while the best score is worse (`stopping`)
