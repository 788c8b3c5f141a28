"""Multi-ZOL: reviews of mobile phones, rated by aspect (Xu, Mao and Chen, AAAI 2019).

    zol_{Train,Dev,Test}_jieba.txt, four lines per sample: words, a list of pictures, an aspect, a score; img/

A review is repeated for each of its aspects; its text is therefore its group. The files contain some bytes that are not
UTF-8. Lines with them are cleaned and counted; a file with mostly invalid lines is in another encoding: an error.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path

from automm.data.change_kinds import Change
from automm.data.layouts.base import Layout, Reading, has_files
from automm.data.layouts.files import SPLIT_NAMES, is_readable, matching
from automm.data.records.forms import ENCODING, parse_literal
from automm.data.records.source import Record
from automm.data.sections import Fields


def read(reading: Reading) -> Iterator[Record]:
    """Yield columns id, text, images, aspect, score, split."""
    for file in matching(reading.path, "zol_*_jieba.txt"):
        if not is_readable(reading, file):
            continue
        name = file.stem.split("_")[1].lower()
        lines = _lines(reading, file)
        if len(lines) % 4:
            text = "the last sample is incomplete: a sample has 4 lines"
            reading.problem(f"{file.name}:{len(lines)}", text, "Complete or remove it")
        for place in range(0, len(lines) - 3, 4):
            text, pictures, aspect, score = lines[place : place + 4]
            where, identity = f"{file.name}:{place + 1}", f"{name}-{place // 4 + 1}"
            names = _names(pictures)
            if names is None:
                reading.problem(f"{file.name}:{place + 2}", f"expected a list of pictures, got {pictures[:60]!r}")
                continue
            values: dict[str, object] = {
                "id": identity,
                "text": text,
                "images": [f"img/{picture}" for picture in names],
                "aspect": aspect,
                "score": score,
                "split": SPLIT_NAMES.get(name),
            }
            yield Record(where, values, identity)


MULTI_ZOL = Layout(
    looks_for="zol_Train_jieba.txt, zol_Dev_jieba.txt, zol_Test_jieba.txt (four lines per sample), and img/",
    fits=has_files("zol_*_jieba.txt"),
    fields=Fields(id="id", text=("aspect", "text"), images=("images",), label="score", group="text"),
    read=read,
    split="split",
)


def _lines(reading: Reading, file: Path) -> list[str]:
    lines, cleaned, beyond_ascii = [], 0, 0
    for raw in file.read_bytes().removeprefix(codecs.BOM_UTF8).rstrip().split(b"\n"):
        line = raw.decode(reading.encoding, "ignore")
        cleaned += line.encode(reading.encoding, "ignore") != raw
        beyond_ascii += not raw.isascii()
        lines.append(line.strip())
    if 2 * cleaned > beyond_ascii:
        wrong = f"{cleaned:,} of {beyond_ascii:,} non-ASCII lines are not {reading.encoding}"
        reading.problem(file.name, wrong, "Set encoding in the manifest (gb18030, ...)", ENCODING)
        return []
    if cleaned:
        reading.changes[Change.MISENCODED] += cleaned
    return lines


def _names(literal: str) -> list[str] | None:
    """Return a list of strings in Python syntax; None if the text is anything else."""
    names = parse_literal(literal)
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
