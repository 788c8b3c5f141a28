"""Question: what does a search lose when its processes are killed?

Command:  python experiments/benchmarks/survival.py --worker-kills 20
          python experiments/benchmarks/survival.py --search-kills 30
Cost:     about ten seconds per killed worker and a minute per killed search, on two cores; tiny encoders, no downloads.
Prints:   --worker-kills: one search with two workers; in each of this number of trials one worker is killed (kill -9).
          --search-kills: this number of searches with two workers; the parent is killed within seconds of a trial drawn
          at random (seeded), and the search resumed.
          Counts everything lost, repeated, duplicated in MLflow, left RUNNING or left behind; exit code 1 if there is
          any.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

TRIALS = 4  # per killed search
SETTINGS = {
    "baselines": ["majority", "concatenation"],
    "encoders": {"text": "tiny-bert", "image": "tiny-cnn"},
    "inputs": {"image_size": 16, "max_images": 2, "sequence_length": 16},
    "tuner": "random",  # the greedy tuner may find nothing new after twenty failures
    "ensemble": False,
    "tier2": {"finalists": 0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--worker-kills", type=int, default=0)
    parser.add_argument("--search-kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        result: dict = {"seed": arguments.seed}
        if arguments.worker_kills:
            result["worker_kills"] = kill_workers(folder, arguments.worker_kills, rng)
        if arguments.search_kills:
            result["search_kills"] = kill_searches(folder, arguments.search_kills, rng)
        print(json.dumps(result, indent=2))
        bad = ("lost", "repeated", "double_in_mlflow", "left_running", "orphans", "unfinished")
        sys.exit(1 if any(part.get(key) for part in result.values() if isinstance(part, dict) for key in bad) else 0)


def prepare(folder: Path) -> None:
    from mlflow.tracking import MlflowClient

    from automm.data.demo.generate import write_demo

    write_demo(folder / "demo", reviews=90)
    (folder / "runs").mkdir()
    os.environ["AUTOMM_CACHE_DIR"] = str(folder / "cache")
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    MlflowClient(f"sqlite:///{folder}/runs/mlflow.db").search_experiments()  # create the tables


def kill_workers(folder: Path, kills: int, rng: random.Random) -> dict:
    """Run one search; kill a worker in each of `kills` trials, then let the rest finish."""
    trials = (kills + 1) // 2  # a search replaces twice this number of workers
    write(folder, "workers", trials=trials, epochs=300)
    process = automm(folder, "search", "workers.yaml", "--workers", "2")
    killed: set[str] = set()
    while len(killed) < kills and process.poll() is None:
        for worker, trial in in_training(folder):
            if trial not in killed and len(killed) < kills:
                time.sleep(rng.uniform(0.2, 1.5))
                if (worker, trial) in in_training(folder):  # still training
                    worker_process(folder, worker).kill()
                    killed.add(trial)
        time.sleep(0.1)
    output = process.communicate(timeout=1800)[0]
    found = candidates(folder, "workers")
    failed = {c["name"] for c in found if c["status"] == "FAILED"}
    completed = sum(c["status"] == "COMPLETED" for c in found if c["name"].startswith("trial"))
    return {
        "killed": len(killed),
        "failed": len(failed),
        "failed_but_not_killed": sorted(failed - killed),
        "ended_just_before": sorted(killed - failed),
        "lost": sorted(killed - {c["name"] for c in found}),
        "completed": completed,
        "causes": sorted({c["error"].splitlines()[0] for c in found if c["status"] == "FAILED"}),
        "unfinished": [] if process.returncode == 0 and completed == trials else output.splitlines()[-30:],
        **in_mlflow(folder, "workers"),
        "orphans": orphans(folder),
    }


def kill_searches(folder: Path, kills: int, rng: random.Random) -> dict:
    """Run searches; kill each once and resume it."""
    total: Counter[str] = Counter()
    moments: Counter[str] = Counter()
    for number in range(kills):
        name = f"search-{number:02d}"
        write(folder, name, trials=TRIALS, epochs=20)
        process = automm(folder, "search", f"{name}.yaml", "--workers", "2")
        # Waiting only for seconds would kill every search on a busy machine before its first trial.
        trials, later = rng.randrange(TRIALS), rng.uniform(0, 6)
        while process.poll() is None and trials_finished(folder, name) < trials:
            time.sleep(0.05)
        time.sleep(later)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = content(folder, name)
        whole = before[: before.rfind(b"\n") + 1]
        moments[f"{trials_finished(folder, name)} trials finished"] += 1
        total["orphans"] += len(orphans(folder))
        resumed = automm(folder, "search", "--resume", run_of(folder, name).name, "--workers", "2")
        output = resumed.communicate(timeout=600)[0]
        if resumed.returncode:
            total["unfinished"] += 1
            print(output, file=sys.stderr)
        total["lost"] += not content(folder, name).startswith(whole)
        tried = [c for c in done(folder, name) if c["hyperparameters"] and c["kind"] != "seed"]  # seeds repeat points
        points = [json.dumps(c["hyperparameters"], sort_keys=True) for c in tried]
        names = [c["name"] for c in done(folder, name)]
        total["repeated"] += len(points) - len(set(points)) + len(names) - len(set(names))
        total["lost"] += max(0, 2 + TRIALS - len(names))
        for key, value in in_mlflow(folder, name).items():
            total[key] += len(value)
        total["orphans"] += len(orphans(folder))
        print(f"{number + 1}/{kills}", dict(total), file=sys.stderr)
    keys = ("lost", "repeated", "double_in_mlflow", "left_running", "orphans", "unfinished")
    return {"searches": kills, **{key: total[key] for key in keys}, "killed_with": dict(sorted(moments.items()))}


def trials_finished(folder: Path, name: str) -> int:
    """Return the number of recorded trials; -1 while there is no run to resume."""
    if not list(folder.glob(f"runs/{name}/*/config.yaml")):
        return -1
    return content(folder, name).count(b'"name": "trial-')


def write(folder: Path, name: str, *, trials: int, epochs: int) -> None:
    experiment = {"manifest": "demo/manifest.yaml", "name": name, **SETTINGS, "budget": {"trials": trials}}
    experiment["training"] = {"epochs": epochs, "patience": epochs}
    (folder / f"{name}.yaml").write_text(json.dumps(experiment))  # JSON is YAML


def automm(folder: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-P", "-m", "automm", *arguments]
    return subprocess.Popen(
        command, cwd=folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def in_training(folder: Path) -> list[tuple[str, str]]:
    """Return (worker, trial) for each worker that is training: the last line of its log names the trial."""
    found = []
    for log in folder.glob("runs/workers/*/workers/*.log"):
        lines = log.read_text().strip().splitlines()
        if lines and re.fullmatch(r"trial-\d+", lines[-1]) and worker_process(folder, log.stem) is not None:
            found.append((log.stem, lines[-1]))
    return found


def worker_process(folder: Path, name: str) -> psutil.Process | None:
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "--worker" in words and name in words and any(word.startswith(str(folder)) for word in words):
            return process
    return None


def orphans(folder: Path) -> list[int]:
    time.sleep(1)
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(word.startswith(str(folder)) for word in process.info["cmdline"] or [])
    ]


def run_of(folder: Path, name: str) -> Path:
    (run,) = folder.glob(f"runs/{name}/*")
    return run


def content(folder: Path, name: str) -> bytes:
    path = run_of(folder, name) / "trials.jsonl"
    return path.read_bytes() if path.is_file() else b""


def candidates(folder: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in content(folder, name).splitlines()]


def done(folder: Path, name: str) -> list[dict]:
    return [candidate for candidate in candidates(folder, name) if candidate["status"] == "COMPLETED"]


def in_mlflow(folder: Path, name: str) -> dict[str, list[str]]:
    """Return names that the store has twice, not at all, or still as RUNNING."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/runs/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name(name).experiment_id], max_results=1000)
    told = Counter(run.data.tags.get("automm.name") for run in runs if run.data.tags.get("automm.name"))
    wanted = {c["name"] for c in candidates(folder, name) if c["status"] != "KILLED"}
    return {
        "double_in_mlflow": [key for key, count in told.items() if count > 1],
        "missing_in_mlflow": sorted(wanted - set(told)),
        "left_running": [run.info.run_name for run in runs if run.info.status == "RUNNING"],
    }


if __name__ == "__main__":
    main()
