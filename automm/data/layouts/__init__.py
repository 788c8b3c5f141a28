"""Native layouts: a file each, opened by the name that a manifest gives it.

To add one: a module with a `Layout` (`layout.py` says what that is), and a line in `LAYOUTS`.
"""

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from automm.errors import nearest

if TYPE_CHECKING:
    from automm.data.layouts.base import Layout

RECORDS = "records"
EMBEDDED = "embedded"  # of import alone: its pictures are no files yet
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
    """Whether a format names a function of somebody's own, such as my_module:my_reader."""
    return _CODE.fullmatch(name) is not None


def find_layout(name: str) -> "Layout":
    """The layout of a name in `LAYOUTS`; its module is imported only now."""
    module, _, attribute = LAYOUTS[name].partition(":")
    layout: Layout = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return layout


def unknown_format(name: str) -> str:
    """What to say of a format that nobody knows: the known ones, and what each looks for."""
    if name == EMBEDDED:
        return f"format {name} is for import alone, which writes the pictures to files: automm import FILE --to DIR"
    hint = nearest(name, [RECORDS, *LAYOUTS, EMBEDDED])
    return f"no format is called {name!r}.{hint} Known ones, and what each looks for:\n{listing()}"


def listing() -> str:
    """A line for each format: its name and what it looks for."""
    rows = {RECORDS: "files of records (.jsonl .json .csv .tsv .parquet), named by `records:`"}
    rows |= {name: find_layout(name).looks_for for name in LAYOUTS}
    rows[EMBEDDED] = ".parquet files that hold the pictures themselves, as Hugging Face's hub has them: import alone"
    rows["my_module:my_reader"] = "a function of your own, with --allow-code"
    return "\n".join(f"  {name:<20} {text}" for name, text in rows.items())


def recognise(path: Path) -> list[str]:
    """The layouts that a file or folder looks like, the particular ones before the general."""
    return [name for name in LAYOUTS if find_layout(name).fits(path)]
