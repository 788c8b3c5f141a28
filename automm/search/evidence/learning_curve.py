"""Section `learning_curve`: the scores of the recipe on shares of the training reviews, and what more would add.

The curves are of the text alone, the pictures alone, and all modalities; each on the same judged rows. A share has
whole units of reviews, and each share contains the smaller ones; with another seed the units are others.
"""

from typing import Any

import numpy as np

from automm.errors import TrialError
from automm.evaluate.evidence.learning import MOST, PowerLaw, fit_power_law, more_data, shares_of
from automm.evaluate.evidence.worth import smallest_gain
from automm.search.evidence.ablation import Arm, folds_of_share
from automm.search.evidence.stage import INCOMPLETE, Stage
from automm.search.evidence.trainings import SEEDS, OutOfTime
from automm.tasks.base import LARGER, Metric

NAME = "learning_curve"
ALONE, ALL = ("text", "image"), "all"


def lost_of_curves(stage: Stage) -> dict[str, frozenset[str]]:
    """Return the modalities that each curve does without, by the name of the curve; the curve of ALL comes last."""
    given = stage.trainings.modalities
    alone = {name: frozenset(given) - {name} for name in ALONE if name in given and len(given) > 1}
    return {**alone, ALL: frozenset()}


def arms(stage: Stage, seed: int) -> list[tuple[str, float, Arm]]:
    """Return the arms of one seed, each with its curve and share; the largest shares first, which others share."""
    return [
        (curve, share, Arm(seed, lost=lost, share=share))
        for share in reversed(shares_of(_units(stage)))
        for curve, lost in lost_of_curves(stage).items()
    ]


def seconds(stage: Stage) -> float:
    """Estimate the seconds of the first seed."""
    return stage.trainings.seconds([arm for *_, arm in arms(stage, 1)])


def learning_curve(stage: Stage) -> dict[str, Any]:
    """Return the section; see docs/evidence.md."""
    setup, trainings = stage.search.setup, stage.trainings
    metric = setup.experiment.objective.removeprefix("val_")
    scores: dict[tuple[str, float], list[dict[str, float]]] = {}
    incomplete, done = "", 0
    for seed in range(1, SEEDS + 1):
        try:
            of_seed = {(curve, share): trainings.answers(arm) for curve, share, arm in arms(stage, seed)}
        except OutOfTime as error:
            if not done:
                raise
            incomplete = f"{done} of {SEEDS} seeds: {error}"
            break
        for key, given in of_seed.items():
            scores.setdefault(key, []).append(setup.task.measure(setup.validation_targets, given))
        done = seed
    if not scores:
        raise TrialError(f"the training reviews are only {_units(stage)} independent units")
    shares = sorted({share for _, share in scores})
    found: dict[str, Any] = {
        "recipe": trainings.recipe.candidate.name,
        "why": trainings.recipe.why,
        "metric": metric,
        "seeds": done,
        "shares": shares,
        "reviews": [_reviews(stage, share) for share in shares],
    }
    found["curves"] = {
        curve: _curve(stage, metric, found["reviews"], [scores[curve, share] for share in shares])
        for curve in lost_of_curves(stage)
    }
    found |= {key: found["curves"][ALL][key] for key in ("verdict", "sentence")}
    return {**found, INCOMPLETE: incomplete} if incomplete else found


def _curve(stage: Stage, metric: str, reviews: list[float], scores: list[list[dict[str, float]]]) -> dict[str, Any]:
    """Return one curve: its scores, its power law, and what twice and four times the reviews would add.

    Args:
        scores: by share and seed, every metric.
    """
    setup = stage.search.setup
    kind, targets = setup.task.metrics[metric], setup.judged_rows.targets
    rng = np.random.default_rng(setup.experiment.seed)
    law = fit_power_law(reviews, np.array([[one[metric] for one in of] for of in scores]), _bounds(kind), rng)
    verdict, sentence = more_data(law, kind, smallest_gain(setup.task, metric, targets, setup.outputs))
    return {
        "scores": {name: [[one[name] for one in of] for of in scores] for name in scores[0][0]},
        "fit": None
        if law is None
        else dict(zip(("limit", "factor", "exponent"), law.parameters.tolist(), strict=True)),
        "predicted": [] if law is None else [_predicted(law, times, kind) for times in (2.0, MOST)],
        "verdict": verdict,
        "sentence": sentence,
    }


def _predicted(law: PowerLaw, times: float, metric: Metric) -> dict[str, Any]:
    keys = ("value", "low", "high")
    score, added = law.score(times), law.gain(times, metric.direction)
    return {
        "times": times,
        "reviews": times * law.largest,
        "score": dict(zip(keys, score, strict=True)),
        "gain": dict(zip(keys, added, strict=True)),
    }


def _bounds(metric: Metric) -> tuple[float, float]:
    """Return the limits of a score: a share for metrics of labels; other scores are errors, or at most 1."""
    if metric.of_labels:
        return 0.0, 1.0
    return (-np.inf, 1.0) if metric.direction == LARGER else (0.0, np.inf)


def _reviews(stage: Stage, share: float) -> float:
    """Return the training reviews of a share, in the mean of the folds and seeds."""
    setup = stage.search.setup
    seeds = range(1, SEEDS + 1) if share < 1 else (1,)
    return float(np.mean([len(f.train) for seed in seeds for f in folds_of_share(setup, seed, share)]))


def _units(stage: Stage) -> int:
    """Return how many units the training rows of a fold are at least."""
    setup = stage.search.setup
    return min(len(np.unique(setup.units[fold.train])) for fold in setup.folds)
