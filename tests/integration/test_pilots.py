"""Pilots on tiny encoders: one fold decides whether encoders are trained on all folds."""

import json
import shutil

import numpy as np
import pytest
from kept_answers import FLOAT16, kept_answers
from samples import always_win

from automm.deliver.bundle import load_bundle, whole_model
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.models.average import average, members_of
from automm.tracking.run_folder import COMPLETED, KILLED, Run, all_runs

pytestmark = pytest.mark.usefixtures("eager")

END_TO_END = (
    "evaluation={folds: 2}", "training.epochs=1", "budget.trials=0", "baselines.include=[concatenation]",
    "baselines.end_to_end=true", "baselines.end_to_end_epochs=1",
)  # fmt: skip
TIER2 = (
    "evaluation={folds: 2}", "training.epochs=1", "budget.trials=1", "baselines=none", "tier2.finalists=1",
    "tier2.epochs=1",
)  # fmt: skip


@pytest.fixture(autouse=True)
def logged(caplog):
    caplog.set_level("INFO", "automm")  # as the command sets it


def records(run):
    return [(candidate.name, candidate.kind, candidate.evaluation, candidate.status) for candidate in run.candidates()]


@pytest.fixture
def wins(monkeypatch):
    always_win(monkeypatch)


@pytest.fixture
def loses(monkeypatch):
    always_win(monkeypatch, won=False)


HEAD = ("concatenation", "baseline", "2 folds", COMPLETED)
PILOT = ("end_to_end-pilot", "pilot", "1 of 2 folds", COMPLETED)
WHOLE = ("end_to_end", "baseline", "2 folds", COMPLETED)


@pytest.mark.usefixtures("wins")
def test_an_end_to_end_candidate_that_wins_is_trained_on_all_folds_and_exported(search, tmp_path, reviews):
    run = search(*END_TO_END)
    assert records(run) == [HEAD, PILOT, WHOLE]
    assert [candidate.proposed_by for candidate in run.candidates()] == ["baseline"] * 3
    head, pilot, whole = run.candidates()
    assert len(run.predictions(pilot.name)) < len(run.predictions(head.name)) == len(run.predictions(whole.name))
    assert len(members_of(whole_model(run, "end_to_end"))) == 2
    assert not run.model_path(pilot.name).is_file(), "a pilot is no deliverable"
    result = run.read("result.json")
    assert set(result["test"]) == {"concatenation", "end_to_end"}
    entry = result["end_to_end"]
    assert (entry["head"]["name"], entry["won"], entry["all_folds"]) == ("concatenation", True, True)
    assert entry["difference"] == pytest.approx(pilot.score - entry["head"]["score"])
    assert entry["sentence"] in (run.folder / "log.txt").read_text()
    assert "trained on all folds in" in entry["sentence"]
    export_candidate(run, "end_to_end", tmp_path / "bundle")
    predict_file(load_bundle(tmp_path / "bundle"), reviews, tmp_path / "out.jsonl")
    lines = {line["id"]: line for line in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
    predictions = kept_answers(run)
    for review, expected in zip(predictions["ids"], predictions["end_to_end"], strict=True):
        np.testing.assert_allclose(list(lines[review]["probabilities"].values()), expected, **FLOAT16)


@pytest.mark.usefixtures("wins", "trials_only")
def test_a_model_trained_end_to_end_joins_frozen_heads_in_an_ensemble(search):
    """The ensemble reads raw arrays and features, and its whole model gives the same answers."""
    import keras
    from conftest import SilentReporter

    from automm.config.experiment import load_experiment
    from automm.models.whole import compiled
    from automm.search.session import Search
    from automm.search.setup.data import encoder_sources, load, prepare
    from automm.search.training.loop import predict
    from automm.tracking.protocol import NoTracker

    run = search(*END_TO_END)
    parts = [keras.saving.load_model(run.model_path(name), compile=False) for name in ("concatenation", "end_to_end")]
    average(parts, name="member").save(run.model_path("both"))
    experiment = load_experiment(run.folder / "config.yaml")
    loaded = load(experiment)
    setup = prepare(experiment, loaded, encoder_sources(experiment, loaded))
    bench = Search(setup, run, NoTracker(), SilentReporter(), None).bench
    rows = setup.rows("validation")
    alone = [bench.predictor(bench.saved(name))(rows) for name in ("concatenation", "end_to_end")]
    whole = whole_model(run, "both")
    raw = {"token_ids", "padding_mask", "images"}
    assert {tensor.name for tensor in whole.inputs} == raw | {"text_mask", "image_mask"}
    np.testing.assert_allclose(bench.predictor(bench.saved("both"))(rows), np.mean(alone, axis=0), atol=1e-5)
    np.testing.assert_allclose(predict(compiled(whole), setup.arrays, rows), np.mean(alone, axis=0), atol=1e-5)


@pytest.mark.usefixtures("loses")
def test_an_end_to_end_candidate_that_loses_stays_a_pilot(search):
    run = search(*END_TO_END)
    assert records(run) == [HEAD, PILOT]
    result = run.read("result.json")
    assert set(result["test"]) == {"concatenation"}
    assert (result["end_to_end"]["won"], result["end_to_end"]["all_folds"]) == (False, False)
    assert "; not trained on all folds" in result["end_to_end"]["sentence"]


@pytest.mark.usefixtures("wins", "trials_only")
def test_all_folds_are_not_started_without_the_time_for_them(search, monkeypatch):
    """The pilot has taken two hours of the three that the candidate has."""
    from automm.search.recorder import Recorder

    inner = Recorder.record

    def slow(self, candidate):
        if candidate.kind == "pilot":
            candidate.seconds = 7200.0
        inner(self, candidate)

    monkeypatch.setattr(Recorder, "record", slow)
    run = search(*END_TO_END, "baselines.end_to_end_time=3h", "budget.time=100h")
    assert records(run) == [HEAD, PILOT]
    text = (run.folder / "log.txt").read_text()
    assert "end_to_end has won on the first fold, but all 2 folds need about 14400 s and 36" in text
    assert "not trained on all folds" in text
    again = search(*END_TO_END, "baselines.end_to_end_time=3h", "budget.time=100h", resume=run)
    assert records(again) == [HEAD, PILOT], "the pilot was repeated"


@pytest.mark.usefixtures("wins", "trials_only")
def test_interrupted_after_its_pilot_a_candidate_is_continued(search, tmp_path, monkeypatch):
    from automm.search.candidates import end_to_end

    train, calls = end_to_end.train, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(*args, **kwargs)

    monkeypatch.setattr(end_to_end, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search(*END_TO_END)
    (run,) = all_runs(tmp_path / "runs")
    killed = (*WHOLE[:3], KILLED)
    assert records(run) == [HEAD, PILOT, killed]
    search(*END_TO_END, resume=run)
    assert records(run) == [HEAD, PILOT, killed, WHOLE]


@pytest.mark.usefixtures("loses")
def test_tier_2_costs_one_fold_unless_it_wins(search, tmp_path, monkeypatch):
    run = search(*TIER2)
    head = ("trial-001", "trial", "2 folds", COMPLETED)
    pilot = ("trial-001-tuned-pilot", "pilot", "1 of 2 folds", COMPLETED)
    assert records(run) == [head, pilot]
    assert run.candidates()[1].proposed_by == "fine-tuning"
    entry = run.read("result.json")["tier2"]["trial-001-tuned"]
    assert entry["head"] == entry["equal_seconds_head"]
    assert (entry["head"]["name"], entry["won"]) == ("trial-001", False)
    assert "trial-001-tuned-pilot: states of the encoders read or encoded in" in (run.folder / "log.txt").read_text()
    # After a change of mind, a resume trains the other folds and not the pilot.
    always_win(monkeypatch)
    copy = Run(shutil.copytree(run.folder, tmp_path / "copy" / "tiny" / run.name))
    again = search(*TIER2, resume=copy)
    assert records(again) == [head, pilot, ("trial-001-tuned", "fine-tuned", "2 folds", COMPLETED)]


@pytest.mark.usefixtures("trials_only")
def test_with_a_holdout_the_pilot_is_the_candidate(search):
    run = search(*END_TO_END, "evaluation=holdout")
    assert records(run) == [
        ("concatenation", "baseline", "holdout", COMPLETED),
        ("end_to_end", "baseline", "holdout", COMPLETED),
    ]
    assert "end_to_end: macro-F1" in (run.folder / "log.txt").read_text()
    assert "on the validation split in" in (run.folder / "log.txt").read_text()
