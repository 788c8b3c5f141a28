"""How a file of records is written: its encoding and its delimiter, with the reason where it is not the usual one."""

import codecs
import re
from pathlib import Path

from automm.data.forms import DELIMITERS, likely_delimiter, lines_of
from automm.data.guess_encoding import decoded, is_mac_roman, other_scripts
from automm.errors import ConfigError

MAC = "mac_roman"
FALLBACK = "cp1252"  # what spreadsheets write in Western Europe
SAMPLE = 100_000  # bytes of lines beyond ASCII whose words are looked at
NEAR = 0.5  # of the share of frequent characters that the best reading has; one with less is not named beside it
_BEYOND_ASCII = re.compile(r"\w*[^\x00-\x7f]\w*")
_FOR_EXCEL = re.compile(r"\"?sep=.\"?", re.IGNORECASE)
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def encoding_of(file: Path) -> tuple[str, str]:
    """The encoding of a text file, and why it is not utf-8, "" where it is.

    A byte order mark decides; else UTF-8 where most lines beyond ASCII are valid, so that a broken line is an error and
    not a text in another encoding; else one in which the words of the file are plausible; else cp1252, if its bytes
    can be.
    """
    with file.open("rb") as raw:
        begin = raw.read(3)
        for mark, name in _MARKS.items():
            if begin.startswith(mark):
                return name, "" if name == "utf-8" else "the file begins with the byte order mark of UTF-16"
        raw.seek(0)
        valid, others = 0, []
        for line in raw:
            if line.isascii():
                continue
            if decoded(line, "utf-8") is not None:
                valid += 1
            else:
                others.append(line)
    if not others or valid >= len(others):
        return "utf-8", ""
    return _plausible(others)


def _plausible(lines: list[bytes]) -> tuple[str, str]:
    """The encoding of lines that are not UTF-8, and why; UTF-8 where no other can be."""
    sample, size = [], 0
    for line in lines:
        sample.append(line)
        size += len(line)
        if size > SAMPLE:
            break
    raw = b"".join(sample)
    others = [reading for reading in other_scripts(raw) if _all_decode(lines, reading.encoding)]
    chosen = FALLBACK
    if others and others[0].plausible:
        chosen = others[0].encoding
        others = [reading for reading in others[1:] if reading.frequent >= NEAR * others[0].frequent]
    elif is_mac_roman(raw):
        chosen = MAC
    if not _all_decode(lines, chosen):
        return "utf-8", ""
    text = raw.decode(chosen)
    [word, *_] = _BEYOND_ASCII.findall(text)
    alternatives = [one.encoding for one in others if raw.decode(one.encoding) != text]
    mend = f"Or {alternatives[0]}: --encoding {alternatives[0]}" if alternatives else "If that is wrong: --encoding"
    return chosen, f"not utf-8; read so, the first word beyond ASCII is {word[:40]!r}. {mend}"


def _all_decode(lines: list[bytes], encoding: str) -> bool:
    return all(decoded(line, encoding) is not None for line in lines)


def delimiter_of(file: Path, encoding: str) -> tuple[str | None, str]:
    """The delimiter that the header holds, and the reason; None where it is what the file's suffix says.

    Raises:
        ConfigError: the first line is one that says the delimiter to Excel, and no header.
    """
    usual = DELIMITERS.get(file.suffix.lower())
    if usual is None:
        return None, ""
    header = next((line for line in lines_of(file, encoding, [], newline="") if line.strip()), "").strip("\r\n")
    if _FOR_EXCEL.fullmatch(header):
        raise ConfigError(
            f"{file.name}:1: its first line {header!r} is Excel's: remove it, so that the header is first"
        )
    likely = likely_delimiter(header)
    if likely in (None, usual):
        return None, ""
    outside = "".join(header.split('"')[::2])
    counts = f"{outside.count(str(likely))} times, {usual!r} {outside.count(usual)} times"
    return likely, f"the header holds {likely!r} {counts}"
