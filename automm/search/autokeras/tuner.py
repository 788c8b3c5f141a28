"""The AutoKeras graph and tuner: AutoKeras proposes trials, and automm trains them.

Comments give the reason of each override; `tests/integration/test_platform.py` fails when a workaround can be removed.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras_tuner
import numpy as np
from autokeras.engine.tuner import AutoTuner
from keras_tuner.src.engine import base_tuner

from automm.data.inputs.input_sources import WORDS, mask_of, raw_names
from automm.search.autokeras.blocks import COLUMN_BLOCKS, ArrayInput, FusionBlock, LabelHead, SimilarityBlock
from automm.search.autokeras.encoder_blocks import ImageBlock, TextBlock
from automm.search.autokeras.internals import ModelOfGraph, UncompiledGraph, learn_shapes
from automm.search.autokeras.keras_tuner_internals import enter_trial, seed_oracle
from automm.search.autokeras.oracles import build_oracle
from automm.search.space.table import Space, declare
from automm.tasks.base import Task
from automm.tracking.run_folder import BOOKKEEPING, COMPLETED, Candidate

WAIT = 0.2  # seconds between calls of an oracle that waits for running trials
MANY = 100_000  # a limit on trials that no search reaches; the oracle pads trial ids to its width


class TrialFailed(keras_tuner.errors.FailedTrialError):
    """A recorded trial has failed; tells the oracle that its point is bad."""


class Trials(Protocol):
    """The interface that the tuner needs in every process."""

    def begin_trial(self, trial_id: str) -> None:
        """Note that the oracle has proposed a trial; `run_trial` follows."""

    def run_trial(self, values: dict[str, Any], build: Callable[[], Any]) -> float:
        """Train and record one trial, and return its score on the objective. Raises TrialFailed."""


class Session(Protocol):
    """The interface that the tuner also needs in the process that owns the oracle."""

    def finished_points(self) -> Sequence[Candidate]:
        """Return finished candidates that are points of the space."""

    def may_continue(self) -> bool:
        """Return whether the budget allows one more trial."""

    def epochs_left(self) -> int:
        """Return the epochs that trials may still use together."""

    def proposal_seed(self) -> int:
        """Return a seed for the next proposal that depends only on the trials so far."""


class SearchGraph(UncompiledGraph):
    """AutoKeras' graph with the search space of the experiment."""

    space: Space  # set by SearchModel, not by the constructor, whose arguments AutoKeras saves

    def build(self, hp: Any) -> Any:
        declare(hp, self.space)
        return super().build(hp)


class SearchModel(ModelOfGraph):
    """An AutoModel over a `SearchGraph`."""

    def __init__(self, space: Space, **kwargs: Any):
        self._space = space
        super().__init__(**kwargs)

    def make_graph(self) -> SearchGraph:
        graph = SearchGraph(inputs=self.inputs, outputs=self.outputs)
        graph.space = self._space
        return graph


class HarnessTuner(AutoTuner):
    """AutoKeras' tuner, changed so that `trials` trains; the oracle proposes, and KerasTuner keeps its bookkeeping."""

    trials: Trials
    session: Session | None = None  # None in a worker, whose oracle is a client of the chief
    serve: Callable[[Any], None] | None = None  # runs the trials in other processes; called with this tuner

    def __init__(self, *, oracle: Any, hypermodel: Any, directory: Any, project_name: str, **of_the_oracle: Any):
        # AutoModel also passes the objective, the seed and the number of trials; the oracle has its own.
        super().__init__(oracle=oracle, hypermodel=hypermodel, directory=directory, project_name=project_name)

    def search(self, x: Any = None, y: Any = None, validation_data: Any = None, **ignored: Any) -> None:
        """Search the space. AutoKeras' own `search` would finally train the best model a second time."""
        hp = self.oracle.get_space()
        learn_shapes(self, hp, x, y)
        if self.session is not None:
            self.oracle.max_consecutive_failed_trials = MANY  # the recorder counts failures by cause
            self.oracle.max_trials = MANY
            declare(hp, self.hypermodel.space)  # otherwise KerasTuner builds models until it has seen every condition
            self.oracle.update_space(hp)
            self._enter_finished(self.session.finished_points())
        if self.serve is not None:
            self.serve(self)
        else:
            base_tuner.BaseTuner.search(self, verbose=0)

    def pre_create_trial(self) -> None:
        if self.session is not None:
            if self.oracle.waiting:  # KerasTuner's loop calls the oracle again without a pause
                time.sleep(WAIT)
            # Lowering max_trials ends the search: the next trial of the oracle has the status STOPPED.
            self.oracle.max_trials = MANY if self.session.may_continue() else len(self.oracle.trials)
            self.seed_proposal()

    def seed_proposal(self) -> None:
        """Make the next proposal depend only on the trials so far."""
        assert self.session is not None
        seed = self.session.proposal_seed()
        np.random.seed(seed)  # AutoKeras' greedy oracle uses the global generator
        seed_oracle(self.oracle, seed)
        self.oracle.epochs_left = self.session.epochs_left()

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        hp = trial.hyperparameters
        self.trials.begin_trial(trial.trial_id)
        score = self.trials.run_trial(active_values(hp), lambda: self.hypermodel.build(hp))
        return {self.oracle.objective.name: score}

    def _enter_finished(self, known: Sequence[Candidate]) -> None:
        """Add baselines, and after a resume earlier trials, to the oracle as finished trials."""
        for candidate in known:
            hp = self.oracle.get_space()
            hp.values = dict(candidate.hyperparameters)
            trial = keras_tuner.engine.trial.Trial(hp, trial_id=candidate.name, status=candidate.status)
            if candidate.status == COMPLETED:
                trial.metrics.register(self.oracle.objective.name, self.oracle.objective.direction)
                trial.metrics.update(self.oracle.objective.name, candidate.score, step=0)
                trial.score, trial.best_step = candidate.score, 0
            enter_trial(self.oracle, trial)


def active_values(hp: Any) -> dict[str, Any]:
    """Return the values of a proposal that exist at its point, and the oracle's bookkeeping values."""
    return {name: value for name, value in hp.values.items() if name.startswith(BOOKKEEPING) or hp.is_active(name)}


def graph_of_blocks(
    encoders: Sequence[Any], head: str, columns: Sequence[str] = (), *, words: bool = False
) -> tuple[list[Any], list[Any]]:
    """Build AutoKeras' graph from raw arrays to the label, and return its input and output nodes.

    Args:
        encoders: the encoders (`models/whole.LazyEncoder`); a trial builds those that it reads.
        head: the head of the task, a key of HEADS in `models/heads`.
        columns: those of 'metadata' and 'history' that the manifest names.
        words: whether some points read the words of the text.
    """
    texts, images = ([one for one in encoders if one.modality == modality] for modality in ("text", "image"))
    tokens, pictures = (
        [ArrayInput(name=name) for one in some for name in raw_names(one.modality, one.place)]
        for some in (texts, images)
    )
    if words:
        tokens += [ArrayInput(name=name) for name in WORDS]
    text_mask, image_mask = ArrayInput(name="text_mask"), ArrayInput(name="image_mask")
    text, text_places, compared_text = TextBlock(texts, declared=True)([*tokens, text_mask])
    image, image_places, compared_images = ImageBlock(images, declared=True)([*pictures, image_mask, text])
    inputs, parts = [*tokens, text_mask, *pictures, image_mask], [text, text_places, image, image_places]
    for name in columns:
        pair = [ArrayInput(name=name), ArrayInput(name=mask_of(name))]
        parts += COLUMN_BLOCKS[name](declared=True)(pair)
        inputs += pair
    parts += SimilarityBlock(declared=True)([compared_text, compared_images, text_mask, image_mask])
    return inputs, LabelHead(head, declared=True)(FusionBlock(declared=True)(parts))


def build_search(
    trials: Trials,
    *,
    session: Session | None,
    space: Space,
    task: Task,
    tuner: str,
    objective: str,
    seed: int,
    folder: Path,
    portfolio: Sequence[dict[str, Any]],
    epochs: int,
    encoders: Sequence[Any],
    columns: Sequence[str] = (),
) -> SearchModel:
    """Build the AutoKeras model whose tuner trains with `trials` and reads the budget from `session`.

    Args:
        session: None in a worker.
        encoders, columns: as in `graph_of_blocks`.
        portfolio: points of `space` that are proposed first, in order.
        epochs: the maximum epochs of one trial.
    """
    inputs, outputs = graph_of_blocks(encoders, task.head, columns, words="words/width" in space)
    goal = keras_tuner.Objective(objective, task.objectives[objective])
    model = SearchModel(
        space,
        inputs=inputs,
        outputs=outputs,
        project_name=folder.name,
        directory=str(folder.parent),
        objective=goal,
        tuner=HarnessTuner,
        oracle=build_oracle(tuner, space=space, portfolio=portfolio, objective=goal, seed=seed, epochs=epochs),
    )
    model.tuner.trials, model.tuner.session = trials, session
    return model
