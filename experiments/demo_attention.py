"""Question: if one of several pictures matters, is attention worth more than the mean, and does it find that picture?

Command:  python experiments/demo_attention.py --to experiments/demo_attention.json
Data:     the demo's 600 reviews, different ones for each seed; 600 fresh reviews (seed 77) for measuring, the same for
          all seeds.
Cost:     see `seconds` in the result, plus encoding the pictures. Results that the file already has are not run again.
Finding:  see experiments/README.md.

A low-rank bilinear fusion is trained with every pooling of the space, in the same way as trials: five folds over train
and validation, whose models are averaged. Each pooling gets the same four combinations of head and learning rate; the
best of them by validation reads the fresh reviews. The generator knows which picture a review is about. In reviews with
several pictures the script tests whether the largest weight of `automm predict --explain` is on that picture. By chance
it would be in about a third of the reviews.
"""

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from portfolio import Silent

FRESH, FRESH_SEED = 600, 77
OPERATORS = ("low_rank_bilinear", "concatenation")
HEADS = ({"label/layers": 1, "label/dropout": 0.25}, {"label/layers": 2, "label/dropout": 0.5})
LEARNING_RATES = (1e-3, 3e-3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a JSON file; what it holds already is kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--operators", nargs="+", default=OPERATORS[:1], choices=OPERATORS)
    arguments = parser.parse_args()
    result: dict[str, Any] = {"fresh": FRESH, "runs": {}}
    if arguments.to.is_file():
        result = json.loads(arguments.to.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        fresh = task_of(Path(folder) / "fresh", FRESH, FRESH_SEED)
        relevant = relevant_pictures(Path(folder) / "fresh")
        for seed in arguments.seeds:
            runs = result["runs"].setdefault(str(seed), {})
            for name, row in measure(Path(folder), seed, arguments.operators, runs, fresh, relevant):
                runs[name] = row
                result["summary"] = summary(result["runs"])
                arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_table(result["summary"])


def task_of(folder: Path, reviews: int, seed: int) -> Any:
    """Write demo reviews and encode them."""
    from automm.config.experiment import resolve
    from automm.data.demo.generate import write_demo
    from automm.search.setup.data import encoder_sources, load, prepare

    settings = {"manifest": str(write_demo(folder, reviews=reviews, seed=seed)), "evaluation": {"folds": 5}}
    experiment = resolve(settings, folder, name="experiment")
    loaded = load(experiment)
    return prepare(experiment, loaded, encoder_sources(experiment, loaded))


def relevant_pictures(folder: Path) -> dict[str, int]:
    """Return the position of the relevant picture for each review with several pictures."""
    lines = (folder / "reviews.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return {record["review_id"]: record["relevant_image"] for record in records if len(record["photos"]) > 1}


def measure(
    folder: Path, seed: int, operators: Any, done: dict[str, Any], fresh: Any, relevant: dict[str, int]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Train every operator with every pooling that has no result yet on the reviews of one seed."""
    import keras

    from automm.models.baselines import CONCATENATION, fused
    from automm.models.pooling import POOLINGS
    from automm.search.candidates.head import Head
    from automm.search.session import Search
    from automm.search.space.table import DEFAULTS
    from automm.tracking.run_folder import create_run

    task = task_of(folder / f"demo-{seed}", 600, seed)
    search = Search(task, create_run(folder / f"runs-{seed}", "demo", "0" * 6), Silent(), Silent(), None)
    for operator, pooling in itertools.product(operators, POOLINGS):
        name = f"{operator}-{pooling}"
        if name in done:
            continue
        tried = []
        for head, rate in itertools.product(HEADS, LEARNING_RATES):
            point = {**DEFAULTS, **CONCATENATION, **head, "fusion/operator": operator, "image/pooling": pooling}
            point["training/learning_rate"] = rate
            label = f"{name}-{head['label/layers']}-{rate}"
            tried.append(
                search.runner.run(
                    Head(label, "baseline", point, str(seed), build=lambda p=point: fused(task.shapes, p))
                )
            )
            if tried[-1].error:
                raise SystemExit(tried[-1].error)
        best = max(tried, key=lambda candidate: candidate.score)
        model = keras.saving.load_model(search.run.model_path(best.name), compile=False)
        row = {
            **read(model, fresh, relevant),
            "validation": round(best.score, 4),
            "head": {key: best.hyperparameters[key] for key in (*HEADS[0], "training/learning_rate")},
            "seconds": round(sum(candidate.seconds for candidate in tried), 1),
        }
        print(f"seed {seed} {name}: accuracy {row['accuracy']:.3f}, right {row['right']}", flush=True)
        yield name, row


def read(model: Any, task: Any, relevant: dict[str, int]) -> dict[str, Any]:
    """Return for fresh reviews whether the label is right, and whether the largest weight is on the right picture."""
    from automm.models.pooling.picture_weights import Explained, count_attention_poolings
    from automm.search.training.loop import predict

    rows = np.arange(len(task.arrays))
    hits = predict(model, task.features, rows).argmax(axis=1) == task.arrays.targets
    right = None
    if count_attention_poolings(model):
        weights = np.asarray(Explained(model)(task.features.batch(rows))["weights"])
        several = [(row, relevant[task.arrays.ids[row]]) for row in rows if task.arrays.ids[row] in relevant]
        right = round(float(np.mean([weights[row].argmax() == place for row, place in several])), 4)
    return {"accuracy": round(float(hits.mean()), 4), "right": right, "hits": "".join(map(str, hits.astype(int)))}


def summary(runs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return mean and deviation over the seeds, and the difference to mean pooling with its 95 % interval."""
    names = [name for name in next(iter(runs.values())) if all(name in run for run in runs.values())]
    draws = np.random.default_rng(0).integers(0, FRESH, (2000, FRESH))  # a bootstrap over reviews

    def spread(name: str, key: str) -> list[float]:
        values = [run[name][key] for run in runs.values()]
        return [round(float(np.mean(values)), 4), round(float(np.std(values)), 4)]

    def hits(name: str) -> np.ndarray:
        """Return for each review the share of seeds in which it was right."""
        return np.mean([[int(hit) for hit in run[name]["hits"]] for run in runs.values()], axis=0)

    found: dict[str, dict[str, Any]] = {}
    for name in names:
        found[name] = {"accuracy": spread(name, "accuracy")}
        if next(iter(runs.values()))[name]["right"] is not None:
            found[name]["right"] = spread(name, "right")
        plain = f"{name.partition('-')[0]}-mean"
        if plain in names and plain != name:
            gain = hits(name) - hits(plain)
            low, high = np.quantile(gain[draws].mean(axis=1), [0.025, 0.975])
            found[name]["minus_mean"] = [round(float(value), 4) for value in (gain.mean(), low, high)]
    return found


def print_table(table: dict[str, dict[str, Any]]) -> None:
    """Print the table of experiments/README.md."""
    print("\n| fusion | pooling | accuracy | minus the mean's | largest weight on the right picture |")
    print("|---" * 5 + "|")
    for name, row in sorted(table.items(), key=lambda item: -item[1]["accuracy"][0]):
        cells = [
            *name.split("-"),
            "{:.3f} ± {:.3f}".format(*row["accuracy"]),
            "{:+.3f} ({:+.3f} to {:+.3f})".format(*row["minus_mean"]) if "minus_mean" in row else "",
            "{:.3f} ± {:.3f}".format(*row["right"]) if "right" in row else "no weights",
        ]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
