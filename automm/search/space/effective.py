"""Leave out of the space what has no effect on the data: poolings where no review has two pictures, for example."""

from collections.abc import Sequence

from automm.data.records.reviews import Review
from automm.search.space.table import TABLE, Space, conditions, default


def effective_space(space: Space, reviews: Sequence[Review], max_images: int) -> tuple[Space, dict[str, str]]:
    """Give hyperparameters without an effect a single choice, the one that a search starts with.

    Args:
        max_images: the pictures that are read of a review, at most.

    Returns:
        The space; and, by hyperparameter that has no longer several choices, why.
    """
    pictures = min(max_images, max(len(review.images) for review in reviews))
    reasons = {"image/pooling": "no review has two pictures that are read"} if pictures < 2 else {}
    if pictures == 0:
        reasons |= {name: "no review has a picture" for name in TABLE if name.startswith("image/")}
    if not any(review.text.strip() for review in reviews):
        reasons |= {name: "no review has a text" for name in TABLE if name.startswith(("text/", "words/"))}
    single = {name: (default(space, name),) if name in reasons else choices for name, choices in space.items()}
    for name in space:
        only = TABLE[name].only
        if only and only[0] in reasons and not all(values for _, values in conditions(single, name)):
            reasons.setdefault(name, reasons[only[0]])
            del single[name]
    return single, {name: reasons[name] for name in reasons if len(space.get(name, ())) > 1}
