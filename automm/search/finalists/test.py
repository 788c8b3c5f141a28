"""After the search: the test split is read once, for finalists and baselines, and the finalists become models."""

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
from automm.evaluate.compare import paired_interval
from automm.evaluate.folds import summary
from automm.evaluate.missing import PERCENTS, draw_missing_rows, missing_modality_scores
from automm.evaluate.selection import Selection, selection
from automm.models.whole import compiled, rows_at_once
from automm.search.bench import converter
from automm.search.finalists.folds import cross_validate
from automm.search.ranking import FINALISTS
from automm.search.session import Search
from automm.search.setup.data import Loaded
from automm.search.training.loop import predict
from automm.tasks.classification import MANY
from automm.tracking.results import fold_curves, missing_curves, summary_of
from automm.tracking.run_folder import COMPLETED, MISSING_FIGURE, Candidate, stored

RECIPES = ("logistic_all", "logistic_both")  # the first there is must be beaten
SHOWN = ("text_only", "image_only", "concatenation", *RECIPES)  # beside the finalists, in missing.png
READ_AT_ONCE = 4096
PARITY_ROWS = 16
PARITY = 1e-5

log = logging.getLogger("automm")


@dataclass(frozen=True)
class Reading:
    """What candidates answer for the test split.

    Attributes:
        answers: (n, outputs) of each candidate, by name.
        without: the same for reviews that have lost a modality, by the name of the modality.
        whole: the whole models of the finalists, by name.
    """

    answers: dict[str, np.ndarray] = field(default_factory=dict)
    without: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    whole: dict[str, Any] = field(default_factory=dict)


def finish(search: Search, loaded: Loaded) -> dict[str, Any]:
    """Read the test split, log figures and models, and write result.json and test_predictions.npz; give a summary.

    The finalists are the best by validation, baselines among them; they are composed whole and read the test split from
    raw arrays. The other baselines read it through the features that they were measured on. Where the manifest has
    folds, finalists and the recipe are measured on the others too.
    """
    run = search.run
    finalists = search.ranking.ranked()[:FINALISTS]
    recipe = _recipe(search)
    on_folds = [*finalists, *(c for c in search.ranking.ranked()[FINALISTS:] if c.name == recipe)]
    measured = cross_validate(search, loaded, on_folds)
    search.reporter.stage("finalists")
    names = {candidate.name for candidate in finalists}
    others = [c for c in search.candidates if c.kind != "trial" and c.status == COMPLETED and c.name not in names]
    lost = _losers(search)
    reading = _read(search, finalists, others, lost)
    result = _result(search, finalists, reading, lost)
    if recipe and recipe != result["best"]:
        result["recipe"] = recipe
        result["against_recipe"] = _apart(search, reading.answers[result["best"]], reading.answers[recipe])
    if measured:
        result["folds"] = summary(measured, result["test"], result.get("recipe"))
    ids = [search.setup.arrays.ids[row] for row in search.setup.rows("test")]
    arrays: dict[str, Any] = {"ids": np.array(ids), "labels": search.setup.targets("test")}
    arrays |= {name: stored(answers) for name, answers in reading.answers.items()}
    # Compressing the answers for many classes would take seconds.
    save = np.savez_compressed if search.setup.outputs <= MANY else np.savez
    save(run.folder / "test_predictions.npz", **arrays)
    run.write("result.json", result)
    if lost:
        _draw_missing(search, result)
    _track(search, [*finalists, *others], reading, result)
    return summary_of(result)


def _read(
    search: Search, finalists: Sequence[Candidate], others: Sequence[Candidate], lost: Mapping[str, object]
) -> Reading:
    reading, rows = Reading(), search.setup.rows("test")
    for place, candidate in enumerate([*finalists, *others]):
        search.reporter.step("test split read", place, len(finalists) + len(others))
        name = candidate.name
        saved = search.bench.saved(name)
        read = search.bench.reader(saved)
        if candidate in finalists:
            reading.whole[name] = whole_model(search.run, name, search.bench.layers, saved)
            reading.answers[name] = _read_whole(search, candidate, read, reading.whole[name])
        else:
            reading.answers[name] = read(rows)
        reading.without[name] = {modality: read(rows, lacking=modality) for modality in lost}
    return reading


def _result(
    search: Search, finalists: Sequence[Candidate], reading: Reading, lost: Mapping[str, list[np.ndarray]]
) -> dict[str, Any]:
    """result.json, without comparisons."""
    setup, task, targets = search.setup, search.setup.task, search.setup.targets("test")
    luck = selection_of(search)
    return {
        "best": finalists[0].name,
        "objective": setup.experiment.objective,
        "finalists": [candidate.name for candidate in finalists],
        "selection": {**vars(luck), "optimism": luck.optimism, "of": setup.evaluation} if luck else None,
        "test": {name: task.measure(targets, answers) for name, answers in reading.answers.items()},
        "test_reads": search.run.test_reads() + 1,
        "missing": {
            "percent": PERCENTS,
            "reviews": {name: int(rows[-1].sum()) for name, rows in lost.items()},
            "scores": {
                name: missing_modality_scores(task, targets, answers, reading.without[name], lost)
                for name, answers in reading.answers.items()
            },
        },
    }


def _recipe(search: Search) -> str:
    """The linear baseline that the best must beat, "" where none has completed."""
    completed = {candidate.name for candidate in search.ranking.ranked()}
    names = [search.setup.task.baseline(name) for name in RECIPES]
    return next((name for name in names if name in completed), "")


def _apart(search: Search, first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """How much better the first answers are than the second, by metric."""
    seed, task, targets = search.setup.experiment.seed, search.setup.task, search.setup.targets("test")
    return {
        metric: vars(paired_interval(task, targets, first, second, metric, rng=np.random.default_rng(seed)))
        for metric in task.main_metrics
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
    setup = search.setup
    return selection(setup.task, setup.judged, same, setup.experiment.objective, rng=rng)


def _losers(search: Search) -> dict[str, list[np.ndarray]]:
    """Which test reviews lose what, where there are two modalities or more to lose."""
    rows = search.setup.rows("test")
    parts = [present(search.setup.features.batch(part)) for part in np.array_split(rows, 1 + len(rows) // READ_AT_ONCE)]
    has = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    has = {name: rows for name, rows in has.items() if rows.any()}
    seeds = {name: np.random.default_rng(search.bench.seed_of(f"missing {name}")) for name in has}
    return {name: draw_missing_rows(has[name], seeds[name]) for name in has} if len(has) > 1 else {}


def _draw_missing(search: Search, result: dict[str, Any]) -> None:
    """missing.png in the run's folder: finalists, and the baselines that show what each modality is worth."""
    missing, metric = result["missing"], search.setup.experiment.objective.removeprefix("val_")
    wanted = {*result["finalists"], *map(search.setup.task.baseline, SHOWN)}
    shown = [name for name in missing["scores"] if name in wanted]
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


def _track(search: Search, candidates: Sequence[Candidate], reading: Reading, result: dict[str, Any]) -> None:
    setup = search.setup
    work = Path(tempfile.mkdtemp(prefix="automm-"))
    try:
        for candidate in candidates:
            answers = reading.answers[candidate.name]
            figure = plots.FIGURES[setup.task.figure](setup.targets("test"), answers, setup.labels, work)
            pictures = {f"plots/{figure.name}": figure}
            if candidate.history:
                pictures["plots/learning_curves.png"] = plots.learning_curves(
                    candidate.history, candidate.best_epoch, work / "learning_curves.png"
                )
            curves = missing_curves(result, candidate.name) | fold_curves(result, candidate.name)
            search.tracker.test(candidate.name, result["test"][candidate.name], pictures, curves)
        for place, candidate in enumerate(candidates[: len(reading.whole)]):
            search.reporter.step("models logged", place, len(reading.whole))
            folder = work / candidate.name
            write_bundle(folder, search.run, candidate, reading.whole[candidate.name])
            search.tracker.model(candidate.name, folder, Path(mlflow_model.__file__))
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
