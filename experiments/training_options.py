"""Question: what does each training option give, on complete reviews and on reviews that have lost pictures or text?

Command:  python experiments/training_options.py --data MVSA_DIR --to experiments/training_options.json
Data:     MVSA-Single as in mvsa.py (2,800 tweets with one photo each), three splits of 0.6, 0.15, 0.25; without --data
          the demo's 600 reviews, different ones for each seed.
Cost:     see `seconds` in the result; on new data most of it is encoding pictures.
Finding:  see experiments/README.md for modality dropout; the other options have not been run.

The hand-built concatenation is trained once with each option. All else is equal: seed, folds (five over train and
validation, whose models are averaged) and initial weights. It reads the test split complete, with half and with all of
the pictures removed, and the same with texts. Differences to plain training are paired over the test rows of all seeds.
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
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "modality dropout 0.25": {"training/modality_dropout": 0.25},
    "modality dropout 0.5": {"training/modality_dropout": 0.5},
    "focal loss 2": {"training/focal_gamma": 2.0},
    "label smoothing 0.1": {"training/label_smoothing": 0.1},
    "no class weights": {"training/class_weights": "none"},
    "inverse class weights": {"training/class_weights": "inverse"},
}
WHOLE = "whole"
READINGS = (WHOLE, "half the pictures", "no pictures", "half the texts", "no texts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="MVSA-Single: the folder with data/ and the label file")
    parser.add_argument("--to", type=Path, required=True, help="a JSON file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--options", nargs="+", choices=list(OPTIONS), default=list(OPTIONS), help="beside plain")
    arguments = parser.parse_args()
    names = list(dict.fromkeys(["plain", *arguments.options]))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        runs = [run_seed(Path(folder), arguments.data, seed, names) for seed in arguments.seeds]
    result = {
        "data": "mvsa_single" if arguments.data else "demo",
        "seconds": round(time.monotonic() - began),
        "seeds": arguments.seeds,
        "options": {name: summary([run["read"][name] for run in runs], runs) for name in names},
        "minus_plain": {name: differences(runs, name) for name in names if name != "plain"},
    }
    arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_table(result)


def task_of(folder: Path, data: Path | None, seed: int) -> Any:
    """Encode the reviews of one seed."""
    from automm.config.experiment import resolve
    from automm.data.demo.generate import write_demo
    from automm.search.setup.data import encoder_sources, load, prepare

    inputs = {"max_images": 1} if data else {}
    if data is None:
        path = write_demo(folder / f"demo-{seed}", reviews=600, seed=seed)
    else:
        manifest = yaml.safe_load((ROOT / "data_manifests" / "mvsa_single.yaml").read_text(encoding="utf-8"))
        manifest["path"] = str(data.resolve())
        manifest["splits"] = {"fractions": {"train": 0.6, "validation": 0.15, "test": 0.25}, "seed": seed}
        path = folder / f"mvsa-{seed}.yaml"
        path.write_text(yaml.safe_dump(manifest, allow_unicode=True), encoding="utf-8")
    settings = {"manifest": str(path), "seed": seed, "inputs": inputs, "evaluation": {"folds": 5}}
    experiment = resolve(settings, folder, name="experiment")
    loaded = load(experiment)
    return prepare(experiment, loaded, encoder_sources(experiment, loaded))


def run_seed(folder: Path, data: Path | None, seed: int, names: list[str]) -> dict[str, Any]:
    """Train each option on the reviews of one seed; return test probabilities by option and reading."""
    import keras

    from automm.models.baselines import CONCATENATION, fused
    from automm.search.candidates.head import Head
    from automm.search.session import Search
    from automm.tracking.run_folder import create_run

    task = task_of(folder, data, seed)
    search = Search(task, create_run(folder / f"runs-{seed}", "options", "0" * 6), Silent(), Silent(), None)
    read = {}
    for name in names:
        point = {**CONCATENATION, **OPTIONS[name]}
        build = lambda: fused(task.shapes, CONCATENATION)  # noqa: E731 - the options are of training, not of the model
        candidate = search.runner.run(Head(name, "baseline", point, "concatenation", build=build))
        if candidate.error:
            raise SystemExit(candidate.error)
        read[name] = readings(search, keras.saving.load_model(search.run.model_path(name), compile=False))
        print(f"seed {seed} {name}: {candidate.score:.3f} out of fold, {candidate.seconds:.0f} s", flush=True)
    other = 0 if data else seed * len(task.units)  # each seed has its own demo, but the same data set
    return {"labels": task.targets("test"), "units": task.units[task.rows("test")] + other, "read": read}


def readings(search: Any, model: Any) -> dict[str, np.ndarray]:
    """Predict the test split complete and with missing modalities; the same reviews lose them for all models."""
    from automm.evaluate.missing import draw_missing_rows

    rows, read = search.setup.rows("test"), search.bench.predictor(model)
    found = {WHOLE: read(rows)}
    half, everyone = draw_missing_rows(np.ones(len(rows), bool), np.random.default_rng(search.setup.experiment.seed))[
        2::2
    ]
    for modality, words in (("image", "pictures"), ("text", "texts")):
        bare = read(rows, lacking=modality)
        for lost, reading in ((half, f"half the {words}"), (everyone, f"no {words}")):
            found[reading] = np.where(lost[:, None], bare, found[WHOLE])
    return found


def summary(reads: list[dict[str, np.ndarray]], runs: list[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Return mean and standard deviation over the seeds for each reading."""
    from automm.tasks.registry import TASKS

    found = {}
    for reading in READINGS:
        scores = [
            TASKS["classification"].measure(run["labels"], read[reading]) for read, run in zip(reads, runs, strict=True)
        ]
        columns = {metric: [one[metric] for one in scores] for metric in ("macro_f1", "accuracy", "loss")}
        found[reading] = {
            metric: [round(float(np.mean(values)), 4), round(float(np.std(values)), 4)]
            for metric, values in columns.items()
        }
    return found


def differences(runs: list[dict[str, Any]], name: str) -> dict[str, list[float]]:
    """Return the difference of macro-F1 to plain training and its 95 % interval for each reading."""
    from automm.evaluate.compare import paired_interval
    from automm.tasks.registry import TASKS

    labels, units = (np.concatenate([run[key] for run in runs]) for key in ("labels", "units"))
    found = {}
    for reading in READINGS:
        pair = [np.concatenate([run["read"][which][reading] for run in runs]) for which in (name, "plain")]
        interval = paired_interval(TASKS["classification"], labels, *pair, "macro_f1", units=units)
        found[reading] = [round(value, 4) for value in (interval.difference, interval.low, interval.high)]
    return found


def print_table(result: dict[str, Any]) -> None:
    """Print the table of experiments/README.md: macro-F1 and the difference to plain training."""
    print("\n| training | " + " | ".join(READINGS) + " |")
    print("|---" * (1 + len(READINGS)) + "|")
    for name, row in result["options"].items():
        cells = []
        for reading in READINGS:
            low, high = result["minus_plain"].get(name, {}).get(reading, [0, 0, 0])[1:]
            mark = " (+)" if low > 0 else " (-)" if high < 0 else ""
            cells.append("{:.3f} ± {:.3f}".format(*row[reading]["macro_f1"]) + mark)
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
