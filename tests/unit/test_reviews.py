import json
import time
from pathlib import Path

import pytest
import yaml

from automm.data.change_kinds import Change
from automm.data.download.urls import local_name
from automm.data.manifest import parse_manifest
from automm.data.records.reviews import load_dataset
from automm.errors import SHOWN_EXAMPLES, SHOWN_PROBLEMS, ConfigError, DataError

MAP = {"map": {"x": ["a", "b"], "y": ["c"]}}
FIELDS = {"id": "id", "text": "text", "images": "photos", "label": "label"}


def rows(**changes):
    """Four valid records; `changes` overrides the first."""
    good = [{"id": n, "text": f"text {n}", "photos": ["a.png"], "label": "xy"[n % 2]} for n in range(4)]
    good[0] |= changes
    return good


def load(tmp_path: Path, records, labelled=True, fields=FIELDS, image_root=None, replaced=None, **more):
    root = tmp_path / "images"
    root.mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        (root / name).write_bytes(b"not looked into yet")
    (tmp_path / "r.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    content = {"name": "x", "records": "r.jsonl", "image_root": "images", "fields": fields, **more}
    manifest = parse_manifest(content, tmp_path / "manifest.yaml")
    return load_dataset(manifest, labelled=labelled, image_root=image_root, records=replaced)


def faults(*args, **kwargs) -> list[str]:
    with pytest.raises(DataError) as caught:
        load(*args, **kwargs)
    return caught.value.lines


def test_records_become_reviews(tmp_path):
    dataset = load(tmp_path, rows())
    first = dataset.reviews[0]
    assert (first.id, first.text, first.label, first.group, first.split) == ("0", "text 0", "x", None, None)
    assert first.images == (tmp_path / "images" / "a.png",)
    assert first.where == "r.jsonl:1"
    assert dataset.labels == ("x", "y")
    assert dataset.changes == {}


def test_text_columns_are_joined_without_empty_cells(tmp_path):
    fields = FIELDS | {"text": ["title", "text", "more"]}
    records = [record | {"title": "T", "more": None} for record in rows(text=float("nan"))]
    texts = [review.text for review in load(tmp_path, records, fields=fields).reviews]
    assert texts[:2] == ["T", "T\ntext 1"]


def test_labels_are_normalised_and_ordered_by_the_map(tmp_path):
    records = [{"id": n, "text": "t", "photos": [], "label": v} for n, v in enumerate([4, 4.0, "4", True, "true"])]
    dataset = load(tmp_path, records, labels={"map": {"yes": [True], "four": [4]}})
    assert [review.label for review in dataset.reviews] == ["four"] * 3 + ["yes"] * 2
    assert dataset.labels == ("yes", "four")


def test_numeric_labels_are_sorted_as_numbers(tmp_path):
    records = [{"id": n, "text": "t", "photos": [], "label": [10, 9][n % 2]} for n in range(4)]
    assert load(tmp_path, records).labels == ("9", "10")


@pytest.mark.parametrize(
    ("fields", "cells", "expected"),
    [
        ({"images": "p", "separator": ";"}, {"p": "a.png; b.png;"}, ["a.png", "b.png"]),
        ({"images": ["p", "q"]}, {"p": "b.png", "q": "a.png"}, ["b.png", "a.png"]),
        ({"images": ["p", "q"]}, {"p": None, "q": "a.png"}, ["a.png"]),
        ({"images": "{stem}.png"}, {"stem": "a"}, ["a.png"]),
        ({"images": ["{s}.png", "{t}.png"]}, {"s": "a", "t": None}, ["a.png"]),
        ({"images": "p", "none_values": "none"}, {"p": "none"}, []),
        ({"images": "p", "separator": ",", "none_values": "no, none"}, {"p": "no, none "}, []),
        ({"images": "p", "none_values": "none"}, {"p": ["none", "b.png"]}, ["b.png"]),
        ({"images": "p"}, {"p": '["a.png", "b.png"]'}, ["a.png", "b.png"]),
        ({"images": "p", "separator": ","}, {"p": " ['b.png', 'a.png']"}, ["b.png", "a.png"]),
        ({"images": "p", "none_values": "none"}, {"p": "['none', 'a.png']"}, ["a.png"]),
        ({"images": "p"}, {"p": "[]"}, []),
    ],
)
def test_the_forms_of_picture_fields(tmp_path, fields, cells, expected):
    dataset = load(tmp_path, [record | cells for record in rows()], fields=FIELDS | fields)
    assert [path.name for path in dataset.reviews[0].images] == expected


def several(labels, **label):
    records = [{"id": n, "text": f"text {n}", "photos": [], "tags": tags} for n, tags in enumerate(labels)]
    return records, FIELDS | {"label": {"column": "tags", **label}}


def test_several_labels_per_review(tmp_path):
    records, fields = several([["drama", "comedy"], ["comedy", "comedy"], ["war"]])
    dataset = load(tmp_path, records, fields=fields)
    assert dataset.several_labels
    assert [review.all_labels for review in dataset.reviews] == [("drama", "comedy"), ("comedy",), ("war",)]
    assert dataset.labels == ("comedy", "drama", "war")


def test_the_first_of_several_labels_is_picked(tmp_path):
    records, fields = several(["drama, war", "war", "drama", "war,"], separator=",", pick="first")
    dataset = load(tmp_path, records, fields=fields)
    assert not dataset.several_labels
    assert [review.all_labels for review in dataset.reviews] == [("drama",), ("war",), ("drama",), ("war",)]


def test_unlisted_labels_among_several(tmp_path):
    records, fields = several([["a", "b"], ["b", "c", "d"], ["d"], ["a"]])
    assert any(
        "label 'd' is not in labels.map" in line for line in faults(tmp_path, records, fields=fields, labels=MAP)
    )
    dataset = load(tmp_path, records, fields=fields, labels=MAP | {"on_unlisted": "drop"})
    assert [review.all_labels for review in dataset.reviews] == [("x",), ("x", "y"), ("x",)]
    assert dataset.changes == {
        "unlisted_label": 1,
        "unlisted_label_of_several": 1,
    }


@pytest.mark.parametrize("tags", [None, [], [None], " "])
def test_no_label_among_several_is_a_problem(tmp_path, tags):
    records, fields = several([["a"], tags, ["b"]])
    assert any("r.jsonl:2: no label in column 'tags'" in line for line in faults(tmp_path, records, fields=fields))


def test_ids_are_made_from_lines_without_an_id_column(tmp_path):
    fields = {key: value for key, value in FIELDS.items() if key != "id"}
    assert load(tmp_path, rows(), fields=fields).reviews[2].id == "r-3"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": 1}, "r.jsonl:2: id '1' is already used at r.jsonl:1"),
        ({"id": None}, "r.jsonl:1: no id in column 'id'"),
        ({"label": None}, "r.jsonl:1: no label in column 'label'"),
        ({"label": [["x"]]}, "column 'label' holds list, expected one value"),
        ({"text": {"a": 1}}, "column 'text' holds dict, expected text"),
        ({"photos": 7}, "column 'photos' holds int"),
        ({"text": "", "photos": []}, "r.jsonl:1: neither text nor picture"),
        ({"photos": ["absent.png"]}, "r.jsonl:1: picture 'absent.png' not found"),
        ({"photos": "[1].png"}, "r.jsonl:1: picture '[1].png' not found"),
        ({"photos": "['a.png' 'b.png']"}, """picture "['a.png' 'b.png']" not found"""),
        ({"photos": "['in\\dark.png']"}, r"picture 'in\\dark.png' not found"),
        ({"photos": "[1, 2]"}, "picture '[1, 2]' not found"),
        ({"photos": ["."]}, "picture '.' a folder, not a file"),
        ({"photos": ["a\0.png"]}, "not a possible name"),
        ({"photos": ["x" * 5000]}, "r.jsonl:1: picture"),
        ({"photos": ["https://example.org/a.png"]}, "Download it: automm fetch-images /"),
        ({"photos": ["../r.jsonl"]}, "is outside image_root"),
        ({"photos": ["/etc/hostname"]}, "is not relative to image_root"),
        ({"label": "alone"}, "label 'alone' has one example"),
    ],
)
def test_invalid_records_are_reported(tmp_path, change, expected):
    assert any(expected in line for line in faults(tmp_path, rows(**change)))


def test_a_url_is_read_from_its_fetched_file(tmp_path):
    there, absent = "https://example.org/a.png", "https://example.org/b.png"
    file = tmp_path / "images" / local_name(there)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    dataset = load(tmp_path, rows(photos=[absent, there]), images={"on_bad": "drop-image"})
    assert dataset.reviews[0].images == (file,)
    assert dataset.changes == {"not_fetched": 1}


def test_urls_before_any_was_fetched(tmp_path):
    records = [row | {"photos": [f"https://example.org/{row['id']}.png"]} for row in rows()]
    assert load(tmp_path, records, images={"on_bad": "drop-image"}).changes == {"not_fetched": 4}
    for on_bad in ("error", "drop-review"):
        (problem,) = faults(tmp_path, records, images={"on_bad": on_bad})
        assert "none of the 4 pictures" in problem
        assert "automm fetch-images" in problem


@pytest.mark.parametrize("on_bad", ["error", "drop-image", "drop-review"])
def test_a_symbolic_link_out_of_the_root_is_always_an_error(tmp_path, on_bad):
    (tmp_path / "images").mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    found = faults(tmp_path, rows(photos=["link.png"]), images={"on_bad": on_bad})
    assert "'link.png' is outside image_root" in found[0]


def test_an_absolute_path_is_found_by_its_last_parts_and_counted(tmp_path):
    dataset = load(tmp_path, rows(photos=[str(tmp_path / "images" / "a.png"), "b.png"]))
    assert [path.name for path in dataset.reviews[0].images] == ["a.png", "b.png"]
    assert dataset.changes == {"other_folder": 1}


def test_an_absolute_path_without_a_file_is_a_missing_picture(tmp_path):
    some = rows(photos=["/etc/hostname", "a.png"])
    assert "is not relative to image_root" in faults(tmp_path, some)[0]
    dataset = load(tmp_path, some, images={"on_bad": "drop-image"})
    assert [path.name for path in dataset.reviews[0].images] == ["a.png"]
    assert dataset.changes == {"missing_picture": 1}


def test_a_link_inside_the_root_is_fine(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "link.png").symlink_to("a.png")
    assert load(tmp_path, rows(photos=["link.png"])).reviews[0].images == (tmp_path / "images" / "a.png",)


def test_all_problems_are_reported_at_once(tmp_path):
    records = rows(id=1, photos=["absent.png"])
    records[2] |= {"photos": ["gone.png"]}
    records[3] |= {"label": None}
    assert len(faults(tmp_path, records)) == 4


def test_missing_columns_are_reported_once_with_the_nearest(tmp_path):
    found = faults(tmp_path, rows(), fields=FIELDS | {"label": "lable", "text": ["text", "title"]})
    assert len(found) == 2
    assert "no column 'lable' (named in fields.label). Did you mean 'label'?" in found[1]


@pytest.mark.parametrize(
    ("on_bad", "reviews", "changes"),
    [
        ("drop-image", 4, {"missing_picture": 1}),
        ("drop-review", 3, {"missing_picture_review": 1}),
    ],
)
def test_missing_pictures_are_dropped_and_counted(tmp_path, on_bad, reviews, changes):
    records = [*rows(photos=["absent.png", "a.png"]), {"id": 9, "text": "t", "photos": [], "label": "x"}]
    dataset = load(tmp_path, records, images={"on_bad": on_bad})
    assert len(dataset.reviews) == reviews + 1
    assert dataset.changes == changes


@pytest.mark.parametrize("on_bad", ["error", "drop-image", "drop-review"])
def test_a_root_without_any_picture_is_one_error(tmp_path, on_bad):
    records = [record | {"photos": ["gone.png"]} for record in rows()]
    found = faults(tmp_path, records, images={"on_bad": on_bad})
    assert len(found) == 1
    assert "none of the 4 pictures was found under image_root" in found[0]


def test_unlisted_labels(tmp_path):
    labels = {"map": {"ex": ["x"], "why": ["y"]}}
    records = [*rows(), {"id": 9, "text": "t", "photos": [], "label": "z"}]
    assert "label 'z' is not in labels.map" in faults(tmp_path, records, labels=labels)[0]
    dataset = load(tmp_path, records, labels=labels | {"on_unlisted": "drop"})
    assert dataset.changes == {"unlisted_label": 1}


def test_a_label_without_example_is_reported(tmp_path):
    found = faults(tmp_path, rows(), labels={"map": {"a": ["x"], "b": ["y"], "c": ["z"]}})
    assert "label 'c' has no example" in found[0]


def test_one_label_is_not_enough(tmp_path):
    assert "one distinct label in the data" in faults(tmp_path, [r | {"label": "x"} for r in rows()])[0]


def test_empty_texts(tmp_path):
    records = [*rows(text=" "), {"id": 9, "text": "t", "photos": [], "label": "x"}]
    assert len(load(tmp_path, records).reviews) == 5
    assert load(tmp_path, records, text={"on_empty": "drop"}).changes == {"empty_text": 1}
    assert "r.jsonl:1: empty text" in faults(tmp_path, records, text={"on_empty": "error"})[0]


def test_splits_by_a_column(tmp_path):
    records = [record | {"part": part} for record, part in zip(rows(), ["dev", "train", "test", "train"], strict=True)]
    splits = {"column": "part", "values": {"dev": "validation"}}
    assert load(tmp_path, records, splits=splits).reviews[0].split == "validation"
    found = faults(tmp_path, records, splits={"column": "part"})
    assert "r.jsonl:1: split 'dev' in column 'part' is not one of train, validation, test" in found[0]


def test_prediction_needs_no_labels(tmp_path):
    records = [{"id": 1, "text": "t", "photos": ["a.png"]}]
    more = {
        "fields": FIELDS | {"group": "g"},
        "splits": {"column": "s"},
        "labels": {"map": {"a": [1], "b": [2]}},
    }
    dataset = load(tmp_path, records, labelled=False, **more)
    assert (dataset.reviews[0].label, dataset.labels) == (None, ())


def test_records_and_image_root_can_be_replaced(tmp_path):
    other = tmp_path / "other"
    (other / "images").mkdir(parents=True)
    (other / "images" / "new.png").write_bytes(b"x")
    (other / "new.jsonl").write_text('{"id": 1, "text": "t", "photos": ["new.png"]}')
    beside = load(tmp_path, rows(), labelled=False, replaced=other / "new.jsonl")
    assert beside.reviews[0].images == (other / "images" / "new.png",)
    (tmp_path / "new.jsonl").write_text('{"id": 1, "text": "t", "photos": ["new.png"]}')
    told = load(tmp_path, rows(), labelled=False, replaced=tmp_path / "new.jsonl", image_root=other / "images")
    assert told.reviews[0].images == (other / "images" / "new.png",)


def test_a_label_column_must_be_named_for_training(tmp_path):
    fields = {key: value for key, value in FIELDS.items() if key != "label"}
    with pytest.raises(ConfigError, match=r"fields\.label is missing"):
        load(tmp_path, rows(), fields=fields)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        (r"C:\me\b.jpg", "It is a Windows path, and no file there ends like it: correct image_root, or write names"),
        ("/me/b.jpg", "It is an absolute path, and no file there ends like it: correct image_root, or write names"),
        ("other.jpg", "Correct image_root, or the picture names"),
    ],
)
def test_a_root_without_pictures_reports_an_example_and_the_cause(tmp_path, name, cause):
    (tmp_path / "images" / "In").mkdir(parents=True)
    (tmp_path / "images" / "In" / "a.jpg").write_bytes(b"x")
    [problem] = faults(tmp_path, [row | {"photos": [name]} for row in rows()])
    assert f"such as {name!r} (r.jsonl:1). {cause}" in problem


def test_an_absolute_name_must_be_relative(tmp_path):
    assert "Name it relative to image_root" in faults(tmp_path, rows(photos=["/etc/hostname"]))[0]


def test_a_missing_label_has_a_fix(tmp_path):
    assert "Add one, or set labels: {on_missing: drop}" in faults(tmp_path, rows(label=None))[0]


def test_backslashes_of_windows_are_read_and_counted(tmp_path):
    (tmp_path / "images" / "In").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "images" / "In" / name).write_bytes(b"x")
    some = [row | {"photos": [r"In\a.jpg", "In/b.jpg"]} for row in rows()]
    dataset = load(tmp_path, some)
    assert {path.name for review in dataset.reviews for path in review.images} == {"a.jpg", "b.jpg"}
    assert dataset.changes["backslashes"] == len(some)


class TestLabels:
    def test_a_list_written_as_text_is_several_labels(self, tmp_path):
        written = ["['x', 'y']", '["x"]', "[1, 2]", "['y', 'x']", "[]"]
        dataset = load(
            tmp_path,
            [row | {"label": one} for row, one in zip([*rows(), rows()[0] | {"id": 9}], written, strict=True)],
            labels={"on_missing": "drop"},
        )
        assert [review.labels for review in dataset.reviews] == [("x", "y"), ("x",), ("1", "2"), ("y", "x")]
        assert dataset.changes == {"no_label": 1}

    def test_the_first_of_a_list_is_picked(self, tmp_path):
        fields = FIELDS | {"label": {"column": "label", "pick": "first"}}
        some = [
            row | {"label": one}
            for row, one in zip(rows(), ["['x', 'y']", "['x']", "['y', 'x']", "['y']"], strict=True)
        ]
        dataset = load(tmp_path, some, fields=fields)
        assert [(review.label, review.labels) for review in dataset.reviews] == [
            ("x", ()),
            ("x", ()),
            ("y", ()),
            ("y", ()),
        ]

    @pytest.mark.parametrize("label", ["[spam]", "[a, b", "[[1], [2]]"])
    def test_a_label_that_begins_like_a_list_stays_a_label(self, tmp_path, label):
        dataset = load(tmp_path, [row | {"label": [label, "y"][n % 2]} for n, row in enumerate(rows())])
        assert set(dataset.labels) == {label, "y"}

    def test_numbers_suggest_a_regression(self, tmp_path):
        some = [{"id": n, "text": f"t {n}", "photos": [], "label": n + 0.25} for n in range(30)]
        [problem] = faults(tmp_path, some)
        assert "column 'label' holds 30 different numbers" in problem
        assert "set task: regression" in problem

    def test_combined_labels_suggest_a_separator(self, tmp_path):
        some = [{"id": f"{a}{b}", "text": "t", "photos": [], "label": f"{a}, {b}"} for a in "klmnop" for b in "klmnop"]
        [problem] = faults(tmp_path, some)
        assert 'fields: {label: {column: label, separator: ",", pick: first}}' in problem
        fields = FIELDS | {"label": {"column": "label", "separator": ",", "pick": "first"}}
        assert load(tmp_path, some, fields=fields).labels == tuple("klmnop")

    def test_a_fix_quotes_a_column_for_the_manifest(self, tmp_path):
        some = [{"id": f"{a}{b}", "text": "t", "photos": [], "genre: all": f"{a}, {b}"} for a in "klmn" for b in "klmn"]
        [problem] = faults(tmp_path, some, fields=FIELDS | {"label": "genre: all"})
        advised = yaml.safe_load(problem.partition("fields: ")[2].removesuffix(" to use the first"))
        assert load(tmp_path, some, fields=FIELDS | advised).labels == tuple("klmn")

    def test_a_column_of_ids_is_one_problem_found_in_linear_time(self, tmp_path):
        some = [{"id": n, "text": "t", "photos": [], "label": f"U{n}"} for n in range(20_000)]
        began = time.process_time()
        [problem] = faults(tmp_path, some)
        assert "Check that fields.label names the right column" in problem
        assert time.process_time() - began < 5  # it was 4 s for 20,000 reviews, and four times that for 40,000

    def test_the_order_of_labels_does_not_depend_on_the_rows(self, tmp_path):
        some = [{"id": n, "text": "t", "photos": [], "label": ["nan", "b", "2", "10", "inf"][n % 5]} for n in range(20)]
        assert load(tmp_path, some).labels == load(tmp_path, some[::-1]).labels == ("2", "10", "b", "inf", "nan")


def test_only_reviews_without_text_and_picture_are_dropped(tmp_path):
    some = [*rows(text="", photos=[]), {"id": 9, "text": " ", "photos": ["a.png"], "label": "x"}]
    [problem] = faults(tmp_path, some)
    assert problem == "r.jsonl:1: neither text nor picture. Remove the record, or set text.on_empty: drop-bare"
    dataset = load(tmp_path, [*some, rows()[0] | {"id": 10}], text={"on_empty": "drop-bare"})
    assert dataset.changes == {"no_content": 1}
    assert "9" in {review.id for review in dataset.reviews}


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("a.png|b.png", "It looks like several names: set fields: {separator: '|'}"),
        ("a.png, b.jpg", "It looks like several names: set fields: {separator: ','}"),
        ("www.example.org/a.png", "write 'https://www.example.org/a.png'"),
        ("//cdn.example.org/a.png", "write 'https://cdn.example.org/a.png'"),
        ("s3://bucket/a.png", "Only http and https are fetched"),
        ("data:image/png;base64," + "A" * 500, "Set image_kind: base64 in fields"),
    ],
)
def test_suspicious_names_have_a_fix(tmp_path, name, fix):
    assert fix in faults(tmp_path, rows(photos=["b.png", name]))[0]


def test_an_unfetched_url_has_the_command_for_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    problems = faults(tmp_path, rows(photos=["a.png", "https://example.org/c.png"]))
    assert "Download it: automm fetch-images manifest.yaml, or" in problems[0]


def test_the_nearest_label_is_found_only_for_shown_problems(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("automm.data.records.reading.nearest", lambda word, legal: asked.append(word) or "")
    records = [row | {"id": n, "label": f"unknown {n} " + "x" * 10_000} for n, row in enumerate(rows() * 15)]
    problems = faults(tmp_path, records, labels={"map": {f"label {n}": [f"l{n}"] for n in range(200)}})
    assert len(problems) == 60
    assert len(asked) == SHOWN_EXAMPLES
    assert max(map(len, asked)) < 200
    assert all(len(problem) < 1000 for problem in problems)
    assert "l29 and 170 more" in problems[0]


def test_the_nearest_column_is_found_only_for_shown_problems(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("automm.data.records.reviews.nearest", lambda word, legal: asked.append(word) or "")
    absent = {"numeric": [f"absent {n}" for n in range(60)]}
    problems = faults(tmp_path, rows(), fields={**FIELDS, "metadata": absent})
    assert len(problems) == 60
    assert len(asked) == SHOWN_PROBLEMS


def test_columns_are_collected_in_linear_time(tmp_path):
    """This took many seconds when each record compared all earlier columns."""
    records = [row | {"id": n, f"own {n}": 1} for n, row in enumerate(rows() * 5000)]
    began = time.process_time()
    assert len(load(tmp_path, records).columns) == 20_004
    assert time.process_time() - began < 2


def test_a_review_keeps_the_names_of_its_pictures(tmp_path):
    url = "https://shop.example/a.jpg"
    (tmp_path / "images" / "fetched").mkdir(parents=True)
    (tmp_path / "images" / local_name(url)).write_bytes(b"fetched before")
    photos = ["./a.png", url, "gone.png", "b.png", "a.png"]
    first, second, *_ = load(tmp_path, rows(photos=photos), images={"on_bad": "drop-image"}).reviews
    assert first.names == tuple(photos)
    assert first.absent == ("gone.png",)
    assert [first.name_of(image) for image in first.images] == ["./a.png", url, "b.png", "./a.png"]
    assert second.names[0] is first.names[-1]
    assert (
        second.images[0] is first.images[-1]
    )  # shared, because a million reviews of few pictures must fit into memory
    thinner = first.without({first.images[0]})
    assert thinner.names == (url, "gone.png", "b.png")
    assert [thinner.name_of(image) for image in thinner.images] == [url, "b.png"]


def test_a_review_whose_pictures_are_all_absent_keeps_their_names_once(tmp_path):
    records = [*rows(), rows()[0] | {"id": 9, "photos": ["gone.png", "gone too.png"]}]
    last = load(tmp_path, records, images={"on_bad": "drop-image"}).reviews[-1]
    assert last.names == ("gone.png", "gone too.png")
    assert last.names is last.absent


def test_messages_shorten_long_labels(tmp_path):
    records = [row | {"id": n, "label": f"number {n} " + "x" * 100_000} for n, row in enumerate(rows() * 10)]
    for more in ({}, {"splits": {"column": "label"}}, {"fields": FIELDS | {"id": "label"}, "splits": {"column": "id"}}):
        assert all(len(problem) < 1000 for problem in map(str, faults(tmp_path, records, **more)))


def test_one_kind_of_problem_never_hides_another(tmp_path):
    """Twenty-four records without a label, one repeated id, one missing picture, one broken cell."""
    records = [{"id": n, "text": f"text {n}", "photos": [], "label": None if n < 24 else n % 2} for n in range(60)]
    records[50]["photos"] = ["gone.png"]
    records[51]["text"] = {"not": "a text"}
    records[59]["id"] = 0
    with pytest.raises(DataError) as caught:
        load(tmp_path, records)
    shown = str(caught.value).splitlines()
    assert shown[0].startswith("r.jsonl:1, r.jsonl:2, r.jsonl:3 and 21 more: no label in column 'label'. Add one")
    assert any("'gone.png' not found" in line for line in shown)
    assert any("id '0' is already used at r.jsonl:1" in line for line in shown)
    assert shown[-1] == "27 problems: missing_label 24, text_cell 1, repeated_id 1, missing_picture 1"


def test_a_record_reports_all_of_its_wrong_cells(tmp_path):
    records = rows()
    records[0] |= {"text": {"a": 1}, "label": {"b": 2}}
    with pytest.raises(DataError) as caught:
        load(tmp_path, records)
    assert [problem.code for problem in caught.value.problems] == ["text_cell", "label_cell"]


@pytest.mark.parametrize("on_bad", ["error", "drop-image"])
def test_a_review_whose_picture_is_not_fetched_is_not_called_empty(tmp_path, on_bad):
    records = [*rows(), {"id": "u", "text": "", "photos": ["https://example.org/c.png"], "label": rows()[0]["label"]}]
    images = {"images": {"on_bad": on_bad}}
    with pytest.raises(DataError) as caught:
        load(tmp_path, records, **images)
    [problem] = caught.value.problems
    assert problem.code == "not_fetched"
    assert "https://example.org/c.png" in problem.text
    assert "automm fetch-images" in problem.fix
    if on_bad == "drop-image":
        dataset = load(tmp_path, records, text={"on_empty": "drop-bare"}, **images)
        assert dataset.changes == {Change.NOT_FETCHED: 1, Change.NOT_FETCHED_REVIEW: 1}


def test_a_review_whose_picture_is_missing_is_not_called_empty(tmp_path):
    records = [*rows(), {"id": "u", "text": "", "photos": ["gone.png"], "label": rows()[0]["label"]}]
    with pytest.raises(DataError, match=r"no text, and picture 'gone.png' is missing. Correct the picture's path"):
        load(tmp_path, records, images={"on_bad": "drop-image"})
    dataset = load(tmp_path, records, images={"on_bad": "drop-image"}, text={"on_empty": "drop-bare"})
    assert dataset.changes == {Change.MISSING_PICTURE: 1, Change.NO_PICTURE_FOUND: 1}
    with pytest.raises(DataError) as caught:
        load(tmp_path, records)
    assert [problem.code for problem in caught.value.problems] == ["missing_picture"]


def test_names_that_fit_several_files_are_missing_pictures_with_the_reason(tmp_path):
    for folder in ("full", "thumbs"):
        (tmp_path / "images" / folder).mkdir(parents=True)
        (tmp_path / "images" / folder / "c.png").write_bytes(b"x")
    some = [row | {"photos": ["c.png"]} for row in rows()]
    [problem] = faults(tmp_path, some)
    assert "such as 'c.png' (r.jsonl:1), which fits several files ('full/c.png', 'thumbs/c.png')" in problem
    assert "Set image_root to the folder that is meant" in problem
    mixed = rows(photos=["c.png", "a.png"])
    assert "picture 'c.png' fits several files ('full/c.png', 'thumbs/c.png')" in faults(tmp_path, mixed)[0]
    assert "Write the path of one of them, or set images.on_bad: drop-image" in faults(tmp_path, mixed)[0]
    dataset = load(tmp_path, mixed, images={"on_bad": "drop-image"})
    assert dataset.changes == {"ambiguous_picture": 1}
    chosen = load(tmp_path, rows(photos=["full/c.png", "a.png"]))
    assert [path.parent.name for path in chosen.reviews[0].images] == ["full", "images"]


def test_names_that_differ_a_little_are_counted_for_prediction_too(tmp_path):
    some = rows(photos=["A.PNG", r"C:\me\b.png", "a", "b.png"])
    for labelled in (True, False):
        dataset = load(tmp_path, some, labelled=labelled)
        assert [path.name for path in dataset.reviews[0].images] == ["a.png", "b.png", "a.png", "b.png"]
        assert dataset.changes == {"other_spelling": 1, "other_folder": 1, "no_extension": 1}


def test_missing_pictures_do_not_hide_a_label_of_one_review(tmp_path):
    records = rows(photos=["gone.png"])
    records[3]["label"] = "lonely"
    with pytest.raises(DataError) as caught:
        load(tmp_path, [*records, records[1] | {"id": "z"}])
    assert [problem.code for problem in caught.value.problems] == ["missing_picture", "rare_label"]
