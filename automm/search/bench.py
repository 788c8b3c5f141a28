"""What estimators are fitted with: fold models made, their inputs found, and models judged, on one setup."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from automm.errors import TrialError
from automm.models.heads import learn_statistics
from automm.models.packing import pack, packed_layout, unwrap
from automm.models.whole import EncoderLayers, compiled, parameters_of, rows_at_once
from automm.search.features.encoded import Features
from automm.search.features.states import States, encode_states, source_of
from automm.search.memory import available_memory
from automm.search.setup.data import Setup, feature_store
from automm.search.space.table import readouts
from automm.search.space.validation import space_of
from automm.search.training.batches import Lacking, Rows
from automm.search.training.loop import Trained, predict
from automm.search.training.options import Options, Plan
from automm.tracking.run_folder import Run

VECTORS_AT_ONCE, LARGE_AT_ONCE = 512, 32  # reviews that a suffix reads at a time
BYTES_TRAINED = 16  # of a parameter: its weight, its gradient, two moments


class Bench:
    """One setup, with the encoders and what the run has saved.

    Attributes:
        space: of the experiment.
        layers: of the encoders, built when they are first needed, which loads the weights.
        progress: (what, steps done, steps in all).
        deadline: on the clock of `time.monotonic`, or None.
    """

    def __init__(
        self, setup: Setup, run: Run, progress: Callable[[str, int, int], None], deadline: float | None = None
    ):
        self.setup, self.run, self.progress, self.deadline = setup, run, progress, deadline
        self.space = space_of(setup.experiment, setup.dataset.manifest)
        self.layers = EncoderLayers.of(
            [setup.text_source, setup.image_source],
            setup.experiment.inputs.image_size,
            [*readouts(self.space), "text", "image"],
        )
        self._states: dict[bool, States] = {}  # with and without pictures

    def saved(self, name: str) -> Any:
        """The model that the run has kept of a candidate."""
        return keras.saving.load_model(self.run.model_path(name), compile=False)

    def states(self, cells: bool = True) -> States:
        """Return the outputs of the encoders' lower halves, encoded when they are first needed.

        Args:
            cells: those of pictures too; a model that trains a CNN on the pictures does not read them.
        """
        if cells not in self._states:
            modalities = ("text", "image") if cells else ("text",)
            self._states[cells] = encode_states(
                self.setup.arrays,
                [encoder.halves()[0] for encoder in self.layers.encoders if encoder.modality in modalities],
                feature_store(),
                progress=self.progress,
            )
        return self._states[cells]

    def source(self, model: Any) -> Rows:
        """Return the rows that a suffix or whole model reads, by the names of its inputs."""
        names = [tensor.name for tensor in unwrap(model).inputs]
        return source_of(names, self.setup.arrays, self.setup.features, self.states)

    def reader(self, model: Any) -> Callable[..., np.ndarray]:
        """What reads reviews by a trained model, whole or a suffix, which is compiled once.

        Returns:
            (rows, lacking=None) -> (len(rows), outputs) float32 answers; `lacking` is a modality that the reviews lose
            before.
        """
        source, convert = self.source(model), converter(model)
        call, at_once = model, VECTORS_AT_ONCE
        if not isinstance(source, Features):
            call, at_once = compiled(model), rows_at_once(self.setup.experiment.inputs.max_images)
        elif source.large:
            at_once = LARGE_AT_ONCE

        def read(rows: np.ndarray, lacking: str | None = None) -> np.ndarray:
            given = source if lacking is None else Lacking(source, lacking)
            return predict(call, given, rows, batch_size=at_once, convert=convert)

        return read

    def members(self, build: Callable[[], Any], *, limited: bool = False) -> list[Any]:
        """A suffix for each fold, each with its own fold's statistics and its own first weights.

        Raises:
            TrialError: together they would not fit into what memory is free, or, where `limited`, have more parameters
                than the budget allows.
        """
        first = build()
        self._check_size(first, limited)
        # Cloning gives new first weights, and is quicker than another walk through AutoKeras.
        models = [first, *(keras.models.clone_model(first) for _ in self.setup.folds[1:])]
        for model, statistics in zip(models, self.setup.statistics, strict=True):
            learn_statistics(model, statistics)
        return models

    def _check_size(self, model: Any, limited: bool) -> None:
        folds, most = len(self.setup.folds), self.setup.experiment.budget.parameters
        own = int(model.count_params())
        if limited and most is not None:
            total = parameters_of(model, self.layers) + (folds - 1) * own
            if total > most:
                raise TrialError(f"too large: more parameters than budget.parameters allows ({most:,})\n{total:,}")
        trained = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
        needed, free = folds * trained * BYTES_TRAINED, available_memory()
        if needed > free:
            raise TrialError(
                "too large: more memory than is free\n"
                f"{folds} models of {trained:,} parameters take {needed / 1e6:,.0f} MB in training, and "
                f"{free / 1e6:,.0f} MB are free"
            )

    def judge(self, models: Sequence[Any]) -> Trained:
        """What models that need no training are worth: each reads its fold's validation rows."""
        probabilities = np.concatenate(
            [
                predict(model, self.source(model), fold.validation, convert=converter(model))
                for model, fold in zip(models, self.setup.folds, strict=True)
            ]
        )
        return self.judged(probabilities)

    def judged(self, probabilities: np.ndarray) -> Trained:
        """The same of probabilities that are there already, in the order of `Trained.probabilities`."""
        validation = self.setup.task.measure(self.setup.judged, probabilities)
        return Trained(stopped="", validation=validation, probabilities=probabilities)

    def plan(self, seed: int, values: Mapping[str, Any]) -> Plan:
        """What a candidate of tier 1 is trained by: its point names the learning rate, and perhaps some options."""
        experiment = self.setup.experiment
        return Plan(
            task=self.setup.task,
            objective=experiment.objective,
            epochs=experiment.training.epochs,
            patience=experiment.training.patience,
            batch_size=experiment.training.batch_size,
            learning_rate=values["training/learning_rate"],
            seed=seed,
            options=Options.of(values, experiment.training.class_weights),
        )

    def seed_of(self, name: str) -> int:
        """A seed of 31 bits from the experiment's seed and a name: the same whatever ran before."""
        text = f"{self.setup.experiment.seed}/{name}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def converter(model: Any) -> Callable[[dict[str, np.ndarray]], np.ndarray] | None:
    """The packing that a model behind one packed input needs, else None."""
    layout = packed_layout(model)
    return None if layout is None else lambda batch: pack(batch, layout)
