"""Draw a share of the reviews."""

from dataclasses import replace

from automm.data.change_kinds import Change
from automm.data.records.reviews import Dataset
from automm.data.splitting.links import link_reviews
from automm.data.splitting.stratified import place, strata


def subsample(dataset: Dataset, share: float) -> Dataset:
    """Return a share of the reviews; labels keep their proportions in each split that the records name.

    Reviews that are linked by a group, a text or the file of a picture are kept or left out together. The manifest's
    split seed decides: the sample is the same for everyone.
    """
    # The pair of label and split takes the place of the label.
    paired = [
        replace(review, label=f"{stratum} {review.split}", value=None)
        for review, stratum in zip(dataset.reviews, strata(dataset.reviews), strict=True)
    ]
    rules = dataset.manifest.splits
    components = link_reviews(dataset.reviews, {}, rules.keep_together).components
    placed = place(paired, components, {"kept": share, "left": 1 - share}, rules.seed)
    kept = [review for review, part in zip(dataset.reviews, placed, strict=True) if part == "kept"]
    return dataset.keep(kept, [Change.NOT_SAMPLED] * (len(placed) - len(kept)))
