"""Texts that were read in an encoding of Latin letters, and whose bytes are a text in another one."""

import random
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automm.data.records.encoding_guess import UNDECIDED, decoded, equally_likely, likely_encodings, non_ascii_words

FEWEST_TEXTS = 3  # beyond ASCII, by which an encoding is judged
SEEN = 200  # texts are enough to tell
MARGIN = 1.3  # another encoding must be so much likelier than the manifest's
LONGEST_EXAMPLE = 40  # characters


@dataclass(frozen=True)
class Misread:
    """What the manifest's encoding has read wrongly.

    Attributes:
        words: one that shows it, by the place of its review.
        encodings: under which the bytes are words, the most telling first.
    """

    words: Mapping[int, str]
    encodings: tuple[str, ...]


NOTHING = Misread({}, ())


def misread_texts(texts: Sequence[str], encoding: str | None) -> Misread:
    """Texts whose bytes are likelier to be in another encoding; all of a data set together, because one tells little.

    Args:
        encoding: as the manifest names it; one of Latin letters, or nothing is found.
    """
    if encoding is None or not latin_bytes(encoding):
        return NOTHING
    raw = {place: read for place, text in enumerate(texts) if (read := _bytes_beyond_ascii(text, encoding))}
    if len(raw) < FEWEST_TEXTS:
        return NOTHING
    seen = random.Random(0).sample(list(raw.values()), min(SEEN, len(raw)))
    encodings = _likelier(seen, encoding)
    if not encodings:
        return NOTHING
    words = {place: word for place, read in raw.items() if (word := _changed_word(read, encoding, encodings[0]))}
    return Misread(words, tuple(encodings))


def latin_bytes(encoding: str) -> bool:
    """Whether an encoding has a character for each byte, most of the upper ones Latin letters."""
    try:
        upper = bytes(range(0xC0, 0x100)).decode(encoding, "replace")
    except UnicodeError:  # idna and punycode replace nothing
        return False
    return len(upper) == 64 and sum(unicodedata.name(one, "").startswith("LATIN") for one in upper) > 48


def _bytes_beyond_ascii(text: str, encoding: str) -> bytes:
    """The bytes of a text; b"" of one in ASCII, or with characters that came another way, such as HTML's entities."""
    if text.isascii():
        return b""
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return b""


def _likelier(texts: Sequence[bytes], encoding: str) -> list[str]:
    """The encodings that texts are rather in than in the manifest's, the likeliest first."""
    if 2 * sum(decoded(text, "utf-8") is not None for text in texts) > len(texts):
        return ["utf-8"]
    raw = b" ".join(word for text in texts for word in non_ascii_words(text))
    found, read = likely_encodings(raw), decoded(raw, encoding)
    own = max((sure for name, sure in found.items() if decoded(raw, name) == read), default=UNDECIDED)
    return equally_likely({name: sure for name, sure in found.items() if sure > MARGIN * own}, raw)


def _changed_word(raw: bytes, encoding: str, other: str) -> str:
    """The first word that says something else in another encoding; "" if there is none."""
    for word in raw.split(b" "):
        read = word.decode(encoding)
        if read != word.decode(other, "replace"):
            return read[:LONGEST_EXAMPLE]
    return ""
