"""Read a SentencePiece model file as a tokenizer of the tokenizers library, without the sentencepiece package.

The file is one protocol buffer (sentencepiece_model.proto of google/sentencepiece). Only the fields that change how a
text is split are read. Kudo and Richardson 2018, "SentencePiece" (arXiv 1808.06226).
"""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automm.errors import WeightsError
from automm.models.encoders.hub.preset_files import reading

META = "\u2581"  # the meta symbol, in place of a blank
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6  # types of pieces
UNIGRAM, BPE = 1, 2  # types of models


@dataclass(frozen=True)
class SentencePieceModel:
    """The fields of a model file.

    Attributes:
        pieces: (piece, score, type) in the order of their ids.
        algorithm: UNIGRAM or BPE.
        charsmap: the compiled rules of normalisation; b'' if characters stay as they are.
        dummy_prefix: whether a text begins with a blank.
        trimmed: whether blanks at the ends are removed, and repeated ones are one.
    """

    pieces: tuple[tuple[str, float, int], ...]
    algorithm: int
    charsmap: bytes
    dummy_prefix: bool
    trimmed: bool
    byte_fallback: bool


def read_model(path: Path) -> SentencePieceModel:
    """Read a model file.

    Raises:
        WeightsError: it is damaged, or splits texts in another way than unigram and BPE.
    """
    with reading(path):
        model = _parsed(path.read_bytes())
    if model.algorithm not in (UNIGRAM, BPE):
        raise WeightsError(f"{path}: the SentencePiece model is neither unigram nor BPE. Name another encoder")
    return model


def _parsed(content: bytes) -> SentencePieceModel:
    fields = list(_fields(content))
    pieces = []
    for number, value in fields:
        if number == 1:
            piece = dict(_fields(value))
            score = struct.unpack("<f", piece[2])[0] if 2 in piece else 0.0
            pieces.append((piece[1].decode("utf-8"), score, piece.get(3, NORMAL)))
    if not any(kind == UNKNOWN for _, _, kind in pieces):  # every model has one
        raise ValueError(f"not a SentencePiece model: {len(pieces)} pieces, and none for unknown ones")
    trainer = dict(_fields(dict(fields).get(2, b"")))
    rules = dict(_fields(dict(fields).get(3, b"")))
    return SentencePieceModel(
        tuple(pieces),
        trainer.get(3, UNIGRAM),
        rules.get(2, b""),
        bool(rules.get(3, 1)),
        bool(rules.get(4, 1)),
        bool(trainer.get(35, 0)),
    )


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """Yield (number, value) of a message; a value is an int, or bytes (strings, messages, floats)."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        if key & 7 == 0:
            value, place = _varint(content, place)
            yield key >> 3, value
            continue
        if key & 7 == 2:
            length, place = _varint(content, place)
        elif key & 7 in (1, 5):
            length = 8 if key & 7 == 1 else 4
        else:
            raise ValueError(f"a field of the unknown type {key & 7}")
        if place + length > len(content):
            raise ValueError("it ends in the middle of a field")
        yield key >> 3, content[place : place + length]
        place += length


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while content[place] & 128:
        value |= (content[place] & 127) << shift
        place, shift = place + 1, shift + 7
    return value | content[place] << shift, place + 1


def tokenizer_of(model: SentencePieceModel, ids: Mapping[int, int] | None = None, size: int = 0) -> Any:
    """Return a tokenizer that splits texts as the model does, without special tokens around them.

    Args:
        ids: the new ids of pieces that are renumbered (XLM-RoBERTa), by their ids in the model.
        size: of the vocabulary; ids without a piece get a name that no text has.
    """
    pieces = [(f" {number}", 0.0, CONTROL) for number in range(max(size, len(model.pieces)))]
    for number, piece in enumerate(model.pieces):
        pieces[ids.get(number, number) if ids else number] = piece
    return _tokenizer(pieces, model)


def _tokenizer(pieces: Sequence[tuple[str, float, int]], model: SentencePieceModel) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers

    # Control pieces are no text. A blank keeps them from matching a review that contains '</s>': every blank of a text
    # has become the meta symbol before it is split.
    names = [f" {text}" if kind in (CONTROL, UNKNOWN) and text[:1] != " " else text for text, _, kind in pieces]
    unknown = next(number for number, piece in enumerate(pieces) if piece[2] == UNKNOWN)
    whole = sorted((text for text, _, kind in pieces if kind == USER_DEFINED), key=len, reverse=True)
    algorithm = _unigram if model.algorithm == UNIGRAM else _bpe
    tokenizer = Tokenizer(algorithm(names, pieces, unknown, byte_fallback=model.byte_fallback))
    tokenizer.normalizer = _normalizer(model)
    if whole:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("|".join(map(re.escape, whole))), "isolated")
    tokenizer.decoder = decoders.Metaspace(replacement=META)
    return tokenizer


def _unigram(names: list[str], pieces: Sequence[tuple[str, float, int]], unknown: int, *, byte_fallback: bool) -> Any:
    from tokenizers import models

    best = max((score for _, score, kind in pieces if kind == NORMAL), default=0.0)
    # As SentencePiece scores them: a piece that the user defined is never split.
    scores = [
        len(text) * best - 0.1 if kind == USER_DEFINED else score if kind in (NORMAL, BYTE) else 0.0
        for text, score, kind in pieces
    ]
    return models.Unigram(list(zip(names, scores, strict=True)), unknown, byte_fallback)


def _bpe(names: list[str], pieces: Sequence[tuple[str, float, int]], unknown: int, *, byte_fallback: bool) -> Any:
    """Return a BPE model: SentencePiece merges the pair whose piece has the best score, tokenizers the first pair."""
    from tokenizers import models

    ids = {name: number for number, name in enumerate(names)}
    merges = []
    for text, score, kind in pieces:
        if kind == NORMAL:
            halves = ((text[:cut], text[cut:]) for cut in range(1, len(text)))
            merges += [(-score, ids[text], pair) for pair in halves if pair[0] in ids and pair[1] in ids]
    return models.BPE(
        ids,
        [pair for _, _, pair in sorted(merges, key=lambda merge: merge[:2])],
        unk_token=names[unknown],
        fuse_unk=True,
        byte_fallback=byte_fallback,
        ignore_merges=any(kind == USER_DEFINED for _, _, kind in pieces),
    )


def _normalizer(model: SentencePieceModel) -> Any:
    from tokenizers import Regex, normalizers

    steps: list[Any] = []
    if model.charsmap:
        # The rules are applied to a letter with its accents at once, and drop accents that are characters of their own.
        # Their forms of characters are those of NFKC, so that composing first changes nothing else.
        steps += [normalizers.NFC(), normalizers.Precompiled(model.charsmap)]
    if model.trimmed:
        steps += [normalizers.Replace(Regex(r"\A +| +\z"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    if model.dummy_prefix:
        steps.append(normalizers.Prepend(META))
    steps.append(normalizers.Replace(" ", META))
    if model.trimmed:
        steps.append(normalizers.Replace(Regex(META + r"+\z"), ""))
    return normalizers.Sequence(steps)
