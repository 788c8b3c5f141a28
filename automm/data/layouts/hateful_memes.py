"""Hateful Memes (Kiela and others 2020, arXiv 2005.04790) and other memes in its layout.

    img/<id>.png; train.jsonl, dev.jsonl (or dev_seen, dev_unseen), test.jsonl (or test_seen, test_unseen)

Other data sets write val or validation instead of dev. A line is {"id", "img", "label", "text"}; test lines may lack
the label. Later data sets use `image` instead of `img`, and a list `labels`. A meme of dev_seen may be in dev_unseen
again.
"""

from collections.abc import Iterator
from pathlib import Path

from automm.data.change_kinds import Change
from automm.data.layouts.base import Layout, Reading
from automm.data.layouts.files import first_object, matching, objects, split_named
from automm.data.records.source import Record
from automm.data.sections import SPLITS, Fields

LABELS = ("label", "labels")


def read(reading: Reading) -> Iterator[Record]:
    """Yield the columns of each line, with picture and split.

    Lists of the challenge repeat memes without labels. These are yielded last, and only if no other list has them.
    """
    seen: dict[str, object] = {}
    labels: dict[str, object] = {}
    unlabelled: list[tuple[str, object, Record]] = []
    for file in _files(reading.path):
        split = _split(file)
        for where, fallback, values in objects(reading, file):
            key = str(values.get("id"))
            content = (values.get("img"), values.get("image"), values.get("text"))
            picture = values.get("img", values.get("image"))
            record = Record(where, {"label": None, **values, "picture": picture, "split": split}, fallback)
            if all(values.get(label) in (None, "", []) for label in LABELS):
                unlabelled.append((key, content, record))
            elif seen.get(key) == content:
                same = labels[key] == [values.get(label) for label in LABELS]
                reading.changes[Change.SAME_RECORD if same else Change.RELABELLED] += 1
            else:
                seen[key], labels[key] = content, [values.get(label) for label in LABELS]
                yield record
    for key, known, record in unlabelled:
        if seen.get(key) == known:
            reading.changes[Change.SAME_RECORD] += 1
        else:
            seen[key] = known
            yield record


def fits(path: Path) -> bool:
    """Return whether train.jsonl contains memes."""
    first = first_object(path / "train.jsonl", path)
    return "text" in first and ("img" in first or "image" in first)


HATEFUL_MEMES = Layout(
    looks_for="train.jsonl, dev*.jsonl (or val*.jsonl), test*.jsonl, one meme per line: id, img (img/<id>.png), text, "
    "label",
    fits=fits,
    fields=Fields(id="id", text=("text",), images=("picture",), label="label"),
    read=read,
    label_optional=True,
    split="split",
)


def _files(path: Path) -> list[Path]:
    """Return the lists, those of the training split first, because a meme that repeats keeps its first split."""
    files = [file for file in matching(path, "*.jsonl") if _split(file) is not None]
    return sorted(files, key=lambda file: (SPLITS.index(str(_split(file))), file.name))


def _split(file: Path) -> str | None:
    word, _, more = file.stem.partition("_")
    return split_named(word) if more in ("", "seen", "unseen") else None
