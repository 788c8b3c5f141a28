"""Detect the encoding and the delimiter of a file of records, with the reason if they are not the usual ones."""

import codecs
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from automm.data.onboarding.thinning import Thinned
from automm.data.records.encoding_guess import UNDECIDED, decoded, equally_likely, likely_encodings, non_ascii_words
from automm.data.records.forms import DELIMITERS, likely_delimiter, lines_of
from automm.errors import ConfigError

FALLBACK = "cp1252"  # what spreadsheets write in Western Europe
SAMPLE = 400_000  # bytes of non-ASCII lines sampled from the whole file
MOST_WORDS = 5_000  # of one line: the whole file may be one line
_BEYOND_ASCII = re.compile(r"\w{0,20}[^\x00-\x7f]\w{0,20}")
_FOR_EXCEL = re.compile(r"\"?sep=.\"?", re.IGNORECASE)
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def encoding_of(file: Path) -> tuple[str, str]:
    """Return the encoding of a text file, and why it is not utf-8 ("" if it is).

    A byte order mark decides. Without one, the file is UTF-8 if most non-ASCII lines are valid UTF-8: a broken line is
    an error, not a text in another encoding. Otherwise it is the likeliest encoding that can decode every line.
    """
    with file.open("rb") as raw:
        begin = raw.read(3)
        for mark, name in _MARKS.items():
            if begin.startswith(mark):
                return name, "" if name == "utf-8" else "the file starts with a UTF-16 byte order mark"
        raw.seek(0)
        valid = broken = 0
        sample = Thinned[bytes](SAMPLE, len)
        for line in raw:
            if line.isascii():
                continue
            if _mostly_utf8(line):
                valid += 1
            else:
                broken += 1
                sample.add(line)
    if valid >= broken:
        return "utf-8", ""
    return _likeliest(file, b" ".join(word for line in sample.kept for word in _words(line)))


def _mostly_utf8(line: bytes) -> bool:
    """Return whether a line, or most of its non-ASCII words, are valid UTF-8: one line may hold all records."""
    if decoded(line, "utf-8") is not None:
        return True
    valid = [decoded(word, "utf-8") is not None for word in line.split() if not word.isascii()]
    return 2 * sum(valid) > len(valid)


def _words(line: bytes) -> Iterator[bytes]:
    return islice(non_ascii_words(line), MOST_WORDS)


def _likeliest(file: Path, words: bytes) -> tuple[str, str]:
    """Return the encoding of a file that is not UTF-8, and why; UTF-8 if no other encoding fits."""
    likely = {name: sure for name, sure in likely_encodings(words).items() if sure >= UNDECIDED}
    chosen = next((name for name in (*likely, FALLBACK) if _decodes(file, name)), None)
    if chosen is None:
        return "utf-8", ""
    text = words.decode(chosen)
    others = [name for name in equally_likely(likely, words) if words.decode(name) != text]
    word = _BEYOND_ASCII.search(text)
    assert word is not None  # the bytes are not valid UTF-8
    reason = f"not UTF-8. Decoded as {chosen}, the first non-ASCII word is {word[0]!r}"
    return chosen, f"{reason}. If that looks wrong, pass --encoding {' or '.join(others) or 'NAME'}"


def _decodes(file: Path, encoding: str) -> bool:
    """Return whether every line can be decoded."""
    with file.open("rb") as lines:
        return all(line.isascii() or decoded(line, encoding) is not None for line in lines)


def delimiter_of(file: Path, encoding: str) -> tuple[str | None, str]:
    """Return the delimiter in the header, and the reason; None if it is the usual one for the file's suffix.

    Raises:
        ConfigError: the first line declares the delimiter for Excel, and is not a header.
    """
    usual = DELIMITERS.get(file.suffix.lower())
    if usual is None:
        return None, ""
    header = next((line for line in lines_of(file, encoding, [], newline="") if line.strip()), "").strip("\r\n")
    if _FOR_EXCEL.fullmatch(header):
        raise ConfigError(
            f"{file.name}:1: the first line {header!r} is an instruction for Excel. Remove it: the header must be first"
        )
    likely = likely_delimiter(header)
    if likely in (None, usual):
        return None, ""
    outside = "".join(header.split('"')[::2])
    counts = f"{outside.count(str(likely))} times, {usual!r} {outside.count(usual)} times"
    return likely, f"the header holds {likely!r} {counts}"
