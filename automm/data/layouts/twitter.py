"""Twitter-15 and Twitter-17: the sentiment of a tweet towards a target (Yu and Jiang, IJCAI 2019).

    twitter2015/{train,dev,test}.tsv, twitter2015_images/      the same with 2017

A row is a number, a label (0 negative, 1 neutral, 2 positive), a picture, the tweet with $T$ in place of the target,
the target. Without .tsv files, the equivalent .txt files are read (four lines: tweet, target, label -1 to 1, picture).
A tweet has a row for each of its targets, so one picture is in several rows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from automm.config.schema import Section
from automm.data.layouts.base import Layout, Reading, has_files
from automm.data.layouts.files import LISTS, SPLIT_NAMES, is_readable, rows
from automm.data.records.forms import lines_of
from automm.data.records.source import Record
from automm.data.sections import Fields

YEARS = (2015, 2017)
OF_TSV = {"0": "negative", "1": "neutral", "2": "positive"}
OF_TXT = {"-1": "negative", "0": "neutral", "1": "positive"}
MARK = "$T$"
Sample = tuple[int, str, str, str, str]  # line, label, picture, tweet, target


class Options(Section):
    """`year` selects one of the two data sets if both are present."""

    year: Literal[2015, 2017] | None = None


def read(reading: Reading) -> Iterator[Record]:
    """Yield columns id, tweet (with its target), masked (with $T$), target, sentiment, image, split."""
    wanted = reading.options.year
    years = [year for year in YEARS if wanted in (None, year) and (reading.path / f"twitter{year}").is_dir()]
    if not years:
        reading.problem(reading.path.name, f"no folder twitter{wanted or '2015 or twitter2017'}")
    for year in years:
        for split in LISTS:
            folder = reading.path / f"twitter{year}"
            table, twin = folder / f"{split}.tsv", folder / f"{split}.txt"
            file = table if table.is_file() or not twin.is_file() else twin
            if not file.is_file():
                reading.problem(f"twitter{year}", f"neither {table.name} nor {twin.name} found")
                continue
            names = OF_TSV if file == table else OF_TXT
            for line, label, image, tweet, target in _rows(reading, file) if file == table else _fours(reading, file):
                where = f"twitter{year}/{file.name}:{line}"
                if label not in names:
                    reading.problem(where, f"label {label!r}, expected {', '.join(names)}")
                    continue
                identity = f"{year}-{split}-{line}"
                values: dict[str, object] = {
                    "id": identity,
                    "tweet": tweet.replace(MARK, target),
                    "masked": tweet,
                    "target": target,
                    "sentiment": names[label],
                    "image": f"twitter{year}_images/{image}",
                    "split": SPLIT_NAMES[split],
                }
                yield Record(where, values, identity)


TWITTER = Layout(
    looks_for="twitter2015/ or twitter2017/ with train, dev and test (.tsv or .txt), and twitter2015_images/",
    fits=has_files(tuple(f"twitter{year}/train.{suffix}" for year in YEARS for suffix in ("tsv", "txt"))),
    fields=Fields(id="id", text=("target", "tweet"), images=("image",), label="sentiment", group="image"),
    read=read,
    options=Options,
    split="split",
)


def _rows(reading: Reading, file: Path) -> Iterator[Sample]:
    for place, (number, cells) in enumerate(rows(reading, file)):
        if place == 0 and not cells[0].isdigit():
            continue  # the header, whose last column name occurs twice
        if len(cells) != 5:
            reading.problem(f"{file.name}:{number}", f"{len(cells)} cells, expected 5")
        else:
            yield number, cells[1], cells[2], cells[3], cells[4]


def _fours(reading: Reading, file: Path) -> Iterator[Sample]:
    if not is_readable(reading, file):
        return
    lines = [line.strip() for line in lines_of(file, reading.encoding, reading.problems)]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) % 4:
        text = "the last sample is incomplete: a sample has 4 lines"
        reading.problem(f"{file.name}:{len(lines)}", text, "Complete or remove it")
    for place in range(0, len(lines) - 3, 4):
        tweet, target, label, image = lines[place : place + 4]
        yield place + 1, label, image, tweet, target
