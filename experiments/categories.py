"""Question: are categorical columns read better as flags of a tower, as lines of the text, or in both places?

Command:  python experiments/categories.py --data DATA --to experiments/categories.json
          --sets NAME... measures a part; what the JSON file holds already is kept.
Data:     DATA is a folder with the data sets of `encoder_data.py`.
Cost:     see `seconds` in the result.
Finding:  see experiments/README.md.

Data sets whose records have columns of categories: products of IKEA with the name of their series, Zigbee devices with
their vendor, and (texts only) Indonesian reviews with the product and its variant. Each is read without the columns
(`none`) and with each `inputs.categories`. Three baselines are scored out of fold on five folds of train and
validation, reviews that share a group, a text or a picture in one fold; the test split is never read. Differences are
to `tower` on the same reviews, and their intervals resample units of linked reviews.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from encoder_data import write_manifest
from encoders import METRIC, Silent
from threadpoolctl import threadpool_limits

from automm.config.experiment import load_experiment
from automm.evaluate.compare import interval, paired_interval
from automm.search.baselines import baseline
from automm.search.session import Search
from automm.search.setup.data import Setup, encoder_sources, load, prepare
from automm.tracking.run_folder import create_run

# What a manifest of `encoder_data.py` is changed to; a name leaves the text when it becomes a category. The vendor of
# Zigbee is not a group: a value that no training review has could only be read in the text.
COLUMNS: dict[str, dict[str, Any]] = {
    "ikea_interior": {"text": ["description"], "metadata": {"categorical": ["name"]}},
    "zigbee": {"group": None, "metadata": {"categorical": ["vendor"]}},
    "tokopedia": {"metadata": {"categorical": ["nama_produk", "variasi_produk"]}},
}
WHERE = ("none", "tower", "text", "both")
MODELS = ("logistic_all", "concatenation", "bag_of_words")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data sets")
    parser.add_argument("--to", type=Path, required=True, help="a JSON file; what it holds already is kept")
    parser.add_argument("--sets", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--share", type=float, help="of the reviews, to try the script")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "automm-categories")
    arguments = parser.parse_args()
    result = json.loads(arguments.to.read_text(encoding="utf-8")) if arguments.to.is_file() else {}
    for name in arguments.sets:
        if name not in result:
            result[name] = measure(name, arguments)
            arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        show(name, result[name])


def measure(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of each place and model, and their differences to the tower, with intervals."""
    found: dict[str, Any] = {}
    answers: dict[tuple[str, str], np.ndarray] = {}
    for where in WHERE:
        began, setup = time.monotonic(), prepared(name, where, arguments)
        judged, found[where] = setup.judged_rows, {}
        for model in MODELS:
            ours = answers[where, model] = answered(setup, model)
            figure = interval(setup.task, judged.targets, ours, METRIC, units=judged.units)
            found[where][model] = {METRIC: figure.value, "low": figure.low, "high": figure.high}
        found[where] |= {"reviews": len(judged.ids), "seconds": round(time.monotonic() - began, 1)}
        print(name, where, found[where], flush=True)
    for where in WHERE:
        for model in MODELS:
            pair = answers[where, model], answers["tower", model]
            difference = paired_interval(setup.task, judged.targets, *pair, METRIC, units=judged.units)
            found[where][model]["minus_tower"] = {key: vars(difference)[key] for key in ("difference", "low", "high")}
    return found


def prepared(name: str, where: str, arguments: argparse.Namespace) -> Setup:
    """Read and encode a data set with its categories in a place."""
    path = write_manifest(name, arguments.data, arguments.work)
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    changes = {key: value for key, value in COLUMNS[name].items() if key != "metadata" or where != "none"}
    manifest["fields"] = {key: value for key, value in (manifest["fields"] | changes).items() if value is not None}
    path = path.with_name(f"{name}-{where}.yaml")
    path.write_text(yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False), encoding="utf-8")
    settings = ["evaluation={folds: 5}", "baselines=[bag_of_words]"]
    settings += [] if where == "none" else [f"inputs.categories={where}"]
    settings += [] if arguments.share is None else [f"subsample={arguments.share}"]
    experiment = load_experiment(path, settings)
    loaded = load(experiment)
    return prepare(experiment, loaded, encoder_sources(experiment, loaded))


def answered(setup: Setup, model: str) -> np.ndarray:
    """Fit a baseline on all folds; return its out-of-fold probabilities, (n, labels)."""
    with tempfile.TemporaryDirectory() as folder:
        search = Search(setup, create_run(Path(folder), "categories", "0" * 6), Silent(), Silent(), None)
        with threadpool_limits(1):
            candidate = search.runner.run(baseline(search, model))
        if candidate.error:
            raise SystemExit(f"{model}: {candidate.error}")
        return search.run.predictions(candidate.name)


def show(name: str, found: dict[str, Any]) -> None:
    """Print a table: macro-F1 and the difference to the tower, with its interval."""
    print(f"| {name} | {' | '.join(MODELS)} |\n|---|{'---|' * len(MODELS)}")
    for where in WHERE:
        cells = []
        for model in MODELS:
            figure, minus = found[where][model][METRIC], found[where][model]["minus_tower"]
            gain = f" ({minus['difference']:+.3f}, {minus['low']:+.3f} to {minus['high']:+.3f})"
            cells.append(f"{figure:.3f}{gain if where != 'tower' else ''}")
        print(f"| {where} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
