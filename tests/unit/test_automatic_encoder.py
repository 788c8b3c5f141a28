import pytest

from automm.models.encoders.automatic import text_encoder_for

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
