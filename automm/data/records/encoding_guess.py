"""The encodings that bytes beyond ASCII may be in, the likeliest first: chardet's guess, with three rules of ours.

chardet scores whole texts by the letters that follow each other in a language. It is given only the words beyond ASCII
and their neighbours, because in most records the columns around them are ASCII, which tells nothing and dilutes the
scores. A reading in another script is refused where it mixes its letters with ASCII ones inside of words ("trиs" for
"très" in cp1251), one in Latin letters where its words have capitals in odd places ("donÕt" for "don't" of a Mac) and
those of another reading have not. `experiments/guessers.py` measures them.
"""

import re
from collections.abc import Iterator, Mapping

UNDECIDED = 0.03  # chardet's confidence below which a guess is no better than chance: a word or two
NEAR = 0.8  # of the best confidence; an encoding as likely is named beside the best
LONGEST_WORD = 40  # bytes
ODD_WORDS = 0.1  # the share of them beyond that of the best reading in Latin letters
OWN_WORDS = 0.5  # the share of letters beyond ASCII that must be in words of their own

# By chardet's names: what to call an encoding, the commonest of those that read the same first.
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
_RUN = re.compile(r"[^\W\d_a-zA-Z]+")  # where no spaces are between words, they stand beside ASCII ones


def likely_encodings(raw: bytes) -> dict[str, float]:
    """The encodings in which bytes read as texts, with chardet's confidence from 0 to 1, in falling order.

    Args:
        raw: words beyond ASCII and their neighbours, as `words_beyond_ascii` finds them.
    """
    import chardet

    guesses = chardet.detect_all(raw, ignore_threshold=True, include_encodings=_NAMES, compat_names=False)
    sure = {str(guess["encoding"]): guess["confidence"] for guess in guesses}
    texts = {name: text for name in sure if name in _NAMES and (text := decoded(raw, name)) is not None}
    odd = {name: _odd_words(text) for name, text in texts.items() if name in _LATIN}
    found: dict[str, float] = {}
    for encoding, text in texts.items():
        if encoding in _LATIN:
            usual = odd[encoding] <= min(odd.values()) + ODD_WORDS
        else:
            usual = _has_own_words(text, _RUN if encoding in _EAST_ASIAN else _WORD)
        for name in _NAMES[encoding] if usual else ():
            if decoded(raw, name) == text:
                found.setdefault(name, sure[encoding])
    return found


def as_likely(found: Mapping[str, float], raw: bytes) -> list[str]:
    """Of likely encodings the likeliest, and those nearly as likely in which bytes read otherwise."""
    near = [name for name, sure in found.items() if sure >= NEAR * max(found.values())]
    by_text: dict[str | None, str] = {}
    for name in near:
        by_text.setdefault(decoded(raw, name), name)
    return list(by_text.values())


def words_beyond_ascii(line: bytes) -> Iterator[bytes]:
    """The words of a line that hold bytes beyond ASCII, each with the word before and the word after it.

    Longer runs of ASCII, such as Base64, are no words.
    """
    words = [word for word in _BETWEEN.split(line) if len(word) <= LONGEST_WORD or not word.isascii()]
    beyond = [not word.isascii() for word in words]
    for place, word in enumerate(words):
        if any(beyond[max(0, place - 1) : place + 2]):
            yield word


def decoded(raw: bytes, encoding: str) -> str | None:
    """The text; None where the bytes are not of this encoding."""
    try:
        return raw.decode(encoding)
    except UnicodeError:
        return None


def _odd_words(text: str) -> float:
    """The share of words beyond ASCII that are neither in lower nor in upper case, nor have one capital at first.

    A caron of its own is in no word; it is what cp1250 makes of a Spanish "¡".
    """
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    odd = sum(not (word.islower() or word.isupper() or word.istitle()) or "\u02c7" in word for word in words)
    return odd / max(1, len(words))


def _has_own_words(text: str, pattern: re.Pattern[str]) -> bool:
    """Whether letters beyond ASCII are in words of two and more, without letters of ASCII."""
    own = beyond = 0
    for word in pattern.findall(text):
        count = sum(not letter.isascii() for letter in word)
        beyond += count
        own += count if count == len(word) > 1 else 0
    return own >= OWN_WORDS * beyond > 0
