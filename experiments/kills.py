"""Question: is anything lost, twice or different when a search is killed at any moment and resumed?

Command:  python experiments/kills.py --kills 20 --seed 1
Cost:     not known: it was not run whole yet.

A reference search of 30 % of the demo (random tiny encoders, three baselines, two trials, second seeds, tier 2, an
ensemble) runs to its end. Then each round starts the same search, kills the process (SIGKILL) at a random moment of
the reference's duration, in half of the rounds kills the resumed search once more, and resumes it to the end. Compared
with the reference: names, scores, proposals and order of the candidates, the test figures, and the answers on the test
split. Also checked: every candidate has one finished run in MLflow, and no temporary file is left in the run folder.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

SETTINGS = (
    "encoders={text: tiny-bert, image: tiny-cnn}", "inputs={image_size: 32, max_images: 2, sequence_length: 16}",
    "training={epochs: 2}", "tier2={finalists: 1, epochs: 1}", "seed=7",
    "baselines=[majority, logistic_both, concatenation]",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        automm("demo", f"{folder}/demo").wait()
        began = time.monotonic()
        finish(search(Path(folder), "reference"))
        duration = time.monotonic() - began
        expected = found(Path(folder, "reference"))
        print(f"reference: {duration:.0f} s, {len(expected['candidates'])} candidates", flush=True)
        wrong = 0
        for number in range(1, arguments.kills + 1):
            runs = Path(folder, f"runs-{number}")
            moments = [rng.uniform(0, duration)]
            if rng.random() < 0.5:
                moments.append(rng.uniform(0, duration))
            stages = [kill(search(Path(folder), runs.name), moment, runs) for moment in moments]
            finish(search(Path(folder), runs.name))
            differences = compare(expected, found(runs))
            wrong += bool(differences)
            print(number, [f"{moment:.1f} s: {stage}" for moment, stage in zip(moments, stages, strict=True)], end=" ")
            print("; ".join(differences) or "the same", flush=True)
    print(json.dumps({"kills": arguments.kills, "different": wrong}))
    sys.exit(bool(wrong))


def automm(*words: str) -> subprocess.Popen:
    """Start a command of automm."""
    return subprocess.Popen(
        [sys.executable, "-m", "automm", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def folders(runs: Path) -> list[Path]:
    return [path.parent for path in runs.glob("*/*/manifest.json")]


def search(folder: Path, runs: str) -> subprocess.Popen:
    """Start the search, or resume the one that is there."""
    place = ("--runs-dir", str(folder / runs))
    if folders(folder / runs):
        return automm("search", "--resume", "latest", *place)
    chosen = [word for setting in SETTINGS for word in ("--set", setting)]
    return automm("search", f"{folder}/demo/manifest.yaml", "--trials", "2", "--subsample", "0.3", *chosen, *place)


def kill(process: subprocess.Popen, after: float, runs: Path) -> str:
    """Kill a process after some seconds; return how far it came."""
    try:
        process.wait(after)
        return "had ended"
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    there = folders(runs)
    if not there:
        return "no run yet"
    lines = there[0] / "trials.jsonl"
    return f"{len(lines.read_bytes().splitlines()) if lines.is_file() else 0} lines"


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(errors)


def found(runs: Path) -> dict:
    """Return what a finished search left in its folder and in MLflow."""
    from mlflow import MlflowClient

    (run,) = folders(runs)
    lines = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    with np.load(run / "test_predictions.npz", allow_pickle=False) as saved:
        answers = {name: saved[name] for name in saved.files}
    client = MlflowClient(f"sqlite:///{runs}/mlflow.db")
    children = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return {
        "candidates": [
            {key: line[key] for key in ("name", "status", "score", "seed", "hyperparameters", "proposed_by")}
            for line in lines
        ],
        "test": json.loads((run / "result.json").read_text())["test"],
        "answers": answers,
        "MLflow": dict(Counter((child.info.run_name, child.info.status) for child in children)),
        "temporary files": sorted(path.name for path in run.rglob(".*-*")),
    }


def compare(expected: dict, seen: dict) -> list[str]:
    """Return what differs, by name."""
    different = [name for name in ("candidates", "test", "temporary files") if expected[name] != seen[name]]
    if expected["answers"].keys() != seen["answers"].keys() or any(
        not np.array_equal(array, seen["answers"][name]) for name, array in expected["answers"].items()
    ):
        different.append("answers")
    runs = {key: count for key, count in seen["MLflow"].items() if key not in expected["MLflow"]}
    if len(seen["MLflow"]) != len(expected["MLflow"]) or any(
        count != 1 or status != "FINISHED" for (_, status), count in seen["MLflow"].items()
    ):
        different.append(f"MLflow: {runs or seen['MLflow']}")
    return different


if __name__ == "__main__":
    main()
