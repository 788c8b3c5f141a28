"""The ImageFolder layout of Hugging Face's library datasets.

    [<split>/]metadata.jsonl or metadata.csv      a column file_name, or a list file_names, relative to the file
    metadata.jsonl or metadata.csv                above <split>/, for splits without their own metadata
    [<split>/]<label>/<picture>                   without metadata, the folder's name is the label; two labels or more

Splits are folders named train, validation (also val, valid, dev) or test, in any case. The manifest's `fields` name the
columns of text and label, unless the columns are called text and label.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from automm.data.change_kinds import Change
from automm.data.images.tree import is_picture
from automm.data.layouts.base import Layout, Reading
from automm.data.layouts.files import is_readable, leads_out, split_named
from automm.data.records.forms import FORMS
from automm.data.records.source import Record
from automm.data.sections import Fields

METADATA = re.compile(r"metadata.*\.(jsonl|csv|parquet)", re.IGNORECASE)
_MEDIA = "images?|imgs?|photos?|pictures?|pics?|thumbs?|thumbnails?|media|files|data|uploads?"
_PARTS = "train|test|val|valid|validation|dev|raw|all|full|sample|padded|resized|cropped|[0-9]+"
GENERIC = re.compile(rf"(({_PARTS})_)?({_MEDIA})(_({_PARTS}))?")  # names of folders that are no labels
FOLDER = "folder"  # column of the folder that a picture is in


def read(reading: Reading) -> Iterator[Record]:
    """Yield the columns of the metadata, with pictures and split; without metadata also text (empty) and label."""
    splits = split_folders(reading.path)
    above = metadata_of(reading.path, reading.path)
    if above is not None:
        for record in _described(reading, above, None):
            names = record.values["pictures"]
            parts = {str(name).partition("/")[0] for name in names} if isinstance(names, list) else set()
            folder = next((split_folder for split_folder in splits if {split_folder.name} == parts), None)
            if folder is None:
                yield record
            elif metadata_of(folder, reading.path) is not None:
                reading.changes[Change.OWN_METADATA] += 1
            else:
                values = {**record.values, "split": splits[folder]}
                yield Record(record.where, values, record.fallback_id)
    for folder in splits or ([] if above else [reading.path]):
        split, file = splits.get(folder), metadata_of(folder, reading.path)
        if file is not None:
            yield from _described(reading, file, split)
        elif above is None:
            yield from _labelled(reading, folder, split)


def fits(path: Path) -> bool:
    """Return whether there is metadata, or at least two folders of pictures without Markdown documents."""
    try:
        if not path.is_dir():
            return False
        folders = list(split_folders(path)) or [path]
        if any(metadata_of(folder, path) for folder in (path, *folders)):
            return True
        labels = {label.name for folder in folders for label in folder.iterdir() if _holds_pictures(label)}
        labels -= {label for label in labels if GENERIC.fullmatch(label.lower())}  # images/ is no label
        return len(labels) > 1 and not any(_holds_documents(folder) for folder in folders)
    except OSError:  # no permission to list it
        return False


IMAGEFOLDER = Layout(
    looks_for="metadata.jsonl or metadata.csv with file_name(s) beside pictures, or one folder of pictures per label, "
    "at least two",
    fits=fits,
    fields=Fields(text=("text",), images=("pictures",), label="label"),
    read=read,
    label_optional=True,
    split="split",
)


def split_folders(path: Path) -> dict[Path, str]:
    """Return the folders that are named after a split, with the split."""
    named = {folder: split_named(folder.name) for folder in sorted(path.iterdir())}
    return {folder: split for folder, split in named.items() if split is not None and folder.is_dir()}


def _holds_pictures(folder: Path) -> bool:
    return folder.is_dir() and any(is_picture(file.name) for file in folder.iterdir())


def _holds_documents(folder: Path) -> bool:
    """Return whether a label's folder has Markdown documents; a README does not count."""
    return any(file.stem.lower() != "readme" for file in folder.glob("*/*.md"))


def metadata_of(folder: Path, root: Path) -> Path | None:
    """Return the metadata of a folder: a file named metadata..., whose first record names its pictures.

    Args:
        root: the whole data set. A file to which a link leads out of it is not opened: reading it reports the link.
    """
    try:
        files = sorted(one for one in folder.iterdir() if METADATA.fullmatch(one.name) and one.is_file())
    except OSError:
        return None
    return next((file for file in files if leads_out(root, file) or _names_files(file)), None)


def labels_are_folders(path: Path) -> bool:
    """Return whether the labels would be the names of folders, because no metadata describes the pictures."""
    return not any(metadata_of(folder, path) for folder in (path, *split_folders(path)))


def _names_files(file: Path) -> bool:
    """Return whether the metadata has a column file_name, file_names, or one that ends like these."""
    _, first = next(FORMS[file.suffix.lower()](file, "utf-8", []), (0, None))
    return first is None or _column_of_files(first) is not None


def _column_of_files(values: Mapping[str, object]) -> str | None:
    named = [
        name for name in values if name in ("file_names", "file_name") or name.endswith(("_file_names", "_file_name"))
    ]
    return max(named, key=lambda name: (name == "file_names", name == "file_name"), default=None)


def _described(reading: Reading, file: Path, split: str | None) -> Iterator[Record]:
    place = file.parent.relative_to(reading.path)
    if not is_readable(reading, file):
        return
    for number, values in FORMS[file.suffix.lower()](file, reading.encoding, reading.problems):
        where = f"{place / file.name}:{number}"
        column = _column_of_files(values)
        held = values.get(str(column))
        names = held if isinstance(held, list) else [held]
        if not all(isinstance(name, str) and name for name in names):
            reading.problem(where, f"expected a name in file_name or a list in file_names, got {str(held)[:60]!r}")
            continue
        pictures = [str(name) if str(name).startswith("/") else (place / str(name)).as_posix() for name in names]
        # A column `split` of the metadata counts unless a folder decides.
        decided = {} if split is None else {"split": split}
        folder = label_folder(str(names[0]))
        more = {FOLDER: folder} if folder and FOLDER not in values else {}
        given: dict[str, object] = {"split": None, **values, **more, "pictures": pictures, **decided}
        yield Record(where, given, f"{place / file.stem}-{number}")


def label_folder(name: str) -> str:
    """Return the folder of a picture, which may be the label; "" if its name only means pictures or a split."""
    folder = PurePosixPath(name.replace("\\", "/")).parent.name
    return "" if split_named(folder) is not None or GENERIC.fullmatch(folder.lower()) else folder


def _labelled(reading: Reading, folder: Path, split: str | None) -> Iterator[Record]:
    for file in sorted(folder.glob("*/*")):
        if is_picture(file.name):
            name = file.relative_to(reading.path).as_posix()
            values: dict[str, object] = {"text": "", "pictures": name, "label": file.parent.name, "split": split}
            yield Record(name, values, name)
