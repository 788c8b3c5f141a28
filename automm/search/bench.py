"""The tools with which estimators fit: build fold models, find their inputs, evaluate them on one setup."""

import hashlib
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import keras
import numpy as np

from automm.errors import TrialError
from automm.evaluate.decision import measured
from automm.models.heads import learn_statistics
from automm.models.packing import pack, packed_layout, unwrap
from automm.models.whole import EncoderKey, EncoderLayers, compiled, parameters_of, rows_at_once
from automm.search.features.encoded import Features
from automm.search.features.encoding_time import EncodingTime
from automm.search.features.states import States, encode_states, input_rows, states_time
from automm.search.memory import available_memory
from automm.search.setup.data import Setup, feature_store
from automm.search.space.effective import effective_space
from automm.search.space.table import readouts
from automm.search.space.validation import space_of
from automm.search.training.batches import Rows, WithoutModality
from automm.search.training.loop import Trained, predict
from automm.search.training.options import Options, Plan
from automm.tracking.run_folder import Run

VECTORS_AT_ONCE, LARGE_AT_ONCE = 512, 32  # reviews in a prediction batch of a suffix
BYTES_TRAINED = 16  # bytes per trained parameter: weight, gradient, two moments


class Bench:
    """One setup with its encoders and the saved models of the run.

    Attributes:
        space: the search space of the experiment, without what has no effect on the data.
        without_effect: what is left out, by hyperparameter, and why.
        layers: the layers of the encoders; built, with their weights, when they are first needed.
        progress: called with (what, steps done, total steps).
        deadline: a time of `time.monotonic`, or None.
        batch_size: of training; smaller than the experiment's while a candidate needs it (`candidate_runner`).
    """

    def __init__(
        self, setup: Setup, run: Run, progress: Callable[[str, int, int], None], deadline: float | None = None
    ):
        self.setup, self.run, self.progress, self.deadline = setup, run, progress, deadline
        whole, most = space_of(setup.experiment, setup.dataset.manifest), setup.experiment.inputs.max_images
        self.space, self.without_effect = effective_space(whole, setup.dataset.reviews, most)
        self.layers = EncoderLayers.of(setup.sources, setup.arrays.sizes, [*readouts(self.space), "text", "image"])
        self.batch_size = setup.experiment.training.batch_size
        self._states: dict[Set[EncoderKey], States] = {}  # by the encoders whose states they are

    def saved(self, name: str) -> Any:
        """Load the saved model of a candidate."""
        return keras.saving.load_model(self.run.model_path(name), compile=False)

    def encoders_of(self, suffix: Any) -> frozenset[EncoderKey]:
        """Return the encoders that a suffix reads: not all of several, none of a modality that it does not read."""
        sources = self.layers.sources_of(suffix).values()
        return frozenset((source.modality, source.encoder) for source in sources if not source.is_array)

    def states(self, encoders: Set[EncoderKey]) -> States:
        """Return the outputs of some encoders' lower halves, encoded when they are first needed."""
        if encoders not in self._states:
            lowers = self.lower_halves(encoders)
            self._states[encoders] = encode_states(self.setup.arrays, lowers, feature_store(), progress=self.progress)
        return self._states[encoders]

    def states_time(self, encoders: Set[EncoderKey]) -> EncodingTime:
        """Measure how long it will take to encode the states of some encoders."""
        return states_time(self.setup.arrays, self.lower_halves(encoders), feature_store())

    def lower_halves(self, encoders: Set[EncoderKey]) -> list[Any]:
        """Return the lower halves of some encoders; raises ConfigError if one cannot be cut."""
        return [encoder.halves()[0] for encoder in self.layers.encoders if encoder.key in encoders]

    def input_rows(self, model: Any) -> Rows:
        """Return the source of input rows that matches the inputs of a suffix or whole model."""
        names = [tensor.name for tensor in unwrap(model).inputs]
        return input_rows(names, self.setup.arrays, self.setup.features, self.states)

    def predictor(self, model: Any) -> Callable[..., np.ndarray]:
        """Return a function that predicts with a trained whole model or suffix; a whole model is compiled once.

        Returns:
            (rows, without=None) -> (len(rows), outputs) float32 answers; `without` names a modality to mask.
        """
        source, convert = self.input_rows(model), converter(model)
        call, at_once = model, VECTORS_AT_ONCE
        if not isinstance(source, Features):
            call, at_once = compiled(model), rows_at_once(self.setup.experiment.inputs.max_images)
        elif source.large:
            at_once = LARGE_AT_ONCE

        def predict_rows(rows: np.ndarray, without: str | None = None) -> np.ndarray:
            given = source if without is None else WithoutModality(source, without)
            return predict(call, given, rows, batch_size=at_once, convert=convert)

        return predict_rows

    def fold_models(self, build: Callable[[], Any], *, limited: bool = False) -> list[Any]:
        """Build a suffix for each fold, with the statistics of its fold and its own initial weights.

        Args:
            limited: whether `budget.parameters` applies.

        Raises:
            TrialError: the models do not fit into the free memory, or have more parameters than the budget allows.
        """
        first = build()
        self._check_size(first, limited)
        # Cloning gives new initial weights, and is faster than building with AutoKeras again.
        models = [first, *(keras.models.clone_model(first) for _ in self.setup.folds[1:])]
        for model, statistics in zip(models, self.setup.statistics, strict=True):
            learn_statistics(model, statistics)
        return models

    def _check_size(self, model: Any, limited: bool) -> None:
        folds, most = len(self.setup.folds), self.setup.experiment.budget.parameters
        suffix = int(model.count_params())
        if limited and most is not None:
            total = parameters_of(model, self.layers) + (folds - 1) * suffix
            if total > most:
                raise TrialError(
                    f"too large: more parameters than budget.parameters allows ({most:,})\n"
                    f"It has {total:,} parameters. Raise budget.parameters, or remove large choices from the space"
                )
        self.check_memory(model, folds)

    def check_memory(self, model: Any, folds: int, solver: int = 0) -> None:
        """Raise TrialError if so many models of this size cannot be trained in the free memory.

        Args:
            solver: further bytes per trained parameter, of one model at a time.
        """
        trained = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
        needed, free = trained * (folds * BYTES_TRAINED + solver), available_memory()
        if needed > free:
            large = (
                "too large for the free memory\n"
                f"Training {folds} models of {trained:,} parameters needs {needed / 1e6:,.0f} MB, and "
                f"{free / 1e6:,.0f} MB are free. "
            )
            if solver:
                raise TrialError(large + "Free memory, or remove it from the baselines")
            raise TrialError(large + "Free memory, or remove large choices from the space")

    def evaluate_models(self, models: Sequence[Any]) -> Trained:
        """Evaluate models that need no gradient descent, each on the validation rows of its fold."""
        probabilities = np.concatenate(
            [
                predict(model, self.input_rows(model), fold.validation, convert=converter(model))
                for model, fold in zip(models, self.setup.folds, strict=True)
            ]
        )
        return self.evaluate_answers(probabilities)

    def evaluate_answers(self, probabilities: np.ndarray, decided: np.ndarray | None = None) -> Trained:
        """Evaluate given answers, (rows, outputs) in the order of `Trained.probabilities`.

        Args:
            decided: (rows, outputs), of which the largest is the label; None: the answers.
        """
        decided = probabilities if decided is None else decided
        validation = measured(self.setup.task, self.setup.validation_targets, probabilities, decided)
        return Trained(stopped="", validation=validation, probabilities=probabilities)

    def plan(self, seed: int, values: Mapping[str, Any]) -> Plan:
        """Return the training plan of a candidate of tier 1; its point sets the learning rate and training options."""
        experiment = self.setup.experiment
        return Plan(
            task=self.setup.task,
            objective=experiment.objective,
            epochs=experiment.training.epochs,
            patience=experiment.training.patience,
            batch_size=self.batch_size,
            learning_rate=values["training/learning_rate"],
            seed=seed,
            options=Options.of(values, experiment.training.class_weights),
        )

    def seed_of(self, name: str) -> int:
        """Derive a 31-bit seed from the experiment's seed and a name, independent of what ran before."""
        text = f"{self.setup.experiment.seed}/{name}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def converter(model: Any) -> Callable[[dict[str, np.ndarray]], np.ndarray] | None:
    """Return the function that packs a batch for a model with one packed input; None for other models."""
    layout = packed_layout(model)
    return None if layout is None else lambda batch: pack(batch, layout)
