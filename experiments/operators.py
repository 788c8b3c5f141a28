"""Question: which fusion of text and pictures is good here, and how should several pictures become one vector?

Command:  python experiments/operators.py MANIFEST --to experiments/operators_NAME.json  (--max-images, --seeds, --vary)
Data:     any manifest; experiments/README.md has results on three, and says how to write them.
Cost:     see `seconds` in the result, without encoding.
Finding:  see experiments/README.md.

The hand-built concatenation with mean pooling is changed in one place at a time: every fusion operator, every pooling,
every read-out. All have the same seed, folds, epochs, patience and class weights, and are scored out of fold on train
and validation; then the mean of the five fold models reads the test split. Each seed draws its own split (0.6, 0.15,
0.25) and initial weights. Nothing is chosen here, and no test figure is therefore the best of many. Differences to the
concatenation are paired, with a bootstrap over the test rows of all seeds.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

REFERENCE = "concatenation"
VARIED = ("fusion/operator", "image/pooling", "text/readout", "text/layer", "image/readout", "image/stage")
SEQUENCES = ("attention", "cross_attention", "bottleneck")  # read every word piece or cell; much more expensive
NEEDS_SEVERAL = "image/pooling"  # with one picture per review, poolings differ only in their parameters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--to", type=Path, required=True, help="a JSON file")
    parser.add_argument("--max-images", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--vary", nargs="+", choices=VARIED, default=VARIED, help="some of the choices only")
    parser.add_argument("--work", type=Path, help="a folder for what was trained; the same again goes on there")
    arguments = parser.parse_args()
    if not arguments.manifest.is_file():
        raise SystemExit(f"skipped: {arguments.manifest} is not there; experiments/README.md says how to write it")
    result: dict[str, Any] = {"max_images": arguments.max_images, "seeds": {}}
    predictions = [run_seed(arguments, seed, result) for seed in arguments.seeds]
    result["differences"] = differences(predictions)
    write(arguments.to, result)
    print_table(result)


def choices(vary: Sequence[str]) -> dict[str, list[str]]:
    """Return what is varied, and its choices."""
    from automm.search.space.table import TABLE

    every = {name: [*TABLE[name].choices, *TABLE[name].on_request] for name in vary}
    return {name: [choice for choice in some if choice not in SEQUENCES] for name, some in every.items()}


def changes(vary: Sequence[str], max_images: int) -> dict[str, dict[str, Any]]:
    """Return the changes to the concatenation by name."""
    from automm.search.space.table import DEFAULTS

    found: dict[str, dict[str, Any]] = {REFERENCE: {}}
    for name, some in choices(vary).items():
        for choice in some:
            if choice != DEFAULTS[name] and not (name == NEEDS_SEVERAL and max_images == 1):
                found[f"{name.replace('/', '.')}={choice}"] = {name: choice}
    return found


def run_seed(arguments: argparse.Namespace, seed: int, result: dict[str, Any]) -> dict[str, np.ndarray]:
    """Train and measure what is missing for one seed; return all test predictions and the labels."""
    from automm.config.experiment import load_experiment
    from automm.search.baselines import run_baselines
    from automm.search.candidates.head import Head
    from automm.search.finalists.folds import suffix_of
    from automm.search.session import Search
    from automm.search.setup.data import encoder_sources, load, prepare
    from automm.search.space.table import DEFAULTS, is_active
    from automm.tasks.registry import TASKS
    from automm.tracking.run_folder import Run, create_run

    manifest = yaml.safe_load(arguments.manifest.read_text(encoding="utf-8"))
    own = {key: value for key, value in manifest.get("splits", {}).items() if key == "keep_together"}
    manifest["splits"] = {"fractions": {"train": 0.6, "validation": 0.15, "test": 0.25}, "seed": seed, **own}
    path = arguments.manifest.with_name(f"{arguments.manifest.stem}-operators-{seed}.yaml")
    path.write_text(yaml.safe_dump(manifest, allow_unicode=True), encoding="utf-8")
    settings = [
        f"seed={seed}",
        f"inputs.max_images={arguments.max_images}",
        "evaluation={folds: 5}",
        "baselines=[logistic_both, text_only, image_only]",
        *(f"space.{name.replace('/', '.')}=[{', '.join(chosen)}]" for name, chosen in choices(arguments.vary).items()),
    ]
    experiment = load_experiment(path, settings)
    loaded = load(experiment)
    path.unlink()
    task = prepare(experiment, loaded, encoder_sources(experiment, loaded))
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) if arguments.work is None else arguments.work / str(seed)
        known = [Run(path) for path in sorted(runs.glob("operators/*"))]
        search = Search(task, known[0] if known else create_run(runs, "operators", "0" * 6), Silent(), Silent(), None)
        run_baselines(search)
        done = {candidate.name for candidate in search.candidates}
        for name, change in changes(arguments.vary, arguments.max_images).items():
            point = {**DEFAULTS, **change}
            point = {name: value for name, value in point.items() if is_active(name, point)}
            if name not in done:
                # Not recorded as trials, because only the weights of the best trials are kept.
                search.runner.run(Head(name, "baseline", point, REFERENCE, build=lambda p=point: suffix_of(task, p)))
                print(f"seed {seed}  trained {name}", flush=True)
        rows = task.rows("test")
        predictions = {"labels": task.targets("test"), "units": task.units[rows]}
        table = {}
        for candidate in search.candidates:
            if candidate.error:
                raise SystemExit(f"{candidate.name}: {candidate.error}")
            predictions[candidate.name] = search.bench.predictor(saved(search, candidate.name))(rows)
            table[candidate.name] = {
                "validation": candidate.validation,
                "test": TASKS["classification"].measure(predictions["labels"], predictions[candidate.name]),
                "trainable_parameters": candidate.trainable_parameters,
                "seconds": round(candidate.seconds, 1),
                "epochs": len(candidate.history),
            }
            print(f"seed {seed}  {candidate.name:34s} test macro-F1 {table[candidate.name]['test']['macro_f1']:.3f}")
    result["rows"] = {name: len(rows) for name, rows in task.splits.items()}
    result["seeds"][str(seed)] = table
    write(arguments.to, result)
    return predictions


def saved(search: Any, name: str) -> Any:
    """Load the mean of a candidate's fold models."""
    import keras

    return keras.saving.load_model(search.run.model_path(name), compile=False)


class Silent:
    """A tracker and a reporter that do nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *anything, **more: None


def differences(predictions: list[dict[str, np.ndarray]]) -> dict[str, Any]:
    """Return each candidate's difference to the concatenation on the test rows of all seeds."""
    from automm.evaluate.compare import paired_interval
    from automm.tasks.registry import TASKS

    joined = {name: np.concatenate([one[name] for one in predictions]) for name in predictions[0]}
    return {
        name: {
            metric: vars(
                paired_interval(
                    TASKS["classification"],
                    joined["labels"],
                    probabilities,
                    joined[REFERENCE],
                    metric,
                    units=joined["units"],
                )
            )
            for metric in ("macro_f1", "accuracy")
        }
        for name, probabilities in joined.items()
        if name not in ("labels", "units", REFERENCE)
    }


def write(path: Path, result: dict[str, Any]) -> None:
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def print_table(result: dict[str, Any]) -> None:
    """Print mean and standard deviation over the seeds, best test macro-F1 first."""
    seeds = list(result["seeds"].values())

    def spread(name: str, split: str, metric: str) -> str:
        values = [seed[name][split][metric] for seed in seeds]
        return f"{np.mean(values):.3f} ± {np.std(values):.3f}"

    heads = ("candidate", "macro-F1 out of fold", "test macro-F1", "test accuracy", "minus concatenation (95 %)")
    print("\n| " + " | ".join([*heads, "trained parameters", "seconds"]) + " |\n" + "|---" * 7 + "|")
    for name in sorted(seeds[0], key=lambda name: -np.mean([seed[name]["test"]["macro_f1"] for seed in seeds])):
        found = result["differences"].get(name, {}).get("macro_f1")
        difference = f"{found['difference']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})" if found else ""
        figures = [spread(name, *of) for of in (("validation", "macro_f1"), ("test", "macro_f1"), ("test", "accuracy"))]
        cost = [f"{seeds[0][name]['trainable_parameters']:,}", f"{np.mean([s[name]['seconds'] for s in seeds]):.1f}"]
        print("| " + " | ".join([name, *figures, difference, *cost]) + " |")


if __name__ == "__main__":
    main()
