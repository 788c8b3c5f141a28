"""What a command says to do, done to the very input that caused it, leads on."""

import csv
import json
import shlex

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import test_advice
import yaml
from advice import advice, advises, followed, hear
from layouts import manifest_of
from PIL import Image
from typer.testing import CliRunner

from automm.cli.app import app
from automm.data.manifest import load_manifest
from automm.data.records.reviews import Review, load_dataset
from automm.deliver.input_reviews import open_reviews
from automm.errors import AutommError


def automm(*words):
    """Run a command; return its exit code and all that it says."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    raised = done.exception if isinstance(done.exception, AutommError) else ""
    if done.exception and not isinstance(done.exception, SystemExit | AutommError):
        raise done.exception
    return (3 if raised else done.exit_code), f"{done.output}\n{raised}"


def follow(text, begin, **words):
    """Run the command in a message that begins with some words, with values in place of words such as DIR."""
    line = text[text.index(begin) :].split("\n")[0].split(". ")[0].split("   or")[0].split(" (")[0]
    for word, value in words.items():
        line = line.replace(word, str(value))
    code, said = automm(*shlex.split(line)[1:])
    assert code == 0, said
    return said


def table(path, header, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header, *lines])
    return path


def pictures(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (sum(map(ord, name)) % 255, 0, 0)).save(folder / name)


def words(n):
    return f"The thing number {n} was {['good', 'bad', 'plain'][n % 3]} to use"


def reviews(count=40):
    return [[f"r{n}", words(n), "ab"[n % 2]] for n in range(count)]


BASIC = ["id", "text", "label"]


def edit(path, **changes):
    """Change keys of a manifest; those of `fields` one by one."""
    content = yaml.safe_load(path.read_text())
    content["fields"] |= changes.pop("fields", {})
    path.write_text(yaml.safe_dump(content | changes))
    return load_dataset(load_manifest(path))


def told(path, column):
    """Return why `automm init` gives a column its role."""
    from automm.data.onboarding.init import write_first_manifest

    _, guess = write_first_manifest(path, path.parent / f"{len(list(path.parent.iterdir()))}.yaml")
    return next(role.why for role in guess.roles if role.column == column)


def predicted(manifest, records):
    """Return what prediction would make of the records of a file, without a model."""
    content = yaml.safe_load(manifest.read_text())
    about = {
        "reading": content,
        "image_root": content.get("image_root", "."),
        "columns": {"medians": {}, "values": {}, "steps": 0},
    }
    return list(open_reviews(about, records, None))


@advises(
    "Name another file: --to FILE.yaml",
    "automm check {}",
    "# A first manifest for {}, guessed by 'automm init'",
    "Correct what is wrong, then: automm check",
)
def test_a_manifest_is_not_overwritten(tmp_path):
    file = table(tmp_path / "r.csv", BASIC, reviews())
    assert automm("init", file)[0] == 0
    hear(automm("init", file)[1], "Name another file: --to FILE.yaml")
    code, said = automm("init", file, "--to", tmp_path / "other.yaml")
    assert code == 0
    hear(said, "automm check {}")
    hear(
        (tmp_path / "other.yaml").read_text(),
        "# A first manifest for {}, guessed by 'automm init'",
        "Correct what is wrong, then: automm check",
    )
    follow(said, "automm check")


@advises("To import it: automm import {} --to DIR")
def test_a_folder_in_a_known_format_is_imported(tmp_path):
    pictures(tmp_path / "d", *(f"{label}/{n}.png" for label in ("cat", "dog") for n in range(8)))
    said = automm("init", tmp_path / "d")[1]
    hear(said, "To import it: automm import {} --to DIR")
    follow(said, "automm import", DIR=tmp_path / "out")
    assert automm("check", tmp_path / "out/manifest.yaml")[0] == 0


@advises("To write them to files, with a manifest, run: automm import {} --to DIR")
def test_pictures_in_parquet_are_imported(tmp_path):
    pictures(tmp_path, *(f"{n}.png" for n in range(20)))
    lines = [
        {"image": {"bytes": (tmp_path / f"{n}.png").read_bytes()}, "text": words(n), "label": "ab"[n % 2]}
        for n in range(20)
    ]
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "r.parquet")
    said = automm("init", tmp_path / "r.parquet")[1]
    hear(said, "To write them to files, with a manifest, run: automm import {} --to DIR")
    follow(said, "automm import", DIR=tmp_path / "out")
    assert len(load_dataset(load_manifest(tmp_path / "out/manifest.yaml")).reviews) == 20


@advises("To read both: automm import {} --to DIR", "Write one records file: automm import {} --to DIR")
def test_two_splits_are_read_by_an_import(tmp_path):
    table(tmp_path / "d/train.csv", BASIC, reviews())
    table(tmp_path / "d/test.csv", BASIC, [[f"t{n}", *line[1:]] for n, line in enumerate(reviews())])
    said = automm("init", tmp_path / "d")[1]
    hear(said, "Write one records file: automm import {} --to DIR")
    follow(said, "automm import", DIR=tmp_path / "again")
    said = automm("init", tmp_path / "d/train.csv")[1]
    hear(said, "To read both: automm import {} --to DIR")
    follow(said, "automm import", DIR=tmp_path / "out")
    assert len(load_dataset(load_manifest(tmp_path / "out/manifest.yaml")).reviews) == 80


@advises("Name the one to predict: --label {}")
def test_one_of_several_labels_is_named(tmp_path):
    lines = [[words(n), n % 2, n % 3, n % 4] for n in range(60)]
    file = table(tmp_path / "r.csv", ["text", "first_label", "second_label", "third_label"], lines)
    said = automm("init", file)[1]
    hear(said, "Name the one to predict: --label {}")
    assert automm("init", file, "--label", said.split("--label ")[1].split()[0])[0] == 0


@pytest.mark.parametrize("label", ["city", "none"])
@advises("Name it: --label COLUMN", "For a manifest to predict with, add --label {}")
def test_a_label_is_named_or_declined(tmp_path, label):
    file = table(tmp_path / "r.csv", ["city", "text"], [["xyz"[n % 3], words(n)] for n in range(60)])
    hear(automm("init", file)[1], "Name it: --label COLUMN", "For a manifest to predict with, add --label {}")
    code, said = automm("init", file, "--label", label)
    assert code == 0
    if label == "none":
        assert "next: automm predict BUNDLE" in said


@advises("To take another, add --label COLUMN")
def test_another_label_is_taken(tmp_path):
    file = table(tmp_path / "r.csv", ["text", "rating", "label"], [[words(n), n % 5, "ab"[n % 2]] for n in range(60)])
    hear(automm("init", file)[1], "To take another, add --label COLUMN")
    assert automm("init", file, "--label", "rating", "--to", tmp_path / "o.yaml")[0] == 0
    assert load_manifest(tmp_path / "o.yaml").fields.label.column == "rating"


@advises("Join the tables: automm import {} --to DIR")
def test_the_table_of_the_target_is_joined(tmp_path):
    table(tmp_path / "d/X_train.csv", ["", "designation"], [[n, words(n)] for n in range(40)])
    table(tmp_path / "d/Y_train.csv", ["", "prdtypecode"], [[n, [10, 2280][n % 2]] for n in range(40)])
    said = automm("init", tmp_path / "d/X_train.csv")[1]
    hear(said, "Join the tables: automm import {} --to DIR")
    follow(said, "automm import", DIR=tmp_path / "out")
    assert load_manifest(tmp_path / "out/manifest.yaml").fields.label.column == "prdtypecode"


@advises("Learn from the other table: automm init {}", "For predictions only, add --label {}")
def test_the_table_to_predict_is_handed_over(tmp_path):
    table(tmp_path / "train.csv", BASIC, reviews())
    test = table(tmp_path / "test.csv", BASIC[:2], [line[:2] for line in reviews()])
    said = automm("init", test)[1]
    hear(said, "Learn from the other table: automm init {}", "For predictions only, add --label {}")
    assert automm("init", test, "--label", "none", "--to", tmp_path / "o.yaml")[0] == 0
    follow(said, "automm init")
    assert load_manifest(tmp_path / "manifest.yaml").fields.label.column == "label"


@advises("Name one: --text COLUMN or --images COLUMN")
def test_a_column_of_text_is_named(tmp_path):
    file = table(tmp_path / "r.csv", ["kind", "size", "label"], [["xyz"[n % 3], n % 5, "ab"[n % 2]] for n in range(60)])
    hear(automm("init", file)[1], "Name one: --text COLUMN or --images COLUMN")
    assert automm("init", file, "--text", "kind")[0] == 0
    assert len(load_dataset(load_manifest(tmp_path / "manifest.yaml")).reviews) == 60


@pytest.mark.parametrize("way", ["digits", "none"])
@advises("Write them as text with {} digits", "To go on without pictures, add --images {}")
def test_numbers_that_lost_their_zeros_are_written_again(tmp_path, way):
    pictures(tmp_path, *(f"img/{n:05}.png" for n in range(40)))
    lines = [[n, words(n), "ab"[n % 2]] for n in range(40)]
    file = table(tmp_path / "r.csv", ["code", "text", "label"], lines)
    said = automm("init", file)[1]
    hear(said, "Write them as text with {} digits", "To go on without pictures, add --images {}")
    if way == "none":
        assert automm("init", file, "--images", "none")[0] == 0
        return
    table(file, ["code", "text", "label"], [[f"{n:05}", *more] for n, *more in lines])
    assert automm("init", file)[0] == 0
    assert all(one.images for one in load_dataset(load_manifest(tmp_path / "manifest.yaml")).reviews)


@advises("To refuse them, set on_bad: error")
def test_missing_pictures_are_refused(tmp_path):
    pictures(tmp_path, *(f"img/{n}.png" for n in range(30)))
    lines = [[*line, f"{n}.png"] for n, line in enumerate(reviews())]
    hear(automm("init", table(tmp_path / "r.csv", [*BASIC, "image"], lines))[1], "To refuse them, set on_bad: error")
    assert automm("check", tmp_path / "manifest.yaml")[0] == 0
    with pytest.raises(AutommError, match=r"picture '30\.png' not found"):
        edit(tmp_path / "manifest.yaml", images={"on_bad": "error"})


@advises("Name one: automm init {}")
def test_one_of_equal_tables_is_named(tmp_path):
    for name in ("north", "south"):
        table(tmp_path / f"{name}.csv", BASIC, reviews())
    said = automm("init", tmp_path)[1]
    hear(said, "Name one: automm init {}")
    follow(said, "automm init")


@advises("To see why: automm init {}", "Delete the rows above the header, and give each column a name")
def test_the_header_of_a_sheet_is_cleared(tmp_path):
    def save(*above):
        book = openpyxl.Workbook()
        for line in [*above, [*BASIC, "shop"], *([*line, f"shop {line[0]}"] for line in reviews())]:
            book.active.append(line)
        book.save(tmp_path / "r.xlsx")

    save(["Reviews", "as of May"])
    said = automm("init", tmp_path)[1]
    hear(said, "To see why: automm init {}")
    said = automm("init", tmp_path / "r.xlsx")[1]
    hear(said, "Delete the rows above the header, and give each column a name")
    save()
    assert automm("init", tmp_path)[0] == 0


@advises("To predict it {}", "after a search: automm predict BUNDLE {}")
def test_a_table_without_labels_can_be_predicted(tmp_path):
    table(tmp_path / "train.csv", BASIC, reviews())
    test = table(tmp_path / "test.csv", BASIC[:2], [line[:2] for line in reviews()])
    hear(automm("init", tmp_path)[1], "To predict it {}", "after a search: automm predict BUNDLE {}")
    assert all(isinstance(one, Review) for one in predicted(tmp_path / "manifest.yaml", test))


@advises("Add a column {}, and {}")
def test_a_column_that_a_prediction_needs_is_added(tmp_path):
    lines = [[*line, f"a note of some words {n}"] for n, line in enumerate(reviews())]
    table(tmp_path / "train.csv", [*BASIC, "note"], lines)
    test = table(tmp_path / "test.csv", BASIC[:2], [line[:2] for line in reviews()])
    hear(automm("init", tmp_path)[1], "Add a column {}, and {}")
    with pytest.raises(AutommError, match="no column 'note'"):
        predicted(tmp_path / "manifest.yaml", test)
    table(test, [*BASIC[:2], "note"], [[*line[:2], ""] for line in reviews()])
    assert all(isinstance(one, Review) for one in predicted(tmp_path / "manifest.yaml", test))


@advises("Name a new one: --to DIR", "Remove --option")
def test_an_import_needs_a_new_folder_and_no_option(tmp_path):
    for part in ("train", "test"):
        table(tmp_path / f"d/{part}.csv", BASIC, [[f"{part}{line[0]}", *line[1:]] for line in reviews()])
    hear(automm("import", tmp_path / "d", "--to", tmp_path / "d")[1], "Name a new one: --to DIR")
    said = automm("import", tmp_path / "d", "--to", tmp_path / "o", "--option", "a=1")[1]
    hear(said, "Remove --option")
    assert automm("import", tmp_path / "d", "--to", tmp_path / "o")[0] == 0


@advises("Correct its name, or import without --copy-images")
def test_copies_that_would_be_ambiguous(tmp_path):
    pictures(tmp_path / "d", *(f"a/{n}.png" for n in range(40)), "b/3.png")
    lines = [[*line, f"a/{n}.png" if n else "3.png"] for n, line in enumerate(reviews())]
    for place, part in enumerate(("train", "test")):
        table(tmp_path / f"d/{part}.csv", [*BASIC, "image"], lines[20 * place :][:20])
    said = automm("import", tmp_path / "d", "--to", tmp_path / "o", "--copy-images")[1]
    hear(said, "Correct its name, or import without --copy-images")
    assert automm("import", tmp_path / "d", "--to", tmp_path / "o")[0] == 0
    table(tmp_path / "d/train.csv", [*BASIC, "image"], [[*reviews()[0], "b/3.png"], *lines[1:20]])
    assert automm("import", tmp_path / "d", "--to", tmp_path / "p", "--copy-images")[0] == 0


@advises("Keep one row for each, or join the tables yourself")
def test_a_repeated_key_of_a_joined_table(tmp_path):
    table(
        tmp_path / "d/reviews.csv",
        ["id", "product_id", "text", "rating"],
        [[n, f"P{n % 5}", words(n), n % 3] for n in range(40)],
    )
    products = [[f"P{n}", f"Lamp {n}", "A"] for n in range(5)]
    file = table(tmp_path / "d/products.csv", ["product_id", "name", "brand"], [*products, products[0]])
    said = automm("import", tmp_path / "d", "--to", tmp_path / "o")[1]
    hear(said, "Keep one row for each, or join the tables yourself")
    table(file, ["product_id", "name", "brand"], products)
    assert automm("import", tmp_path / "d", "--to", tmp_path / "o")[0] == 0


@advises("To write a manifest for it: automm init FILE")
def test_a_records_file_is_given_to_init(tmp_path):
    file = table(tmp_path / "r.csv", BASIC, reviews())
    said = automm("import", "records", file, "--to", tmp_path / "o")[1]
    hear(said, "To write a manifest for it: automm init FILE")
    follow(said, "automm init", FILE=file)


@advises("Name it: automm import {} SRC --to {}")
def test_the_folder_of_a_format_is_named(tmp_path):
    manifest_of(tmp_path, "hateful-memes")
    said = automm("import", "hateful-memes", "--to", tmp_path / "o")[1]
    hear(said, "Name it: automm import {} SRC --to {}")
    follow(said, "automm import", SRC=tmp_path / "data")


@advises("To use them: # splits: {column: {}{}}")
def test_splits_of_a_layout_are_used(tmp_path):
    pictures(
        tmp_path / "d",
        *(f"{split}/{label}/{n}.png" for split in ("train", "test") for label in ("cat", "dog") for n in range(12)),
    )
    assert automm("import", tmp_path / "d", "--to", tmp_path / "o")[0] == 0
    manifest = tmp_path / "o/manifest.yaml"
    hear(manifest.read_text().replace("\n", " "), "To use them: # splits: {column: {}{}}")
    manifest.write_text(manifest.read_text().replace("# splits:", "splits:"))
    assert automm("check", manifest)[0] == 0
    assert {one.split for one in load_dataset(load_manifest(manifest)).reviews} == {"train", "test"}


@advises("To use it, name it in fields")
def test_a_column_of_a_layout_is_named(tmp_path):
    pictures(tmp_path / "d", *(f"{n}.png" for n in range(12)))
    lines = [{"file_name": f"{n}.png", "text": words(n), "label": "ab"[n % 2], "size": n % 5} for n in range(12)]
    (tmp_path / "d/metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = automm("import", tmp_path / "d", "--to", tmp_path / "o")[1]
    hear(said, "To use it, name it in fields")
    data = edit(tmp_path / "o/manifest.yaml", fields={"metadata": {"numeric": ["size"]}})
    assert data.reviews[3].numbers == (3.0,)


@advises(
    "a date; to split by time, set splits: {time: ...}",
    "a number; as a further input, set fields: {metadata: {numeric: ...}}",
    "{} values; as a further input, set fields: {metadata: {categorical: ...}}",
    "{}; to keep the records of each in one split, set fields: {group: ...}",
)
def test_columns_that_are_left_out_are_used(tmp_path):
    header = [*BASIC, "day", "weight", "shop", "shop_id"]
    lines = [
        [*line, f"2024-05-{n % 28 + 1:02}", n * 7 % 31, f"s{n % 9}", f"i{n % 4}"] for n, line in enumerate(reviews())
    ]
    said = automm("init", table(tmp_path / "r.csv", header, lines))[1]
    why = {column: told(tmp_path / "r.csv", column) for column in header[3:]}
    hear(why["day"], "a date; to split by time, set splits: {time: ...}")
    hear(why["weight"], "a number; as a further input, set fields: {metadata: {numeric: ...}}")
    hear(why["shop"], "{} values; as a further input, set fields: {metadata: {categorical: ...}}")
    hear(why["shop_id"], "{}; to keep the records of each in one split, set fields: {group: ...}")
    assert "next: automm check" in said
    more = {"metadata": {"numeric": ["weight"], "categorical": ["shop"]}, "group": "shop_id"}
    first = edit(tmp_path / "manifest.yaml", fields=more, splits={"time": "day"}).reviews[1]
    assert (first.numbers, first.categories, first.group) == ((7.0,), ("s1",), "i1")
    assert first.time is not None


@advises("To read both, write images: [{}]", "{}holds pictures of the reviews, write images: {}")
def test_other_columns_of_pictures_are_used(tmp_path):
    pictures(tmp_path, *(f"{kind}/{n}.png" for kind in ("front", "user") for n in range(40)))
    lines = [
        [*line, f"front/{n}.png", f"https://a.example/{n}.png", f"user/{n}.png"] for n, line in enumerate(reviews())
    ]
    file = table(tmp_path / "r.csv", [*BASIC, "photo", "web_image", "user_image"], lines)
    assert automm("init", file)[0] == 0
    hear(told(file, "web_image"), "To read both, write images: [{}]")
    hear(told(file, "user_image"), "{}holds pictures of the reviews, write images: {}")
    both = edit(tmp_path / "manifest.yaml", fields={"images": ["photo", "web_image"]}, images={"on_bad": "drop-image"})
    assert both.reviews[0].absent == ("https://a.example/0.png",)
    assert edit(tmp_path / "manifest.yaml", fields={"images": "user_image"}).reviews[0].images[0].parent.name == "user"


@advises("Write names alone, or JSON lists of names")
def test_names_in_an_unknown_form_are_written_again(tmp_path):
    pictures(tmp_path, *(f"{n}.png" for n in range(40)))
    lines = [[*line, f"<img src={n}.png>"] for n, line in enumerate(reviews())]
    file = table(tmp_path / "r.csv", [*BASIC, "photo"], lines)
    hear(told(file, "photo"), "Write names alone, or JSON lists of names")
    for cell in ("{}.png", '["{}.png"]'):
        table(file, [*BASIC, "photo"], [[*line, cell.format(n)] for n, line in enumerate(reviews())])
        manifest = tmp_path / f"{len(cell)}.yaml"
        assert automm("init", file, "--to", manifest)[0] == 0
        assert all(one.images for one in load_dataset(load_manifest(manifest)).reviews)


@advises("Write JSON lists, such as {}")
def test_arrays_of_numpy_are_written_again(tmp_path):
    pictures(tmp_path, *(f"{n}.png" for n in range(41)))
    lines = [[*line, f"['{n}.png' '{n + 1}.png']"] for n, line in enumerate(reviews())]
    file = table(tmp_path / "r.csv", [*BASIC, "photo"], lines)
    hear(automm("init", file)[1] + (tmp_path / "manifest.yaml").read_text(), "Write JSON lists, such as {}")
    table(
        file, [*BASIC, "photo"], [[*line, json.dumps([f"{n}.png", f"{n + 1}.png"])] for n, line in enumerate(reviews())]
    )
    assert automm("init", file, "--to", tmp_path / "o.yaml")[0] == 0
    assert all(len(one.images) == 2 for one in load_dataset(load_manifest(tmp_path / "o.yaml")).reviews)


@advises("Correct image_root, or the names of the pictures")
def test_the_folder_of_pictures_is_corrected(tmp_path):
    pictures(tmp_path / "far", *(f"p{n}.png" for n in range(40)))
    lines = [[*line, f"p{n}.png"] for n, line in enumerate(reviews())]
    file = table(tmp_path / "deep/er/r.csv", [*BASIC, "photo"], lines)
    automm("init", file)
    manifest = tmp_path / "deep/er/manifest.yaml"
    hear(manifest.read_text(), "Correct image_root, or the names of the pictures")
    assert all(one.images for one in edit(manifest, image_root="../../far").reviews)


@advises("Name a file in it: --to {}")
def test_the_report_is_a_file(tmp_path):
    automm("init", table(tmp_path / "r.csv", BASIC, reviews()))
    said = automm("check", tmp_path / "manifest.yaml", "--to", tmp_path)[1]
    hear(said, "Name a file in it: --to {}")
    assert automm("check", tmp_path / "manifest.yaml", "--to", said.split("--to ")[2].split()[0])[0] == 0


def handed_over(tmp_path, **cells):
    """A manifest and a file to predict whose second record has other cells."""
    pictures(tmp_path / "d", *(f"p{n}.png" for n in range(40)))
    lines = [{"id": f"r{n}", "text": words(n), "label": "ab"[n % 2], "photo": f"p{n}.png"} for n in range(40)]
    file = tmp_path / "d/r.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = tmp_path / "d/manifest.yaml"
    fields = {"id": "id", "text": "text", "label": "label", "images": "photo"}
    manifest.write_text(yaml.safe_dump({"name": "x", "records": "r.jsonl", "fields": fields}))
    lines[1] |= cells
    other = tmp_path / "d/new.jsonl"
    other.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return manifest, other


def put(file, **cells):
    """Change the cells of the second record."""
    lines = file.read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | cells)
    file.write_text("\n".join(lines) + "\n")


@advises("Name the folder of the pictures: --image-root DIR", "To predict without the picture, empty its cell in {}")
def test_a_missing_picture_of_a_records_file(tmp_path):
    manifest, file = handed_over(tmp_path, photo="gone.png")
    sentences = (
        "Name the folder of the pictures: --image-root DIR",
        "To predict without the picture, empty its cell in {}",
    )
    hear(predicted(manifest, file)[1].error, *sentences)
    content = {"reading": yaml.safe_load(manifest.read_text()), "image_root": "."}
    pictures(tmp_path / "e", "gone.png", *(f"p{n}.png" for n in range(40)))
    assert isinstance(list(open_reviews(content, file, tmp_path / "e"))[1], Review)
    put(file, photo="")
    assert isinstance(predicted(manifest, file)[1], Review)


@advises("Name it relative to the folder of --image-root")
def test_a_picture_outside_of_a_records_file(tmp_path):
    manifest, file = handed_over(tmp_path, photo="../p1.png")
    hear(predicted(manifest, file)[1].error, "Name it relative to the folder of --image-root")
    put(file, photo="p1.png")
    assert isinstance(predicted(manifest, file)[1], Review)


@advises(
    "automm fetch-images {}{}",
    "Write a manifest with 'automm init {}', run automm fetch-images with it, and predict it",
)
def test_a_url_of_a_records_file(tmp_path):
    manifest, file = handed_over(tmp_path, photo="https://127.0.0.1:9/a.png")
    sentence = "Write a manifest with 'automm init {}', run automm fetch-images with it, and predict it"
    hear(predicted(manifest, file)[1].error, sentence)
    assert automm("init", file, "--to", tmp_path / "d/new.yaml")[0] == 0
    code, said = automm("fetch-images", tmp_path / "d/new.yaml")  # nobody answers there
    assert (code, "1 pictures by URL" in said) == (3, True)
    hear(said, "automm fetch-images {}{}")
    about = {"reading": {}, "columns": {"medians": {}, "values": {}, "steps": 0}}
    assert all(isinstance(one, Review) for one in open_reviews(about, tmp_path / "d/new.yaml", None))


@advises("Add a text or a picture in {}")
def test_an_empty_review_of_a_records_file(tmp_path):
    manifest, file = handed_over(tmp_path, photo="", text="")
    manifest.write_text(manifest.read_text() + "text: {on_empty: keep}\n")
    hear(predicted(manifest, file)[1].error, "Add a text or a picture in {}")
    for cells in ({"text": "words"}, {"text": "", "photo": "p1.png"}):
        put(file, **cells)
        assert isinstance(predicted(manifest, file)[1], Review)


@advises("Correct the path or --image-root, or set images.on_bad: drop-image in {}")
def test_a_missing_picture_of_a_manifest(tmp_path):
    manifest, file = handed_over(tmp_path, photo="gone.png")
    manifest.write_text(manifest.read_text().replace("r.jsonl", "new.jsonl"))
    about = {"columns": {"medians": {}, "values": {}, "steps": 0}}
    sentence = "Correct the path or --image-root, or set images.on_bad: drop-image in {}"
    hear(list(open_reviews(about, manifest, None))[1].error, sentence)
    pictures(tmp_path / "e", "gone.png")
    assert isinstance(list(open_reviews(about, manifest, tmp_path / "e"))[1], Review)
    manifest.write_text(manifest.read_text() + "images: {on_bad: drop-image}\n")
    assert isinstance(list(open_reviews(about, manifest, None))[1], Review)
    put(file, photo="p1.png")
    assert isinstance(list(open_reviews(about, manifest, None))[1], Review)


@advises("Name the columns of training, in their order", "Add fields.history", "Remove fields.history")
def test_a_manifest_with_other_columns_than_in_training(tmp_path):
    manifest, _ = handed_over(tmp_path)
    trained = {"medians": {"size": 1.0}, "values": {}, "steps": 2}
    with pytest.raises(AutommError) as caught:
        open_reviews({"columns": trained}, manifest, None)
    hear(str(caught.value), "Name the columns of training, in their order", "Add fields.history")
    records = manifest.parent / "r.jsonl"
    lines = [json.loads(line) | {"size": 2, "steps": [1, 2]} for line in records.read_text().splitlines()]
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    edit(manifest, fields={"metadata": {"numeric": ["size"]}, "history": {"columns": ["steps"]}})
    assert all(isinstance(one, Review) for one in open_reviews({"columns": trained}, manifest, None))
    with pytest.raises(AutommError) as caught:
        open_reviews({"columns": trained | {"steps": 0}}, manifest, None)
    hear(str(caught.value), "Remove fields.history")
    edit(manifest, fields={"history": None})
    assert all(isinstance(one, Review) for one in open_reviews({"columns": trained | {"steps": 0}}, manifest, None))


@advises("Remove it: the header must be first")
def test_the_line_for_excel_is_removed(tmp_path):
    file = table(tmp_path / "r.csv", BASIC, reviews())
    rest = file.read_text().replace(",", ";")
    file.write_text("sep=;\n" + rest)
    hear(automm("init", file)[1], "Remove it: the header must be first")
    file.write_text(rest)
    assert automm("init", file)[0] == 0


@advises("Add --encoding NAME to automm init")
def test_the_encoding_is_named(tmp_path):
    file = table(tmp_path / "r.csv", BASIC, [[*line[:1], f"{line[1]} für Größe", line[2]] for line in reviews()])
    file.write_bytes(file.read_bytes() + "r99,für,a\n".encode("cp1252"))
    hear(automm("init", file)[1], "Add --encoding NAME to automm init")
    assert automm("init", file, "--encoding", "cp1252")[0] == 0


@advises("Move them into one folder")
def test_pictures_in_many_folders_are_moved(tmp_path):
    def name(n, folder):
        return f"pics/{folder}/P{1000 + n}_1.png"

    pictures(tmp_path, *(name(n, f"f{n % 5}") for n in range(40)))
    lines = [[f"P{1000 + n}", words(n), "ab"[n % 2]] for n in range(40)]
    file = table(tmp_path / "r.csv", ["code", "text", "label"], lines)
    hear(automm("init", file)[1], "Move them into one folder")
    (tmp_path / "pics/all").mkdir()
    for n in range(40):
        (tmp_path / name(n, f"f{n % 5}")).rename(tmp_path / name(n, "all"))
    assert automm("init", file)[0] == 0
    assert all(one.images for one in load_dataset(load_manifest(tmp_path / "manifest.yaml")).reviews)


@advises("To predict them after a search: automm predict BUNDLE {}", "To test on the validation split: # splits: {}")
def test_a_test_split_without_labels_is_set_aside(tmp_path):
    for split, count in (("train", 30), ("validation", 10), ("test", 10)):
        pictures(tmp_path / "d" / split, *(f"{split}{n}.png" for n in range(count)))
        lines = [{"file_name": f"{split}{n}.png", "text": words(n), "label": "ab"[n % 2]} for n in range(count)]
        lines = [line if split != "test" else line | {"label": None} for line in lines]
        (tmp_path / "d" / split / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = automm("import", tmp_path / "d", "--to", tmp_path / "o")[1]
    hear(said, "To predict them after a search: automm predict BUNDLE {}")
    manifest = tmp_path / "o/manifest.yaml"
    hear(manifest.read_text().replace("\n", " "), "To test on the validation split: # splits: {}")
    manifest.write_text(manifest.read_text().replace("# splits:", "splits:"))
    assert {one.split for one in load_dataset(load_manifest(manifest)).reviews} == {"train", "test"}
    assert all(isinstance(one, Review) for one in predicted(manifest, tmp_path / "o/unlabelled.jsonl"))


@advises("Write its name relative to that folder")
def test_a_name_that_leads_out_and_back(tmp_path):
    pictures(tmp_path / "d/train", *(f"{n}.png" for n in range(12)))
    lines = [{"file_name": f"{n}.png", "text": words(n), "label": "ab"[n % 2]} for n in range(12)]
    for name in ("../../d/train/3.png", "3.png"):
        lines[3]["file_name"] = name
        (tmp_path / "d/train/metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        code, said = automm("import", "imagefolder", tmp_path / "d", "--to", tmp_path / "o", "--copy-images")
        if name.startswith(".."):
            hear(said, "Write its name relative to that folder")
    assert code == 0


@advises("Name their folder", "automm predict BUNDLE {} or, to learn, name the label in fields.label")
def test_the_folder_of_parquet_files_is_named(tmp_path):
    pictures(tmp_path, *(f"{n}.png" for n in range(20)))
    lines = [{"image": {"bytes": (tmp_path / f"{n}.png").read_bytes()}, "text": words(n)} for n in range(20)]
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "r.parquet")
    (tmp_path / "empty").mkdir()
    hear(automm("import", "embedded", tmp_path / "empty", "--to", tmp_path / "o")[1], "Name their folder")
    code, said = automm("import", "embedded", tmp_path, "--to", tmp_path / "o")
    assert code == 0
    hear(" ".join(said.split()), "automm predict BUNDLE {} or, to learn, name the label in fields.label")
    assert all(isinstance(one, Review) for one in predicted(tmp_path / "o/manifest.yaml", tmp_path / "o/reviews.jsonl"))


@advises("Correct one of them")
def test_a_number_without_a_label_name(tmp_path):
    pictures(tmp_path, *(f"{n}.png" for n in range(20)))
    lines = [{"image": {"bytes": (tmp_path / f"{n}.png").read_bytes()}, "label": n % 2} for n in range(20)]
    for names in (["a"], ["a", "b"]):
        features = {"label": {"_type": "ClassLabel", "names": names}}
        schema = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        pq.write_table(pa.Table.from_pylist(lines).replace_schema_metadata(schema), tmp_path / "r.parquet")
        code, said = automm("import", tmp_path / "r.parquet", "--to", tmp_path / "o")
        if len(names) == 1:
            hear(said, "Correct one of them")
    assert code == 0


def test_new_advice_needs_a_test():
    """Every sentence that says what to do is applied by a test."""
    tested = followed() | test_advice.TESTED
    assert advice().keys() >= tested, "tests of advice that is no longer given"
    untested = sorted(advice().keys() - tested)
    listed = "\n".join(f"{advice()[sentence]}: {sentence}" for sentence in untested)
    assert not untested, f"advice without a test:\n{listed}"
