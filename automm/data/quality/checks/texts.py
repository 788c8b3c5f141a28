"""Findings about texts: encoding, HTML, language and length."""

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

FENCE = 3.0  # interquartile ranges above the third quartile (Tukey, Exploratory Data Analysis, 1977: "far out")
FEWEST_FOR_FENCE = 20

_REPLACED = re.compile("\ufffd|ï¿½|锟斤拷")  # U+FFFD, and its UTF-8 bytes read as cp1252 and as GBK
# Typographic quotes and dashes before common letters; ftfy does not know these.
_UTF8_AS_GBK = re.compile("鈥[檚檛檝檙渟渢淭]|鈥攖")
# Wrongly decoded UTF-8 has two or more characters for one, never lower-case Western letters alone; a non-breaking
# space may have become a plain one. Most Western texts have no such pair, which saves a call of ftfy (20 microseconds
# and more).
_PAIR = re.compile(r"[^\x00-\x7fà-öø-ÿ][^\x00-\x7f]|[à-öø-ÿ][^\x00-\x7fà-öø-ÿ]|[ÃÂ] ")
_TAG = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|hr|i|img|li|ol|p|script|span|strong|style|table|td|tr|u|ul)\b[^<>]*>", re.I
)
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")


def wrong_encoding(checked: Checked) -> Iterator[Finding]:
    """Report texts that were decoded in the wrong encoding, now or before they were saved."""
    wrong = checked.misread
    faulty = [
        (review, fault)
        for row, review in enumerate(checked.reviews)
        if (fault := wrong.words.get(row) or misread(review.text))
    ]
    if faulty:
        examples = [example([review], f"{fault!r} in {excerpt(review.text)}") for review, fault in faulty[:5]]
        encodings = "the encoding of the records (utf-8, gb18030, cp1252, ...)"
        if wrong.encodings:
            encodings = f"{' or '.join(wrong.encodings)}, which makes these texts readable"
        yield finding("wrong_encoding", len(faulty), examples, encodings=encodings)


def misread(text: str) -> str:
    """Return a part of a text that was decoded in the wrong encoding, such as "cafÃ©"; "" if none is found."""
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
    """Report texts that contain HTML tags or entities."""
    marked_up = [(review, sign) for review in checked.reviews if (sign := markup(review.text))]
    if marked_up:
        examples = [example([review], f"{sign!r} in {excerpt(review.text)}") for review, sign in marked_up[:5]]
        yield finding("html_left", len(marked_up), examples)


def markup(text: str) -> str:
    """Return the first HTML tag or entity in a text; "" if there is none."""
    if ("<" in text) and (tag := _TAG.search(text)):
        return tag[0]
    entities = _ENTITY.findall(text) if "&" in text else []
    return next((entity for entity in entities if html.unescape(entity) != entity), "")


def empty_texts(checked: Checked) -> Iterator[Finding]:
    """Report reviews without text, unless no review has one."""
    empty = [review for review in checked.reviews if not review.text.strip()]
    if empty and any(review.text.strip() for review in checked.reviews):
        yield finding("empty_texts", len(empty), [example([review], "", review.images) for review in empty[:5]])


def missing_like_texts(checked: Checked) -> Iterator[Finding]:
    """Report texts that look like a missing value, such as "nan"."""
    reviews = [review for review in checked.reviews if review.text.strip().casefold() in MISSING_LIKE]
    if reviews:
        examples = [example([review], excerpt(review.text)) for review in reviews[:5]]
        yield finding("missing_like_texts", len(reviews), examples)


def long_texts(checked: Checked) -> Iterator[Finding]:
    """Report texts that are outliers by the logarithm of their length."""
    counts = np.array([len(review.text.split()) for review in checked.reviews])
    logs = np.log1p(counts[counts > 0])
    if len(logs) < FEWEST_FOR_FENCE:
        return
    first, third = np.quantile(logs, [0.25, 0.75])
    limit = float(np.expm1(third + FENCE * max(third - first, 0.1)))
    rows = np.flatnonzero(counts > limit)
    if len(rows):
        longest = rows[np.argsort(-counts[rows], kind="stable")][:5]
        reviews = [(checked.reviews[row], counts[row]) for row in longest]
        examples = [example([review], f"{count:,} words: {excerpt(review.text)}") for review, count in reviews]
        yield finding("long_texts", len(rows), examples, limit=limit)


def other_languages(checked: Checked) -> Iterator[Finding]:
    """Report texts in other languages than English; wrongly decoded texts are not judged."""
    misread = checked.misread.words
    guessed = [
        (checked.reviews[row], guess)
        for row, guess in checked.languages.items()
        if guess != UNDECIDED and row not in misread
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
