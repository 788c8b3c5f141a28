"""Evaluate finalists and baselines on the test split, once, after the search, and export the finalists."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from automm.data.inputs.modalities import present
from automm.errors import NoTrialError
from automm.evaluate import plots
from automm.evaluate.decision import decisions, measured
from automm.evaluate.folds import summary
from automm.evaluate.missing import PERCENTS, draw_missing_rows, missing_modality_scores
from automm.search.baselines import end_to_end_entry
from automm.search.finalists.answers import EVERY, Answers, Reader, Reading
from automm.search.finalists.fine_tune import tier2_entries
from automm.search.finalists.folds import cross_validate
from automm.search.finalists.judged_and_tested import packed_evidence
from automm.search.finalists.parity import Checked, checked_finalists
from automm.search.finalists.seeds import spread_of_seeds
from automm.search.finalists.selection import difference, selection_of
from automm.search.finalists.tracked import track
from automm.search.finalists.verdict import verdict_of
from automm.search.ranking import FINALISTS
from automm.search.session import Search
from automm.search.setup.data import Loaded
from automm.tracking.results import summary_of
from automm.tracking.run_folder import COMPLETED, MISSING_FIGURE, PARITY, PILOT, SEED, Candidate

RECIPES = ("logistic_all", "logistic_both")  # the reference for the best candidate: the first that completed
APART = ("trial", SEED, PILOT)  # kinds that are no finalists by themselves: the test split is not read for them
SHOWN = ("text_only", "image_only", "concatenation", *RECIPES)  # drawn in missing.png in addition to the finalists
READ_AT_ONCE = 4096


def evaluate_finalists(search: Search, loaded: Loaded) -> dict[str, Any]:
    """Evaluate on the test split, write result.json, judged.npz and test.npz, track models, and return a summary.

    Finalists are the best candidates on validation, baselines included, whose whole models agree with their suffixes
    (`finalists/parity`). All candidates read the test split through stored features or states (`finalists/answers`). If
    the manifest has folds, finalists and the recipe are also evaluated on the other folds.

    Raises:
        NoTrialError: no whole model agrees with its suffix.
    """
    run = search.run
    search.reporter.stage("finalists")
    reader = Reader(search.bench)
    checked = checked_finalists(search, reader, FINALISTS)
    if not checked:
        raise NoTrialError(f"no candidate can be exported: {run.folder}/{PARITY} has the differences of whole models")
    finalists = [finalist.candidate for finalist in checked]
    recipe = _recipe(search)
    names = {candidate.name for candidate in finalists}
    measured = cross_validate(
        search, loaded, [*finalists, *(c for c in search.ranking.ranked() if c.name == recipe and c.name not in names)]
    )
    others = [c for c in search.candidates if c.kind not in APART and c.status == COMPLETED and c.name not in names]
    lost = _rows_to_mask(search)
    answers = _read_test(search, reader, checked, others, list(lost))
    result = _result(search, finalists, answers, lost)
    best, decision = finalists[0].name, finalists[0].decision
    decided = decisions(answers[best][EVERY], decision)
    if recipe and recipe != best:
        result["recipe"] = recipe
        result["against_recipe"] = difference(search, decided, answers[recipe][EVERY])
    of_labels = search.setup.task.metrics[search.setup.experiment.objective.removeprefix("val_")].of_labels
    # Judged reviews without the decision, which was fitted on them.
    tested = decided if of_labels else answers[best][EVERY]
    result |= verdict_of(search.setup, loaded.links, run.predictions(best), tested)
    if measured:
        result["folds"] = summary(measured, result["test"], result.get("recipe"))
    biases = _biases(search)
    undecided = {name: by_loss[EVERY] for name, by_loss in answers.items()}
    labelled = {name: decisions(found, biases.get(name, [])) for name, found in undecided.items()}
    result["evidence"] = packed_evidence(search, best, undecided, labelled)
    run.write("result.json", result)
    if lost:
        _draw_missing(search, result)
    track(search, checked, others, labelled, result)
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


def _result(
    search: Search, finalists: Sequence[Candidate], answers: Mapping[str, Answers], lost: Mapping[str, list[np.ndarray]]
) -> dict[str, Any]:
    """Return the content of result.json, without comparisons of candidates."""
    setup, task, targets = search.setup, search.setup.task, search.setup.targets("test")
    parity = search.run.read(PARITY)
    refused = {name for name, compared in parity.items() if not compared["exported"]}
    biases = _biases(search)
    decided = {
        name: {lost: decisions(part, biases.get(name, [])) for lost, part in by_loss.items()}
        for name, by_loss in answers.items()
    }
    return {
        "best": finalists[0].name,
        "objective": setup.experiment.objective,
        "finalists": [candidate.name for candidate in finalists],
        "selection": selection_of(search, finalists[0], refused),
        "parity": parity,
        "test": {
            name: measured(task, targets, by_loss[EVERY], decided[name][EVERY]) for name, by_loss in answers.items()
        },
        "seeds": spread_of_seeds(search),
        "end_to_end": end_to_end_entry(search),
        "tier2": tier2_entries(search),
        "test_reads": search.run.test_reads(),
        "missing": {
            "percent": PERCENTS,
            "reviews": {name: int(rows[-1].sum()) for name, rows in lost.items()},
            "scores": {
                name: missing_modality_scores(task, targets, by_loss, decided[name], lost)
                for name, by_loss in answers.items()
            },
        },
    }


def _biases(search: Search) -> dict[str, list[float]]:
    """Return the decision of each completed candidate that has one."""
    return {c.name: c.decision for c in search.candidates if c.status == COMPLETED and c.decision}


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
