"""The texts of a preset: its tokenizer as an object of the tokenizers library, built from the preset's files.

A Hugging Face folder may have a ready tokenizer.json; of other folders, and of KerasHub's presets, the vocabulary is
read. The ids equal those of KerasHub's tokenizers, with three exceptions:

- RoBERTa was trained on words by GPT-2's pattern, which is used here. KerasHub splits into words only in TensorFlow.
- WordPiece: accents, ligatures and full-width forms (see `data/inputs/tokens`).
- SentencePiece: accents behind a character with a compatible form, such as a full-width comma, are dropped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automm.data.inputs.tokens import load_tokenizer, wordpiece_tokenizer
from automm.errors import WeightsError
from automm.models.encoders.hub.families import KERAS, Recognised
from automm.models.encoders.hub.preset_files import read_json, reading
from automm.models.encoders.hub.sentencepiece import CONTROL, SentencePieceModel, read_model, tokenizer_of
from automm.models.encoders.preprocessing import TextPreprocessing

Find = Callable[[str], Path | None]  # returns the local path of a preset's file, fetched if needed, or None
PUNCTUATION = r"""[!"#$%&\\'()*+,\-./:;<=>?@\[\]^_`{|}~]"""  # that SigLIP's texts have not
CLIP_WORDS = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
WHOLE_FOLDER = "Name another encoder, or a folder with all of its files"
CLIP_LENGTH, SIGLIP_LENGTH = 77, 64


@dataclass(frozen=True)
class Special:
    """The special tokens of a family: the one before a text ('' if there is none), the one behind it, and padding."""

    start: str
    end: str
    pad: str


BERT_TOKENS, ROBERTA_TOKENS = Special("[CLS]", "[SEP]", "[PAD]"), Special("<s>", "</s>", "<pad>")
SPECIAL = {
    **dict.fromkeys(("bert", "distil_bert", "electra", "deberta_v3"), BERT_TOKENS),
    **dict.fromkeys(("roberta", "xlm_roberta", "metaclip_2"), ROBERTA_TOKENS),
    "albert": Special("[CLS]", "[SEP]", "<pad>"),
    "clip": Special("<|startoftext|>", "<|endoftext|>", ""),
    "siglip": Special("", "</s>", "</s>"),
}
# XLM-RoBERTa numbers the special pieces <s> 0, <pad> 1, </s> 2, <unk> 3, and the others one higher than their model.
RENUMBERED = ("xlm_roberta", "metaclip_2")


def text_preprocessing(found: Recognised, find: Find, max_length: int | None = None) -> TextPreprocessing:
    """Return how the texts of a preset are prepared.

    Args:
        find: returns the path of one of its files, or None.
        max_length: the number of positions of the backbone, for families with a fixed length.

    Raises:
        WeightsError: the vocabulary is missing or damaged.
    """
    special = SPECIAL[found.key]
    length = max_length if found.family.fixed else None
    ready = None if found.format == KERAS else find("tokenizer.json")
    if ready is not None:
        with reading(ready):
            tokenizer = load_tokenizer(ready)
        pad = tokenizer.token_to_id(special.pad) if special.pad else 0
        if pad is None:  # a BERT with the tokenizer of XLM-RoBERTa, as multilingual-e5-small
            pad = tokenizer.token_to_id(ROBERTA_TOKENS.pad) or 0
        return TextPreprocessing(tokenizer, length=length, pad=pad)
    described = find("tokenizer.json" if found.format == KERAS else "tokenizer_config.json")
    config = read_json(described)
    options = config.get("config", config)
    if described is not None and not isinstance(options, dict):
        raise WeightsError(f"{described} cannot be read: its config is no object. Fetch the encoder again")
    tokenizer, ids = _built(found, find, config, options)
    if special.pad not in ids and found.key == "bert":
        special = ROBERTA_TOKENS
    if found.key in ("clip", "siglip"):
        _canonical(tokenizer, found.key, read_json(find("preprocessor.json")).get("config", {}))
    _surround(tokenizer, special, ids, found.name)
    pad = ids[special.pad] if special.pad else 0
    if found.key == "clip" and options.get("pad_with_end_token"):
        pad = ids[special.end]
    return TextPreprocessing(tokenizer, length=length, pad=pad, masked=found.key != "siglip")


def _built(
    found: Recognised, find: Find, config: dict[str, Any], options: dict[str, Any]
) -> tuple[Any, dict[str, int]]:
    """Return the tokenizer without special tokens around a text, and the ids of special tokens."""
    folder = "assets/tokenizer/" if found.format == KERAS else ""
    for name in ("vocabulary.spm", "sentencepiece.bpe.model", "spiece.model"):
        path = find(folder + name)
        if path is not None:
            tagged = str(config.get("class_name", "")) + str(options.get("tokenizer_class", ""))
            renumbered = found.key in RENUMBERED or "XLMRoberta" in tagged
            return _sentencepiece(path, renumbered=renumbered)
    pairs, ids = find(folder + "merges.txt"), find(folder + "vocabulary.json") or find(folder + "vocab.json")
    if pairs is not None and ids is not None:
        vocabulary = read_json(ids)
        with reading(pairs):
            merges = _merges(pairs)
        with reading(ids):  # also if the merges do not fit
            tokenizer = (_clip if found.key == "clip" else _byte_level)(vocabulary, merges)
        # As in KerasHub, a text may contain them.
        tokenizer.add_special_tokens([token for token in vars(SPECIAL[found.key]).values() if token])
        return tokenizer, vocabulary
    path = find(folder + "vocabulary.txt") or find(folder + "vocab.txt")
    if path is None:
        raise WeightsError(f"encoder {found.name!r} has no vocabulary that automm can read. {WHOLE_FOLDER}")
    with reading(path):
        words = path.read_text("utf-8").rstrip("\n").split("\n")
        lowercase = bool(options.get("lowercase", options.get("do_lower_case", False)))
        return wordpiece_tokenizer(words, lowercase=lowercase), {word: place for place, word in enumerate(words)}


def _sentencepiece(path: Path, *, renumbered: bool) -> tuple[Any, dict[str, int]]:
    model = read_model(path)
    if not renumbered:
        return _read(path, model), {text: place for place, (text, _, _) in enumerate(model.pieces)}
    first = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    pieces = {piece[0]: piece for piece in model.pieces[:3]}
    if set(pieces) != {"<unk>", "<s>", "</s>"}:
        raise WeightsError(
            f"{path}: its first pieces are {', '.join(pieces)}, not <unk>, <s>, </s>. Name another encoder"
        )
    begin = [pieces.get(text, (text, 0.0, CONTROL)) for text in first]
    return _read(path, _with_pieces(model, (*begin, *model.pieces[3:], ("<mask>", 0.0, CONTROL)))), first


def _read(path: Path, model: SentencePieceModel) -> Any:
    with reading(path):  # the tokenizers library checks the rules of normalisation
        return tokenizer_of(model)


def _with_pieces(model: SentencePieceModel, pieces: Sequence[tuple[str, float, int]]) -> SentencePieceModel:
    return SentencePieceModel(**{**vars(model), "pieces": tuple(pieces)})


def _byte_level(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _clip(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    end = SPECIAL["clip"].end
    model = models.BPE(vocabulary, merges, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=end)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(CLIP_WORDS), "removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _canonical(tokenizer: Any, key: str, options: dict[str, Any]) -> None:
    """Change texts before they are split as SigLIP's preprocessor does: lower case, and no punctuation."""
    from tokenizers import Regex, normalizers

    if key != "siglip" or not options.get("canonicalize_text", True):
        return
    steps = [
        normalizers.Lowercase(),
        normalizers.Replace(Regex(PUNCTUATION), ""),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Strip(),
    ]
    tokenizer.normalizer = normalizers.Sequence([*steps, tokenizer.normalizer])


def _surround(tokenizer: Any, special: Special, ids: dict[str, int], encoder: str) -> None:
    from tokenizers import processors

    around = [token for token in (special.start, special.end) if token]
    missing = [token for token in dict.fromkeys((*around, special.pad)) if token and token not in ids]
    if missing:
        raise WeightsError(
            f"the vocabulary of encoder {encoder!r} has no {' and no '.join(missing)}. Name another encoder"
        )
    single = [*([special.start] if special.start else []), "$A", special.end]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[(token, ids[token]) for token in dict.fromkeys(around)]
    )


def _merges(path: Path) -> list[tuple[str, str]]:
    lines = (line.rstrip() for line in path.read_text("utf-8").split("\n") if not line.startswith("#version:"))
    pairs = (line.split(" ") for line in lines)
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
