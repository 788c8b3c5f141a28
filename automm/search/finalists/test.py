"""Evaluate finalists and baselines on the test split, once, after the search, and export the finalists."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from automm.data.inputs.modalities import present
from automm.errors import NoTrialError
from automm.evaluate import plots
from automm.evaluate.compare import paired_interval
from automm.evaluate.folds import summary
from automm.evaluate.missing import PERCENTS, draw_missing_rows, missing_modality_scores
from automm.evaluate.selection import Selection, selection
from automm.search.finalists.answers import EVERY, Answers, Reader, Reading
from automm.search.finalists.folds import cross_validate
from automm.search.finalists.parity import Checked, checked_finalists
from automm.search.finalists.tracked import track
from automm.search.ranking import FINALISTS
from automm.search.session import Search
from automm.search.setup.data import Loaded
from automm.tasks.classification import MANY
from automm.tracking.results import summary_of
from automm.tracking.run_folder import COMPLETED, MISSING_FIGURE, Candidate, stored

RECIPES = ("logistic_all", "logistic_both")  # the reference for the best candidate: the first that completed
SHOWN = ("text_only", "image_only", "concatenation", *RECIPES)  # drawn in missing.png in addition to the finalists
READ_AT_ONCE = 4096


def evaluate_finalists(search: Search, loaded: Loaded) -> dict[str, Any]:
    """Evaluate on the test split, write result.json and test_predictions.npz, track models, and return a summary.

    Finalists are the best candidates on validation, baselines included, whose whole models agree with their suffixes
    (`finalists/parity`). All candidates read the test split through stored features or states (`finalists/answers`). If
    the manifest has folds, finalists and the recipe are also evaluated on the other folds.

    Raises:
        NoTrialError: no whole model agrees with its suffix.
    """
    run = search.run
    search.reporter.stage("finalists")
    reader = Reader(search.bench)
    checked, parity = checked_finalists(search, reader, FINALISTS)
    if not checked:
        raise NoTrialError(f"no candidate can be exported: {run.folder}/log.txt has the differences of whole models")
    finalists = [finalist.candidate for finalist in checked]
    recipe = _recipe(search)
    names = {candidate.name for candidate in finalists}
    measured = cross_validate(
        search, loaded, [*finalists, *(c for c in search.ranking.ranked() if c.name == recipe and c.name not in names)]
    )
    others = [c for c in search.candidates if c.kind != "trial" and c.status == COMPLETED and c.name not in names]
    lost = _rows_to_mask(search)
    answers = _read_test(search, reader, checked, others, list(lost))
    result = _result(search, finalists, answers, lost)
    result["parity"] = parity
    if recipe and recipe != result["best"]:
        result["recipe"] = recipe
        result["against_recipe"] = _difference(search, answers[result["best"]][EVERY], answers[recipe][EVERY])
    if measured:
        result["folds"] = summary(measured, result["test"], result.get("recipe"))
    _save_answers(search, answers)
    run.write("result.json", result)
    if lost:
        _draw_missing(search, result)
    track(search, checked, others, {name: by_loss[EVERY] for name, by_loss in answers.items()}, result)
    return summary_of(result)


def _read_test(
    search: Search, reader: Reader, checked: Sequence[Checked], others: Sequence[Candidate], lost: Sequence[str]
) -> dict[str, Answers]:
    """Return the answers of all finalists and other candidates for the test split, by name."""
    search.run.count_test_read()
    reading = Reading(reader, search.setup.rows("test"), lost)
    answers: dict[str, Answers] = {}
    saved = {finalist.candidate.name: finalist.saved for finalist in checked}
    candidates = [*(finalist.candidate for finalist in checked), *others]
    for place, candidate in enumerate(candidates):
        search.reporter.step("test split read", place, len(candidates))
        name = candidate.name
        answers[name] = reading.of(candidate, saved[name] if name in saved else search.bench.saved(name))
    return answers


def _save_answers(search: Search, answers: Mapping[str, Answers]) -> None:
    ids = [search.setup.arrays.ids[row] for row in search.setup.rows("test")]
    arrays: dict[str, Any] = {"ids": np.array(ids), "labels": search.setup.targets("test")}
    arrays |= {name: stored(by_loss[EVERY]) for name, by_loss in answers.items()}
    # Compressing the answers for many classes would take seconds.
    save = np.savez_compressed if search.setup.outputs <= MANY else np.savez
    save(search.run.folder / "test_predictions.npz", **arrays)


def _result(
    search: Search, finalists: Sequence[Candidate], answers: Mapping[str, Answers], lost: Mapping[str, list[np.ndarray]]
) -> dict[str, Any]:
    """Return the content of result.json, without comparisons."""
    setup, task, targets = search.setup, search.setup.task, search.setup.targets("test")
    luck = selection_of(search)
    return {
        "best": finalists[0].name,
        "objective": setup.experiment.objective,
        "finalists": [candidate.name for candidate in finalists],
        "selection": {**vars(luck), "optimism": luck.optimism, "of": setup.evaluation} if luck else None,
        "test": {name: task.measure(targets, by_loss[EVERY]) for name, by_loss in answers.items()},
        "test_reads": search.run.test_reads(),
        "missing": {
            "percent": PERCENTS,
            "reviews": {name: int(rows[-1].sum()) for name, rows in lost.items()},
            "scores": {
                name: missing_modality_scores(task, targets, by_loss[EVERY], by_loss, lost)
                for name, by_loss in answers.items()
            },
        },
    }


def _recipe(search: Search) -> str:
    """Return the linear baseline that the best candidate is compared with; "" if none is completed."""
    completed = {candidate.name for candidate in search.ranking.ranked()}
    names = [search.setup.task.baseline(name) for name in RECIPES]
    return next((name for name in names if name is not None and name in completed), "")


def _difference(search: Search, first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """Return how much better the first answers are than the second, by metric."""
    seed, task, targets = search.setup.experiment.seed, search.setup.task, search.setup.targets("test")
    return {
        metric: vars(paired_interval(task, targets, first, second, metric, rng=np.random.default_rng(seed)))
        for metric in task.main_metrics
    }


def selection_of(search: Search) -> Selection | None:
    """Estimate the optimism of selecting the best candidate; None with fewer than two comparable candidates."""
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
    return selection(setup.task, setup.validation_targets, same, setup.experiment.objective, rng=rng)


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
