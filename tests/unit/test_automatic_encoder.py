import numpy as np
import pytest
from advice import advises, hear

from automm.data.inputs.tokens import SPECIAL, wordpiece_tokenizer
from automm.models.encoders import automatic
from automm.models.encoders.automatic import reading_of, sequence_length_for, text_encoder_for
from automm.models.encoders.preprocessing import TextPreprocessing

ENGLISH = [
    "The battery lasts all day and the screen is very good.",
    "I would not buy this phone again because it was broken.",
    "This is the best vacuum cleaner that we have ever had.",
    "They said it would arrive on Monday, but it never did.",
]
INDONESIAN = [
    "Barang bagus sekali dan pengiriman sangat cepat, terima kasih banyak.",
    "Kualitas produk ini jelek, saya tidak akan membeli lagi di toko ini.",
    "Harga murah tetapi bahan tidak sesuai dengan gambar yang ditampilkan.",
    "Penjual ramah dan barang sampai dengan selamat tanpa cacat apa pun.",
]
CHINESE = [
    "\u8fd9\u4e2a\u83dc\u7684\u505a\u6cd5\u5f88\u7b80\u5355\uff0c\u5148\u628a\u571f\u8c46\u5207\u6210\u5757\u3002",
    "\u725b\u8089\u8981\u5148\u7528\u51b7\u6c34\u6ce1\u4e00\u4e2a\u5c0f\u65f6\uff0c\u7136\u540e\u5207\u7247\u3002",
]


@pytest.mark.parametrize(
    ("texts", "encoder", "reason"),
    [
        (ENGLISH * 5, "minilm-l6", "100% English"),
        (INDONESIAN * 5, "me5-small", "Indonesian"),
        (CHINESE * 5, "me5-small", "100% Chinese"),
        (ENGLISH * 5 + INDONESIAN * 2, "me5-small", "English"),  # mixed
        (ENGLISH * 20 + INDONESIAN[:1], "minilm-l6", "English"),
    ],
)
def test_the_language_of_the_training_texts_decides(texts, encoder, reason):
    choice = text_encoder_for(texts)
    assert choice.encoder == encoder
    assert reason in choice.reason


def test_without_a_certain_language_the_letters_decide():
    assert text_encoder_for(["", " ", "12 34"]).encoder == "minilm-l6"
    assert text_encoder_for([":)", "xz"]).encoder == "minilm-l6"
    assert "contain no letters" in text_encoder_for([]).reason


def test_check_names_the_encoder_and_the_share_of_texts_that_are_cut(monkeypatch):
    tokenizer = TextPreprocessing(wordpiece_tokenizer([*SPECIAL, "the"]))
    monkeypatch.setattr(automatic, "_preprocessing", lambda encoder: tokenizer)
    texts = [*ENGLISH * 24, *["the " * 300] * 4]
    assert reading_of(texts) == (
        "encoders.text: auto is minilm-l6: the language of 100 training texts: 100% English",
        "inputs.sequence_length: auto is 64 tokens: 90% of the training texts have at most 15 tokens; 4.0% are cut",
    )
    monkeypatch.setattr(automatic, "SAMPLE", 50)
    assert reading_of(texts)[1].endswith("(in a sample of 50)")
    assert reading_of([])[0].startswith("encoders.text: auto is minilm-l6")


@advises("automm weights {}")
def test_check_names_the_encoder_without_its_weights(monkeypatch):
    monkeypatch.setattr(automatic, "weights_folder", lambda name: None)
    encoder, length = reading_of(CHINESE * 5)
    assert encoder.startswith("encoders.text: auto is me5-small: ")
    assert length.endswith("automm weights me5-small")
    hear(length, "automm weights {}")
    tokenizer = TextPreprocessing(wordpiece_tokenizer(SPECIAL))
    monkeypatch.setattr(automatic, "_preprocessing", lambda encoder: tokenizer)  # as if they were fetched
    assert "auto is 64 tokens" in reading_of(CHINESE * 5)[1]


@pytest.mark.parametrize(("lengths", "length"), [([], 64), ([5] * 10, 64), ([100] * 9 + [500], 104), ([400] * 10, 256)])
def test_the_length_is_that_of_nine_tenths_of_the_texts(lengths, length):
    assert sequence_length_for(np.array(lengths))[0] == length
