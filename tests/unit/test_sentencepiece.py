"""A SentencePiece model as a tokenizer: the same tokens as the sentencepiece package, which keras-hub needs anyway."""

import io
import random

import pytest
import sentencepiece
from advice import advises, hear
from tiny_presets import CORPUS

from automm.errors import WeightsError
from automm.models.encoders.hub.sentencepiece import read_model, tokenizer_of

ODD = [
    *("", "   ", " a", "a ", "the  quick\tbrown\nfox", "\u00c9t\u00e9 na\u00efve \ufb01sh \uff26\uff55\uff4c\uff4c"),
    *(
        "\u8fd9\u4e2a\u624b\u673a",
        "\u0645\u0631\u062d\u0628\u0627",
        "<s> good </s> <unk> <pad> x",
        "\u2581good \u2581 bad",
    ),
    *(
        "emoji \U0001f600\U0001f600 \u2764\ufe0f",
        "a\u200bb\u200d\u00a0c",
        "123456789 don't DON'T",
        "e\u0301",
        "\x00\x07ctl",
    ),
    *("!!!???...", "\u3000wide space\u3000", "very" * 50, "\u2460 \u33a5 \u00bd", "the\u2028quick", "a [MASK] b[MASK]"),
]
LETTERS = "abc THE qu\u00e9\u00c9\u8fd9 \u4e2a\uff0c.!\t\n\u3000\u2581\U0001f600\u0645<s>/"


def trained(**options):
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 20),
        model_writer=file,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"vocab_size": 120, "pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, **options},
    )
    return file.getvalue()


@pytest.fixture
def saved(tmp_path):
    """saved(content) is a model file."""

    def write(content):
        path = tmp_path / "vocabulary.spm"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byte_fallback": True, "vocab_size": 400},
        {"user_defined_symbols": "[MASK]"},
        {"add_dummy_prefix": False},
        {"remove_extra_whitespaces": False},
        {"normalization_rule_name": "identity"},
        {"normalization_rule_name": "nmt_nfkc_cf"},
    ],
    ids=str,
)
def test_the_tokens_are_those_of_sentencepiece(kind, options, saved):
    content = trained(model_type=kind, **options)
    reference = sentencepiece.SentencePieceProcessor(model_proto=content)
    tokenizer = tokenizer_of(read_model(saved(content)))
    rng = random.Random(0)
    for text in (*ODD, *("".join(rng.choices(LETTERS, k=rng.randint(1, 30))) for _ in range(300))):
        assert tokenizer.encode(text).ids == list(reference.encode(text)), text


NO_UNKNOWN = b"\x0a\x03\x0a\x01a"  # one normal piece


@pytest.mark.parametrize(
    "content", [b"", b"\x0a", b"\x0a\xff", b"\x0a\x02\x08\x01", b"\xff" * 20, b"hello", NO_UNKNOWN]
)
def test_another_file_is_refused(content, saved):
    path = saved(content)
    with pytest.raises(WeightsError, match=rf"^{path} cannot be read: .*\. Fetch the encoder again$"):
        read_model(path)


@advises("Fetch the encoder again")
def test_a_damaged_file_is_fetched_again(saved):
    content = trained()
    path = saved(content[: len(content) // 2])
    with pytest.raises(WeightsError) as caught:
        read_model(path)
    assert str(caught.value).startswith(f"{path} cannot be read: ")
    hear(str(caught.value), "Fetch the encoder again")
    read_model(saved(content))


@advises("Name another encoder")
def test_models_of_words_are_refused(saved):
    path = saved(trained(model_type="word", vocab_size=20))
    with pytest.raises(WeightsError, match=f"^{path}: .*neither unigram nor BPE") as caught:
        read_model(path)
    hear(str(caught.value), "Name another encoder")
    read_model(saved(trained(model_type="bpe")))
