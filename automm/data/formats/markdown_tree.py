"""A tree of Markdown: a document is a review, its text all but the pictures, its pictures the links to them.

    <folder>/.../<document>.md, ![alt](picture.jpg)

The label is the first folder below the path, a key of the front matter (`fields: {label: tags}`), or what
`options: {pattern: ...}` finds in the text (`fields: {label: found}`), which is then taken out of it.
"""

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, Field

from automm.data.formats.files import small_text
from automm.data.formats.layout import Layout, Reading
from automm.data.formats.markdown_links import take_pictures
from automm.data.sections import Fields, Names, Section
from automm.data.source import Record
from automm.data.surrogates import join_pairs

# What lies at the top of many folders and is no document of a data set.
ABOUT = ("readme", "license", "licence", "changelog", "contributing")
NOT_FOUND = "ignored: the pattern is not in the text"
_FRONT = re.compile(r"\A---[ \t]*\n(?=\s*[\w\"'][^\n]*:)(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)


def _usable(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"no regular expression: {error}") from error
    if compiled.groups != 1:
        raise ValueError("a pattern with one group (...), which holds the label")
    return pattern


class Options(Section):
    """Which documents, and what in them is what.

    `documents` and `exclude` are patterns of paths below the folder; `site_root` is what links that begin with a slash
    are relative to, and where relative ones are looked for if there is nothing beside the document.
    """

    documents: Names = ("**/*.md",)
    exclude: Names = ()
    site_root: str = ""
    pattern: Annotated[str, Field(max_length=500), AfterValidator(_usable)] | None = None


def read(reading: Reading) -> Iterator[Record]:
    """Columns id (its path), text, images, folder, found, and the keys of the front matter."""
    documents = {file for pattern in reading.options.documents for file in reading.path.glob(pattern)}
    for file in sorted(documents):
        name = file.relative_to(reading.path).as_posix()
        if any(fnmatch.fnmatch(name, pattern) for pattern in reading.options.exclude) or file.is_dir():
            continue
        text = small_text(reading, name, name)
        if text is not None:
            yield Record(name, _document(reading, name, text), name)


def fits(path: Path) -> bool:
    """Whether there is a document, other than those about a folder that lie at its top."""
    try:
        return path.is_dir() and any(
            file.parent != path or file.stem.lower() not in ABOUT for file in path.glob("**/*.md")
        )
    except OSError:
        return False


MARKDOWN_TREE = Layout(
    looks_for="<folder>/**/<document>.md, whose links ![](...) are the pictures",
    fits=fits,
    fields=Fields(id="id", text=("text",), images=("images",), label="folder"),
    read=read,
    options=Options,
    label_optional=True,
)


def _document(reading: Reading, name: str, text: str) -> dict[str, object]:
    options, found = reading.options, None
    text = text.replace("\r\n", "\n")
    front = _FRONT.match(text)
    values = _front_matter(reading, name, front[1]) if front else {}
    text = text[front.end() :] if front else text
    if options.pattern is not None:
        match = re.search(options.pattern, text)
        if match is None:
            reading.treated[NOT_FOUND] += 1
        else:
            found, text = match[1], text[: match.start()] + text[match.end() :]
    text, links = take_pictures(text)
    folder = name.partition("/")[0] if "/" in name else None
    images = [_place(reading, name, link) for link in links]
    return {**values, "id": name, "text": text.strip(), "images": images, "folder": folder, "found": found}


def _front_matter(reading: Reading, name: str, text: str) -> dict[str, object]:
    """Keys and values; of a key that stands twice the later, as generators of web sites have it."""
    text = text.replace("\t", " ")  # YAML 1.2 allows tabs between words, PyYAML does not
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):  # they can make much out of little
            raise ValueError("aliases (*name) are not supported")
        values = join_pairs(yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        reading.problems.append(f"{name}: the front matter is not YAML: {' '.join(str(error).split())[:200]}")
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        str(key): [str(one) for one in value] if isinstance(value, list) else value if value is None else str(value)
        for key, value in values.items()
    }


def _place(reading: Reading, document: str, link: str) -> str:
    """Where a link leads, relative to the folder."""
    if "://" in link:
        return link
    site = reading.options.site_root.strip("/")
    at_root = "/".join(part for part in (site, link.lstrip("/")) if part)
    if link.startswith("/"):
        return at_root
    beside = "/".join([*document.split("/")[:-1], link])
    try:
        there = (reading.path / beside).is_file() or not (reading.path / at_root).is_file()
    except (OSError, ValueError):
        there = True
    return beside if there else at_root
