"""`automm init`: a first manifest from a look at the records."""
# ruff: noqa: RUF001 (texts in other scripts, with their own punctuation)

import csv
import json
import re
import time
from itertools import pairwise

import pytest
import yaml
from layouts import manifest_of
from typer.testing import CliRunner

from automm.cli.app import app
from automm.data.demo.generate import write_demo
from automm.data.manifest import load_manifest
from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.init import write_first_manifest
from automm.data.onboarding.reading import FIRST
from automm.data.onboarding.thinning import Thinned
from automm.data.records.encoding import encoding_of
from automm.data.records.reviews import load_dataset
from automm.errors import ConfigError, DataError, NotFoundError


def first(folder, rows, name="r.jsonl"):
    file = folder / name
    if name.endswith(".csv"):
        with file.open("w", newline="", encoding="utf-8") as out:
            table = csv.DictWriter(out, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    path, guess = write_first_manifest(file)
    return yaml.safe_load(path.read_text()), guess.reasons


def touch(folder, *names):
    """Files that are there, and no more."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def encoded(folder, texts, encoding, plain=0):
    """What is found of a file of some texts, behind so many lines of ASCII."""
    lines = ["id,text,label", *(f"{n},plain words,{n % 2}" for n in range(plain)), *(f'{n},"{t}",0' for n, t in texts)]
    (folder / "r.csv").write_bytes("\n".join(lines).encode(encoding))
    return encoding_of(folder / "r.csv")


def rows(count=40, **cells):
    """Records whose cells are a function of their number."""
    return [{name: cell(n) for name, cell in cells.items()} for n in range(count)]


BASIC = {"review_id": lambda n: f"r{n}", "text": lambda n: f"some words number {n}", "label": lambda n: "ab"[n % 2]}


def test_the_demo_is_guessed_as_it_is(tmp_path):
    manifest = write_demo(tmp_path / "demo", reviews=60, seed=1)
    guessed, _ = write_first_manifest(tmp_path / "demo" / "reviews.jsonl", tmp_path / "demo" / "guessed.yaml")
    true, found = load_manifest(manifest), load_manifest(guessed)
    assert found.fields == true.fields
    assert found.image_root == true.image_root
    reviews = load_dataset(found).reviews
    assert [review.images for review in reviews] == [review.images for review in load_dataset(true).reviews]


def test_urls_that_are_separated_and_a_sentence_for_none(tmp_path):
    def link(n):
        return "Tidak ada gambar" if n % 4 else f"https://a.example/{n}.webp?e=4g, https://a.example/{n}b.webp"

    content, reasons = first(tmp_path, rows(**BASIC, link_gambar=link, file_gambar=lambda n: f"{n}.jpg"), "r.csv")
    fields = content["fields"]
    assert (fields["images"], fields["separator"], fields["none_values"]) == ("link_gambar", ",", ["Tidak ada gambar"])
    assert "URLs" in reasons["fields.images"]


def test_the_column_whose_files_exist_is_preferred(tmp_path):
    (tmp_path / "photos").mkdir()
    for n in range(40):
        (tmp_path / "photos" / f"{n}.png").write_bytes(b"x")
    cells = {"other": lambda n: f"https://a.example/{n}.png", "file": lambda n: [f"{n}.png"]}
    content, _ = first(tmp_path, rows(**BASIC, **cells))
    assert (content["fields"]["images"], content["image_root"]) == ("file", "photos")


def test_ids_groups_and_splits(tmp_path):
    cells = {"product_id": lambda n: n // 4, "fold": lambda n: ["train", "train", "dev", "test"][n % 4]}
    content, _ = first(tmp_path, rows(**BASIC, **cells))
    assert content["fields"]["id"] == "review_id"
    assert content["fields"]["group"] == "product_id"
    assert content["splits"] == {"column": "fold", "values": {"dev": "validation"}}


@pytest.mark.parametrize("name", ["id", "review_id", "uuid"])
def test_an_id_that_repeats_is_the_group(tmp_path, name):
    cells = {key: cell for key, cell in BASIC.items() if key != "review_id"}
    content, reasons = first(tmp_path, rows(**{name: lambda n: f"r{n % 30}"}, **cells))
    assert content["fields"]["group"] == name
    assert "id" not in content["fields"]
    assert f"line numbers ({name!r} has 30 values in 40 records)" in reasons["fields.id"]
    assert "which stay in one split" in reasons["fields.group"]


def test_the_id_of_a_product_is_preferred_as_the_group(tmp_path):
    cells = BASIC | {"review_id": lambda n: f"r{n % 30}", "product_id": lambda n: n // 4}
    assert first(tmp_path, rows(**cells))[0]["fields"]["group"] == "product_id"


def test_an_id_with_few_values_is_offered_as_the_group_and_not_as_an_input(tmp_path):
    file = tmp_path / "r.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows(**BASIC | {"shop_id": lambda n: f"s{n % 4}"})))
    _, guess = write_first_manifest(file)
    assert "set fields: {group: ...}" in next(role.why for role in guess.roles if role.column == "shop_id")


def test_several_labels(tmp_path):
    content, reasons = first(tmp_path, rows(**BASIC | {"label": lambda n: n}, genres=lambda n: ["a", "b"][: n % 3]))
    assert content["fields"]["label"] == {"column": "genres", "pick": "first"}
    assert "several labels" in reasons["fields.label"]


def test_a_cell_that_is_no_list_among_lists_of_labels(tmp_path):
    records = [{"label": True}, {"label": ["b"]}, {"label": ["b"]}]
    file = tmp_path / "r.jsonl"
    file.write_text(
        "".join(json.dumps({"id": None, "text": f"some words {n}"} | row) + "\n" for n, row in enumerate(records))
    )
    manifest, _ = write_first_manifest(file)
    assert load_manifest(manifest).fields.label


def test_columns_with_meaningless_names(tmp_path):
    cells = {"x": lambda n: f"a rather long text with the number {n}", "y": lambda n: n % 3, "z": lambda n: n / 7}
    content, _ = first(tmp_path, rows(**cells))
    assert content["fields"] == {"text": "x", "label": "y"}


def test_a_manifest_without_a_label_is_for_predictions(tmp_path):
    content, reasons = first(tmp_path, [{"text": "one text"}, {"text": "and another one"}])
    assert content["fields"] == {"text": "text"}
    assert "predictions only" in reasons["fields.label"]


def test_an_existing_manifest_is_not_overwritten(tmp_path):
    (tmp_path / "manifest.yaml").write_text("mine")
    with pytest.raises(ConfigError, match="exists and is not overwritten"):
        first(tmp_path, rows(**BASIC))
    assert (tmp_path / "manifest.yaml").read_text() == "mine"


def test_a_file_of_a_native_layout_is_recognised(tmp_path):
    manifest_of(tmp_path, "amazon-reviews-2018")
    file = tmp_path / "data" / "Home.json"
    _, guess = write_first_manifest(file)
    reasons = guess.reasons
    assert "automm import amazon-reviews-2018" in reasons["format"]
    file.write_text(file.read_text() + "[")
    with pytest.raises(
        DataError, match=r"It looks like format amazon-reviews-2018\. To import it: automm import amazon-reviews-2018"
    ):
        write_first_manifest(file, tmp_path / "other.yaml")


def test_files_in_which_nothing_can_be_guessed(tmp_path):
    with pytest.raises(ConfigError, match="no column looks like text or pictures"):
        first(tmp_path, [{"a": 1.5}, {"a": 2.5}])
    with pytest.raises(NotFoundError):
        write_first_manifest(tmp_path / "absent.csv")
    (tmp_path / "r.xlsx").write_text("x")
    with pytest.raises(DataError, match=r"not readable as an Excel workbook.*Save the sheet as CSV"):
        write_first_manifest(tmp_path / "r.xlsx")
    (tmp_path / "b.csv").write_bytes(b"text\none good line\n\x81\n")
    with pytest.raises(DataError, match=r"b.csv:3: not utf-8. Add --encoding NAME to automm init"):
        write_first_manifest(tmp_path / "b.csv")


@pytest.mark.parametrize("written", [repr, json.dumps])
def test_lists_of_pictures_that_a_csv_file_holds_as_text(tmp_path, written):
    (tmp_path / "photos").mkdir()
    for n in range(41):
        (tmp_path / "photos" / f"{n}.JPG").write_bytes(b"x")

    def pictures(n):
        return written([f"photos/{n}.JPG", f"photos/{n + 1}.JPG"] if n else [])

    content, _ = first(tmp_path, rows(**BASIC, images=pictures), "r.csv")
    assert content["fields"]["images"] == "images"
    assert not {"separator", "none_values"} & content["fields"].keys()
    reviews = load_dataset(load_manifest(tmp_path / "manifest.yaml")).reviews
    assert [len(review.images) for review in reviews[:2]] == [0, 2]


def test_unused_columns_that_seem_to_hold_pictures_have_a_reason(tmp_path):
    cells = {"image": lambda n: f"{n}.png", "photo2": lambda n: f"{n}.jpg", "poster": lambda n: n % 37}
    content, reasons = first(tmp_path, rows(**BASIC, **cells))
    assert content["fields"]["images"] == "image"
    assert "write images: [image, photo2]" in reasons["column 'photo2'"]
    assert "cells such as '0' name no picture file" in reasons["column 'poster'"]


@pytest.mark.parametrize("name", ["/data/{}.png", "C:\\me\\{}.png"])
def test_absolute_names_do_not_count_as_found(tmp_path, name):
    _, reasons = first(tmp_path, rows(**BASIC, image=lambda n: name.format(n)))
    assert "; 0% of them are in folder" in reasons["fields.images"]
    assert "write names relative to image_root" in reasons["fields.images"]


@pytest.mark.parametrize(("name", "mark"), [("r.csv", ";"), ("r.csv", "\t"), ("r.tsv", "|"), ("r.tsv", ",")])
def test_the_delimiter_is_found_in_the_header(tmp_path, name, mark):
    lines = [
        f'id{mark}"text, or; words"{mark}label',
        *(f'{n}{mark}"good, and; cheap {n}"{mark}{n % 2}' for n in range(40)),
    ]
    (tmp_path / name).write_text("\n".join(lines))
    path, guess = write_first_manifest(tmp_path / name)
    reasons = guess.reasons
    assert f"the header holds {mark!r} 2 times" in reasons["delimiter"]
    assert yaml.safe_load(path.read_text())["delimiter"] == mark
    assert load_dataset(load_manifest(path)).reviews[0].text == "good, and; cheap 0"


def test_quotation_marks_that_belong_to_the_texts(tmp_path):
    lines = ["id\ttext\tlabel", *(f'{n}\t"Quite" good {n}\t{n % 2}' for n in range(40))]
    (tmp_path / "r.tsv").write_text("\n".join(lines))
    path, guess = write_first_manifest(tmp_path / "r.tsv")
    reasons = guess.reasons
    assert "quotation marks are read as part of the texts" in reasons["quotes"]
    assert load_dataset(load_manifest(path)).reviews[0].text == '"Quite" good 0'


def test_quotes_around_every_cell_are_not_part_of_the_texts(tmp_path):
    (tmp_path / "r.tsv").write_text('"id"\t"text"\n"1"\t"good"\n"2"\t"very "good" indeed"\n')
    with pytest.raises(DataError, match=r"r.tsv:3: not TSV"):
        write_first_manifest(tmp_path / "r.tsv")


@pytest.mark.parametrize(
    ("written", "named"), [("cp1252", "cp1252"), ("utf-16", "utf-16"), ("utf-8-sig", None), ("utf-8", None)]
)
def test_the_encoding_is_found_in_the_bytes(tmp_path, written, named):
    lines = ["id,text,label", *(f"{n},très bon café {n},{n % 2}" for n in range(40))]
    (tmp_path / "r.csv").write_bytes("\n".join(lines).encode(written))
    path, guess = write_first_manifest(tmp_path / "r.csv")
    reasons = guess.reasons
    assert yaml.safe_load(path.read_text()).get("encoding") == named
    assert ("encoding" in reasons) == (named is not None)
    assert load_dataset(load_manifest(path)).reviews[0].text == "très bon café 0"


def test_a_given_encoding_and_an_unknown_one(tmp_path):
    lines = ["id,text,label", *(f"{n},很好 {n},{n % 2}" for n in range(40))]
    (tmp_path / "r.csv").write_bytes("\n".join(lines).encode("gb18030"))
    path, _ = write_first_manifest(tmp_path / "r.csv", encoding="gb18030")
    assert load_dataset(load_manifest(path)).reviews[0].text == "很好 0"
    with pytest.raises(ConfigError, match="--encoding: Python knows no text encoding 'gb18031'"):
        write_first_manifest(tmp_path / "r.csv", tmp_path / "other.yaml", encoding="gb18031")


def test_a_few_malformed_lines_do_not_change_the_encoding(tmp_path):
    lines = ["id,text,label", *(f"{n},très bon {n},{n % 2}" for n in range(40))]
    (tmp_path / "r.csv").write_bytes("\n".join(lines).encode() + b"\n40,tr\xe8s bon,1\n")
    with pytest.raises(DataError, match=r"r.csv:42: not utf-8. Add --encoding"):
        write_first_manifest(tmp_path / "r.csv")


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_the_index_that_pandas_writes_is_ignored(tmp_path, name):
    cells = {name: lambda n: n, **BASIC, "review_id": lambda n: f"r{n % 30}"}
    content, reasons = first(tmp_path, rows(**cells), "r.csv")
    assert content["fields"] == {"text": "text", "label": "label", "group": "review_id"}
    assert "index that pandas writes" in reasons["fields"]


@pytest.mark.parametrize("between", [",", ", ", ";", "; ", "|", " ", "\n"])
def test_separated_names_of_files(tmp_path, between):
    touch(tmp_path, *(f"photos/{n}_{k}.jpg" for n in range(40) for k in range(3)))
    cells = {"images": lambda n: between.join(f"{n}_{k}.jpg" for k in range(n % 4))}
    content, reasons = first(tmp_path, rows(**BASIC, **cells), "r.csv")
    assert content["fields"]["separator"] == (between.strip() or between)
    assert content["image_root"] == "photos"
    assert "100% of them are in folder 'photos'; the separator is" in reasons["fields.images"]
    assert len(load_dataset(load_manifest(tmp_path / "manifest.yaml")).reviews[3].images) == 3


@pytest.mark.parametrize("name", ["{}.jpg,front.jpg", "{}.jpg;v=1.jpg"])
def test_a_separator_in_the_names_of_files_is_not_used(tmp_path, name):
    touch(tmp_path, *(name.format(n) for n in range(40)))
    content, _ = first(tmp_path, rows(**BASIC, image=name.format))
    assert "separator" not in content["fields"]


@pytest.mark.parametrize("url", ["https://a.example/w_1,h_2/{}.jpg", "https://a.example/{}.jpg,https/b.jpg"])
def test_a_comma_in_a_url_is_not_a_separator(tmp_path, url):
    content, reasons = first(tmp_path, rows(**BASIC, image=url.format))
    assert content["fields"]["images"] == "image"
    assert "separator" not in content["fields"]
    assert reasons["fields.images"] == "'image': URLs of pictures"


def test_lists_as_numpy_writes_them_do_not_count_as_found(tmp_path):
    touch(tmp_path, *(f"{n}.jpg" for n in range(41)))
    cells = {"images": lambda n: f"['{n}.jpg']" if n % 2 else f"['{n}.jpg' '{n + 1}.jpg']"}
    content, reasons = first(tmp_path, rows(**BASIC, **cells), "r.csv")
    assert content["fields"]["images"] == "images"
    assert "%" not in reasons["fields.images"]
    assert "20 cells cannot be read" in reasons["fields.images"]
    assert 'Write JSON lists, such as ["0.jpg", "1.jpg"]' in reasons["fields.images"]


def test_columns_that_differ_in_a_number_are_read_together(tmp_path):
    touch(tmp_path, *(f"{n}_{k}.jpg" for n in range(40) for k in range(3)))
    cells = {f"image_{k}": lambda n, k=k: f"{n}_{k}.jpg" if n % 4 > k else "N/A" for k in range(3)}
    content, reasons = first(tmp_path, rows(**BASIC, **cells), "r.csv")
    assert content["fields"]["images"] == ["image_0", "image_1", "image_2"]
    assert content["fields"]["none_values"] == ["N/A"]
    assert "'image_0', 'image_1', 'image_2': names of pictures; 100% of them are in" in reasons["fields.images"]
    assert not any(key.startswith("column") for key in reasons)
    assert len(load_dataset(load_manifest(tmp_path / "manifest.yaml")).reviews[3].images) == 3


def test_columns_whose_files_exist_are_read_together_without_thumbnails(tmp_path):
    touch(tmp_path, *(f"{side}{n}.jpg" for n in range(40) for side in "fbt"))
    cells = {"front": lambda n: f"f{n}.jpg", "back": lambda n: f"b{n}.jpg", "thumbnail": lambda n: f"t{n}.jpg"}
    content, reasons = first(tmp_path, rows(**BASIC, **cells))
    assert content["fields"]["images"] == ["front", "back"]
    assert "write images: [front, back, thumbnail]" in reasons["column 'thumbnail'"]


@pytest.mark.parametrize(
    ("name", "cell", "file"),
    [
        ("id", lambda n: 15970 + n, "images/{}.jpg"),
        ("image_id", lambda n: f"p{n // 4}", "{}.png"),
        ("ImagePath", lambda n: f"Photo {n}", "pics/{}.JPG"),
    ],
)
def test_pictures_that_are_named_by_a_value_and_a_suffix(tmp_path, name, cell, file):
    touch(tmp_path, *(file.format(cell(n)) for n in range(40)))
    data = rows(**{name: cell, "text": BASIC["text"], "label": BASIC["label"]})
    content, reasons = first(tmp_path, data, "r.csv")
    assert content["fields"]["images"] == f"{{{name}}}.{file.split('.')[-1]}"
    assert f"{name!r}: pictures are named after its values, as in " in reasons["fields.images"]
    assert content["fields"].get("id") == ("id" if name == "id" else None)
    loaded = load_dataset(load_manifest(tmp_path / "manifest.yaml"))
    assert all(len(review.images) == 1 for review in loaded.reviews)


def test_unreadable_names_are_not_replaced_by_a_template(tmp_path):
    touch(tmp_path, *(f"{n}.jpg" for n in range(40)))
    cells = {"review_id": lambda n: n, "photos": lambda n: f"{{{40 - n}.jpg}}" if n else "{}"}
    content, reasons = first(tmp_path, rows(**BASIC | cells), "r.csv")
    assert "images" not in content["fields"]
    assert "cells such as '{39.jpg}' name no picture file. Write names alone" in reasons["column 'photos'"]


@pytest.mark.parametrize(
    ("names", "values"),
    [(["train", "test"], {}), (["Train", "TEST"], {"values": {"TEST": "test", "Train": "train"}})],
)
def test_a_column_of_splits_without_validation(tmp_path, names, values):
    content, reasons = first(tmp_path, rows(**BASIC | {"split": lambda n: names[n % 3 == 0]}))
    assert content["splits"] == {"column": "split", **values, "validation": 0.15}
    assert "no validation split, so 15% of the training reviews" in reasons["splits.column"]


def test_names_of_splits_are_not_labels(tmp_path):
    cells = {"text": BASIC["text"], "fold": lambda n: ["Train", "Valid", "Test"][n % 3]}
    content, _ = first(tmp_path, rows(**cells))
    assert content["splits"]["values"] == {"Test": "test", "Train": "train", "Valid": "validation"}
    assert "label" not in content["fields"]


@pytest.mark.parametrize(
    ("written", "texts"),
    [
        ("gb18030", ["这个产品很好，我很喜欢", "质量不错，物流也快！", "味道差"]),
        ("big5", ["這個商品很好，我很喜歡", "房間乾淨，服務人員態度好", "味道差"]),
        ("shift_jis", ["この商品はとても良いです", "画面がきれいで使いやすい"]),
        ("euc_jp", ["この商品はとても良いです", "画面がきれいで使いやすい"]),
        ("euc_kr", ["정말 좋은 제품입니다. 배송도 빨라요", "다시는 안 사요"]),
        ("cp949", ["정말 좋은 제품입니다, 똠방각하", "다시는 안 사요"]),
        ("cp1251", ["Хорошая вещь, очень доволен", "«Супер» — рекомендую всем"]),
        ("koi8_r", ["Хорошая вещь, очень доволен", "Не понравилось, плохо"]),
        ("mac_roman", ["Das Gerät ist größer als gedacht", "Très bon café", "L’été à Paris"]),
        ("cp1250", ["Bardzo dobry produkt, świetna jakość", "Żałuję, że kupiłem"]),
        ("iso8859_2", ["Bardzo dobry produkt, świetna jakość", "Żałuję, że kupiłem"]),
        ("cp1250", ["Nagyon szép, gyors szállítás, köszönöm", "Túl drága, az ősszel még fele ennyi volt"]),
        ("cp1250", ["Rychlé doručení, pěkně zabaleno", "Špatná kvalita, nedoporučuji"]),
        ("cp1254", ["Çok güzel bir ürün, kargo hızlıydı", "Rengi fotoğraftaki gibi değil, şaşırdım"]),
        ("cp1253", ["Πολύ καλό προϊόν, γρήγορη αποστολή", "Δεν το προτείνω"]),
        ("cp1255", ["מוצר מצוין, הגיע מהר", "לא ממליץ לאף אחד"]),
        ("cp1256", ["منتج رائع والتوصيل سريع", "لا أنصح بشرائه، تعطل بعد أسبوع"]),
        ("cp874", ["สินค้าดีมาก ส่งเร็ว", "ไม่แนะนำเลย"]),
        ("koi8_u", ["Дуже задоволена, якість чудова", "Їм не варто довіряти"]),
    ],
)
def test_texts_of_other_scripts_and_systems(tmp_path, written, texts):
    found, reason = encoded(tmp_path, enumerate(texts), written, plain=100)
    assert found == written
    assert re.search(r"\w*[^\x00-\x7f]\w*", texts[0])[0] in reason


WESTERN = {
    "German": ["„Ärger“ mit der Öse", "Das Gerät ist größer, für 20 €", "Übel", "ÜBERGRÖSSE", "Umlaute äöü"],
    "French": ["À éviter, l’été", "« Très bon » œuvre créée, déjà 20 €", "à", "Ça “marche”", "NOËL À LA MAISON"],
    "Spanish": ["¿Qué?", "¡Ábrelo!", "El niño comió “piñas” mañana, 5 €", "nº 5 y 1ª", "corazón, canción"],
    "Portuguese": ["Água à mão", "Não é bom, 5 €", "“São” João, três irmãs", "É ótimo", "AÇÃO"],
    "English": ["It’s “good” — don’t", "cost–benefit", "great—really", "£5 or €4, 20°C", "wait… what", "naïve"],
    "Swedish": ["Så här är det på ön", "Åäö", "Å"],
}


@pytest.mark.parametrize("plain", [0, 3_000])
@pytest.mark.parametrize("language", WESTERN)
def test_western_texts_are_taken_for_nothing_else(tmp_path, language, plain):
    texts = WESTERN[language]
    assert encoded(tmp_path, enumerate(texts), "cp1252", plain)[0] == "cp1252"
    alone = [encoded(tmp_path, [(0, text)], "cp1252", plain)[0] for text in texts]
    assert alone.count("cp1252") >= len(texts) - 1  # three words can be those of another language


def test_an_encoding_that_is_as_plausible_is_named(tmp_path):
    assert encoded(tmp_path, [(0, "Prima, één week oud")], "cp1252")[0] == "cp1252"  # the same text in cp1250
    found, reason = encoded(tmp_path, [(0, "À éviter, l’été")], "cp1252")
    assert f"not UTF-8. Decoded as {found}, the first non-ASCII word is " in reason
    assert re.search(r"If that looks wrong, pass --encoding .*cp1252", reason)


def test_columns_of_ascii_beside_the_texts_hide_no_encoding(tmp_path):
    beside = "A long English title of a product, which stands in each line of the file, " * 3
    lines = [f"{n},{beside!r},Bardzo dobry produkt, świetna jakość" for n in range(20)]
    (tmp_path / "r.csv").write_bytes("\n".join(lines).encode("cp1250"))
    assert encoding_of(tmp_path / "r.csv")[0] == "cp1250"


def test_a_file_in_one_line_is_judged_by_its_words(tmp_path):
    reviews = [{"text": "这个产品很好，我很喜欢", "n": n} for n in range(20_000)]
    (tmp_path / "r.json").write_text(json.dumps(reviews, ensure_ascii=False), encoding="gb18030")
    assert encoding_of(tmp_path / "r.json")[0] == "gb18030"
    whole = json.dumps([{"text": "très bon café"}] * 50, ensure_ascii=False).encode() + b" caf\xe9"
    (tmp_path / "r.json").write_bytes(whole)
    assert encoding_of(tmp_path / "r.json") == ("utf-8", "")


def test_a_long_word_takes_no_time_and_many_lines_no_memory(tmp_path):
    embedded = b"QUJD" * 250_000 + b" caf\xe9\n"
    (tmp_path / "r.csv").write_bytes(embedded + b"Tr\xe8s bon caf\xe9, d\xe9j\xe0 command\xe9\n" * 50_000)
    began = time.process_time()
    assert encoding_of(tmp_path / "r.csv")[0] == "cp1252"
    assert time.process_time() - began < 5


def test_a_quotation_mark_far_down_that_is_never_closed(tmp_path):
    lines = ["id,text,label", *(f"{n},some words {n},{n % 2}" for n in range(26_000))]
    lines[25_001] = '25000,"some words,1'
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n")
    path, guess = write_first_manifest(tmp_path / "r.csv")
    reasons = guess.reasons
    assert yaml.safe_load(path.read_text())["quotes"] is False
    assert "r.csv:25002: not CSV" in reasons["quotes"]
    assert load_dataset(load_manifest(path)).reviews[25_000].text == '"some words'


def test_columns_that_begin_far_down_are_found(tmp_path):
    records = rows(FIRST + 30_000, **BASIC)
    for record in records[-2:]:
        record["photo"] = f"{record['review_id']}.jpg"
    for record in records[FIRST + 15_000 :]:
        record["label"] = "c"
    content, reasons = first(tmp_path, records)
    assert content["fields"]["images"] == "photo"
    assert "3 different values" in reasons["fields.label"]
    assert re.fullmatch(
        r"guessed from 1\d,\d{3} of 40,000 records: the first 10,000, and others .*", reasons["records"]
    )
    (tmp_path / "manifest.yaml").unlink()
    assert "records" not in first(tmp_path, records[: 2 * FIRST])[1]


def test_columns_of_one_record_each_take_linear_time(tmp_path):
    records = [{"text": f"a lovely place {n}", "label": "ab"[n % 2], f"column {n}": n} for n in range(8_000)]
    begin = time.process_time()
    assert first(tmp_path, records)[0]["fields"]["label"] == "label"
    assert time.process_time() - begin < 4  # asking each row for each column, above eight


def test_an_error_far_down_is_named(tmp_path):
    records = [json.dumps(record) for record in rows(25_000, **BASIC)]
    (tmp_path / "r.jsonl").write_text("\n".join([*records, '{"text": ']))
    with pytest.raises(DataError, match=r"r.jsonl:25001: not JSON"):
        write_first_manifest(tmp_path / "r.jsonl")


def test_properties_of_a_column_are_computed_once():
    column = Column("text", 3, ["a", "b", 1.5])
    assert column.texts is column.texts == ["a", "b", "1.5"]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 1_000])
def test_a_thinned_stream_has_equal_distances(count):
    thinned = Thinned[int](10)
    for number in range(count):
        thinned.add(number)
    distances = {after - before for before, after in pairwise(thinned.kept)}
    assert len(distances) <= 1
    assert min(count, 5) <= len(thinned.kept) <= 10
    assert count == 0 or thinned.kept[-1] >= count - 1 - max(distances, default=0)


PORTRAITS = [
    "userImage",
    "user.avatar",
    "avatar_url",
    "profile_pictures",
    "author photo",
    "reviewerPhotoUrl",
    "host_thumbnail_url",
]


@pytest.mark.parametrize("name", PORTRAITS)
@pytest.mark.parametrize("link", ["https://a.example/{n}.jpg", "https://a.example/with/a/path/of/many/letters/{n}=s64"])
def test_portraits_are_not_pictures_of_a_review(tmp_path, name, link):
    portrait = {name: lambda n: link.format(n=n)}
    content, reasons = first(tmp_path, rows(**portrait, **BASIC, photo=lambda n: f"https://b.example/{n % 9}.jpg"))
    assert content["fields"] == {"id": "review_id", "text": "text", "images": "photo", "label": "label"}
    assert reasons[f"column {name!r}"].startswith("not used: its name suggests pictures of a person")
    (tmp_path / "manifest.yaml").unlink()
    content, reasons = first(tmp_path, rows(**portrait, **BASIC))
    assert content["fields"] == {"id": "review_id", "text": "text", "label": "label"}
    assert f"column {name!r}" in reasons


def test_portraits_whose_files_exist_are_not_used_either(tmp_path):
    touch(tmp_path, *(f"avatars/{n}.png" for n in range(40)))
    content, _ = first(tmp_path, rows(**BASIC, avatar=lambda n: f"{n}.png"))
    assert not {"images", "image_root"} & {*content, *content["fields"]}
    (tmp_path / "manifest.yaml").unlink()
    content, _ = first(tmp_path, rows(**BASIC, avatar=lambda n: f"{n}"))
    assert "images" not in content["fields"]


@pytest.mark.parametrize(
    "name", ["user_images", "userPhotos", "customer_image", "productImage", "image_of_user_interface"]
)
def test_pictures_that_users_have_uploaded_are_used(tmp_path, name):
    content, _ = first(tmp_path, rows(**BASIC, **{name: lambda n: f"https://b.example/{n}.jpg"}))
    assert content["fields"]["images"] == name


def test_the_portrait_in_an_object_is_not_suggested(tmp_path):
    user = {"user": lambda n: {"name": f"Ann {n}", "avatar": f"{n}.jpg"}}
    _, reasons = first(tmp_path, rows(**BASIC, **user))
    assert "column 'user'" not in reasons


def test_a_first_line_for_excel_is_reported_with_its_fix(tmp_path):
    (tmp_path / "r.csv").write_bytes("sep=;\r\nid;text;label\r\n1;schön;a\r\n".encode("cp1252"))
    with pytest.raises(ConfigError, match=r"r.csv:1: the first line 'sep=;' is an instruction for Excel\. Remove it"):
        write_first_manifest(tmp_path / "r.csv")


def test_a_number_with_many_values_is_predicted_as_a_number(tmp_path):
    cells = {"price": lambda n: f"{n * 1.5:.2f}", "score": lambda n: n * 7, "price_text": lambda n: f"${n}"}
    content, reasons = first(tmp_path, rows(**{"text": BASIC["text"]}, **cells), "r.csv")
    assert (content["task"], content["fields"]["label"]) == ("regression", "price")
    assert content["fields"].get("id") != "price"
    assert "'price' holds numbers" in reasons["task"]


@pytest.mark.parametrize("written", [lambda one: one, lambda one: json.dumps([one]), lambda one: [one], str])
def test_objects_in_the_cells_of_pictures_are_read_by_their_key(tmp_path, written):
    cells = {"image": lambda n: written({"bytes": None, "path": f"img/{n}.jpg"})}
    content, reasons = first(tmp_path, rows(**BASIC, **cells))
    assert content["fields"]["images"] == "image.path"
    assert "fields.images" in reasons


@pytest.mark.parametrize(
    "label",
    [
        "not\nso good",
        "bad\nimage_root: /\ndrop_duplicates: true\n#",
        "bad\x85encoding: latin-1",
        "bad\u2028x: 1",
        "bad\x1b[2J\x00",
        "bad\r\nimages: {on_bad: drop-review}",
    ],
)
def test_no_cell_writes_into_the_manifest(tmp_path, label):
    rows = [{"id": f"r{n}", "text": f"a text of some words {n}", "label": ["good", label][n % 2]} for n in range(40)]
    content, _ = first(tmp_path, rows)
    assert content == {
        "name": "r",
        "records": "r.jsonl",
        "fields": {"id": "id", "text": "text", "label": "label"},
    }
    assert load_manifest(tmp_path / "manifest.yaml").image_root == "."


def test_an_incomplete_cell_takes_no_time(tmp_path):
    cell = "[" + " ".join(f"'t{n}'" for n in range(5000))
    rows = [{"id": n, "text": f"a text of some words {n}", "images": cell, "label": "xy"[n % 2]} for n in range(20)]
    began = time.process_time()
    first(tmp_path, rows, "r.csv")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"Clothing ID": "C{p}", "Title": "nice {n}", "Review Text": "{long} {n}", "Rating": "{r}"},
            {"text": ["Title", "Review Text"], "label": "Rating", "group": "Clothing ID"},
        ),
        (
            {
                "review_id": "R{n}",
                "product_title": "a thing",
                "star_rating": "{r}",
                "vine": "{y}",
                "verified_purchase": "{y}",
                "review_headline": "fine {n}",
                "review_body": "{long} {n}",
            },
            {"id": "review_id", "text": ["review_headline", "review_body"], "label": "star_rating"},
        ),
        (
            {"Nr": "{n}", "Sterne": "{r}", "Verifizierter Kauf": "{y}", "Titel": "gut {n}", "Text": "{long} {n}"},
            {"id": "Nr", "text": ["Titel", "Text"], "label": "Sterne"},
        ),
        ({"category": "c{y}", "rating": "{r}", "text": "{long} {n}"}, {"text": "text", "label": "rating"}),
        (
            {"user_id": "U{n}", "reviewId": "R{n}", "rating": "{r}", "text": "{long} {n}"},
            {"id": "reviewId", "text": "text", "label": "rating"},
        ),
    ],
)
def test_headers_as_they_are_published(tmp_path, columns, expected):
    long = "it fits well and the colour is just as shown in the picture"
    rows = [
        {name: cell.format(n=n, p=n // 3, r=1 + n % 5, y="YN"[n % 2], long=long) for name, cell in columns.items()}
        for n in range(60)
    ]
    content, _ = first(tmp_path, rows, "r.csv")
    assert content["fields"] == expected


def test_a_rating_in_tenths_is_a_number_to_predict(tmp_path):
    rows = [{"text": f"a text of some words {n}", "rating": 1 + n % 91 / 10} for n in range(300)]
    assert first(tmp_path, rows, "r.csv")[0]["task"] == "regression"


@pytest.mark.parametrize("urls_in_ten", [2, 8])
def test_urls_and_files_in_one_column_are_both_counted(tmp_path, urls_in_ten):
    touch(tmp_path, *(f"pics/{n}.jpg" for n in range(40)))
    cell = {"image": lambda n: f"https://a.example/{n}.jpg" if n % 10 < urls_in_ten else f"{n}.jpg"}
    content, reasons = first(tmp_path, rows(**BASIC, **cell))
    assert (content["image_root"], content["images"]) == ("pics", {"on_bad": "drop-image"})
    urls = 4 * urls_in_ten
    counted = f"{urls} URLs and names of pictures; 100% of the {40 - urls} names without a URL are in folder 'pics'"
    assert counted in reasons["fields.images"]
    assert "URLs that are not downloaded" in reasons["images.on_bad"]
    (tmp_path / "manifest.yaml").unlink()
    done = CliRunner().invoke(app, ["init", str(tmp_path / "r.jsonl")], catch_exceptions=False)
    assert done.stderr.splitlines()[-1] == f"next: automm fetch-images {tmp_path / 'manifest.yaml'}"


def test_records_of_pictures_alone_may_lack_them(tmp_path):
    touch(tmp_path, *(f"{n}.jpg" for n in range(40)))
    cells = {"id": lambda n: f"r{n}", "image": lambda n: f"{n}.jpg" if n % 9 else "", "label": lambda n: "ab"[n % 2]}
    content, reasons = first(tmp_path, rows(**cells))
    assert content["text"] == {"on_empty": "drop-bare"}
    assert "dropped and counted" in reasons["text.on_empty"]
    dataset = load_dataset(load_manifest(tmp_path / "manifest.yaml"))
    assert (len(dataset.reviews), dataset.changes["no_content"]) == (35, 5)


@pytest.mark.parametrize("cell", ["{}.jpg", "{}"])
def test_pictures_of_records_without_text_may_be_missing(tmp_path, cell):
    touch(tmp_path, *(f"pics/P{n}.jpg" for n in range(36)))
    cells = {"code": lambda n: cell.format(f"P{n}"), "label": lambda n: "ab"[n % 2]}
    content, _ = first(tmp_path, rows(**cells))
    assert content["text"] == {"on_empty": "drop-bare"}
    assert len(load_dataset(load_manifest(tmp_path / "manifest.yaml")).reviews) == 36


def test_labels_that_are_rare_without_the_dropped_records_are_dropped(tmp_path):
    cells = {"text": lambda n: "" if n % 5 == 1 else f"some words number {n}", "label": lambda n: f"k{n // 2}"}
    content, reasons = first(tmp_path, rows(**cells))
    assert content["labels"] == {"min_count": 2, "rare": "drop"}
    assert "may be left with one example" in reasons["labels"]
    assert load_dataset(load_manifest(tmp_path / "manifest.yaml")).reviews


@pytest.mark.parametrize("given", [None, {"text": "{note}"}])
def test_a_text_column_whose_name_has_braces_is_a_column(tmp_path, given):
    cells = {"{note}": lambda n: "" if n % 5 == 1 else f"some words number {n}", "label": lambda n: "ab"[n % 2]}
    file = tmp_path / "r.jsonl"
    file.write_text("".join(json.dumps({name: cell(n) for name, cell in cells.items()}) + "\n" for n in range(40)))
    path, guess = write_first_manifest(file, given=given)
    assert guess.content["fields"]["text"] == "{note}"
    assert guess.content["text"] == {"on_empty": "drop-bare"}
    assert len(load_dataset(load_manifest(path)).reviews) == 32
