"""Keys that identify duplicates: the form of a text, the name of a picture, and the whole review."""

import html
import re
import string
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from automm.data.records.reviews import Review

DISTINCTIVE_WORDS, DISTINCTIVE_LENGTH = 4, 20  # words; characters, for scripts that write without spaces

# Differences between copies of one post, in folded text: a sign of the difference, its pattern, the replacement. URLs
# are ASCII, because Chinese text follows them without a space; a retweet may cut off the last one. Each pattern begins
# with its letters and looks back from there, at a tenth of the cost of \b or of a lookbehind before them.
_ADDED = tuple(
    (sign, re.compile(pattern), place)
    for sign, pattern, place in (
        ("http", r"https?:[!-~]*", " "),
        ("www.", r"www\.(?!\.)[!-~]*", " "),
        ("twitter.com/", r"pic\.twitter\.com/[!-~]*", " "),
        ("...", r"ht(?<![a-z0-9_]ht)t?p?s?\.{3}\s*$", " "),
        ("@", r"(?:rt|mt|via)(?<![a-z0-9_]rt)(?<![a-z0-9_]mt)(?<![a-z0-9_]via)[:\s]*@", "@"),
        ("@", r"@(?<![a-z0-9_]@)\w{1,30}", " "),
    )
)
_RETWEETED = re.compile(r"\A(?:rt )+")  # retweets in data sets that have lost the name
_MARK = re.compile(r"[^\w\s]|_")
_APOSTROPHES = "'\u2019"  # inside words: they separate no words
# As bytes, which are translated in a tenth of the time. "\x1c" to "\x1f" are spaces in str, but not in bytes.
_ASCII_PARTING = (string.punctuation + "\x1c\x1d\x1e\x1f").encode()
_ASCII_MARKS = bytes.maketrans(_ASCII_PARTING, b" " * len(_ASCII_PARTING))


def normal_text(text: str) -> str:
    """Return one form for texts that differ only in case, width, ligatures or spaces."""
    return " ".join(_folded(text).split())


def distinctive_text(text: str) -> str:
    """Return the normal form of a text that is long enough to identify it; "" for a text like "Great!"."""
    normal = normal_text(text)
    return normal if len(normal) >= DISTINCTIVE_LENGTH or normal.count(" ") >= DISTINCTIVE_WORDS - 1 else ""


def linking_text(text: str) -> str:
    """Return the form by which copies of a text are linked: its words, numbers and emoji.

    URLs, mentions, "RT @name:", punctuation, case and HTML entities do not count; the words of hashtags do. If too few
    words remain to identify the text, the form is its `distinctive_text`, which may be "". Texts with the same
    `distinctive_text` have the same form.
    """
    written = _folded(text)
    if "&" in written:
        written = _folded(html.unescape(written))
    for sign, pattern, place in _ADDED:
        if sign in written:
            written = pattern.sub(place, written)
    if written.isascii():
        form = b" ".join(written.encode().translate(_ASCII_MARKS, b"'").split()).decode()
    else:
        form = " ".join(_MARK.sub(_without_mark, written).split())
    form = _RETWEETED.sub("", form)
    if len(form) >= DISTINCTIVE_LENGTH or _count_words(written) >= DISTINCTIVE_WORDS:
        return form
    return distinctive_text(text)


def duplicate_key(review: Review, digests: Mapping[Path, str]) -> tuple[str, ...] | None:
    """Return the key that duplicate reviews share: text, pictures and columns.

    Missing pictures count by their names or URLs. None for a review that may equal others by chance: "Great!" without
    a picture.
    """
    pictures = sorted([*(picture_name(path, digests) for path in review.images), *review.absent])
    text = normal_text(review.text) if pictures else distinctive_text(review.text)
    columns = [repr(part) for part in (review.numbers, review.categories, review.history) if part]
    return (text, *pictures, *columns) if text or pictures else None


def picture_name(path: Path, digests: Mapping[Path, str]) -> str:
    """Return the digest of a picture, or its path without one."""
    return digests[path] if path in digests else str(path)


def _folded(text: str) -> str:
    """Remove differences of case, width and ligatures."""
    if text.isascii():  # the same, at a third of the cost
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold()


def _count_words(written: str) -> int:
    """Count words between spaces: "I don't know" has three words with and without its apostrophe."""
    return sum(any(map(str.isalnum, word)) for word in written.split())


def _without_mark(match: re.Match[str]) -> str:
    return _in_place_of(match[0])


@cache
def _in_place_of(mark: str) -> str:
    """Return a space for punctuation, "" for invisible characters; emoji and combining characters stay."""
    category = unicodedata.category(mark)
    if mark in _APOSTROPHES or category == "Cf" or "\ufe00" <= mark <= "\ufe0f":
        return ""
    return " " if category[0] == "P" or category in ("Sc", "Sk", "Sm") else mark
