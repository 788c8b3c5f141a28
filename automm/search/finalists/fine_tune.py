"""Tier 2: choose the candidates to fine-tune, and their time limit (`candidates/fine_tuned`)."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from automm.data.inputs.input_sources import TWO_THIRDS
from automm.errors import ConfigError
from automm.models.average import members_of
from automm.models.cnn.pixels import FROZEN
from automm.search.candidates.fine_tuned import FineTuned
from automm.search.cost.time_budget import has_time_to_fine_tune
from automm.search.finalists.pilots import entry, run_pilot, train_if_it_won
from automm.search.session import Search
from automm.search.training.options import TIER_1_ONLY
from automm.tracking.run_folder import KILLED, Candidate

KIND = "fine-tuned"
SUFFIX = "-tuned"

log = logging.getLogger("automm")


def fine_tune(search: Search) -> None:
    """Fine-tune finalists of tier 1, each on all folds if its pilot wins, until the time of tier 2 is used up."""
    settings = search.setup.experiment.tier2
    finalists = [] if search.budget.out_of_time() else candidates_to_tune(search, settings.finalists)
    if not finalists or not has_time_to_fine_tune(search, finalists[0].name):
        return
    search.reporter.stage("fine-tuning")
    deadline = None
    if search.budget.deadline is not None:
        now = time.monotonic()
        deadline = now + settings.share * (search.budget.deadline - now)
    for candidate in finalists:
        if deadline is None or time.monotonic() < deadline:
            estimator = _estimator(search, candidate, deadline)
            run_pilot(search, estimator)
            train_if_it_won(search, estimator, candidate.name, deadline, "budget.time or tier2.share")


def tier2_entries(search: Search) -> dict[str, Any]:
    """Return the entry "tier2" of result.json: by fine-tuned candidate, its pilot's comparison with frozen heads."""
    names = [candidate.name for candidate in search.ranking.trained()]
    entries = {name + SUFFIX: entry(search, name + SUFFIX, name) for name in names}
    return {name: found for name, found in entries.items() if found}


def candidates_to_tune(search: Search, count: int) -> list[Candidate]:
    """Return the best `count` trained candidates of tier 1, without those that are already fine-tuned.

    A candidate that does not use the encoders' upper layers has nothing to fine-tune, and one whose encoder cannot be
    cut cannot be: it is left out and logged.
    """
    done = {candidate.name for candidate in search.candidates if candidate.status != KILLED}
    trained: list[Candidate] = []
    for candidate in search.ranking.trained():
        if len(trained) == count:
            break
        if not _reads_upper_parts(candidate.point):
            log.info("%s is not fine-tuned: it does not use the upper layers of an encoder", candidate.name)
        elif candidate.name + SUFFIX in done or _can_be_cut(search, candidate.name):
            trained.append(candidate)
    return [candidate for candidate in trained if candidate.name + SUFFIX not in done]


def _can_be_cut(search: Search, name: str) -> bool:
    """Return whether every encoder that a candidate reads has an upper part; its message says why not."""
    try:
        search.bench.lower_halves(search.bench.encoders_of(members_of(search.bench.saved(name))[0]))
    except ConfigError as error:
        log.warning("%s is not fine-tuned: %s", name, error)
        return False
    return True


def _reads_upper_parts(point: Mapping[str, Any]) -> bool:
    frozen = point.get("image/source", FROZEN) == FROZEN
    return point.get("text/layer") != TWO_THIRDS or (frozen and point.get("image/stage") != TWO_THIRDS)


def _estimator(search: Search, candidate: Candidate, deadline: float | None) -> FineTuned:
    settings = search.setup.experiment.tier2
    point = {
        **{key: value for key, value in candidate.point.items() if key not in TIER_1_ONLY},
        "training/learning_rate": settings.learning_rate,
        "training/encoder_rate": settings.encoder_rate,
    }
    return FineTuned(
        candidate.name + SUFFIX, KIND, point, proposed_by="fine-tuning", start=candidate.name, deadline=deadline
    )
