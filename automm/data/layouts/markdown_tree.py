"""A tree of Markdown documents: each document is a review; the pictures it links to are the review's pictures.

    <folder>/.../<document>.md, ![alt](picture.jpg)

The label is a folder's name, a key of the front matter (`fields: {label: tags}`), or the match of
`options: {pattern: ...}` in the text (`fields: {label: found}`), which is then removed from the text.

The folder that is the label is at the first level where the documents' folders differ: for dishes/soup/pea.md and
dishes/drink/tea.md the second level. `options: {level: 1}` sets another level. If all documents are in one folder, its
name is the label. A document above that level has no label.
"""

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from automm.config.schema import Section
from automm.config.strict_yaml import DuplicateKeyError, NotYamlError, parse_yaml
from automm.data.change_kinds import Change
from automm.data.layouts.base import Layout, Reading
from automm.data.layouts.files import read_small_text
from automm.data.records.source import Record
from automm.data.sections import Fields, Names

# Files at the top of many folders that are not documents of a data set.
ABOUT = ("readme", "license", "licence", "changelog", "contributing")
_FRONT = re.compile(r"\A---[ \t]*\n(?=\s*[\w\"'][^\n]*:)(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)


def _usable(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if compiled.groups != 1:
        raise ValueError(f"pattern with {compiled.groups} groups, expected one group (...) around the label")
    return pattern


def _below(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the patterns if pathlib accepts them and they stay below the folder; no folder is read.

    Raises:
        ValueError: a pattern is malformed or leads out of the folder.
    """
    for pattern in patterns:
        try:
            next(Path(os.devnull).glob(pattern), None)
        except (ValueError, NotImplementedError, IndexError) as error:
            raise ValueError(
                f"{pattern!r}: {error}. Write a path pattern below the folder, such as 'dishes/**/*.md'"
            ) from error
        if ".." in Path(pattern).parts:
            raise ValueError(f"{pattern!r} leads out of the folder. Write a path pattern below it")
    return patterns


class Options(Section):
    """Which documents to read, and where their labels and pictures are.

    `documents` and `exclude` are path patterns below the folder. Links that begin with a slash are relative to
    `site_root`; so are relative links without a file beside the document. `level` is the level of the folder that is
    the label, from 1. `pattern` is a regular expression that finds the label in the text.
    """

    documents: Annotated[Names, AfterValidator(_below)] = ("**/*.md",)
    exclude: Names = ()
    site_root: str = ""
    level: int | None = Field(default=None, ge=1)
    pattern: Annotated[str, Field(max_length=500), AfterValidator(_usable)] | None = None


def read(reading: Reading) -> Iterator[Record]:
    """Yield columns id (the path), text, images, folder, found, and the keys of the front matter."""
    options = reading.options
    files = {file for pattern in options.documents for file in reading.path.glob(pattern)}
    paths = [file.relative_to(reading.path).as_posix() for file in sorted(files) if not file.is_dir()]
    names = [path for path in paths if not any(fnmatch.fnmatch(path, pattern) for pattern in options.exclude)]
    level = options.level or _level(names)
    for name in names:
        text = read_small_text(reading, name, name)
        if text is not None:
            yield Record(name, _document(reading, name, text, level), name)


def fits(path: Path) -> bool:
    """Return whether there is a document, not counting a README or the like at the top."""
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


def _level(names: Sequence[str]) -> int:
    """Return the first level, from 1, at which the documents are in different folders; 1 without any."""
    folders = [name.split("/")[:-1] for name in names]
    for level in range(max(map(len, folders), default=0)):
        if len({parts[level] for parts in folders if len(parts) > level}) > 1:
            return level + 1
    return 1


def _document(reading: Reading, name: str, text: str, level: int) -> dict[str, object]:
    from automm.data.layouts.markdown_links import take_pictures

    options, found = reading.options, None
    text = text.replace("\r\n", "\n")
    front = _FRONT.match(text)
    values = _front_matter(reading, name, front[1]) if front else {}
    text = text[front.end() :] if front else text
    if options.pattern is not None:
        match = re.search(options.pattern, text)
        if match is None:
            reading.changes[Change.PATTERN_ABSENT] += 1
        else:
            found, text = match[1], text[: match.start()] + text[match.end() :]
    text, links = take_pictures(text)
    folders = name.split("/")[:-1]
    folder = folders[level - 1] if len(folders) >= level else None
    images = [_place(reading, name, link) for link in links]
    return {**values, "id": name, "text": text.strip(), "images": images, "folder": folder, "found": found}


def _front_matter(reading: Reading, name: str, text: str) -> dict[str, object]:
    """Return keys and values; of a duplicate key the last value, and the document is counted."""
    text = text.replace("\t", " ")  # YAML 1.2 allows tabs between words, PyYAML does not
    try:
        values, _ = parse_yaml(f"\n{text}")  # an empty line in place of ---, to keep the line numbers
    except DuplicateKeyError as error:
        reading.changes[Change.DUPLICATE_KEY] += 1
        values = error.content
    except NotYamlError as error:
        for line, fault in error.faults:
            reading.problem(f"{name}:{line}", f"front matter: {fault}")
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        str(key): [str(one) for one in value] if isinstance(value, list) else value if value is None else str(value)
        for key, value in values.items()
    }


def _place(reading: Reading, document: str, link: str) -> str:
    """Return the path that a link names, relative to the folder; URLs stay unchanged."""
    if "://" in link:
        return link
    site = reading.options.site_root.strip("/")
    at_root = "/".join(part for part in (site, link.lstrip("/")) if part)
    if link.startswith("/"):
        return at_root
    beside = "/".join([*document.split("/")[:-1], link])
    try:
        is_beside = (reading.path / beside).is_file() or not (reading.path / at_root).is_file()
    except (OSError, ValueError):
        is_beside = True
    return beside if is_beside else at_root
