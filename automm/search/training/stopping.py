"""Early stopping of trials that are worse than the median of completed trials and do not improve.

Folds are trained in parallel, which is faster than one after the other. A trial is therefore compared on all folds
after each epoch, not on the first folds after all epochs. The threshold is that of the median stopping rule (Golovin et
al. 2017, "Google Vizier", section 3.2.2): the median of the best scores that completed trials had reached by the same
epoch. The rule itself stops slow learners, and the best trial may be one: on MVSA-Single the best of 13 was below the
median in its first five epochs (experiments/README.md). Here patience is only halved below the median, and a trial that
improves continues.
"""

from collections.abc import Mapping, Sequence

import numpy as np

ENOUGH = 5  # completed trials that a median needs


def median_scores(
    histories: Sequence[Sequence[Mapping[str, float]]], objective: str, direction: str
) -> tuple[float, ...]:
    """Return the median of the best scores that trials had reached by epoch 1, 2, ...

    Args:
        histories: the histories of completed trials, one entry per epoch.
        direction: 'max' or 'min': the direction of the objective.

    Returns:
        One score per epoch of the longest trial; () if fewer than ENOUGH trials are completed.
    """
    if len(histories) < ENOUGH:
        return ()
    so_far = np.maximum if direction == "max" else np.minimum
    reached = [so_far.accumulate([entry[objective] for entry in history]) for history in histories]
    epochs = max(map(len, reached))
    # A trial that stopped earlier keeps its last score.
    table = np.stack([np.pad(scores, (0, epochs - len(scores)), mode="edge") for scores in reached])
    return tuple(map(float, np.median(table, axis=0)))
