"""Records in workbooks, nested cells, JSON by columns and several tables; numbers as people write them."""

import base64
import csv
import json
import sys

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from automm.cli import onboarding
from automm.cli.app import app
from automm.data.manifest import load_manifest, parse_manifest
from automm.data.onboarding.columns.column import Column
from automm.data.onboarding.columns.labels import joined_by, rank_labels
from automm.data.onboarding.draft import ChoiceError
from automm.data.onboarding.import_layout import import_data
from automm.data.onboarding.init import write_first_manifest
from automm.data.onboarding.reading import read_table_of
from automm.data.records.cells.nested import flattened, look_up
from automm.data.records.cells.written_numbers import decimal_mark, written_number
from automm.data.records.opening import read_files
from automm.data.records.reviews import load_dataset
from automm.errors import ConfigError, DataError, NotFoundError


def table(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header, *rows])
    return path


def cells(path):
    return [record.values for record in read_files([path], "utf-8")]


def review(n):
    return f"The thing number {n} was {['good', 'bad', 'plain'][n % 3]} to use"


@pytest.mark.parametrize(
    ("text", "mark", "number"),
    [
        ("$1,250.00", ".", "1250.00"),
        ("1.250,00 €", ",", "1250.00"),
        ("1 250,5", ",", "1250.5"),
        ("USD 12", ".", "12"),
        ("-3,5", ",", "-3.5"),
        ("12,95 €", ",", "12.95"),
        ("1,25", ".", None),
        ("12 bath", ".", None),
        ("B005", ".", None),
        ("", ".", None),
        ("1.2.3", ".", None),
    ],
)
def test_numbers_as_people_write_them(text, mark, number):
    assert written_number(text, mark) == number


def test_the_decimal_mark_is_not_guessed_where_both_fit():
    assert decimal_mark(["$1,250.00", "$3.50"]) == "."
    assert decimal_mark(["1.250", "2.375"]) is None
    assert decimal_mark(["12", "15"]) == "."
    assert decimal_mark([]) is None


def test_a_price_without_its_decimal_mark_is_an_error_with_its_fix(tmp_path):
    table(tmp_path / "r.csv", ["text", "price"], [[review(n), f"${1000 + 7 * n:,}.50"] for n in range(40)])
    fields = {"text": "text", "label": "price"}
    content = {"name": "r", "records": "r.csv", "task": "regression", "fields": fields}
    with pytest.raises(DataError, match=r'decimal: "\."'):
        load_dataset(parse_manifest(content, tmp_path / "m.yaml"))
    content["fields"] = fields | {"label": {"column": "price", "decimal": "."}}  # as the message says
    reviews = load_dataset(parse_manifest(content, tmp_path / "m.yaml")).reviews
    assert [one.value for one in reviews[:2]] == [1000.5, 1007.5]


def test_dotted_paths_name_values_inside_objects():
    values = {"a": {"b": {"c": 1}}, "photos": [{"url": "x"}, {"id": 2}, {"url": "y"}], "d.e": 5, "t": "[{'k': 'v'}]"}
    assert [look_up(values, path) for path in ("a.b.c", "photos.url", "a.x", "t.k")] == [1, ["x", "y"], None, ["v"]]
    flat = flattened(values)
    assert (flat["a.b.c"], flat["photos.url"], flat["d.e"], flat["t.k"]) == (1, ["x", "y"], 5, ["v"])
    assert flattened({"image": {"bytes": b"x"}}) == {"image": {"bytes": b"x"}}


def test_a_workbook(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([None, None])
    sheet.append(["Text", "Stars", None, "Day"])
    for n in range(30):
        sheet.append([review(n), 1 + n % 5, None, None])
    sheet.append([None, None])
    book.create_sheet("Legend").append(["Stars", "1 to 5"])
    book.save(tmp_path / "r.xlsx")
    assert cells(tmp_path / "r.xlsx")[1] == {"Text": review(1), "Stars": 2, "Day": None}
    path, guess = write_first_manifest(tmp_path / "r.xlsx")
    assert "not read: 'Legend'" in guess.reasons["records"]
    assert len(load_dataset(load_manifest(path)).reviews) == 30


def workbook(path, rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


NAMES = ["Text", "Stars", "Kind", "Shop"]
VALUES = [[review(n), 1 + n % 5, "ab"[n % 2], f"shop {n % 7}"] for n in range(30)]


@pytest.mark.parametrize(
    "above",
    [
        [["Reviews of 2024"]],
        [["Reviews of 2024"], [None], ["Source: shop system", None, None], [None]],
        [["Reviews", "as of 3 May"]],
        [["Product", None, None, "Place"]],
        [[None, None, None, "confidential"], ["Note: stars are 1 to 5, see below"]],
    ],
)
def test_titles_and_notes_above_the_header_of_a_workbook_are_skipped_and_said(tmp_path, above):
    file = workbook(tmp_path / "r.xlsx", [*above, NAMES, *VALUES])
    assert cells(file)[1] == dict(zip(NAMES, VALUES[1], strict=True))
    path, guess = write_first_manifest(file)
    first = next(cell for row in above for cell in row if cell)
    assert f"the header is row {len(above) + 1}; not read above it: {first[:40]!r}" in guess.reasons["records"]
    assert "# records: the header is row" in path.read_text()
    assert len(load_dataset(load_manifest(path)).reviews) == 30


def test_a_header_that_is_not_clear_is_one_question(tmp_path):
    texts = [[review(n), "ab"[n % 2], f"shop {n % 7}", f"city {n}"] for n in range(30)]
    file = workbook(tmp_path / "r.xlsx", [["Reviews", "as of 3 May"], NAMES, *texts])
    with pytest.raises(
        DataError, match=r"may be row 1 or row 2: row 1 fills 50% of the columns. Delete the rows above"
    ):
        write_first_manifest(file)
    with pytest.raises(NotFoundError, match=f"no header could be read. To see why: automm init {file}"):
        write_first_manifest(tmp_path)
    file = workbook(tmp_path / "r.xlsx", [NAMES, *texts])  # as the message says
    write_first_manifest(file)


@pytest.mark.parametrize(
    ("header", "first"),
    [
        ([None, "Text", "Stars"], [0, "good", 3]),
        (["Text", "Stars"], ["good", 3, "a note far right"]),
        (["Text", None, "Kind", "Shop"], ["good", 3, "a", "s"]),
    ],
)
def test_a_header_in_the_first_row_stays_the_header(tmp_path, header, first):
    file = workbook(tmp_path / "r.xlsx", [header, *[first] * 3])
    assert [row["Text"] for row in cells(file)] == ["good"] * 3


def test_a_title_in_one_of_several_workbooks_is_said(tmp_path):
    for name, rows in (("train", VALUES), ("test", VALUES[:10])):
        (tmp_path / "d").mkdir(exist_ok=True)
        workbook(tmp_path / "d" / f"{name}.xlsx", [["Reviews of 2024"], NAMES, *rows])
    done = import_data("auto", tmp_path / "d", tmp_path / "out")
    assert "the header is row 2" in done.reasons["records of test.xlsx"]
    assert done.records == 40


def test_a_workbook_without_openpyxl_has_two_ways(tmp_path, monkeypatch):
    openpyxl.Workbook().save(tmp_path / "r.xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DataError, match=r"pip install 'automm\[excel\]'\. Or save the sheet as CSV"):
        cells(tmp_path / "r.xlsx")


@pytest.mark.parametrize(
    "written",
    [{"text": {"4": "a", "7": "b"}, "label": {"4": 1, "7": 2}}, {"text": ["a", "b"], "label": [1, 2]}],
)
def test_json_by_columns(tmp_path, written):
    (tmp_path / "r.json").write_text(json.dumps(written))
    assert cells(tmp_path / "r.json") == [{"text": "a", "label": 1}, {"text": "b", "label": 2}]


def test_other_objects_in_json_are_no_columns(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps({"a1": {"text": "x"}, "a2": {"text": "y"}}))
    with pytest.raises(DataError, match="expected an array"):
        cells(tmp_path / "r.json")


def test_empty_columns_and_rows_at_the_end_of_a_sheet(tmp_path):
    table(tmp_path / "r.csv", ["a", "b", "", ""], [["1", "", "", ""], ["", "", "", ""], ["2", "x", "", ""], [""] * 4])
    read = cells(tmp_path / "r.csv")
    assert [row["a"] for row in read] == ["1", "", "2"]
    assert list(read[0]) == ["a", "b", "", "Unnamed: 3"]


def test_parquet_in_hive_partitions(tmp_path):
    for year in (2023, 2024):
        folder = tmp_path / "sales" / f"year={year}"
        folder.mkdir(parents=True)
        rows = [{"text": review(n), "label": "ab"[n % 2]} for n in range(20)]
        pq.write_table(pa.Table.from_pylist(rows), folder / "part-0.parquet")
    path, guess = write_first_manifest(tmp_path / "sales")
    assert yaml.safe_load(path.read_text())["records"] == "**/*.parquet"
    assert "year" in {role.column for role in guess.roles}
    assert len(load_dataset(load_manifest(path)).reviews) == 40


def shop(folder):
    table(folder / "products.csv", ["product_id", "name", "brand"], [[f"P{n}", f"Lamp {n}", "A"] for n in range(5)])
    rows = [[n, f"P{n % 6}", review(n), 1 + n % 3] for n in range(60)]
    table(folder / "reviews.csv", ["review_id", "product_id", "text", "rating"], rows)
    return folder


def test_two_tables_with_a_key_are_joined(tmp_path):
    folder = shop(tmp_path / "shop")
    with pytest.raises(ConfigError, match=f"reviews.csv, products.csv.*automm import {folder} --to DIR"):
        write_first_manifest(folder)
    done = import_data("auto", folder, tmp_path / "out")
    first = json.loads((tmp_path / "out/reviews.jsonl").read_text().splitlines()[0])
    assert (first["name"], first["brand"]) == ("Lamp 0", "A")
    assert "10 records have no row there" in done.reasons["joined: products.csv"]


def test_a_key_that_repeats_cannot_be_joined(tmp_path):
    table(tmp_path / "s/products.csv", ["product_id", "name", "brand"], [["P1", "Lamp", "A"], ["P1", "Lamp", "B"]])
    rows = [[n, "P1", review(n), 1 + n % 3] for n in range(30)]
    table(tmp_path / "s/reviews.csv", ["review_id", "product_id", "text", "rating"], rows)
    with pytest.raises(DataError, match=r"'product_id' is 'P1' in several rows.*Keep one row for each"):
        import_data("auto", tmp_path / "s", tmp_path / "out")


def test_train_and_test_tables_become_splits(tmp_path):
    for part, count in (("train", 60), ("test", 20)):
        rows = [[f"{part}{n}", review(n), "abc"[n % 3]] for n in range(count)]
        table(tmp_path / f"set/{part}.csv", ["id", "text", "label"], rows)
    (tmp_path / "set/label_map.json").write_text(json.dumps({"a": "first"}))
    done = import_data("auto", tmp_path / "set", tmp_path / "out")
    manifest = load_manifest(done.manifest)
    assert (manifest.splits.column, len(load_dataset(manifest).reviews)) == ("split", 80)
    assert done.reasons["not read: label_map.json"] == "names of values, and no records"


def test_the_target_of_another_table_by_index(tmp_path):
    table(tmp_path / "X_train.csv", ["", "designation"], [[n, review(n)] for n in range(40)])
    table(tmp_path / "Y_train.csv", ["", "prdtypecode"], [[n, [10, 2280][n % 2]] for n in range(40)])
    with pytest.raises(ChoiceError, match=f"Join the tables: automm import {tmp_path} --to DIR"):
        write_first_manifest(tmp_path / "X_train.csv", must_have_label=True)
    done = import_data("auto", tmp_path, tmp_path / "out")  # as the message says
    assert load_manifest(done.manifest).fields.label.column == "prdtypecode"


def test_a_submission_names_the_target(tmp_path):
    rows = [[n, review(n), 1 + n % 2, ["x", "y", "z"][n % 3]] for n in range(60)]
    table(tmp_path / "train.csv", ["id", "text", "rating", "mark"], rows)
    table(tmp_path / "test.csv", ["id", "text"], [row[:2] for row in rows[:9]])
    table(tmp_path / "sample_submission.csv", ["id", "mark"], [[n, "x"] for n in range(9)])
    _, guess = write_first_manifest(tmp_path / "train.csv", must_have_label=True)
    assert guess.content["fields"]["label"] == "mark"
    assert "sample_submission.csv predicts it" in guess.reasons["fields.label"]


def test_a_person_at_a_terminal_is_asked(tmp_path):
    rows = [[f"Some words {n}", n % 2, n % 3] for n in range(60)]
    file = table(tmp_path / "r.csv", ["text", "first_label", "second_label"], rows)
    rows = [[*row, n % 4] for n, row in enumerate(rows)]
    table(file, ["text", "first_label", "second_label", "third_label"], rows)
    asked = []

    def answer(question):
        asked.append(question)
        return "2"

    _, guess = onboarding.write_or_ask(file, None, given={}, ask=answer)
    assert len(asked) == 1
    assert guess.content["fields"]["label"] in ("first_label", "second_label", "third_label")
    (tmp_path / "manifest.yaml").unlink()
    _, guess = onboarding.write_or_ask(file, None, given={}, ask=lambda question: "none")
    assert "label" not in guess.content["fields"]


def test_given_columns_replace_the_guess(tmp_path):
    rows = [[n, f"Some words {n}", f"other words {n}", n % 2, n % 3] for n in range(60)]
    file = table(tmp_path / "r.csv", ["number", "text", "note", "label", "mark"], rows)
    words = ("--label", "mark", "--text", "note", "--id", "number", "--task", "classification")
    done = CliRunner().invoke(app, ["init", str(file), *words], catch_exceptions=False)
    fields = load_manifest(tmp_path / "manifest.yaml").fields
    assert (done.exit_code, fields.label.column, fields.text, fields.id) == (0, "mark", ("note",), "number")
    with pytest.raises(ConfigError, match="no column 'marc'"):
        write_first_manifest(file, tmp_path / "o.yaml", given={"label": "marc"})


def column(name, values):
    return Column(name, len(values), values)


def test_labels_are_ranked_with_their_reasons():
    ranked = rank_labels(
        [
            column("user", [f"u{n % 4}" for n in range(60)]),
            column("brand", [f"b{n % 4}" for n in range(60)]),
            column("sentimiento", [["mal", "bien"][n % 2] for n in range(60)]),
            column("verified", ["true", "false"] * 30),
        ],
        {},
    )
    assert ranked[0].column.name == "sentimiento"
    assert "user" not in [candidate.column.name for candidate in ranked]


def test_joined_labels_need_a_mark_in_several_values():
    assert joined_by(column("genre", ["Drama", "Drama|Romance", "Comedy|Short"] * 9)) == "|"
    assert joined_by(column("size", ["N/A", "S", "M"] * 9)) is None
    assert joined_by(column("price", ["$1,200.00", "$3,400.00"] * 9)) is None


def test_a_sample_cuts_long_cells_and_counts_all_records(tmp_path):
    file = table(tmp_path / "r.csv", ["text", "kind"], [["x" * 9_000, "ab"[n % 2]] for n in range(30)])
    read = read_table_of([file])
    assert (read.records, read.columns["kind"].distinct) == (30, 2)
    assert max(len(cell) for cell in read.columns["text"].cells) < 9_000


def picture_files(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (sum(map(ord, name)) % 255, 0, 0)).save(folder / name)


def test_tables_of_several_folders_keep_their_own_pictures(tmp_path):
    for split in ("train", "val", "test"):
        picture_files(tmp_path / "data" / split, [f"images/{n:03}.jpg" for n in range(12)])
        rows = [f"images/{n:03}.jpg,a long enough text number {n} of {split},{'ab'[n % 2]}" for n in range(12)]
        (tmp_path / "data" / split / "data.csv").write_text("image,text,label\n" + "\n".join(rows) + "\n")
    done = import_data("auto", tmp_path / "data", tmp_path / "out")
    reviews = load_dataset(load_manifest(done.manifest)).reviews
    assert len(reviews) == 36
    folder_of = {"validation": "val"}
    assert all(folder_of.get(one.split, one.split) in one.images[0].parts for one in reviews)


@pytest.mark.parametrize("prefix", ["IMG_", "my%20photo_", "https%3A%2F%2Fcdn%2F"])
def test_pictures_by_id_with_a_prefix_are_found_or_named(tmp_path, prefix):
    picture_files(tmp_path, [f"pics/{prefix}{1000 + n}.jpg" for n in range(20)])
    rows = [f"{1000 + n},a long enough text number {n},{'ab'[n % 2]}" for n in range(20)]
    (tmp_path / "r.csv").write_text("code,text,label\n" + "\n".join(rows) + "\n")
    manifest, guess = write_first_manifest(tmp_path / "r.csv")
    found = sum(bool(one.images) for one in load_dataset(load_manifest(manifest)).reviews)
    assert found == 20 or "unused pictures" in guess.reasons
    assert found == 20 or prefix != "IMG_"


def test_a_pattern_without_any_picture_is_an_error(tmp_path):
    picture_files(tmp_path, ["pics/other.jpg"])
    rows = [f"AB{n},a long enough text number {n},{'ab'[n % 2]}" for n in range(20)]
    (tmp_path / "r.csv").write_text("code,text,label\n" + "\n".join(rows) + "\n")
    manifest = tmp_path / "m.yaml"
    fields = "{id: code, text: text, label: label, images: '{code}_*.jpg'}"
    manifest.write_text(f"name: x\nrecords: r.csv\nimage_root: pics\nfields: {fields}\n")
    with pytest.raises(DataError, match="none of 20 records has a picture"):
        load_dataset(load_manifest(manifest))


def test_a_joined_table_overwrites_no_column_and_an_empty_key_joins_nothing(tmp_path):
    (tmp_path / "reviews.csv").write_text(
        "product_id,text,rating\n"
        + "".join(f"{n % 6},a long enough text {n},{n % 2 + 1}\n" for n in range(30))
        + ",no product,1\n"
    )
    (tmp_path / "products.csv").write_text(
        "product_id,name,text\n" + "".join(f"{n},thing {n},about {n}\n" for n in range(6)) + ",a total,all\n"
    )
    done = import_data("auto", tmp_path, tmp_path.parent / f"{tmp_path.name}-out")
    rows = [json.loads(line) for line in (done.manifest.parent / "reviews.jsonl").read_text().splitlines()]
    assert rows[0]["text"] == "a long enough text 0"
    assert rows[0]["products_text"] == "about 0"
    assert "name" not in rows[-1]


def test_an_optional_key_does_not_set_a_split_aside(tmp_path):
    for split, count in (("train", 30), ("val", 8), ("test", 8)):
        rows = [
            {"uid": f"{split}{n}", "caption": f"a long enough text {n}", "verdict": "ab"[n % 2]} for n in range(count)
        ]
        if split == "train":
            rows[0]["note"] = "optional"
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = import_data("auto", tmp_path / "d", tmp_path / "out")
    splits = [one.split for one in load_dataset(load_manifest(done.manifest)).reviews]
    assert {name: splits.count(name) for name in set(splits)} == {"train": 30, "validation": 8, "test": 8}


def test_a_labelled_test_table_beside_an_unnamed_one_stays_the_test_split(tmp_path):
    for name, count in (("reviews", 30), ("reviews_test", 10)):
        table(
            tmp_path / "d" / f"{name}.csv",
            ["id", "text", "label"],
            [[f"{name}{n}", f"a long enough text {n}", "ab"[n % 2]] for n in range(count)],
        )
    done = import_data("auto", tmp_path / "d", tmp_path / "out")
    splits = [one.split for one in load_dataset(load_manifest(done.manifest)).reviews]
    assert splits.count("test") == 10
    assert splits.count("train") == 30


def test_seventy_shards_are_all_read(tmp_path):
    for n in range(70):
        table(
            tmp_path / "d" / f"train-{n:02}.csv",
            ["id", "text", "label"],
            [[f"{n}-{k}", f"a long enough text {n} {k}", "ab"[k % 2]] for k in range(3)],
        )
    done = import_data("auto", tmp_path / "d", tmp_path / "out")
    assert done.records == 210


def split_folders(folder):
    """Three tables, each beside its own pictures."""
    for split in ("train", "val", "test"):
        picture_files(folder / split, [f"images/{n:03}.jpg" for n in range(12)])
        rows = [[f"images/{n:03}.jpg", f"a long enough text number {n} of {split}", "ab"[n % 2]] for n in range(12)]
        table(folder / split / "data.csv", ["image", "text", "label"], rows)
    return folder


def test_the_pictures_of_tables_are_copied(tmp_path):
    done = import_data("auto", split_folders(tmp_path / "data"), tmp_path / "out", copy_images=True)
    reviews = load_dataset(load_manifest(done.manifest)).reviews
    assert done.pictures == 36
    assert len({path for one in reviews for path in one.images}) == 36
    assert all(path.is_relative_to(tmp_path / "out" / "images") for one in reviews for path in one.images)


def by_pattern(n):
    return [f"pics/P{n}-1.jpg", f"pics/P{n}-2.jpg"]


def by_other_name(n):
    return [f"deep/er/P{n}.JPG"]


@pytest.mark.parametrize(("files", "named"), [(by_pattern, None), (by_other_name, "C:\\Users\\me\\P{}.jpg")])
def test_pictures_that_are_found_by_pattern_or_another_name_are_copied(tmp_path, files, named):
    picture_files(tmp_path / "data", [name for n in range(20) for name in files(n)])
    columns = ["code", "text", "label"] + ["image"] * (named is not None)
    rows = [
        [f"P{n}", review(n), "ab"[n % 2]] + [named.format(n)] * 1 if named else [f"P{n}", review(n), "ab"[n % 2]]
        for n in range(20)
    ]
    table(tmp_path / "data" / "train.csv", columns, rows[:15])
    table(tmp_path / "data" / "test.csv", columns, rows[15:])
    done = import_data("auto", tmp_path / "data", tmp_path / "out", copy_images=True)
    (tmp_path / "data").rename(tmp_path / "gone")
    reviews = load_dataset(load_manifest(done.manifest)).reviews
    assert [len(one.images) for one in reviews] == [len(files(0))] * 20


def test_a_picture_that_only_the_copies_would_find_is_refused(tmp_path):
    picture_files(tmp_path / "data", [f"a/{n}.jpg" for n in range(20)] + ["b/3.jpg"])
    rows = [[f"a/{n}.jpg" if n else "3.jpg", review(n), "ab"[n % 2]] for n in range(20)]
    table(tmp_path / "data" / "train.csv", ["image", "text", "label"], rows[:15])
    table(tmp_path / "data" / "test.csv", ["image", "text", "label"], rows[15:])
    with pytest.raises(DataError, match=r"'3\.jpg' is missing or ambiguous.*'a/3\.jpg'.*without --copy-images"):
        import_data("auto", tmp_path / "data", tmp_path / "out", copy_images=True)
    import_data("auto", tmp_path / "data", tmp_path / "out")  # as the message says


@pytest.mark.parametrize("kind", ["tables", "cells"])
def test_options_of_a_format_are_refused_where_there_is_no_format(tmp_path, kind):
    source = split_folders(tmp_path / "data")
    if kind == "cells":
        content = base64.b64encode((source / "train/images/001.jpg").read_bytes()).decode()
        source = table(
            tmp_path / "r.csv", ["image", "text", "label"], [[content, review(n), "ab"[n % 2]] for n in range(20)]
        )
    with pytest.raises(ConfigError, match=r"has no options, got unit\. Remove --option"):
        import_data("auto", source, tmp_path / "out", options={"unit": "business"})
    import_data("auto", source, tmp_path / "out")  # as the message says


@pytest.mark.parametrize("layout", [None, "imagefolder"])
def test_import_prints_the_role_of_every_column(tmp_path, layout):
    source = split_folders(tmp_path / "data")
    if layout is not None:
        picture_files(source := tmp_path / "folder", [f"{n}.png" for n in range(8)])
        lines = [{"file_name": f"{n}.png", "caption": review(n), "label": "ab"[n % 2], "extra": n} for n in range(8)]
        (source / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ["import", *([layout] if layout else []), str(source), "--to", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    header = next(line for line in done.stderr.splitlines() if line.startswith("column"))
    assert header.split() == ["column", "role", "why", "examples"]
    assert ("extra" in done.stderr) == (layout is not None)
    assert any(line.split()[:2] == ["label", "label"] for line in done.stderr.splitlines())


def labelled_rows(count):
    return [
        {"id": f"r{n}", "text": review(n), "note": f"a note of some words {n}", "label": "abc"[n % 3], "offer": n % 2}
        for n in range(count)
    ]


def split_tables(folder, lacks, name="test"):
    """train.csv with all columns, and another table without some."""
    for split, left_out in (("train", ()), (name, lacks)):
        rows = [{key: cell for key, cell in row.items() if key not in left_out} for row in labelled_rows(60)]
        rows = [row | {"id": f"{split}-{row['id']}"} for row in rows]
        table(folder / f"{split}.csv", list(rows[0]), [list(row.values()) for row in rows])
    return folder


@pytest.mark.parametrize("lacks", [("note",), ("offer",), ("note", "offer")])
def test_a_test_table_that_only_lacks_optional_columns_is_the_test_split(tmp_path, lacks):
    folder = split_tables(tmp_path / "d", lacks)
    _, guess = write_first_manifest(folder / "train.csv", must_have_label=True)
    assert guess.content["fields"]["label"] == "label"
    assert f"To read both: automm import {folder} --to DIR" in guess.reasons["not read: test.csv"]
    done = import_data("auto", folder, tmp_path / "out")  # as the message says
    reviews = load_dataset(load_manifest(done.manifest)).reviews
    assert [one.split for one in reviews].count("test") == 60


@pytest.mark.parametrize("name", ["test", "val", "new_test"])
@pytest.mark.parametrize("lacks", [("label",), ("label", "note"), ("label", "note", "offer")])
def test_a_table_without_the_label_is_set_aside_whatever_else_it_lacks(tmp_path, name, lacks):
    folder = split_tables(tmp_path / "d", lacks, name)
    _, guess = write_first_manifest(folder / "train.csv", must_have_label=True)
    assert guess.content["fields"]["label"] == "label"
    told = guess.reasons[f"not read: {name}.csv"]
    assert told.endswith(f"after a search: automm predict BUNDLE {folder / name}.csv")
    assert ("Add a column" in told and "'note'" in told) == ("note" in lacks)
    (folder / "manifest.yaml").unlink()
    _, again = write_first_manifest(folder, must_have_label=True)
    assert again.reasons[f"not read: {name}.csv"] == told


def test_the_label_of_another_table_is_named_by_its_role(tmp_path):
    folder = split_tables(tmp_path / "d", ("label", "note"))
    with pytest.raises(ChoiceError, match=r"train.csv has the same columns and also 'label'"):
        write_first_manifest(folder / "test.csv", must_have_label=True)
