"""Trials in worker processes: none runs twice, a dead worker costs one trial, and no process is left behind."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from advice import advises, hear
from commands import run as command
from samples import SMALL, write_reviews

from automm.errors import NoTrialError
from automm.search.parallel.worker_options import WorkerOptions
from automm.tracking.run_folder import COMPLETED, FAILED, KILLED, Candidate, all_runs

pytestmark = pytest.mark.slow

LONG = {"epochs": 10_000, "patience": 10_000}  # a trial that ends when somebody ends it


@pytest.fixture
def place(tmp_path, store_template, shared_cache):
    """place(training=LONG) writes an experiment file e.yaml, with reviews and an empty store beside it."""
    write_reviews(tmp_path / "data")
    (tmp_path / "runs").mkdir()
    shutil.copyfile(store_template, tmp_path / "runs" / "mlflow.db")

    def write(**settings) -> Path:
        content = {"manifest": "data/manifest.yaml", **SMALL, "baselines": ["majority"], "name": "many", **settings}
        (tmp_path / "e.yaml").write_text(yaml.safe_dump(content))
        return tmp_path

    return write


def automm(*arguments, cwd):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "automm", *map(str, arguments)],
        cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
        # A shell's background job ignores Ctrl-C, and so would this process if the tests run in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def wait_for(condition, process, seconds=120):
    """Wait for the first true value of a function."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "nothing happened"
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return found


def workers_of(process):
    return [child for child in psutil.Process(process.pid).children() if "--worker" in child.cmdline()]


def training(folder, *workers):
    """A condition: these workers are in the middle of a trial, which is what their logs end with."""
    logs = {path.stem: path for path in folder.glob("runs/many/*/workers/*.log")}
    ends = [logs[name].read_text().rstrip().rpartition("\n")[2] if name in logs else "" for name in workers]
    return all(end.startswith("trial-") for end in ends)


def orphans(folder):
    return [
        other.info["pid"]
        for other in psutil.process_iter(["pid", "cmdline"])
        if "--worker" in (other.info["cmdline"] or []) and str(folder) in " ".join(other.info["cmdline"])
    ]


def candidates(folder) -> list[Candidate]:
    (run,) = all_runs(folder / "runs")
    return run.candidates()


def statuses(folder):
    return [(candidate.name, candidate.status) for candidate in candidates(folder)]


def children_in_mlflow(folder):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/runs/mlflow.db")
    everything = client.search_runs([client.get_experiment_by_name("many").experiment_id])
    assert not [run for run in everything if run.info.status == "RUNNING"]
    return sorted(run.info.run_name for run in everything if run.data.tags["automm.kind"] != "search")


def test_two_workers_share_the_trials(place):
    folder = place(budget={"trials": 5, "time": "10m"})
    process = automm("search", "e.yaml", "--workers", 2, cwd=folder)
    out, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert "best by validation" in out
    assert out.startswith("rank"), "KerasTuner's own lines are on stdout"
    found = candidates(folder)
    names = ["majority", *(f"trial-{number:03d}" for number in range(1, 6))]
    assert sorted(candidate.name for candidate in found) == names
    assert {candidate.status for candidate in found} == {COMPLETED}
    trials = [candidate for candidate in found if candidate.kind == "trial"]
    assert len({json.dumps(trial.hyperparameters, sort_keys=True) for trial in trials}) == 5, "one was tried twice"
    assert len({trial.seed for trial in trials}) == 5
    by = [trial.proposed_by for trial in sorted(trials, key=lambda trial: trial.name)]
    assert by[0] == "portfolio", "of five trials, one is the portfolio's"
    assert set(by[1:]) <= {"greedy", "random"}
    assert all(trial.history and trial.parameters and trial.peak_memory for trial in trials)
    assert children_in_mlflow(folder) == names
    both = [log for log in folder.glob("runs/many/*/workers/worker-*.log") if "trial-" in log.read_text()]
    assert len(both) == 2, "one worker did it all"
    assert not orphans(folder)

    # Resumed without workers: the process knows the trials of the workers.
    resumed = automm("search", "--resume", "latest", "--trials", 6, cwd=folder)
    out, said = resumed.communicate(timeout=240)
    assert resumed.returncode == 0, said
    assert statuses(folder)[-1] == ("trial-006", COMPLETED)
    points = [json.dumps(c.hyperparameters, sort_keys=True) for c in candidates(folder) if c.kind == "trial"]
    assert len(set(points)) == 6


def test_a_killed_worker_costs_its_trial(place):
    folder = place(training=LONG, budget={"trials": 2, "time": "10m"})
    process = automm("search", "e.yaml", "--workers", 1, cwd=folder)
    wait_for(lambda: training(folder, "worker-1"), process)
    time.sleep(2)
    (victim,) = workers_of(process)
    victim.kill()
    wait_for(lambda: ("trial-001", FAILED) in statuses(folder), process)
    wait_for(lambda: training(folder, "worker-2"), process)
    (replacement,) = workers_of(process)
    assert replacement.pid != victim.pid
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "automm search --resume" in said
    assert "Traceback" not in said
    assert statuses(folder) == [("majority", COMPLETED), ("trial-001", FAILED), ("trial-002", KILLED)]
    failed = candidates(folder)[1]
    assert failed.error == "its worker process died: SIGKILL: out of memory, or ended from outside"
    assert failed.hyperparameters
    assert failed.seconds > 1
    assert not orphans(folder)
    assert children_in_mlflow(folder)[:2] == ["majority", "trial-001"]


def test_no_worker_outlives_a_killed_search(place):
    folder = place(training=LONG, budget={"trials": 3, "time": "10m"})
    process = automm("search", "e.yaml", "--workers", 2, cwd=folder)
    wait_for(lambda: training(folder, "worker-1", "worker-2"), process)
    assert len(workers_of(process)) == 2
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    deadline = time.monotonic() + 5
    while orphans(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not orphans(folder)
    assert statuses(folder) == [("majority", COMPLETED)]

    resumed = automm("search", "--resume", "latest", "--trials", 0, "--workers", 1, cwd=folder)
    _, said = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, said
    assert children_in_mlflow(folder) == ["majority"]


@advises(
    "Copy the command that the search printed",
    "Start the search with --chief {}",
    "automm search --worker --chief {} --resume {} --runs-dir {}{}",
)
def test_a_worker_of_another_machine_joins(place, monkeypatch):
    """On this machine, with the command that the search prints, and without other workers."""
    folder = place(budget={"trials": 0, "time": "10m"})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    done = automm("search", "e.yaml", cwd=folder)
    assert done.wait(timeout=120) == 0, done.communicate()
    done.communicate()
    (run,) = all_runs(folder / "runs")
    worker = "search", "--worker", "--resume", run.name, "--runs-dir", folder / "runs"
    hear(command(*worker)[1], "Copy the command that the search printed")
    monkeypatch.setattr("automm.search.parallel.worker.ANSWER_SECONDS", 0.5)
    said = command(*worker, "--chief", address)[1]
    hear(said, "Start the search with --chief {}")

    chief = said.split("Start the search with ")[1].split()
    process = automm("search", "--resume", run.name, "--trials", 2, *chief, cwd=folder)
    printed = next(line[line.index("automm") :].strip() for line in process.stderr if "search --worker" in line)
    hear(printed, "automm search --worker --chief {} --resume {} --runs-dir {}{}")
    joined = automm(*printed.split()[1:], cwd="/")
    _, worker_said = joined.communicate(timeout=240)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert joined.returncode == 0, worker_said
    assert printed == f"automm search --worker --chief {address} --resume {run.name} --runs-dir {folder / 'runs'}"
    assert statuses(folder) == [("majority", COMPLETED), ("trial-001", COMPLETED), ("trial-002", COMPLETED)]


def test_workers_that_never_start_end_the_search(search, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    ended = "no trial completed: 3 workers ended before they got a trial, the last one: it ended with exit code 1"
    with pytest.raises(NoTrialError, match=ended):
        search("baselines=[majority]", worker_options=WorkerOptions(1))
    [run] = all_runs(tmp_path / "runs")
    assert [candidate.name for candidate in run.candidates()] == ["majority"]
    assert run.read("result.json")["best"] == "majority"
