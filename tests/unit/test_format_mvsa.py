from pathlib import Path

import pytest

from automm.data.layouts.mvsa import combine, majority
from automm.data.manifest import parse_manifest
from automm.data.records.reviews import load_dataset
from automm.errors import DataError, NotFoundError

TRAIN = "guid,tag\r\n1,positive\r\n2,negative\r\n3,positive\r\n4,negative\r\n"


def layout(tmp_path: Path, lists: dict[str, str], encoding: str = "gb18030"):
    data = tmp_path / "MVSA_Single" / "data"
    data.mkdir(parents=True)
    for number in range(1, 7):
        (data / f"{number}.txt").write_bytes(f"caf\u00e9 {number}\n".encode(encoding))
        (data / f"{number}.jpg").write_bytes(b"jpg")
    for name, content in lists.items():
        (tmp_path / "MVSA_Single" / name).write_bytes(content.encode())
    content = {"name": "m", "format": "mvsa", "path": "MVSA_Single"}
    return parse_manifest(content, tmp_path / "manifest.yaml")


def test_the_version_with_two_lists(tmp_path):
    manifest = layout(tmp_path, {"train.txt": TRAIN, "test_without_label.txt": "guid,tag\n5,null\n"})
    dataset = load_dataset(manifest)
    first = dataset.reviews[0]
    assert (first.id, first.text, first.label, first.where) == ("1", "caf\u00e9 1", "positive", "train.txt:2")
    assert first.images == (tmp_path / "MVSA_Single" / "data" / "1.jpg",)
    assert dataset.labels == ("negative", "positive")
    assert dataset.encoding == "gb18030"
    assert dataset.changes == {
        "no_label": 1,
        "not_listed": 1,
        "other_encoding": 5,
    }


def test_prediction_reads_the_unlabelled_too(tmp_path):
    manifest = layout(tmp_path, {"train.txt": TRAIN, "test_without_label.txt": "guid,tag\n5,null\n"})
    assert len(load_dataset(manifest, labelled=False).reviews) == 5


def test_the_original_list_and_its_rule(tmp_path):
    rows = [
        "positive,neutral",
        "neutral,negative",
        "positive,positive",
        "negative,negative",
        "positive,negative",
    ]
    listed = "ID\ttext,image\n" + "".join(f"{n}\t{row}\n" for n, row in enumerate(rows, 1))
    dataset = load_dataset(layout(tmp_path, {"labelResultAll.txt": listed}))
    assert [review.label for review in dataset.reviews] == ["positive", "negative", "positive", "negative"]
    assert dataset.changes["opposite_labels"] == 1


@pytest.mark.parametrize(
    ("text", "image", "label"),
    [
        ("neutral", "neutral", "neutral"),
        ("neutral", "positive", "positive"),
        ("negative", "neutral", "negative"),
        ("negative", "positive", None),
    ],
)
def test_labels_of_text_and_image_are_combined(text, image, label):
    assert combine(text, image) == label


def test_three_annotators_vote_on_text_and_picture_first(tmp_path):
    rows = [
        ["positive,neutral", "positive,neutral", "negative,positive"],
        ["negative,negative", "negative,negative", "positive,positive"],
        ["positive,positive", "positive,neutral", "neutral,positive"],
        ["negative,neutral", "neutral,negative", "negative,negative"],
        ["positive,neutral", "neutral,neutral", "negative,neutral"],
        ["positive,negative", "positive,negative", "positive,positive"],
    ]
    listed = "ID\ttext,image\ttext,image\ttext,image\n"
    listed += "".join("\t".join([str(n), *row]) + "\n" for n, row in enumerate(rows, 1))
    dataset = load_dataset(layout(tmp_path, {"labelResultAll.txt": listed}))
    assert [review.label for review in dataset.reviews] == ["positive", "negative", "positive", "negative"]
    assert dataset.changes["no_majority"] == 1
    assert dataset.changes["opposite_labels"] == 1


def test_a_majority_is_more_than_half():
    assert majority(["a", "b", "a"]) == "a"
    assert majority(["a", "b"]) is None


def test_malformed_lists_are_reported(tmp_path):
    manifest = layout(tmp_path, {"train.txt": TRAIN + "5,glad\n../6,positive\n7,positive\n"})
    with pytest.raises(DataError) as caught:
        load_dataset(manifest)
    shown = "\n".join(caught.value.lines)
    assert "train.txt:6: unknown label 'glad'" in shown
    assert "train.txt:7: expected an id and its label" in shown
    assert "train.txt:8: 'data/7.txt': not found" in shown


def test_texts_in_another_encoding_are_reported(tmp_path):
    manifest = layout(tmp_path, {"train.txt": TRAIN}).model_copy(update={"encoding": "ascii"})
    with pytest.raises(DataError, match=r"data/1\.txt' is not ascii"):
        load_dataset(manifest)


def test_a_utf_8_version_is_read_as_utf_8_and_counted(tmp_path):
    dataset = load_dataset(layout(tmp_path, {"train.txt": TRAIN}, "utf-8"))
    assert [review.text for review in dataset.reviews] == [f"caf\u00e9 {number}" for number in range(1, 5)]
    assert dataset.changes == {"utf8_copy": 4, "not_listed": 2}


def test_one_valid_utf_8_text_does_not_decide(tmp_path):
    manifest = layout(tmp_path, {"train.txt": TRAIN})
    (tmp_path / "MVSA_Single" / "data" / "1.txt").write_bytes("\u7b11".encode("gb18030"))  # also valid UTF-8
    assert load_dataset(manifest).reviews[0].text == "\u7b11"


def test_one_broken_text_of_a_utf_8_version_is_reported(tmp_path):
    manifest = layout(tmp_path, {"train.txt": TRAIN}, "utf-8")
    (tmp_path / "MVSA_Single" / "data" / "2.txt").write_bytes("caf\u00e9".encode("cp1252"))
    with pytest.raises(DataError, match=r"train.txt:3: 'data/2\.txt' is not utf-8"):
        load_dataset(manifest)
    assert load_dataset(manifest.model_copy(update={"encoding": "cp1252"})).reviews[1].text == "caf\u00e9"


def test_the_encoding_ignores_unreadable_and_outside_files(tmp_path):
    manifest = layout(tmp_path, {"train.txt": TRAIN})
    data = tmp_path / "MVSA_Single" / "data"
    (tmp_path / "secret").write_text("caf\u00e9")
    for number in range(7, 20):
        (data / f"{number}.txt").symlink_to(tmp_path / "secret")
    (data / "20.txt").mkdir()
    assert load_dataset(manifest).reviews[0].text == "caf\u00e9 1"


def test_missing_parts_are_not_found(tmp_path):
    manifest = layout(tmp_path, {})
    with pytest.raises(NotFoundError, match=r"which needs data/<id>.txt .*labelResultAll.txt or train.txt"):
        load_dataset(manifest)
    with pytest.raises(NotFoundError, match="no such file or folder"):
        load_dataset(manifest.model_copy(update={"path": "elsewhere"}))
