"""What reviews are recognised by: the form of a text, the name of a picture, and all of a review together."""

import html
import re
import string
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from automm.data.records.reviews import Review

TELLING_WORDS, TELLING_LENGTH = 4, 20  # words; characters, for scripts that write without spaces

# What copies of one post differ in, folded: a sign of it, the pattern, and what takes its place. URLs are ASCII,
# because Chinese text follows them without a space; a retweet may cut the last one off. Each pattern begins with its
# letters and looks back from there, which is a tenth of the cost of \b or of looking behind before them.
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
_RETWEETED = re.compile(r"\A(?:rt )+")  # where a data set has lost whom it named
_MARK = re.compile(r"[^\w\s]|_")
_APOSTROPHES = "'\u2019"  # within words: they part none
# As bytes, which are translated in a tenth of the time. "\x1c" to "\x1f" are spaces to str, and not to bytes.
_ASCII_PARTING = (string.punctuation + "\x1c\x1d\x1e\x1f").encode()
_ASCII_MARKS = bytes.maketrans(_ASCII_PARTING, b" " * len(_ASCII_PARTING))


def normal_text(text: str) -> str:
    """One form for texts that differ in case, width, ligatures or spaces."""
    return " ".join(_folded(text).split())


def telling_text(text: str) -> str:
    """The normal form of a text that is recognised by it; "" of one such as "Great!", shared by chance."""
    normal = normal_text(text)
    return normal if len(normal) >= TELLING_LENGTH or normal.count(" ") >= TELLING_WORDS - 1 else ""


def linking_text(text: str) -> str:
    """The form by which copies of a text are linked: its words, numbers and emoji.

    URLs, mentions, "RT @name:", punctuation, case and HTML entities do not count; the words of hashtags do. Where too
    few words remain to recognise a text by, the form is its `telling_text`, "" if there is none. Texts of one
    `telling_text` have one form.
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
    if len(form) >= TELLING_LENGTH or _count_words(written) >= TELLING_WORDS:
        return form
    return telling_text(text)


def whole_key(review: Review, digests: Mapping[Path, str]) -> tuple[str, ...] | None:
    """What reviews that repeat one another share: text, pictures, columns; without pictures, a text that is telling.

    Pictures that are not there, or not yet, count by their names or URLs. None of a review that may be like others by
    chance: "Great!", and no picture.
    """
    pictures = sorted([*(picture_name(path, digests) for path in review.images), *review.absent])
    text = normal_text(review.text) if pictures else telling_text(review.text)
    columns = [repr(part) for part in (review.numbers, review.categories, review.history) if part]
    return (text, *pictures, *columns) if text or pictures else None


def picture_name(path: Path, digests: Mapping[Path, str]) -> str:
    """The digest of a picture, else its path."""
    return digests[path] if path in digests else str(path)


def _folded(text: str) -> str:
    """Without the differences of case, width and ligatures."""
    if text.isascii():  # the same, at a third of the cost
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold()


def _count_words(written: str) -> int:
    """Between spaces, so that "I don't know" has three words with and without its apostrophe."""
    return sum(any(map(str.isalnum, word)) for word in written.split())


def _without_mark(match: re.Match[str]) -> str:
    return _in_place_of(match[0])


@cache
def _in_place_of(mark: str) -> str:
    """A space for punctuation, nothing for what cannot be seen; emoji and combining letters stay."""
    category = unicodedata.category(mark)
    if mark in _APOSTROPHES or category == "Cf" or "\ufe00" <= mark <= "\ufe0f":
        return ""
    return " " if category[0] == "P" or category in ("Sc", "Sk", "Sm") else mark
