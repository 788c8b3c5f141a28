"""Question: does a CNN trained from scratch beat the frozen encoder on these data, and at what cost?

Command:  python experiments/pixels.py --data MVSA_DIR --to experiments/pixels.json
          python experiments/pixels.py --seeds 1 --candidates 'convolution 32'            a small run
Data:     MVSA-Single as in mvsa.py (2,800 tweets with one photo each), splits of 0.6, 0.15, 0.25; without --data the
          demo's 600 reviews, different ones for each seed.
Cost:     see `seconds` in the result, of each candidate and of the whole.
Finding:  not run yet.

One head, the hand-built concatenation with gated attention over pictures, is trained on the frozen encoder's features
and together with CNNs from random weights: convolutions or residual blocks, two picture sizes, augmented or not. All
else is equal: frozen text features, seed, split, epochs, patience, class weights. A candidate is one model, its best
epoch chosen on the validation split (`--folds 5`: five models, out of fold); then it reads the test split. Differences
to the frozen encoder are paired over the test rows of all seeds.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from portfolio import Silent

ROOT = Path(__file__).resolve().parent.parent
FROZEN = "frozen"
SMALL = {"image/size": 32, "image/depth": 3, "image/filters": 16, "image/augmentation": "none"}
LARGE = {**SMALL, "image/size": 64}
CANDIDATES: dict[str, dict[str, Any]] = {
    FROZEN: {},
    "convolution 32": {**SMALL, "image/source": "convolution", "image/kernel": 3},
    "convolution 64": {**LARGE, "image/source": "convolution", "image/kernel": 3},
    "residual 32": {**SMALL, "image/source": "residual"},
    "residual 64": {**LARGE, "image/source": "residual"},
    "residual 64, flipped": {**LARGE, "image/source": "residual", "image/augmentation": "flip"},
    "residual 64, augmented": {**LARGE, "image/source": "residual", "image/augmentation": "all"},
}
METRICS = ("macro_f1", "accuracy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="MVSA-Single: the folder with data/ and the label file")
    parser.add_argument("--to", type=Path, required=True, help="a JSON file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--folds", type=int, default=0, help="0: one model, judged on the validation split")
    parser.add_argument("--candidates", nargs="+", choices=list(CANDIDATES), default=list(CANDIDATES))
    arguments = parser.parse_args()
    names = list(dict.fromkeys([FROZEN, *arguments.candidates]))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        runs = [run_seed(Path(folder), arguments, seed, names) for seed in arguments.seeds]
    result = {
        "data": "mvsa_single" if arguments.data else "demo",
        "seconds": round(time.monotonic() - began),
        "seeds": arguments.seeds,
        "folds": arguments.folds,
        "encoding_seconds": [run["encoding"] for run in runs],
        "candidates": {name: summary(runs, name) for name in names},
        "minus_frozen": {name: differences(runs, name) for name in names if name != FROZEN},
    }
    arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_table(result)


def task_of(folder: Path, arguments: argparse.Namespace, seed: int) -> Any:
    """Encode the reviews of one seed."""
    from automm.config.experiment import resolve
    from automm.data.demo.generate import write_demo
    from automm.search.setup.data import encoder_sources, load, prepare

    if arguments.data is None:
        path = write_demo(folder / f"demo-{seed}", reviews=600, seed=seed)
    else:
        manifest = yaml.safe_load((ROOT / "data_manifests" / "mvsa_single.yaml").read_text(encoding="utf-8"))
        manifest["path"] = str(arguments.data.resolve())
        manifest["splits"] = {"fractions": {"train": 0.6, "validation": 0.15, "test": 0.25}, "seed": seed}
        path = folder / f"mvsa-{seed}.yaml"
        path.write_text(yaml.safe_dump(manifest, allow_unicode=True), encoding="utf-8")
    settings = {
        "manifest": str(path),
        "seed": seed,
        "inputs": {"max_images": 1} if arguments.data else {},
        "evaluation": {"folds": arguments.folds} if arguments.folds else "holdout",
    }
    experiment = resolve(settings, folder, name="experiment")
    loaded = load(experiment)
    return prepare(experiment, loaded, encoder_sources(experiment, loaded))


def run_seed(folder: Path, arguments: argparse.Namespace, seed: int, names: list[str]) -> dict[str, Any]:
    """Train each candidate on the reviews of one seed."""
    import keras

    from automm.models.baselines import CONCATENATION, fused
    from automm.search.candidates.head import Head
    from automm.search.session import Search
    from automm.search.training.pixels import pixel_encoder
    from automm.tracking.run_folder import create_run

    began = time.monotonic()
    task = task_of(folder, arguments, seed)
    encoding = round(time.monotonic() - began)
    search = Search(task, create_run(folder / f"runs-{seed}", "pixels", "0" * 6), Silent(), Silent(), None)
    found = {}
    for number, name in enumerate(names):
        point = {**CONCATENATION, "image/pooling": "gated_attention", **CANDIDATES[name]}
        build = lambda point=point: fused(task.shapes, point, pixel_encoder(point))  # noqa: E731
        candidate = search.runner.run(Head(f"candidate-{number}", "baseline", point, "concatenation", build=build))
        if candidate.error:
            raise SystemExit(candidate.error)
        model = keras.saving.load_model(search.run.model_path(candidate.name), compile=False)
        found[name] = {"candidate": candidate, "test": search.bench.predictor(model)(task.rows("test"))}
        print(f"seed {seed} {name}: {candidate.score:.3f} before the test, {candidate.seconds:.0f} s", flush=True)
    other = 0 if arguments.data else seed * len(task.units)  # each seed has its own demo, but the same data set
    units = task.units[task.rows("test")] + other
    return {"labels": task.targets("test"), "units": units, "encoding": encoding, "found": found}


def summary(runs: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return mean and standard deviation over the seeds, and the cost."""
    from automm.search.cost.pixels import cost_of
    from automm.tasks.registry import TASKS

    scores = [TASKS["classification"].measure(run["labels"], run["found"][name]["test"]) for run in runs]
    candidates = [run["found"][name]["candidate"] for run in runs]
    columns = {metric: [one[metric] for one in scores] for metric in METRICS}
    columns |= {"seconds": [one.seconds for one in candidates], "epochs": [len(one.history) for one in candidates]}
    found: dict[str, Any] = {
        key: [round(float(np.mean(values)), 4), round(float(np.std(values)), 4)] for key, values in columns.items()
    }
    if CANDIDATES[name]:
        cost = cost_of(CANDIDATES[name], stored_size())
        found |= {"cnn_parameters": cost.parameters, "operations_a_picture": cost.operations}
    return found


def stored_size() -> int:
    """Return the size of the stored pictures."""
    from automm.config.experiment import Inputs

    return Inputs().image_size


def differences(runs: list[dict[str, Any]], name: str) -> dict[str, list[float]]:
    """Return the difference to the frozen encoder and its 95 % interval for each metric."""
    from automm.evaluate.compare import paired_interval
    from automm.tasks.registry import TASKS

    labels, units = (np.concatenate([run[key] for run in runs]) for key in ("labels", "units"))
    pair = [np.concatenate([run["found"][which]["test"] for run in runs]) for which in (name, FROZEN)]
    found = {}
    for metric in METRICS:
        interval = paired_interval(TASKS["classification"], labels, *pair, metric, units=units)
        found[metric] = [round(value, 4) for value in (interval.difference, interval.low, interval.high)]
    return found


def print_table(result: dict[str, Any]) -> None:
    """Print the table of experiments/README.md."""
    print("\n| pictures | macro-F1 | accuracy | minus frozen, macro-F1 | seconds | MFLOP a picture |")
    print("|---" * 6 + "|")
    for name, row in result["candidates"].items():
        difference = "{:+.3f} ({:+.3f} to {:+.3f})".format(
            *result["minus_frozen"].get(name, {}).get("macro_f1", [0] * 3)
        )
        figures = [
            *("{:.3f} ± {:.3f}".format(*row[metric]) for metric in METRICS),
            "" if name == FROZEN else difference,
        ]
        figures += [f"{row['seconds'][0]:.0f}", f"{row.get('operations_a_picture', 0) / 1e6:.1f}"]
        print(f"| {name} | " + " | ".join(figures) + " |")


if __name__ == "__main__":
    main()
