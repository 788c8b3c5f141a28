"""The entry `evidence.course` of result.json: how the search went, and what it depended on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from automm.evaluate.combine import Judged
from automm.evaluate.course.errors import Correlations, error_correlations
from automm.evaluate.course.gains import Gains, Loaded, gains_of
from automm.evaluate.course.importance import Importance, importance_of
from automm.evaluate.course.progress import (
    BASELINE,
    TRIAL,
    Changed,
    Lead,
    Proposer,
    changed,
    comparable,
    leads,
    proposers,
)
from automm.tasks.base import Task
from automm.tracking.judged_rows import JudgedRows
from automm.tracking.run_folder import Candidate


@dataclass(frozen=True)
class Course:
    """How a search went; docs/evidence.md describes every key.

    Attributes:
        seconds: of each stage, all sessions together; {} for a run from before stages were timed.
    """

    seconds: dict[str, float]
    leads: list[Lead]
    proposers: dict[str, Proposer]
    changed: Changed | None
    gains: Gains
    importance: Importance
    errors: Correlations


def course_of(
    task: Task,
    objective: str,
    candidates: Sequence[Candidate],
    rows: JudgedRows,
    predictions: Callable[[str], np.ndarray | None],
    *,
    shown: Sequence[str],
    seconds: Mapping[str, float],
    seed: int,
) -> Course:
    """Compute the entry. It reads the judged reviews only.

    Args:
        candidates: all finished candidates in order (`Run.candidates`).
        rows: the judged reviews.
        predictions: returns the answers of a candidate for `rows`, (n, outputs), or None (`Run.predictions`).
        shown: the candidates whose errors are correlated, the most important first.
        seconds: of each stage (`spent.json`).
        seed: of the forests and the random parts.
    """
    direction, rng = task.objectives[objective], np.random.default_rng(seed)
    counted = comparable(candidates, direction)
    trials = [one for one in counted if one.kind == TRIAL]

    def complete(name: str) -> bool:
        found = predictions(name)
        return found is not None and len(found) == len(rows)

    def answers(name: str) -> np.ndarray:
        return np.asarray(predictions(name))

    kept = [one.name for kind in (BASELINE, TRIAL) for one in counted if one.kind == kind and complete(one.name)]
    baselines = sum(one.kind == BASELINE and one.name in kept for one in counted)
    judged = Judged(task, objective, rows.targets, rows.units, Loaded(answers, kept))
    return Course(
        dict(seconds),
        leads(candidates, direction),
        proposers(candidates, direction),
        changed(candidates, direction),
        gains_of(judged, baselines, rng),
        importance_of([one.point for one in trials], np.array([one.ranked_by for one in trials]), direction, rng),
        error_correlations(task, rows.targets, [name for name in shown if complete(name)], answers),
    )
