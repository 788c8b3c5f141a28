"""Find texts that were decoded in a Latin encoding although their bytes are in another one."""

import random
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automm.data.records.encoding_guess import UNDECIDED, decoded, equally_likely, likely_encodings, non_ascii_words

FEWEST_TEXTS = 3  # non-ASCII texts that are needed to judge an encoding
SAMPLE = 200  # non-ASCII texts are enough to judge it
MARGIN = 1.3  # another encoding is reported if it is likelier than the manifest's by this factor
LONGEST_EXAMPLE = 40  # characters


@dataclass(frozen=True)
class Misread:
    """Texts that the manifest's encoding decodes wrongly.

    Attributes:
        words: one wrongly decoded word of each text, by the row of its review.
        encodings: encodings in which the bytes form words, the likeliest first.
    """

    words: Mapping[int, str]
    encodings: tuple[str, ...]


NOTHING = Misread({}, ())


def misread_texts(texts: Sequence[str], encoding: str | None) -> Misread:
    """Find texts whose bytes are likelier to be in another encoding.

    The texts of a data set are judged together, because a single text is weak evidence.

    Args:
        encoding: the encoding that the manifest names; unless it is a Latin one, nothing is found.
    """
    if encoding is None or not latin_bytes(encoding):
        return NOTHING
    raw = {row: content for row, text in enumerate(texts) if (content := _bytes_beyond_ascii(text, encoding))}
    if len(raw) < FEWEST_TEXTS:
        return NOTHING
    sample = random.Random(0).sample(list(raw.values()), min(SAMPLE, len(raw)))
    encodings = _likelier(sample, encoding)
    if not encodings:
        return NOTHING
    words = {row: word for row, content in raw.items() if (word := _changed_word(content, encoding, encodings[0]))}
    return Misread(words, tuple(encodings))


def latin_bytes(encoding: str) -> bool:
    """Return whether an encoding has one character per byte, and mostly Latin letters above 0xC0."""
    try:
        upper = bytes(range(0xC0, 0x100)).decode(encoding, "replace")
    except UnicodeError:  # idna and punycode do not support "replace"
        return False
    return len(upper) == 64 and sum(unicodedata.name(letter, "").startswith("LATIN") for letter in upper) > 48


def _bytes_beyond_ascii(text: str, encoding: str) -> bytes:
    """Return the bytes of a text; b"" if it is ASCII, or has characters that the encoding lacks (HTML entities)."""
    if text.isascii():
        return b""
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return b""


def _likelier(texts: Sequence[bytes], encoding: str) -> list[str]:
    """Return the encodings that are likelier than the manifest's, the likeliest first."""
    if 2 * sum(decoded(text, "utf-8") is not None for text in texts) > len(texts):
        return ["utf-8"]
    raw = b" ".join(word for text in texts for word in non_ascii_words(text))
    likelihoods, text = likely_encodings(raw), decoded(raw, encoding)
    own = max((value for name, value in likelihoods.items() if decoded(raw, name) == text), default=UNDECIDED)
    return equally_likely({name: value for name, value in likelihoods.items() if value > MARGIN * own}, raw)


def _changed_word(raw: bytes, encoding: str, other: str) -> str:
    """Return the first word that another encoding decodes differently; "" if there is none."""
    for word in raw.split(b" "):
        text = word.decode(encoding)
        if text != word.decode(other, "replace"):
            return text[:LONGEST_EXAMPLE]
    return ""
