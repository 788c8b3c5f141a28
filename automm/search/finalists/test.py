"""Evaluate finalists and baselines on the test split, once, after the search, and export the finalists."""

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from automm.data.inputs.modalities import present
from automm.deliver import mlflow_model
from automm.deliver.bundle import whole_model, write_bundle
from automm.evaluate import plots
from automm.evaluate.folds import summary
from automm.evaluate.missing import PERCENTS, draw_missing_rows, missing_modality_scores
from automm.models.whole import compiled, rows_at_once
from automm.search.baselines import end_to_end_entry
from automm.search.bench import converter
from automm.search.finalists.fine_tune import tier2_entries
from automm.search.finalists.folds import cross_validate
from automm.search.finalists.seeds import spread_of_seeds
from automm.search.finalists.selection import difference, selection_of
from automm.search.finalists.verdict import verdict_of
from automm.search.ranking import FINALISTS
from automm.search.session import Search
from automm.search.setup.data import Loaded
from automm.search.training.loop import predict
from automm.tasks.classification import MANY
from automm.tracking.results import fold_curves, missing_curves, summary_of
from automm.tracking.run_folder import COMPLETED, MISSING_FIGURE, PILOT, SEED, Candidate, stored

RECIPES = ("logistic_all", "logistic_both")  # the reference for the best candidate: the first that completed
APART = ("trial", SEED, PILOT)  # kinds that are no finalists by themselves: the test split is not read for them
SHOWN = ("text_only", "image_only", "concatenation", *RECIPES)  # drawn in missing.png in addition to the finalists
READ_AT_ONCE = 4096
PARITY_ROWS = 16
PARITY = 1e-5

log = logging.getLogger("automm")


@dataclass(frozen=True)
class TestAnswers:
    """The answers of candidates for the test split.

    Attributes:
        answers: (n, outputs) by candidate.
        without: by candidate, the answers with one modality masked, by modality.
        whole: the whole models of the finalists, by name.
    """

    answers: dict[str, np.ndarray] = field(default_factory=dict)
    without: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    whole: dict[str, Any] = field(default_factory=dict)


def evaluate_finalists(search: Search, loaded: Loaded) -> dict[str, Any]:
    """Evaluate on the test split, write result.json and test_predictions.npz, track models, and return a summary.

    Finalists are the best candidates on validation, baselines included. Their whole models read the test split from raw
    arrays; the other baselines read it as features. If the manifest has folds, finalists and the recipe are also
    evaluated on the other folds.
    """
    run = search.run
    finalists = search.ranking.ranked()[:FINALISTS]
    recipe = _recipe(search)
    on_folds = [*finalists, *(c for c in search.ranking.ranked()[FINALISTS:] if c.name == recipe)]
    measured = cross_validate(search, loaded, on_folds)
    search.reporter.stage("finalists")
    names = {candidate.name for candidate in finalists}
    others = [c for c in search.candidates if c.kind not in APART and c.status == COMPLETED and c.name not in names]
    lost = _rows_to_mask(search)
    predicted = _predict_test(search, finalists, others, lost)
    result = _result(search, finalists, predicted, lost)
    if recipe and recipe != result["best"]:
        result["recipe"] = recipe
        result["against_recipe"] = difference(search, predicted.answers[result["best"]], predicted.answers[recipe])
    best = result["best"]
    result |= verdict_of(search.setup, loaded.links, run.predictions(best), predicted.answers[best])
    if measured:
        result["folds"] = summary(measured, result["test"], result.get("recipe"))
    ids = [search.setup.arrays.ids[row] for row in search.setup.rows("test")]
    arrays: dict[str, Any] = {"ids": np.array(ids), "labels": search.setup.targets("test")}
    arrays |= {name: stored(answers) for name, answers in predicted.answers.items()}
    # Compressing the answers for many classes would take seconds.
    save = np.savez_compressed if search.setup.outputs <= MANY else np.savez
    save(run.folder / "test_predictions.npz", **arrays)
    run.write("result.json", result)
    if lost:
        _draw_missing(search, result)
    _track(search, [*finalists, *others], predicted, result)
    return summary_of(result)


def _predict_test(
    search: Search, finalists: Sequence[Candidate], others: Sequence[Candidate], lost: Mapping[str, object]
) -> TestAnswers:
    predicted, rows = TestAnswers(), search.setup.rows("test")
    for place, candidate in enumerate([*finalists, *others]):
        search.reporter.step("test split read", place, len(finalists) + len(others))
        name = candidate.name
        saved = search.bench.saved(name)
        predict_rows = search.bench.predictor(saved)
        if candidate in finalists:
            predicted.whole[name] = whole_model(search.run, name, search.bench.layers, saved)
            predicted.answers[name] = _predict_whole(search, candidate, predict_rows, predicted.whole[name])
        else:
            predicted.answers[name] = predict_rows(rows)
        predicted.without[name] = {modality: predict_rows(rows, without=modality) for modality in lost}
    return predicted


def _result(
    search: Search, finalists: Sequence[Candidate], predicted: TestAnswers, lost: Mapping[str, list[np.ndarray]]
) -> dict[str, Any]:
    """Return the content of result.json, without comparisons."""
    setup, task, targets = search.setup, search.setup.task, search.setup.targets("test")
    return {
        "best": finalists[0].name,
        "objective": setup.experiment.objective,
        "finalists": [candidate.name for candidate in finalists],
        "selection": selection_of(search),
        "test": {name: task.measure(targets, answers) for name, answers in predicted.answers.items()},
        "seeds": spread_of_seeds(search),
        "end_to_end": end_to_end_entry(search),
        "tier2": tier2_entries(search),
        "test_reads": search.run.test_reads() + 1,
        "missing": {
            "percent": PERCENTS,
            "reviews": {name: int(rows[-1].sum()) for name, rows in lost.items()},
            "scores": {
                name: missing_modality_scores(task, targets, answers, predicted.without[name], lost)
                for name, answers in predicted.answers.items()
            },
        },
    }


def _recipe(search: Search) -> str:
    """Return the linear baseline that the best candidate is compared with; "" if none is completed."""
    completed = {candidate.name for candidate in search.ranking.ranked()}
    names = [search.setup.task.baseline(name) for name in RECIPES]
    return next((name for name in names if name is not None and name in completed), "")


def _rows_to_mask(search: Search) -> dict[str, list[np.ndarray]]:
    """Return which test reviews lose which modality, in growing shares; {} with fewer than two modalities."""
    rows = search.setup.rows("test")
    parts = [present(search.setup.features.batch(part)) for part in np.array_split(rows, 1 + len(rows) // READ_AT_ONCE)]
    has = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    has = {name: rows for name, rows in has.items() if rows.any()}
    seeds = {name: np.random.default_rng(search.bench.seed_of(f"missing {name}")) for name in has}
    return {name: draw_missing_rows(has[name], seeds[name]) for name in has} if len(has) > 1 else {}


def _draw_missing(search: Search, result: dict[str, Any]) -> None:
    """Draw missing.png in the run folder: finalists, and the baselines in SHOWN."""
    missing, metric = result["missing"], search.setup.experiment.objective.removeprefix("val_")
    wanted = {*result["finalists"], *map(search.setup.task.baseline, SHOWN)}
    shown = [name for name in missing["scores"] if name in wanted]
    lines = {name: {modality: scores[metric] for modality, scores in missing["scores"][name].items()} for name in shown}
    plots.missing_curves(lines, PERCENTS, f"test {metric}", search.run.folder / MISSING_FIGURE)


def _predict_whole(
    search: Search, candidate: Candidate, predict_rows: Callable[..., np.ndarray], model: Any
) -> np.ndarray:
    """Predict the test split with the whole model, after comparing it with the suffix on some rows.

    A difference larger than rounding is logged, not raised: GPUs may multiply with lower precision.
    """
    setup = search.setup
    whole, convert = compiled(model), converter(model)
    at_once = rows_at_once(setup.experiment.inputs.max_images)
    rows = setup.rows("validation")[:PARITY_ROWS]
    from_arrays = predict(whole, setup.arrays, rows, batch_size=at_once, convert=convert)
    # Relative for large numbers, because float32 has seven digits; absolute for probabilities.
    size = max(1.0, float(np.abs(from_arrays).max()))
    difference = float(np.abs(predict_rows(rows) - from_arrays).max()) / size
    if difference > PARITY:
        log.warning(
            "%s: the whole model and the one on stored features differ by %.1e (tolerance %.0e). Test figures are of "
            "the whole model, which is what an export contains",
            candidate.name,
            difference,
            PARITY,
        )
    return predict(whole, setup.arrays, setup.rows("test"), batch_size=at_once, convert=convert)


def _track(search: Search, candidates: Sequence[Candidate], predicted: TestAnswers, result: dict[str, Any]) -> None:
    setup = search.setup
    work = Path(tempfile.mkdtemp(prefix="automm-"))
    try:
        for candidate in candidates:
            answers = predicted.answers[candidate.name]
            figure = plots.FIGURES[setup.task.figure](setup.targets("test"), answers, setup.labels, work)
            pictures = {f"plots/{figure.name}": figure}
            if candidate.history:
                pictures["plots/learning_curves.png"] = plots.learning_curves(
                    candidate.history, candidate.best_epoch, work / "learning_curves.png"
                )
            curves = missing_curves(result, candidate.name) | fold_curves(result, candidate.name)
            search.tracker.test(candidate.name, result["test"][candidate.name], pictures, curves)
        for place, candidate in enumerate(candidates[: len(predicted.whole)]):
            search.reporter.step("models logged", place, len(predicted.whole))
            folder = work / candidate.name
            write_bundle(folder, search.run, candidate, predicted.whole[candidate.name])
            search.tracker.model(candidate.name, folder, Path(mlflow_model.__file__))
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
