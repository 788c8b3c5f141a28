"""Good first proposals, in order: points of the full space that did well on several data sets.

How they were found and how they do on data that they were not picked on: experiments/portfolio.py. A dozen values to
change by hand; whoever does it runs that script again.
"""

from typing import Any

from automm.search.space import CHOICES, Space

NAMES = (
    "image/pooling",
    "fusion/operator",
    "fusion/width",
    "label/layers",
    "label/width",
    "label/dropout",
    "training/learning_rate",
)
PORTFOLIO: tuple[tuple[Any, ...], ...] = (("gated_attention", "low_rank_bilinear", 256, 0, None, 0.25, 1e-3),)


def portfolio(space: Space) -> list[dict[str, Any]]:
    """The points that a search in `space` begins with.

    A number that the space has not is moved to the nearest that it has. A point with an operator or a pooling that the
    space has not is left out, and so is one that has become another.
    """
    found: list[dict[str, Any]] = []
    for row in PORTFOLIO:
        point = _into(space, {name: value for name, value in zip(NAMES, row, strict=True) if value is not None})
        if point is not None and point not in found:
            found.append(point)
    return found


def _into(space: Space, point: dict[str, Any]) -> dict[str, Any] | None:
    moved = dict(point)
    for name in NAMES:
        if name in CHOICES:
            if point[name] not in space[name]:
                return None
        elif name in point:
            moved[name] = min(space[name], key=lambda choice: abs(choice - point[name]))
    if moved["label/layers"] == 0:
        moved.pop("label/width", None)
    elif "label/width" not in moved:
        moved["label/width"] = space["label/width"][0]
    return {name: moved[name] for name in NAMES if name in moved}
