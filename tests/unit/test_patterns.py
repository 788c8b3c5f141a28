"""Pictures by pattern: {id}-*.jpg, {id}/*, {id}/."""

import json

import pytest
import yaml

from automm.data.images.patterns import Pattern, PatternPictures
from automm.data.images.tree import ImageTree
from automm.data.manifest import load_manifest
from automm.data.records.reviews import load_dataset
from automm.errors import ConfigError, DataError


def put(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def write(folder, pattern, ids, **more):
    rows = [{"id": f"r{n}", "key": key, "text": "t", "label": "ab"[n % 2]} for n, key in enumerate([*ids, *[None] * 4])]
    (folder / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = {"id": "id", "text": "text", "images": pattern, "label": "label"}
    manifest = {"name": "n", "records": "r.jsonl", "image_root": "images", "fields": fields, **more}
    (folder / "m.yaml").write_text(yaml.safe_dump(manifest))
    (folder / "images").mkdir(exist_ok=True)
    return load_manifest(folder / "m.yaml")


def found(folder, pattern, ids, **more):
    dataset = load_dataset(write(folder, pattern, ids, **more))
    root = folder / "images"
    by_id = {review.id: [path.relative_to(root).as_posix() for path in review.images] for review in dataset.reviews}
    assert dataset.changes == {}
    return [by_id[f"r{number}"] for number in range(len(ids))]


FORMS = {
    "{key}-*.jpg": ["86e1-1.jpg", "86e1-2.jpg", "86e1-10.JPG"],
    "{key}/*": ["86e1/1.jpg", "86e1/2.png", "86e1/10.jpg"],
    "{key}/": ["86e1/1.jpg", "86e1/2.png", "86e1/10.jpg"],
    "photos/{key}_*": ["photos/86e1_1.jpg", "photos/86e1_2.png", "photos/86e1_10.jpg"],
    "./photos//{key}/*.jpg": ["photos/86e1/1.jpg", "photos/86e1/2.jpg", "photos/86e1/10.jpg"],
    "img_*_{key}.jpg": ["img_1_86e1.jpg", "img_2_86e1.jpg", "img_10_86e1.jpg"],
    "*-{key}-*": ["1-86e1-1.jpg", "2-86e1-1.jpg", "10-86e1-1.jpg"],
}


@pytest.mark.parametrize("pattern", FORMS)
def test_all_pictures_of_a_record_in_natural_order_and_none_is_fine(tmp_path, pattern):
    put(
        tmp_path / "images",
        *FORMS[pattern],
        "Thumbs.db",
        "86e1/notes.txt",
        "86e1/deeper/3.jpg",
        "86e1-3.txt",
        ".86e1-4.jpg",
    )
    assert found(tmp_path, pattern, ["86e1", "nothing", None]) == [FORMS[pattern], [], []]


def test_the_longest_id_wins(tmp_path):
    put(tmp_path / "images", "86e1-1.jpg", "86e1-2.jpg", "86e1-2-1.jpg", "86e1-2-2.jpg")
    assert found(tmp_path, "{key}-*.jpg", ["86e1", "86e1-2"]) == [
        ["86e1-1.jpg", "86e1-2.jpg"],
        ["86e1-2-1.jpg", "86e1-2-2.jpg"],
    ]


def test_pictures_of_a_longer_id_are_left_out_and_counted_if_its_record_is_absent(tmp_path):
    put(tmp_path / "images", "86e1-1.jpg", "86e1-2.jpg", "86e1-2-1.jpg", "86e1-2-2.jpg", "86e1-front-view.jpg")
    put(tmp_path / "images", "b-1-1.jpg", "b-1-2.jpg")  # two numbers in all names: pages, for example
    dataset = load_dataset(write(tmp_path, "{key}-*.jpg", ["86e1", "b"]))
    names = [[path.name for path in review.images] for review in dataset.reviews[:2]]
    assert names == [["86e1-1.jpg", "86e1-2.jpg", "86e1-front-view.jpg"], ["b-1-1.jpg", "b-1-2.jpg"]]
    assert dataset.changes == {"longer_id": 2}


def test_a_number_is_not_cut(tmp_path):
    put(tmp_path / "images", "1.jpg", "1a.jpg", "12.jpg", "123.jpg", "x1.jpg")
    assert found(tmp_path, "{key}*.jpg", ["1", "123"]) == [["1.jpg", "1a.jpg"], ["123.jpg"]]
    put(tmp_path / "images", "a1.png", "a11.png")
    assert found(tmp_path, "*{key}.png", ["1", "x"]) == [["a1.png"], []]


def test_characters_of_an_id_are_literal(tmp_path):
    names = ["*", "[ab]", "?", "a b", "{x}", r"$1", "ü", "a..b"]
    put(tmp_path / "images", *(f"{name}-1.jpg" for name in [*names, "a", "zzz"]))
    assert found(tmp_path, "{key}-*.jpg", names) == [[f"{name}-1.jpg"] for name in names]


@pytest.mark.parametrize("key", ["..", ".", "a/b", "/etc", "../x", r"a\b", "a\0b"])
@pytest.mark.parametrize("pattern", ["{key}/", "{key}-*.jpg"])
def test_an_id_that_could_lead_to_another_folder_is_an_error_of_its_record(tmp_path, key, pattern):
    put(tmp_path / "images", "x/1.jpg", "x-1.jpg")
    with pytest.raises(DataError, match=r"r\.jsonl:2: column 'key' holds .* cannot be part of a file name"):
        load_dataset(write(tmp_path, pattern, ["x", key]))


def test_records_that_a_pattern_cannot_tell_apart_are_an_error(tmp_path):
    put(tmp_path / "images", "112-1.jpg")
    rows = [{"a": "1", "b": "12", "l": "x"}, {"a": "11", "b": "2", "l": "y"}]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = {"images": "{a}{b}-*.jpg", "label": "l"}
    text = yaml.safe_dump({"name": "n", "records": "r.jsonl", "image_root": "images", "fields": fields})
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(
        DataError, match=r"r\.jsonl:1: picture '112-1\.jpg' fits both '1', '12' and '11', '2'"
    ) as raised:
        load_dataset(load_manifest(tmp_path / "m.yaml"))
    assert [problem.where for problem in raised.value.problems] == ["r.jsonl:1", "r.jsonl:2"]


def test_records_with_the_same_value_share_its_pictures(tmp_path):
    put(tmp_path / "images", "p-1.jpg")
    assert found(tmp_path, "{key}-*.jpg", ["p", "p"]) == [["p-1.jpg"], ["p-1.jpg"]]


def test_several_patterns_and_columns_are_read_in_order_and_each_picture_once(tmp_path):
    put(tmp_path / "images", "a-1.jpg", "a/0.jpg", *(f"r{number}.png" for number in range(6)))
    patterns = ["{key}/", "{id}.png", "{key}-*.jpg", "{key}*"]
    assert found(tmp_path, patterns, ["a", ""]) == [["a/0.jpg", "r0.png", "a-1.jpg"], ["r1.png"]]


def test_links_are_not_followed_out_of_the_root(tmp_path):
    put(tmp_path, "outside/1.jpg")
    put(tmp_path / "images", "b/1.jpg")
    (tmp_path / "images" / "a").symlink_to(tmp_path / "outside")
    (tmp_path / "images" / "b" / "2.jpg").symlink_to(tmp_path / "outside" / "1.jpg")
    assert found(tmp_path, "{key}/", ["a", "b"]) == [[], ["b/1.jpg"]]


def test_a_pattern_that_finds_nothing_at_all_is_an_error(tmp_path):
    put(tmp_path / "images", "a_1.jpg")
    with pytest.raises(DataError, match=r"none of 6 records has a picture '\{key\}-\*\.jpg' under image_root"):
        load_dataset(write(tmp_path, "{key}-*.jpg", ["a", "b"]))
    assert len(load_dataset(write(tmp_path, "{key}-*.jpg", ["a", "b"]), labelled=False).reviews) == 6


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("*/{key}.jpg", "has \\* in the name of a folder"),
        ("/photos/{key}-*.jpg", "is not below image_root"),
        ("../{key}-*.jpg", "is not below image_root"),
        ("photos\\{key}-*.jpg", "is not below image_root"),
        ("{key-*.jpg", "names no column in braces"),
        ("{}-*.jpg", "names no column in braces"),
    ],
)
def test_an_illegal_pattern_is_refused(tmp_path, pattern, reason):
    with pytest.raises(ConfigError, match=reason):
        write(tmp_path, pattern, ["a"])


def test_a_missing_column_of_a_pattern_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no column 'kay' \(named in fields\.images\)"):
        load_dataset(write(tmp_path, "{kay}-*.jpg", ["a"]))


def test_the_extension_may_differ_only_in_case(tmp_path):
    put(tmp_path / "images", "a-1.JPG", "a-2.jpeg", "A-3.jpg")
    assert found(tmp_path, "{key}-*.jpg", ["a", "b"]) == [["a-1.JPG"], []]


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("{key}_*.jpg", ["ab0_1.jpg", "ab0_2.JPG", "cd1_1.jpg"]),
        ("{key}/", ["ab0/1.jpg", "ab0/2.jpg", "cd1/1.jpg"]),
        ("Photos/{key}_*", ["photos/ab0_1.jpg", "photos/ab0_2.png", "photos/Cd1_1.jpg"]),
        ("IMG_{key}-*", ["img_ab0-1.jpg", "img_ab0-2.jpg", "img_cd1-1.jpg"]),
    ],
)
def test_files_in_another_spelling_are_found_and_counted(tmp_path, pattern, files):
    put(tmp_path / "images", *files)
    dataset = load_dataset(write(tmp_path, pattern, ["AB0", "CD1"]))
    root = tmp_path / "images"
    found = [[path.relative_to(root).as_posix() for path in review.images] for review in dataset.reviews[:2]]
    assert found == [files[:2], files[2:]]
    assert dataset.changes == {"other_spelling": 3}


def test_another_spelling_is_no_picture_of_a_record_with_pictures_of_its_own(tmp_path):
    put(tmp_path / "images", "a-1.jpg", "A-2.jpg", "ab-1.jpg")
    assert found(tmp_path, "{key}-*.jpg", ["a", "c"]) == [["a-1.jpg"], []]


def test_the_longest_id_wins_in_another_spelling(tmp_path):
    put(tmp_path / "images", "e1-1.jpg", "e1-2-1.jpg", "e1-2-2.jpg", "e12-1.jpg")
    dataset = load_dataset(write(tmp_path, "{key}-*.jpg", ["E1", "E1-2"]))
    names = [[path.name for path in review.images] for review in dataset.reviews[:2]]
    assert names == [["e1-1.jpg"], ["e1-2-1.jpg", "e1-2-2.jpg"]]


def test_records_that_differ_only_in_spelling_from_each_other_cannot_share_a_file(tmp_path):
    put(tmp_path / "images", "ab-1.jpg")
    with pytest.raises(DataError, match=r"picture 'ab-1\.jpg' fits both 'AB' and 'Ab'"):
        load_dataset(write(tmp_path, "{key}-*.jpg", ["AB", "Ab"]))


def test_each_file_is_compared_with_few_records(tmp_path):
    """The work grows with the files and the records, not with their product."""
    count = 3000
    put(tmp_path, *(f"{number}-0.jpg" for number in range(count)))
    pictures = PatternPictures(pattern := Pattern("{key}-*.jpg"), ImageTree(tmp_path))
    compared = []
    matches = Pattern.matches
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pattern, "matches", lambda *given: (compared.append(given), matches(*given))[1])
        filled = [pattern.fill({"key": str(number)}) for number in range(count)]
        for one in filled:
            pictures.learn(one)
        assert [pictures.of(one)[0] for one in filled] == [[f"{number}-0.jpg"] for number in range(count)]
    assert len(compared) == count


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("{a/b}-*.jpg", ["x-1.jpg"]),
        ("{a*b}.png", ["x.png"]),
        ("{a*b}/{a/b}*", []),
        ("{a*b}/", ["x/3.jpg"]),
    ],
)
def test_the_name_of_a_column_may_contain_a_slash_or_a_star(tmp_path, pattern, files):
    root = tmp_path / "images"
    put(root, "x-1.jpg", "x.png", "x/3.jpg")
    (tmp_path / "r.jsonl").write_text(json.dumps({"t": "t", "a/b": "x", "a*b": "x"}))
    fields = {"text": "t", "images": pattern}
    text = yaml.safe_dump({"name": "n", "records": "r.jsonl", "image_root": "images", "fields": fields})
    (tmp_path / "m.yaml").write_text(text)
    [review] = load_dataset(load_manifest(tmp_path / "m.yaml"), labelled=False).reviews
    assert [path.relative_to(root).as_posix() for path in review.images] == files
