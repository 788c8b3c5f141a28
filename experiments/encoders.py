"""Question: which encoder should read the texts and the pictures, and what do several side by side add?

Command:  python experiments/encoders.py --data DATA --to experiments/encoders.json
          --sets NAME... and --rows ROW... measure a part; what the JSON file holds already is kept, so that the same
          command goes on where it was stopped. --more FOLDER adds dinov2-s (`more_encoders.py`).
Data:     DATA is a folder with the data sets of `encoder_data.py`.
Cost:     see `encoding` and `seconds` in the result; --list prints the rows and measures nothing.
Finding:  see experiments/README.md.

Two models read the frozen features of each row: the logistic regression of the baselines, and the concatenation, which
is trained like a trial. Both are scored out of fold on five folds of train and validation; reviews that share a group,
a text or a picture are in one fold. Nothing is chosen on these figures, except that each model's penalty or epochs are
chosen on the same folds. A row is compared with the default encoders that read the same modalities, on the same
reviews, and the intervals resample units of linked reviews. Two data sets have texts only: there the concatenation
has no pictures. The seconds are those of one run: of encoding each set once, and of fitting all five folds.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from encoder_data import SETS, TEXTS, write_manifest
from threadpoolctl import threadpool_limits

from automm.config.experiment import Experiment, load_experiment
from automm.evaluate.compare import interval, paired_interval
from automm.models.baselines import CONCATENATION, ONE_MODALITY, fused, image_only, text_only
from automm.models.encoders.automatic import text_encoder_for
from automm.models.towers import ALL
from automm.models.weights.packages import PACKAGES
from automm.search.candidates.estimator import Estimator
from automm.search.candidates.head import Head
from automm.search.candidates.linear import LinearModel
from automm.search.session import Search
from automm.search.setup.data import Setup, encoder_sources, load, prepare
from automm.tracking.run_folder import create_run

METRIC = "macro_f1"
SETTINGS = (  # the read-outs of the baselines alone
    "evaluation={folds: 5}",
    "space.text.readout=[mean]",
    "space.text.layer=[last]",
    "space.image.readout=[average]",
    "space.image.stage=[last]",
    "space.fusion.operator=[concatenation]",
)
TEXT, IMAGE = "minilm-l6", "efficientnet-lite0"  # the defaults
UNREAD = {"text": "tiny-bert", "image": "tiny-cnn"}  # in place of encoders of a modality that a row does not read
BETWEEN = "efficientnet-lite1"  # between two others in size: measured only if --rows names it, and only alone
MODELS = ("logistic", "concatenation")
ITEMS = {"text": "texts, word pieces", "image": "pictures"}  # as the progress of an encoding names them


@dataclass(frozen=True)
class Row:
    """The encoders that a model reads; () for a modality that it does not read."""

    texts: tuple[str, ...]
    images: tuple[str, ...]

    @property
    def name(self) -> str:
        return " and ".join("+".join(some) for some in (self.texts, self.images) if some)

    @property
    def reference(self) -> "Row":
        """The default encoders of the same modalities."""
        return Row((TEXT,) if self.texts else (), (IMAGE,) if self.images else ())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data sets")
    parser.add_argument("--to", type=Path, required=True, help="a JSON file; what it holds already is kept")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rows", nargs="+", help="rows by name, as --list prints them")
    parser.add_argument("--more", type=Path, help="the folder of dinov2-s (more_encoders.py)")
    parser.add_argument("--list", action="store_true", help="print the rows of each set, and whether they are measured")
    parser.add_argument("--share", type=float, help="of the reviews, to try the script")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "automm-encoders", help="manifests and answers"
    )
    arguments = parser.parse_args()
    more = {"text": (), "image": ()}
    if arguments.more is not None:
        from more_encoders import add_encoders

        more = add_encoders(arguments.more)
    result: dict[str, Any] = {"encoding": {}, "rows": {}}
    if arguments.to.is_file():
        result = json.loads(arguments.to.read_text(encoding="utf-8"))
    for name in arguments.sets:
        chosen = [row for row in rows_of(name, more) if row.name in (arguments.rows or {row.name} - {BETWEEN})]
        if arguments.list:
            for row in chosen:
                print(f"{name}: {row.name}{' (measured)' if row.name in result['rows'].get(name, {}) else ''}")
        else:
            measure(name, chosen, arguments, result)
    print_tables(result)


def rows_of(name: str, more: dict[str, tuple[str, ...]]) -> list[Row]:
    """Return the rows of a data set: each encoder alone, with the other modality, beside the default, and all.

    Args:
        more: encoders of texts and pictures that are not packaged.
    """
    packaged = [(encoder, package.kind) for encoder, package in PACKAGES.items()]
    texts, images = ((*(e for e, kind in packaged if kind == wanted), *more[wanted]) for wanted in ("text", "image"))
    alone = [Row((text,), ()) for text in texts]
    images = tuple(image for image in images if image != BETWEEN)
    if name in TEXTS:
        return list(dict.fromkeys([*alone, *(Row((TEXT, text), ()) for text in texts[1:]), Row(texts, ())]))
    alone += [Row((), (image,)) for image in (*images, BETWEEN)]
    together = [Row((text,), (IMAGE,)) for text in texts] + [Row((TEXT,), (image,)) for image in images[1:]]
    together += [Row((TEXT, text), (IMAGE,)) for text in texts[1:]]
    together += [Row((TEXT,), (IMAGE, image)) for image in images[1:]]
    return list(dict.fromkeys([*together, Row(texts, images), *alone]))


def measure(name: str, rows: list[Row], arguments: argparse.Namespace, result: dict[str, Any]) -> None:
    """Measure the rows of a data set that are not measured; save each at once."""
    found = result["rows"].setdefault(name, {})
    answers = Answers(arguments.work / name)
    missing = [row for row in rows if row.name not in found]
    # A difference needs the answers of the reference.
    needed = [row.reference for row in missing if not answers.has(row.reference)]
    todo = list(dict.fromkeys([*needed, *missing]))
    if not todo:
        return
    data = Data(write_manifest(name, arguments.data, arguments.work), todo, arguments.share)
    result.setdefault("auto", {})[name] = text_encoder_for(data.train).encoder
    for encoder, modality in data.encoders:
        began, cpu = time.monotonic(), time.process_time()
        _, encoded = data.prepared(Row(*only(encoder, modality)))
        cost = {"seconds": round(time.monotonic() - began, 1), "cpu_seconds": round(time.process_time() - cpu, 1)}
        if amount := encoded.get(ITEMS[modality]):  # otherwise it was in the cache
            result["encoding"].setdefault(name, {})[encoder] = {"items": amount, "of": ITEMS[modality], **cost}
            print(f"{name}: {encoder}: {amount:,} {ITEMS[modality]} in {cost['seconds']} s", flush=True)
    for row in todo:
        began, cpu = time.monotonic(), time.process_time()
        setup, _ = data.prepared(row)
        figures = {model: fit(setup, row, model, answers) for model in MODELS}
        judged = setup.judged_rows
        found[row.name] = {"reviews": len(judged.ids), "units": len(np.unique(judged.units)), **figures}
        arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        spent = f"{time.monotonic() - began:.0f} s, {time.process_time() - cpu:.0f} s of the processor"
        print(f"{name}: {row.name}: " + ", ".join(f"{m} {figures[m][METRIC]:.3f}" for m in MODELS), spent, flush=True)


def only(encoder: str, modality: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return ((encoder,), ()) if modality == "text" else ((), (encoder,))


class Data:
    """The reviews of a data set, with the pictures decoded for all encoders of some rows.

    Attributes:
        train: the training texts.
        encoders: the name and the modality of each encoder.
    """

    def __init__(self, manifest: Path, rows: list[Row], share: float | None):
        self._manifest = manifest
        self._settings = [*SETTINGS, *([] if share is None else [f"subsample={share}"])]
        texts = dict.fromkeys(text for row in rows for text in row.texts)
        images = dict.fromkeys(image for row in rows for image in row.images)
        self.encoders = [*((name, "text") for name in texts), *((name, "image") for name in images)]
        everything = Row((*texts, UNREAD["text"]), (*images, UNREAD["image"]))
        experiment = self._experiment(everything)
        self._loaded = load(experiment)
        self.train = [self._loaded.dataset.reviews[row].text for row in self._loaded.splits["train"]]
        self._sources = {source.name: source for source in encoder_sources(experiment, self._loaded)}

    def prepared(self, row: Row) -> tuple[Setup, dict[str, int]]:
        """Encode the reviews for a row; return also how many items were encoded, by what they are."""
        read = Row(row.texts or (UNREAD["text"],), row.images or (UNREAD["image"],))
        sources = [self._sources[name] for name in (*read.texts, *read.images)]
        encoded: dict[str, int] = {}

        def progress(what: str, done: int, total: int) -> None:
            encoded[what] = total

        return prepare(self._experiment(read), self._loaded, sources, progress), encoded

    def _experiment(self, row: Row) -> Experiment:
        chosen = [f"encoders.text={as_setting(row.texts)}", f"encoders.image={as_setting(row.images)}"]
        return load_experiment(self._manifest, [*self._settings, *chosen])


def as_setting(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def fit(setup: Setup, row: Row, model: str, answers: "Answers") -> dict[str, Any]:
    """Fit a model on all folds; return its macro-F1 and its difference to the reference, with intervals."""
    with tempfile.TemporaryDirectory() as folder:
        search = Search(setup, create_run(Path(folder), "encoders", "0" * 6), Silent(), Silent(), None)
        with threadpool_limits(1):  # two threads of BLAS waited for each other: ten times the processor time
            candidate = search.runner.run(estimator(setup, row, model))
        if candidate.error:
            raise SystemExit(f"{row.name}: {candidate.error}")
        ours = search.run.predictions(candidate.name)
    answers.keep(row, model, ours)
    judged = setup.judged_rows
    figure = interval(setup.task, judged.targets, ours, METRIC, units=judged.units)
    found = {METRIC: figure.value, "low": figure.low, "high": figure.high, "seconds": round(candidate.seconds, 1)}
    if row == row.reference:
        return found
    theirs = answers.of(row.reference, model)
    difference = paired_interval(setup.task, judged.targets, ours, theirs, METRIC, units=judged.units)
    return found | {"minus_reference": {key: vars(difference)[key] for key in ("difference", "low", "high")}}


def estimator(setup: Setup, row: Row, model: str) -> Estimator:
    """Return the logistic regression, or the concatenation; one modality alone has its projection and the same head."""
    read = tuple(modality for modality, some in (("text", row.texts), ("image", row.images)) if some)
    if model == "logistic":
        return LinearModel(model, "baseline", {}, modalities=read, all_encoders=True)
    if read == ("image",):
        return Head(model, "baseline", ONE_MODALITY, build=lambda: image_only(setup.shapes, ONE_MODALITY))
    if read == ("text",) and len(row.texts) == 1:
        return Head(model, "baseline", ONE_MODALITY, build=lambda: text_only(setup.shapes, ONE_MODALITY))
    several = {f"{m}/encoder": ALL for m, names in (("text", row.texts), ("image", row.images)) if len(names) > 1}
    point = {**CONCATENATION, **several}
    return Head(model, "baseline", point, build=lambda: fused(setup.shapes, point))


@dataclass(frozen=True)
class Answers:
    """The answers of each row's models for the reviews of the folds, in files."""

    folder: Path

    def has(self, row: Row) -> bool:
        return all(self._path(row, model).is_file() for model in MODELS)

    def keep(self, row: Row, model: str, answers: np.ndarray) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(self._path(row, model), answers)

    def of(self, row: Row, model: str) -> np.ndarray:
        return np.load(self._path(row, model))

    def _path(self, row: Row, model: str) -> Path:
        return self.folder / f"{row.name.replace(' ', '-')}-{model}.npy"


class Silent:
    """A tracker and a reporter that do nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *anything, **more: None


def print_tables(result: dict[str, Any]) -> None:
    """Print a table for each data set, and the costs of encoding."""
    for name, rows in result["rows"].items():
        if not rows:
            continue
        first = next(iter(rows.values()))
        print(f"\n{name}: {first['reviews']:,} reviews, {first['units']:,} units; auto: {result['auto'][name]}\n")
        heads = [f"{model}, {of}" for model in MODELS for of in ("macro-F1 (95 %)", "minus reference (95 %)", "s")]
        print("| encoders | " + " | ".join(heads) + " |\n" + "|---" * (1 + len(heads)) + "|")
        for row, figures in rows.items():
            cells = [cell for model in MODELS for cell in cells_of(figures[model])]
            print("| " + " | ".join([row, *cells]) + " |")
    print("\n| data set | encoder | encoded | s | processor s |\n" + "|---" * 5 + "|")
    for name, encoders in result["encoding"].items():
        for encoder, cost in encoders.items():
            print(f"| {name} | {encoder} | {cost['items']:,} | {cost['seconds']} | {cost['cpu_seconds']} |")


def cells_of(figures: dict[str, Any]) -> list[str]:
    minus = figures.get("minus_reference")
    difference = f"{minus['difference']:+.3f}{between(minus, '+.3f')}" if minus else ""
    return [f"{figures[METRIC]:.3f}{between(figures, '.3f')}", difference, f"{figures['seconds']:.0f}"]


def between(figures: dict[str, Any], form: str) -> str:
    """Return the limits of an interval; nothing where there are too few units."""
    return "" if figures["low"] is None else f" ({figures['low']:{form}} to {figures['high']:{form}})"


if __name__ == "__main__":
    main()
