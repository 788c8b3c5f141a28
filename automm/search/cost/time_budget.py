"""Divide the time limit of a search among its stages.

Everything counts: the limit begins when the libraries are imported, and ends with the last logged model. Before the
encoding begins, its measured time is compared with the limit. Baselines, trials and fine-tuning end early enough for
what follows them. That time is estimated from counts, with rates from two busy cores, and from measured times where
there are any.
"""

import logging
import time
from dataclasses import dataclass

from automm.config.duration import duration
from automm.config.experiment import Experiment
from automm.errors import ConfigError
from automm.search.features.encoding_time import EncodingTime
from automm.search.ranking import FINALISTS
from automm.search.session import Search
from automm.search.setup.data import Setup
from automm.tracking.run_folder import Candidate

FIRST_CANDIDATE = 10.0  # seconds: the least that is left for baselines and trials after an encoding
FINALIST_SECONDS = 5.0  # per finalist: to compose, check, save and log its whole model
READ_SECONDS = 4.0  # to load models, read the test split through frozen features, and draw
DRAW_SECONDS = 0.8  # per candidate: its plots
TUNED_SECONDS = 10.0  # per fine-tuned model among the finalists: more weights to save and log
TUNED_ROW_SECONDS = 0.012  # per test review, fold and fine-tuned model, through its upper halves
ENSEMBLE_SECONDS = 5.0
FINE_TUNING_SECONDS = 45.0  # to build and trace the models, and to evaluate them once

log = logging.getLogger("automm")


def check_encoding(experiment: Experiment, expected: EncodingTime, spent: float) -> str:
    """Return in words how long the encoding will take; '' if nothing is to be encoded.

    Args:
        spent: the seconds of the time limit that are used.

    Raises:
        ConfigError: the encoding takes so long that no time would be left for candidates.
    """
    if not expected.items:
        return ""
    what = " and ".join(f"{count:,} {name}" for name, count in expected.items)
    words = f"{what}, about {duration(expected.seconds)}"
    limit = experiment.budget.time
    if limit is None:
        return words
    least = spent + expected.seconds + FIRST_CANDIDATE + FINALISTS * FINALIST_SECONDS
    if least <= limit:
        return f"{words} of {duration(limit)}"
    raise ConfigError(
        f"budget.time is {duration(limit)}, {duration(spent)} of it are used, and encoding {what} takes about "
        f"{duration(expected.seconds)} on this machine. {_what_fits(experiment, expected, spent, least)}"
    )


def _what_fits(experiment: Experiment, expected: EncodingTime, spent: float, least: float) -> str:
    """Name a larger limit, and the share of the reviews that fits into this one, if any does."""
    longer = f"--time-budget {-(-2 * int(least) // 60)}m"
    left = (experiment.budget.time or 0.0) - (least - expected.seconds)
    share = (experiment.subsample or 1.0) * left / expected.seconds
    tenths = int(share * 20) / 20  # in steps of 0.05, rounded down
    return f"Set --subsample {tenths:g}, or {longer}" if tenths > 0 else f"Set {longer}"


@dataclass(frozen=True)
class Tail:
    """The expected seconds of what follows the trials: ensemble, test split, logged models, and the other folds."""

    setup: Setup
    other_folds: int

    def seconds(self, candidates: list[Candidate], *, tuned: bool, seeds: int = 0) -> float:
        """Estimate them.

        Args:
            candidates: the ranked candidates so far.
            tuned: whether a fine-tuned candidate may be among the finalists.
            seeds: how many times the finalists of tier 1 are still to be trained again.
        """
        test, folds = len(self.setup.rows("test")), len(self.setup.folds)
        baselines = sum(candidate.kind != "trial" for candidate in candidates)
        seconds = READ_SECONDS + FINALISTS * FINALIST_SECONDS + DRAW_SECONDS * (baselines + FINALISTS)
        seconds += ENSEMBLE_SECONDS if self.setup.experiment.ensemble else 0.0
        seconds += seeds * sum(candidate.seconds for candidate in candidates[:FINALISTS])
        if tuned:
            seconds += 2 * TUNED_SECONDS + test * folds * TUNED_ROW_SECONDS
        # Finalists, the recipe and a few members of an ensemble are trained again on each other fold.
        again = sum(candidate.seconds for candidate in candidates[: 2 * FINALISTS])
        return seconds + self.other_folds * again


def has_time_to_fine_tune(search: Search) -> bool:
    """Return whether the share of tier 2 in the remaining time is enough to encode its states and to train a little."""
    settings, deadline = search.setup.experiment.tier2, search.budget.deadline
    if deadline is None or not settings.finalists:
        return True
    left = settings.share * (deadline - time.monotonic())
    if left <= FINE_TUNING_SECONDS:
        needed = FINE_TUNING_SECONDS
    else:
        needed = FINE_TUNING_SECONDS + search.bench.states_time().seconds
    if left > needed:
        return True
    log.info(
        "No candidate is fine-tuned: this needs at least %s, and tier2.share leaves it %s",
        duration(needed),
        duration(max(0.0, left)),
    )
    return False
