"""The portfolio: points of the full space that did well on several data sets, proposed first and in this order.

experiments/portfolio.py found them on tweets and emoji, and measures them on data that they were not picked on; its
result holds this list. The demo, on which the project's examples are made, was left out of the picking. A row is a
point, with values in the order of NAMES; None where the hyperparameter does not exist.
"""

import math
from collections.abc import Collection
from typing import Any

from automm.search.space.table import TABLE, Space, default, is_active

NAMES = (
    "image/pooling",
    "fusion/operator",
    "fusion/width",
    "label/layers",
    "label/width",
    "label/dropout",
    "training/learning_rate",
)
PORTFOLIO: tuple[tuple[Any, ...], ...] = (
    ("mean", "low_rank_bilinear", 256, 2, 256, 0.5, 0.0003),
    ("max", "concatenation", 64, 2, 256, 0.5, 0.0003),
    ("mean", "concatenation", 128, 1, 64, 0.5, 0.003),
    ("gated_attention", "concatenation", 64, 1, 128, 0.5, 0.003),
    ("max", "low_rank_bilinear", 256, 2, 128, 0.5, 0.0003),
    ("mean", "low_rank_bilinear", 128, 2, 256, 0.0, 0.001),
    ("mean", "product", 128, 1, 256, 0.25, 0.001),
    ("gated_attention", "concatenation", 256, 0, None, 0.5, 0.0003),
    ("max", "low_rank_bilinear", 128, 2, 256, 0.0, 0.0003),
    ("mean", "product", 256, 0, None, 0.5, 0.001),
)


def share_of(trials: int) -> int:
    """Return how many points a search of so many trials may take from the portfolio.

    A third, so that the tuner proposes the rest; and at least one, because a known good point is a better first trial
    than a random one.
    """
    return max(1, trials // 3)


def portfolio(space: Space, without_effect: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return the points that a search in `space` starts with.

    A number that is not in the space is replaced by the nearest choice. A point is left out if its operator or pooling
    is not in the space, or if it has become equal to an earlier one.

    Args:
        without_effect: hyperparameters of which any choice will do (`space/effective.py`).
    """
    proposals: list[dict[str, Any]] = []
    for row in PORTFOLIO:
        point = _into(space, {n: value for n, value in zip(NAMES, row, strict=True) if n not in without_effect})
        if point is not None and point not in proposals:
            proposals.append(point)
    return proposals


def _into(space: Space, wanted: dict[str, Any]) -> dict[str, Any] | None:
    point: dict[str, Any] = {}
    for name, choices in space.items():
        if not is_active(name, point):
            continue
        value = wanted.get(name)
        if value in choices:
            point[name] = value
        elif value is None:  # the point does not have this hyperparameter, or is older than it
            point[name] = default(space, name)
        elif TABLE[name].bounds is None:
            return None
        else:
            scale = math.log if name == "training/learning_rate" else float  # rates differ by factors
            point[name] = min(choices, key=lambda choice: abs(scale(choice) - scale(value)))
    return point
