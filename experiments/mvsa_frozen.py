"""Question: on real reviews, does a search beat a logistic regression on the same frozen features?

Command:  python experiments/mvsa_frozen.py --data MVSA_DIR --to experiments/mvsa_frozen.json
Data:     MVSA-Single (Niu et al. 2016), see data_manifests/mvsa_single.yaml; 2,800 labelled tweets with a photo each.
          Duplicate texts and pictures stay on one side of a split; a split of its own for each seed.
Cost:     see `seconds` in the result; the first seed also encodes.
Finding:  see experiments/README.md.

Each seed draws its own split (0.7, 0.15, 0.15) and runs ten baselines and 20 trials of the greedy search; the test
split is read once, after the search. Reported: every baseline, the candidate that the search chose by validation
macro-F1, and its paired difference to the logistic regression on text and pictures, with a bootstrap over the test rows
of all seeds.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent
RECIPE = "logistic_both"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with data/ and the label file")
    parser.add_argument("--to", type=Path, required=True, help="a JSON file")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--trials", type=int, default=20)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        raise SystemExit(f"skipped: {arguments.data} is not there; data_manifests/mvsa_single.yaml says how to get it")
    results = [run_seed(arguments, seed) for seed in arguments.seeds]
    summary = summarise(results)
    arguments.to.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print_table(summary)


def run_seed(arguments: argparse.Namespace, seed: int) -> dict:
    """One search; what it left."""
    from rich.console import Console

    from automm.config import resolve
    from automm.progress import ConsoleReporter
    from automm.search.run import run_search
    from automm.tracking.mlflow_server import tracking_uri
    from automm.tracking.mlflow_store import MlflowTracker

    arguments.runs_dir.mkdir(parents=True, exist_ok=True)
    manifest = yaml.safe_load((ROOT / "data_manifests" / "mvsa_single.yaml").read_text(encoding="utf-8"))
    manifest["path"] = str(arguments.data.resolve())
    manifest["splits"]["seed"] = seed
    path = arguments.runs_dir / f"mvsa-seed-{seed}.yaml"
    path.write_text(yaml.safe_dump(manifest, allow_unicode=True), encoding="utf-8")
    settings = {"manifest": str(path.resolve()), "name": "mvsa-frozen", "seed": seed, "inputs": {"max_images": 1}}
    experiment = resolve({**settings, "budget": {"trials": arguments.trials}}, path.parent, where=str(path))
    tracker = MlflowTracker(tracking_uri(arguments.runs_dir, None), arguments.runs_dir / "mlartifacts")
    reporter = ConsoleReporter(Console(stderr=True, width=140), arguments.trials, "macro_f1")
    began = time.monotonic()
    run = run_search(experiment, arguments.runs_dir, tracker, reporter)
    result = run.read("result.json")
    chosen = {candidate.name: candidate for candidate in run.candidates()}[result["best"]]
    with np.load(run.folder / "test_predictions.npz", allow_pickle=False) as saved:
        predictions = {name: saved[name] for name in saved.files if name != "ids"}
    return {
        "seed": seed,
        "seconds": time.monotonic() - began,
        "chosen": {"name": chosen.name, "validation": chosen.validation, "hyperparameters": chosen.hyperparameters},
        "validation": {candidate.name: candidate.validation for candidate in run.candidates()},
        "test": result["test"],
        "predictions": predictions,
    }


def summarise(results: list[dict]) -> dict:
    """Means and spreads over the seeds, and the paired differences to the recipe."""
    from automm.evaluate.metrics import paired_interval

    names = [name for name in results[0]["test"] if all(name in result["test"] for result in results)]
    names = [name for name in names if not name.startswith("trial-")]
    rows = {name: [result["test"][name] for result in results] for name in names}
    rows["the search's choice"] = [result["test"][result["chosen"]["name"]] for result in results]
    table = {
        name: {
            metric: [float(np.mean(values)), float(np.std(values))]
            for metric in ("macro_f1", "accuracy")
            for values in [[row[metric] for row in scores]]
        }
        for name, scores in rows.items()
    }
    labels = np.concatenate([result["predictions"]["labels"] for result in results])
    chosen = np.concatenate([result["predictions"][result["chosen"]["name"]] for result in results])
    recipe = np.concatenate([result["predictions"][RECIPE] for result in results])
    against = {
        metric: vars(paired_interval(labels, chosen, recipe, metric, rng=np.random.default_rng(0)))
        for metric in ("macro_f1", "accuracy")
    }
    runs = [{key: value for key, value in result.items() if key != "predictions"} for result in results]
    return {"test": table, "choice_against_recipe": against, "runs": runs}


def print_table(summary: dict) -> None:
    """What a person reads."""
    print(f"{'candidate':<22} {'macro-F1':>16} {'accuracy':>16}   (test, mean and spread over the seeds)")
    for name, row in sorted(summary["test"].items(), key=lambda item: -item[1]["macro_f1"][0]):
        cells = "  ".join(f"{mean:.3f} +- {spread:.3f}" for mean, spread in row.values())
        print(f"{name:<22}   {cells}")
    for metric, interval in summary["choice_against_recipe"].items():
        print(
            f"the choice minus {RECIPE}, {metric}: {interval['difference']:+.3f} "
            f"(95 % {interval['low']:+.3f} to {interval['high']:+.3f})"
        )


if __name__ == "__main__":
    main()
