"""Pictures in Markdown: where they stand, and what they link to.

Every step is linear in the length of the text, whatever is opened in it and never closed.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

_BRACKETS = re.compile(r"!\[|\]\(|\]|\n")
_PARENTHESES = re.compile(r"[()\n]")
_TITLE = re.compile(r"""(?<!\s)\s+(?:"[^"]*"|'[^']*')$""")
_TAG = re.compile(r"<img\b", re.IGNORECASE)
_SOURCE = re.compile(r"\bsrc\s*=\s*", re.IGNORECASE)
_VALUE = re.compile(r"""(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""")
_LONG_NUMBER = re.compile(r"&#(?:[0-9]{20,}|[xX][0-9a-fA-F]{20,});?")  # int() refuses thousands of digits
_NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, order=True)
class _Picture:
    """Where a picture stands in a text, and where its link does."""

    start: int
    end: int
    link: tuple[int, int]
    tag: bool


def take_pictures(text: str) -> tuple[str, list[str]]:
    """The text without its pictures, and their links in order.

    Knows ![alt](link "title"), also with <...> around the link, spaces or parentheses in it, and the tag <img>.
    Links come decoded from percent signs and HTML entities; those with a scheme (https:) stay as they are.
    """
    kept, found, place = [], [], 0
    for picture in sorted([*_inline(text), *_tags(text)]):
        if picture.start >= place:
            kept.append(text[place : picture.start])
            link = text[slice(*picture.link)]
            found.append(_of_tag(link) if picture.tag else _of_inline(link))
            place = picture.end
    kept.append(text[place:])
    return "".join(kept), [link for link in found if link]


def _inline(text: str) -> Iterator[_Picture]:
    """Of the form ![alt](link); those inside of others, too."""
    closing = _closing(text)
    start: int | None = None
    for match in _BRACKETS.finditer(text):
        if match[0] == "![":
            start = match.start() if start is None else start
            continue
        end = closing.get(match.end() - 1) if match[0] == "](" else None
        if start is not None and end is not None:
            yield _Picture(start, end + 1, (match.end(), end), tag=False)
        start = None


def _closing(text: str) -> dict[int, int]:
    """Where each parenthesis closes that does so on its line, by where it opens."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for match in _PARENTHESES.finditer(text):
        if match[0] == "\n":
            opened.clear()
        elif match[0] == "(":
            opened.append(match.start())
        elif opened:
            closing[opened.pop()] = match.start()
    return closing


def _tags(text: str) -> Iterator[_Picture]:
    place, last = 0, text.rfind(">")
    while (tag := _TAG.search(text, place)) and tag.end() <= last:
        end = text.index(">", tag.end())
        place = end  # what has no source up to there has none behind another <img either
        for source in _SOURCE.finditer(text, tag.end(), end):
            value = _VALUE.match(text, source.end())
            if value and value.end() <= last:
                place = text.index(">", value.end()) + 1
                yield _Picture(tag.start(), place, value.span(value.lastindex or 0), tag=True)
                break


def _of_inline(link: str) -> str:
    link = _TITLE.sub("", link.rstrip()).strip()
    return _decoded(link[1:-1] if link.startswith("<") and link.endswith(">") else link)


def _of_tag(link: str) -> str:
    return _decoded(html.unescape(_LONG_NUMBER.sub(_NO_CHARACTER, link)))


def _decoded(link: str) -> str:
    return link if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", link) else unquote(link)
