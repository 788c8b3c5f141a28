"""The ImageFolder layout of Hugging Face's datasets.

    [<split>/]metadata.jsonl or metadata.csv      a column file_name, or a list file_names, relative to the file
    metadata.jsonl or metadata.csv                above <split>/, of the splits that have none of their own
    [<split>/]<label>/<picture>                   without metadata the folder's name is the label

Splits are folders called train, validation (also val, dev), test. Which column of the metadata is text or label is for
the manifest's `fields` to say, unless they are called so.
"""

from collections.abc import Iterator
from pathlib import Path

from automm.data.formats.files import SPLIT_NAMES, usable
from automm.data.formats.layout import Layout, Reading, holds
from automm.data.forms import FORMS
from automm.data.sections import Fields
from automm.data.source import Record

DESCRIBED = "ignored: described by the metadata of its own folder"
METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif")


def read(reading: Reading) -> Iterator[Record]:
    """The metadata's own columns, and pictures and split; without metadata text (empty) and label."""
    splits = [folder for folder in sorted(reading.path.iterdir()) if folder.name in SPLIT_NAMES and folder.is_dir()]
    above = _metadata(reading.path)
    if above is not None:
        for record in _described(reading, above, None):
            names = record.values["pictures"]
            parts = {str(name).partition("/")[0] for name in names} if isinstance(names, list) else set()
            folder = next((one for one in splits if {one.name} == parts), None)
            if folder is None:
                yield record
            elif _metadata(folder) is not None:
                reading.treated[DESCRIBED] += 1
            else:
                values = {**record.values, "split": SPLIT_NAMES[folder.name]}
                yield Record(record.where, values, record.fallback_id)
    for folder in splits or ([] if above else [reading.path]):
        split, file = SPLIT_NAMES[folder.name] if splits else None, _metadata(folder)
        if file is not None:
            yield from _described(reading, file, split)
        elif above is None:
            yield from _labelled(reading, folder, split)


IMAGEFOLDER = Layout(
    looks_for="metadata.jsonl or metadata.csv with file_name(s) beside pictures, or a folder of pictures a label",
    fits=holds(
        tuple(f"{depth}{name}" for depth in ("", "*/") for name in METADATA)
        + tuple(f"{depth}*/*{suffix}" for depth in ("", "*/") for suffix in PICTURES)
    ),
    fields=Fields(text=("text",), images=("pictures",), label="label"),
    read=read,
    label_optional=True,
    split="split",
)


def _metadata(folder: Path) -> Path | None:
    return next((file for name in METADATA if (file := folder / name).is_file()), None)


def _described(reading: Reading, file: Path, split: str | None) -> Iterator[Record]:
    place = file.parent.relative_to(reading.path)
    if not usable(reading, file):
        return
    for number, values in FORMS[file.suffix](file, reading.encoding, reading.problems):
        where = f"{place / file.name}:{number}"
        held = values.get("file_names", values.get("file_name"))
        names = held if isinstance(held, list) else [held]
        if not all(isinstance(name, str) and name for name in names):
            reading.problems.append(f"{where}: expected file_name, or a list file_names, got {str(held)[:60]!r}")
            continue
        pictures = [str(name) if str(name).startswith("/") else (place / str(name)).as_posix() for name in names]
        yield Record(where, {**values, "pictures": pictures, "split": split}, f"{place / file.stem}-{number}")


def _labelled(reading: Reading, folder: Path, split: str | None) -> Iterator[Record]:
    for file in sorted(folder.glob("*/*")):
        if file.suffix.lower() in PICTURES:
            name = file.relative_to(reading.path).as_posix()
            values: dict[str, object] = {"text": "", "pictures": name, "label": file.parent.name, "split": split}
            yield Record(name, values, name)
