"""Compute the evidence for a verdict after the finalists, within a share of the budget.

Each section is one entry of `evidence` in result.json, written as soon as it is computed. `evidence.seconds` has what
each took, and `evidence.left_out` names what did not fit into the time or failed, with the reason: `automm evidence`
computes it later.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from automm.config.duration import duration
from automm.config.experiment import Experiment
from automm.errors import TrialError
from automm.paths import runs_flag
from automm.search.candidate_runner import cause_of
from automm.search.evidence.trainings import OutOfTime, Trainings
from automm.search.interrupt import interruptible
from automm.search.session import Search

INCOMPLETE = "incomplete"  # an entry of a section that could not use all trainings: the reason

log = logging.getLogger("automm")


@dataclass(frozen=True)
class Stage:
    """What a section is computed from.

    Attributes:
        search: the finished search.
        result: the content of result.json, with the sections so far under "evidence".
        trainings: of the choice's recipe.
    """

    search: Search
    result: dict[str, Any]
    trainings: Trainings


@dataclass(frozen=True)
class Section:
    """One entry of `evidence`.

    Attributes:
        name: its key.
        compute: returns the entry, a JSON object; with the key INCOMPLETE, if it can be completed later.
        seconds: estimates how long `compute` needs at least, without what is stored; None: a moment, and the section is
            computed even if there is no time for evidence.
    """

    name: str
    compute: Callable[[Stage], dict[str, Any]]
    seconds: Callable[[Stage], float] | None = None


def seconds_for_evidence(experiment: Experiment, spent: float) -> float:
    """Return the seconds that the evidence may take: its share of all seconds, at most of the time limit.

    Of a short search in a long limit, the share of the limit would be longer than the search.

    Args:
        spent: the seconds of the search so far.
    """
    share, limit = experiment.evidence, experiment.budget.time
    return min(share / (1 - share) * spent, math.inf if limit is None else share * limit)


def gather_in_budget(search: Search, sections: Sequence[Section], spent: float) -> None:
    """Compute the evidence in its share of the budget, and before the end of the whole search.

    If the share is 0, only sections are computed that take a moment. Ctrl-C ends the evidence alone: the search is
    complete.

    Args:
        spent: as in `seconds_for_evidence`.
    """
    seconds, end = seconds_for_evidence(search.setup.experiment, spent), search.budget.end
    left = math.inf if end is None else max(0.0, end - time.monotonic())
    wanted = [section for section in sections if seconds or section.seconds is None]
    try:
        gather_evidence(search, wanted, min(seconds, left))
    except KeyboardInterrupt:
        log.warning("The evidence is interrupted, and the search is complete. Run automm evidence %s", _named(search))


def gather_evidence(search: Search, sections: Sequence[Section], seconds: float | None) -> None:
    """Compute those sections that result.json lacks or that were left out, and write each into it.

    An error of a section is recorded, and the other sections are computed: the search itself is complete.

    Args:
        seconds: for all of them; None: without a limit.
    """
    result = search.run.read("result.json")
    evidence = result.setdefault("evidence", {})
    left_out, took = evidence.setdefault("left_out", {}), evidence.setdefault("seconds", {})
    wanted = [section for section in sections if section.name not in evidence or section.name in left_out]
    if not wanted:
        return
    search.reporter.stage("evidence" if seconds is None else f"evidence (up to {duration(seconds)})")
    deadline = None if seconds is None else time.monotonic() + seconds
    stage = Stage(search, result, Trainings(search, result["best"], deadline))
    with interruptible():
        for place, section in enumerate(wanted):
            search.reporter.step("evidence", place, len(wanted))
            began = time.monotonic()
            reason = _compute(section, stage, deadline)
            took[section.name] = round(took.get(section.name, 0.0) + time.monotonic() - began, 1)
            left_out.pop(section.name, None)
            if reason:
                left_out[section.name] = reason
            search.run.write("result.json", result)
    if left_out:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        log.warning("The evidence is not complete (%s). Run automm evidence %s", reasons, _named(search))


def _named(search: Search) -> str:
    """Return the run as a command names it."""
    return search.run.name + runs_flag(search.run.folder.parents[1])


def _compute(section: Section, stage: Stage, deadline: float | None) -> str:
    """Add a section to the result; return why it is not complete, "" if it is."""
    try:
        needed = 0.0 if section.seconds is None else section.seconds(stage)
        if needed and deadline is not None and time.monotonic() + needed > deadline:
            left = duration(max(0.0, deadline - time.monotonic()))
            return f"takes about {duration(needed)}, and {left} are left"
        found = section.compute(stage)
    except (OutOfTime, TrialError) as error:
        return str(error)
    except Exception as error:
        log.exception("evidence: %s failed", section.name)
        return f"failed: {cause_of(error)}"
    stage.result["evidence"][section.name] = found
    return str(found.get(INCOMPLETE, ""))
