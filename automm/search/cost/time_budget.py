"""Divide the time limit of a search among its stages.

Everything counts: the limit begins when the libraries are imported, and ends with the last logged model. Before the
encoding begins, its measured time is compared with the limit. Baselines, trials and fine-tuning end early enough for
what follows them. That time is estimated from counts, with rates from two busy cores, and from measured times where
there are any.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from automm.config.duration import duration
from automm.config.experiment import Experiment
from automm.errors import ConfigError
from automm.models.average import members_of
from automm.search.budget import MOST_KEPT
from automm.search.features.encoding_time import EncodingTime
from automm.search.ranking import FINALISTS
from automm.search.session import Search
from automm.search.setup.data import Setup
from automm.tracking.run_folder import Candidate

FITS = 0.9  # of the largest share that fits is named: a second measurement of the rate may be slower
FIRST_CANDIDATE = 10.0  # seconds: the least that is left for baselines and trials after an encoding
FINE_TUNING_SECONDS = 45.0  # to build and trace the models, and to evaluate them once
# Seconds of one CPU, measured on MVSA-Single; two free cores need about two thirds of them.
FINALIST_SECONDS = 7.0  # per finalist: to load, compose, check, save and log its whole model
READ_SECONDS = 4.0  # to load the other models, and to read the test split through frozen features
DRAW_SECONDS = 0.3  # per candidate: its plots
TUNED_SECONDS = 10.0  # per fine-tuned model among the finalists: more weights to load, trace, save and log
TUNED_ROW_SECONDS = 0.006  # per test review, fold and fine-tuned model, through its upper halves
ENSEMBLE_SECONDS = 20.0  # to combine candidates, twice: for the ensemble and for the selection bias
MOST_SLOWNESS = 20.0
TRAININGS = 20  # of a head, as many as the evidence needs with two modalities (`search/evidence`)

log = logging.getLogger("automm")


def check_encoding(
    experiment: Experiment, expected: EncodingTime, spent: float, *, resumed: bool = False, begun: bool = False
) -> str:
    """Return in words how long the encoding will take; '' if nothing is to be encoded.

    Args:
        spent: the seconds of the time limit that are used.
        resumed: whether the run is resumed, so that its reviews are given.
        begun: whether the run has candidates, which are evaluated even if no time is left for others.

    Raises:
        ConfigError: no time would be left for candidates.
    """
    # Several encoders read the same texts: they are named once.
    what = " and ".join(dict.fromkeys(f"{count:,} {name}" for name, count in expected.items))
    words = what and f"{what}, about {duration(expected.seconds)}"
    limit, finalists = experiment.budget.time, FINALISTS * FINALIST_SECONDS
    if limit is None:
        return words
    used = f"budget.time is {duration(limit)}: {duration(spent)} of it are used,"
    least = spent + expected.seconds + FIRST_CANDIDATE + finalists
    if not what:
        kept = min(finalists, MOST_KEPT * limit)
        if begun or spent + kept < limit:
            return ""
        raise ConfigError(
            f"{used} and {duration(kept)} are kept for the finalists, so that no candidate can be trained. "
            f"Set {_longer(least)}"
        )
    if least <= limit:
        return f"{words} of {duration(limit)}"
    share = 0.0 if resumed else _share_that_fits(experiment, expected.seconds, limit - (least - expected.seconds))
    fix = f"Set --subsample {share:g}, or {_longer(least)}" if share > 0 else f"Set {_longer(least)}"
    raise ConfigError(
        f"{used} encoding {what} takes about {duration(math.ceil(expected.seconds))} on this machine, and "
        f"{duration(least - spent - expected.seconds)} are kept for candidates and finalists. {fix}"
    )


def _longer(least: float) -> str:
    """Name a limit of twice the seconds that are needed at least, in whole minutes."""
    return f"--time-budget {-(-2 * int(least) // 60)}m"


def _share_that_fits(experiment: Experiment, seconds: float, left: float) -> float:
    """Return a share of the reviews that is encoded in the time left, in steps of 0.05; 0 or less if none is."""
    return int(20 * FITS * (experiment.subsample or 1.0) * left / seconds) / 20


class Pace:
    """Measures how much slower than one free core this machine runs the search, because others use it too."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, cpu: Callable[[], float] = time.process_time):
        self._clock, self._cpu = clock, cpu
        self._began = clock(), cpu()
        self._held: float | None = None

    def slowness(self) -> float:
        """Return the seconds that passed divided by the CPU seconds of this process, from 1 to MOST_SLOWNESS."""
        if self._held is not None:
            return self._held
        passed, used = (now - then for now, then in zip((self._clock(), self._cpu()), self._began, strict=True))
        return min(MOST_SLOWNESS, max(1.0, passed / used)) if used > 0 else 1.0

    def hold(self) -> None:
        """Keep the present factor: from now on this process waits for others."""
        self._held = self.slowness()


@dataclass(frozen=True)
class Tail:
    """The expected seconds of what follows the trials: ensemble, test split, logged models, other folds, evidence.

    Attributes:
        slowness: returns the factor by which CPU seconds take longer (`Pace`).
    """

    setup: Setup
    other_folds: int
    slowness: Callable[[], float]

    def seconds(self, candidates: list[Candidate], *, tuned: bool, seeds: int = 0) -> float:
        """Estimate them.

        Args:
            candidates: the ranked candidates so far.
            tuned: whether a fine-tuned candidate may be among the finalists.
            seeds: how many times the finalists of tier 1 are still to be trained again.
        """
        test, folds = len(self.setup.splits["test"]), len(self.setup.folds)
        baselines = sum(candidate.kind != "trial" for candidate in candidates)
        seconds = READ_SECONDS + FINALISTS * FINALIST_SECONDS + DRAW_SECONDS * (baselines + FINALISTS)
        seconds += ENSEMBLE_SECONDS if self.setup.experiment.ensemble else 0.0
        if tuned:
            seconds += 2 * TUNED_SECONDS + test * folds * TUNED_ROW_SECONDS
        # Finalists, the recipe and a few members of an ensemble are trained again on each other fold.
        again = self.other_folds * sum(candidate.seconds for candidate in candidates[: 2 * FINALISTS])
        again += seeds * sum(candidate.seconds for candidate in candidates[:FINALISTS])
        again += self._for_evidence(candidates)
        return self.slowness() * seconds + again

    def _for_evidence(self, candidates: list[Candidate]) -> float:
        """Return the seconds that the evidence will take: at most its share of the limit."""
        experiment = self.setup.experiment
        heads = [candidate.seconds for candidate in candidates if candidate.tier == 1 and candidate.history]
        needed = TRAININGS * heads[0] if heads else 0.0
        limit = experiment.budget.time
        if not experiment.evidence or limit is None:
            return 0.0
        return min(experiment.evidence * limit, needed)


def has_time_to_fine_tune(search: Search, first: str) -> bool:
    """Return whether the share of tier 2 in the remaining time is enough to encode its states and to train a little.

    Args:
        first: the name of the first candidate to fine-tune; only the encoders that it reads are asked for states.
    """
    settings, deadline = search.setup.experiment.tier2, search.budget.deadline
    if deadline is None:
        return True
    left = settings.share * (deadline - time.monotonic())
    if left <= FINE_TUNING_SECONDS:
        needed = FINE_TUNING_SECONDS
    else:
        encoders = search.bench.encoders_of(members_of(search.bench.saved(first))[0])
        needed = FINE_TUNING_SECONDS + search.bench.states_time(encoders).seconds
    if left > needed:
        return True
    log.info(
        "No candidate is fine-tuned: this needs at least %s, and tier2.share leaves it %s",
        duration(needed),
        duration(max(0.0, left)),
    )
    return False
