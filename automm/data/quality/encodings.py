"""Texts whose bytes were read in an encoding of Latin letters and are those of another one."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

FEWEST_TEXTS, SHARE_OF_TEXTS = 3, 0.5  # that look misread, of those beyond ASCII
FEWEST_CHARACTERS = 4  # beyond ASCII, of a text that is judged by them
MOSTLY = 0.5  # share of them in a text, which no language in Latin letters comes near
SOME = 0.2  # share of them among all characters; with less of them the letters need not be counted
AS_TEXT = 0.9  # share of the characters, or the words, that must be usual ones
SEEN = 200  # texts are enough to tell

_LETTER = re.compile(r"[^\W\d_]|[\u0080-\u00ff]")  # of misread ones some are signs
_LONG_RUN = re.compile(r"\S*[^\x00-\x7f]{3}\S*")  # rare in words of Latin letters
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
# Mac OS Roman read as cp1252 or Latin-1: letters become signs in a word, or capitals behind small letters.
_SIGN = re.compile(r"[a-z][šžœ\u0080-\u009f]*[\u0080-\u009f§‡ˆŠŽŸÀ-ÖØ-Þ]")
_REST = re.compile(r"[a-zšžœ]*")  # of a word, behind a sign
_SHAPES = ("islower", "istitle", "isupper")
# Quotes, dashes and signs of several scripts; ruff would take them for slips.
_PUNCTUATION = "\u201c\u201d\u2018\u2019\u2026\u2014\u2013\u00b7\uff5e\uffe5\u00ab\u00bb\u2116"
_WITHOUT_PUNCTUATION = re.compile(rf"[{_PUNCTUATION}]|^\W+|\W+$")


@dataclass(frozen=True)
class Misread:
    """What the manifest's encoding has read wrongly.

    Attributes:
        words: one that shows it, by the place of its review.
        encodings: under which the bytes are words, the most telling first.
    """

    words: Mapping[int, str]
    encodings: tuple[str, ...]


def misread_texts(texts: Sequence[str], encoding: str | None) -> Misread:
    """Texts that are words in no language, and in another encoding are; none where only a few look so.

    Args:
        encoding: as the manifest names it; one of Latin letters, or nothing is found.
    """
    if encoding is None or not latin_bytes(encoding):
        return Misread({}, ())
    words = {place: word for place, text in enumerate(texts) if (word := mojibake(text))}
    if len(words) < max(FEWEST_TEXTS, SHARE_OF_TEXTS * sum(not text.isascii() for text in texts)):
        return Misread({}, ())
    encodings = readings([texts[place] for place in words], encoding)
    return Misread(words if encodings else {}, tuple(encodings))


def mojibake(text: str) -> str:
    """The first word that languages in Latin letters hardly have, such as "Õîðîøèé"; "" if there is none."""
    if text.isascii():
        return ""
    found = _word_around(text, sign) if (sign := _SIGN.search(text)) else ""
    if len(text) - len(text.encode("ascii", "ignore")) > SOME * len(text):
        letters = _LETTER.findall(text)
        beyond = [letter for letter in letters if not letter.isascii()]
        if len(beyond) >= FEWEST_CHARACTERS and len(beyond) > MOSTLY * len(letters) and all(map(_is_latin, beyond)):
            run = _LONG_RUN.search(text)
            found = run[0] if run else ""
    return found


def _word_around(text: str, sign: re.Match[str]) -> str:
    begin, end = sign.span()
    while begin and (text[begin - 1].isalnum() or text[begin - 1] == "_"):
        begin -= 1
    rest = _REST.match(text, end)
    return text[begin : rest.end() if rest else end]


def _is_latin(letter: str) -> bool:
    return letter <= "\u00ff" or unicodedata.name(letter, "").startswith("LATIN")


def latin_bytes(encoding: str) -> bool:
    """Whether an encoding has a character for each byte, most of the upper ones Latin letters."""
    try:
        upper = bytes(range(0xC0, 0x100)).decode(encoding, "replace")
    except UnicodeError:  # idna and punycode replace nothing
        return False
    return len(upper) == 64 and sum(unicodedata.name(one, "").startswith("LATIN") for one in upper) > 48


def readings(texts: Iterable[str], encoding: str) -> list[str]:
    """The encodings under which the bytes of misread texts are words, the most telling first.

    Args:
        texts: as `encoding` has read them.
    """
    raw = []
    for text in list(texts)[:SEEN]:
        try:
            raw.append(text.encode(encoding))
        except UnicodeEncodeError:  # characters that came another way, such as HTML's entities
            continue
    found = []
    for name, usual in ENCODINGS.items():
        read = [one.decode(name, "replace") for one in raw]  # a text may be cut within a character
        if read and usual(read):
            found.append(name)
    return found


def _mostly(read: list[str], usual: Callable[[str], bool], telling: Callable[[str], bool], least: float) -> bool:
    characters = "".join(run for text in read for run in _BEYOND_ASCII.findall(text))
    signs = sum(map(_is_punctuation, characters))
    letters = len(characters) - signs
    return letters > 0 and (
        sum(map(usual, characters)) >= AS_TEXT * letters and sum(map(telling, characters)) >= least * letters
    )


def _is_punctuation(one: str) -> bool:
    return one in _PUNCTUATION or "\u3000" <= one <= "\u303f" or "\uff00" <= one <= "\uffef"


def _lead(encoding: str, low: int, high: int) -> Callable[[str], bool]:
    """Whether a character is among the common ones, which old encodings list first: by the byte that leads it."""

    def common(one: str) -> bool:
        raw = one.encode(encoding, "ignore")
        return len(raw) == 2 and low <= raw[0] <= high and not _is_punctuation(one)

    return common


def _is_kana(one: str) -> bool:
    return "\u3041" <= one <= "\u30ff"


def _is_hangul(one: str) -> bool:
    return "\uac00" <= one <= "\ud7a3"


def _chinese(encoding: str, low: int, high: int) -> Callable[[list[str]], bool]:
    common = _lead(encoding, low, high)
    return lambda read: _mostly(read, common, common, AS_TEXT)


def _japanese(read: list[str]) -> bool:
    kanji = _lead("shift_jis", 0x88, 0x97)
    return _mostly(read, lambda one: _is_kana(one) or kanji(one), _is_kana, 0.2)


def _korean(read: list[str]) -> bool:
    return _mostly(read, _is_hangul, _is_hangul, AS_TEXT)


def _script(name: str) -> Callable[[list[str]], bool]:
    """Whether the words beyond ASCII are of a script, and in lower or upper case or with one capital."""

    def usual(read: list[str]) -> bool:
        parts = [part for text in read for part in text.split() if not part.isascii()]
        words = [word for part in parts if (word := _WITHOUT_PUNCTUATION.sub("", part))]
        good = [
            word
            for word in words
            if any(getattr(word, shape)() for shape in _SHAPES)
            and all(unicodedata.name(one, "").startswith(name) for one in word if one.isalpha() or not one.isascii())
        ]
        return len(words) > 0 and len(good) >= AS_TEXT * len(words)

    return usual


ENCODINGS: dict[str, Callable[[list[str]], bool]] = {
    "cp1251": _script("CYRILLIC"),
    "koi8-r": _script("CYRILLIC"),
    "shift_jis": _japanese,
    "euc-kr": _korean,
    "big5": _chinese("big5", 0xA4, 0xC6),
    "gb18030": _chinese("gb2312", 0xB0, 0xD7),
    "mac-roman": _script("LATIN"),
}
