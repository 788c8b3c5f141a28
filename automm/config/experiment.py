"""An experiment file: one question, everything that it takes to ask it again.

`load_experiment` reads an experiment file, or a bare manifest (then every default applies), and overlays `--set` values
through the same validator.
"""

import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, field_validator, model_validator

from automm.config.schema import Faults, Section, located, problems_of
from automm.config.strict_yaml import Place, read_setting, read_yaml, write_yaml
from automm.errors import ConfigError, NotFoundError, nearest

T = TypeVar("T")

# By the manifest's task, the first of each is the default; and whether more is better.
OBJECTIVES_OF = {
    "classification": {"val_macro_f1": "max", "val_accuracy": "max", "val_loss": "min"},
    "regression": {"val_mae": "min", "val_rmse": "min"},
}
OBJECTIVES = {name: direction for named in OBJECTIVES_OF.values() for name, direction in named.items()}
TUNERS = ("greedy", "bayesian", "hyperband", "random")
BASELINES = (
    "majority",
    "logistic_text",
    "logistic_image",
    "logistic_both",
    "image_only",
    "text_only",
    "late_average",
    "concatenation",
    "low_rank_bilinear",
    "packed_concatenation",
)
FOR_NUMBERS = {  # what stands in their place where a number is predicted
    "majority": "median",
    "logistic_text": "ridge_text",
    "logistic_image": "ridge_image",
    "logistic_both": "ridge_both",
    "logistic_columns": "ridge_columns",
    "logistic_all": "ridge_all",
}
# Experiment files and runs from before a baseline was renamed: the former name of each, and its name now.
FORMER_BASELINES = {"bilinear": "low_rank_bilinear"}
OF_COLUMNS = ("logistic_columns", "logistic_all")  # where the manifest names metadata or a history

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_UNITS = {"h": 3600, "m": 60, "s": 1}
_SECONDS = re.compile(f"(?P<s>{_NUMBER})")
_PARTS = re.compile(r"\s*".join(rf"(?:(?P<{unit}>{_NUMBER})\s*{unit})?" for unit in _UNITS))


def parse_duration(value: object) -> float:
    """Seconds from a number, or from a text such as '90', '90s', '30m', '1h', '1h30m'.

    In a text of several parts each number needs its unit: 1h30 is refused, since 30 may be minutes or seconds.

    Raises:
        ValueError: no duration, or not a positive and finite one.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds: float = value
    else:
        text = str(value).strip()
        match = _SECONDS.fullmatch(text) or _PARTS.fullmatch(text)
        if match is None or not any(match.groups()):
            raise ValueError(f"{value!r} is not a duration. Write 90s, 30m, 1h or 1h30m")
        seconds = sum(float(number) * _UNITS[unit] for unit, number in match.groupdict().items() if number)
    if not 0 < seconds <= sys.float_info.max:  # an int may be larger than any float
        raise ValueError(f"{value!r} is not a positive duration")
    return float(seconds)


Duration = Annotated[float, BeforeValidator(parse_duration)]


class Budget(Section):
    """What a search may spend.

    `trials` counts completed trials, baselines apart; `time` is seconds from the first encoding to the last epoch.
    Hyperband's trials are many and most of them short: it may spend the epochs that as many full trials may spend,
    `trials` times `training.epochs`. `parameters` is how many a trial's whole model may have, encoders and all fold
    models counted: one with more is not trained, and recorded as FAILED.
    """

    trials: int = Field(20, ge=0, le=100_000)
    time: Duration | None = 3600.0
    parameters: int | None = Field(None, ge=1)


class Inputs(Section):
    """The shape of one datapoint."""

    image_size: int = Field(224, ge=8, le=1024)
    max_images: int = Field(4, ge=1, le=64)
    sequence_length: int = Field(64, ge=4, le=512)
    history_steps: int = Field(16, ge=1, le=512)  # the latest so many, where the manifest names a history


class Encoders(Section):
    """Names of the two encoders: a name of `automm weights --list`, a KerasHub preset, or a preset folder."""

    text: str = "minilm-l6"
    image: str = "efficientnet-lite0"


class Training(Section):
    """The same maximum for every candidate."""

    epochs: int = Field(30, ge=1, le=10_000)
    patience: int = Field(5, ge=1)
    batch_size: int = Field(32, ge=1, le=4096)
    halve_behind: bool = True  # half the patience for a trial that is behind the median of those before it
    # Rare classes count for more than their rows, as macro-F1 asks: of every candidate that names no others.
    class_weights: Literal["none", "square_root", "inverse"] = "square_root"


class Folds(Section):
    """Cross-validation over train and validation."""

    folds: int = Field(5, ge=2, le=20)


def _evaluation(value: object) -> object:
    if isinstance(value, Folds) or value in ("auto", "holdout"):
        return value
    folds = value.get("folds") if isinstance(value, Mapping) and set(value) == {"folds"} else None
    if isinstance(folds, int) and not isinstance(folds, bool) and 2 <= folds <= 20:
        return Folds(folds=folds)
    raise ValueError("expected auto, holdout, or {folds: N} with N from 2 to 20")


def _included(value: object) -> object:
    if value in ("all", "none"):
        return value
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError("expected all, none, or a list of baselines")
    legal = (*BASELINES, *OF_COLUMNS, *FOR_NUMBERS.values())
    names = [FORMER_BASELINES.get(str(name), str(name)) for name in value]
    for name in names:
        if name not in legal:
            raise ValueError(f"unknown baseline {name!r}.{nearest(name, legal)} Legal: {', '.join(legal)}")
    return names


class Baselines(Section):
    """Which hand-built candidates run before the search."""

    include: Annotated[Literal["all", "none"] | tuple[str, ...], BeforeValidator(_included)] = "all"
    end_to_end: bool = False  # also train the concatenation with both encoders unfrozen
    end_to_end_time: Duration = 900.0
    end_to_end_epochs: int = Field(3, ge=1)
    end_to_end_learning_rate: float = Field(3e-5, gt=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        """`baselines: all` and `baselines: [majority, concatenation]` are short for `include`."""
        return {"include": value} if isinstance(value, str | list | tuple) else value

    def names(self, columns: Collection[str] = (), task: str = "classification") -> list[str]:
        """The baselines that run, in the order in which they run.

        Args:
            columns: what the manifest has beside text and pictures: 'metadata', 'history'.
            task: the manifest's.
        """
        possible = [*BASELINES, *(OF_COLUMNS if columns else ())]
        if task == "regression":
            possible = [FOR_NUMBERS.get(name, name) for name in possible]
        if isinstance(self.include, str):
            return possible if self.include == "all" else []
        return [name for name in possible if name in self.include]


class Tier2(Section):
    """The best candidates of tier 1, trained on together with the upper layers of both encoders."""

    finalists: int = Field(1, ge=0, le=100)  # 0: none
    share: float = Field(0.5, gt=0, le=1)  # of the time that is left when tier 1 ends
    epochs: int = Field(2, ge=1, le=1000)
    learning_rate: float = Field(2e-4, gt=0, lt=1)  # of the head
    encoder_rate: float = Field(5e-5, gt=0, lt=1)
    warm_up: float = Field(0.1, gt=0, lt=1)  # share of the steps in which rates rise; then they fall


class Experiment(Section):
    """The whole file. `manifest` is absolute once loaded."""

    manifest: Path
    name: str = Field("experiment", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)
    seed: int = Field(1, ge=0, le=2**31 - 1)
    subsample: float | None = Field(None, gt=0, lt=1)  # a share of the reviews, for a first look
    objective: Literal["val_macro_f1", "val_accuracy", "val_loss", "val_mae", "val_rmse"] = "val_macro_f1"
    tuner: Literal["greedy", "bayesian", "hyperband", "random"] = "greedy"
    portfolio: bool = True  # known good points are the first proposals, before the tuner's own
    budget: Budget = Budget()
    inputs: Inputs = Inputs()
    encoders: Encoders = Encoders()
    space: dict[str, Any] = Field(default={})
    training: Training = Training()
    # How a candidate is judged before the test split: `auto` takes five folds where reviews are few.
    evaluation: Annotated[Literal["auto", "holdout"] | Folds, BeforeValidator(_evaluation)] = "auto"
    baselines: Baselines = Baselines()
    tier2: Tier2 = Tier2()
    ensemble: bool = True  # of the best candidates, as one more
    _allow_code: bool = PrivateAttr(default=False)

    @field_validator("manifest")
    @classmethod
    def _usable_path(cls, value: Path) -> Path:
        if "\0" in str(value):
            raise ValueError("a path with a NUL character")
        return value

    @property
    def direction(self) -> str:
        """'max' or 'min', of the objective."""
        return OBJECTIVES[self.objective]

    @property
    def allow_code(self) -> bool:
        """Whether the manifest may name a reader of somebody's own: the command line alone can say so."""
        return self._allow_code

    def to_yaml(self) -> str:
        """The resolved file: running it again repeats the run."""
        return write_yaml(self.model_dump(mode="json"))


def load_experiment(path: Path, overrides: Sequence[str] = (), *, allow_code: bool = False) -> Experiment:
    """Read an experiment file, or a bare manifest.

    Args:
        path: a YAML file. One with a `manifest` key is an experiment; one with `records` or `path` is a manifest.
        overrides: "KEY=VALUE" with dots between the levels, the value as YAML.
        allow_code: whether the manifest may name a reader of somebody's own.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: every problem in it, a line each.
    """
    content, lines = read_yaml(path, str(path))
    if "manifest" not in content:
        content, lines = {"manifest": path.name, "name": _plain(str(content.get("name") or path.stem))}, {}
    content.setdefault("name", _plain(path.stem))
    given: dict[Place, str] = {}
    for override in overrides:
        place = _overlay(content, override)
        lines = _without(lines, place)
        given = {**_without(given, place), place: f"--set {override}"}
    experiment = resolve(content, path.resolve().parent, str(path), lines, given)
    experiment._allow_code = allow_code
    return experiment


def resolve(
    content: Mapping[str, Any],
    folder: Path,
    name: str,
    lines: Mapping[Place, int] | None = None,
    given: Mapping[Place, str] | None = None,
) -> Experiment:
    """Validate what an experiment file says.

    Args:
        content: keys and values.
        folder: what relative paths are relative to.
        name: what the file is called in messages.
        lines, given: as of `schema.located`.

    Raises:
        ConfigError: every problem, a line each.
    """
    settled = dict(content)
    problems = _set_objective(settled, folder)
    try:
        experiment = Experiment.model_validate(settled)
    except ValidationError as error:
        problems += problems_of(error, Experiment)
    if problems:
        raise ConfigError(located(problems, "experiment", name, lines or {}, given))
    return experiment.model_copy(update={"manifest": Path(os.path.realpath(folder / experiment.manifest))})


def _set_objective(content: dict[str, Any], folder: Path) -> Faults:
    """Sets the objective that the manifest's task has by default; a problem where the file names another task's."""
    task = _task_of(folder, content.get("manifest"))
    if task is None:
        return []
    objective = content.setdefault("objective", next(iter(OBJECTIVES_OF[task])))
    if not isinstance(objective, str) or objective not in OBJECTIVES or objective in OBJECTIVES_OF[task]:
        return []
    return [(("objective",), f"objective: {objective!r} is none of a {task}. Legal: {', '.join(OBJECTIVES_OF[task])}")]


def _task_of(folder: Path, manifest: object) -> str | None:
    """The task of a manifest, None where it cannot be read: what is wrong with it is said by who reads it whole."""
    if not isinstance(manifest, str):
        return None
    try:
        content, _ = read_yaml(folder / manifest)
    except (ConfigError, NotFoundError):
        return None
    task = content.get("task", "classification")
    return task if isinstance(task, str) and task in OBJECTIVES_OF else None


def _without(places: Mapping[Place, T], replaced: Place) -> dict[Place, T]:
    """All but what is at, or inside, a place that has another value now."""
    return {place: found for place, found in places.items() if place[: len(replaced)] != replaced}


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "experiment"


def _overlay(content: dict[str, Any], override: str) -> Place:
    """Sets what an override says; the place of its key."""
    key, value = read_setting("--set", override, "budget.trials=5")
    named = key.startswith("space.")  # names of hyperparameters have dots of their own
    levels = ["space", key.removeprefix("space.")] if named else key.split(".")
    section = content
    for level in levels[:-1]:
        inner = section.get(level)
        if level == "baselines" and isinstance(inner, str | list):  # its short form
            inner = {"include": inner}
        elif level == "evaluation" and isinstance(inner, str):
            inner = {}
        if inner is not None and not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {level!r} holds one value, there is nothing inside it")
        section[level] = inner = dict(inner or {})
        section = inner
    section[levels[-1]] = value
    return tuple(levels)
