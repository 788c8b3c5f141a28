"""The ImageFolder layout of Hugging Face's library datasets.

    [<split>/]metadata.jsonl or metadata.csv      a column file_name, or a list file_names, relative to the file
    metadata.jsonl or metadata.csv                above <split>/, for splits without their own metadata
    [<split>/]<label>/<picture>                   without metadata, the folder's name is the label; two labels or more

Splits are folders named train, validation (also val, valid, dev) or test, in any case. The manifest's `fields` name the
columns of text and label, unless the columns are called text and label.
"""

from collections.abc import Iterator
from pathlib import Path

from automm.data.change_kinds import Change
from automm.data.layouts.base import Layout, Reading
from automm.data.layouts.files import is_readable, split_named
from automm.data.records.forms import FORMS
from automm.data.records.source import Record
from automm.data.sections import Fields

METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif")


def read(reading: Reading) -> Iterator[Record]:
    """Yield the columns of the metadata, with pictures and split; without metadata also text (empty) and label."""
    splits = _splits(reading.path)
    above = _metadata(reading.path)
    if above is not None:
        for record in _described(reading, above, None):
            names = record.values["pictures"]
            parts = {str(name).partition("/")[0] for name in names} if isinstance(names, list) else set()
            folder = next((split_folder for split_folder in splits if {split_folder.name} == parts), None)
            if folder is None:
                yield record
            elif _metadata(folder) is not None:
                reading.changes[Change.OWN_METADATA] += 1
            else:
                values = {**record.values, "split": splits[folder]}
                yield Record(record.where, values, record.fallback_id)
    for folder in splits or ([] if above else [reading.path]):
        split, file = splits.get(folder), _metadata(folder)
        if file is not None:
            yield from _described(reading, file, split)
        elif above is None:
            yield from _labelled(reading, folder, split)


def fits(path: Path) -> bool:
    """Return whether there is metadata, or at least two folders of pictures without Markdown documents."""
    try:
        if not path.is_dir():
            return False
        folders = list(_splits(path)) or [path]
        if any(_metadata(folder) for folder in (path, *folders)):
            return True
        labels = {label.name for folder in folders for label in folder.iterdir() if _holds_pictures(label)}
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


def _splits(path: Path) -> dict[Path, str]:
    """Return the folders that are named after a split, with the split."""
    named = {folder: split_named(folder.name) for folder in sorted(path.iterdir())}
    return {folder: split for folder, split in named.items() if split is not None and folder.is_dir()}


def _holds_pictures(folder: Path) -> bool:
    return folder.is_dir() and any(file.suffix.lower() in PICTURES for file in folder.iterdir())


def _holds_documents(folder: Path) -> bool:
    """Return whether a label's folder has Markdown documents; a README does not count."""
    return any(file.stem.lower() != "readme" for file in folder.glob("*/*.md"))


def _metadata(folder: Path) -> Path | None:
    return next((file for name in METADATA if (file := folder / name).is_file()), None)


def _described(reading: Reading, file: Path, split: str | None) -> Iterator[Record]:
    place = file.parent.relative_to(reading.path)
    if not is_readable(reading, file):
        return
    for number, values in FORMS[file.suffix](file, reading.encoding, reading.problems):
        where = f"{place / file.name}:{number}"
        held = values.get("file_names", values.get("file_name"))
        names = held if isinstance(held, list) else [held]
        if not all(isinstance(name, str) and name for name in names):
            reading.problem(where, f"expected a name in file_name or a list in file_names, got {str(held)[:60]!r}")
            continue
        pictures = [str(name) if str(name).startswith("/") else (place / str(name)).as_posix() for name in names]
        # A column `split` of the metadata counts unless a folder decides.
        decided = {} if split is None else {"split": split}
        yield Record(where, {"split": None, **values, "pictures": pictures, **decided}, f"{place / file.stem}-{number}")


def _labelled(reading: Reading, folder: Path, split: str | None) -> Iterator[Record]:
    for file in sorted(folder.glob("*/*")):
        if file.suffix.lower() in PICTURES:
            name = file.relative_to(reading.path).as_posix()
            values: dict[str, object] = {"text": "", "pictures": name, "label": file.parent.name, "split": split}
            yield Record(name, values, name)
