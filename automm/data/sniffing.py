"""How a file of records is written: its encoding and its delimiter, with the reason where it is not the usual one."""

import codecs
import re
from pathlib import Path

from automm.data.forms import DELIMITERS, likely_delimiter, lines_of

FALLBACK = "cp1252"  # what spreadsheets write in Western Europe
_BEYOND_ASCII = re.compile(r"\w*[^\x00-\x7f]\w*")
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def encoding_of(file: Path) -> tuple[str, str]:
    """The encoding of a text file, and why it is not utf-8, "" where it is.

    A byte order mark decides; else UTF-8 where most lines beyond ASCII are valid, so that a broken line is an error and
    not a text in another encoding; else cp1252, if its bytes can be.
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
            if _decoded(line, "utf-8") is not None:
                valid += 1
            else:
                others.append(line)
    if not others or valid >= len(others):
        return "utf-8", ""
    texts = [_decoded(line, FALLBACK) for line in others]
    if any(text is None for text in texts):
        return "utf-8", ""
    [word, *_] = _BEYOND_ASCII.findall(str(texts[0]))
    return FALLBACK, f"not utf-8; read so, the first word beyond ASCII is {word[:40]!r}. If that is wrong: --encoding"


def delimiter_of(file: Path, encoding: str) -> tuple[str | None, str]:
    """The delimiter that the header holds, and the reason; None where it is what the file's suffix says."""
    usual = DELIMITERS.get(file.suffix.lower())
    if usual is None:
        return None, ""
    header = next((line for line in lines_of(file, encoding, [], newline="") if line.strip()), "").strip("\r\n")
    likely = likely_delimiter(header)
    if likely in (None, usual):
        return None, ""
    outside = "".join(header.split('"')[::2])
    counts = f"{outside.count(str(likely))} times, {usual!r} {outside.count(usual)} times"
    return likely, f"the header holds {likely!r} {counts}"


def _decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeError:
        return None
