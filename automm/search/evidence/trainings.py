"""Train the arms of a recipe, each once: their answers are kept in the run folder.

They are no candidates: nothing is written to trials.jsonl, so that no ranking, ensemble or finalist can hold them. A
training that the deadline ends is thrown away, because it would be compared with complete ones.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import keras
import numpy as np

from automm.config.duration import duration
from automm.data.files import write_atomically
from automm.data.inputs.modalities import masks_of, present
from automm.models.average import members_of
from automm.search.bench import LARGE_AT_ONCE, VECTORS_AT_ONCE, Bench
from automm.search.candidates.estimator import Fitted
from automm.search.evidence.ablation import Ablated, Arm, ablated
from automm.search.evidence.recipe import Recipe, recipe_of
from automm.search.finalists.folds import estimator_of
from automm.search.interrupt import raise_if_interrupted
from automm.search.memory import release_memory
from automm.search.session import Search
from automm.search.training.loop import predict, validation_rows
from automm.tasks.classification import MANY

FOLDER = "evidence"  # in the run folder: FOLDER/<recipe>/<arm>.npz
SEEDS = 2  # trainings of each arm
TRACING = 0.3  # of the seconds of a training: what does not depend on the number of reviews


class OutOfTime(Exception):
    """The time for the evidence does not suffice for the next training; the message says for what."""


class Trainings:
    """Trains arms of the choice's recipe until a deadline.

    Args:
        choice: the name of the best candidate.
        deadline: a time of `time.monotonic`, or None.
    """

    def __init__(self, search: Search, choice: str, deadline: float | None):
        self._search, self._choice, self._deadline = search, choice, deadline
        self._seconds: list[float] = []  # of the trainings so far, each as if on all reviews

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe; raises TrialError as `recipe_of`."""
        return recipe_of(self._search, self._choice)

    @cached_property
    def modalities(self) -> list[str]:
        """The modalities that a judged review has, in the order of fusion."""
        setup = self._search.setup
        rows = validation_rows(setup.folds)
        names = [name for name in setup.features.names if name in masks_of(setup.features.names).values()]
        has = present(setup.features.only(names).batch(rows))
        return [modality for modality, of_rows in has.items() if of_rows.any()]

    def seconds(self, arms: Sequence[Arm]) -> float:
        """Estimate the seconds of those arms that are not trained yet."""
        each = float(np.mean(self._seconds)) if self._seconds else self.recipe.candidate.seconds
        return sum(each * _effort(arm) for arm in dict.fromkeys(arms) if not self._path(arm).is_file())

    def answers(self, arm: Arm) -> np.ndarray:
        """Return the answers for the judged rows, (rows, outputs) float32, in the order of `Trained.probabilities`.

        Raises:
            OutOfTime: it is not trained yet, and the time does not suffice.
            TrialError: it cannot be fitted.
        """
        return self._arrays(arm)["answers"]

    def answers_without_place(self, arm: Arm) -> np.ndarray:
        """Return the answers of the same models without the pictures at each place, (places, rows, outputs) float32."""
        return self._arrays(arm)["places"]

    def _arrays(self, arm: Arm) -> dict[str, np.ndarray]:
        path = self._path(arm)
        if not path.is_file():
            self._train(arm, path)
        with np.load(path, allow_pickle=False) as stored:
            return {name: array.astype(np.float32, copy=False) for name, array in stored.items()}

    def _path(self, arm: Arm) -> Path:
        return self._search.run.folder / FOLDER / self.recipe.candidate.name / f"{arm.name}.npz"

    def _train(self, arm: Arm, path: Path) -> None:
        raise_if_interrupted()
        needed, left = self.seconds([arm]), math.inf
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
        if needed > left:
            raise OutOfTime(f"{arm.name} takes about {duration(needed)}, and {duration(max(0.0, left))} are left")
        began, bench = time.monotonic(), self._bench(arm)
        estimator = replace(
            estimator_of(self._search, self.recipe.candidate),
            name=f"{self.recipe.candidate.name} {arm.name}",
            seed=bench.seed_of(f"evidence/{self.recipe.candidate.name}/{arm.seed}"),
        )
        keras.utils.set_random_seed(estimator.seed_on(bench))
        fitted = estimator.fit(bench)
        if fitted.trained.stopped == "time":
            raise OutOfTime(f"{arm.name} took longer than the {duration(left)} that were left")
        arrays = {"answers": fitted.trained.probabilities}
        if arm == Arm(arm.seed) and "image" in self.modalities:
            arrays["places"] = _without_places(bench, fitted)
        _save(path, arrays)
        self._seconds.append((time.monotonic() - began) / _effort(arm))
        release_memory()

    def _bench(self, arm: Arm) -> Bench:
        search = self._search
        bench = Bench(ablated(search.setup, arm), search.run, search.reporter.step, self._deadline)
        bench.layers = search.bench.layers  # they are only needed to count parameters
        bench.batch_size = self.recipe.candidate.batch_size or bench.batch_size
        return bench


def _effort(arm: Arm) -> float:
    """Return the share of the seconds of a training on all reviews."""
    return TRACING + (1 - TRACING) * arm.share


def _without_places(bench: Bench, fitted: Fitted) -> np.ndarray:
    """Return the out-of-fold answers without the pictures at each place, (places, rows, outputs) float32."""
    models, folds = members_of(fitted.model), bench.setup.folds
    places = []
    for place in range(bench.setup.shapes.max_images):
        parts = []
        for model, fold in zip(models, folds, strict=True):
            source: Any = bench.input_rows(model)
            assert isinstance(source, Ablated)  # a head reads features
            at_once = LARGE_AT_ONCE if source.large else VECTORS_AT_ONCE
            parts.append(predict(model, replace(source, place=place), fold.validation, batch_size=at_once))
        places.append(np.concatenate(parts))
    return np.stack(places)


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = BytesIO()
    # As `run_folder.stored`: the answers for many classes are large.
    types = {name: np.float16 if array.shape[-1] > MANY else np.float32 for name, array in arrays.items()}
    np.savez(content, allow_pickle=False, **{name: array.astype(types[name]) for name, array in arrays.items()})
    write_atomically(path, content.getvalue())
