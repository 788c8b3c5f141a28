"""A trial that is behind the others, and gets no better, ends early, on all folds at once.

Folds are trained side by side, which is quicker than one after the other; so a trial is judged on all of them after its
first epochs, and not on the first folds after all epochs. The bar is that of the median stopping rule (Golovin et al.
2017, "Google Vizier", section 3.2.2): the median of what completed trials had reached by the same epoch. The rule
itself gives up whatever learns slowly, and the best trial may: on MVSA-Single the best of 13 was under the bar in its
first five epochs (experiments/README.md). So below the bar patience is halved, and a trial that gets better goes on.
"""

from collections.abc import Mapping, Sequence

import numpy as np

ENOUGH = 5  # completed trials before there is a bar


def bars(histories: Sequence[Sequence[Mapping[str, float]]], objective: str, direction: str) -> tuple[float, ...]:
    """The median of the best scores that trials had reached by epoch 1, 2, ...

    Args:
        histories: of completed trials, an entry an epoch.
        direction: 'max' or 'min', of the objective.

    Returns:
        A score an epoch of the longest trial; () while too few trials have been completed.
    """
    if len(histories) < ENOUGH:
        return ()
    so_far = np.maximum if direction == "max" else np.minimum
    reached = [so_far.accumulate([entry[objective] for entry in history]) for history in histories]
    epochs = max(map(len, reached))
    # A trial that ended before has what it had at its end.
    table = np.stack([np.pad(scores, (0, epochs - len(scores)), mode="edge") for scores in reached])
    return tuple(map(float, np.median(table, axis=0)))
