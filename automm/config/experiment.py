"""The experiment file: everything that is needed to repeat a search.

`load_experiment` reads an experiment file, or a manifest alone (then every default applies). `--set` values pass
through the same validator.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from automm.config.duration import Duration
from automm.config.experiment_name import legal_name, plain_name
from automm.config.inputs import Encoders, Inputs, absolute_encoders
from automm.config.schema import Faults, Section, located, problems_of
from automm.config.strict_yaml import Place, read_setting, read_yaml, write_yaml
from automm.errors import ConfigError, NotFoundError, nearest
from automm.tasks.base import Task
from automm.tasks.registry import TASKS, all_objectives

T = TypeVar("T")

TUNERS = ("greedy", "bayesian", "hyperband", "random")
BASELINES = (
    "majority",
    "logistic_text",
    "logistic_image",
    "logistic_both",
    "bag_of_words",
    "image_only",
    "text_only",
    "late_average",
    "concatenation",
    "low_rank_bilinear",
    "packed_concatenation",
)
# Former names of baselines and their names now. Experiment files may use both; older runs contain the former ones.
FORMER_BASELINES = {"bilinear": "low_rank_bilinear"}
COLUMN_BASELINES = ("logistic_columns", "logistic_all")  # only if the manifest names metadata or a history
ENCODER_BASELINES = ("logistic_all_encoders",)  # only with several encoders of texts or of pictures
TREES = "trees"  # only if `baselines.trees` is set
# A resumed run may change these keys; the content of its manifest is checked separately.
CHANGEABLE = ("budget", "evidence", "name", "manifest")


class Budget(Section):
    """The limits of a search.

    Attributes:
        trials: completed trials, without the baselines. Hyperband runs many short trials; its limit is
            `trials` times `training.epochs` epochs in total.
        time: seconds of the whole search, from the reading of the reviews to the last logged model.
        patience: completed trials after which a search ends if its best score, corrected for selection, has not become
            better; None: never.
        parameters: the maximum for the whole model of a trial, with encoders and all fold models. A larger model is not
            trained, and its trial is recorded as FAILED.
        latency: the most milliseconds that an ensemble may need to predict a review, estimated on this machine; None:
            no limit.
    """

    trials: int = Field(20, ge=0, le=100_000)
    time: Duration | None = 3600.0
    patience: int | None = Field(30, ge=1)
    parameters: int | None = Field(None, ge=1)
    latency: float | None = Field(None, gt=0)


class Training(Section):
    """How candidates are trained. The limits are the same for every candidate."""

    epochs: int = Field(30, ge=1, le=10_000)
    patience: int = Field(5, ge=1)
    batch_size: int = Field(32, ge=1, le=4096)
    seeds: int = Field(2, ge=1, le=10)  # the finalists of tier 1 are trained with each
    halve_behind: bool = True  # half the patience for a trial behind the median of the earlier trials
    # Rare classes get a larger weight, because macro-F1 counts all classes equally. `space` can override it per trial.
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
        raise ValueError("expected all, none, or a list of baseline names")
    general = (*BASELINES, *COLUMN_BASELINES, *ENCODER_BASELINES)
    legal = dict.fromkeys(
        [*general, *(own for task in TASKS.values() for name in general if (own := task.baseline(name)))]
    )
    names = [FORMER_BASELINES.get(str(name), str(name)) for name in value]
    for name in names:
        if name not in legal:
            raise ValueError(f"unknown baseline {name!r}.{nearest(name, list(legal))} Legal: {', '.join(legal)}")
    return names


def _objective(value: object) -> object:
    legal = list(all_objectives())
    if not isinstance(value, str) or value not in legal:
        raise ValueError(f"unknown objective {value!r}.{nearest(str(value), legal)} Legal: {', '.join(legal)}")
    return value


class Baselines(Section):
    """The hand-built candidates that run before the search."""

    include: Annotated[Literal["all", "none"] | tuple[str, ...], BeforeValidator(_included)] = "all"
    trees: bool = False  # also fit boosted trees
    end_to_end: bool = False  # also train the concatenation with both encoders unfrozen
    end_to_end_time: Duration = 900.0
    end_to_end_epochs: int = Field(3, ge=1)
    end_to_end_learning_rate: float = Field(3e-5, gt=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        """Expand the short form: `baselines: all` and `baselines: [majority, concatenation]` set `include`."""
        return {"include": value} if isinstance(value, str | list | tuple) else value

    def names(self, columns: Collection[str], task: Task, *, several_encoders: bool = False) -> list[str]:
        """Return the names of the baselines in the order in which they run.

        Args:
            columns: the manifest's modalities other than text and pictures: 'metadata', 'history'.
            task: the task of the manifest.
            several_encoders: whether texts or pictures have several encoders.
        """
        general = (
            *BASELINES,
            *(COLUMN_BASELINES if columns else ()),
            *(ENCODER_BASELINES if several_encoders else ()),
        )
        possible = [own for name in general if (own := task.baseline(name)) is not None]
        if isinstance(self.include, str):
            included = possible if self.include == "all" else []
        else:
            included = [name for name in possible if name in self.include]
        return [*included, TREES] if self.trees else included


class Tier2(Section):
    """How the best candidates of tier 1 are fine-tuned together with the upper layers of both encoders."""

    finalists: int = Field(1, ge=0, le=100)  # 0: none
    share: float = Field(0.5, gt=0, le=1)  # of the time left when tier 1 ends
    epochs: int = Field(2, ge=1, le=1000)
    learning_rate: float = Field(2e-4, gt=0, lt=1)  # of the head
    encoder_rate: float = Field(5e-5, gt=0, lt=1)
    warm_up: float = Field(0.1, gt=0, lt=1)  # the share of steps in which learning rates rise; then they fall


class Experiment(Section):
    """The whole experiment file. `load_experiment` makes `manifest` and the folders of encoders absolute."""

    manifest: Path
    name: Annotated[str, AfterValidator(legal_name)] = "experiment"
    seed: int = Field(1, ge=0, le=2**31 - 1)
    subsample: float | None = Field(None, gt=0, lt=1)  # a share of the reviews, for a first look
    objective: Annotated[str, BeforeValidator(_objective)] = "val_macro_f1"
    tuner: Literal["greedy", "bayesian", "hyperband", "random"] = "greedy"
    portfolio: bool = True  # known good points are proposed first, before the tuner's own proposals
    budget: Budget = Budget()
    inputs: Inputs = Inputs()
    encoders: Encoders = Encoders()
    space: dict[str, Any] = Field(default={})
    training: Training = Training()
    # How candidates are scored before the test split is read: `auto` uses five folds if there are few reviews.
    evaluation: Annotated[Literal["auto", "holdout"] | Folds, BeforeValidator(_evaluation)] = "auto"
    baselines: Baselines = Baselines()
    tier2: Tier2 = Tier2()
    ensemble: bool = True  # an ensemble of the best candidates is one more candidate
    # The share of the time limit for what modalities and more reviews are worth; 0: only `automm evidence` computes it.
    evidence: float = Field(0.15, ge=0, lt=1)
    _allow_code: bool = PrivateAttr(default=False)

    @field_validator("manifest")
    @classmethod
    def _usable_path(cls, value: Path) -> Path:
        if "\0" in str(value):
            raise ValueError("the path contains a NUL character. Remove it")
        return value

    @property
    def direction(self) -> str:
        """Return the direction of the objective that is better: 'max' or 'min'."""
        return all_objectives()[self.objective]

    @property
    def allow_code(self) -> bool:
        """Return whether the manifest may name its own reader. Only the command line can allow it, not the file."""
        return self._allow_code

    def completed_by(self, earlier: "Experiment") -> "Experiment":
        """Return the experiment of a resumed run: what neither its file nor an option sets is as it was earlier.

        Defaults may have changed since the run began. CHANGEABLE keys keep their own values.
        """
        completed: Experiment = _completed(self, earlier, CHANGEABLE)
        return completed

    def to_yaml(self) -> str:
        """Return the file with every default filled in. Running it repeats the search."""
        return write_yaml(self.model_dump(mode="json"))


def load_experiment(path: Path, overrides: Sequence[str] = (), *, allow_code: bool = False) -> Experiment:
    """Read an experiment file, or a manifest alone.

    Args:
        path: a YAML file. With the key `manifest` it is an experiment file; otherwise it is a manifest.
        overrides: "KEY=VALUE" with dots between the levels, the value as YAML.
        allow_code: whether the manifest may name its own reader.

    Raises:
        NotFoundError: the file does not exist.
        ConfigError: all problems of the file, one per line.
    """
    content, lines = read_yaml(path, str(path))
    if "manifest" not in content:
        content, lines = {"manifest": path.name, "name": plain_name(str(content.get("name") or path.stem))}, {}
    content.setdefault("name", plain_name(path.stem))
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
    """Validate the content of an experiment file.

    Args:
        content: keys and values.
        folder: the folder to which relative paths are relative.
        name: the name of the file in messages.
        lines, given: as in `schema.located`.

    Raises:
        ConfigError: all problems, one per line.
    """
    settled = dict(content)
    for section, keys in (("encoders", ("text", "image", "moved")), ("space", ("text.encoder", "image.encoder"))):
        if isinstance(given_section := settled.get(section), Mapping):
            settled[section] = {
                key: absolute_encoders(value, folder) if key in keys else value for key, value in given_section.items()
            }
    problems = _set_objective(settled, folder)
    try:
        experiment = Experiment.model_validate(settled)
    except ValidationError as error:
        problems += problems_of(error, Experiment)
    if problems:
        raise ConfigError(located(problems, "experiment", name, lines or {}, given))
    return experiment.model_copy(update={"manifest": Path(os.path.realpath(folder / experiment.manifest))})


def _set_objective(content: dict[str, Any], folder: Path) -> Faults:
    """Set the default objective of the manifest's task; return a problem if the file names one of another task."""
    task = _task_of(folder, content.get("manifest"))
    if task is None:
        return []
    legal = task.objectives
    objective = content.setdefault("objective", next(iter(legal)))
    if not isinstance(objective, str) or objective not in all_objectives() or objective in legal:
        return []
    return [(("objective",), f"objective: {objective!r} does not fit task: {task.name}. Legal: {', '.join(legal)}")]


def _task_of(folder: Path, manifest: object) -> Task | None:
    """Return the task of a manifest, or None if it cannot be read; `load_manifest` reports its problems later."""
    if not isinstance(manifest, str):
        return None
    try:
        content, _ = read_yaml(folder / manifest)
    except (ConfigError, NotFoundError):
        return None
    task = content.get("task", "classification")
    return TASKS.get(task) if isinstance(task, str) else None


def _completed(section: Any, earlier: Any, changeable: Collection[str] = ()) -> Any:
    update = {}
    for name in type(section).model_fields:
        own, former = getattr(section, name), getattr(earlier, name)
        if name in changeable:
            continue
        if name not in section.model_fields_set:
            update[name] = former
        elif isinstance(own, Section) and type(own) is type(former):
            update[name] = _completed(own, former)
    return section.model_copy(update=update)


def _without(places: Mapping[Place, T], replaced: Place) -> dict[Place, T]:
    """Return the places outside of `replaced`, which has another value now."""
    return {place: value for place, value in places.items() if place[: len(replaced)] != replaced}


def _overlay(content: dict[str, Any], override: str) -> Place:
    """Apply an override to the content; return the place of its key."""
    key, value = read_setting("--set", override, "budget.trials=5")
    is_hyperparameter = key.startswith("space.")  # the names of hyperparameters contain dots
    levels = ["space", key.removeprefix("space.")] if is_hyperparameter else key.split(".")
    section = content
    for level in levels[:-1]:
        inner = section.get(level)
        if level == "baselines" and isinstance(inner, str | list):  # the short form
            inner = {"include": inner}
        elif level == "evaluation" and isinstance(inner, str):
            inner = {}
        if inner is not None and not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {level!r} is a single value and has no keys. Set {level}=VALUE")
        section[level] = inner = dict(inner or {})
        section = inner
    section[levels[-1]] = value
    return tuple(levels)
