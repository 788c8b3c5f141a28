"""A tree of Markdown: a document is a review, its text all but the pictures, its pictures the links to them.

    <folder>/.../<document>.md, ![alt](picture.jpg)

The label is a folder's name, a key of the front matter (`fields: {label: tags}`), or what
`options: {pattern: ...}` finds in the text (`fields: {label: found}`), which is then taken out of it.

Of the folders above a document that one is the label at whose level the documents' folders differ first: below
dishes/soup/pea.md and dishes/drink/tea.md it is the second. `options: {level: 1}` names another level. Where all lie in
one folder, that is the label; a document that does not lie so deep has none.
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
from automm.data.changes import Change
from automm.data.layouts.base import Layout, Reading
from automm.data.layouts.files import small_text
from automm.data.records.source import Record
from automm.data.sections import Fields, Names

# What lies at the top of many folders and is no document of a data set.
ABOUT = ("readme", "license", "licence", "changelog", "contributing")
_FRONT = re.compile(r"\A---[ \t]*\n(?=\s*[\w\"'][^\n]*:)(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)


def _usable(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"no regular expression: {error}") from error
    if compiled.groups != 1:
        raise ValueError("a pattern with one group (...), which holds the label")
    return pattern


def _below(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns, if pathlib can read them and they stay below the folder; no folder is looked into for that."""
    for pattern in patterns:
        try:
            next(Path(os.devnull).glob(pattern), None)
        except (ValueError, NotImplementedError, IndexError) as error:
            raise ValueError(
                f"{pattern!r}: {error}. Write a pattern of paths below the folder: 'dishes/**/*.md'"
            ) from error
        if ".." in Path(pattern).parts:
            raise ValueError(f"{pattern!r} leads out of the folder. Write a pattern of paths below it")
    return patterns


class Options(Section):
    """Which documents, and what in them is what.

    `documents` and `exclude` are patterns of paths below the folder; `site_root` is what links that begin with a slash
    are relative to, and where relative ones are looked for if there is nothing beside the document; `level` is that of
    the folder that is the label, counted from 1.
    """

    documents: Annotated[Names, AfterValidator(_below)] = ("**/*.md",)
    exclude: Names = ()
    site_root: str = ""
    level: int | None = Field(default=None, ge=1)
    pattern: Annotated[str, Field(max_length=500), AfterValidator(_usable)] | None = None


def read(reading: Reading) -> Iterator[Record]:
    """Columns id (its path), text, images, folder, found, and the keys of the front matter."""
    options = reading.options
    found = {file for pattern in options.documents for file in reading.path.glob(pattern)}
    named = [file.relative_to(reading.path).as_posix() for file in sorted(found) if not file.is_dir()]
    names = [name for name in named if not any(fnmatch.fnmatch(name, pattern) for pattern in options.exclude)]
    level = options.level or _level(names)
    for name in names:
        text = small_text(reading, name, name)
        if text is not None:
            yield Record(name, _document(reading, name, text, level), name)


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


def _level(names: Sequence[str]) -> int:
    """The first level, from 1, at which the documents lie in different folders; 1 where they do at none."""
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
    """Keys and values; the last value of a duplicate key, and the document is counted."""
    text = text.replace("\t", " ")  # YAML 1.2 allows tabs between words, PyYAML does not
    try:
        values, _ = parse_yaml(f"\n{text}")  # an empty line for the one with ---, so that lines are the document's
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
