"""Pictures in Markdown: where they stand, and what they link to."""

import html
import re
from urllib.parse import unquote

_START = re.compile(r"!\[[^\]\n]*\]\(")
_TAG = re.compile(r"""<img\b[^>]*?\bsrc\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))[^>]*>""", re.IGNORECASE)
_TITLE = re.compile(r"""\s+(?:"[^"]*"|'[^']*')\s*$""")


def take_pictures(text: str) -> tuple[str, list[str]]:
    """The text without its pictures, and their links in order.

    Knows ![alt](link "title"), also with <...> around the link, spaces or parentheses in it, and the tag <img>.
    Links come decoded from percent signs and HTML entities; those with a scheme (https:) stay as they are.
    """
    kept, found, place = [], [], 0
    for start, end, link in sorted(_inline(text) + _tags(text)):
        if start >= place:
            kept.append(text[place:start])
            found.append(link)
            place = end
    kept.append(text[place:])
    return "".join(kept), [link for link in found if link]


def _inline(text: str) -> list[tuple[int, int, str]]:
    found = []
    for match in _START.finditer(text):
        end = _closing(text, match.end())
        if end is not None:
            link = _TITLE.sub("", text[match.end() : end]).strip()
            if link.startswith("<") and link.endswith(">"):
                link = link[1:-1]
            found.append((match.start(), end + 1, _decoded(link)))
    return found


def _closing(text: str, start: int) -> int | None:
    """Where the parenthesis closes that opened before `start`, on the same line."""
    depth = 1
    for place in range(start, len(text)):
        char = text[place]
        if char == "\n":
            return None
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return place
    return None


def _tags(text: str) -> list[tuple[int, int, str]]:
    return [
        (match.start(), match.end(), _decoded(html.unescape(match[1] or match[2] or match[3] or "")))
        for match in _TAG.finditer(text)
    ]


def _decoded(link: str) -> str:
    return link if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", link) else unquote(link)
