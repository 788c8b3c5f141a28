"""Findings about picture files near the records that no record names, or that are not read."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from automm.data.images.tree import ImageTree, fold, without_suffix
from automm.data.manifest import Manifest
from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.columns.names import names_thumbnail
from automm.data.onboarding.columns.nearby import Nearby
from automm.data.onboarding.columns.patterns import Found, find_pattern
from automm.data.quality.checked import Checked
from automm.data.quality.finding import SHOWN, Example, Finding, finding
from automm.data.records.field_values import cell_images
from automm.data.records.opening import open_source
from automm.errors import DataError, yaml_word

OF_RUNS = "runs"  # the folder of searches, which contains plots


def unused_pictures(checked: Checked) -> Iterator[Finding]:
    """Report picture files under image_root that no record names, and the pattern that would take them."""
    manifest = checked.dataset.manifest
    if manifest.format != "records" or getattr(manifest.fields, "image_kind", None):
        return
    root = (manifest.folder / manifest.image_root).resolve()
    used = {path.as_posix() for review in checked.reviews for path in review.images}
    used |= {path.as_posix() for path in checked.inspections.bad}
    named = [path.removeprefix(f"{root.as_posix()}/") for path in used]
    unused = [path for path in ImageTree(root).unused(named) if not _is_set_aside(path)]
    if unused and any(checked.dataset.changes.values()):
        dropped = _names_in_records(manifest)
        unused = [path for path in unused if fold(path.rpartition("/")[2]) not in dropped]
    if not unused:
        return
    folders = Counter(path.rpartition("/")[0] or "." for path in unused)
    examples = [Example((), f"{count:,} under {folder}/") for folder, count in folders.most_common(SHOWN)]
    pattern = None if used else _pattern(checked, root)
    fix = "If they belong to reviews, name them in a column, or by a pattern such as images: '{id}-*.jpg'."
    if pattern is not None:
        share = len(pattern.files) / max(1, len(unused))
        folder = pattern.root.relative_to(root).as_posix()
        place = (Path(manifest.image_root) / folder).as_posix()
        fix = f"Set fields: {{images: {yaml_word(pattern.entry)}}} and image_root: {yaml_word(place)}; "
        fix += f"this takes {min(1.0, share):.0%} of them."
    yield finding("unused_pictures", len(unused), examples, fix=fix)


def unread_formats(checked: Checked) -> Iterator[Finding]:
    """Report picture files under image_root in formats that are not read, such as HEIC, without a readable copy."""
    manifest = checked.dataset.manifest
    if manifest.format != "records":
        return
    tree = ImageTree((manifest.folder / manifest.image_root).resolve())
    unread = [path for path in tree.unread if not tree.by_stem(without_suffix(path)) and not _is_set_aside(path)]
    kinds = Counter((path.rpartition("/")[0] or ".", path.rpartition(".")[2]) for path in unread)
    if unread:
        examples = [
            Example((), f"{count:,} .{kind} under {folder}/") for (folder, kind), count in kinds.most_common(SHOWN)
        ]
        yield finding("unread_formats", len(unread), examples)


def _names_in_records(manifest: Manifest) -> set[str]:
    """Return the names of the pictures of all records, without folders: also of records that became no review."""
    names: set[str] = set()
    source = open_source(manifest)
    with suppress(DataError):
        for record in source.rows:
            with suppress(ValueError):
                given = cell_images(record.values, source.fields)
                names |= {fold(name.replace("\\", "/").rpartition("/")[2]) for name in given}
    return names


def _is_set_aside(path: str) -> bool:
    return path.startswith(f"{OF_RUNS}/") or names_thumbnail(path)


def _pattern(checked: Checked, root: Path) -> Found | None:
    """Return the pattern with the ids of the reviews that takes the pictures; None if there is none."""
    fields = checked.dataset.manifest.fields
    if fields is None or fields.id is None:
        return None
    ids = [review.id for review in checked.reviews]
    found = find_pattern([Column(fields.id, len(ids), ids)], Nearby(root))
    return found if found is not None and found.entry and found.root.is_relative_to(root) else None
