"""Labels that few reviews have: `labels: {min_count, rare}`."""

import json

import pytest

from automm.data.change_kinds import Change
from automm.data.manifest import parse_manifest
from automm.data.records.reviews import load_dataset
from automm.errors import ConfigError, DataError

MANY = ["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d"]


def load(folder, cells, label="label", task="classification", **labels):
    rows = [{"id": n, "text": f"text {n}", "label": cell} for n, cell in enumerate(cells)]
    (folder / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    fields = {"id": "id", "text": "text", "label": label}
    content = {"name": "x", "records": "r.jsonl", "fields": fields, "labels": labels, "task": task}
    return load_dataset(parse_manifest(content, folder / "manifest.yaml"))


def test_rare_labels_are_dropped_and_counted(tmp_path):
    dataset = load(tmp_path, MANY, min_count=4, rare="drop")
    assert dataset.labels == ("a", "b")
    assert dataset.changes == {Change.RARE_LABEL: 4}
    assert len(dataset.reviews) == 9


def test_rare_labels_become_other(tmp_path):
    dataset = load(tmp_path, MANY, min_count=4, rare="other")
    assert dataset.labels == ("a", "b", "other")
    assert dataset.changes == {Change.OTHER_LABEL: 4}
    assert [review.label for review in dataset.reviews[-4:]] == ["other"] * 4


def test_nothing_changes_without_a_rare_label(tmp_path):
    dataset = load(tmp_path, MANY[:-1], min_count=3, rare="other")
    assert (dataset.labels, dataset.changes) == (("a", "b", "c"), {})


def test_labels_are_counted_after_the_map_and_keep_its_order(tmp_path):
    cells = [*MANY, "other things"]
    mapped = {"z": ["a"], "y": ["c", "d"], "x": ["b"], "w": ["other things"]}
    assert load(tmp_path, cells, map=mapped, min_count=2, rare="drop").labels == ("z", "y", "x")
    assert load(tmp_path, [*cells, "d"], map=mapped | {"w": ["other things"]}, min_count=5, rare="other").labels == (
        "z",
        "y",
        "other",
    )


def test_a_review_keeps_its_frequent_labels(tmp_path):
    cells = [["a", "rare"], ["a", "b"], ["b", "a"], ["a"], ["lonely"], ["b"]]
    dataset = load(tmp_path, cells, min_count=2, rare="drop")
    assert dataset.labels == ("a", "b")
    assert dataset.changes == {Change.RARE_LABEL_OF_SEVERAL: 1, Change.RARE_LABEL: 1}
    assert dataset.reviews[0].labels == ("a",)
    merged = load(tmp_path, [["u", "v", "a"], ["a", "b"], ["b"], ["w"]], min_count=2, rare="other")
    assert merged.reviews[0].labels == ("other", "a")


def test_other_is_refused_where_a_label_is_called_so(tmp_path):
    with pytest.raises(DataError, match=r"r.jsonl:14: labels.rare: other, but a label is called 'other' already"):
        load(tmp_path, [*MANY, "other"], min_count=2, rare="other")
    with pytest.raises(DataError, match=r"manifest.yaml: labels.rare: other"):
        load(tmp_path, ["a", "b"] * 3, map={"a": ["a"], "b": ["b"], "other": ["z"]}, min_count=2, rare="other")
    assert load(tmp_path, [*MANY, "other"], min_count=2, rare="drop").labels == ("a", "b", "c")


@pytest.mark.parametrize("labels", [{"min_count": 5}, {"rare": "drop"}, {"min_count": 1, "rare": "drop"}])
def test_the_rule_is_complete(tmp_path, labels):
    with pytest.raises(ConfigError, match="min_count"):
        load(tmp_path, MANY, **labels)


def test_a_regression_has_no_rare_labels(tmp_path):
    with pytest.raises(ConfigError, match="has no labels"):
        load(tmp_path, [1, 2, 3], task="regression", min_count=2, rare="drop")


def test_one_frequent_label_is_not_enough(tmp_path):
    with pytest.raises(DataError, match="one distinct label in the data"):
        load(tmp_path, MANY, min_count=5, rare="drop")


def test_the_advice_for_many_rare_labels_leads_on(tmp_path):
    cells = [f"label {n}" for n in range(60)] + ["x"] * 9 + ["y"] * 9
    with pytest.raises(DataError, match=r"set labels: \{min_count: 2, rare: drop\}"):
        load(tmp_path, cells)
    assert load(tmp_path, cells, min_count=2, rare="drop").labels == ("x", "y")
