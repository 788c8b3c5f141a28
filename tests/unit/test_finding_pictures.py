"""Pictures whose place follows from the folders, the split or the class of a record, and names in other spellings."""

import csv
import json
import time
import zlib
from pathlib import Path

import layouts
import numpy as np
import pytest
from advice import advises, hear
from commands import run
from PIL import Image

from automm.data.images.decode import PictureError, decode_picture
from automm.data.images.missing_hints import AmbiguousNameError
from automm.data.images.root import ImageRoot
from automm.data.manifest import load_manifest, parse_manifest
from automm.data.onboarding.columns.nearby import Nearby
from automm.data.onboarding.import_layout import import_data
from automm.data.records.reviews import load_dataset
from automm.deliver.input_reviews import open_reviews
from automm.errors import AutommError

LABELS = ("good", "bad", "so-so")


def text(number):
    return f"Lamp {number} is {('a dull lamp that broke', 'a bright one that lasts', 'like any other')[number % 3]}"


def draw(folder, *names, form="JPEG"):
    """Pictures that differ from each other."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(zlib.crc32(str(path).encode()))
        Image.fromarray(random.integers(0, 255, (36, 36, 3), np.uint8)).save(path, form)


def table(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header, *rows])
    return path


def ready(path, to, *options, command="init"):
    """What a command says, what a check without errors says, and the data set."""
    code, said = run(command, path, "--to", to, *options)
    assert code == 0, said
    manifest = to / "manifest.yaml" if command == "import" else to
    code, checked = run("check", manifest)
    assert code == 0, checked
    return said, checked, load_dataset(load_manifest(manifest))


def names(dataset, root):
    return [[path.relative_to(root).as_posix() for path in review.images] for review in dataset.reviews]


SPLITS = {"train": 30, "val": 9, "test": 9}


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("cell", ["{name}", "images/{split}/{name}", "{split}/{name}", '["{name}"]', "{name};{name}"])
def test_tables_of_splits_find_the_pictures_in_the_folders_of_their_split(tmp_path, same, cell):
    data, expected, count = tmp_path / "data", [], 0
    for split, records in SPLITS.items():
        rows = []
        for number in range(records):
            name = f"{number if same else count:05}.jpg"
            count += 1
            draw(data, f"images/{split}/{name}")
            rows.append([f"u{count}", text(count), cell.format(name=name, split=split), LABELS[number % 3]])
            expected.append([f"images/{split}/{name}"] * (2 if ";" in cell else 1))
        table(data / f"{split}.csv", ["uid", "sentence", "img", "target"], rows)
    _, _, dataset = ready(data, tmp_path / "out", command="import")
    assert sorted(names(dataset, data)) == sorted(expected)


@advises("To take these, set image_root: {}")
def test_the_split_of_one_table_decides_between_folders_with_the_same_names(tmp_path):
    for split in ("test", "train"):
        draw(tmp_path / "images" / split, *(f"{number}.jpg" for number in range(30)))
        rows = [[number, text(number), f"{number}.jpg", LABELS[number % 3]] for number in range(30)]
        table(tmp_path / f"{split}.csv", ["id", "review", "img", "target"], rows)
    said, _, dataset = ready(tmp_path / "train.csv", tmp_path / "m.yaml")
    assert names(dataset, tmp_path) == [[f"images/train/{number}.jpg"] for number in range(30)]
    assert "image_root: files with the same names are also in 'images/test'" in said
    hear(said, "To take these, set image_root: {}")
    manifest = (tmp_path / "m.yaml").read_text().replace("image_root: images/train", "image_root: images/test")
    (tmp_path / "m.yaml").write_text(manifest)  # as the message says
    assert names(load_dataset(load_manifest(tmp_path / "m.yaml")), tmp_path)[2] == ["images/test/2.jpg"]


def test_a_column_that_names_the_folders_tells_equal_names_apart(tmp_path):
    rows = []
    for number in range(40):
        make = ("Bosch", "Philips")[number % 2]
        draw(tmp_path / "pics", f"{make}/{number // 2}.jpg")
        rows.append([number, text(number), make.lower(), f"{number // 2}.jpg", LABELS[number % 3]])
    table(tmp_path / "r.csv", ["id", "review", "make", "photo", "class"], rows)
    _, checked, dataset = ready(tmp_path / "r.csv", tmp_path / "m.yaml")
    assert "names of pictures in folders that are named after 'make'" in (tmp_path / "m.yaml").read_text()
    assert names(dataset, tmp_path / "pics")[:2] == [["Bosch/0.jpg"], ["Philips/0.jpg"]]
    assert sum(len(review.images) for review in dataset.reviews) == 40
    assert "differs from its file in case" in checked


def in_class_folders(folder, name_of):
    """Sixty records with a picture each in the folder of its class, and the table."""
    rows = []
    for number in range(60):
        dish = ("ramen", "sushi", "udon")[number % 3]
        draw(folder / "pics", f"{dish}/{name_of(number)}")
        rows.append([number, text(number), name_of(number), dish])
    return rows, table(folder / "r.csv", ["id", "review", "file", "label"], rows)


def test_folders_of_the_label_are_no_part_of_names_that_are_unique_without_them(tmp_path):
    rows, file = in_class_folders(tmp_path, lambda number: f"{number}.jpg")
    for number in (7, 32):
        (tmp_path / "pics" / rows[number][3] / rows[number][2]).unlink()
    _, _, dataset = ready(file, tmp_path / "m.yaml")
    manifest = load_manifest(tmp_path / "m.yaml")
    assert manifest.fields.images == ("file",)
    assert sum(len(review.images) for review in dataset.reviews) == 58
    new = table(tmp_path / "new.csv", ["id", "review", "file"], [["n", text(1), "5.jpg"]])
    bundle = {"reading": {"name": "n", "fields": manifest.fields.model_dump(exclude={"label"}), "format": "records"}}
    (review,) = open_reviews(bundle | {"image_root": str(tmp_path / "pics")}, new, None)
    assert [path.relative_to(tmp_path).as_posix() for path in review.images] == ["pics/udon/5.jpg"]


@advises("To predict, write whole paths into one column")
def test_names_that_need_the_folder_of_the_label_say_what_a_prediction_needs(tmp_path):
    rows, file = in_class_folders(tmp_path, lambda number: f"{number // 3}.jpg")
    said, _, dataset = ready(file, tmp_path / "m.yaml")
    assert "A new review has no" in said
    hear((tmp_path / "m.yaml").read_text(), "To predict, write whole paths into one column")
    assert load_manifest(tmp_path / "m.yaml").fields.images == ("{label}/{file}",)
    paths = [[number, words, f"{label}/{name}", label] for number, words, name, label in rows]
    table(tmp_path / "paths.csv", ["id", "review", "file", "label"], paths)  # as the message says
    said, _, again = ready(tmp_path / "paths.csv", tmp_path / "paths.yaml")
    assert load_manifest(tmp_path / "paths.yaml").fields.images == ("file",)
    assert "A new review has no" not in said
    assert [review.images for review in again.reviews] == [review.images for review in dataset.reviews]


def test_a_few_pictures_beside_folders_are_no_reason_to_choose_a_folder(tmp_path):
    rows, file = in_class_folders(tmp_path, lambda number: f"{number}.jpg")
    (tmp_path / "pics/ramen/0.jpg").rename(tmp_path / "pics/0.jpg")
    _, _, dataset = ready(file, tmp_path / "m.yaml")
    assert load_manifest(tmp_path / "m.yaml").fields.images == ("file",)
    assert "also in" not in (tmp_path / "m.yaml").read_text()
    assert sum(len(review.images) for review in dataset.reviews) == len(rows)


def test_files_that_are_named_like_a_few_codes_are_not_the_pictures_of_all_records(tmp_path):
    """Three pictures would link all records into three sets, which fit into no splits."""
    draw(tmp_path, *(f"{number}.jpg" for number in range(60)))
    rows = [[f"r{number}", text(number), number % 3, LABELS[number % 3]] for number in range(60)]
    table(tmp_path / "r.csv", ["id", "review", "photo_code", "label"], rows)
    said, _, dataset = ready(tmp_path / "r.csv", tmp_path / "m.yaml")
    assert load_manifest(tmp_path / "m.yaml").fields.images == ()
    assert "photo_code" in said
    assert len(dataset.reviews) == 60


def test_a_star_in_the_name_of_a_column_does_not_mean_several_pictures(tmp_path):
    rows = [[f"k{number}", text(number), LABELS[number % 3]] for number in range(40)]
    table(tmp_path / "r.csv", ["id*", "review", "class"], rows)
    draw(tmp_path / "pics", *(f"k{number}.jpg" for number in range(30)))
    _, checked, dataset = ready(tmp_path / "r.csv", tmp_path / "m.yaml")
    assert dataset.manifest.fields.images == ("{id*}.jpg",)
    assert sum(len(review.images) for review in dataset.reviews) == 30
    assert "missing: 10" in checked


@advises("Rename the column without them")
@pytest.mark.parametrize("cell", ["{}.jpg", "https://shop.example/{}.jpg", "data:image/gif;base64,R0lGODlhAQAB{:04}"])
def test_a_column_whose_name_has_braces_is_not_a_template(tmp_path, cell):
    draw(tmp_path, *(f"{number}.jpg" for number in range(30)))
    rows = [[f"r{number}", text(number), cell.format(number), LABELS[number % 3]] for number in range(30)]
    table(tmp_path / "r.csv", ["id", "review", "photo {", "label"], rows)
    ready(tmp_path / "r.csv", tmp_path / "m.yaml")
    assert load_manifest(tmp_path / "m.yaml").fields.images == ()
    manifest = (tmp_path / "m.yaml").read_text()
    hear(manifest, "Rename the column without them")
    table(tmp_path / "renamed.csv", ["id", "review", "photo", "label"], rows)
    run("init", tmp_path / "renamed.csv", "--to", tmp_path / "renamed.yaml")
    assert load_manifest(tmp_path / "renamed.yaml").fields.images == ("photo",)


def test_bare_names_in_several_folders_are_found_where_the_check_finds_them(tmp_path):
    rows = []
    for number in range(40):
        folder = "a" if number < 27 else "b/c"
        draw(tmp_path / "pics", f"{folder}/{number}.jpg")
        rows.append([number, text(number), f"{number}.jpg", LABELS[number % 3]])
    table(tmp_path / "r.csv", ["id", "review", "photo", "class"], rows)
    _, checked, dataset = ready(tmp_path / "r.csv", tmp_path / "m.yaml")
    assert "100% of them are in folder 'pics'" in (tmp_path / "m.yaml").read_text()
    assert sum(len(review.images) for review in dataset.reviews) == 40
    assert "picture found in another folder than its name says: 40" in checked


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("splits", [("train", "val", "test"), ()])
def test_class_folders_beside_captions_are_the_label(tmp_path, splits, bare):
    data, count = tmp_path / "food", 0
    for part in splits or ("",):
        rows = []
        for number in range(30 if part in ("train", "") else 9):
            dish = ("ramen", "sushi", "udon")[number % 3]
            count += 1
            draw(data / part, f"{dish}/{dish}_{count}.jpg")
            rows.append([f"{'' if bare else dish + '/'}{dish}_{count}.jpg", text(count)])
        table(data / part / "captions.csv", ["file", "caption"], rows)
    said, _, dataset = ready(data, tmp_path / "out", command="import")
    assert any(line.split()[:2] == ["folder", "label"] for line in said.splitlines())
    assert "column 'folder': the folders of the pictures in 'file'" in (tmp_path / "out/manifest.yaml").read_text()
    assert dataset.labels == ("ramen", "sushi", "udon")
    assert all(review.images[0].parent.name == review.label for review in dataset.reviews)
    assert len(dataset.reviews) == count


@advises("If these are the labels, run: automm import {} --to DIR")
def test_folders_that_may_be_labels_are_offered_where_no_column_is_one(tmp_path):
    data = tmp_path / "food"
    rows = []
    for number in range(30):
        dish = ("ramen", "sushi", "udon")[number % 3]
        draw(data, f"{dish}/{number}.jpg")
        rows.append([f"{dish}/{number}.jpg", text(number)])
    table(data / "captions.csv", ["file", "caption"], rows)
    code, said = run("init", data / "captions.csv", "--to", tmp_path / "m.yaml")
    assert code == 2
    assert f"are in 3 folders, such as 'ramen'. If these are the labels, run: automm import {data} --to DIR" in said
    hear(said, "If these are the labels, run: automm import {} --to DIR")
    _, _, dataset = ready(data, tmp_path / "out", command="import")  # as the message says
    assert dataset.labels == ("ramen", "sushi", "udon")


def test_folders_of_single_records_are_no_classes(tmp_path):
    rows = [[number, text(number), f"{number}/0.jpg", LABELS[number % 3]] for number in range(30)]
    draw(tmp_path / "data" / "pics", *(f"{number}/0.jpg" for number in range(30)))
    table(tmp_path / "data" / "train.csv", ["id", "review", "photo", "class"], rows)
    table(tmp_path / "data" / "test.csv", ["id", "review", "photo", "class"], rows[:9])
    run("import", tmp_path / "data", "--to", tmp_path / "out")
    assert "folder" not in json.loads((tmp_path / "out" / "reviews.jsonl").read_text().splitlines()[0])


@pytest.mark.parametrize("form", ["{0}/0.jpg", "{0}/photos/large/0.jpg", "{0}.jpg"])
def test_the_folder_of_names_is_found_in_linear_time(form):
    nearby, taken = Nearby(Path("/data")), []
    for count in (10_000, 40_000):
        nearby = Nearby(Path("/data"))
        vars(nearby).update(pictures=[f"/data/pics/{form.format(number)}" for number in range(count)], trees=[])
        begin = time.perf_counter()
        located = nearby.locate([form.format(number) for number in range(count)])
        taken.append(time.perf_counter() - begin)
        assert (located.root, located.share) == (Path("/data/pics"), 1.0)
    assert taken[1] < 3


NAMES_CUT = ["/a/cam1/7.jpg", "/a/cam2/7.jpg", "/a/cam1/8.jpg", "/a/CAM1/8.jpg"]


@pytest.mark.parametrize("order", [1, -1])
def test_two_names_that_end_like_one_file_are_both_ambiguous_in_any_order(tmp_path, order):
    draw(tmp_path, "7.jpg", "8.jpg")
    root = ImageRoot(tmp_path, lambda: NAMES_CUT[::order])
    for name in NAMES_CUT[::order]:
        if "8" in name:
            assert root.locate(name)[0].name == "8.jpg"
        else:
            with pytest.raises(AmbiguousNameError, match=r"not the only name that ends like the file '7\.jpg'"):
                root.locate(name)
    rows = [[number, text(number), name, LABELS[number % 2]] for number, name in enumerate(NAMES_CUT[::order])]
    table(tmp_path / "r.csv", ["id", "t", "photo", "label"], rows)
    content = {"name": "n", "records": "r.csv", "images": {"on_bad": "drop-image"}}
    content["fields"] = {"text": "t", "images": "photo", "label": "label"}
    dataset = load_dataset(parse_manifest(content, tmp_path / "m.yaml"))
    assert dataset.changes == {"ambiguous_picture": 2, "other_folder": 2}


@pytest.mark.parametrize("form", ["{0}_{1}.jpg", "{0}/{1}.jpg", "IMG_{0}-{1}.jpg"])
def test_init_and_check_agree_on_a_pattern_in_another_case(tmp_path, form):
    rows = [[f"AB{number}", text(number), LABELS[number % 3]] for number in range(40)]
    table(tmp_path / "r.csv", ["code", "review", "class"], rows)
    draw(tmp_path / "pics", *(form.format(f"ab{number}", place) for number in range(40) for place in (1, 2)))
    said, checked, dataset = ready(tmp_path / "r.csv", tmp_path / "m.yaml")
    assert "100% of the records have one or more" in said
    assert {len(review.images) for review in dataset.reviews} == {2}
    assert "differs from its file in case, accents or quoting: 80" in checked


def heic(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))


@advises("Convert them to JPEG or PNG under the same names")
@pytest.mark.parametrize("cell", [None, "{0}.heic", "pics/{0}.HEIC"])
def test_pictures_of_a_phone_are_a_question_before_anything_is_written(tmp_path, cell):
    header = ["id", "review", "class"] + ["photo"] * (cell is not None)
    rows = [[1000 + number, text(number), LABELS[number % 3]] for number in range(40)]
    rows = [row + ([cell.format(row[0])] if cell else []) for row in rows]
    table(tmp_path / "r.csv", header, rows)
    files = [f"{row[0]}.heic" for row in rows]
    heic(tmp_path / "pics", *files)
    code, said = run("init", tmp_path / "r.csv", "--to", tmp_path / "m.yaml")
    assert code == 2
    assert "40 picture files such as '1000.heic' are in a format that is not read" in said
    hear(said, "Convert them to JPEG or PNG under the same names")
    assert "add --images none" in said
    ready(tmp_path / "r.csv", tmp_path / "without.yaml", "--images", "none")
    draw(tmp_path / "pics", *(name.replace("heic", "jpg") for name in files))  # as the message says
    _, checked, dataset = ready(tmp_path / "r.csv", tmp_path / "m.yaml")
    assert sum(len(review.images) for review in dataset.reviews) == 40
    assert (cell is None) or "picture found by its name with another extension: 40" in checked


@advises("Convert it to JPEG or PNG under the same name")
def test_a_single_picture_that_is_not_read_is_said(tmp_path):
    rows = [[number, text(number), f"{number}.jpg", LABELS[number % 3]] for number in range(40)]
    table(tmp_path / "r.csv", ["id", "review", "photo", "class"], rows)
    draw(tmp_path / "pics", *(f"{number}.jpg" for number in range(39)))
    heic(tmp_path / "pics", "39.heic", "38.heic")
    said, checked, _ = ready(tmp_path / "r.csv", tmp_path / "m.yaml")
    assert "unread pictures: 1 picture files such as '39.heic' are in a format that is not read" in said
    assert "warning: picture files under image_root in a format that is not read: 1 [unread_formats]" in checked
    assert "picture dropped: unreadable: 1" in checked
    manifest = (tmp_path / "m.yaml").read_text().replace("on_bad: drop-image", "on_bad: error")
    (tmp_path / "m.yaml").write_text(manifest)
    with pytest.raises(AutommError, match=r"'39\.jpg' not found; '39\.heic' is in a format") as raised:
        load_dataset(load_manifest(tmp_path / "m.yaml"))
    hear(str(raised.value), "Convert it to JPEG or PNG under the same name")
    draw(tmp_path / "pics", "39.jpg")  # as the message says
    assert run("check", tmp_path / "m.yaml")[0] == 0


@advises(
    "Convert such files to JPEG or PNG under the same names",
    "Convert pictures such as {} to JPEG or PNG: their format is not read",
)
def test_a_manifest_whose_pictures_are_all_from_a_phone_is_refused(tmp_path):
    rows = [[number, text(number), f"{number}.jpg", LABELS[number % 3]] for number in range(40)]
    file = table(tmp_path / "r.csv", ["id", "review", "photo", "class"], rows)
    heic(tmp_path / "pics", *(f"{number}.heic" for number in range(40)))
    manifests = []
    for images in ("photo", "{id}.*"):
        fields = {"id": "id", "text": "review", "images": images, "label": "class"}
        more = {"images": {"on_bad": "drop-image"}} if images == "photo" else {}
        content = {"name": "n", "records": file.name, "image_root": "pics", "fields": fields, **more}
        manifests.append(parse_manifest(content, tmp_path / "m.yaml"))
    said = ""
    for manifest in manifests:
        with pytest.raises(AutommError) as raised:
            load_dataset(manifest)
        said += str(raised.value)
    hear(said, "Convert such files to JPEG or PNG under the same names")
    hear(said, "Convert pictures such as {} to JPEG or PNG: their format is not read")
    draw(tmp_path / "pics", *(f"{number}.jpg" for number in range(40)))  # as the messages say
    assert [sum(len(review.images) for review in load_dataset(one).reviews) for one in manifests] == [40, 40]


def test_a_phones_picture_with_another_name_is_told_by_its_content(tmp_path):
    heic(tmp_path, "a.jpg")
    with pytest.raises(PictureError, match="in the format HEIC, which is not read: convert it to JPEG or PNG"):
        decode_picture(tmp_path / "a.jpg", 8)


@pytest.mark.parametrize("validation", ["dev", "val", "validation", "valid", "val_seen"])
def test_memes_with_any_name_of_the_validation_split(tmp_path, validation):
    data, count = tmp_path / "memes", 0
    for part, records in {"train": 30, validation: 9, "test": 9}.items():
        lines = []
        for number in range(records):
            count += 1
            draw(data, f"img/{count:05}.png", form="PNG")
            lines.append({"id": count, "img": f"img/{count:05}.png", "text": text(count), "label": number % 2})
        (data / f"{part}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (data / "train_translated.jsonl").write_text((data / "train.jsonl").read_text())
    draw(data, "extra/1.jpg")
    said, _, dataset = ready(data, tmp_path / "out", command="import")
    assert len(dataset.reviews) == count == 48
    assert "not read: train_translated.jsonl: format hateful-memes does not read it" in said
    assert "unused pictures: 1 under extra/ that no record names" in said


@pytest.mark.parametrize("name", sorted(set(layouts.WRITERS) - {"amazon-reviews-2023", "amazon-reviews-2018"}))
def test_every_layout_names_the_files_that_it_does_not_read(tmp_path, name):
    manifest = layouts.manifest_of(tmp_path, name)
    (tmp_path / "data" / "more_reviews.csv").write_text("id,text,label\n1,a,b\n")
    draw(tmp_path / "data", "aside/1.jpg")
    options = dict(manifest.options) or None
    reasons = import_data(name, tmp_path / "data", tmp_path / "out", options=options).reasons
    assert reasons["not read: more_reviews.csv"] == f"format {name} does not read it"
    assert "1 under aside/" in reasons["unused pictures"]
    assert "fetched/" not in reasons["unused pictures"]


SPELLINGS = {
    "A{0}.JPG": "a{0}.jpg",
    "b{0}.jpg": "b{0}.jpg.jpg",
    "c{0}.jpg.jpg": "c{0}.jpg",
    "img/d{0}.png": "img/d{0}.jpg",
    "e{0}.jpg ": "e{0}.jpg",
    "f{0}.jpg": "f{0}.jpg ",
    "g{0}.jpg": " g{0} .jpg",
    "\ufeffh{0}.jpg": "h{0}.jpg",
    "img\\i{0}.jpg": "img/i{0}.jpg",
    r".\img\j{0}.jpg": "img/j{0}.jpg",
    "k#{0}.jpg": "k#{0}.jpg",
    "l?{0}.jpg": "l?{0}.jpg",
    "m%23{0}.jpg": "m#{0}.jpg",
    "n{0}.jpg?w=100": "n{0}.jpg",
    "o+o{0}.jpg": "o o{0}.jpg",
    "p&amp;{0}.jpg": "p&{0}.jpg",
    "q{0}.jfif": "q{0}.jfif",
    "r, {0}.jpg": "r, {0}.jpg",
}


@pytest.mark.parametrize("cell", SPELLINGS)
def test_a_name_in_another_spelling_is_found_by_init_and_by_check(tmp_path, cell):
    rows = [[number, text(number), cell.format(number), LABELS[number % 3]] for number in range(40)]
    table(tmp_path / "r.csv", ["id", "review", "photo", "class"], rows)
    draw(tmp_path / "pics", *(SPELLINGS[cell].format(number) for number in range(40)))
    _, _, dataset = ready(tmp_path / "r.csv", tmp_path / "m.yaml")
    assert {len(review.images) for review in dataset.reviews} == {1}
    assert dataset.manifest.fields.images == ("photo",)
    assert "100% of them are in folder" in (tmp_path / "m.yaml").read_text()


def test_a_name_with_another_extension_is_not_another_records_picture(tmp_path):
    draw(tmp_path, "1.jpg", "2.png")
    root = ImageRoot(tmp_path, lambda: ["1.jpg", "1.png", "2.jpg"])
    assert root.locate("2.jpg")[0].name == "2.png"
    with pytest.raises(AmbiguousNameError, match=r"not the only name of the file '1\.jpg'"):
        root.locate("1.png")


def test_files_with_a_quoted_slash_are_unused_and_not_without_zeros(tmp_path):
    rows = [[1000 + number, text(number), LABELS[number % 3]] for number in range(40)]
    table(tmp_path / "r.csv", ["id", "review", "class"], rows)
    draw(tmp_path / "pics", *(f"https%3A%2F%2Fcdn.shop%2Fp%2F{row[0]}.jpg" for row in rows))
    said, _, _ = ready(tmp_path / "r.csv", tmp_path / "m.yaml")
    assert "unused pictures: 40 under pics/ that no record names" in said


@advises("Several files end like it, or it is not the only name that ends like its file: correct the names")
def test_names_that_end_like_the_same_files_are_not_replaced_by_a_pattern(tmp_path):
    rows = [
        [number, text(number), f"/data/cam{1 + number // 20}/{number % 20}.jpg", LABELS[number % 3]]
        for number in range(40)
    ]
    table(tmp_path / "r.csv", ["id", "review", "image", "class"], rows)
    draw(tmp_path / "photos", *(f"{number}.jpg" for number in range(20)))
    code, _ = run("init", tmp_path / "r.csv", "--to", tmp_path / "m.yaml")
    assert code == 0
    hear(
        (tmp_path / "m.yaml").read_text(),
        "Several files end like it, or it is not the only name that ends like its file: correct the names",
    )
    code, said = run("check", tmp_path / "m.yaml")
    assert code == 3
    assert "which is not the only name that ends like the file" in said
    draw(tmp_path / "photos", *(f"{number}.jpg" for number in range(20, 40)))
    right = [[number, words, f"photos/{number}.jpg", label] for number, words, _, label in rows]
    table(tmp_path / "right.csv", ["id", "review", "image", "class"], right)  # as the message says
    _, _, dataset = ready(tmp_path / "right.csv", tmp_path / "right.yaml")
    assert {len(review.images) for review in dataset.reviews} == {1}
