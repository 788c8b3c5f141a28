"""After the search: the test split is read once, for finalists and baselines, and the finalists become models."""

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from automm.data.inputs.modalities import present
from automm.deliver import mlflow_model
from automm.deliver.bundle import whole_model, write_bundle
from automm.evaluate import plots
from automm.evaluate.folds import summary
from automm.evaluate.metrics import confusion, main_metrics, measure, paired_interval
from automm.evaluate.missing import PERCENTS, curves, losers
from automm.evaluate.selection import Selection, selection
from automm.models.whole import compiled, rows_at_once
from automm.search.candidate_runner import converter
from automm.search.finalists.folds import cross_validate
from automm.search.ranking import FINALISTS
from automm.search.session import Search
from automm.search.setup.data import Loaded, Setup
from automm.search.training.loop import predict
from automm.tracking.results import fold_curves, missing_curves, summary_of
from automm.tracking.runs import COMPLETED, MISSING_FIGURE, Candidate

RECIPES = ("logistic_all", "ridge_all", "logistic_both", "ridge_both")  # the first there is must be beaten
SHOWN = ("text_only", "image_only", "concatenation", *RECIPES)  # beside the finalists, in missing.png
READ_AT_ONCE = 4096
PARITY_ROWS = 16
PARITY = 1e-5

log = logging.getLogger("automm")


def finish(search: Search, loaded: Loaded) -> dict[str, Any]:
    """Test metrics, intervals, figures, models; writes result.json and test_predictions.npz, and gives a summary.

    The finalists are the best by validation, baselines among them; they are composed whole and read the test split from
    raw arrays. The other baselines read it through the same features that they were measured on. Where the manifest has
    folds, finalists and the recipe are measured on the others too.
    """
    setup, run = search.setup, search.run
    finalists = search.ranking.ranked()[:FINALISTS]
    recipe = next((name for name in RECIPES if any(c.name == name for c in search.ranking.ranked())), "")
    on_folds = [*finalists, *(c for c in search.ranking.ranked()[FINALISTS:] if c.name == recipe)]
    measured = cross_validate(search, loaded, on_folds)
    search.reporter.stage("finalists")
    names = {candidate.name for candidate in finalists}
    others = [c for c in search.candidates if c.kind != "trial" and c.status == COMPLETED and c.name not in names]
    lost = _losers(search)
    probabilities: dict[str, np.ndarray] = {}
    without: dict[str, dict[str, np.ndarray]] = {}  # the same of reviews that have lost a modality
    whole: dict[str, Any] = {}  # of the finalists
    for place, candidate in enumerate([*finalists, *others]):
        search.reporter.step("test split read", place, len(finalists) + len(others))
        saved = keras.saving.load_model(run.model_path(candidate.name), compile=False)
        read = search.runner.reader(saved)
        if candidate.name in names:
            whole[candidate.name] = whole_model(run, candidate.name, search.runner.layers, saved)
            probabilities[candidate.name] = _read_whole(search, candidate, read, whole[candidate.name])
        else:
            probabilities[candidate.name] = read(setup.rows("test"))
        without[candidate.name] = {name: read(setup.rows("test"), lacking=name) for name in lost}
    labels = setup.targets("test")
    test = {name: measure(labels, values) for name, values in probabilities.items()}
    best = finalists[0]
    luck = selection_of(search)
    result: dict[str, Any] = {
        "best": best.name,
        "objective": setup.experiment.objective,
        "finalists": [candidate.name for candidate in finalists],
        "selection": {**vars(luck), "optimism": luck.optimism, "of": setup.evaluation} if luck else None,
        "test": test,
        "test_reads": run.test_reads() + 1,
        "missing": {
            "percent": PERCENTS,
            "reviews": {name: int(rows[-1].sum()) for name, rows in lost.items()},
            "scores": {name: curves(labels, values, without[name], lost) for name, values in probabilities.items()},
        },
    }
    if recipe and recipe != best.name:
        result["recipe"] = recipe
        result["against_recipe"] = _apart(search, labels, probabilities[best.name], probabilities[recipe])
    if measured:
        result["folds"] = summary(measured, test, result.get("recipe"))
    ids = [setup.arrays.ids[row] for row in setup.rows("test")]
    arrays: dict[str, Any] = {"ids": np.array(ids), "labels": labels, **probabilities}
    np.savez_compressed(run.folder / "test_predictions.npz", **arrays)
    run.write("result.json", result)
    if lost:
        _draw_missing(search, result)
    _track(search, [*finalists, *others], whole, probabilities, result)
    return summary_of(result)


def _apart(search: Search, labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """How much better the first answers are than the second, by metric."""
    seed = search.setup.experiment.seed
    return {
        metric: vars(paired_interval(labels, first, second, metric, rng=np.random.default_rng(seed)))
        for metric in main_metrics(measure(labels, first))
    }


def selection_of(search: Search) -> Selection | None:
    """How much picking the best has flattered it; None where too few candidates were judged on the same rows."""
    evaluation = search.setup.evaluation
    if search.ranking.ranked()[0].evaluation != evaluation:
        return None
    comparable = [candidate for candidate in search.ranking.ranked() if candidate.evaluation == evaluation]
    predictions = [search.run.predictions(candidate.name) for candidate in comparable]
    same = [part for part in predictions if part is not None]
    if len(same) < 2:
        return None
    rng = np.random.default_rng(search.setup.experiment.seed)
    return selection(search.setup.judged, same, search.setup.experiment.objective, rng=rng)


def _losers(search: Search) -> dict[str, list[np.ndarray]]:
    """Which test reviews lose what, where there are two modalities or more to lose."""
    rows = search.setup.rows("test")
    parts = [present(search.setup.features.batch(part)) for part in np.array_split(rows, 1 + len(rows) // READ_AT_ONCE)]
    has = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    has = {name: rows for name, rows in has.items() if rows.any()}
    seeds = {name: np.random.default_rng(search.runner.seed_of(f"missing {name}")) for name in has}
    return {name: losers(has[name], seeds[name]) for name in has} if len(has) > 1 else {}


def _draw_missing(search: Search, result: dict[str, Any]) -> None:
    """missing.png in the run's folder: finalists, and the baselines that show what each modality is worth."""
    missing, metric = result["missing"], search.setup.experiment.objective.removeprefix("val_")
    shown = [name for name in missing["scores"] if name in (*result["finalists"], *SHOWN)]
    lines = {name: {modality: scores[metric] for modality, scores in missing["scores"][name].items()} for name in shown}
    plots.missing_curves(lines, PERCENTS, f"test {metric}", search.run.folder / MISSING_FIGURE)


def _read_whole(search: Search, candidate: Candidate, read: Callable[..., np.ndarray], model: Any) -> np.ndarray:
    """The test split through the whole model, after seeing that it agrees with the suffix on some rows.

    A difference beyond rounding is said aloud: GPUs multiply with fewer digits than the tolerance allows for.
    """
    setup = search.setup
    whole, convert = compiled(model), converter(model)
    at_once = rows_at_once(setup.experiment.inputs.max_images)
    rows = setup.rows("validation")[:PARITY_ROWS]
    from_arrays = predict(whole, setup.arrays, rows, batch_size=at_once, convert=convert)
    # Probabilities as they are; numbers have a unit, and float32 has seven digits of them.
    size = max(1.0, float(np.abs(from_arrays).max()))
    difference = float(np.abs(read(rows) - from_arrays).max()) / size
    if difference > PARITY:
        log.warning(
            "%s: the whole model differs from the suffix by %.1e, over %.0e; the test figures are the whole one's",
            candidate.name,
            difference,
            PARITY,
        )
    return predict(whole, setup.arrays, setup.rows("test"), batch_size=at_once, convert=convert)


def _track(
    search: Search,
    candidates: list[Candidate],
    whole: dict[str, Any],
    probabilities: dict[str, np.ndarray],
    result: dict[str, Any],
) -> None:
    setup = search.setup
    work = Path(tempfile.mkdtemp(prefix="automm-"))
    try:
        for candidate in candidates:
            pictures = _answers(setup, probabilities[candidate.name], work)
            if candidate.history:
                pictures["plots/learning_curves.png"] = plots.learning_curves(
                    candidate.history, candidate.best_epoch, work / "learning_curves.png"
                )
            curves = missing_curves(result, candidate.name) | fold_curves(result, candidate.name)
            search.tracker.test(candidate.name, result["test"][candidate.name], pictures, curves)
        for place, candidate in enumerate(candidates[: len(whole)]):
            search.reporter.step("models logged", place, len(whole))
            folder = work / candidate.name
            write_bundle(folder, search.run, candidate, whole[candidate.name])
            search.tracker.model(candidate.name, folder, Path(mlflow_model.__file__))
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _answers(setup: Setup, answers: np.ndarray, folder: Path) -> dict[str, Path]:
    """A picture of the answers for the test split, by its name in the store."""
    true = setup.targets("test")
    if answers.shape[1] == 1:
        return {"plots/predicted.png": plots.true_and_predicted(true, answers[:, 0], folder / "predicted.png")}
    counts = confusion(true, answers.argmax(axis=1), len(setup.labels))
    return {"plots/confusion.png": plots.confusion_matrix(counts, setup.labels, folder / "confusion.png")}
