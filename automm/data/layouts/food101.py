"""UPMC Food-101: pictures of dishes with the titles of their web pages (Wang and others, ICME 2015).

    images/{train,test}/<class>/<class>_<n>.jpg
    texts/train_titles.csv, texts/test_titles.csv: picture, title, class; without a header

These are the files of the Kaggle version. A title very often contains the name of the class.
"""

import csv
from collections.abc import Iterator

from automm.data.layouts.base import Layout, Reading, has_files
from automm.data.layouts.files import is_readable
from automm.data.records.forms import lines_of
from automm.data.records.source import Record
from automm.data.sections import Fields

SPLITS = ("train", "test")


def read(reading: Reading) -> Iterator[Record]:
    """Yield columns id, title, class, image, split."""
    for split in SPLITS:
        file = reading.path / "texts" / f"{split}_titles.csv"
        if not is_readable(reading, file):
            continue
        table = csv.reader(lines_of(file, reading.encoding, reading.problems, newline=""), strict=True)
        line = 1
        try:
            for cells in table:
                where, line = f"{file.name}:{line}", table.line_num + 1
                if len(cells) == 3:
                    name, title, label = (cell.strip() for cell in cells)
                    identity = f"{split}-{name.rpartition('.')[0] or name}"
                    image = f"images/{split}/{label}/{name}"
                    values: dict[str, object] = {"id": identity, "title": title, "class": label}
                    yield Record(where, values | {"image": image, "split": split}, identity)
                elif cells:
                    reading.problem(where, f"{len(cells)} cells, expected picture, title, class")
        except csv.Error as error:
            reading.problem(f"{file.name}:{line}", f"not CSV: {error}")


FOOD101 = Layout(
    looks_for="texts/train_titles.csv and texts/test_titles.csv, and images/{train,test}/<class>/",
    fits=has_files(tuple(f"texts/{split}_titles.csv" for split in SPLITS)),
    fields=Fields(id="id", text=("title",), images=("image",), label="class"),
    read=read,
    split="split",
)
