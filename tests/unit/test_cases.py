"""Situations from public bug reports, each rebuilt small: what `init`, `import` and `check` make of them.

The names of the tests are those of the cases in experiments/.
"""

import base64
import csv
import io
import json
import unicodedata
import zipfile

import pytest
from commands import run
from PIL import Image

from automm.data.manifest import load_manifest
from automm.data.records.reviews import load_dataset

WORDS = ("a dull lamp that broke", "a bright lamp that lasts", "a lamp like any other")


def text(number, kind=None):
    return f"Lamp {number} is {WORDS[(number if kind is None else kind) % 3]}."


def content(number):
    image = Image.new("RGB", (12, 10), (number * 37 % 256, number * 91 % 256, number % 256))
    image.putpixel((number % 12, 3), (255, 255, 255))
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


def draw(path, number=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(number))


def table(path, header, rows, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, delimiter=delimiter).writerows([header, *rows])
    return path


def lines(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def ready(path, *options, command="init"):
    """The manifest that a command writes, what it says, and its reviews, after a check without errors."""
    manifest = path.parent / f"{path.stem}.yaml" if command == "init" else path.parent / "out" / "manifest.yaml"
    to = manifest if command == "init" else manifest.parent
    code, said = run(command, path, "--to", to, *options)
    assert code == 0, said
    code, checked = run("check", manifest)
    assert code == 0, checked
    return load_manifest(manifest), said, load_dataset(load_manifest(manifest)).reviews


def pictures_of(reviews):
    return len({path for review in reviews for path in review.images})


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv"])
def test_amazon_dicts(tmp_path, name):
    def sizes(n):
        return [{f"{size}_url": f"https://a.example/{n}{size}.jpg" for size in ("small", "medium", "large")}] * (n % 3)

    records = [
        {"rating": 1.0 + n % 3, "title": f"On lamp {n}", "text": text(n), "images": sizes(n), "asin": f"B{n % 20}"}
        for n in range(60)
    ]
    if name == "r.csv":
        rows = [[*list(record.values())[:3], str(record["images"]), record["asin"]] for record in records]
        path = table(tmp_path / name, list(records[0]), rows)
    else:
        path = lines(tmp_path / name, records)
    manifest, said, _ = ready(path)
    assert manifest.fields.images == ("images.large_url",)
    assert (manifest.fields.text, manifest.fields.label.column) == (("title", "text"), "rating")
    assert "next: automm fetch-images" in said


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_base64_cells(tmp_path, prefix):
    cells = [prefix + base64.b64encode(content(n)).decode() if n % 4 else "" for n in range(40)]
    rows = [[text(n, n % 2), cells[n], n % 2 + 1] for n in range(40)]
    manifest, said, reviews = ready(table(tmp_path / "r.csv", ["text", "image", "label"], rows))
    assert (manifest.fields.text, manifest.fields.image_kind) == (("text",), "base64")
    assert "the cells hold the pictures themselves" in said
    assert pictures_of(reviews) == 30


def test_base64_cells_become_files(tmp_path):
    rows = [[text(n, n % 2), base64.b64encode(content(n % 30)).decode() if n % 4 else "", n % 2] for n in range(40)]
    rows[1][1] = base64.b64encode(content(1)[:40]).decode()  # a broken picture
    path = table(tmp_path / "r.csv", ["text", "image", "label"], rows)
    manifest, said, reviews = ready(path, command="import")
    assert (manifest.fields.image_kind, manifest.fields.images) == (None, ("image",))
    assert pictures_of(reviews) == len({n % 30 for n in range(40) if n % 4 and n != 1})
    assert len(list((tmp_path / "out/images").iterdir())) == pictures_of(reviews)
    assert "no picture: 1" in said or "not a picture" in said


def fakeddit(folder):
    header = ["Unnamed: 0", "author", "title", "id", "image_url", "2_way_label", "3_way_label", "6_way_label"]
    for n in range(80):
        if n % 17:
            draw(folder / f"images/{n:x}q.jpg", n)

    def labels(n):
        return int(n % 3 == 0), n % 3, n % 3 + 3 * (n % 2)

    rows = [
        [n, f"user{n % 40}", text(n) if n % 11 else "", f"{n:x}q", f"https://p.example/{n:x}q.jpg?s={n}", *labels(n)]
        for n in range(80)
    ]
    return table(folder / "train.tsv", header, rows, "\t")


def test_fakeddit(tmp_path):
    path = fakeddit(tmp_path)
    code, said = run("init", path)
    assert code == 2
    assert "3 columns look like labels" in said
    assert "--label 6_way_label" in said
    manifest, _, reviews = ready(path, "--label", "2_way_label")  # as the message says
    assert (manifest.fields.label.column, manifest.fields.images) == ("2_way_label", ("{id}.jpg",))
    assert pictures_of(reviews) == 75


def memes(folder):
    for part, base, count in (("train", 1000, 40), ("dev", 3000, 10), ("test", 4000, 10)):
        records = []
        for n in range(base, base + count):
            draw(folder / f"img/{n:05d}.png", n)
            record = {"id": n, "img": f"img/{n:05d}.png", "text": text(n, n % 2)}
            records.append(record if part == "test" else record | {"label": n % 2})
        lines(folder / f"{part}.jsonl", records)


def test_hateful_memes_and_min_test_without_labels(tmp_path):
    memes(tmp_path / "data")
    manifest, said, reviews = ready(tmp_path / "data", command="import")
    assert f"automm predict BUNDLE {tmp_path / 'out' / 'unlabelled.jsonl'}" in said
    assert len(reviews) == 50
    written = manifest.file.read_text()
    manifest.file.write_text(written.replace("# splits:", "splits:"))  # as the comment says
    assert run("check", manifest.file)[0] == 0
    code, said = run("init", tmp_path / "data" / "test.jsonl", "--to", tmp_path / "test.yaml")
    assert code == 2
    assert f"Learn from the other table: automm init {tmp_path / 'data' / 'train.jsonl'}" in said
    code, said = run("init", tmp_path / "data" / "test.jsonl", "--to", tmp_path / "test.yaml", "--label", "none")
    assert (code, "next: automm predict BUNDLE" in said) == (0, True)
    _, said, _ = ready(tmp_path / "data" / "train.jsonl")
    assert "not read: test.jsonl" in said
    assert "not read: dev.jsonl" in said


def test_hf_folder_and_min_hf_metadata_ignored(tmp_path):
    two = []
    for n in range(40):
        draw(tmp_path / f"two/images/{n}.png", n)
        draw(tmp_path / f"two/padded_images/p_{n}.png", n + 100)
        two.append({"caption": text(n, n % 2), "image": f"images/{n}.png", "padded": f"padded_images/p_{n}.png"})
        two[-1]["label"] = ["cat", "dog"][n % 2]
    lines(tmp_path / "two/metadata1000.jsonl", two)
    manifest, _, reviews = ready(tmp_path / "two", command="import")
    assert (manifest.fields.images, manifest.fields.label.column) == (("image", "padded"), "label")
    assert pictures_of(reviews) == 80


def conversations(folder, zipped=False):
    records = []
    for n in range(40):
        draw(folder / f"G{n:03d}.png", n)
        spoken = [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": text(n, n % 2)}]
        records.append({"id": f"G{n:03d}", "file_name": f"G{n:03d}.png", "class": "ab"[n % 2], "conversations": spoken})
    lines(folder / "metadata.jsonl", records)
    if zipped:
        with zipfile.ZipFile(folder / "images.zip", "w") as packed:
            for file in sorted(folder.glob("*.png")):
                packed.write(file, file.name)
                file.unlink()


def test_hf_folder_with_texts_in_conversations(tmp_path):
    conversations(tmp_path / "llava")
    manifest, _, reviews = ready(tmp_path / "llava", command="import")
    assert (manifest.fields.text, manifest.fields.label.column) == (("conversations.value",), "class")
    assert reviews[0].text.endswith(text(0, 0))
    assert pictures_of(reviews) == 40


def test_hf_folder_with_packed_pictures(tmp_path):
    conversations(tmp_path / "zipped", zipped=True)
    assert run("import", tmp_path / "zipped", "--to", tmp_path / "out")[0] == 0
    code, said = run("check", tmp_path / "out/manifest.yaml")
    assert code == 3
    assert "Unpack 'images.zip'" in said
    with zipfile.ZipFile(tmp_path / "zipped/images.zip") as packed:
        packed.extractall(tmp_path / "zipped")  # as the message says
    assert run("check", tmp_path / "out/manifest.yaml")[0] == 0


def test_hf_folder_with_its_own_name_for_file_names(tmp_path):
    for part, numbers in (("train", range(36)), ("test", range(36, 48))):
        records = []
        for n in numbers:
            names = [f"{n}_{k}.png" for k in range(1 + n % 2)]
            for k, name in enumerate(names):
                draw(tmp_path / "set" / part / name, 10 * n + k)
            records.append({"images_file_names": names, "text": text(n, n % 2), "label": n % 2})
        lines(tmp_path / "set" / part / "metadata.jsonl", records)
    _, _, reviews = ready(tmp_path / "set", command="import")
    assert (len(reviews), pictures_of(reviews)) == (48, 72)


def test_leading_zeros(tmp_path):
    for n in range(60):
        draw(tmp_path / f"img/{n:04d}.png", n)
    header = ["id", "text", "category"]
    good = table(tmp_path / "a.csv", header, [[f"{n:04d}", text(n), ["01", "02", "10"][n % 3]] for n in range(60)])
    manifest, _, reviews = ready(good)
    assert (manifest.fields.images, pictures_of(reviews)) == (("{id}.png",), 60)
    assert {review.label for review in reviews} == {"01", "02", "10"}
    lost = table(tmp_path / "lost.csv", header, [[n, text(n), n % 3] for n in range(60)])
    code, said = run("init", lost, "--to", tmp_path / "l.yaml")
    assert code == 2
    assert "have lost their leading zeros. Write them as text with 4 digits" in said
    assert run("init", lost, "--to", tmp_path / "l.yaml", "--images", "none")[0] == 0  # as the message says
    assert run("check", tmp_path / "l.yaml")[0] == 0


def test_min_count_as_pictures(tmp_path):
    rows = [[n, f"some text {n}", f"{n % 4}.0", n % 2] for n in range(40)]
    manifest, _, _ = ready(table(tmp_path / "r.csv", ["id", "text", "PhotoAmt", "label"], rows))
    assert manifest.fields.images == ()
    assert "no_pictures" not in run("check", manifest.file)[1]


def test_min_count_as_pictures_of_objects(tmp_path):
    records = [
        {"id": n, "text": f"some text {n}", "images": [{"large": f"https://a.example/{n}.jpg"}], "label": n % 2}
        for n in range(40)
    ]
    lines(tmp_path / "d.jsonl", records)
    (tmp_path / "m.yaml").write_text("name: d\nrecords: d.jsonl\nfields: {id: id, text: text, label: label}\n")
    said = run("check", tmp_path / "m.yaml")[1]
    assert 'Set fields: {images: "images.large"}' in said
    fields = 'fields: {id: id, text: text, images: "images.large", label: label}\nimages: {on_bad: drop-image}\n'
    (tmp_path / "n.yaml").write_text(f"name: d\nrecords: d.jsonl\n{fields}")  # as the finding says
    assert run("check", tmp_path / "n.yaml")[0] == 0
    (tmp_path / "o.yaml").write_text(f"name: d\nrecords: d.jsonl\n{fields.replace('.large', '')}")
    assert "Name the key that holds them: images: images.large" in run("check", tmp_path / "o.yaml")[1]


def test_min_joined_labels(tmp_path):
    rows = [[n, f"A long walk in the rain {n}", ["Drama", "Drama|Romance", "Comedy|Short"][n % 3]] for n in range(60)]
    manifest, said, _ = ready(table(tmp_path / "r.csv", ["id", "plot", "genres"], rows))
    assert (manifest.fields.label.separator, manifest.fields.label.pick) == ("|", "first")
    assert "One label" in said


def test_min_label_guess(tmp_path):
    header = ["Type", "Name", "Age", "Description", "PetID", "AdoptionSpeed"]
    rows = [[1 + n % 2, f"Pet {n}", n % 30, f"A calm pet number {n} wants a home", f"p{n}", n % 5] for n in range(100)]
    manifest, said, _ = ready(table(tmp_path / "train.csv", header, rows))
    assert manifest.fields.label.column == "AdoptionSpeed"
    assert "label candidates: 'AdoptionSpeed' before 'Type'" in said
    other, _, _ = ready(table(tmp_path / "again.csv", header, rows), "--label", "Type")
    assert other.fields.label.column == "Type"


def test_min_label_over_100(tmp_path):
    rows = [[n, f"Grey coat number {n}", f"group {n % 150}"] for n in range(600)]
    manifest, _, _ = ready(table(tmp_path / "r.csv", ["id", "text", "label"], rows))
    assert manifest.fields.label.column == "label"


@pytest.mark.parametrize(
    ("picture", "entry"), [("photos/rev{}/{}.png", "{review_id}/"), ("pets/rev{}-{}.png", "{review_id}-*.png")]
)
def test_min_pictures_beside(tmp_path, picture, entry):
    for n in range(40):
        for k in range(n % 3):
            draw(tmp_path / picture.format(n, k), 3 * n + k)
    rows = [[f"rev{n}", text(n, n % 2), n % 2] for n in range(40)]
    manifest, said, reviews = ready(table(tmp_path / "r.csv", ["review_id", "review", "rating"], rows))
    assert manifest.fields.images == (entry,)
    assert pictures_of(reviews) == 39
    assert "unused pictures" not in said


def test_min_quoted_tabs(tmp_path):
    rows = "".join(f'{n}\t"Great\nsecond line {n}"\t{n % 2}\n' for n in range(40))
    (tmp_path / "r.tsv").write_text(f"id\ttext\tstars\n{rows}")
    manifest, said, reviews = ready(tmp_path / "r.tsv")
    assert manifest.quotes is True
    assert reviews[3].text == "Great\nsecond line 3"
    assert "quotes: cells contain line breaks" in said


def test_min_text_left_out(tmp_path):
    header = ["productid", "designation", "description", "prdtypecode"]
    warm = "A warm coat for the winter, with a hood and four pockets, number"
    rows = [[3804 + n, f"Grey coat {n}", "" if n % 3 == 0 else f"{warm} {n}", [10, 2280][n % 2]] for n in range(40)]
    manifest, _, _ = ready(table(tmp_path / "r.csv", header, rows))
    assert manifest.fields.text == ("designation", "description")


@pytest.mark.parametrize("form", ["list", "bar", "python"])
def test_multi_label(tmp_path, form):
    genres = [["Drama"], ["Drama", "Romance"], ["Comedy", "Short"], ["Reality-TV"]]
    written = {"list": lambda one: one, "bar": "|".join, "python": str}[form]
    records = []
    for n in range(60):
        draw(tmp_path / f"posters/{n:07d}.png", n)
        kind = 3 if n == 59 else n % 3
        records.append({"id": f"{n:07d}", "plot": text(n), "poster": f"posters/{n:07d}.png"})
        records[-1]["genres"] = written(genres[kind])
    manifest, _, reviews = ready(lines(tmp_path / "r.jsonl", records))
    assert manifest.fields.label.pick == "first"
    assert (manifest.labels.min_count, manifest.labels.rare) == (2, "drop")  # one film is Reality-TV
    assert pictures_of(reviews) == 59


def test_nested_ids(tmp_path):
    for n in range(60):
        draw(tmp_path / f"images/{n % 10:03d}/{10 * n:010d}.png", n)
    rows = [[f"{10 * n:010d}", text(n), ["Ladies", "Men", "Baby"][n % 3]] for n in range(60)]
    manifest, _, reviews = ready(table(tmp_path / "articles.csv", ["article_id", "detail_desc", "index_name"], rows))
    assert (manifest.fields.images, pictures_of(reviews)) == (("{article_id}.png",), 60)


def test_nested_ids_in_a_folder_beside_the_records(tmp_path):
    for n in range(40):
        for k in range(n % 3):
            draw(tmp_path / f"exercises/e{n}/{k}.png", 3 * n + k)
    records = [{"id": f"e{n}", "name": text(n), "level": ["easy", "hard"][n % 2]} for n in range(40)]
    manifest, _, reviews = ready(lines(tmp_path / "dist/exercises.jsonl", records))
    assert (manifest.image_root, manifest.fields.images) == ("../exercises", ("{id}/",))
    assert pictures_of(reviews) == 39


def test_petfinder(tmp_path):
    header = ["Type", "Name", "Age", "Fee", "RescuerID", "Description", "PetID", "PhotoAmt", "AdoptionSpeed"]
    rows = []
    for n in range(100):
        pet, count = f"86e108{n:03x}", 12 if n == 7 else n % 4
        for k in range(count):
            draw(tmp_path / f"train_images/{pet}-{k + 1}.png", 20 * n + k)
        rows.append([1 + n % 2, f"Pet {n}", n % 30, n % 3 * 50, f"r{n % 33}", text(n), pet, f"{count}.0", n % 5])
    manifest, _, reviews = ready(table(tmp_path / "train/train.csv", header, rows))
    assert (manifest.image_root, manifest.fields.images) == ("../train_images", ("{PetID}-*.png",))
    assert (manifest.fields.label.column, manifest.fields.text) == ("AdoptionSpeed", ("Description",))
    assert pictures_of(reviews) == sum(int(float(row[7])) for row in rows)
    assert [path.name for path in reviews[7].images][-1] == "86e108007-12.png"


@pytest.mark.parametrize("number", ["{}", "{}.0"])
def test_rakuten(tmp_path, number):
    header = ["", "designation", "description", "productid", "imageid"]
    rows = []
    for n in range(80):
        product, image = 3804725264 + n * 7919, 1263597046 + n * 104729
        draw(tmp_path / f"images/image_train/image_{image}_product_{product}.png", n)
        rows.append([n, text(n), "", number.format(product), number.format(image)])
        rows[-1][2] = "" if n % 3 == 0 else f"<p>{text(n)}</p>"
    codes = [[10, 2280, 50, 1280][n % 4] for n in range(80)]
    merged = table(
        tmp_path / "m.csv", [*header, "prdtypecode"], [[*row, c] for row, c in zip(rows, codes, strict=True)]
    )
    manifest, _, reviews = ready(merged)
    assert (manifest.fields.images, pictures_of(reviews)) == (("image_{imageid}_*.png",), 80)
    code, said = run("init", table(tmp_path / "X_train.csv", header, rows), "--to", tmp_path / "x.yaml")
    assert code == 2
    assert "m.csv has the same columns and also 'prdtypecode'" in said


def test_semicolon_lists(tmp_path):
    rows = []
    for n in range(60):
        names = [f"my photos/IMG {n} ({k}).png" for k in range(n % 4)]
        for k, name in enumerate(names):
            draw(tmp_path / name, 10 * n + k)
        draw(tmp_path / f"covers/{n}.png", 900 + n)
        rows.append(
            [f"R{n}", text(n), ";".join(names), f"covers/{n}.png" if n % 5 else "NaN", ["bad", "good", "ok"][n % 3]]
        )
    path = table(tmp_path / "train data.csv", ["Review ID", "Text", "Image Paths", "Cover", "Label"], rows)
    manifest, _, reviews = ready(path)
    assert (manifest.fields.images, manifest.fields.separator) == (("Image Paths", "Cover"), ";")
    assert pictures_of(reviews) == 90 + 48


CELLS = {
    "absolute": "C:\\Users\\me\\data\\images\\train\\Photo {}.png",
    "backslash": "images\\train\\Photo {}.png",
    "upper": "images/train/Photo {}.PNG",
    "prefix": "data/images/train/Photo {}.png",
    "linux": "/home/me/data/images/train/Photo {}.png",
    "bare": "Photo {}.png",
    "dot": "./images/train/../train/Photo {}.png",
    "quoted": "images/train/Photo%20{}.png",
    "nfd": unicodedata.normalize("NFD", "images/umlaut/Grün {}.png"),
}


@pytest.mark.parametrize("name", CELLS)
def test_windows_paths(tmp_path, name):
    for n in range(40):
        draw(tmp_path / f"images/train/Photo {n}.png", n)
        draw(tmp_path / unicodedata.normalize("NFC", f"images/umlaut/Grün {n}.png"), n)
    rows = [[n, text(n, n % 2), CELLS[name].format(n), n % 2] for n in range(40)]
    _, _, reviews = ready(table(tmp_path / f"{name}.csv", ["Id", "Text", "Image Path", "Label"], rows))
    assert pictures_of(reviews) == 40
