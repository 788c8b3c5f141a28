"""AutoKeras proposes, the harness trains: the graph, the tuner, and the hooks through which a session runs them.

What is overridden, and why, is said in each place; `tests/integration/test_platform.py` shows when a workaround can go.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras_tuner
import numpy as np
from autokeras.engine.tuner import AutoTuner
from keras_tuner.src.engine import base_tuner

from automm.search.autokeras.blocks import COLUMN_BLOCKS, ArrayInput, FusionBlock, ImageBlock, LabelHead, TextBlock
from automm.search.autokeras.internals import ModelOfGraph, UncompiledGraph, learn_shapes
from automm.search.autokeras.keras_tuner_internals import enter_trial, seed_oracle
from automm.search.autokeras.oracles import build_oracle
from automm.search.space.table import Space, declare
from automm.tasks.base import Task
from automm.tracking.run_folder import BOOKKEEPING, COMPLETED, Candidate

Encoders = Callable[[str], Any]  # a modality in, its whole encoder out

WAIT = 0.2  # seconds before an oracle that waits for running trials is asked again
MANY = 100_000  # the oracle's own limit on trials is never what stops a search, but its ids are as wide as this


class TrialFailed(keras_tuner.errors.FailedTrialError):
    """The session has recorded a failed trial; the oracle shall know that this point is bad."""


class Trials(Protocol):
    """What the tuner needs in every process."""

    def begin_trial(self, trial_id: str) -> None:
        """The oracle has made a proposal; `run_trial` follows."""

    def run_trial(self, values: dict[str, Any], build: Callable[[], Any]) -> float:
        """Train and record one trial; its objective. Raises TrialFailed."""


class Session(Protocol):
    """What the tuner needs of the search around it, in the process that owns the oracle."""

    def known(self) -> Sequence[Candidate]:
        """Finished candidates that are points of the space."""

    def may_continue(self) -> bool:
        """Whether the budget allows one more trial."""

    def epochs_left(self) -> int:
        """Epochs that trials may still spend together."""

    def proposal_seed(self) -> int:
        """A seed for the next proposal, the same in every process that has the same history."""


class SearchGraph(UncompiledGraph):
    """AutoKeras' graph over the choices of the experiment, and with plain integers for shapes."""

    space: Space  # set by SearchModel; AutoKeras makes the graph, and saves its constructor's arguments

    def build(self, hp: Any) -> Any:
        declare(hp, self.space)
        return super().build(hp)

    def set_io_shapes(self, shapes: Any) -> None:
        super().set_io_shapes(shapes)
        for node in self.inputs:  # numpy integers in a shape are refused by Keras 3.13 and later
            node.shape = tuple(int(size) for size in node.shape)
        for node in self.outputs:
            head = node.in_blocks[0]
            head.shape = tuple(int(size) for size in head.shape)


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
    """AutoKeras' tuner: training is the harness's business, proposals are the oracle's, bookkeeping is KerasTuner's."""

    trials: Trials
    session: Session | None = None  # None in a worker, whose oracle is a client of the chief's
    serve: Callable[[Any], None] | None = None  # runs the trials elsewhere: given this tuner, once its oracle is ready

    def __init__(self, *, oracle: Any, hypermodel: Any, directory: Any, project_name: str, **of_the_oracle: Any):
        # AutoModel hands over the objective, the seed and the number of trials too: the oracle has its own.
        super().__init__(oracle=oracle, hypermodel=hypermodel, directory=directory, project_name=project_name)

    def search(self, x: Any = None, y: Any = None, validation_data: Any = None, **ignored: Any) -> None:
        """Search the space; AutoKeras' own `search` would end with a second training of the best model."""
        hp = self.oracle.get_space()
        learn_shapes(self, hp, x, y)
        if self.session is not None:
            self.oracle.max_consecutive_failed_trials = MANY  # the session counts, by cause
            self.oracle.max_trials = MANY
            declare(hp, self.hypermodel.space)  # KerasTuner would build models until it has met every condition
            self.oracle.update_space(hp)
            self._enter_known(self.session.known())
        if self.serve is not None:
            self.serve(self)
        else:
            base_tuner.BaseTuner.search(self, verbose=0)

    def pre_create_trial(self) -> None:
        if self.session is not None:
            if self.oracle.waiting:  # KerasTuner's loop would ask again at once, and for ever
                time.sleep(WAIT)
            # Lowering max_trials is how a search ends: the next trial of the oracle has the status STOPPED.
            self.oracle.max_trials = MANY if self.session.may_continue() else len(self.oracle.trials)
            self.seed_proposal()

    def seed_proposal(self) -> None:
        """Make the next proposal depend on the history alone."""
        assert self.session is not None
        seed = self.session.proposal_seed()
        np.random.seed(seed)  # AutoKeras' greedy oracle draws from the global generator
        seed_oracle(self.oracle, seed)
        self.oracle.epochs_left = self.session.epochs_left()

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        hp = trial.hyperparameters
        self.trials.begin_trial(trial.trial_id)
        score = self.trials.run_trial(active_values(hp), lambda: self.hypermodel.build(hp))
        return {self.oracle.objective.name: score}

    def _enter_known(self, known: Sequence[Candidate]) -> None:
        """Enter baselines, and after a resume earlier trials, as trials that the oracle has had."""
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
    """The values of a proposal that its model depends on, and what the oracle has noted beside them."""
    return {name: value for name, value in hp.values.items() if name.startswith(BOOKKEEPING) or hp.is_active(name)}


def graph_of_blocks(encoders: Encoders, head: str, columns: Sequence[str] = ()) -> tuple[list[Any], list[Any]]:
    """AutoKeras' nodes from raw arrays to the label: inputs, in the order of `Arrays.batch`, and outputs.

    Args:
        encoders: returns the encoder of 'text' or 'image'; called when a trial is built.
        head: of the task, a name of HEADS in `models/heads`.
        columns: 'metadata', 'history', where reviews have them.
    """
    token_ids, text_mask = ArrayInput(name="token_ids"), ArrayInput(name="text_mask")
    images, image_mask = ArrayInput(name="images"), ArrayInput(name="image_mask")
    text, text_places = TextBlock(lambda: encoders("text"), name="text")([token_ids, text_mask])
    image, image_places = ImageBlock(lambda: encoders("image"), name="image")([images, image_mask, text])
    inputs, masks = [token_ids, text_mask, images, image_mask], [text_mask, image_mask]
    parts = [text, text_places, image, image_places]
    for name in columns:
        pair = [ArrayInput(name=name), ArrayInput(name=f"{name}_mask")]
        parts += [COLUMN_BLOCKS[name](name=name)(pair)[0], pair[1]]
        inputs += pair
        masks.append(pair[1])
    fusion = FusionBlock(name="fusion")(parts)[0]
    label = LabelHead(head, name="label")([fusion, *masks])[0]
    return inputs, [label]


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
    encoders: Encoders,
    columns: Sequence[str] = (),
) -> SearchModel:
    """An AutoKeras model over all inputs, whose tuner asks `trials` and `session`.

    Args:
        session: None in a worker.
        encoders, columns: as in `graph_of_blocks`.
        portfolio: points of `space` that are proposed first, in order.
        epochs: the most that one trial may have.
    """
    inputs, outputs = graph_of_blocks(encoders, task.head, columns)
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
