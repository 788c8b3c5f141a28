"""MVSA-Single and MVSA-Multiple in their native layout (Niu and others 2016, doi 10.1007/978-3-319-27674-8_2).

    data/<id>.txt, data/<id>.jpg     a tweet and its photo
    labelResultAll.txt               ID<TAB>text,image: the two sentiments of one annotator; three in MVSA-Multiple

Another version has, instead of labelResultAll.txt, train.txt (CSV, guid,tag) and test_without_label.txt, whose tag is
the word `null`. Texts are GB18030, as the authors published them, or UTF-8 in other versions. Unless the manifest sets
`encoding`, a sample of the files decides for all of them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from automm.data.change_kinds import Change
from automm.data.layouts.base import Layout, Reading, has_files
from automm.data.layouts.files import is_utf8_folder, matching, read_small_text, rows
from automm.data.records.source import Record
from automm.data.sections import Fields

SENTIMENTS = ("positive", "neutral", "negative")
LABEL_FILE, TRAIN_FILE, UNLABELLED_FILE = "labelResultAll.txt", "train.txt", "test_without_label.txt"
PUBLISHED = "gb18030"

Labelled = tuple[str, str, str | None]  # where, id, label


def combine(text: str, image: str) -> str | None:
    """Return the label of text and image by the usual rule.

    Equal labels count; if one is neutral, the other counts; None if one is positive and the other negative.
    """
    if text == image or image == "neutral":
        return text
    return image if text == "neutral" else None


def majority(votes: Sequence[str]) -> str | None:
    """Return the vote of more than half of the annotators; None without a majority."""
    [(vote, count)] = Counter(votes).most_common(1)
    return vote if 2 * count > len(votes) else None


def read(reading: Reading) -> Iterator[Record]:
    """Yield columns id, text, image (data/<id>.jpg), label."""
    listed: set[str] = set()
    for where, name, label in _labels(reading, listed):
        text = read_small_text(reading, f"data/{name}.txt", where)
        if text is not None:
            if reading.encoding == "utf-8" and not text.isascii():
                reading.changes[Change.UTF8_COPY] += 1
            values: dict[str, object] = {
                "id": name,
                "text": text.strip(),
                "image": f"data/{name}.jpg",
                "label": label,
            }
            yield Record(where, values, name)
    pairs = {file.stem for file in (reading.path / "data").glob("*.txt") if file.with_suffix(".jpg").is_file()}
    if pairs - listed:
        reading.changes[Change.NOT_LISTED] = len(pairs - listed)


def encoding_of(path: Path) -> str:
    """Return the encoding of all texts of a data set. UTF-8 is tested: it also decodes as GB18030, to nonsense."""
    return "utf-8" if is_utf8_folder(path, "data/*.txt") else PUBLISHED


MVSA = Layout(
    looks_for=f"data/<id>.txt and data/<id>.jpg, and {LABEL_FILE} or {TRAIN_FILE}",
    fits=has_files("data/*.txt", (LABEL_FILE, TRAIN_FILE)),
    fields=Fields(id="id", text=("text",), images=("image",), label="label"),
    read=read,
    encoding=encoding_of,
    label_optional=True,
)


def _labels(reading: Reading, listed: set[str]) -> Iterator[Labelled]:
    own = (reading.path / LABEL_FILE).is_file()
    lists = replace(reading, encoding="utf-8")  # only the texts are GB18030
    files = (LABEL_FILE,) if own else (UNLABELLED_FILE, TRAIN_FILE)
    for file in reversed(matching(reading.path, *files)):  # train.txt first
        for place, (number, cells) in enumerate(rows(lists, file, "\t" if own else ",")):
            where = f"{file.name}:{number}"
            if place == 0:
                continue  # the header
            if len(cells) not in ((2, 4) if own else (2,)) or not cells[0].isascii() or not cells[0].isalnum():
                reading.problem(where, f"expected an id and its label, got {cells!r}")
                continue
            listed.add(cells[0])
            votes = [[one.strip() for one in cell.split(",")] for cell in cells[1:]]
            if not own and votes == [["null"]]:
                yield where, cells[0], None
            elif any(len(vote) != (2 if own else 1) or not set(vote) <= set(SENTIMENTS) for vote in votes):
                reading.problem(where, f"unknown label {' '.join(cells[1:])!r}", f"Expected {', '.join(SENTIMENTS)}")
            elif (label := _label(votes, reading.changes)) is not None:
                yield where, cells[0], label


def _label(votes: Sequence[Sequence[str]], changes: Counter[Change]) -> str | None:
    """Return the label of the annotators' votes, each for text and image or for both at once; None if it is dropped."""
    text, image = majority([vote[0] for vote in votes]), majority([vote[-1] for vote in votes])
    label = None if text is None or image is None else combine(text, image)
    if label is None:
        changes[Change.NO_MAJORITY if text is None or image is None else Change.OPPOSITE_LABELS] += 1
    return label
