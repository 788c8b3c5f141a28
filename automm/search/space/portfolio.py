"""The portfolio: points of the full space that did well on several data sets, proposed first and in this order.

experiments/portfolio.py found them on six data sets, and measures them on data that they were not picked on; its
result, pool.json, holds this list. The demo, on which the project's examples are made, is not among the six. A row is a
point, with values in the order of NAMES; what it does not name has its first choice.
"""

import math
from collections.abc import Collection
from typing import Any

from automm.search.space.table import TABLE, Space, default, is_active

NAMES = (
    "fusion/operator",
    "text/readout",
    "image/readout",
    "image/pooling",
    "label/layers",
    "label/dropout",
    "training/learning_rate",
)
PORTFOLIO: tuple[tuple[Any, ...], ...] = (
    ("low_rank_bilinear", "mean", "average", "gated_attention", 1, 0.0, 0.003),
    ("late", "cls_mean", "average", "mean", 2, 0.25, 0.003),
    ("low_rank_bilinear", "mean", "average", "max", 2, 0.0, 0.003),
    ("late", "mean", "average", "gated_attention", 2, 0.25, 0.001),
    ("low_rank_bilinear", "cls_mean", "gem", "mean", 0, 0.25, 0.003),
    ("low_rank_bilinear", "mean", "gem", "mean", 0, 0.25, 0.0003),
    ("gated_unit", "cls_mean", "average", "mean", 1, 0.25, 0.0003),
    ("gated_unit", "cls_mean", "average", "text_attention", 1, 0.0, 0.001),
    ("gated_unit", "mean", "gem", "mean", 2, 0.0, 0.001),
    ("low_rank_bilinear", "cls_mean", "average", "gated_attention", 0, 0.25, 0.0003),
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
