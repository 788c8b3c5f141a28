"""Find pictures in Markdown: their positions in the text, and their links.

markdown-it-py parses the text: a picture is what a renderer shows as one, not something in code, in a comment or after
a backslash. Its inline tokens have no positions; two rules around its own record them. Unlike in CommonMark, a link may
contain spaces, as it does in many documents.
"""

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import Any
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.common.utils import unescapeAll
from markdown_it.rules_inline import StateInline, html_inline, image

_PARENTHESES = re.compile(r"[()\n]")
_TITLE = re.compile(r"""(?<!\s)\s+(?:"[^"]*"|'[^']*')$""")
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style|textarea)\b.*?(?:</\1|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<img\b", re.IGNORECASE)
_SOURCE = re.compile(r"\bsrc\s*=\s*", re.IGNORECASE)
_VALUE = re.compile(r"""(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""")
_LONG_NUMBER = re.compile(r"&#(?:[0-9]{20,}|[xX][0-9a-fA-F]{20,});?")  # int() refuses thousands of digits
_NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"
# White space that markdown-it-py strips from a block like a space, which would shift positions. It is replaced by
# U+FDD0 to U+FDEF, which are not characters and occur in no text.
_SPACES = (
    "\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_STAND_INS = "".join(map(chr, range(0xFDD0, 0xFDD0 + len(_SPACES))))
_NORMAL = str.maketrans(f"{_SPACES}\r\0", f"{_STAND_INS}\n{_NO_CHARACTER}")
_BACK = str.maketrans(_STAND_INS, _SPACES)
_BLOCK = "automm"  # the key of a `_Block` in the environment of the rules


@dataclass(frozen=True, order=True)
class _Picture:
    """The position of a picture in a text, and its link; "" for the definition of a link."""

    start: int
    end: int
    link: str


class _Lines:
    """The lines of a text as markdown-it-py parses them, with the same lengths as in the text."""

    def __init__(self, text: str):
        self.lines = text.replace("\r\n", " \n").translate(_NORMAL).split("\n")
        self.starts = [0, *accumulate(len(line) + 1 for line in self.lines)]
        self.starts[-1] -= 1  # nothing ends the last line

    def places(self, first: int, content: str) -> Callable[[int], int]:
        """Return a function from positions in a block's content to positions in the text.

        Args:
            first: the block's first line.
            content: its lines without their prefix: indentation, marks of lists and quotes.
        """
        begins, shifts, place = [], [], 0
        for number, line in enumerate(content.split("\n"), first):
            column = self.lines[number].rfind(line.strip()) - (len(line) - len(line.lstrip()))
            begins.append(place)
            shifts.append(self.starts[number] + column - place)
            place += len(line) + 1
        return lambda place: place + shifts[bisect_right(begins, place) - 1]


@dataclass
class _Block:
    """What the rules record while a block's content is parsed.

    Attributes:
        content: of the block.
        closing: the position of each parenthesis closed on its line, by the position of its opening.
        found: the pictures, with positions in the content.
        labels: of the link definitions that the pictures use.
    """

    content: str
    closing: dict[int, int]
    found: list[_Picture] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)


class _Reader(MarkdownIt):
    """A parser of only what decides on pictures; links stay as they are written."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"store_labels": True})
        self.core.ruler.enableOnly(["normalize", "block"])
        self.inline.ruler.enableOnly(["text", "escape", "backticks", "link", "image", "autolink", "html_inline"])
        self.inline.ruler.at("image", _image)
        self.inline.ruler.at("html_inline", _tag)

    def normalizeLink(self, url: str) -> str:
        return url.strip()

    def validateLink(self, url: str) -> bool:
        return True  # nothing is rendered here: links are checked when the picture is read


_reader = cache(_Reader)


def take_pictures(text: str) -> tuple[str, list[str]]:
    """Return the text without its pictures, and the links of the pictures in order.

    Pictures are ![alt](link "title"), ![alt][name] with its definition, which is removed too, and the tag <img>. HTML
    entities in links are decoded, and percent escapes unless the link has a scheme (https:).
    """
    if "![" not in text and not _TAG.search(text):
        return text, []
    pieces, links, place = [], [], 0
    for picture in sorted(_pictures(text)):
        pieces.append(text[place : picture.start])
        links.append(picture.link)
        place = picture.end
    pieces.append(text[place:])
    return "".join(pieces), [link for link in links if link]


def _pictures(text: str) -> Iterator[_Picture]:
    lines = _Lines(text)
    found: dict[str, Any] = {}
    labels: set[str] = set()
    for token in _reader().parse("\n".join(lines.lines), found):
        if token.map is None or ("![" not in token.content and not _TAG.search(token.content)):
            continue
        first, last = token.map
        if token.type == "html_block":
            yield from _tags(text[lines.starts[first] : lines.starts[last]], lines.starts[first])
        elif token.type == "inline":
            block = _Block(token.content, _closing(token.content))
            _reader().inline.parse(token.content, _reader(), {**found, _BLOCK: block}, [])
            place_of = lines.places(first, token.content)
            yield from (_Picture(place_of(one.start), place_of(one.end), one.link) for one in block.found)
            labels |= block.labels
    for label in labels:
        first, last = found["references"][label]["map"]
        yield _Picture(lines.starts[first], lines.starts[last], "")


def _image(state: StateInline, silent: bool) -> bool:
    """A rule for markdown-it-py: its own rule for pictures, extended to links with spaces."""
    start, block = state.pos, state.env[_BLOCK]
    before = len(block.found)
    if image(state, silent):
        if not silent:
            token = state.tokens[-1]
            del block.found[before:]  # pictures in the alternative text are not shown
            block.found.append(_Picture(start, state.pos, _decoded(str(token.attrs["src"]))))
            block.labels.update(filter(None, [token.meta.get("label")]))
        return True
    if state.src != block.content or not state.src.startswith("![", start):
        return False
    label_end = state.md.helpers.parseLinkLabel(state, start + 1)
    end = block.closing.get(label_end + 1)
    if label_end < 0 or end is None:
        return False
    if not silent:
        block.found.append(_Picture(start, end + 1, _of_spaced(state.src[label_end + 2 : end])))
    state.pos = end + 1
    return True


def _tag(state: StateInline, silent: bool) -> bool:
    """A rule for markdown-it-py: its own rule for inline HTML, recording <img> tags."""
    start = state.pos
    if not html_inline(state, silent):
        return False
    if not silent:
        state.env[_BLOCK].found += _tags(state.src[start : state.pos], start)
    return True


def _closing(content: str) -> dict[int, int]:
    closing: dict[int, int] = {}
    opened: list[int] = []
    for match in _PARENTHESES.finditer(content):
        if match[0] == "\n":
            opened.clear()
        elif match[0] == "(":
            opened.append(match.start())
        elif opened:
            closing[opened.pop()] = match.start()
    return closing


def _tags(content: str, start: int) -> Iterator[_Picture]:
    """Yield the <img> tags of HTML that begins at `start` in the text."""
    content = _HIDDEN.sub(lambda hidden: " " * len(hidden[0]), content)
    place, last = 0, content.rfind(">")
    while (tag := _TAG.search(content, place)) and tag.end() <= last:
        end = content.index(">", tag.end())
        place = end  # without a source up to here, there is none after another <img either
        for source in _SOURCE.finditer(content, tag.end(), end):
            value = _VALUE.match(content, source.end())
            if value and value.end() <= last:
                place = content.index(">", value.end()) + 1
                yield _Picture(start + tag.start(), start + place, _of_tag(value[value.lastindex or 0]))
                break


def _of_spaced(link: str) -> str:
    return _decoded(unescapeAll(_TITLE.sub("", link.rstrip()).strip()))


def _of_tag(link: str) -> str:
    return _decoded(html.unescape(_LONG_NUMBER.sub(_NO_CHARACTER, link)))


def _decoded(link: str) -> str:
    link = link.translate(_BACK)
    return link if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", link) else unquote(link)
