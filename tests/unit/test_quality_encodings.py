# ruff: noqa: RUF001  (letters that look like others are what this is about)
"""Records that were read in an encoding of Latin letters, and are in another."""

import json
import time

import pytest
import yaml

from automm.data.quality.checks.encodings import NOTHING, latin_bytes, misread_texts
from automm.data.quality.checks.texts import misread
from automm.data.quality.run import check

RUSSIAN = "Хорошая вещь номер, очень доволен покупкой"
MISREAD = [
    ("这个产品很好，我很喜欢。物流很快，包装也不错", "gb18030", "cp1252"),
    ("這個產品很好，我很喜歡。物流很快，包裝也不錯", "big5", "cp1252"),
    ("この商品はとても良いです。届くのが早くて助かりました", "shift_jis", "latin-1"),
    ("정말 좋은 제품입니다. 배송도 빠르고 포장도 좋았어요", "euc_kr", "cp1252"),
    (RUSSIAN, "cp1251", "cp1252"),
    (RUSSIAN, "cp1251", "cp1254"),
    (RUSSIAN, "koi8_r", "cp1252"),
    ("Das ist ein größer Stuhl, schön für Mädchen", "mac_roman", "cp1252"),
    ("Le café est très bon, déjà commandé", "mac_roman", "latin-1"),
    ("Bardzo dobry produkt, świetna jakość", "cp1250", "cp1252"),
    ("Çok güzel bir ürün, kargo hızlıydı", "cp1254", "latin-1"),
    ("Πολύ καλό προϊόν, γρήγορη αποστολή", "cp1253", "cp1252"),
    ("מוצר מצוין, הגיע מהר", "cp1255", "latin-1"),
    ("منتج رائع والتوصيل سريع", "cp1256", "cp1252"),
    ("สินค้าดีมาก ส่งเร็ว", "cp874", "latin-1"),
    ("Très bon café, À côté", "utf-8", "latin-1"),
    ("Żałuję, że kupiłem", "utf-8", "iso8859-2"),
]
GENUINE = {
    "German": ["Größe paßt, Übergröße überflüssig, schön für Mädchen", "ÄÖÜ äöüß", "Ärger", "§5, 5 €, 10°C ±5"],
    "French": ["Été à côté, très déçu, œuvre reçue, goût âpre, ÉTÉ", "é è ê à", "L’été… «bien»", "Ça, où?"],
    "Spanish": ["¡Qué rápido! El niño está muy contento, ¿ÑOÑO?", "ñÑñÑ", "Así así", "2ª vez, 3º piso"],
    "Portuguese": ["São Paulo, não é bom, coração, AÇÃO", "É ótimo", "ãõâê", "à vó, é só"],
    "Swedish": ["Å ä ö på åsen är röd", "åäö ÅÄÖ", "Fåfängt", "Ö"],
    "Turkish": ["Çok güzel bir ürün, değil mi, IĞÜŞÖÇ", "çöğüşı", "ığdır'ın şöförü", "Ürün güzel"],
    "Czech": ["Příliš žluťoučký kůň úpěl ďábelské ódy", "Škoda Žižek šéf", "ěščřžýáíé", "Ž"],
}
CODECS = {"Turkish": ["cp1254", "iso8859-9"], "Czech": ["cp1250", "iso8859-2"]}


@pytest.mark.parametrize(("text", "written", "read"), MISREAD)
def test_the_encoding_is_found(text, written, read):
    texts = [f"{text} {n}".encode(written).decode(read) for n in range(6)]
    found = misread_texts(texts, read)
    assert list(found.words) == list(range(6))
    assert found.encodings[0] == written
    assert len(found.encodings) <= 2


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_texts_in_latin_letters_are_no_finding(name):
    for codec in CODECS.get(name, ["cp1252", "latin-1"]):
        texts = [text for text in GENUINE[name] if text == text.encode(codec, "replace").decode(codec)]
        assert len(texts) >= 2
        assert misread_texts(texts * 5, codec).words == {}
        assert misread_texts([*texts, *["plain English"] * 20], codec).words == {}


def test_apostrophes_of_a_mac():
    assert misread_texts(["I donÕt like it, itÕs bad"] * 3, "cp1252").encodings == ("mac_roman",)


def test_encodings_without_latin_letters_are_not_judged():
    assert [name for name in ("cp1252", "latin-1", "cp1254", "cp1251", "utf-8", "gb18030") if latin_bytes(name)] == [
        "cp1252",
        "latin-1",
        "cp1254",
    ]
    assert misread_texts([RUSSIAN] * 9, "cp1251").words == {}
    assert misread_texts(["Õîðîøàÿ âåùü"] * 9, None).words == {}
    assert not latin_bytes("idna")


def test_a_few_doubtful_texts_are_no_finding():
    assert misread_texts(["ÄÖÜ äöüß", *["Das ist schön"] * 9], "cp1252").words == {}
    assert misread_texts(["Õîðîøàÿ âåùü"] * 2, "cp1252").words == {}
    assert misread_texts(["\u0451"] * 9, "cp1252").words == {}  # as an entity: no byte of cp1252


def test_a_wrong_encoding_is_reported_in_place_of_another_language(tmp_path):
    rows = [f'{n},"{RUSSIAN} {n}",{"ab"[n % 2]}' for n in range(30)]
    (tmp_path / "r.csv").write_bytes("\n".join(["id,text,label", *rows]).encode("cp1251"))
    content = {
        "name": "x",
        "records": "r.csv",
        "encoding": "cp1252",
        "fields": {"id": "id", "text": "text", "label": "label"},
    }
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(content))
    (finding,) = check(tmp_path / "m.yaml").findings
    assert (finding.key, finding.count) == ("wrong_encoding", 30)
    assert "In the manifest, set encoding to cp1251, which makes these texts readable" in finding.fix
    assert finding.examples[0].detail.startswith("'Õîðîøàÿ' in ")
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(content | {"encoding": "cp1251"}))
    assert [one.key for one in check(tmp_path / "m.yaml").findings] == ["other_languages"]
    assert json.dumps(finding.to_dict())


def test_long_words_take_no_time():
    began = time.process_time()
    texts = ["a" * 40_000 + " und grŠer", "é" * 40_000, "ÃŠ" * 20_000]
    misread_texts(texts * 5, "cp1252")
    assert all(map(misread, texts[2:]))
    assert time.process_time() - began < 2


def test_words_with_capitals_in_odd_places_are_of_another_encoding():
    german = ["Sehr schönes Gerät, läuft gut", "Größe passt überhaupt nicht", "Für den Preis völlig in Ordnung"]
    read = [text.encode("mac_roman").decode("cp1252") for text in german]
    assert misread_texts(read, "cp1252").encodings[0] == "mac_roman"
    assert misread_texts(german, "cp1252") == NOTHING


def test_an_encoding_that_is_hardly_likelier_is_not_reported():
    texts = ["Very good – really", "A must – truly", "Not bad – at all"]
    assert misread_texts(texts, "cp1252") == NOTHING
