"""How a search went: when the best score became better, whose proposals did it, and what the best trial changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from automm.evaluate.compare import better
from automm.tasks.base import LARGER
from automm.tracking.run_folder import Candidate, is_partial, rank

BASELINE, TRIAL = "baseline", "trial"  # kinds


@dataclass(frozen=True)
class Lead:
    """A candidate whose score was the best so far.

    Attributes:
        seconds: of training until it was finished, all candidates and sessions; parallel ones count once.
        candidates: the number of candidates that were finished before.
        score: what a ranking compares (`Candidate.ranked_by`).
    """

    seconds: float
    candidates: int
    name: str
    kind: str
    proposed_by: str
    score: float


@dataclass(frozen=True)
class Proposer:
    """What one proposer's candidates cost, and what they brought.

    Attributes:
        seconds: of training, added up over parallel candidates.
        best: None if none of them has a rank.
        leads: how often one of them took the lead.
    """

    candidates: int
    failed: int
    seconds: float
    best: float | None
    leads: int


@dataclass(frozen=True)
class Changed:
    """How far the best trial is from the baseline that is most like it.

    Attributes:
        hyperparameters: those that differ, as (the baseline's, the trial's); None where one does not exist.
        share: of all hyperparameters of both, those that differ.
    """

    baseline: str
    trial: str
    hyperparameters: dict[str, tuple[Any, Any]]
    share: float


def comparable(candidates: Sequence[Candidate], direction: str) -> list[Candidate]:
    """Return the candidates with a rank that were scored on all rows, in the order in which they were finished."""
    ranked = {candidate.name for candidate in rank(candidates, direction) if not is_partial(candidate.evaluation)}
    return [candidate for candidate in candidates if candidate.name in ranked]


def elapsed(candidates: Sequence[Candidate]) -> np.ndarray:
    """Return in how many seconds until the end of each candidate at least one was trained, (n,) float64."""
    begun = np.array([datetime.fromisoformat(candidate.started).timestamp() for candidate in candidates])
    ended = begun + [candidate.seconds for candidate in candidates]
    total, reached = np.zeros(len(begun)), -np.inf
    for place in np.argsort(begun, kind="stable"):
        start = max(begun[place], reached)
        total += np.clip(ended - start, 0.0, max(0.0, ended[place] - start))
        reached = max(reached, ended[place])
    return total


def leads(candidates: Sequence[Candidate], direction: str) -> list[Lead]:
    """Return the candidates that took the lead, in the order in which they were finished."""
    ranked = {candidate.name for candidate in comparable(candidates, direction)}
    seconds, found = elapsed(candidates), list[Lead]()
    for before, place in enumerate(np.argsort(seconds, kind="stable").tolist()):
        one = candidates[place]
        if one.name in ranked and (not found or better(one.ranked_by, found[-1].score, direction)):
            found.append(
                Lead(float(seconds[place]), before, one.name, one.kind, one.proposed_by or one.kind, one.ranked_by)
            )
    return found


def proposers(candidates: Sequence[Candidate], direction: str) -> dict[str, Proposer]:
    """Return what each proposer brought, by its name; the kind of a candidate where a run has no proposers."""
    ranked = {candidate.name for candidate in comparable(candidates, direction)}
    leading = leads(candidates, direction)
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.proposed_by or candidate.kind, []).append(candidate)
    best = max if direction == LARGER else min
    return {
        name: Proposer(
            len(group),
            sum(bool(one.error) for one in group),
            sum(one.seconds for one in group),
            best((one.ranked_by for one in group if one.name in ranked), default=None),
            sum(lead.proposed_by == name for lead in leading),
        )
        for name, group in groups.items()
    }


def changed(candidates: Sequence[Candidate], direction: str) -> Changed | None:
    """Compare the best trial with the baseline that shares most of its hyperparameters; None without one of them."""
    ranked = [one for one in rank(candidates, direction) if not is_partial(one.evaluation)]
    trial = next((one for one in ranked if one.kind == TRIAL), None)
    baselines = [one for one in ranked if one.kind == BASELINE]
    if trial is None or not baselines:
        return None
    found = [_difference(baseline, trial) for baseline in baselines]
    return min(found, key=lambda one: one.share)  # of equally near ones, the better one


def _difference(baseline: Candidate, trial: Candidate) -> Changed:
    old, new = baseline.point, trial.point
    names = [*new, *(name for name in old if name not in new)]
    different = {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}
    return Changed(baseline.name, trial.name, different, len(different) / max(1, len(names)))
