"""Pilots: a candidate whose encoders are trained is first trained on one fold, and on all folds only if it wins there.

The question of a pilot is whether training encoders is worth its time. One model is compared with one model, on the
same judged rows: the pilot with the first fold's model of the best frozen head of tier 1. It has to be better by more
than two standard errors, or chance would start trainings of minutes to hours that gain nothing. Only scores decide,
because seconds differ from one computer and one run to the next. The best head of equal seconds is reported too: tier 1
could have gone on from the head that the pilot starts from for as long as the pilot took, so it is the best one that
had been found by then. Heads are trained on all folds; the seconds of one fold are compared. Heads are chosen by their
score on all folds, and the pilot's best epoch by the judged rows of the first fold, which favours a pilot slightly.
With a holdout there is one fold, and the pilot is the candidate.
"""

import logging
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from automm.evaluate.compare import paired_error, score
from automm.search.candidates.estimator import Estimator
from automm.search.session import Search
from automm.tasks.base import LARGER
from automm.tasks.registry import all_metrics
from automm.tracking.run_folder import COMPLETED, KILLED, PILOT, Candidate

SUFFIX = "-pilot"
CLEAR = 2.0  # standard errors of the difference, by which a pilot must be better to win

log = logging.getLogger("automm")


@dataclass(frozen=True)
class FrozenHead:
    """A frozen head that a pilot is compared with.

    Attributes:
        score: of its first model on the judged rows of the first fold.
        seconds: that tier 1 took until it had found this head, of one fold.
    """

    name: str
    score: float
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """A pilot against frozen heads on the judged rows of the first fold; scores are of the objective.

    Attributes:
        candidate: the name of the candidate whose encoders are trained.
        score, seconds, stopped: of its pilot, as in `tracking/run_folder.Candidate`.
        head: the best frozen head of tier 1, or None if there is no frozen head.
        equal_seconds_head: the best frozen head that tier 1 would have found in the seconds of the pilot.
        difference: `score` minus the score of `head`.
        error: the standard error of the difference over the judged units of the fold.
        won: whether the pilot is better than `head` by more than CLEAR standard errors, or there is no head.
        folds: the number of folds of the setup.
        all_folds: whether the candidate has been trained on all of them.
        all_folds_seconds: the seconds of that training.
    """

    candidate: str
    score: float
    seconds: float
    stopped: str
    head: FrozenHead | None
    equal_seconds_head: FrozenHead | None
    difference: float | None
    error: float | None
    won: bool
    folds: int
    all_folds: bool
    all_folds_seconds: float | None

    def sentence(self, objective: str) -> str:
        """Say in one sentence what training the encoders was worth and cost."""
        title = all_metrics()[objective.removeprefix("val_")].title
        fold = "the validation split" if self.folds == 1 else f"fold 1 of {self.folds}"
        ended = ", ended by the time limit" if self.stopped == "time" else ""
        own = f"{self.candidate}: {title} {self.score:.3f} on {fold} in {self.seconds:.0f} s{ended}"
        if self.head is None:
            return f"{own}, without a frozen head to compare with"
        head, equal = self.head, self.equal_seconds_head
        other = ""
        if equal is not None and equal != head:
            other = f"; the best of equal seconds, {equal.name}, has {equal.score:.3f} after {equal.seconds:.0f} s"
        after = ""
        if self.all_folds_seconds is not None:
            after = f"; trained on all folds in {self.all_folds_seconds:.0f} s"
        elif self.folds > 1:
            after = "; not trained on all folds" + (
                "" if self.won else f", which takes a lead of {CLEAR:.0f} standard errors"
            )
        return (
            f"{own}, {self.difference:+.3f} (standard error {self.error:.3f}) against the best frozen head, "
            f"{head.name} ({head.score:.3f} after {head.seconds:.0f} s){other}{after}"
        )


def run_pilot(search: Search, estimator: Estimator) -> None:
    """Train a candidate on the first fold, unless this has a record. With a holdout, this is the candidate itself."""
    if len(search.setup.folds) > 1:
        estimator = replace(
            estimator,
            name=estimator.name + SUFFIX,
            kind=PILOT,
            seed_name=estimator.seed_name or estimator.name,
            proposed_by=estimator.proposed_by or estimator.kind,
            folds=1,
        )
    if estimator.name not in _recorded(search):
        search.runner.run(estimator)


def train_if_it_won(search: Search, estimator: Estimator, start: str, deadline: float | None, limits: str) -> None:
    """Train a candidate on all folds if its pilot has won and the time suffices, and log what the pilot was worth.

    Args:
        start: the frozen head from which it starts, or "".
        deadline: a time of `time.monotonic`, or None.
        limits: the keys of the experiment file that set the deadline.
    """
    found = compare(search, estimator.name, start)
    if found is None:
        return
    if found.won and found.folds > 1 and estimator.name not in _recorded(search):
        needed = found.folds * found.seconds
        left = None if deadline is None else deadline - time.monotonic()
        if left is None or needed <= left:
            search.runner.run(estimator)
            found = compare(search, estimator.name, start) or found
        else:
            log.warning(
                "%s has won on the first fold, but all %d folds need about %.0f s and %.0f s are left. Search with a "
                "larger %s",
                estimator.name,
                found.folds,
                needed,
                max(0.0, left),
                limits,
            )
    log.info("%s", found.sentence(search.setup.experiment.objective))


def compare(search: Search, name: str, start: str) -> Comparison | None:
    """Compare the pilot of a candidate with frozen heads, as the module describes; None without a completed pilot.

    Args:
        start: the frozen head from which the pilot starts, or "".
    """
    setup = search.setup
    completed = {c.name: c for c in search.candidates if c.status == COMPLETED}
    folds = len(setup.folds)
    pilot = completed.get(name if folds == 1 else name + SUFFIX)
    if pilot is None or pilot.score is None:
        return None
    heads = [c for c in search.ranking.trained() if c.evaluation == setup.evaluation]
    spent = _seconds_until_found(search)
    best, equal = (
        FrozenHead(head.name, _first_fold_score(search, head), spent[head.name]) if head else None
        for head in (heads[0] if heads else None, _of_equal_seconds(heads, spent, start, pilot.seconds))
    )
    difference, error, won = None, None, True
    if best is not None:
        difference, error = pilot.score - best.score, _error(search, pilot.name, best.name)
        won = difference * (1 if setup.experiment.direction == LARGER else -1) > CLEAR * error
    whole = completed.get(name) if folds > 1 else None
    return Comparison(
        candidate=name,
        score=pilot.score,
        seconds=pilot.seconds,
        stopped=pilot.stopped,
        head=best,
        equal_seconds_head=equal,
        difference=difference,
        error=error,
        won=won,
        folds=folds,
        all_folds=whole is not None,
        all_folds_seconds=whole.seconds if whole else None,
    )


def _first_fold_score(search: Search, head: Candidate) -> float:
    """Return the objective of a head's first model on the judged rows of the first fold, from its stored answers."""
    setup = search.setup
    targets = setup.arrays.targets[setup.folds[0].validation]
    return score(setup.task.measure(targets, _first_fold_answers(search, head.name)), setup.experiment.objective)


def _error(search: Search, pilot: str, head: str) -> float:
    """Return the standard error of the difference of both in the objective on the judged rows of the first fold."""
    setup, rows = search.setup, search.setup.folds[0].validation
    first, second = (_first_fold_answers(search, name) for name in (pilot, head))
    metric = setup.experiment.objective.removeprefix("val_")
    return paired_error(setup.task, setup.arrays.targets[rows], first, second, metric, units=setup.units[rows])


def _first_fold_answers(search: Search, name: str) -> np.ndarray:
    answers = search.run.predictions(name)
    assert answers is not None, f"{search.run.predictions_path(name)} is missing"
    return answers[: len(search.setup.folds[0].validation)]


def _seconds_until_found(search: Search) -> dict[str, float]:
    """Return by frozen head the seconds of tier 1 for one fold, up to and including this head."""
    spent, total = {}, 0.0
    for candidate in search.candidates:
        if candidate.tier == 1 and candidate.history and candidate.kind in ("baseline", "trial"):
            total += candidate.seconds / len(search.setup.folds)
            spent[candidate.name] = total
    return spent


def _of_equal_seconds(heads: list[Candidate], spent: dict[str, float], start: str, seconds: float) -> Candidate | None:
    """Return the best of some ranked heads that was found in equal seconds, at least the first one that was trained."""
    limit = spent.get(start, 0.0) + seconds
    found = [head for head in heads if spent[head.name] <= limit]
    return found[0] if found else min(heads, key=lambda head: spent[head.name], default=None)


def entry(search: Search, name: str, start: str) -> dict[str, Any] | None:
    """Return the comparison of a candidate's pilot as it is written to result.json; None without a pilot."""
    found = compare(search, name, start)
    return None if found is None else {**asdict(found), "sentence": found.sentence(search.setup.experiment.objective)}


def _recorded(search: Search) -> set[str]:
    return {candidate.name for candidate in search.candidates if candidate.status != KILLED}
