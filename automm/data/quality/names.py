"""What the records call a picture: what `none_values` and a search of the records need."""

from collections.abc import Iterable
from pathlib import Path

from automm.data.cells import cell_images
from automm.data.image_root import AbsentError, ImageRoot, OutsideError
from automm.data.quality.checked import Checked
from automm.data.records import open_source
from automm.data.reviews import Review
from automm.data.urls import is_url, local_name


def recorded_names(checked: Checked, wanted: Iterable[tuple[Review, Path]]) -> dict[Path, str]:
    """The name or the URL by which a review's record has a picture, for each of some.

    The records are read once more: reviews do not keep them.
    """
    paths_at: dict[str, set[Path]] = {}
    for review, path in wanted:
        paths_at.setdefault(review.where, set()).add(path)
    names: dict[Path, str] = {}
    if not paths_at:
        return names
    source = open_source(checked.dataset.manifest)
    root = ImageRoot(source.image_root)
    for record in source.rows:
        if record.where in paths_at:
            for name in cell_images(record.values, source.fields):
                path = _found(root, name)
                if path in paths_at[record.where]:
                    names.setdefault(path, name)
    return names


def _found(root: ImageRoot, name: str) -> Path:
    try:
        return root.find(local_name(name) if is_url(name) else name)
    except (AbsentError, OutsideError):  # it was left out when the reviews were read
        return Path(name)
