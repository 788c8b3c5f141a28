"""Cross-validate finalists on all folds of the manifest.

A search selects its finalists on the train and validation splits of one fold. They are then trained again on each other
fold, with the same hyperparameters, plan, seed and evaluation; all statistics are computed on that fold. The test split
of each fold is read once and decides nothing. Only the searched fold tests on reviews that the search has never seen.
The test splits of other folds took part in the selection of hyperparameters: their figures show how much a score
varies, and are slightly optimistic (Cawley and Talbot 2010, "On over-fitting in model selection", JMLR 11).

Encoders stay frozen here: a candidate of tier 2 is replaced by its tier-1 candidate, also as the member of an ensemble,
and the result marks such candidates. An ensemble combines its members, and decides labels, as on the searched fold.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from automm.errors import TrialError
from automm.evaluate.decision import decisions, measured
from automm.evaluate.folds import SEARCHED, FoldScores
from automm.models import baselines
from automm.models.average import combined
from automm.search.baselines import baseline
from automm.search.candidates.estimator import Estimator
from automm.search.candidates.head import Head
from automm.search.candidates.late_average import AVERAGED
from automm.search.finalists.fine_tune import KIND as FINE_TUNED
from automm.search.finalists.fine_tune import SUFFIX
from automm.search.interrupt import interruptible, raise_if_interrupted
from automm.search.memory import release_memory
from automm.search.reporter import Reporter
from automm.search.session import Search
from automm.search.setup.data import Loaded, Setup, encoder_sources, prepare
from automm.search.training.pixels import pixel_encoder
from automm.tracking.protocol import NoTracker
from automm.tracking.run_folder import COMPLETED, FAILED, Candidate, Run

FOLDER = "folds"  # in the run folder; contains a folder for each fold

log = logging.getLogger("automm")


def cross_validate(search: Search, loaded: Loaded, finalists: Sequence[Candidate]) -> dict[str, FoldScores]:
    """Evaluate candidates on the other folds of the manifest, and return the measurements by name.

    {} if the manifest has no folds. On the searched fold, only replaced candidates of tier 2 are evaluated: the test
    figures of the others are the same. Figures from before a Ctrl-C are read from the run folder.
    """
    if not loaded.other_folds:
        return {}
    scores = {candidate.name: FoldScores(*base_candidates(search, candidate.name)) for candidate in finalists}
    other_folds = loaded.other_folds
    replaced = [name for name, candidate in scores.items() if candidate.frozen]
    folds = {SEARCHED: replaced, **dict.fromkeys(other_folds, scores)}
    bases = {base for candidate in scores.values() for base in candidate.parts}
    seconds = sum(candidate.seconds for candidate in search.candidates if candidate.name in bases) * len(other_folds)
    minutes = max(1, round(seconds / 60))
    search.reporter.stage(f"finalists on all {len(other_folds) + 1} folds (about {minutes} min)")
    total = sum(len(names) for names in folds.values())
    done = 0
    with interruptible():
        for fold, names in folds.items():
            run = Run(search.run.folder / FOLDER / str(fold))
            inner = None
            for name in names:
                search.reporter.step("finalists on folds", done, total)
                if name not in _recorded(run):
                    inner = inner or _fold_search(search, loaded, fold, run)
                    _measure(search, inner, fold, name)
                outcome = _recorded(run)[name]
                if isinstance(outcome, str):
                    scores[name].failed[fold] = outcome
                else:
                    scores[name].test[fold] = outcome
                done += 1
            release_memory()
    return scores


def base_candidates(search: Search, name: str) -> tuple[dict[str, float], bool]:
    """Return the tier-1 candidates that replace a candidate, with their shares, and whether any replaces tier 2."""
    candidate = next((c for c in search.candidates if c.name == name and c.status == COMPLETED), None)
    if candidate is not None and candidate.kind == "ensemble":
        members = candidate.members
    elif name == "late_average":
        members = dict.fromkeys(AVERAGED, 1.0)
    elif name == "end_to_end":
        return {"concatenation": 1.0}, True
    elif candidate is not None and candidate.kind == FINE_TUNED:
        return {name.removesuffix(SUFFIX): 1.0}, True
    else:
        return {name: 1.0}, False
    parts: dict[str, float] = {}
    frozen = False
    for member, share in members.items():
        inner, replaced = base_candidates(search, member)
        frozen |= replaced
        for base, weight in inner.items():
            parts[base] = parts.get(base, 0.0) + weight * share / sum(members.values())
    return parts, frozen


class _StepsOnly:
    """A `Reporter` that shows only steps of encoding."""

    def __init__(self, reporter: Reporter):
        self.step = reporter.step

    def began(self, run: Run) -> None: ...
    def stage(self, text: str) -> None: ...
    def started(self, name: str) -> None: ...
    def finished(self, candidate: Candidate, best: Candidate | None, seconds_left: float | None) -> None: ...


def _fold_search(search: Search, loaded: Loaded, fold: int, run: Run) -> Search:
    """Return a search on another fold, with its own statistics, columns and, if needed, vocabulary."""
    loaded_fold, experiment = loaded.with_fold(fold), search.setup.experiment
    setup = prepare(experiment, loaded_fold, encoder_sources(experiment, loaded_fold), search.reporter.step)
    run.candidates_folder.mkdir(parents=True, exist_ok=True)
    run.repair()
    # Failures never end the search here: a missing figure must not prevent the others.
    inner = Search(setup, run, NoTracker(), _StepsOnly(search.reporter), None, give_up=lambda candidates: "")
    if [source.fingerprint for source in setup.sources] == [source.fingerprint for source in search.setup.sources]:
        inner.bench.layers = search.bench.layers  # only used to count parameters; saves building them
    return inner


def _recorded(run: Run) -> dict[str, Any]:
    """Return the recorded results of a fold by candidate: metrics, or the cause of a failure."""
    return run.read("result.json").get("test", {})


def _measure(search: Search, inner: Search, fold: int, name: str) -> None:
    """Write a candidate's metrics, or the cause of a failure, into the fold's result.json."""
    outcome: dict[str, float] | str
    try:
        answers, decision = _combined(search, inner, name)
        outcome = measured(inner.setup.task, inner.setup.targets("test"), answers, decisions(answers, decision))
    except TrialError as error:
        outcome = str(error)
        log.warning("fold %d failed: %s. The figures are of the other folds", fold, error)
    except KeyboardInterrupt:
        inner.recorder.record_interrupted()
        raise
    inner.run.write("result.json", {"test": {**_recorded(inner.run), name: outcome}})
    if not isinstance(outcome, str):
        metric = search.setup.experiment.objective.removeprefix("val_")
        log.info("fold %d: %s: test %s %.3f", fold, name, metric, outcome[metric])


def _combined(search: Search, inner: Search, name: str) -> tuple[np.ndarray, list[float]]:
    """Return the answers of a finalist for the fold's test split, and the biases of its decision."""
    ensemble = next((c for c in search.candidates if c.name == name and c.status == COMPLETED and c.members), None)
    if ensemble is None:
        return _mean(search, inner, name), []
    parts = [_mean(search, inner, member) for member in ensemble.members]
    return combined(search.bench.saved(name), parts), ensemble.decision


def _mean(search: Search, inner: Search, name: str) -> np.ndarray:
    """Return the mean answers of the candidates that replace a candidate, (test rows, outputs) float32."""
    parts, _ = base_candidates(search, name)
    return np.asarray(sum(share * _answers(search, inner, base) for base, share in parts.items()), np.float32)


def _answers(search: Search, inner: Search, name: str) -> np.ndarray:
    """Return the answers of a tier-1 candidate, trained on the fold, for the fold's test split."""
    raise_if_interrupted()
    saved_name = f"{name}.test"
    if (saved := inner.run.predictions(saved_name)) is not None:
        return saved
    path = inner.run.model_path(name)
    records = [c for c in inner.candidates if c.name == name and c.status in (COMPLETED, FAILED)]
    if not records or (records[-1].status == COMPLETED and not path.is_file()):
        _train(search, inner, name)
        records = [c for c in inner.candidates if c.name == name]
    if records[-1].status != COMPLETED:
        raise TrialError(f"{name} failed: {records[-1].error.splitlines()[0]}")
    answers = inner.bench.predictor(inner.bench.saved(name))(inner.setup.rows("test"))
    inner.run.save_predictions(saved_name, answers)
    path.unlink()  # not needed any more: the model of the search is exported
    return answers


def _train(search: Search, inner: Search, name: str) -> None:
    candidate = next((c for c in search.candidates if c.name == name and c.status == COMPLETED), None)
    inner.runner.run(baseline(inner, name) if candidate is None else estimator_of(inner, candidate))


def estimator_of(search: Search, candidate: Candidate) -> Estimator:
    """Return the estimator of a tier-1 candidate, with its seed, to fit it again on the bench of `search`."""
    if candidate.kind != "trial":
        return baseline(search, candidate.name)
    build = partial(suffix_of, search.setup, candidate.point)
    return Head(candidate.name, "finalist", candidate.hyperparameters, seed=candidate.seed, build=build)


def suffix_of(setup: Setup, point: dict[str, Any]) -> Any:
    """Build the suffix of a point."""
    point = {**baselines.READ, **point}
    return baselines.fused(setup.shapes, point, pixel_encoder(point))
