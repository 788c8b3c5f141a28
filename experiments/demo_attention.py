"""Question: where one of several pictures matters, is attention worth more than the mean, and does it look at that one?

Command:  python experiments/demo_attention.py --to experiments/demo_attention.json
Data:     the demo's 600 reviews, other ones for each seed; 600 fresh ones (seed 77) to measure on, the same for all.
Cost:     see `seconds` in the result; most of it is encoding pictures.
Finding:  see experiments/README.md.

The hand-built concatenation is trained with every pooling of the space, as trials are (five folds over train and
validation, whose models are averaged), and reads the fresh reviews. The generator knows which picture a review is
about; the weights that `automm predict --explain` would give are asked whether their largest is that picture's, in the
reviews with several pictures. By chance it would be in about a third of them.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from portfolio import Silent

FRESH_SEED = 77


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a JSON file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--fresh", type=int, default=600)
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        fresh = task_of(Path(folder) / "fresh", arguments.fresh, FRESH_SEED)
        relevant = relevant_pictures(Path(folder) / "fresh")
        runs = [measure(Path(folder), seed, fresh, relevant) for seed in arguments.seeds]
    result = {
        "fresh": arguments.fresh,
        "seconds": round(time.monotonic() - began),
        "poolings": {name: summary([run[name] for run in runs]) for name in runs[0]},
        "minus_mean": differences(fresh, runs),
        "runs": [{name: {key: row[key] for key in ("accuracy", "right")} for name, row in run.items()} for run in runs],
    }
    arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_table(result)


def task_of(folder: Path, reviews: int, seed: int) -> Any:
    """Demo reviews, written, encoded."""
    from automm.config import resolve
    from automm.data.demo import write_demo
    from automm.search.prepare import load, prepare, sources

    settings = {"manifest": str(write_demo(folder, reviews=reviews, seed=seed)), "evaluation": {"folds": 5}}
    experiment = resolve(settings, folder, where="experiment")
    loaded = load(experiment)
    return prepare(experiment, loaded, sources(experiment, loaded))


def relevant_pictures(folder: Path) -> dict[str, int]:
    """Of reviews with several pictures: the place of the one that the review is about."""
    lines = (folder / "reviews.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return {record["review_id"]: record["relevant_image"] for record in records if len(record["photos"]) > 1}


def measure(folder: Path, seed: int, fresh: Any, relevant: dict[str, int]) -> dict[str, dict[str, Any]]:
    """Every pooling, trained on the reviews of one seed."""
    import keras

    from automm.models.baselines import CONCATENATION, fused
    from automm.models.pooling import POOLINGS
    from automm.search.session import Search
    from automm.search.space import DEFAULTS
    from automm.tracking.runs import create_run

    task = task_of(folder / f"demo-{seed}", 600, seed)
    search = Search(task, create_run(folder / f"runs-{seed}", "demo", "0" * 6), Silent(), Silent(), None)
    rows = {}
    for pooling in POOLINGS:
        point = {**DEFAULTS, **CONCATENATION, "image/pooling": pooling}
        candidate = search.train(pooling, "baseline", point, lambda p=point: fused(task.shapes, p), seed_name=str(seed))
        if candidate.error:
            raise SystemExit(candidate.error)
        model = keras.saving.load_model(search.run.model_path(pooling), compile=False)
        rows[pooling] = read(model, fresh, relevant)
        shown = {key: rows[pooling][key] for key in ("accuracy", "right")}
        print(f"seed {seed} {pooling}: {shown}  {candidate.seconds:.0f} s", flush=True)
    return rows


def read(model: Any, task: Any, relevant: dict[str, int]) -> dict[str, Any]:
    """Probabilities of fresh reviews, and how often the largest weight is the right picture's; None without weights."""
    from automm.models.explain import Explained, poolings_of
    from automm.search.train import predict

    rows = np.arange(len(task.arrays))
    probabilities = predict(model, task.features, rows)
    accuracy = float((probabilities.argmax(axis=1) == task.arrays.labels).mean())
    right = None
    if poolings_of(model):
        weights = np.asarray(Explained(model)(task.features.batch(rows))["weights"])
        several = [(row, relevant[task.arrays.ids[row]]) for row in rows if task.arrays.ids[row] in relevant]
        right = float(np.mean([weights[row].argmax() == place for row, place in several]))
    return {"accuracy": accuracy, "right": right, "probabilities": probabilities}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over the seeds."""
    found = {"accuracy": [row["accuracy"] for row in rows]}
    if rows[0]["right"] is not None:
        found["right"] = [row["right"] for row in rows]
    return {key: [round(float(np.mean(values)), 4), round(float(np.std(values)), 4)] for key, values in found.items()}


def differences(task: Any, runs: list[dict[str, dict[str, Any]]]) -> dict[str, list[float]]:
    """Of accuracy to the mean's: the difference and its 95 % interval, by a bootstrap over reviews."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(task.arrays), (2000, len(task.arrays)))

    def hits(name: str) -> np.ndarray:
        """For each review, in which share of the seeds it was right."""
        return np.mean([run[name]["probabilities"].argmax(axis=1) == task.arrays.labels for run in runs], axis=0)

    found = {}
    for name in runs[0]:
        gain = hits(name) - hits("mean")
        low, high = np.quantile(gain[draws].mean(axis=1), [0.025, 0.975])
        found[name] = [round(float(value), 4) for value in (gain.mean(), low, high)]
    return found


def print_table(result: dict[str, Any]) -> None:
    """For experiments/README.md."""
    print("\n| pooling | accuracy | minus the mean's | largest weight on the right picture |\n|---|---|---|---|")
    for name, row in sorted(result["poolings"].items(), key=lambda item: -item[1]["accuracy"][0]):
        gain = "{:+.3f} ({:+.3f} to {:+.3f})".format(*result["minus_mean"][name])
        cells = [
            "{:.3f} ± {:.3f}".format(*row["accuracy"]),
            "" if name == "mean" else gain,
            "{:.3f} ± {:.3f}".format(*row["right"]) if "right" in row else "no weights",
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
