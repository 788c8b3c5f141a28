"""One candidate at a time: trained on features of a tiny task, and passed to a recorder."""

import time
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from advice import advises, hear
from samples import SMALL, write_reviews

from automm.config.experiment import resolve
from automm.errors import TrialError
from automm.models import baselines
from automm.models.average import members_of
from automm.search import bench
from automm.search.autokeras.tuner import TrialFailed
from automm.search.bench import Bench
from automm.search.candidate_runner import CandidateRunner, cause_of, trial_name
from automm.search.candidates import head as heads
from automm.search.candidates import linear
from automm.search.candidates.head import Head
from automm.search.setup.data import encoder_sources, load, prepare
from automm.tracking.run_folder import COMPLETED, FAILED, create_run

POINT = {**baselines.CONCATENATION, "training/learning_rate": 0.01}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviews")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMM_CACHE_DIR", str(folder / "cache"))
        content = {**SMALL, "manifest": str(write_reviews(folder)), "evaluation": {"folds": 2}}
        experiment = resolve(content, folder, name="test")
        loaded = load(experiment)
        return prepare(experiment, loaded, encoder_sources(experiment, loaded))


@pytest.fixture
def make(task, tmp_path):
    """make() -> (runner, the list of calls of its recorder)."""

    def make(median_scores=lambda: ()):
        told = []
        recorder = SimpleNamespace(
            start=lambda candidate: told.append(("in hand", candidate.name)),
            record=lambda candidate: told.append((candidate.status, candidate.name)),
        )
        run = create_run(tmp_path, "test", "0" * 6)
        return CandidateRunner(Bench(task, run, print), recorder, median_scores), told

    return make


def head(task, **more):
    return lambda: baselines.fused(task.shapes, {**POINT, **more})


def test_a_candidate_is_trained_on_each_fold_and_recorded(make, task):
    runner, told = make()
    one = runner.run(Head("one", "baseline", POINT, build=head(task)))
    assert told == [("in hand", "one"), (COMPLETED, "one")]
    assert (one.evaluation, one.objective, one.tier) == ("2 folds", task.experiment.objective, 1)
    assert one.score == one.validation[one.objective.removeprefix("val_")]
    saved = keras.saving.load_model(runner.bench.run.model_path("one"), compile=False)
    assert len(members_of(saved)) == 2
    assert runner.bench.run.predictions("one").shape == (len(task.validation_targets), 3)


@pytest.mark.parametrize("error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM")])
def test_out_of_memory_it_is_trained_again_with_half_the_batch_size(make, task, monkeypatch, error, caplog):
    runner, told = make()
    train, sizes, states = heads.train, [], []

    def short_of_memory(models, folds, source, targets, plan, **options):
        sizes.append(plan.batch_size)
        states.append([weight for model in models for weight in model.get_weights()])
        trained = train(models, folds, source, targets, plan, **options)
        if plan.batch_size > 4:
            raise error
        return trained

    monkeypatch.setattr(heads, "train", short_of_memory)
    one = runner.run(Head("one", "baseline", POINT, build=head(task)))
    assert (one.status, one.batch_size, sizes) == (COMPLETED, 4, [16, 8, 4])
    assert told == [("in hand", "one"), (COMPLETED, "one")]
    for state in states[1:]:  # from its start, not from the weights of a broken training
        for first, again in zip(states[0], state, strict=True):
            np.testing.assert_array_equal(first, again)
    assert "one: out of memory with 8 reviews in a batch: training it again with 4" in caplog.messages
    assert runner.bench.batch_size == 16
    monkeypatch.setattr(heads, "train", lambda *of, **options: (_ for _ in ()).throw(error))
    two = runner.run(Head("two", "baseline", POINT, build=head(task)))
    assert (two.status, two.error.splitlines()[0]) == (FAILED, "out of memory")
    assert runner.run(Head("three", "baseline", POINT, build=lambda: 1 / 0)).batch_size is None


def test_the_seed_depends_only_on_the_name(make, task):
    first, _ = make()
    second, _ = make()
    second.run(Head("another", "baseline", POINT, build=head(task)))
    one, other = (runner.run(Head("one", "baseline", POINT, build=head(task))) for runner in (first, second))
    assert one.seed == other.seed == first.bench.seed_of("one") != first.bench.seed_of("other")
    np.testing.assert_array_equal(first.bench.run.predictions("one"), second.bench.run.predictions("one"))


def test_an_error_fails_only_the_candidate(make, task):
    runner, told = make()

    def explode():
        raise ValueError("as the test wants it")

    one = runner.run(Head("one", "baseline", POINT, build=explode))
    assert told == [("in hand", "one"), (FAILED, "one")]
    assert one.error.startswith("ValueError: as the test wants it\n\nTraceback")
    with pytest.raises(TrialFailed, match="as the test wants it"):
        runner.trial(7, POINT, explode)
    assert told[-1] == (FAILED, "trial-007")


def test_the_seconds_of_a_candidate_begin_after_its_preparation(make, task):
    """What is prepared is kept for later fits; the time of all folds is estimated from the seconds of a pilot."""
    runner, _ = make()
    events = []

    class Prepared(Head):
        def prepare(self, bench):
            events.append("prepare")
            time.sleep(0.5)

        def fit(self, bench):
            events.append("fit")
            raise TrialError("as the test wants it")

    assert runner.run(Prepared("one", "baseline", POINT, build=head(task))).seconds < 0.5
    assert events == ["prepare", "fit"]


def test_an_interrupted_candidate_is_not_recorded(make):
    runner, told = make()

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run(Head("one", "baseline", POINT, build=interrupted))
    assert told == [("in hand", "one")]


def test_only_trials_get_median_scores(make, task, monkeypatch):
    runner, _ = make(median_scores=lambda: (0.5,))
    plans, train = [], heads.train

    def noted(models, folds, source, labels, plan, **options):
        plans.append(plan)
        return train(models, folds, source, labels, plan, **options)

    monkeypatch.setattr(heads, "train", noted)
    runner.run(Head("one", "baseline", POINT, build=head(task)))
    runner.run(Head("two", "trial", POINT, build=head(task), median_scores=(0.5,)))
    assert [plan.median_scores for plan in plans] == [(), (0.5,)]


@advises("Free memory, or remove large choices from the space")
def test_models_that_do_not_fit_into_memory_are_not_trained(make, task, monkeypatch):
    runner, _ = make()
    large, small = head(task, **{"fusion/width": 256}), head(task, **{"fusion/width": 2, "label/layers": 0})
    monkeypatch.setattr(bench, "available_memory", lambda: 100_000)
    with pytest.raises(TrialError, match="too large for the free memory") as caught:
        runner.bench.fold_models(large)
    hear(str(caught.value), "Free memory, or remove large choices from the space")
    assert runner.bench.fold_models(small)
    monkeypatch.setattr(bench, "available_memory", lambda: 10**9)
    assert runner.bench.fold_models(large)


@advises("Free memory, or remove it from the baselines")
def test_a_linear_model_needs_memory_for_its_solver(make, task, monkeypatch):
    """Of a thousand classes and 65,536 buckets of words: half a gigabyte for the models, 22 for the solver."""
    runner, _ = make()
    model = head(task, **{"fusion/width": 2, "label/layers": 0})()
    trained = sum(variable.shape.num_elements() for variable in model.trainable_variables)
    monkeypatch.setattr(bench, "available_memory", lambda: trained * (2 * 16 + 339))
    runner.bench.check_memory(model, 2)
    with pytest.raises(TrialError, match="too large for the free memory") as caught:
        linear.fit_linear(runner.bench, [model, model], linear.Logistic(), None)
    hear(str(caught.value), "Free memory, or remove it from the baselines")
    monkeypatch.setattr(bench, "available_memory", lambda: trained * (2 * 16 + 340))
    runner.bench.check_memory(model, 2, linear.SOLVER_BYTES)


@advises("Raise budget.parameters, or remove large choices from the space")
def test_models_with_more_parameters_than_the_budget_allows_are_not_trained(task, tmp_path):
    large, small = head(task, **{"fusion/width": 256}), head(task, **{"fusion/width": 2, "label/layers": 0})
    run = create_run(tmp_path, "test", "0" * 6)

    def models(most, build):
        budget = task.experiment.budget.model_copy(update={"parameters": most})
        limited = replace(task, experiment=task.experiment.model_copy(update={"budget": budget}))
        return Bench(limited, run, print).fold_models(build, limited=True)

    total = 2 * large().count_params()
    with pytest.raises(TrialError) as caught:
        models(total, large)
    hear(str(caught.value), "Raise budget.parameters, or remove large choices from the space")
    assert models(total, small)
    assert models(10 * total, large)


def test_causes():
    assert cause_of(TrialError("too large")) == "too large"
    assert cause_of(MemoryError()) == "out of memory"
    assert cause_of(ValueError("first\nsecond")) == "ValueError: first"
    assert cause_of(KeyError()) == "KeyError: "


def test_names_of_trials():
    assert trial_name(7) == "trial-007"
