"""AutoKeras proposes, the harness trains: the graph, the tuners, and the hooks through which a session runs them.

What is overridden, and why, is said in each place; `tests/integration/test_platform.py` shows when a workaround can go.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import autokeras as ak
import keras_tuner
import numpy as np
from autokeras import graph as graph_module
from keras_tuner.src.engine import base_tuner

from automm.config import OBJECTIVES
from automm.search.blocks import ArrayInput, FusionBlock, ImageBlock, LabelHead, TextBlock, choose
from automm.search.space import Space
from automm.tracking.runs import COMPLETED, Candidate

Base: Any = object  # a mixin: what it calls on itself is AutoKeras' AutoTuner
MANY = 100_000  # the oracle's own limit on trials is never what stops a search, but its ids are as wide as this


class TrialFailed(keras_tuner.errors.FailedTrialError):
    """The session has recorded a failed trial; the oracle shall know that this point is bad."""


class Session(Protocol):
    """What the tuner needs of the search around it."""

    def known(self) -> Sequence[Candidate]:
        """Finished candidates that are points of the space."""

    def may_continue(self) -> bool:
        """Whether the budget allows one more trial."""

    def proposal_seed(self) -> int:
        """A seed for the next proposal, the same in every process that has the same history."""

    def begin_trial(self, trial_id: str) -> None:
        """The oracle has made a proposal; `run_trial` follows."""

    def run_trial(self, values: dict[str, Any], build: Callable[[], Any]) -> float:
        """Train and record one trial; its objective. Raises TrialFailed."""


class SearchGraph(graph_module.Graph):
    """AutoKeras' graph without its own optimizer choices, and with plain integers for shapes."""

    space: Space  # set by SearchModel; AutoKeras makes the graph, and saves its constructor's arguments

    def set_io_shapes(self, shapes: Any) -> None:
        super().set_io_shapes(shapes)
        for node in self.inputs:  # numpy integers in a shape are refused by Keras 3.13 and later
            node.shape = tuple(int(size) for size in node.shape)
        for node in self.outputs:
            head = node.in_blocks[0]
            head.shape = tuple(int(size) for size in head.shape)

    def _compile_keras_model(self, hp: Any, model: Any) -> Any:
        # AutoKeras would tune its optimizer here (three of them, rates from 0.1 to 1e-5). The harness compiles.
        with hp.name_scope("training"):
            choose(hp, self.space, "training/learning_rate", "learning_rate")
        return model


class SearchModel(ak.AutoModel):
    """An AutoModel over a `SearchGraph`."""

    def __init__(self, space: Space, **kwargs: Any):
        self._space = space
        super().__init__(**kwargs)

    def _build_graph(self) -> SearchGraph:
        graph = SearchGraph(inputs=self.inputs, outputs=self.outputs)
        graph.space = self._space
        return graph


class HarnessTuner(Base):
    """Mixed into AutoKeras' tuners: one trial is the session's business, proposals and bookkeeping are KerasTuner's."""

    session: Session
    serve: Callable[[Any], None] | None = None  # runs the trials elsewhere: given this tuner, once its oracle is ready

    def search(self, x: Any = None, y: Any = None, validation_data: Any = None, **ignored: Any) -> None:
        """Search the space; AutoKeras' own `search` would end with a second training of the best model."""
        self._prepare_model_build(self.oracle.get_space(), x=x, y=y)
        if self.owns_oracle:
            self.oracle.max_consecutive_failed_trials = MANY  # the session counts, by cause
            self.oracle.max_trials = MANY
            self._activate_all_conditions()
            self._enter_known()
        if self.serve is not None:
            self.serve(self)
        else:
            base_tuner.BaseTuner.search(self, verbose=0)

    @property
    def owns_oracle(self) -> bool:
        """Not so in a worker, whose oracle is a client of the chief's."""
        return isinstance(self.oracle, keras_tuner.Oracle)

    def pre_create_trial(self) -> None:
        if self.owns_oracle:
            # Lowering max_trials is how a search ends: the next trial of the oracle has the status STOPPED.
            self.oracle.max_trials = MANY if self.session.may_continue() else len(self.oracle.trials)
            self.seed_proposal()

    def seed_proposal(self) -> None:
        """Make the next proposal depend on the history alone."""
        seed = self.session.proposal_seed()
        np.random.seed(seed)  # AutoKeras' greedy oracle draws from the global generator
        self.oracle._seed_state = seed

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        hp = trial.hyperparameters
        self.session.begin_trial(trial.trial_id)
        score = self.session.run_trial(active_values(hp), lambda: self.hypermodel.build(hp))
        return {self.oracle.objective.name: score}

    def _enter_known(self) -> None:
        """Baselines, and after a resume earlier trials, stand in the oracle as trials that it has had."""
        for candidate in self.session.known():
            hp = self.oracle.get_space()
            hp.values = dict(candidate.hyperparameters)
            trial = keras_tuner.engine.trial.Trial(hp, trial_id=candidate.name, status=candidate.status)
            if candidate.status == COMPLETED:
                trial.metrics.register(self.oracle.objective.name, self.oracle.objective.direction)
                trial.metrics.update(self.oracle.objective.name, candidate.score, step=0)
                trial.score, trial.best_step = candidate.score, 0
            self.oracle.trials[trial.trial_id] = trial
            self.oracle.start_order.append(trial.trial_id)
            self.oracle.end_order.append(trial.trial_id)
            self.oracle._record_values(trial)
            self.oracle._save_trial(trial)


def active_values(hp: Any) -> dict[str, Any]:
    """The values of a proposal that its model depends on."""
    return {name: value for name, value in hp.values.items() if hp.is_active(name)}


class GreedyTuner(HarnessTuner, ak.tuners.Greedy):
    """Changes one group of hyperparameters of the best trial so far."""


class BayesianTuner(HarnessTuner, ak.tuners.BayesianOptimization):
    """A Gaussian process over the space, upper confidence bound."""


class RandomTuner(HarnessTuner, ak.tuners.RandomSearch):
    """Uniform draws."""


TUNERS: dict[str, Any] = {"greedy": GreedyTuner, "bayesian": BayesianTuner, "random": RandomTuner}
# KerasTuner begins with three random points per hyperparameter, which is all of a search of twenty trials.
TUNER_OPTIONS: dict[str, dict[str, Any]] = {"bayesian": {"num_initial_points": 6}}


def build_search(
    session: Session,
    *,
    space: Space,
    tuner: str,
    objective: str,
    seed: int,
    folder: Path,
    text_encoder: Any,
    image_encoder: Any,
) -> SearchModel:
    """An AutoKeras model over token, picture-set and mask inputs, whose tuner asks `session`."""
    token_ids, text_mask = ArrayInput(name="token_ids"), ArrayInput(name="text_mask")
    images, image_mask = ArrayInput(name="images"), ArrayInput(name="image_mask")
    text = TextBlock(text_encoder, space=space, name="text")([token_ids, text_mask])[0]
    image = ImageBlock(image_encoder, space=space, name="image")([images, image_mask])[0]
    fusion = FusionBlock(space=space, name="fusion")([text, image])[0]
    label = LabelHead(space=space, name="label")([fusion, text_mask, image_mask])[0]
    model = SearchModel(
        space,
        inputs=[token_ids, text_mask, images, image_mask],
        outputs=[label],
        project_name=folder.name,
        directory=str(folder.parent),
        max_trials=MANY,
        objective=keras_tuner.Objective(objective, OBJECTIVES[objective]),
        tuner=TUNERS[tuner],
        seed=seed + 1,  # KerasTuner takes 0 for "draw one"
        **TUNER_OPTIONS.get(tuner, {}),
    )
    model.tuner.session = session
    return model
