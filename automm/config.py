"""An experiment file: one question, everything that it takes to ask it again.

`load_experiment` reads an experiment file, or a bare manifest (then every default applies), and overlays `--set` values
through the same validator.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from automm.errors import ConfigError, NotFoundError, Problem, nearest

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
    "bilinear",
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
OF_COLUMNS = ("logistic_columns", "logistic_all")  # where the manifest names metadata or a history

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


def parse_duration(value: object) -> float:
    """Seconds from a number, or from a text such as '90', '90s', '30m', '1h', '1h30m'."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        match = _DURATION.fullmatch(str(value).strip().replace(" ", ""))
        if match is None or not any(match.groups()):
            raise ValueError(f"{value!r} is not a duration. Write 90s, 30m, 1h or 1h30m")
        hours, minutes, rest = (float(part or 0) for part in match.groups())
        seconds = hours * 3600 + minutes * 60 + rest
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{value!r} is not a positive duration")
    return seconds


Duration = Annotated[float, BeforeValidator(parse_duration)]


class Section(BaseModel):
    """A part of the file: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class Baselines(Section):
    """Which hand-built candidates run before the search."""

    include: Literal["all", "none"] | tuple[str, ...] = "all"
    end_to_end: bool = False  # also train the concatenation with both encoders unfrozen
    end_to_end_time: Duration = 900.0
    end_to_end_epochs: int = Field(3, ge=1)
    end_to_end_learning_rate: float = Field(3e-5, gt=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        """`baselines: all` and `baselines: [majority, concatenation]` are short for `include`."""
        return {"include": value} if isinstance(value, str | list | tuple) else value

    @model_validator(mode="after")
    def _known(self) -> "Baselines":
        if not isinstance(self.include, str):
            for name in self.include:
                if name not in (legal := (*BASELINES, *OF_COLUMNS, *FOR_NUMBERS.values())):
                    raise ValueError(f"unknown baseline {name!r}.{nearest(name, legal)} Legal: {', '.join(legal)}")
        return self

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
    space: dict[str, Any] = {}
    training: Training = Training()
    # How a candidate is judged before the test split: `auto` takes five folds where reviews are few.
    evaluation: Annotated[Literal["auto", "holdout"] | Folds, BeforeValidator(_evaluation)] = "auto"
    baselines: Baselines = Baselines()
    tier2: Tier2 = Tier2()
    ensemble: bool = True  # of the best candidates, as one more
    _allow_code: bool = PrivateAttr(default=False)

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
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


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
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file. 'automm demo demo/' writes a manifest to begin with.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError of its own
        raise ConfigError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values, got {type(content).__name__}")
    if "manifest" not in content:
        content = {"manifest": path.name, "name": _plain(str(content.get("name") or path.stem))}
    content.setdefault("name", _plain(path.stem))
    for override in overrides:
        _overlay(content, override)
    experiment = resolve(content, path.resolve().parent, where=str(path))
    experiment._allow_code = allow_code
    return experiment


def resolve(content: Mapping[str, Any], folder: Path, where: str) -> Experiment:
    """Validate `content`; relative paths are relative to `folder`."""
    content = dict(content)
    task = _task_of(folder, content.get("manifest"))
    if task is not None:
        objective = content.setdefault("objective", next(iter(OBJECTIVES_OF[task])))
        if objective in OBJECTIVES and objective not in OBJECTIVES_OF[task]:
            legal = ", ".join(OBJECTIVES_OF[task])
            raise ConfigError(f"{where}: objective: {objective!r} is none of a {task}. Legal: {legal}")
    try:
        experiment = Experiment.model_validate(content)
    except ValidationError as error:
        raise ConfigError([Problem("experiment", where, _explain(problem)) for problem in error.errors()]) from error
    return experiment.model_copy(update={"manifest": (folder / experiment.manifest).resolve()})


def _task_of(folder: Path, manifest: object) -> str | None:
    """The task of a manifest, None where it cannot be read: what is wrong with it is said by who reads it whole."""
    try:
        content = yaml.safe_load((folder / str(manifest)).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    task = content.get("task", "classification") if isinstance(content, dict) else None
    return task if task in OBJECTIVES_OF else None


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "experiment"


def _overlay(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}: expected KEY=VALUE, for example budget.trials=5")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"--set {override}: the value is not YAML: {error}") from error
    key = key.strip()
    named = key.startswith("space.")  # names of hyperparameters have dots of their own
    levels = ["space", key.removeprefix("space.")] if named else key.split(".")
    place = content
    for level in levels[:-1]:
        inner = place.get(level)
        if isinstance(inner, str | list):  # a short form, such as `baselines: all`
            inner = {"include": inner} if level == "baselines" else None
        if inner is not None and not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {level!r} holds one value, there is nothing inside it")
        place[level] = inner = dict(inner or {})
        place = inner
    place[levels[-1]] = value


def _explain(problem: Any) -> str:
    """A pydantic problem as one line in the file's own words."""
    location = ".".join(str(part) for part in problem["loc"] if part not in ("str", "tuple[str, ...]"))
    if problem["type"] == "extra_forbidden":
        legal = _legal_keys(problem["loc"][:-1])
        key = str(problem["loc"][-1])
        return f"unknown key {location!r}.{nearest(key, legal)} Legal here: {', '.join(legal)}"
    message = problem["msg"].removeprefix("Value error, ")
    given = problem.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{location}: {message}{shown}" if location else f"{message}{shown}"


def _legal_keys(location: Sequence[str | int]) -> list[str]:
    model: type[BaseModel] = Experiment
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)
