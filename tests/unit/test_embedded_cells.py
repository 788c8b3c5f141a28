"""Pictures that the cells of records hold themselves."""

import base64
import io
import json
import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from automm.data.images import embedded
from automm.data.images.embedded import EmbeddedFiles, is_embedded
from automm.data.images.of_record import served_pictures
from automm.data.images.pixels.pixel_store import drop_bad_pictures, prepare_pictures
from automm.data.images.resampling import PictureForm
from automm.data.manifest import load_manifest
from automm.data.quality.run import check
from automm.data.records.field_values import cell_pictures
from automm.data.records.reviews import load_dataset
from automm.data.sections import Fields
from automm.errors import CacheError, ConfigError, DataError
from automm.paths import cache_dir


def picture(shade=0, form="PNG"):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(file, form)
    return file.getvalue()


PNG, JPEG = picture(), picture(200, "JPEG")
TEXT = base64.b64encode(PNG).decode()
FIELDS = Fields(images="photo", image_kind="base64")


def write(folder, cells, *, kind="base64", form="jsonl", **more):
    rows = [{"text": f"t {n}", "photo": cell, "label": "ab"[n % 2]} for n, cell in enumerate([*cells, *[None] * 4])]
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), folder / "r.parquet")
    else:
        (folder / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = {"text": "text", "images": "photo", "label": "label"} | ({"image_kind": kind} if kind else {})
    manifest = {"name": "n", "records": f"r.{form}", "fields": fields, **more}
    (folder / "m.yaml").write_text(yaml.safe_dump(manifest))
    return load_manifest(folder / "m.yaml")


FORMS = {
    "base64": TEXT,
    "with line breaks": "\n".join(TEXT[begin : begin + 76] for begin in range(0, len(TEXT), 76)),
    "without padding": TEXT.rstrip("="),
    "for URLs": base64.urlsafe_b64encode(PNG).decode(),
    "data: URI": f"data:image/png;base64,{TEXT}",
    "DATA: URI": f"DATA:image/PNG;charset=x;BASE64,{TEXT}",
    "quoted data: URI": "data:image/png," + "".join(f"%{byte:02X}" for byte in PNG),
    "struct": {"bytes": PNG, "path": "a.png"},
    "struct of text": {"bytes": TEXT, "path": None},
    "struct as text": str({"bytes": PNG, "path": "a.png"}),
    "bytes": PNG,
    "bytes as text": str(PNG),
    "base64 as bytes": TEXT.encode(),
    "base64 as bytes as text": str(TEXT.encode()),
    "list": [TEXT],
    "list of structs": [{"bytes": PNG, "path": "a.png"}],
    "JSON list": json.dumps([TEXT]),
    "Python list": str([f"data:image/png;base64,{TEXT}"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_embedded_picture_is_read(form):
    [one] = cell_pictures({"photo": FORMS[form]}, FIELDS)
    assert (one.name, one.content, one.suffix, one.fault) == ("photo", PNG, ".png", "")
    if form != "base64 as bytes as text":
        assert is_embedded(FORMS[form])


@pytest.mark.parametrize(
    "cell",
    [None, "", " ", float("nan"), "NaN", "None", "NULL", "<na>", [], "[]", [None, ""], {"bytes": None, "path": None}],
)
def test_an_empty_cell_holds_no_picture(cell):
    assert cell_pictures({"photo": cell}, FIELDS) == []


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("cat.jpg", "is not base64: 'cat.jpg'"),
        ("aGVsbG8=", "is not a picture of a known format"),
        (b"hello", "is not a picture of a known format"),
        ({"bytes": None, "path": "a.png"}, "is an object without bytes (bytes, path)"),
        ("{'bytes': nothing", "is neither base64 nor a list of pictures"),
        ("data:image/png;base64", "is a data: URI without data"),
        (7, "is int, not a picture"),
        (b"", "is empty"),
    ],
)
def test_a_broken_cell_has_a_reason(cell, fault):
    [one] = cell_pictures({"photo": cell}, FIELDS)
    assert fault in one.fault
    assert one.content == b""


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_reviews_get_files_named_by_their_content(tmp_path, form):
    cells = [[PNG, JPEG], [PNG], []] if form == "parquet" else [[TEXT, base64.b64encode(JPEG).decode()], [TEXT], []]
    dataset = load_dataset(write(tmp_path, cells, form=form))
    images = [review.images for review in dataset.reviews]
    assert [len(paths) for paths in images] == [2, 1, 0, 0, 0, 0, 0]
    assert images[0][0] == images[1][0]
    assert images[0][0].read_bytes() == PNG
    assert [path.suffix for path in images[0]] == [".png", ".jpg"]
    assert dataset.reviews[0].names == ("photo[1]", "photo[2]")
    assert dataset.reviews[1].name_of(images[1][0]) == "photo"
    assert images == [review.images for review in load_dataset(write(tmp_path, cells, form=form)).reviews]
    assert len(prepare_pictures([*images[0]], [PictureForm(4)], cache_dir()).row) == 2


@pytest.mark.parametrize(
    ("on_bad", "left", "changes"),
    [("drop-image", 7, {"unreadable_picture": 2}), ("drop-review", 6, {"unreadable_picture_review": 1})],
)
def test_a_broken_cell_follows_images_on_bad(tmp_path, on_bad, left, changes):
    cells = [["aGVsbG8=", "cat.jpg", TEXT], [TEXT], None]
    with pytest.raises(DataError, match=r"r\.jsonl:1: picture 'photo\[1\]' is not a picture .*\. Correct the cell, or"):
        load_dataset(write(tmp_path, cells))
    findings = {one.key: one for one in check(tmp_path / "m.yaml").findings}
    assert findings["unreadable_pictures"].count == 2
    dataset = load_dataset(write(tmp_path, cells, images={"on_bad": on_bad}))
    assert len(dataset.reviews) == left
    assert dataset.changes == changes


def test_a_truncated_picture_is_unreadable_like_a_file(tmp_path):
    whole = picture(9, "JPEG")
    cells = [base64.b64encode(whole[: len(whole) - 60]).decode(), TEXT]
    dataset = load_dataset(write(tmp_path, cells, images={"on_bad": "drop-image"}))
    store = prepare_pictures(
        [path for review in dataset.reviews for path in review.images], [PictureForm(4)], cache_dir()
    )
    assert drop_bad_pictures(dataset, store.bad).changes == {"unreadable_picture": 1}


def test_names_under_image_kind_are_one_problem(tmp_path):
    with pytest.raises(DataError) as raised:
        load_dataset(write(tmp_path, ["a.jpg", "b.jpg", "c.jpg"]))
    [problem] = raised.value.problems
    assert (
        "none of the 3 pictures in 'photo' can be read, such as 'photo' (r.jsonl:1), which is not base64: 'a.jpg'"
        in str(problem)
    )


@pytest.mark.parametrize("form", [form for form in FORMS if form != "base64 as bytes as text"])
def test_without_image_kind_an_embedded_picture_is_refused_and_the_fix_leads_on(tmp_path, form):
    cell = FORMS[form]
    if "bytes" in form or "struct" in form:
        cell = FORMS["struct as text"] if form != "bytes as text" else cell
    with pytest.raises(
        DataError, match=r"r\.jsonl:1: column 'photo' holds the pictures themselves .*image_kind: base64"
    ):
        load_dataset(write(tmp_path, [cell], kind=None))
    assert len(load_dataset(write(tmp_path, [cell])).reviews[0].images) == 1


@pytest.mark.parametrize(
    "cell", ["a.jpg", "photos/" + "a" * 80 + ".jpg", "/9j/a.jpg", "R0lGOD", "86e1", "", None, 3, ["a.jpg"]]
)
def test_a_name_is_no_embedded_picture(cell):
    assert not is_embedded(cell)


@pytest.mark.parametrize(
    ("images", "reason"), [("{id}.jpg", "needs names of columns, not '{id}.jpg'"), (None, "in fields.images")]
)
def test_image_kind_needs_columns(tmp_path, images, reason):
    fields = {"text": "text", "image_kind": "base64"} | ({"images": images} if images else {})
    (tmp_path / "m.yaml").write_text(yaml.safe_dump({"name": "n", "records": "r.jsonl", "fields": fields}))
    with pytest.raises(ConfigError, match=reason):
        load_manifest(tmp_path / "m.yaml")


def test_a_damaged_file_is_written_again(tmp_path):
    [one] = cell_pictures({"photo": PNG}, FIELDS)
    path = EmbeddedFiles(tmp_path, 10**9).path_of(one)
    path.write_bytes(b"x")
    assert EmbeddedFiles(tmp_path, 10**9).path_of(one) == path
    assert path.read_bytes() == PNG
    assert [*path.parent.iterdir()] == [path]


def test_the_files_not_used_for_longest_are_removed(tmp_path):
    def of(*shades):
        return [cell_pictures({"photo": picture(shade)}, FIELDS)[0] for shade in shades]

    first = EmbeddedFiles(tmp_path, 10**9)
    old, used, new = (first.path_of(one) for one in of(1, 2, 3))
    long_ago = time.time() - 10 * embedded.USED_AGAIN
    for path, age in ((old, 2), (used, 3), (new, 1)):
        os.utime(path, (long_ago - age, long_ago - age))
    second = EmbeddedFiles(tmp_path, 3 * len(picture(1)) + 10)
    assert second.path_of(of(2)[0]) == used  # marks it as used now
    fourth = second.path_of(of(4)[0])
    second.trim()
    assert [path.exists() for path in (old, used, new, fourth)] == [False, True, True, True]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "embedded").write_text("a file")
    [one] = cell_pictures({"photo": PNG}, FIELDS)
    with pytest.raises(CacheError, match=r"cannot write the pictures of the records to .*AUTOMM_CACHE_DIR"):
        EmbeddedFiles(tmp_path, 10**9).path_of(one)


def test_a_served_model_reads_paths_and_pictures_and_no_missing_value(tmp_path):
    files = EmbeddedFiles(tmp_path, 10**9)
    for empty in (None, float("nan"), [], "NaN", ["null", None, ""], [float("nan")]):
        assert served_pictures(empty, files) == ()
    assert served_pictures("/x/a.png", files) == (Path("/x/a.png"),)
    path, inside = served_pictures(["/x/a.png", TEXT], files)
    assert (path, inside.read_bytes()) == (Path("/x/a.png"), PNG)
    for cell, reason in ((7, "holds '7', expected paths"), ([b"x"], "is not a picture of a known format")):
        with pytest.raises(ValueError, match=reason):
            served_pictures(cell, files)
