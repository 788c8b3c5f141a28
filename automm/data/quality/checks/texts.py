"""Findings about texts: their encoding, what was left in, their language and length."""

import html
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from automm.data.quality.checked import Checked
from automm.data.quality.checks.encodings import LONGEST_EXAMPLE
from automm.data.quality.checks.labels import MISSING_LIKE
from automm.data.quality.finding import Finding, example, excerpt, finding
from automm.data.quality.language import ENGLISH, FOREIGN, UNDECIDED

FENCE = 3.0  # interquartile ranges beyond the third quartile (Tukey, Exploratory Data Analysis, 1977: far out)
FEWEST_FOR_FENCE = 20

_REPLACED = re.compile("\ufffd|ï¿½|锟斤拷")  # U+FFFD, and its UTF-8 bytes read as cp1252 and as GBK
# Typographic quotes and dashes before common letters, which ftfy does not know.
_UTF8_AS_GBK = re.compile("鈥[檚檛檝檙渟渢淭]|鈥攖")
# Misread UTF-8 has two characters or more for one, never small Western letters alone; a non-breaking space may have
# become a plain one. Most Western texts hold no such pair, which saves asking ftfy: 20 microseconds and more.
_PAIR = re.compile(r"[^\x00-\x7fà-öø-ÿ][^\x00-\x7f]|[à-öø-ÿ][^\x00-\x7fà-öø-ÿ]|[ÃÂ] ")
_TAG = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|hr|i|img|li|ol|p|script|span|strong|style|table|td|tr|u|ul)\b[^<>]*>", re.I
)
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")


def wrong_encoding(checked: Checked) -> Iterator[Finding]:
    wrong = checked.misread
    found = [
        (review, fault)
        for place, review in enumerate(checked.reviews)
        if (fault := wrong.words.get(place) or misread(review.text))
    ]
    if found:
        examples = [example([review], f"{fault!r} in {excerpt(review.text)}") for review, fault in found[:5]]
        encodings = "what the records are in (utf-8, gb18030, cp1252, ...)"
        if wrong.encodings:
            encodings = f"{' or '.join(wrong.encodings)}, in which these bytes are words"
        yield finding("wrong_encoding", len(found), examples, encodings=encodings)


def misread(text: str) -> str:
    """What in a text was once read in a wrong encoding, such as "cafÃ©"; "" if nothing is seen."""
    if text.isascii():
        return ""
    if known := _REPLACED.search(text) or _UTF8_AS_GBK.search(text):
        return known[0]
    if not _PAIR.search(text):
        return ""
    from ftfy.badness import is_bad

    if not is_bad(text):
        return ""
    return next(filter(is_bad, text.split()), text)[:LONGEST_EXAMPLE]


def html_left(checked: Checked) -> Iterator[Finding]:
    found = [(review, sign) for review in checked.reviews if (sign := markup(review.text))]
    if found:
        examples = [example([review], f"{sign!r} in {excerpt(review.text)}") for review, sign in found[:5]]
        yield finding("html_left", len(found), examples)


def markup(text: str) -> str:
    """The first tag or entity of HTML in a text; "" if there is none."""
    if ("<" in text) and (tag := _TAG.search(text)):
        return tag[0]
    entities = _ENTITY.findall(text) if "&" in text else []
    return next((entity for entity in entities if html.unescape(entity) != entity), "")


def empty_texts(checked: Checked) -> Iterator[Finding]:
    empty = [review for review in checked.reviews if not review.text.strip()]
    if empty and any(review.text.strip() for review in checked.reviews):
        yield finding("empty_texts", len(empty), [example([review], "", review.images) for review in empty[:5]])


def missing_like_texts(checked: Checked) -> Iterator[Finding]:
    """Texts that are how tables write that there is nothing."""
    found = [review for review in checked.reviews if review.text.strip().casefold() in MISSING_LIKE]
    if found:
        examples = [example([review], excerpt(review.text)) for review in found[:5]]
        yield finding("missing_like_texts", len(found), examples)


def long_texts(checked: Checked) -> Iterator[Finding]:
    """Texts whose length, as a logarithm, lies far out."""
    counts = np.array([len(review.text.split()) for review in checked.reviews])
    logs = np.log1p(counts[counts > 0])
    if len(logs) < FEWEST_FOR_FENCE:
        return
    first, third = np.quantile(logs, [0.25, 0.75])
    limit = float(np.expm1(third + FENCE * max(third - first, 0.1)))
    places = np.flatnonzero(counts > limit)
    if len(places):
        longest = places[np.argsort(-counts[places], kind="stable")][:5]
        reviews = [(checked.reviews[place], counts[place]) for place in longest]
        examples = [example([review], f"{count:,} words: {excerpt(review.text)}") for review, count in reviews]
        yield finding("long_texts", len(places), examples, limit=limit)


def other_languages(checked: Checked) -> Iterator[Finding]:
    """Another language than English; of texts in the wrong encoding nobody knows."""
    misread = checked.misread.words
    guessed = [
        (checked.reviews[place], guess)
        for place, guess in checked.languages.items()
        if guess != UNDECIDED and place not in misread
    ]
    counts = Counter(guess for _, guess in guessed)
    foreign = counts.total() - counts[ENGLISH]
    if foreign > FOREIGN * counts.total():
        reviews = [review for review, guess in guessed if guess != ENGLISH]
        examples = [example([review], excerpt(review.text)) for review in reviews[:5]]
        names = ", ".join([name for name, _ in counts.most_common() if name != ENGLISH][:3])
        yield finding(
            "other_languages", foreign, examples, share=foreign / counts.total(), judged=counts.total(), languages=names
        )
