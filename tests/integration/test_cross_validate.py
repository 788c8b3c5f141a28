"""Finalists on every fold of the manifest, searched on the first."""

import pytest
import yaml
from samples import SMALL, write_reviews

from automm.cli.tables import leaderboard_table, verdict
from automm.config.experiment import load_experiment
from automm.errors import TrialError
from automm.evaluate.leaderboard import leaderboard, to_csv
from automm.tracking.run_folder import COMPLETED, KILLED, Run, all_runs

pytestmark = pytest.mark.usefixtures("eager")

RECIPE = "logistic_both"
QUICK = ["training.epochs=1", "budget.trials=1", f"baselines=[concatenation, {RECIPE}, majority]"]


@pytest.fixture
def run_it(tmp_path, reporter, recorder):
    """A tiny experiment on three folds; resume=RUN continues it."""
    from automm.search.run import run_search

    path = write_reviews(tmp_path / "data")
    manifest = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**manifest, "splits": {"folds": 3}}))
    (tmp_path / "e.yaml").write_text(yaml.safe_dump({"manifest": "data/manifest.yaml", "name": "folded", **SMALL}))
    experiment = load_experiment(tmp_path / "e.yaml", QUICK)
    return lambda resume=None: run_search(experiment, tmp_path / "runs", recorder, reporter, resume=resume)


def of_fold(run, fold):
    return Run(run.folder / "folds" / str(fold))


def lines(run):
    return [(candidate.name, candidate.status) for fold in (2, 3) for candidate in of_fold(run, fold).candidates()]


def test_finalists_and_the_recipe_are_evaluated_on_all_folds(run_it, tmp_path, recorder, monkeypatch, capsys):
    """Ctrl-C loses only the candidate being trained, and a candidate that fails on a fold lacks only that figure."""
    from automm.search.candidates import head
    from automm.search.finalists import folds as cross_validate

    fold_search, train, answers = cross_validate._fold_search, head.train, cross_validate._answers
    trained, setups = [], {}

    def interrupted(*args, **kwargs):
        trained.append(1)
        if len(trained) == 4:  # the concatenation and a trial, then both on the second fold
            raise KeyboardInterrupt
        return train(*args, **kwargs)

    def kept(search, loaded, fold, run):
        inner = fold_search(search, loaded, fold, run)
        setups[fold] = inner.setup
        return inner

    def failing(search, inner, name):
        if name == "majority" and inner.setup is setups.get(3):
            raise TrialError("majority failed: out of memory")
        return answers(search, inner, name)

    monkeypatch.setattr(head, "train", interrupted)
    monkeypatch.setattr(cross_validate, "_fold_search", kept)
    monkeypatch.setattr(cross_validate, "_answers", failing)
    with pytest.raises(KeyboardInterrupt):
        run_it()
    (run,) = all_runs(tmp_path / "runs")
    assert run.read("result.json") == {}
    assert lines(run)[-1][1] == KILLED
    before = of_fold(run, 2).read("result.json")["test"]
    assert before, "what was measured before is kept"

    run = run_it(resume=run)
    result = run.read("result.json")
    scores = result["folds"]["scores"]
    assert list(scores)[:3] == result["finalists"]
    assert set(scores) == {*result["finalists"], RECIPE}
    for name, one in scores.items():
        assert (one["parts"], one["frozen"]) == ({name: 1.0}, False)
        assert one["folds"] == ([1, 2] if name == "majority" else [1, 2, 3])
        assert one["failed"] == ({"3": "majority failed: out of memory"} if name == "majority" else {})
        assert one["test"]["macro_f1"][0] == result["test"][name]["macro_f1"]
    for name, metrics in before.items():
        assert {metric: values[1] for metric, values in scores[name]["test"].items()} == metrics
    done = sorted(name for name, status in lines(run) if status == COMPLETED)
    assert done == sorted(2 * [name for name in scores if name != "majority"] + ["majority"] * ("majority" in scores))
    assert not list((run.folder / "folds").rglob("*.keras")), "models that nobody can export were left"

    sizes = {c.name: c.trainable_parameters for c in run.candidates()}
    there = [candidate for candidate in of_fold(run, 2).candidates() if candidate.status == COMPLETED]
    assert {c.name: c.trainable_parameters for c in there} == {c.name: sizes[c.name] for c in there}

    told = next(entry for entry in recorder.named("test") if entry[1] == result["best"])
    assert list(told[4]["folds/macro_f1"].values()) == scores[result["best"]]["test"]["macro_f1"]
    assert recorder.named("end")[-1][2]["folds/macro_f1_mean"] == scores[result["best"]]["mean"]["macro_f1"]
    board = leaderboard(tmp_path / "runs", run=run)
    assert next(row for row in board if row["name"] == result["best"])["folds"]["count"] == 3
    assert "folds_deviation_macro_f1" in to_csv(board).splitlines()[0]
    leaderboard_table(board, with_run=False)
    assert "test         folds" in capsys.readouterr().out
    assert any("on 3 folds" in line and " ± " in line for line in verdict(result))

    assert sorted(setups) == [2, 3]
    tested = [set(task.splits["test"].tolist()) for task in setups.values()]
    assert not tested[0] & tested[1]
    for task, test in zip(setups.values(), tested, strict=True):
        learned = {row for fold in task.folds for row in (*fold.train.tolist(), *fold.validation.tolist())}
        assert not learned & test
        assert len(learned) + len(test) == 60
