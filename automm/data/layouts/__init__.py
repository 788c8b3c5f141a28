"""Native layouts, one file each, by the name in a manifest.

To add one: write a module with a `Layout` (see `base.py`), and add a line to `LAYOUTS`.
"""

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from automm.errors import nearest

if TYPE_CHECKING:
    from automm.data.layouts.base import Layout

RECORDS = "records"
EMBEDDED = "embedded"  # for import only: its pictures are not files yet
LAYOUTS = {
    "amazon-reviews-2023": "amazon:AMAZON_2023",
    "amazon-reviews-2018": "amazon:AMAZON_2018",
    "yelp": "yelp:YELP",
    "google-local-2021": "google_local:GOOGLE_LOCAL",
    "mvsa": "mvsa:MVSA",
    "twitter-15-17": "twitter:TWITTER",
    "hateful-memes": "hateful_memes:HATEFUL_MEMES",
    "mm-imdb": "mm_imdb:MM_IMDB",
    "crisismmd": "crisismmd:CRISISMMD",
    "multi-zol": "multi_zol:MULTI_ZOL",
    "upmc-food101": "food101:FOOD101",
    "imagefolder": "imagefolder:IMAGEFOLDER",
    "markdown-tree": "markdown_tree:MARKDOWN_TREE",
}
_CODE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_code(name: str) -> bool:
    """Return whether a format names a function of the user, such as my_module:my_reader."""
    return _CODE.fullmatch(name) is not None


def find_layout(name: str) -> "Layout":
    """Return the layout of a name in `LAYOUTS`; its module is imported on first use."""
    module, _, attribute = LAYOUTS[name].partition(":")
    layout: Layout = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return layout


def unknown_format(name: str) -> str:
    """Return the message for an unknown format, with the known formats and the files that each needs."""
    if name == EMBEDDED:
        return f"format {name} is for import only. Write its pictures to files: automm import {name} FILE --to DIR"
    hint = nearest(name, [RECORDS, *LAYOUTS, EMBEDDED])
    return f"unknown format {name!r}.{hint} Known formats and the files that each needs:\n{listing()}"


def listing() -> str:
    """Return one line for each format: its name and the files that it needs."""
    rows = {RECORDS: "files of records (.jsonl .json .csv .tsv .parquet), named in `records:`"}
    rows |= {name: find_layout(name).looks_for for name in LAYOUTS}
    rows[EMBEDDED] = ".parquet files that contain the pictures, as on the Hugging Face Hub (import only)"
    rows["my_module:my_reader"] = "your own function, with --allow-code"
    return "\n".join(f"  {name:<20} {text}" for name, text in rows.items())


def recognise(path: Path) -> list[str]:
    """Return the names of the layouts that a file or folder matches, specific ones before general ones."""
    return [name for name in LAYOUTS if find_layout(name).fits(path)]
