"""Decide on which reviews candidates are judged: the rule of the test split is the rule of selection.

If the test split is later than what is learned from, or named by the data, candidates are judged on the validation
split, which is later or named too: folds would shuffle past and future, or reviews that their authors kept apart.
Otherwise few reviews are used more than once, in folds.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from automm.config.experiment import Experiment, Folds
from automm.data.sections import Splits
from automm.data.splitting.folds import fold_rows
from automm.data.splitting.other_folds import each_fold
from automm.errors import DataError
from automm.search.training.loop import Fold
from automm.tracking.run_folder import Run

if TYPE_CHECKING:  # data.py imports this module
    from automm.search.setup.data import Loaded

# `evaluation: auto` cross-validates on FOLDS folds if train and validation together have fewer than FEW_REVIEWS.
FOLDS, FEW_REVIEWS = 5, 10_000

HOLDOUT = "candidates are judged on the validation split"

log = logging.getLogger("automm")


@dataclass(frozen=True)
class Judging:
    """The rows that candidates are trained and judged on.

    Attributes:
        folds: the train and validation splits as one fold, or both together divided into several folds.
        why: what is done, and why, in one line.
        warning: why the figures may be too good; "" if nothing speaks for it.
    """

    folds: tuple[Fold, ...]
    why: str
    warning: str = ""


def evaluation_name(folds: Sequence[Fold]) -> str:
    """Return how candidates are evaluated: 'holdout' or, for example, '5 folds'."""
    return "holdout" if len(folds) == 1 else f"{len(folds)} folds"


def with_recorded_evaluation(experiment: Experiment, run: Run, loaded: "Loaded") -> Experiment:
    """Return the experiment with the evaluation that a resumed run began with, if `auto` would now be another.

    An earlier rule may have begun the run; its candidates can only be compared with others that are judged the same.
    """
    before = run.read("manifest.json").get("evaluation")
    if experiment.evaluation != "auto" or before is None:
        return experiment
    judging = folds_of(loaded, experiment)
    if evaluation_name(judging.folds) == before:
        return experiment
    log.warning(
        "--resume %s: the run began with %s and keeps this evaluation; in a new run, %s",
        run.name,
        before,
        judging.why,
    )
    recorded = before if before == "holdout" else Folds(folds=int(before.partition(" ")[0]))
    return experiment.model_copy(update={"evaluation": recorded})


def folds_of(loaded: "Loaded", experiment: Experiment) -> Judging:
    """Return the rows that candidates are trained and judged on; `evaluation` of the experiment overrides the rule.

    Raises:
        DataError: the experiment sets a number of folds, and the linked reviews form fewer groups.
    """
    train, validation = loaded.splits["train"], loaded.splits["validation"]
    both, rules = np.sort(np.concatenate([train, validation])), loaded.dataset.manifest.splits
    count, why = folds_wanted(experiment, rules, len(both))
    holdout = (Fold(train, validation),)
    if count == 1:
        return Judging(holdout, why)
    folds = tuple(Fold(*rows) for rows in fold_rows(loaded.dataset, loaded.links, both, count))
    if len(folds) == count:
        return Judging(folds, why, _mixed(rules, count))
    problem = (
        f"train and validation have only {len(folds)} parts that share no group, text or picture; {count} are needed"
    )
    if isinstance(experiment.evaluation, Folds):
        raise DataError(f"{loaded.dataset.manifest.file.name}: {problem}. Set evaluation: holdout, or fewer folds")
    return Judging(holdout, f"{HOLDOUT}: {problem} for folds")


def folds_wanted(experiment: Experiment, rules: Splits, reviews: int | None = None) -> tuple[int, str]:
    """Return the number of folds, 1 for the validation split, and the reason in one line.

    Args:
        rules: of the manifest.
        reviews: the number of reviews in train and validation; None if they have not been read.
    """
    wanted = experiment.evaluation
    if wanted == "holdout":
        return 1, f"{HOLDOUT} (evaluation: holdout)"
    count, otherwise = FOLDS, ""
    if isinstance(wanted, Folds):
        count = wanted.folds
    elif rules.rule == "time":
        return 1, f"{HOLDOUT}, which is later than train, as the test split is (splits.time)"
    elif rules.rule == "column" and rules.validation is None:
        return 1, f"{HOLDOUT}, which column {rules.column!r} names"
    elif reviews is None:
        otherwise = f"; on the validation split from {FEW_REVIEWS:,} reviews on"
    elif reviews >= FEW_REVIEWS:
        return 1, f"{HOLDOUT}: train and validation have {reviews:,} reviews ({FEW_REVIEWS:,} or more)"
    return count, f"candidates are judged on {count} folds of train and validation, linked reviews in one{otherwise}"


def _mixed(rules: Splits, count: int) -> str:
    if rules.rule != "time":
        return ""
    return (
        f"evaluation: {{folds: {count}}} mixes past and future, which splits.time separates, so scores may be too good "
        "for later reviews. Set evaluation: auto in a new run"
    )


def check_folds(loaded: "Loaded", experiment: Experiment) -> None:
    """Check before encoding that `folds_of` works on this fold and on the manifest's other folds.

    Raises:
        DataError: as `folds_of`.
    """
    if isinstance(experiment.evaluation, Folds):
        folds_of(loaded, experiment)
        each_fold(loaded.other_folds, lambda fold: folds_of(loaded.with_fold(fold), experiment))
