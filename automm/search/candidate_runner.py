"""Trains one candidate: builds it, trains a model a fold, measures it, and hands it to whoever keeps the record."""

import hashlib
import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import keras
import numpy as np

from automm.errors import TrialError
from automm.evaluate.metrics import score
from automm.models.average import average
from automm.models.heads import learn_statistics
from automm.models.packing import pack, packed_layout, unwrap
from automm.models.whole import EncoderLayers, compiled, parameters_of, rows_at_once
from automm.search.autokeras.tuner import TrialFailed
from automm.search.features.cut import cut
from automm.search.features.encoded import Features
from automm.search.features.states import States, encode_states, source_of
from automm.search.memory import available_memory, give_back, peak_memory
from automm.search.reporter import Reporter
from automm.search.setup.data import Setup, feature_store
from automm.search.space.table import readouts
from automm.search.space.validation import space_of
from automm.search.training.batches import Lacking, Rows
from automm.search.training.loop import Trained, predict, train
from automm.search.training.options import Options, Plan
from automm.tracking.runs import COMPLETED, EPOCHS, FAILED, Candidate, Run, now, point_of

VECTORS_AT_ONCE, LARGE_AT_ONCE = 512, 32  # reviews that a suffix reads at a time
BYTES_TRAINED = 16  # of a parameter: its weight, its gradient, two moments

log = logging.getLogger("automm")


class Keeper(Protocol):
    """What a runner hands its candidates to."""

    def take_in_hand(self, candidate: Candidate) -> None:
        """It is being trained, from now on."""

    def keep(self, candidate: Candidate) -> None:
        """It is finished, or has failed."""


class CandidateRunner:
    """Trains candidates of one setup, one at a time; their weights and predictions go into the run's folder.

    Attributes:
        space: of the experiment.
        layers: of the encoders, built when they are first needed, which loads the weights.
        deadline: on the clock of `time.monotonic`, or None.
    """

    def __init__(
        self,
        setup: Setup,
        run: Run,
        reporter: Reporter,
        keeper: Keeper,
        bars: Callable[[], tuple[float, ...]],
        deadline: float | None,
    ):
        """
        Args:
            bars: what a trial that begins should have reached by each epoch: see `Ranking.bars`.
        """
        self.setup, self.run, self.reporter, self.deadline = setup, run, reporter, deadline
        self._keeper, self._bars = keeper, bars
        self.space = space_of(setup.experiment, setup.dataset.manifest)
        self.layers = EncoderLayers.of(
            [setup.text_source, setup.image_source],
            setup.experiment.inputs.image_size,
            [*readouts(self.space), "text", "image"],
        )
        self._states: dict[bool, States] = {}  # with and without pictures

    def trial(self, number: int, values: dict[str, Any], build: Callable[[], Any]) -> float:
        """Train and record one trial; its objective.

        Raises:
            TrialFailed: it is recorded as FAILED.
        """
        name = trial_name(number)
        # A trial that Hyperband promotes begins as it began before, with the same weights and batches: its seed is its
        # point's, which every worker knows.
        seed_name = json.dumps(point_of(values), sort_keys=True) if EPOCHS in values else name
        candidate = self.train(name, "trial", values, lambda: cut(build()), seed_name=seed_name)
        if candidate.status != COMPLETED:
            raise TrialFailed(candidate.error)
        assert candidate.score is not None
        return candidate.score

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
                progress=self.reporter.step,
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

    def train(
        self,
        name: str,
        kind: str,
        values: dict[str, Any],
        build: Callable[[], Any],
        *,
        seed_name: str | None = None,
        seed: int | None = None,
    ) -> Candidate:
        """Build, train, measure and record a candidate on features, a model a fold.

        Candidates of one seed name share their seed; one that is trained again brings its own.
        """
        seed = self.seed_of(seed_name or name) if seed is None else seed
        plan = self.plan(seed, values)
        full = plan.epochs
        plan = replace(plan, epochs=values.get(EPOCHS, full), bars=self._bars() if kind == "trial" else ())

        def work() -> tuple[Any, Trained]:
            models = self.members(build, limited=kind == "trial")
            source = self.source(models[0])
            # Sequences and pixels are large: one model after the other, step by step. Texts of like length share a
            # batch where their sequences are read.
            features = source if isinstance(source, Features) else self.setup.features
            large = features.large
            trained = train(
                models,
                self.setup.folds,
                source,
                self.setup.arrays.targets,
                plan,
                deadline=self.deadline,
                together=not large,
                costs=features.lengths if features.sequences else None,
                reader_batch=LARGE_AT_ONCE if large else VECTORS_AT_ONCE,
                convert=converter(models[0]),
                progress=partial(self.reporter.step, f"training {name}") if large else None,
            )
            if trained.stopped == "epochs" and plan.epochs < full:
                trained.stopped = "round"
            return average(models), trained

        return self.record(name, kind, values, work, seed=seed)

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

    def record(
        self,
        name: str,
        kind: str,
        values: dict[str, Any],
        work: Callable[[], tuple[Any, Trained]],
        *,
        tier: int = 1,
        evaluation: str | None = None,
        seed: int | None = None,
    ) -> Candidate:
        """Run one candidate, and write its line whatever becomes of it.

        Args:
            work: makes the model and measures it, after the candidate's seed is set: a suffix, of features or of
                states, or a whole model.
            evaluation: what it is judged on, if not on all of the folds of the setup.
        """
        seed = self.seed_of(name) if seed is None else seed
        objective = self.setup.experiment.objective
        candidate = Candidate(name, kind, COMPLETED, tier, values, seed=seed, objective=objective, started=now())
        candidate.evaluation = evaluation or self.setup.evaluation
        self._keeper.take_in_hand(candidate)
        begun = time.monotonic()
        try:
            keras.utils.set_random_seed(seed)  # KerasTuner seeds proposals only, not weights
            model, trained = work()
            self._describe(candidate, model, trained)
            model.save(self.run.model_path(name))
            self.run.save_predictions(name, trained.probabilities)
        except Exception as error:  # noqa: BLE001 - whatever a candidate dies of is its own failure, not the search's
            candidate.status = FAILED
            candidate.error = f"{cause_of(error)}\n\n{traceback.format_exc()}"
            log.warning("%s failed: %s", name, cause_of(error))
        candidate.seconds = time.monotonic() - begun
        candidate.peak_memory = peak_memory()
        self._keeper.keep(candidate)
        give_back()
        return candidate

    def _describe(self, candidate: Candidate, model: Any, trained: Trained) -> None:
        candidate.validation = trained.validation
        candidate.score = score(trained.validation, self.setup.experiment.objective)
        candidate.history, candidate.best_epoch = trained.history, trained.best_epoch
        candidate.stopped = trained.stopped
        candidate.parameters = parameters_of(model, self.layers)
        candidate.trainable_parameters = int(sum(np.prod(v.shape) for v in model.trainable_variables))

    def seed_of(self, name: str) -> int:
        """A seed of 31 bits from the experiment's seed and a name: the same whatever ran before."""
        text = f"{self.setup.experiment.seed}/{name}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def trial_name(number: int) -> str:
    return f"trial-{number:03d}"


def converter(model: Any) -> Callable[[dict[str, np.ndarray]], np.ndarray] | None:
    """The packing that a model behind one packed input needs, else None."""
    layout = packed_layout(model)
    return None if layout is None else lambda batch: pack(batch, layout)


def cause_of(error: BaseException) -> str:
    """One line: why a candidate failed."""
    if isinstance(error, TrialError):
        return str(error)
    if isinstance(error, MemoryError) or "ResourceExhausted" in type(error).__name__:
        return "out of memory"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
