"""A whole search in this process, on tiny encoders."""

import hashlib
import json
import re
import time
from dataclasses import replace

import keras
import numpy as np
import pytest
from advice import advises, hear
from kept_answers import FLOAT16, kept_answers

from automm.config.experiment import BASELINES, TUNERS
from automm.errors import NotFoundError, NoTrialError
from automm.evaluate.course.section import course_of
from automm.models.average import members_of
from automm.search.space.portfolio import portfolio
from automm.search.space.table import DEFAULTS, is_active
from automm.search.space.validation import full_space
from automm.tasks.registry import TASKS
from automm.tracking.packed_answers import PackedAnswers
from automm.tracking.run_folder import COMPLETED, FAILED, all_runs, point_of, rank

ONE = "training.epochs=1"
BARE = ("baselines=none", ONE)  # the quickest search
JUDGED = ("train", "validation")


@pytest.fixture(autouse=True)
def quick(request, searched):
    """The shared run is made with graphs; every other search here runs eagerly."""
    request.getfixturevalue("eager")


def trials_of(run):
    return [candidate for candidate in run.candidates() if candidate.kind == "trial"]


def point(candidate):
    return tuple(sorted(candidate.hyperparameters.items()))


class TestRunFolder:
    def test_the_files(self, searched):
        names = {path.name for path in searched.run.folder.iterdir()}
        assert names >= {
            "config.yaml",
            "environment.json",
            "manifest.json",
            "judged_rows.npz",
            "judged.npz",
            "test.npz",
            "trials.jsonl",
            "parity.json",
            "result.json",
            "log.txt",
            "candidates",
            "tokenizer.json",
            "vocab.txt",
        }
        assert not [name for name in names if name.startswith(".")], "a temporary file was left"

    def test_every_second_belongs_to_a_stage(self, searched):
        spent = searched.run.read("spent.json")
        first = ["reading", "encoding", "baselines", "trials", "seeds", "tier2", "ensemble", "finalists"]
        assert list(spent["stages"])[: len(first)] == first
        assert sum(spent["stages"].values()) == pytest.approx(spent["seconds"], abs=1)
        trained = sum(candidate.seconds for candidate in trials_of(searched.run))
        assert spent["stages"]["trials"] >= trained - 1

    def test_the_course_follows_from_the_files(self, searched):
        run, best = searched.run, searched.run.read("result.json")["best"]
        found = course_of(
            TASKS["classification"],
            "val_macro_f1",
            run.candidates(),
            run.judged_rows(),
            run.predictions,
            shown=[best],
            seconds=run.read("spent.json")["stages"],
            seed=0,
        )
        scores = [candidate.ranked_by for candidate in rank(run.candidates(), "max")]
        assert found.leads[-1].score == max(scores)
        assert found.gains.trials == len(trials_of(run))
        assert found.gains.over_baselines is not None
        assert found.errors.candidates == [best]

    def test_the_manifest_names_encoders_and_engines(self, searched):
        encoders = searched.run.read("manifest.json")["encoders"]
        names = {kind: [entry["name"] for entry in entries] for kind, entries in encoders.items()}
        assert names == {"text": ["tiny-bert"], "image": ["tiny-cnn"]}
        for entry in (entry for entries in encoders.values() for entry in entries):
            assert entry["engine"].startswith("keras-")
            assert (entry["difference"], entry["fallback"]) == (None, "")

    def test_every_baseline_and_every_trial_completed(self, searched):
        assert [candidate.name for candidate in searched.baselines] == list(BASELINES)
        assert [candidate.name for candidate in searched.trials] == ["trial-001", "trial-002", "trial-003"]
        assert {candidate.status for candidate in searched.candidates} == {COMPLETED}
        assert not any(candidate.error for candidate in searched.candidates)

    def test_a_record_has_its_metrics(self, searched):
        for candidate in searched.candidates:
            assert set(candidate.validation) == {"accuracy", "macro_f1", "loss"}
            assert candidate.score == candidate.validation["macro_f1"]
            assert candidate.objective == "val_macro_f1"
            assert candidate.seconds > 0
            assert candidate.parameters > 0
            assert candidate.tier == 1
        assert all(len(trial.history) == 2 for trial in searched.trials)
        assert all(1 <= trial.best_epoch <= 2 for trial in searched.trials)

    def test_the_resolved_config_repeats_the_run(self, searched):
        from automm.config.experiment import load_experiment

        assert load_experiment(searched.run.folder / "config.yaml") == searched.experiment

    def test_weights_of_baselines_and_the_best_trials_are_kept(self, searched):
        kept = {path.stem for path in searched.run.candidates_folder.glob("*.keras")}
        assert kept == {*BASELINES, *(trial.name for trial in searched.trials)}  # there are fewer than KEPT
        assert searched.run.read("result.json")["finalists"] == [c.name for c in rank(searched.candidates, "max")[:3]]

    def test_the_test_split_is_read_after_the_search(self, searched):
        over = {after for split, after in searched.reads if split == "test"}
        assert over == {True}
        assert any(split == "train" and not after for split, after in searched.reads)

    def test_finalists_and_baselines_have_test_metrics(self, searched):
        result = searched.run.read("result.json")
        assert set(result["test"]) == set(BASELINES) | set(result["finalists"])
        assert result["best"] == result["finalists"][0]
        assert result["by_fold"] is None  # a holdout
        assert all(sentence.startswith(("on the ", "the ")) for sentence in result["verdict"])
        assert ("against_recipe" in result) == (result["best"] != "logistic_both")
        for difference in result.get("against_recipe", {}).values():
            if difference["units"] < 10:
                assert difference["low"] is None
            else:
                assert difference["low"] <= difference["difference"] <= difference["high"]
        predictions = kept_answers(searched.run)
        assert len(predictions["ids"]) == len(predictions["targets"]) == len(predictions[result["best"]])
        np.testing.assert_allclose(predictions[result["best"]].sum(axis=1), 1.0, atol=1e-3)

    def test_the_evidence_has_the_figures_of_the_packed_answers(self, searched):
        result, judged = searched.run.read("result.json"), PackedAnswers.read(searched.run, "judged.npz")
        assert judged.answers.keys() == {candidate.name for candidate in searched.candidates}
        metrics, comparisons = (result["evidence"][section] for section in ("metrics", "comparisons"))
        assert metrics["labels"] == searched.run.read("manifest.json")["labels"]
        for candidate in searched.candidates:
            values = metrics["judged"][candidate.name]["values"]
            assert values["macro_f1"] == pytest.approx(candidate.validation["macro_f1"], abs=1e-9)
            predicted = judged.decided(candidate.name).argmax(axis=1)
            assert values["accuracy"] == pytest.approx((predicted == judged.rows.targets).mean(), abs=1e-9)
        assert metrics["test"].keys() == result["test"].keys()
        for name, found in result["test"].items():
            values = metrics["test"][name]["values"]
            assert values["accuracy"] == pytest.approx(found["accuracy"], abs=1e-9)
            assert values["log_loss"] == pytest.approx(found["loss"], rel=1e-4)
        assert comparisons["choice"] == result["best"]
        assert comparisons["against"].keys() == {*BASELINES} - {result["best"]}
        for metric, interval in result.get("against_recipe", {}).items():
            same = comparisons["against"]["logistic_both"]["metrics"][metric]
            assert {key: same[key] for key in interval} == interval

    def test_missing_modalities(self, searched):
        result = searched.run.read("result.json")
        missing = result["missing"]
        assert missing["percent"] == [0, 25, 50, 75, 100]
        assert set(missing["reviews"]) == {"text", "image"}
        for name, modalities in missing["scores"].items():
            for metrics in modalities.values():
                for metric, values in metrics.items():
                    assert len(values) == 5
                    assert values[0] == pytest.approx(result["test"][name][metric], abs=1e-4)
        for name, other in (("text_only", "image"), ("image_only", "text")):
            for values in missing["scores"][name][other].values():
                assert values == pytest.approx(values[:1] * 5)
        assert missing["scores"]["text_only"]["text"]["loss"][4] > missing["scores"]["text_only"]["text"]["loss"][0]

    def test_a_masked_modality_equals_an_absent_one(self, searched, reporter):
        """A suffix on features against the whole model on raw arrays of reviews without pictures, and without text."""
        from automm.models.whole import compiled, compose
        from automm.search.session import Search
        from automm.search.setup.data import encoder_sources, load, prepare
        from automm.search.setup.inputs import tokens_of
        from automm.search.training.loop import predict
        from automm.tracking.protocol import NoTracker

        loaded = load(searched.experiment)
        task = prepare(searched.experiment, loaded, encoder_sources(searched.experiment, loaded))
        search = Search(task, searched.run, NoTracker(), reporter, None)
        saved = keras.saving.load_model(searched.run.model_path("concatenation"), compile=False)
        arrays, rows = task.arrays, task.rows("validation")
        whole = compiled(compose(saved, search.bench.layers, 2))
        nothing = tokens_of([""] * len(arrays), task.sources, task.sizes)
        bare = {
            "image": replace(arrays, picture_rows=np.full_like(arrays.picture_rows, -1)),
            "text": replace(arrays, tokens=nothing, text_mask=np.zeros(len(arrays), np.float32)),
        }
        read = search.bench.predictor(saved)
        for modality, without in bare.items():
            lacking = read(rows, without=modality)
            np.testing.assert_allclose(lacking, predict(whole, without, rows), atol=1e-5)
            assert np.abs(lacking - read(rows)).max() > 1e-3

    def test_scores_beat_chance(self, searched):
        """The texts contain the label, so even untrained encoders find it."""
        best = rank(searched.candidates, "max")[0]
        majority = next(candidate for candidate in searched.baselines if candidate.name == "majority")
        assert best.validation["accuracy"] > majority.validation["accuracy"] + 0.2


class TestBaselinesAndTrials:
    def test_packed_and_unpacked_models_give_the_same_numbers(self, searched):
        by_name = {candidate.name: candidate for candidate in searched.baselines}
        plain, packed = by_name["concatenation"], by_name["packed_concatenation"]
        assert packed.validation == pytest.approx(plain.validation, abs=1e-6)
        assert packed.seed == plain.seed

    def test_a_renamed_baseline_keeps_its_seed(self, searched):
        """Seeds are derived from names, and the figures of low_rank_bilinear are those of its former name."""
        renamed = next(one for one in searched.baselines if one.name == "low_rank_bilinear")
        digest = hashlib.sha256(f"{searched.experiment.seed}/bilinear".encode()).digest()
        assert renamed.seed == int.from_bytes(digest[:4], "big") >> 1

    def test_trials_are_distinct_and_repeat_no_baseline(self, searched):
        points = [point(candidate) for candidate in searched.trials]
        known = {point(c) for c in searched.baselines if c.name in ("concatenation", "low_rank_bilinear")}
        assert len(set(points)) == len(points)
        assert not known & set(points)

    def test_the_oracle_knows_the_baselines(self, searched):
        oracle = json.loads((searched.run.folder / "tuner" / "oracle.json").read_text())
        assert {"concatenation", "low_rank_bilinear"} <= set(oracle["start_order"])
        trial = json.loads((searched.run.folder / "tuner" / "trial_concatenation" / "trial.json").read_text())
        score = next(c.score for c in searched.baselines if c.name == "concatenation")
        assert (trial["status"], trial["score"]) == ("COMPLETED", pytest.approx(score))

    @pytest.mark.parametrize("tuner", TUNERS)
    @pytest.mark.usefixtures("trials_only")
    def test_each_tuner(self, search, tuner):
        run = search(*BARE, f"tuner={tuner}", "budget.trials=2")
        assert [trial.status for trial in trials_of(run)] == [COMPLETED, COMPLETED]
        assert len({point(trial) for trial in trials_of(run)}) == 2

    @pytest.mark.usefixtures("trials_only")
    def test_same_experiment_same_seed_same_trials_and_scores(self, search, tmp_path):
        settings = (ONE, "baselines=[concatenation]", "budget.trials=2")
        first, second = (search(*settings, runs_dir=tmp_path / name) for name in ("a", "b"))
        assert [point(trial) for trial in first.candidates()] == [point(trial) for trial in second.candidates()]
        assert [trial.seed for trial in first.candidates()] == [trial.seed for trial in second.candidates()]
        for one, other in zip(first.candidates(), second.candidates(), strict=True):
            assert one.validation == pytest.approx(other.validation, abs=1e-6)

    @pytest.mark.usefixtures("trials_only")
    def test_another_seed_gives_other_trials(self, search):
        settings = (*BARE, "tuner=random", "budget.trials=1", "portfolio=false")
        first, second = search(*settings), search(*settings, "seed=0")
        assert [point(trial) for trial in trials_of(first)] != [point(trial) for trial in trials_of(second)]

    @pytest.mark.usefixtures("trials_only")
    def test_a_space_of_one_candidate(self, search):
        """All choices are fixed: after one trial the space is exhausted, and the search ends."""
        fixed = {
            **DEFAULTS,
            "image/pooling": "max",
            "fusion/operator": "product",
            "fusion/width": 8,
            "label/layers": 1,
            "label/width": 8,
            "label/dropout": 0.0,
            "training/learning_rate": 0.01,
        }
        run = search(*BARE, "budget.trials=2", *(f"space.{key}={value}" for key, value in fixed.items()))
        (trial,) = trials_of(run)
        assert trial.hyperparameters == {name: value for name, value in fixed.items() if is_active(name, fixed)}

    @pytest.mark.usefixtures("trials_only")
    def test_the_portfolio_comes_first_unless_it_is_switched_off(self, search):
        (good,) = trials_of(search(*BARE, "budget.trials=1"))
        (other,) = trials_of(search(*BARE, "budget.trials=1", "portfolio=false"))
        assert good.hyperparameters == portfolio(full_space())[0] != other.hyperparameters

    @pytest.mark.parametrize("objective", ["val_accuracy", "val_loss"])
    def test_each_objective_has_its_ranking(self, search, objective):
        run = search(ONE, f"objective={objective}", "budget.trials=0", "baselines=[majority, logistic_both]")
        name = objective.removeprefix("val_")
        scores = [candidate.validation[name] for candidate in run.candidates()]
        best = run.read("result.json")["best"]
        chosen = next(candidate for candidate in run.candidates() if candidate.name == best)
        assert chosen.score == chosen.validation[name] == (min(scores) if name == "loss" else max(scores))

    def test_end_to_end(self, search, tmp_path, reviews):
        from automm.deliver.bundle import load_bundle
        from automm.deliver.export import export_candidate
        from automm.deliver.predict import predict_file

        run = search(
            ONE, "budget.trials=0", "baselines.include=[concatenation]", "baselines.end_to_end=true",
            "baselines.end_to_end_epochs=1",
        )  # fmt: skip
        frozen, whole = run.candidates()
        assert (whole.name, whole.status, whole.tier) == ("end_to_end", COMPLETED, 2)
        assert whole.trainable_parameters > frozen.trainable_parameters
        export_candidate(run, "end_to_end", tmp_path / "bundle")
        assert predict_file(load_bundle(tmp_path / "bundle"), reviews, tmp_path / "out.jsonl")[:3] == (60, 0, 0)
        lines = {line["id"]: line for line in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
        predictions = kept_answers(run)
        for review, expected in zip(predictions["ids"], predictions["end_to_end"], strict=True):
            np.testing.assert_allclose(list(lines[review]["probabilities"].values()), expected, **FLOAT16)


class TestEvaluation:
    @pytest.mark.usefixtures("trials_only")
    def test_few_reviews_are_cross_validated_and_the_fold_models_are_the_candidate(self, search):
        run = search(ONE, "evaluation=auto", "budget.trials=0", "baselines=[majority, logistic_text, concatenation]")
        assert {candidate.evaluation for candidate in run.candidates()} == {"5 folds"}
        rows = run.read("manifest.json")["reviews"]
        for candidate in run.candidates():
            assert len(run.predictions(candidate.name)) == rows["train"] + rows["validation"]
        concatenation = keras.saving.load_model(run.model_path("concatenation"), compile=False)
        assert len(members_of(concatenation)) == 5

    def test_the_optimism_of_the_best_score(self, searched):
        luck = searched.run.read("result.json")["selection"]
        best = rank(searched.candidates, "max")[0]
        assert luck["score"] == pytest.approx(best.score, abs=1e-6)
        assert luck["optimism"] == pytest.approx(max(0.0, luck["score"] - luck["corrected"]))
        assert luck["units"] > 1
        assert luck["note"].startswith("Not in the correction: each candidate's best epoch was chosen")
        assert luck["of"] == "holdout"

    @pytest.mark.usefixtures("trials_only")
    def test_predictions_and_judged_rows_are_all_that_a_score_needs(self, search, caplog):
        with caplog.at_level("INFO", logger="automm"):
            run = search(ONE, "evaluation={folds: 3}", "budget.trials=0", "baselines=[majority, concatenation]")
        rows = run.judged_rows()
        assert set(rows.folds) == {1, 2, 3}
        assert len(set(rows.ids)) == len(rows) == sum(run.read("manifest.json")["reviews"][n] for n in JUDGED)
        for candidate in run.candidates():
            scores = TASKS["classification"].measure(rows.targets, run.predictions(candidate.name))
            assert scores == pytest.approx(candidate.validation, abs=1e-6)
        reason = run.read("manifest.json")["evaluation_reason"]
        assert reason == "candidates are judged on 3 folds of train and validation, linked reviews in one"
        assert reason in (run.folder / "log.txt").read_text()

    @pytest.mark.usefixtures("trials_only")
    def test_a_holdout_is_the_validation_split(self, search):
        run = search(ONE, "evaluation=holdout", "budget.trials=0", "baselines=[majority, concatenation]")
        rows = run.read("manifest.json")["reviews"]
        assert {candidate.evaluation for candidate in run.candidates()} == {"holdout"}
        assert len(run.predictions("concatenation")) == rows["validation"]

    @pytest.mark.slow  # test_fine_tune does the same with members of both tiers
    @pytest.mark.parametrize("evaluation", ["holdout", "{folds: 3}"])
    def test_an_ensemble_is_a_candidate_and_can_be_exported(self, search, tmp_path, reviews, evaluation):
        from automm.deliver.bundle import load_bundle
        from automm.deliver.export import export_candidate
        from automm.deliver.predict import predict_file

        run = search(
            ONE, "ensemble=true", f"evaluation={evaluation}", "budget.trials=1",
            "baselines=[logistic_text, logistic_both, concatenation]",
        )  # fmt: skip
        by_fold = run.read("result.json")["by_fold"]
        assert (by_fold["folds"] if by_fold else [1]) == ([1] if evaluation == "holdout" else [1, 2, 3])
        (ensemble,) = [candidate for candidate in run.candidates() if candidate.kind == "ensemble"]
        assert (ensemble.name, ensemble.status) == ("ensemble-001", COMPLETED)
        assert sum(ensemble.hyperparameters.values()) == pytest.approx(1.0, abs=0.01)
        export_candidate(run, ensemble.name, tmp_path / "bundle")
        assert predict_file(load_bundle(tmp_path / "bundle"), reviews, tmp_path / "out.jsonl")[:3] == (60, 0, 0)
        lines = {line["id"]: line for line in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
        predictions = kept_answers(run)
        for review, expected in zip(predictions["ids"], predictions[ensemble.name], strict=True):
            np.testing.assert_allclose(list(lines[review]["probabilities"].values()), expected, **FLOAT16)


class TestBudget:
    @pytest.mark.usefixtures("trials_only")
    def test_without_trials_only_baselines_run(self, search):
        run = search("baselines=[majority]", "budget.trials=0")
        assert [candidate.name for candidate in run.candidates()] == ["majority"]

    @pytest.mark.usefixtures("trials_only")
    def test_failed_trials_do_not_count(self, search, monkeypatch):
        fail(monkeypatch, "trial-001")
        run = search(*BARE, "budget.trials=2")
        assert [trial.status for trial in trials_of(run)] == [FAILED, COMPLETED, COMPLETED]

    @pytest.mark.usefixtures("trials_only")
    def test_time_ends_a_search(self, search, monkeypatch):
        """With a fake clock, an hour passes with each candidate."""
        from automm.search.budget import Budget
        from automm.search.recorder import Recorder

        hours = iter(range(100))
        real, record, late = time.monotonic, Recorder.record, []

        def hour_later(self, candidate):
            late.append(3600.0 * (next(hours) + 1))
            record(self, candidate)

        monkeypatch.setattr(Recorder, "record", hour_later)
        monkeypatch.setattr(
            Budget,
            "out_of_time",
            lambda self: self.deadline is not None and real() + sum(late[-1:]) >= self.deadline,
        )
        run = search(*BARE, "budget.trials=50", "budget.time=90m")
        assert len(trials_of(run)) == 2

    @pytest.mark.usefixtures("trials_only")
    def test_a_trial_stops_in_the_middle_when_the_time_is_up(self, search):
        run = search("baselines=none", "training.epochs=10000", "training.patience=10000", "budget.time=4s")
        (trial,) = trials_of(run)
        assert (trial.status, trial.stopped) == (COMPLETED, "time")


def fail(monkeypatch, *names, error=None):
    """Make candidates of these names raise when they are fitted; all candidates if no name is given."""
    from automm.search.candidate_runner import CandidateRunner

    run = CandidateRunner.run

    def failing(self, estimator):
        def explode(bench):
            raise error or ValueError("as the test wants it")

        if not names or estimator.name in names:
            object.__setattr__(estimator, "fit", explode)
        return run(self, estimator)

    monkeypatch.setattr(CandidateRunner, "run", failing)


@pytest.mark.slow
def test_hyperband_promotes_the_best_and_trains_them_from_scratch(search, request):
    """Nine epochs at most and two full trainings' worth: one bracket of 3 x 1, 1 x 3 and 1 x 9 epochs."""
    run = search(
        "baselines=[concatenation]", "tuner=hyperband", "training.epochs=9", "training.patience=9", "budget.trials=2"
    )
    trials = trials_of(run)
    assert [len(trial.history) for trial in trials] == [1, 1, 1, 3, 9]
    assert [trial.stopped for trial in trials] == ["round"] * 4 + ["epochs"]
    best = rank(trials[:3], "max")[0]
    known = next(candidate for candidate in run.candidates() if candidate.name == "concatenation")
    assert known.hyperparameters not in [point_of(trial.hyperparameters) for trial in trials]
    for shorter in (best, trials[3]):
        assert point_of(shorter.hyperparameters) == point_of(trials[4].hyperparameters)
        assert shorter.seed == trials[4].seed, "the same weights and batches, and more epochs"
        for one, other in zip(shorter.history, trials[4].history[: len(shorter.history)], strict=True):
            assert one == pytest.approx(other, abs=1e-5)
    finalists = run.read("result.json")["finalists"]
    assert not {best.name, "trial-004"} & set(finalists), "the same candidate twice"

    request.getfixturevalue("trials_only")
    bigger = search(
        "baselines=[concatenation]", "tuner=hyperband", "training.epochs=9", "training.patience=9", "budget.trials=3",
        resume=run,
    )  # fmt: skip
    more = trials_of(bigger)[5:]
    assert {trial.hyperparameters["tuner/bracket"] for trial in more} == {1}, "the next bracket, in what has been added"
    assert sum(len(trial.history) for trial in trials_of(bigger)) <= 3 * 9


class TestFailures:
    @pytest.mark.usefixtures("trials_only")
    def test_a_trial_that_raises_is_recorded_and_the_search_continues(self, search, recorder, monkeypatch):
        fail(monkeypatch, "trial-001")
        run = search(*BARE, "budget.trials=1")
        first, second = trials_of(run)
        assert (first.status, second.status) == (FAILED, COMPLETED)
        assert first.error.startswith("ValueError: as the test wants it\n")
        assert "Traceback (most recent call last)" in first.error
        assert first.score is None
        assert point(first) != point(second)
        assert "trial-001 failed: ValueError" in (run.folder / "log.txt").read_text()
        assert recorder.named("candidate") == [
            ("candidate", "trial-001", FAILED),
            ("candidate", "trial-002", COMPLETED),
        ]
        assert recorder.named("end")[0][1] == "FINISHED"

    @pytest.mark.usefixtures("trials_only")
    def test_a_baseline_that_raises_does_not_end_the_search(self, search, monkeypatch):
        fail(monkeypatch, "concatenation")
        run = search(ONE, "baselines=[majority, concatenation]", "budget.trials=1")
        assert [c.status for c in run.candidates()] == [COMPLETED, FAILED, COMPLETED]

    def test_five_failures_with_the_same_cause_end_a_search(self, search, recorder, monkeypatch, tmp_path):
        fail(monkeypatch)
        with pytest.raises(
            NoTrialError, match="5 candidates in a row failed with the same cause: ValueError"
        ) as raised:
            search(*BARE, "budget.trials=50")
        assert raised.value.exit_code == 4
        assert len(recorder.named("candidate")) == 5
        status, summary = recorder.named("end")[0][1:]
        assert status == "FAILED"
        assert "the same cause" in summary["cause"]
        assert not list((tmp_path / "runs").rglob("result.json"))

    def test_a_search_whose_trials_all_fail_ends_with_their_cause_and_keeps_its_baselines(self, search, recorder):
        with pytest.raises(NoTrialError, match="no trial completed: 5 candidates in a row") as raised:
            search(ONE, "baselines=[majority, concatenation]", "budget.trials=50", "budget.parameters=1000")
        assert raised.value.exit_code == 4
        told = recorder.named("candidate")
        assert [status for _, _, status in told] == [COMPLETED] * 2 + [FAILED] * 5
        status, summary = recorder.named("end")[0][1:]
        assert status == "FAILED"
        assert "too large" in summary["cause"]
        assert "budget.parameters allows (1,000)" in summary["cause"]
        assert {name for _, name, *_ in recorder.named("test")} == {"majority", "concatenation"}

    @pytest.mark.usefixtures("trials_only")
    def test_a_candidate_that_does_not_fit_into_memory_fails_with_a_cause(self, search, monkeypatch):
        monkeypatch.setattr("automm.search.bench.available_memory", lambda: 1000)
        run = search(ONE, "baselines=[majority, concatenation]", "budget.trials=0")
        assert run.candidates()[1].error.startswith("too large for the free memory")

    def test_repeated_failures_with_different_causes_end_a_search(self, search, monkeypatch):
        from automm.search import budget
        from automm.search.candidates import head

        monkeypatch.setattr(budget, "ANY_CAUSE", 7)
        count = iter(range(1000))

        def explode(*args, **kwargs):
            raise ValueError(f"number {next(count)}")

        monkeypatch.setattr(head, "train", explode)
        with pytest.raises(NoTrialError, match="7 candidates in a row failed, the last one with: ValueError: number 6"):
            search(*BARE, "budget.trials=50")

    @pytest.mark.usefixtures("trials_only")
    def test_a_failed_linear_baseline_keeps_its_hyperparameters(self, search, monkeypatch):
        fail(monkeypatch, "logistic_both")
        run = search("baselines=[logistic_both, concatenation]", "budget.trials=0")
        assert run.candidates()[0].hyperparameters == {"modalities": "text+image"}

    @pytest.mark.usefixtures("trials_only")
    def test_a_late_average_without_its_members_fails_with_a_cause(self, search):
        run = search("baselines=[majority, late_average]", "budget.trials=0")
        assert run.candidates()[1].error.startswith("late_average needs the baseline text_only")

    @pytest.mark.usefixtures("trials_only")
    def test_a_loss_that_is_nan_fails_the_trial(self, search, monkeypatch):
        from automm.search.bench import Bench

        plan = Bench.plan

        def hopeless(self, seed, values):
            first = seed == self.seed_of("trial-001")
            return plan(self, seed, {**values, "training/learning_rate": float("nan")} if first else values)

        monkeypatch.setattr(Bench, "plan", hopeless)
        run = search(*BARE, "budget.trials=1")
        first, second = trials_of(run)
        assert first.status == FAILED
        assert "NaN" in first.error.split("\n")[0]
        assert second.status == COMPLETED

    @pytest.mark.usefixtures("trials_only")
    def test_out_of_memory_is_a_cause(self, search, monkeypatch):
        fail(monkeypatch, "trial-001", error=MemoryError())
        assert trials_of(search(*BARE, "budget.trials=1"))[0].error.startswith("out of memory\n")


class TestParity:
    @advises("Name one that can be exported: {}")
    def test_a_finalist_whose_whole_model_differs_is_not_exported_and_the_next_one_is(
        self, search, recorder, monkeypatch, tmp_path
    ):
        """A fault in the saved model of the best candidate: one weight of its whole model is another."""
        from automm.deliver.export import export_candidate
        from automm.search.finalists import parity

        whole_model, faulty = parity.whole_model, []

        def with_a_fault(run, name, layers, saved):
            if not faulty or name in faulty:
                faulty.append(name)
                saved = keras.saving.load_model(run.model_path(name), compile=False)
                weights = saved.get_weights()
                weights[-1] = weights[-1] + np.linspace(0, 0.01, weights[-1].size, dtype=np.float32)
                saved.set_weights(weights)
            return whole_model(run, name, layers, saved)

        monkeypatch.setattr(parity, "whole_model", with_a_fault)
        names = ["logistic_text", "logistic_both", "text_only", "concatenation"]
        run = search(ONE, f"baselines=[{', '.join(names)}]", "budget.trials=0")
        best, *others = [candidate.name for candidate in rank(run.candidates(), "max")]
        result = run.read("result.json")
        assert faulty == [best]
        assert result["finalists"] == others
        assert result["best"] == others[0]
        assert result["selection"]["score"] == rank(run.candidates(), "max")[1].score
        compared = result["parity"][best]
        assert compared["difference"] > compared["tolerance"]
        assert {name for name, each in result["parity"].items() if each["exported"]} == set(others)
        assert f"ERROR {best} is not exported: its whole model" in (run.folder / "log.txt").read_text()
        assert [name for _, name in recorder.named("model")] == others
        assert set(result["test"]) == set(names), "it is still measured, through its features"
        with pytest.raises(NotFoundError, match="differ by") as raised:
            export_candidate(run, best, tmp_path / "bundle")
        hear(str(raised.value), "Name one that can be exported: {}")
        assert export_candidate(run, others[1], tmp_path / "other").name == others[1]
        assert export_candidate(run, None, tmp_path / "bundle").name == others[0]

    def test_refusals_are_known_without_a_result(self, search, monkeypatch, tmp_path):
        """An interrupt after the first comparison, a session in which no model agrees, and one without the fault."""
        from automm.deliver.export import export_candidate
        from automm.search.finalists import parity

        def second_is_interrupted(search, *of_the_model):
            if search.run.read("parity.json"):
                raise KeyboardInterrupt
            return 0.01

        settings = (ONE, "baselines=[logistic_text, logistic_both]", "budget.trials=0")
        with monkeypatch.context() as fault:
            fault.setattr(parity, "_difference", second_is_interrupted)
            with pytest.raises(KeyboardInterrupt):
                search(*settings)
        (run,) = all_runs(tmp_path / "runs")
        best, second = rank(run.candidates(), "max")
        assert list(run.read("parity.json")) == [best.name]
        assert export_candidate(run, None, tmp_path / "second").name == second.name
        with monkeypatch.context() as fault:
            fault.setattr(parity, "_difference", lambda *of_the_model: 0.01)
            with pytest.raises(NoTrialError, match=r"no candidate can be exported: .*parity\.json"):
                search(*settings, resume=run)
        assert run.read("result.json") == {}
        for name in (None, second.name):
            with pytest.raises(NotFoundError, match=r"differ by 1\.0e-02.*No other can be exported"):
                export_candidate(run, name, tmp_path / "bundle")
        search(*settings, resume=run)
        assert all(compared["exported"] for compared in run.read("parity.json").values())
        assert export_candidate(run, None, tmp_path / "bundle").name == run.read("result.json")["best"] == best.name

    def test_the_compared_rows_have_long_texts_and_reviews_without_pictures(self, searched):
        from automm.search.finalists import parity
        from automm.search.setup.data import encoder_sources, load, prepare

        loaded = load(searched.experiment)
        setup = prepare(searched.experiment, loaded, encoder_sources(searched.experiment, loaded))
        rows, every = parity.parity_rows(setup), setup.splits["validation"]
        assert len(rows) == len(set(rows.tolist())) == min(len(every), parity.ROWS)
        assert rows[0] == every[np.argmax(setup.features.lengths[every])]
        result = searched.run.read("result.json")
        assert list(result["parity"]) == result["finalists"]
        assert all(each["exported"] and each["tolerance"] == parity.SAME_ENGINE for each in result["parity"].values())

    def test_tolerances(self):
        from automm.search.features.engines import Engine, UsedEngine
        from automm.search.finalists.parity import OTHER_ENGINE, SAME_ENGINE, tolerance

        keras_engine = UsedEngine(Engine("keras", "keras-3.15.1-tensorflow"))
        both = {("text", "a"): keras_engine, ("image", "b"): keras_engine}
        assert tolerance(both) == SAME_ENGINE == 1e-5
        onnx = UsedEngine(Engine("onnx", "onnxruntime-1.32.0-keras-3.15.1-tensorflow"), 2e-5)
        assert tolerance({**both, ("image", "b"): onnx}) == OTHER_ENGINE == 1e-4


class TestPatience:
    @pytest.mark.usefixtures("trials_only")
    def test_trials_without_progress_end_a_search_and_a_resume_continues_the_count(self, search, monkeypatch):
        monkeypatch.setattr("automm.search.session.corrected_score", lambda setup, run, candidates: 0.5)
        run = search(*BARE, "budget.trials=50", "budget.patience=2")
        assert len(trials_of(run)) == 2 + 1, "the first sets the score, two more do not improve it"
        search(*BARE, "budget.trials=50", "budget.patience=2", resume=run)
        assert len(trials_of(run)) == 3
        search(*BARE, "budget.trials=50", "budget.patience=3", resume=run)
        assert len(trials_of(run)) == 4


class TestTime:
    @pytest.mark.usefixtures("trials_only")
    def test_a_limit_too_small_for_the_encoding_ends_the_search_before_it(self, search, monkeypatch, tmp_path):
        from automm.errors import ConfigError
        from automm.search.features.encode import TextPass

        monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setattr(TextPass, "batches", lambda self: pytest.fail("the encoding has begun"))
        words = r"is 20 s: .* encoding \d+ texts and \d+ pictures takes about [1-9].* kept for candidates and finalists"
        with pytest.raises(ConfigError, match=words):
            search(*BARE, "budget.time=20s")

    @pytest.mark.usefixtures("trials_only")
    @advises("Set --subsample {}, or {}", "Set {}")
    def test_a_limit_too_small_for_the_encoding_names_what_fits(self, search, monkeypatch, tmp_path):
        """A share in a new search; in a resumed one, whose reviews stay the same, only a longer limit."""
        from automm.errors import ConfigError
        from automm.search.features import encoding_time

        monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setattr(encoding_time, "SECONDS_OF_FEW", 2.0)
        settings = (*BARE, "budget.trials=1", "budget.time=125s")
        with pytest.raises(ConfigError) as raised:
            search(*settings)
        hear(str(raised.value), "Set --subsample {}, or {}")
        (refused,) = all_runs(tmp_path / "runs")
        with pytest.raises(ConfigError) as raised:
            search(*settings, resume=refused)
        hear(str(raised.value), "Set {}")
        (longer,) = re.findall(r"Set --time-budget (\w+)", str(raised.value))
        assert trials_of(search(*settings, f"budget.time={longer}", resume=refused))

        monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "other cache"))
        with pytest.raises(ConfigError) as raised:
            search(*settings)
        ((share, longer),) = re.findall(r"Set --subsample ([\d.]+), or --time-budget (\w+)", str(raised.value))
        assert trials_of(search(*settings, f"subsample={share}"))
        assert trials_of(search(*settings, f"budget.time={longer}"))

    @pytest.mark.usefixtures("trials_only")
    def test_trials_leave_time_for_what_follows(self, search, monkeypatch):
        """A third of the limit is kept for the finalists: a trial without end stops before that."""
        from automm.search.cost.time_budget import Tail

        monkeypatch.setattr(Tail, "seconds", lambda self, candidates, **what: 3.0)
        began = time.monotonic()
        settings = "baselines=none", "training.epochs=10000", "training.patience=10000", "budget.time=9s"
        (trial,) = trials_of(search(*settings))
        assert trial.stopped == "time"
        assert time.monotonic() - began < 9.0
