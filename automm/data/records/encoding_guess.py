"""Guess the encoding of non-ASCII bytes, the likeliest first: chardet's guess, corrected by three rules.

chardet scores whole texts by the sequences of letters in a language. The rules:

1. chardet gets only the non-ASCII words and their neighbours. In most records the other columns are ASCII, which
   dilutes the scores.
2. A decoding in another script is refused if it mixes its letters with ASCII letters inside words ("trиs" for "très"
   in cp1251).
3. A decoding in Latin letters is refused if its words have capitals in odd places ("donÕt" for "don't" from a Mac) and
   the words of another decoding have not.

`experiments/guessers.py` measures the rules.
"""

import re
from collections.abc import Iterator, Mapping

UNDECIDED = 0.03  # below this confidence of chardet a guess is no better than chance: one or two words
NEAR = 0.8  # share of the best confidence; encodings above it are named beside the best
LONGEST_WORD = 40  # bytes
ODD_WORDS = 0.1  # how far the share of odd words may exceed that of the best decoding in Latin letters
OWN_WORDS = 0.5  # the share of non-ASCII letters that must be in words without ASCII letters

# By chardet's names: the encodings to try, the commonest of those that decode to the same text first.
_LATIN = {
    "cp1252": ("cp1252",),
    "cp1250": ("cp1252", "cp1250"),
    "cp1254": ("cp1252", "cp1254"),
    "cp1257": ("cp1252", "cp1257"),
    "cp1258": ("cp1252", "cp1258"),
    "mac-roman": ("mac_roman",),
    "iso8859-2": ("cp1252", "cp1250", "iso8859_2"),
    "iso8859-9": ("cp1252", "cp1254", "iso8859_9"),
    "iso8859-15": ("cp1252", "iso8859_15"),
    "iso8859-16": ("cp1252", "cp1250", "iso8859_16"),
}
_OTHERS = {
    "cp874": ("cp874",),
    "cp1251": ("cp1251",),
    "cp1253": ("cp1253",),
    "cp1255": ("cp1255",),
    "cp1256": ("cp1256",),
    "iso8859-6": ("cp1256", "iso8859_6"),
    "iso8859-7": ("cp1253", "iso8859_7"),
    "iso8859-8": ("cp1255", "iso8859_8"),
    "koi8-r": ("koi8_r",),
    "koi8-u": ("koi8_r", "koi8_u"),
    "tis-620": ("cp874", "tis_620"),
}
_EAST_ASIAN = {
    "big5hkscs": ("big5", "big5hkscs"),
    "cp932": ("shift_jis", "cp932"),
    "cp949": ("euc_kr", "cp949"),
    "euc_jis_2004": ("euc_jp", "euc_jis_2004"),
    "euc_kr": ("euc_kr",),
    "gb18030": ("gb18030",),
}
_NAMES = _LATIN | _OTHERS | _EAST_ASIAN

_BETWEEN = re.compile(rb'[\s",]+')  # bytes that are no part of a longer character in any of these encodings
_WORD = re.compile(r"[^\W\d_]+")
_RUN = re.compile(r"[^\W\d_a-zA-Z]+")  # in scripts without spaces, words touch ASCII words


def likely_encodings(raw: bytes) -> dict[str, float]:
    """Return the encodings that decode bytes to plausible text, with chardet's confidence (0 to 1), the best first.

    Args:
        raw: non-ASCII words and their neighbours, from `non_ascii_words`.
    """
    import chardet

    guesses = chardet.detect_all(raw, ignore_threshold=True, include_encodings=_NAMES, compat_names=False)
    sure = {str(guess["encoding"]): guess["confidence"] for guess in guesses}
    texts = {name: text for name in sure if name in _NAMES and (text := decoded(raw, name)) is not None}
    odd = {name: _odd_words(text) for name, text in texts.items() if name in _LATIN}
    likely: dict[str, float] = {}
    for encoding, text in texts.items():
        if encoding in _LATIN:
            usual = odd[encoding] <= min(odd.values()) + ODD_WORDS
        else:
            usual = _has_own_words(text, _RUN if encoding in _EAST_ASIAN else _WORD)
        for name in _NAMES[encoding] if usual else ():
            if decoded(raw, name) == text:
                likely.setdefault(name, sure[encoding])
    return likely


def equally_likely(confidences: Mapping[str, float], raw: bytes) -> list[str]:
    """Return the likeliest encoding, and nearly as likely ones that decode the bytes to another text."""
    near = [name for name, sure in confidences.items() if sure >= NEAR * max(confidences.values())]
    by_text: dict[str | None, str] = {}
    for name in near:
        by_text.setdefault(decoded(raw, name), name)
    return list(by_text.values())


def non_ascii_words(line: bytes) -> Iterator[bytes]:
    """Yield the words of a line that contain non-ASCII bytes, each with the words before and after it.

    ASCII runs longer than `LONGEST_WORD`, such as Base64, do not count as words.
    """
    words = [word for word in _BETWEEN.split(line) if len(word) <= LONGEST_WORD or not word.isascii()]
    beyond = [not word.isascii() for word in words]
    for place, word in enumerate(words):
        if any(beyond[max(0, place - 1) : place + 2]):
            yield word


def decoded(raw: bytes, encoding: str) -> str | None:
    """Return the decoded text; None if the bytes are not valid in this encoding."""
    try:
        return raw.decode(encoding)
    except UnicodeError:
        return None


def _odd_words(text: str) -> float:
    """Return the share of non-ASCII words that are not in lower, upper or title case.

    Words with a standalone caron count as odd: cp1250 decodes a Spanish "¡" to it.
    """
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    odd = sum(not (word.islower() or word.isupper() or word.istitle()) or "\u02c7" in word for word in words)
    return odd / max(1, len(words))


def _has_own_words(text: str, pattern: re.Pattern[str]) -> bool:
    """Return whether most non-ASCII letters are in words of two or more letters without ASCII letters."""
    own = beyond = 0
    for word in pattern.findall(text):
        count = sum(not letter.isascii() for letter in word)
        beyond += count
        own += count if count == len(word) > 1 else 0
    return own >= OWN_WORDS * beyond > 0
