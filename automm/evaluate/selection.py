"""Estimate the selection bias of the best candidate's score.

The best of thirty candidates is partly the luckiest, so its score on the reviews that it was chosen on is too good. The
whole choice (`evaluate/combine`) is repeated many times without a fifth of the resampling units and scored on that
fifth. Tsamardinos, Greasidou and Borboudakis 2018 (Machine Learning 107, arXiv 1708.07180) do so with bootstrap
samples, which have only 63 % of the reviews: where candidates differ, a choice from so few is worse than one from all.
"""

from dataclasses import dataclass

import numpy as np

from automm.evaluate.combine import DIVISIONS, BestSingle, Combiner, Judged, divisions, honest
from automm.evaluate.compare import FEWEST

REPEATS = 80  # 400 choices: each without one of five parts


@dataclass(frozen=True)
class Selection:
    """The score of the chosen candidate, and the score corrected for selection bias.

    Attributes:
        optimism: the selection bias in the unit of the objective, never negative.
        candidates: the number of candidates that the choice was made from.
        units: the number of resampling units.
        note: what the correction does not cover, in sentences; "" if there is nothing to say.
    """

    score: float
    corrected: float
    optimism: float
    candidates: int
    units: int
    note: str = ""


def selection(
    judged: Judged, score: float, combiner: Combiner, *, rng: np.random.Generator, early_stopping: bool = False
) -> Selection:
    """Correct the score of a choice for the selection bias.

    Args:
        judged: all single candidates, on at least `combine.FEWEST` units.
        score: the objective of the chosen candidate.
        combiner: the choice.
        early_stopping: whether candidates were trained until their score on these reviews was best.
    """
    is_single = isinstance(combiner, BestSingle)
    repeats = REPEATS if is_single else divisions(judged)  # selecting an ensemble takes longer, and varies less
    corrected = honest(combiner, judged, rng=rng, repeats=repeats)
    notes = []
    if early_stopping:
        notes.append("Not in the correction: each candidate's best epoch was chosen on the same reviews.")
    if judged.count < FEWEST:
        notes.append(f"The correction is rough: there are only {judged.count} independent groups of reviews.")
    if not is_single and repeats < DIVISIONS:
        times = "only one division" if repeats == 1 else f"only {repeats} divisions"
        notes.append(f"There are many reviews: the ensemble and the correction were computed on {times} into parts.")
    return Selection(
        score=score,
        corrected=corrected,
        optimism=max(0.0, judged.sign * (score - corrected)),
        candidates=len(judged.answers) + (not is_single),
        units=judged.count,
        note=" ".join(notes),
    )
