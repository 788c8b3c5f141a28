"""MVSA-Single in its native layout (Niu and others 2016, doi 10.1007/978-3-319-27674-8_2).

    data/<id>.txt, data/<id>.jpg     a tweet and its photo
    labelResultAll.txt               ID<TAB>text,image: the two sentiments of one annotator

or, in place of labelResultAll.txt, a packing that is in circulation: train.txt (CSV, guid,tag) and
test_without_label.txt, whose tag is the word `null`. Texts are GB18030 unless the manifest's `encoding` says
otherwise.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from automm.data.manifest import Manifest
from automm.data.records import Record, Source, read_files
from automm.data.sections import Fields
from automm.errors import DataError, NotFoundError

MVSA_FIELDS = Fields(id="id", text=("text",), images=("image",), label="label")
SENTIMENTS = ("positive", "neutral", "negative")
LABEL_FILE, TRAIN_FILE, UNLABELLED_FILE = "labelResultAll.txt", "train.txt", "test_without_label.txt"
NO_LIST = "ignored: a pair that stands in no list"
CONTRADICTING = "dropped: text and picture labelled positive against negative"

Labelled = tuple[str, str, str | None]  # where, id, label


def open_mvsa(manifest: Manifest, records: Path | None = None) -> Source:
    """Format `mvsa`: columns id, text, image (data/<id>.jpg), label.

    Raises:
        NotFoundError: no such folder, or no list of labels in it.
    """
    fields = manifest.fields or MVSA_FIELDS
    folder = manifest.folder / str(manifest.path)
    if records is not None:
        if not records.is_file():
            raise NotFoundError(f"{records}: no such file of records")
        rows = read_files([records], manifest.encoding or "utf-8")
        return Source(records.name, rows, fields, records.absolute().parent / manifest.image_root)
    if not (folder / "data").is_dir():
        raise NotFoundError(f"{folder / 'data'}: no such folder, and format mvsa keeps its texts and pictures there")
    if not any((folder / name).is_file() for name in (LABEL_FILE, TRAIN_FILE)):
        raise NotFoundError(f"{folder}: neither {LABEL_FILE} nor {TRAIN_FILE}: no list of labels")
    treated: dict[str, int] = {}
    rows = _rows(folder, manifest.encoding or "gb18030", treated)
    return Source(folder.name, rows, fields, folder / manifest.image_root, label_optional=True, treated=treated)


def combine(text: str, image: str) -> str | None:
    """The usual rule: the common label; where one is neutral the other; None where they contradict."""
    if text == image or image == "neutral":
        return text
    return image if text == "neutral" else None


def _rows(folder: Path, encoding: str, treated: dict[str, int]) -> Iterator[Record]:
    problems: list[str] = []
    listed: set[str] = set()
    for where, name, label in _labels(folder, treated, problems, listed):
        text = _text(folder / "data" / f"{name}.txt", encoding, where, problems)
        if text is not None:
            values: dict[str, object] = {
                "id": name,
                "text": text,
                "image": f"data/{name}.jpg",
                "label": label,
            }
            yield Record(where, values, name)
    pairs = {file.stem for file in (folder / "data").glob("*.txt") if file.with_suffix(".jpg").is_file()}
    if pairs - listed:
        treated[NO_LIST] = len(pairs - listed)
    if problems:
        raise DataError(problems)


def _labels(folder: Path, treated: dict[str, int], problems: list[str], listed: set[str]) -> Iterator[Labelled]:
    own = (folder / LABEL_FILE).is_file()
    for file in [LABEL_FILE] if own else [TRAIN_FILE, UNLABELLED_FILE]:
        for where, cells in _cells(folder / file, "\t" if own else ",", problems):
            if len(cells) != 2 or not cells[0].isascii() or not cells[0].isalnum():
                problems.append(f"{where}: expected an id and its label, got {cells!r}")
                continue
            listed.add(cells[0])
            sentiments = [one.strip() for one in cells[1].split(",")]
            if not own and sentiments == ["null"]:
                yield where, cells[0], None
            elif len(sentiments) != (2 if own else 1) or not set(sentiments) <= set(SENTIMENTS):
                problems.append(f"{where}: unknown label {cells[1]!r}. Expected {', '.join(SENTIMENTS)}")
            else:
                label = combine(sentiments[0], sentiments[-1])
                if label is None:
                    treated[CONTRADICTING] = treated.get(CONTRADICTING, 0) + 1
                else:
                    yield where, cells[0], label


def _cells(file: Path, delimiter: str, problems: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The lines after the header."""
    if not file.is_file():
        return
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(f"{file.name}: not UTF-8 ({error.reason} at byte {error.start})")
        return
    rows = csv.reader(text.splitlines(), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    for number, cells in enumerate(rows, 1):
        if number > 1 and cells:
            yield f"{file.name}:{number}", [cell.strip() for cell in cells]


def _text(file: Path, encoding: str, where: str, problems: list[str]) -> str | None:
    try:
        return file.read_bytes().decode(encoding).strip()
    except FileNotFoundError:
        problems.append(f"{where}: text 'data/{file.name}' is not there")
    except UnicodeError:
        problems.append(f"{where}: text 'data/{file.name}' is not {encoding}. Set encoding: in the manifest")
    return None
