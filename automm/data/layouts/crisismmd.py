"""CrisisMMD 2.0: tweets of disasters with one to four pictures (Alam, Ofli and Imran, ICWSM 2018, arXiv 1805.00713).

    annotations/<event>_final_data.tsv, one row per PICTURE; data_image/<event>/<day>/<tweet>_<n>.jpg
    crisismmd_datasplit_all/task_<task>_text_img_{train,dev,test}.tsv

The rows of a tweet become one review. Without `options: {task: ...}` the annotations are read: text_info and text_human
label the tweet; the lists image_info, image_human and image_damage label its pictures. With a task, the lists of that
task are read; they define the split.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from automm.config.schema import Section
from automm.data.layouts.base import Layout, Reading, has_files
from automm.data.layouts.files import LISTS, SPLIT_NAMES, matching, named_rows
from automm.data.records.source import Record
from automm.data.sections import Fields

OF_PICTURES = ("image_id", "image_info", "image_human", "image_damage", "image_url")
FOLDER = "crisismmd_datasplit_all"


class Options(Section):
    """`task` reads the lists of one task instead of the annotations."""

    task: Literal["informative", "humanitarian", "damage"] | None = None


def read(reading: Reading) -> Iterator[Record]:
    """Yield columns tweet_id, tweet_text, images, label, event, split; from annotations also text_* and image_*."""
    task = reading.options.task
    if task is None:
        files = matching(reading.path, "annotations/*_final_data.tsv")
    else:
        names = [reading.path / FOLDER / f"task_{task}_text_img_{split}.tsv" for split in LISTS]
        files = [file for file in names if file.is_file()]
    if not files:
        missing = "annotations/*_final_data.tsv" if task is None else f"{FOLDER}/task_{task}_text_img_*.tsv"
        reading.problem(reading.path.name, f"no file {missing}")
    ids: set[str] = set()
    for file in files:
        tweets: dict[str, list[tuple[str, dict[str, str]]]] = defaultdict(list)
        for where, row in named_rows(reading, file):
            tweets[row.get("tweet_id", "")].append((where, row))
        for name, rows in tweets.items():
            # A tweet may be in two lists; `automm check` then finds its text in both.
            identity = name if name not in ids else f"{name}-{file.stem}"
            ids.add(name)
            yield _tweet(reading, identity, rows, file, "label" if task else "text_info")


CRISISMMD = Layout(
    looks_for="annotations/<event>_final_data.tsv (or the lists of crisismmd_datasplit_all/), and data_image/",
    fits=has_files(("annotations/*_final_data.tsv", f"{FOLDER}/*.tsv")),
    fields=Fields(id="tweet_id", text=("tweet_text",), images=("images",), label="label"),
    read=read,
    options=Options,
    split="split",
)


def _tweet(reading: Reading, identity: str, lines: list[tuple[str, dict[str, str]]], file: Path, label: str) -> Record:
    """Merge the rows of one tweet, each with its place, into one record."""
    where, first = lines[0]
    rows = [row for _, row in lines]
    if len({row.get("tweet_text") for row in rows}) > 1:
        reading.problem(where, f"the rows of tweet {identity} have different texts", "Correct tweet_id or tweet_text")
    labels = list(dict.fromkeys(row.get(label, "") for row in rows))
    values: dict[str, object] = {key: value for key, value in first.items() if key not in OF_PICTURES}
    values |= {key: [row[key] for row in rows] for key in OF_PICTURES if key in first}
    values |= {
        "tweet_id": identity,
        "images": [row.get("image_path") or row.get("image") or "" for row in rows],
        "label": labels[0] if len(labels) == 1 else labels,
        "event": first.get("event_name") or file.name.removesuffix("_final_data.tsv"),
        "split": SPLIT_NAMES.get(file.stem.rpartition("_")[2]),
    }
    return Record(where, values, f"{file.stem}-{where.rpartition(':')[2]}")
