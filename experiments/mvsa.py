"""Question: on real reviews, does a search beat a logistic regression on the same frozen features, and what does
fine-tuning the upper layers of both encoders add?

Command:  python experiments/mvsa.py --data MVSA_DIR --to experiments/mvsa.json
Data:     MVSA-Single (Niu et al. 2016), see data_manifests/mvsa_single.yaml; 2,800 labelled tweets with one photo each.
          Duplicate texts and pictures are in the same split. Each seed has its own split.
Cost:     see `seconds` in the result; the first seed also encodes.
Finding:  see experiments/README.md.

Each seed draws a split (0.6, 0.15, 0.25) and runs ten baselines, 20 trials of the greedy search, tier 2 on the best of
them, and an ensemble. The test split is read once, after the search. Reported: every baseline; the candidate that the
search chose by macro-F1 out of fold; its paired difference to the logistic regression on both modalities; and the
paired difference between the fine-tuned candidate and the candidate it started from. The test reviews of all seeds are
pooled; their intervals resample reviews, linked ones together, because a review may be in the test split of two seeds.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent
RECIPE = "logistic_both"
TUNED, BEFORE = "fine-tuned", "before fine-tuning"


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
    """Run one search and return its results."""
    from rich.console import Console

    from automm.cli.progress import ConsoleReporter
    from automm.config.experiment import resolve
    from automm.search.run import run_search
    from automm.tasks.registry import TASKS
    from automm.tracking.mlflow_server import tracking_uri
    from automm.tracking.mlflow_tracker import MlflowTracker
    from automm.tracking.packed_answers import TEST, PackedAnswers

    arguments.runs_dir.mkdir(parents=True, exist_ok=True)
    manifest = yaml.safe_load((ROOT / "data_manifests" / "mvsa_single.yaml").read_text(encoding="utf-8"))
    manifest["path"] = str(arguments.data.resolve())
    manifest["splits"] = {"fractions": {"train": 0.6, "validation": 0.15, "test": 0.25}, "seed": seed}
    path = arguments.runs_dir / f"mvsa-seed-{seed}.yaml"
    path.write_text(yaml.safe_dump(manifest, allow_unicode=True), encoding="utf-8")
    settings = {"manifest": str(path.resolve()), "name": f"mvsa-seed-{seed}", "seed": seed, "inputs": {"max_images": 1}}
    experiment = resolve({**settings, "budget": {"trials": arguments.trials}}, path.parent, name=str(path))
    tracker = MlflowTracker(tracking_uri(arguments.runs_dir, None), arguments.runs_dir / "mlartifacts")
    reporter = ConsoleReporter(Console(stderr=True, width=140), arguments.trials, "macro_f1")
    began = time.monotonic()
    run = run_search(experiment, arguments.runs_dir, tracker, reporter)
    result = run.read("result.json")
    chosen = {candidate.name: candidate for candidate in run.candidates()}[result["best"]]
    tested = PackedAnswers.read(run, TEST)
    predictions = {"ids": tested.rows.ids, "labels": tested.rows.targets, **tested.answers}
    # None if the pilot lost on the first fold: then nothing was fine-tuned on all folds.
    tuned = next((candidate.name for candidate in run.candidates() if candidate.kind == "fine-tuned"), None)
    before, predictions["units"] = read_origin(experiment, run, tuned and tuned.removesuffix("-tuned"))
    compared = {} if tuned is None else {TUNED: predictions[tuned], BEFORE: before}
    predictions |= compared
    test = result["test"] | {
        name: TASKS["classification"].measure(predictions["labels"], answers) for name, answers in compared.items()
    }
    return {
        "seed": seed,
        "seconds": time.monotonic() - began,
        "chosen": {"name": chosen.name, "validation": chosen.validation, "hyperparameters": chosen.hyperparameters},
        "validation": {candidate.name: candidate.validation for candidate in run.candidates()},
        "selection": result["selection"],
        "tier2": result["tier2"],
        "test": test,
        "predictions": predictions,
    }


def read_origin(experiment: Any, run: Any, name: str | None) -> tuple[np.ndarray | None, np.ndarray]:
    """Predict the test split with the candidate that was fine-tuned, which may not be a finalist.

    Returns:
        (n, labels) probabilities, None without a name; and the unit of each test review, (n,).
    """
    import keras
    from rich.console import Console

    from automm.cli.progress import ConsoleReporter
    from automm.search.session import Search
    from automm.search.setup.data import encoder_sources, load, prepare
    from automm.tracking.protocol import NoTracker

    loaded = load(experiment)
    task = prepare(experiment, loaded, encoder_sources(experiment, loaded))
    search = Search(task, run, NoTracker(), ConsoleReporter(Console(stderr=True), 0, "macro_f1"), None)
    rows = task.rows("test")
    if name is None:
        return None, task.units[rows]
    return search.bench.predictor(keras.saving.load_model(run.model_path(name), compile=False))(rows), task.units[rows]


def pooled_units(results: list[dict]) -> np.ndarray:
    """Return the unit of each test review of all seeds; links, and so units, do not depend on the split."""
    ids, units = (np.concatenate([result["predictions"][key] for result in results]) for key in ("ids", "units"))
    if len({*zip(ids.tolist(), units.tolist(), strict=True)}) != len({*ids.tolist()}):
        raise SystemExit("the seeds have linked the reviews differently: was the data changed between them?")
    return units


def summarise(results: list[dict]) -> dict:
    """Return means and spreads over the seeds, and the paired differences to the logistic regression."""
    from automm.evaluate.compare import paired_interval
    from automm.tasks.registry import TASKS

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

    def difference(first: Any, second: Any) -> dict:
        """Return the paired difference of two candidates over the seeds that have both; {} if none has.

        Each is a function of a seed's result.
        """
        both = [r for r in results if {first(r), second(r)} <= r["predictions"].keys()]
        if not both:
            return {}
        labels, units = np.concatenate([result["predictions"]["labels"] for result in both]), pooled_units(both)
        pair = [np.concatenate([r["predictions"][name(r)] for r in both]) for name in (first, second)]
        return {
            metric: vars(paired_interval(TASKS["classification"], labels, *pair, metric, units=units))
            for metric in ("macro_f1", "accuracy")
        }

    optimism = [r["chosen"]["validation"]["macro_f1"] - r["test"][r["chosen"]["name"]]["macro_f1"] for r in results]
    corrected = [r["selection"]["corrected"] - r["test"][r["chosen"]["name"]]["macro_f1"] for r in results]
    runs = [{key: value for key, value in result.items() if key != "predictions"} for result in results]
    return {
        "test": table,
        "choice_against_recipe": difference(lambda r: r["chosen"]["name"], lambda r: RECIPE),
        "tuned_against_before": difference(lambda r: TUNED, lambda r: BEFORE),
        "selection_minus_test": {"mean": float(np.mean(optimism)), "corrected_mean": float(np.mean(corrected))},
        "runs": runs,
    }


def print_table(summary: dict) -> None:
    """Print the results for people."""
    print(f"{'candidate':<22} {'macro-F1':>16} {'accuracy':>16}   (test, mean and spread over the seeds)")
    for name, row in sorted(summary["test"].items(), key=lambda item: -item[1]["macro_f1"][0]):
        cells = "  ".join(f"{mean:.3f} +- {spread:.3f}" for mean, spread in row.values())
        print(f"{name:<22}   {cells}")
    pairs = {"choice_against_recipe": f"the choice minus {RECIPE}", "tuned_against_before": f"{TUNED} minus {BEFORE}"}
    for key, words in pairs.items():
        for metric, interval in summary[key].items():
            print(
                f"{words}, {metric}: {interval['difference']:+.3f} "
                f"(95 % {interval['low']:+.3f} to {interval['high']:+.3f}, {interval['units']:,} units)"
            )
    print(f"selection score minus test: {summary['selection_minus_test']}")


if __name__ == "__main__":
    main()
