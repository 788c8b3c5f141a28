"""Parquet files that hold the pictures themselves."""

import datetime
import errno
import io
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from automm.data.manifest import load_manifest, parse_manifest
from automm.data.onboarding.import_layout import import_data
from automm.data.onboarding.init import write_first_manifest
from automm.data.onboarding.unpack import Unpacking, holds_pictures
from automm.data.quality.run import check
from automm.data.records.reviews import load_dataset
from automm.errors import ConfigError, DataError, NotFoundError

NAMES = ["bad", "fair", "good"]


def picture(number, form="PNG"):
    held = io.BytesIO()
    Image.new("RGB", (8, 6), (number, 2 * number, 9)).save(held, form)
    return held.getvalue()


def rows_of(count, begin=0):
    return [
        {"image": {"bytes": picture(n), "path": f"{n}.png"}, "caption": f"a text of five words {n}", "label": n % 3}
        for n in range(begin, begin + count)
    ]


def put(file, rows, features=None, **more):
    table = pa.Table.from_pylist(rows, **more)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file)


def records_of(folder):
    return [json.loads(line) for line in (folder / "reviews.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_data_set_of_the_hub(tmp_path):
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": NAMES}}
    put(tmp_path / "hub/data/train-00000-of-00002.parquet", rows_of(12), features)
    put(tmp_path / "hub/data/train-00001-of-00002-0a1b2c.parquet", rows_of(12, 12), features)
    put(tmp_path / "hub/data/validation-00000-of-00001.parquet", rows_of(6, 24), features)
    put(tmp_path / "hub/data/test-00000-of-00001.parquet", [*rows_of(6, 30), rows_of(1, 30)[0]], features)
    (tmp_path / "hub/README.md").write_text("# About the data set")
    done = import_data("auto", tmp_path / "hub", tmp_path / "out")
    assert (done.records, done.pictures, done.changes) == (37, 36, {})
    dataset = load_dataset(load_manifest(done.manifest))
    assert dataset.labels == ("bad", "fair", "good")
    assert [review.split for review in dataset.reviews] == ["test"] * 7 + ["train"] * 24 + ["validation"] * 6
    for review in dataset.reviews:
        number = int(review.text.split()[-1])
        assert review.images[0].read_bytes() == picture(number)
        assert review.label == NAMES[number % 3]
    assert dataset.reviews[0].images == dataset.reviews[6].images  # the same bytes are one file


def test_portraits_of_authors_are_not_pictures_of_a_review(tmp_path):
    rows = [row | {"user_image": {"bytes": picture(90 + n), "path": None}} for n, row in enumerate(rows_of(12))]
    put(tmp_path / "hub/train.parquet", rows)
    done = import_data("embedded", tmp_path / "hub", tmp_path / "out")
    manifest = load_manifest(done.manifest)
    assert manifest.fields.images == ("image",)
    assert manifest.fields.text == ("caption",)
    assert "a person" in done.reasons["column 'user_image'"]
    put(
        tmp_path / "alone/train.parquet", [{"user_image": row["user_image"], "caption": row["caption"]} for row in rows]
    )
    alone = import_data("embedded", tmp_path / "alone", tmp_path / "alone_out")
    assert load_manifest(alone.manifest).fields.images == ("user_image",)


def test_bytes_alone_lists_and_several_columns(tmp_path):
    rows = [
        {
            "photo": picture(n, "JPEG"),
            "more": [{"bytes": picture(50 + n, "WEBP"), "path": None}, {"bytes": None, "path": "away.png"}],
            "sound": b"no picture",
            "text": f"a text {n}",
            "stars": Decimal(n % 2),
            "on": datetime.date(2020, 1, 1 + n),
        }
        for n in range(4)
    ]
    rows.append(rows[0] | {"photo": None, "more": [], "sound": None})
    put(tmp_path / "reviews.parquet", rows)
    done = import_data("embedded", tmp_path / "reviews.parquet", tmp_path / "out", fields={"label": "stars"})
    assert done.changes == {
        "picture_outside": 4,
        "not_a_picture": 4,
    }
    reviews = load_dataset(load_manifest(done.manifest)).reviews
    assert [[path.suffix for path in review.images] for review in reviews] == [[".jpg", ".webp"]] * 4 + [[]]
    assert reviews[2].images[1].read_bytes() == picture(52, "WEBP")
    assert records_of(tmp_path / "out")[3]["on"] == "2020-01-04"
    assert [review.label for review in reviews] == ["0", "1", "0", "1", "0"]


def test_an_empty_cell_is_no_missing_picture(tmp_path):
    put(tmp_path / "a.parquet", [*rows_of(4), rows_of(1, 4)[0] | {"image": None}])
    assert import_data("auto", tmp_path / "a.parquet", tmp_path / "out").changes == {}


def test_splits_without_a_validation_split_can_be_used(tmp_path):
    put(tmp_path / "hub/Train-00000-of-00001.PARQUET", rows_of(12))
    put(tmp_path / "hub/test-00000-of-00001.parquet", rows_of(6, 30))
    written = import_data("auto", tmp_path / "hub", tmp_path / "out").manifest.read_text()
    assert "validation: 0.15" in written
    put(tmp_path / "one/train-00000-of-00001.parquet", rows_of(12))
    assert "validation" not in import_data("auto", tmp_path / "one", tmp_path / "other").manifest.read_text()


def test_no_record_is_an_error(tmp_path):
    schema = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("text", pa.string())])
    put(tmp_path / "a.parquet", [], {"image": {"_type": "Image"}}, schema=schema)
    with pytest.raises(DataError, match="no reviews found in format embedded"):
        import_data("auto", tmp_path / "a.parquet", tmp_path / "out")


def test_minus_one_means_no_label_and_lists_have_names(tmp_path):
    rows = [{"image": picture(n), "label": n - 1, "tags": [0, 2]} for n in range(4)]
    features = {
        "label": {"_type": "ClassLabel", "names": NAMES},
        "tags": {"_type": "Sequence", "feature": {"_type": "ClassLabel", "names": NAMES}},
    }
    put(tmp_path / "a.parquet", rows, features)
    import_data("auto", tmp_path / "a.parquet", tmp_path / "out")
    assert [record["label"] for record in records_of(tmp_path / "out")] == [None, "bad", "fair", "good"]
    assert records_of(tmp_path / "out")[0]["tags"] == ["bad", "good"]


def test_names_that_are_spelt_alike_overwrite_nothing(tmp_path):
    put(tmp_path / "in/a b.parquet", rows_of(2))
    put(tmp_path / "in/a_b.parquet", rows_of(2, 2))
    put(tmp_path / "in/a/b.parquet", rows_of(2, 4))
    done = import_data("auto", tmp_path / "in", tmp_path / "out")
    held = {review.images[0].read_bytes() for review in load_dataset(load_manifest(done.manifest)).reviews}
    assert held == {picture(number) for number in range(6)}


def test_a_malformed_picture_is_written_as_it_is_and_reported_by_check(tmp_path):
    rows = rows_of(4)
    rows[0]["image"]["bytes"] = b"broken"
    put(tmp_path / "a.parquet", rows, {"image": {"_type": "Image"}})
    import_data("auto", tmp_path / "a.parquet", tmp_path / "out")
    assert (tmp_path / "out/images" / records_of(tmp_path / "out")[0]["image"]).read_bytes() == b"broken"


def test_nothing_leads_out_of_the_folder(tmp_path):
    put(tmp_path / "away/secret.parquet", rows_of(2))
    put(tmp_path / "in/a.parquet", rows_of(3, 3))
    (tmp_path / "in/link.parquet").symlink_to(tmp_path / "away/secret.parquet")
    assert import_data("auto", tmp_path / "in", tmp_path / "out").records == 3


def test_a_truncated_file_leaves_nothing(tmp_path):
    put(tmp_path / "in/a.parquet", rows_of(3))
    put(tmp_path / "in/b.parquet", rows_of(3))
    whole = (tmp_path / "in/b.parquet").read_bytes()
    (tmp_path / "in/b.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        DataError, match=r"b\.parquet: not readable as Parquet after row 0: .* Download or write the file again"
    ):
        import_data("embedded", tmp_path / "in", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_file_that_the_machine_cannot_open_need_not_be_fetched_again(tmp_path, monkeypatch):
    put(tmp_path / "in/a.parquet", rows_of(3))

    def refused(file, **more):
        raise OSError(errno.EMFILE, "Too many open files", str(file))

    monkeypatch.setattr(pq, "ParquetFile", refused)
    with pytest.raises(DataError, match=r"a\.parquet could not be read: Too many open files\. Raise the limit"):
        Unpacking(tmp_path / "in", tmp_path / "pictures").write(io.StringIO())


def test_other_commands_say_how_to_import_the_file(tmp_path):
    file = tmp_path / "a.parquet"
    put(file, rows_of(3))
    with pytest.raises(ConfigError, match=rf"holds the pictures themselves.*automm import {file} --to DIR"):
        write_first_manifest(file)
    fields = {"text": "caption", "images": "image", "label": "label"}
    content = {"name": "a", "records": "a.parquet", "fields": fields}
    with pytest.raises(DataError, match=r"holds the pictures themselves.*automm import embedded FILE --to DIR"):
        load_dataset(parse_manifest(content, tmp_path / "manifest.yaml"))
    with pytest.raises(ConfigError, match="embedded is for import only"):
        parse_manifest({**content, "format": "embedded"}, tmp_path / "manifest.yaml")
    with pytest.raises(ConfigError, match="has no options, got size"):
        import_data("embedded", file, tmp_path / "out", options={"size": 3})


def test_other_files_hold_no_pictures(tmp_path):
    put(tmp_path / "plain.parquet", [{"text": "a"}])
    put(tmp_path / "bytes.parquet", [{"text": "a", "hash": b"\x00\x01"}])
    put(tmp_path / "none.parquet", [{"image": None}], schema=pa.schema([("image", pa.binary())]))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    assert not holds_pictures(tmp_path)
    assert not holds_pictures(tmp_path / "absent")
    assert not any(map(holds_pictures, tmp_path.iterdir()))
    with pytest.raises(NotFoundError, match="no known format"):
        import_data("auto", tmp_path / "plain.parquet", tmp_path / "out")
    with pytest.raises(DataError, match=r"no \.parquet file with a column of pictures found"):
        import_data("embedded", tmp_path / "plain.parquet", tmp_path / "out")


def test_a_shard_that_begins_with_a_malformed_picture_keeps_the_others(tmp_path):
    rows = rows_of(4, 4)
    rows[0]["image"]["bytes"] = b"broken"
    put(tmp_path / "in/a.parquet", rows_of(4))
    put(tmp_path / "in/b.parquet", rows)
    done = import_data("auto", tmp_path / "in", tmp_path / "out")
    assert (done.records, done.pictures, done.changes) == (8, 8, {})


def test_a_label_without_a_name_is_an_error(tmp_path):
    features = {"label": {"_type": "ClassLabel", "names": NAMES}}
    put(tmp_path / "a.parquet", [*rows_of(1), rows_of(1)[0] | {"label": 7}], features)
    with pytest.raises(DataError, match=r"a\.parquet: row 2: 'label' is 7, but the schema names 3 labels"):
        import_data("auto", tmp_path / "a.parquet", tmp_path / "out")


def test_maps_of_bytes_are_left_out_and_decimals_keep_their_digits(tmp_path):
    table = pa.table(
        {
            "image": [picture(1), picture(2)],
            "held": pa.array([[("k", b"x")], []], pa.map_(pa.string(), pa.binary())),
            "exact": [Decimal("12345678901234567.89"), Decimal("0.25")],
            "text": ["a text", "another text"],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    done = import_data("auto", tmp_path / "a.parquet", tmp_path / "out")
    assert done.changes == {"not_a_picture": 1}
    assert [record["exact"] for record in records_of(tmp_path / "out")] == ["12345678901234567.89", 0.25]


def test_two_columns_of_one_name_are_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array([picture(1)]), pa.array(["a"]), pa.array(["b"])], ["image", "text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: duplicate column names: 'text'"):
        import_data("auto", tmp_path / "a.parquet", tmp_path / "out")


def test_a_snapshot_with_its_card_is_the_data_and_not_the_card(tmp_path):
    put(tmp_path / "hub/data/train-00000-of-00001.parquet", rows_of(6))
    (tmp_path / "hub/README.md").write_text("# A data set\n\n![picture](card.png)\n")
    assert import_data("auto", tmp_path / "hub", tmp_path / "out").records == 6


def test_a_test_split_without_labels_is_dropped_and_reported(tmp_path):
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": NAMES}}
    put(tmp_path / "hub/data/train-00000-of-00001.parquet", rows_of(30), features)
    put(tmp_path / "hub/data/test-00000-of-00001.parquet", [row | {"label": -1} for row in rows_of(6, 30)], features)
    done = import_data("auto", tmp_path / "hub", tmp_path / "out")
    assert done.reasons["labels"] == "6 records without a label are dropped"
    report = check(done.manifest)
    assert report.reviews == 30
    assert report.ok
