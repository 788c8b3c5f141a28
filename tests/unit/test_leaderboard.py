import csv
import io
import json
from dataclasses import replace

import pytest

from automm.cli.tables import leaderboard_table
from automm.errors import ConfigError, NotFoundError
from automm.evaluate.leaderboard import leaderboard, to_csv
from automm.tracking.run_folder import COMPLETED, FAILED, KILLED, Candidate, Run

FIELDS = [
    "rank",
    "run",
    "experiment",
    "name",
    "kind",
    "proposed_by",
    "tier",
    "status",
    "objective",
    "evaluation",
    "subsample",
    "optimism",
    "ranked_by",
    "seed_spread",
    "validation",
    "test",
    "folds",
    "parameters",
    "milliseconds",
    "seconds",
    "error",
]


def done(name, macro_f1, loss=1.0, accuracy=0.5, parameters=10, objective="val_macro_f1", kind="trial"):
    return Candidate(
        name,
        kind,
        COMPLETED,
        objective=objective,
        score=macro_f1,
        validation={"accuracy": accuracy, "macro_f1": macro_f1, "loss": loss},
        parameters=parameters,
        seconds=1.23456,
    )


def failed(name, error="the loss became NaN\nTraceback (most recent call last): ...", status=FAILED):
    return Candidate(name, "trial", status, objective="val_macro_f1", error=error)


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def make(runs):
    def _make(name, candidates, experiment="demo", test=None):
        run = Run(runs / experiment / name)
        run.folder.mkdir(parents=True)
        (run.folder / "config.yaml").write_text("manifest: m.yaml\n")
        for candidate in candidates:
            run.append(candidate)
        if test:
            run.write("result.json", {"test": test})
        return run

    return _make


def names(rows):
    return [row["name"] for row in rows]


def test_the_best_candidate_is_first_and_failed_ones_last(make, runs):
    make("r1", [failed("broken"), done("low", 0.2), failed("stopped", status=KILLED), done("high", 0.9)])
    rows = leaderboard(runs)
    assert names(rows) == ["high", "low", "broken", "stopped"]
    assert [row["rank"] for row in rows] == [1, 2, None, None]
    assert rows[2]["error"] == "the loss became NaN"


def test_a_run_on_a_subsample_is_marked(make, runs, capsys):
    make("r1", [done("a", 0.9)]).write("manifest.json", {"subsample": 0.1})
    make("r2", [done("b", 0.8)]).write("manifest.json", {"subsample": None})
    rows = leaderboard(runs)
    assert [row["subsample"] for row in rows] == [0.1, None]
    leaderboard_table(rows, with_run=False)
    printed = capsys.readouterr().out
    assert "a (on 10% of the reviews)" in printed
    assert printed.count("of the reviews") == 1


def test_ties_go_to_fewer_parameters_then_to_the_earlier(make, runs):
    make("r1", [done("big", 0.5, parameters=9), done("first", 0.5, parameters=3), done("second", 0.5, parameters=3)])
    assert names(leaderboard(runs)) == ["first", "second", "big"]


def test_rank_by_another_metric(make, runs):
    make("r1", [done("a", 0.9, loss=2.0, accuracy=0.1), done("b", 0.1, loss=0.5, accuracy=0.9)])
    assert names(leaderboard(runs)) == ["a", "b"]
    assert names(leaderboard(runs, metric="loss")) == names(leaderboard(runs, metric="val_loss")) == ["b", "a"]
    assert names(leaderboard(runs, metric="accuracy")) == ["b", "a"]
    with pytest.raises(ConfigError, match=r"--metric acuracy: unknown metric. Did you mean 'accuracy'"):
        leaderboard(runs, metric="acuracy")
    with pytest.raises(ConfigError, match="unknown"):
        leaderboard(runs, metric="test_accuracy")


def test_rank_by_an_objective_that_is_minimized(make, runs):
    make("r1", [done("bad", 0.9, loss=2.0, objective="val_loss"), done("good", 0.1, loss=0.5, objective="val_loss")])
    assert names(leaderboard(runs)) == ["good", "bad"]


def test_runs_with_different_objectives_need_a_metric(make, runs):
    make("r1", [done("a", 0.9)], "one")
    make("r2", [done("b", 0.1, objective="val_loss")], "one")
    with pytest.raises(ConfigError, match=r"runs of one have different objectives: val_loss, val_macro_f1"):
        leaderboard(runs)
    assert names(leaderboard(runs, metric="macro_f1")) == ["a", "b"]


def test_each_experiment_is_ranked_by_itself(make, runs, capsys):
    make("r1", [done("a", 0.2), failed("broken"), done("b", 0.3)], "one")
    make("r2", [done("c", 0.1, loss=2.0, objective="val_loss"), done("d", 0.9, objective="val_loss")], "two")
    rows = leaderboard(runs)
    ranked = [(row["experiment"], row["rank"], row["name"]) for row in rows]
    assert ranked == [("one", 1, "b"), ("one", 2, "a"), ("one", None, "broken"), ("two", 1, "d"), ("two", 2, "c")]
    leaderboard_table(rows, with_run=True)
    printed = capsys.readouterr().out
    assert printed.startswith("experiment")
    assert "ranks are within an experiment" in printed
    leaderboard_table(leaderboard(runs, "two"), with_run=True)
    assert "experiment" not in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"metric mae was not computed in runs r2. Name another --metric"):
        leaderboard(runs, "two", metric="mae")


def test_candidates_of_one_run_only(make, runs):
    make("r1", [done("a", 0.9)])
    second = make("r2", [done("b", 0.1)])
    assert names(leaderboard(runs)) == ["a", "b"]
    (row,) = leaderboard(runs, run=second)
    assert (row["name"], row["rank"]) == ("b", 1)


def test_no_runs(make, runs):
    with pytest.raises(NotFoundError, match=r"no runs under .* Start one: automm search MANIFEST"):
        leaderboard(runs)
    make("r1", [done("a", 0.9)])
    with pytest.raises(NotFoundError, match=r"no experiment 'dmo' .*Experiments: demo"):
        leaderboard(runs, "dmo")


def test_a_run_with_failures_only_and_a_run_without_candidates(make, runs):
    make("r1", [failed("broken")])
    make("r2", [])
    assert names(leaderboard(runs)) == ["broken"]


def test_an_ensemble_is_ranked_by_its_comparable_score_for_the_objective_only(make, runs, capsys):
    ensemble = done("ensemble-001", 0.5, loss=1.1, kind="ensemble")
    ensemble.comparable = 0.7
    make("r1", [done("trial-001", 0.6), ensemble])
    assert names(leaderboard(runs)) == ["ensemble-001", "trial-001"]
    assert names(leaderboard(runs, metric="loss")) == ["trial-001", "ensemble-001"]
    assert leaderboard(runs)[0]["validation"]["macro_f1"] == 0.5
    assert [row["ranked_by"] for row in leaderboard(runs)] == [0.7, None]
    note = "ensemble-001 is ranked by macro-F1 0.700: the best single score and its lead over it"
    for metric, noted in ((None, True), ("loss", False)):
        leaderboard_table(leaderboard(runs, metric=metric), with_run=False)
        assert (note in " ".join(capsys.readouterr().out.split())) is noted


def test_the_fields_of_json_are_a_contract(make, runs):
    scores = {"accuracy": 0.4, "macro_f1": 0.3, "loss": 1.5}
    make("r1", [done("größte", 0.9, kind="baseline"), failed("broken")], test={"größte": scores})
    rows = json.loads(json.dumps(leaderboard(runs)))
    assert [list(row) for row in rows] == [FIELDS, FIELDS]
    assert rows[0] == {
        "rank": 1,
        "run": "r1",
        "experiment": "demo",
        "name": "größte",
        "kind": "baseline",
        "proposed_by": "",
        "tier": 1,
        "status": "COMPLETED",
        "objective": "val_macro_f1",
        "evaluation": "",
        "subsample": None,
        "optimism": None,
        "ranked_by": None,
        "seed_spread": None,
        "validation": {"accuracy": 0.5, "macro_f1": 0.9, "loss": 1.0},
        "test": scores,
        "folds": None,
        "parameters": 10,
        "milliseconds": None,
        "seconds": 1.23,
        "error": "",
    }
    assert rows[1]["test"] is None
    assert rows[1]["status"] == "FAILED"


def test_csv_has_a_column_for_each_split_and_metric(make, runs):
    make("r1", [done("a, b", 0.9), failed('says "no"')], test={"a, b": {"accuracy": 0.4, "macro_f1": 0.3, "loss": 1.5}})
    rows = list(csv.DictReader(io.StringIO(to_csv(leaderboard(runs)))))
    metrics = [f"{split}_{metric}" for split in ("validation", "test") for metric in ("macro_f1", "accuracy", "loss")]
    plain = [field for field in FIELDS if field not in ("validation", "test", "folds")]
    assert list(rows[0]) == [*plain, *metrics]
    assert (rows[0]["name"], rows[0]["validation_macro_f1"], rows[0]["test_loss"]) == ("a, b", "0.9", "1.5")
    assert (rows[1]["name"], rows[1]["rank"], rows[1]["validation_loss"]) == ('says "no"', "", "")


def test_second_seeds_pilots_and_copies_have_no_rank(make, runs, capsys):
    candidates = [
        done("packed_concatenation", 0.9, kind="baseline"),
        done("concatenation", 0.9, kind="baseline"),
        replace(done("trial-001", 0.8), proposed_by="greedy"),
        done("trial-001-seed-2", 0.95, kind="seed"),
        replace(done("end_to_end-pilot", 0.99, kind="pilot"), evaluation="1 of 5 folds"),
    ]
    run = make("r1", candidates)
    run.write("result.json", {"seeds": {"trial-001": {"seeds": [1, 2], "scores": [0.8, 0.95], "spread": 0.15}}})
    rows = leaderboard(runs)
    assert [(row["name"], row["rank"]) for row in rows] == [
        ("concatenation", 1),
        ("trial-001", 2),
        ("trial-001-seed-2", None),
        ("packed_concatenation", None),
        ("end_to_end-pilot", None),
    ]
    assert (rows[1]["seed_spread"], rows[1]["proposed_by"], rows[0]["seed_spread"]) == (0.15, "greedy", None)
    lines = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert (lines[1]["seed_spread"], lines[1]["proposed_by"]) == ("0.15", "greedy")
    leaderboard_table(rows, with_run=False)
    printed = capsys.readouterr().out
    assert "between seeds" in printed
    assert "trial (greedy)" in printed
    assert "0.150" in printed
    assert "ranks behind" not in printed


def test_the_milliseconds_of_finalists_are_shown(make, runs, capsys):
    run = make("r1", [done("ensemble-003", 0.9, kind="ensemble"), done("trial-001", 0.8)])
    leaderboard_table(leaderboard(runs), with_run=False)
    assert "ms a review" not in capsys.readouterr().out
    run.write("result.json", {"parity": {"ensemble-003": {"milliseconds": 31.44}}})
    rows = leaderboard(runs)
    assert [row["milliseconds"] for row in rows] == [31.44, None]
    leaderboard_table(rows, with_run=False)
    printed = capsys.readouterr().out
    assert "ms a review" in printed
    assert "31.4" in printed


def test_a_copy_without_its_original_is_ranked(make, runs):
    make("r1", [done("packed_concatenation", 0.9, kind="baseline")])
    assert leaderboard(runs)[0]["rank"] == 1


def test_csv_without_rows_has_a_header(make, runs):
    make("r1", [])
    assert to_csv(leaderboard(runs)).startswith("rank,run,experiment,")


def test_mean_and_standard_deviation_over_folds(make, runs, capsys):
    scores = {name: {"macro_f1": 0.5, "accuracy": 0.6, "loss": 1.0} for name in ("a", "b")}
    run = make("r1", [done("a", 0.9), done("b-tuned", 0.8), done("c", 0.7)])
    folds = {"folds": [1, 2], "mean": scores["a"], "deviation": {**scores["b"], "macro_f1": 0.0123}}
    of_folds = {"a": {**folds, "frozen": False}, "b-tuned": {**folds, "frozen": True}}
    run.write("result.json", {"test": {}, "folds": {"scores": of_folds}})
    rows = leaderboard(runs)
    assert [row["folds"] and row["folds"]["frozen"] for row in rows] == [False, True, None]
    leaderboard_table(rows, with_run=False)
    printed = capsys.readouterr().out
    assert printed.count("0.500 ± 0.012") == 2
    assert printed.count("0.500 ± 0.012*") == 1
    assert "* measured with frozen encoders" in printed
    first, _, last = csv.DictReader(io.StringIO(to_csv(rows)))
    assert (first["folds_count"], first["folds_deviation_macro_f1"], last["folds_count"]) == ("2", "0.0123", "")
