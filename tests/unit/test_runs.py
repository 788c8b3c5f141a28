import json
import stat

import numpy as np
import pytest

from automm.data.files import write_atomically
from automm.errors import ConfigError, DataError, NotFoundError
from automm.tracking.run_folder import (
    COMPLETED,
    FAILED,
    KILLED,
    Candidate,
    Run,
    all_runs,
    create_run,
    find_run,
    rank,
)


@pytest.fixture
def run(tmp_path):
    return new_run(tmp_path, "demo", "20250101-120000-abcdef")


def new_run(runs_dir, experiment, name, mlflow_id=None):
    folder = runs_dir / experiment / name
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("manifest: m.yaml\n")
    made = Run(folder)
    if mlflow_id:
        made.write("tracking.json", {"run_id": mlflow_id})
    return made


FULL = Candidate(
    name="trial-001",
    kind="trial",
    status=COMPLETED,
    tier=2,
    hyperparameters={"fusion/operator": "product", "label/dropout": 0.25},
    seed=7,
    objective="val_macro_f1",
    score=0.5,
    validation={"accuracy": 0.5, "macro_f1": 0.5, "loss": 1.0},
    parameters=10,
    trainable_parameters=4,
    seconds=1.5,
    peak_memory=100,
    best_epoch=2,
    stopped="patience",
    history=[{"loss": 1.0, "val_loss": 1.1}],
    error="",
    started="2025-01-01T12:00:00.000+00:00",
)


def test_candidates_are_read_in_the_order_of_writing(run):
    failed = Candidate("größe \u2028 \n", "trial", FAILED, error="it broke\nTraceback\r\n  …")
    run.append(FULL)
    run.append(failed)
    assert run.candidates() == [FULL, failed]
    assert len((run.folder / "trials.jsonl").read_bytes().splitlines()) == 2


def test_a_new_run_is_empty(run):
    assert run.candidates() == []
    assert run.read("result.json") == {}
    run.repair()


@pytest.mark.parametrize("keep", [1, 20, -1])
def test_an_incomplete_last_line_is_ignored_and_removed(run, keep):
    run.append(FULL)
    whole = (run.folder / "trials.jsonl").read_bytes()
    (run.folder / "trials.jsonl").write_bytes(whole + whole[:keep])
    assert run.candidates() == [FULL]
    run.repair()
    run.append(Candidate("second", "trial", COMPLETED))
    assert [candidate.name for candidate in run.candidates()] == ["trial-001", "second"]


def test_an_incomplete_character_in_the_last_line(run):
    """A crash may cut between the two bytes of one character."""
    run.append(FULL)
    with (run.folder / "trials.jsonl").open("ab") as file:
        file.write('{"name": "größ'.encode()[:-1])
    assert run.candidates() == [FULL]


def test_nan_and_numpy_become_plain_json(run):
    candidate = Candidate(
        "x",
        "trial",
        FAILED,
        score=float("nan"),
        validation={"loss": np.float32("inf"), "accuracy": np.float32(0.5)},
        parameters=np.int64(3),
        history=[{"loss": float("-inf")}],
    )
    run.append(candidate)
    line = (run.folder / "trials.jsonl").read_text()
    assert "NaN" not in line
    assert "Infinity" not in line
    (again,) = run.candidates()
    assert again.score is None
    assert again.validation == {"loss": None, "accuracy": 0.5}
    assert again.history == [{"loss": None}]
    assert again.parameters == 3
    run.write("result.json", {"a": (1, np.float64("nan")), "b": "ö"})
    assert json.loads((run.folder / "result.json").read_text("utf-8")) == {"a": [1, None], "b": "ö"}


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_atomically(path, b"first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644

    def full(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="disk full"):
            write_atomically(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
    write_atomically(path, b"third")
    assert path.read_bytes() == b"third"
    assert list(tmp_path.iterdir()) == [path]


def test_a_promoted_trial_is_ranked_once_by_its_longest_training():
    def trial(name, width, epochs, score, stopped="round", status=COMPLETED):
        values = {"fusion/width": width, "tuner/epochs": epochs, "tuner/round": epochs}
        return Candidate(name, "trial", status, hyperparameters=values, score=score, stopped=stopped)

    candidates = [
        trial("short", 8, 1, 0.5),
        trial("not promoted", 4, 1, 0.4),
        trial("longer", 8, 3, 0.5),
        trial("longest", 8, 9, 0.5, stopped="patience"),
        trial("failed later", 2, 1, 0.3),
        trial("failed", 2, 3, None, status=FAILED),
    ]
    assert [c.name for c in rank(candidates, "max")] == ["longest", "not promoted", "failed later"]
    assert candidates[0].point == {"fusion/width": 8}


def test_rank_by_score_then_parameters_then_order():
    candidates = [
        Candidate("big", "trial", COMPLETED, score=0.5, parameters=9),
        Candidate("early", "trial", COMPLETED, score=0.5, parameters=3),
        Candidate("late", "trial", COMPLETED, score=0.5, parameters=3),
        Candidate("best", "trial", COMPLETED, score=0.6, parameters=99),
        Candidate("zero", "trial", COMPLETED, score=0.0),
        Candidate("failed", "trial", FAILED, score=0.9),
        Candidate("killed", "trial", KILLED, score=0.9),
        Candidate("scoreless", "trial", COMPLETED, score=None),
    ]
    assert [c.name for c in rank(candidates, "max")] == ["best", "early", "late", "big", "zero"]
    assert [c.name for c in rank(candidates, "min")] == ["zero", "early", "late", "big", "best"]


@pytest.mark.parametrize(("direction", "sign"), [("max", 1), ("min", -1)])
def test_an_ensemble_is_ranked_on_the_scale_of_single_candidates(direction, sign):
    """Its own score has no selection bias; and of equal candidates the ensemble is first."""
    candidates = [
        Candidate("single", "trial", COMPLETED, score=1 + 0.5 * sign, parameters=3),
        Candidate("equal", "ensemble", COMPLETED, score=1 + 0.4 * sign, comparable=1 + 0.5 * sign, parameters=9),
        Candidate("better", "ensemble", COMPLETED, score=1 + 0.3 * sign, comparable=1 + 0.6 * sign, parameters=9),
        Candidate("worse", "ensemble", COMPLETED, score=1 + 0.45 * sign, comparable=1 + 0.48 * sign, parameters=9),
        Candidate("old record", "ensemble", COMPLETED, score=1 + 0.49 * sign),
    ]
    assert [c.name for c in rank(candidates, direction)] == ["better", "equal", "single", "old record", "worse"]


@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_candidate_scored_on_one_fold_ranks_after_those_scored_on_all(direction):
    scores = {"lucky": (0.99, "1 of 5 folds"), "unlucky": (0.01, "1 of 5 folds"), "one": (0.6, "5 folds")}
    candidates = [
        Candidate(name, "baseline", COMPLETED, score=score, evaluation=evaluation)
        for name, (score, evaluation) in scores.items()
    ]
    assert rank(candidates, direction)[0].name == "one"
    assert len(rank(candidates, direction)) == 3


def test_pilots_second_seeds_and_copies_have_no_rank():
    """They take no finalist's place, are fine-tuned by nobody, and are in no ensemble."""
    candidates = [
        Candidate("packed_concatenation", "baseline", COMPLETED, score=0.9),
        Candidate("trial-001-seed-2", "seed", COMPLETED, score=0.8),
        Candidate("end_to_end-pilot", "pilot", COMPLETED, score=0.7),
    ]
    assert [c.name for c in rank(candidates, "max")] == ["packed_concatenation"], "the copy of nothing"
    original = Candidate("concatenation", "baseline", COMPLETED, score=0.6)
    assert rank([*candidates, original], "max") == [original]


def test_new_runs_never_share_a_folder(tmp_path):
    made = [create_run(tmp_path / "runs", "demo", "abcdef0123456789") for _ in range(3)]
    assert len({run.folder for run in made}) == 3
    assert all(run.candidates_folder.is_dir() and "abcdef" in run.name for run in made)
    assert {run.experiment for run in made} == {"demo"}
    assert list(all_runs(tmp_path / "runs")) == []  # a run begins with its config.yaml


class TestFindRun:
    @pytest.fixture
    def runs(self, tmp_path):
        new_run(tmp_path, "zebra", "20250101-120000-aaaaaa", "m" * 32)
        new_run(tmp_path, "zebra", "20250101-120000-aaaaaa-1")
        new_run(tmp_path, "apple", "20250102-120000-bbbbbb", "n" * 32)
        (tmp_path / "apple" / "20260101-000000-broken").mkdir()
        return tmp_path

    @pytest.mark.parametrize(
        ("wanted", "name"),
        [
            ("20250101-120000-aaaaaa", "20250101-120000-aaaaaa"),  # a name, though it begins another one
            ("20250101-120000-aaaaaa-1", "20250101-120000-aaaaaa-1"),
            ("20250102", "20250102-120000-bbbbbb"),
            ("m" * 32, "20250101-120000-aaaaaa"),
            ("n" * 32, "20250102-120000-bbbbbb"),
            ("latest", "20250102-120000-bbbbbb"),  # by time, not by the experiment's name
        ],
    )
    def test_by_name_prefix_mlflow_id_and_latest(self, runs, wanted, name):
        assert find_run(runs, wanted).name == name

    def test_by_folder(self, runs, tmp_path, monkeypatch):
        monkeypatch.chdir(runs)
        found = find_run(tmp_path / "elsewhere", "apple/20250102-120000-bbbbbb")
        assert found.folder == runs / "apple" / "20250102-120000-bbbbbb"

    def test_an_ambiguous_prefix_lists_the_runs(self, runs):
        with pytest.raises(
            NotFoundError, match=r"'20250101' is the beginning of several runs.*aaaaaa, 20250101-120000-aaaaaa-1"
        ):
            find_run(runs, "20250101")

    def test_an_unknown_run(self, runs, tmp_path):
        with pytest.raises(NotFoundError, match=r"'nothing' is not a run.*Name one of: .*bbbbbb"):
            find_run(runs, "nothing")
        with pytest.raises(NotFoundError, match=r"no runs under .* Start one: automm search MANIFEST"):
            find_run(tmp_path / "empty", "latest")

    def test_the_runs_of_one_experiment(self, runs):
        assert [run.name for run in all_runs(runs, "apple")] == ["20250102-120000-bbbbbb"]
        assert [run.experiment for run in all_runs(runs)] == ["zebra", "zebra", "apple"]


def test_only_one_process_can_lock_a_run(tmp_path):
    run = create_run(tmp_path, "experiment", "0123456789")
    with run.locked(), pytest.raises(ConfigError, match="in use"), Run(run.folder).locked():
        pass
    with run.locked():  # the lock is free again
        pass


def test_a_line_of_another_version_is_reported(tmp_path):
    run = create_run(tmp_path, "experiment", "0123456789")
    (run.folder / "trials.jsonl").write_text('{"name": "a", "no_such_field": 1}\n')
    with pytest.raises(DataError, match=r"trials\.jsonl:1"):
        run.candidates()
