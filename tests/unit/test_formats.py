"""Each native layout, in place and without conversion."""

import errno
import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from layouts import WRITERS, lines, manifest_of, pictures, put

from automm.data.change_kinds import Change
from automm.data.download.urls import local_name
from automm.data.layouts import LAYOUTS, find_layout, recognise
from automm.data.layouts.files import Ids
from automm.data.manifest import parse_manifest
from automm.data.records.opening import open_source
from automm.data.records.reviews import load_dataset
from automm.data.splitting.links import links_of
from automm.data.splitting.split import split_dataset
from automm.errors import ConfigError, DataError, NotFoundError

INCOMPLETE = ("crisismmd", "upmc-food101")  # one needs a task, the other has no validation split
PICTURED = {"product": True, "only_with_images": True}
TWO = {"map": {"low": [1, 2], "high": [3.5, 4.5, 5]}}


def load(folder, name, **more):
    return load_dataset(manifest_of(folder, name, **more))


def names(review, folder):
    return [path.relative_to(folder / "data").as_posix() for path in review.images]


def faults(folder, name, **more):
    with pytest.raises(DataError) as caught:
        load(folder, name, **more)
    return "\n".join(caught.value.lines)


def test_every_layout_has_a_fixture():
    assert list(WRITERS) == list(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_and_recognised(tmp_path, name):
    dataset = load(tmp_path, name)
    assert len(dataset.reviews) >= 4
    assert any(review.images for review in dataset.reviews)
    assert sum(bool(review.text) for review in dataset.reviews) >= 3
    assert name in recognise(tmp_path / "data")
    assert find_layout(name).looks_for


@pytest.mark.parametrize("name", [name for name in LAYOUTS if find_layout(name).split and name not in INCOMPLETE])
def test_the_split_of_a_layout_can_be_searched(tmp_path, name):
    dataset = load(tmp_path, name)
    splits = split_dataset(dataset, links_of(dataset, {}))
    assert all(len(rows) for rows in splits.values())


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_folder_without_the_layout_is_not_found(tmp_path, name):
    manifest = manifest_of(tmp_path, name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="which needs"):
        load_dataset(manifest.model_copy(update={"path": "empty"}))


def moved_away(folder):
    """The manifest of a layout whose files are somewhere else."""
    manifest = manifest_of(folder, "yelp")
    (folder / "data").rename(folder / "elsewhere")
    (folder / "data").mkdir()
    return manifest


def test_a_link_out_of_the_folder_is_reported(tmp_path):
    manifest = moved_away(tmp_path)
    put(tmp_path / "data", {"inside.txt": "x"})
    (tmp_path / "data" / "in.txt").symlink_to(tmp_path / "data" / "inside.txt")
    (tmp_path / "data" / "out.json").symlink_to(tmp_path / "manifest.yaml")
    with pytest.raises(
        NotFoundError, match=r"The link 'out.json' leads out of the folder and is not read\. Move its target inside"
    ):
        load_dataset(manifest)


def test_a_folder_without_permission_is_reported(tmp_path, monkeypatch):
    def refuse(path, *pattern):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    manifest = moved_away(tmp_path)
    monkeypatch.setattr(Path, "iterdir", refuse)
    monkeypatch.setattr(Path, "glob", refuse)
    with pytest.raises(NotFoundError, match=r"cannot be listed \(Permission denied\)\. Change its permissions"):
        load_dataset(manifest)


def test_the_matching_layout_is_suggested(tmp_path):
    manifest_of(tmp_path, "mvsa")
    manifest = manifest_of(tmp_path / "other", "hateful-memes").model_copy(update={"path": str(tmp_path / "data")})
    with pytest.raises(NotFoundError, match="The files match format mvsa"):
        load_dataset(manifest)


def test_amazon(tmp_path):
    dataset = load(tmp_path, "amazon-reviews-2023")
    second = dataset.reviews[1]
    assert second.id == "A1-B1-1617235200001"
    assert (second.text, second.label, second.group) == ("Fine bottle\nReview 1<br />of it.", "5", "P0")
    assert names(second, tmp_path) == [local_name("https://m.example/I/1._SL1600_.jpg")]
    assert dataset.reviews[-1].id == "A1-B1-1617235200001-2"
    assert dataset.changes == {"same_record": 1}


def test_amazon_joins_products_and_ignores_reviews_without_picture(tmp_path):
    fields = {"text": ["product_title", "title"]}
    dataset = load(tmp_path, "amazon-reviews-2023", fields=fields, options=PICTURED, labels=TWO)
    assert dataset.reviews[0].text == "Steel bottle\nFine bottle"
    assert dataset.reviews[1].text == "Leaks a little"
    assert dataset.changes["no_picture"] == 1


@pytest.mark.parametrize(
    ("name", "file", "texts", "pictures"),
    [
        ("amazon-reviews-2023", "Z.jsonl", ("title", "text"), {"images": [{"large_image_url": "https://m.example/a"}]}),
        ("amazon-reviews-2018", "Z.json", ("summary", "reviewText"), {"image": ["https://m.example/a"]}),
        ("google-local-2021", "review-Z.json", ("text",), {"pics": [{"url": ["https://m.example/a"]}]}),
    ],
)
def test_a_rating_without_content_is_ignored_and_counted(tmp_path, name, file, texts, pictures):
    manifest = manifest_of(tmp_path, name)
    row = dict.fromkeys(["user_id", "reviewerID", "asin", "parent_asin", "gmap_id"], "1") | {"rating": 5, "overall": 5}
    row |= dict.fromkeys(texts)
    rows = [row, row | {texts[0]: " "}, row | {texts[-1]: "fine"}, row | pictures]
    put(tmp_path / "data", {file: lines(rows)})
    source = open_source(manifest.model_copy(update={"path": f"data/{file}", "options": {}}))
    kept = list(source.rows)
    assert [record.where for record in kept] == [f"{file}:3", f"{file}:4"]
    assert source.changes == {"rating_alone": 2}


def test_amazon_without_the_file_of_products(tmp_path):
    manifest = manifest_of(tmp_path, "amazon-reviews-2023")
    (tmp_path / "data" / "meta_Home.jsonl.gz").unlink()
    with pytest.raises(DataError, match=r"meta_Home.jsonl.gz not found, needed by options\.product"):
        load_dataset(manifest)


def test_a_path_may_be_one_file(tmp_path):
    manifest = manifest_of(tmp_path, "amazon-reviews-2023").model_copy(update={"path": "data/Home.jsonl.gz"})
    assert len(load_dataset(manifest).reviews) == 7


def test_a_truncated_gzip_file(tmp_path):
    manifest = manifest_of(tmp_path, "amazon-reviews-2023")
    file = tmp_path / "data" / "Home.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"Home.jsonl.gz: truncated or damaged gzip file.* Download it again"):
        load_dataset(manifest)


def test_yelp_attaches_the_photos_of_a_business(tmp_path):
    first, _, third = load(tmp_path, "yelp").reviews[:3]
    assert (first.id, first.group, first.label) == ("r0", "b0", "1")
    assert names(first, tmp_path) == ["photos/p0.jpg", "photos/p2.jpg"]
    assert names(third, tmp_path) == []


def test_yelp_by_business(tmp_path):
    options = {"unit": "business", "max_photos": 1, "max_reviews": 1}
    dataset = load(tmp_path, "yelp", options=options, labels={"map": {"low": [3.5], "high": [4.5]}})
    assert [review.id for review in dataset.reviews] == ["b0", "b1", "b2", "b3"]
    assert dataset.reviews[1].text == "Fine bottle"
    assert names(dataset.reviews[1], tmp_path) == ["photos/p1.jpg"]
    assert [review.label for review in dataset.reviews] == ["low", "high", "low", "high"]
    assert dataset.changes == {"no_review": 1}


def test_yelp_reads_one_list_of_photos(tmp_path):
    manifest = manifest_of(tmp_path, "yelp")
    photos = (tmp_path / "data" / "photos.json").read_text()
    put(tmp_path / "data", {"yelp_academic_dataset_photo.json": photos})
    assert names(load_dataset(manifest).reviews[0], tmp_path) == ["photos/p0.jpg", "photos/p2.jpg"]


def test_yelp_keeps_no_texts_of_ignored_businesses(tmp_path):
    options = {"unit": "business", "only_with_images": True}
    dataset = load_dataset(manifest_of(tmp_path, "yelp", options=options), labelled=False)
    assert [review.id for review in dataset.reviews] == ["b0", "b1"]
    assert all(review.text for review in dataset.reviews)
    assert dataset.changes["no_photo"] == 2


def test_google_local(tmp_path):
    dataset = load(tmp_path, "google-local-2021")
    assert dataset.reviews[1].id == "10000000000000000001-0x0:0x0-1568748357167"
    assert len(dataset.reviews[1].images) == 2
    assert dataset.changes == {"no_label": 1}


def test_google_local_requests_another_size(tmp_path):
    dataset = load(tmp_path, "google-local-2021", options={"size": 512}, images={"on_bad": "drop-image"})
    assert dataset.changes["not_fetched"] == 2


def test_twitter(tmp_path):
    dataset = load(tmp_path, "twitter-15-17")
    first = dataset.reviews[0]
    assert (first.id, first.label, first.split) == ("2015-train-2", "negative", "train")
    assert first.text == 'The Examples 0\nGreat "gig by The Examples 0 tonight !'
    assert first.group == dataset.reviews[1].group == "twitter2015_images/train0.jpg"
    assert [review.label for review in dataset.reviews[-3:]] == ["negative", "neutral", "positive"]
    assert dataset.reviews[-1].text == "Album 2\nRT Album 2 is out"
    assert {review.split for review in dataset.reviews} == {"train", "validation", "test"}


def test_twitter_of_one_year(tmp_path):
    assert len(load(tmp_path, "twitter-15-17", options={"year": 2017}).reviews) == 9


def test_hateful_memes(tmp_path):
    dataset = load(tmp_path, "hateful-memes")
    assert [review.id for review in dataset.reviews] == [str(n) for n in range(12)]
    assert [review.split for review in dataset.reviews[3:5]] == ["train", "validation"]
    assert dataset.changes == {"same_record": 2, "no_label": 1}


def test_labelled_hateful_memes_win_over_unlabelled_copies(tmp_path):
    manifest = manifest_of(tmp_path, "hateful-memes")
    labelled = (tmp_path / "data" / "test_seen.jsonl").read_text()
    put(tmp_path / "data", {"test.jsonl": re.sub(r'"label": \d, ', "", labelled)})
    dataset = load_dataset(manifest)
    assert [review.id for review in dataset.reviews if review.split == "test"] == ["10", "11"]
    assert dataset.changes == {"same_record": 4, "no_label": 1}


def test_a_meme_with_two_labels_is_counted(tmp_path):
    manifest = manifest_of(tmp_path, "hateful-memes")
    again = json.loads((tmp_path / "data" / "train.jsonl").read_text().splitlines()[0])
    put(tmp_path / "data", {"test_seen.jsonl": json.dumps(again | {"label": 1 - again["label"]})})
    changes = load_dataset(manifest).changes
    assert changes["relabelled"] == 1


def test_mm_imdb_has_several_labels(tmp_path):
    dataset = load(tmp_path, "mm-imdb")
    assert dataset.reviews[0].all_labels == ("Comedy", "Drama")
    assert dataset.reviews[0].text == "Made Up 1\nA baker builds a boat.\nPart 1."
    assert dataset.changes == {"not_listed": 1}
    fields = {"label": {"column": "genres", "pick": "first"}}
    assert load(tmp_path / "first", "mm-imdb", fields=fields).reviews[0].all_labels == ("Comedy",)


def test_crisismmd_collects_the_pictures_of_a_tweet(tmp_path):
    dataset = load(tmp_path, "crisismmd")
    assert [len(review.images) for review in dataset.reviews] == [1, 2, 3, 1, 2, 3]
    assert dataset.reviews[1].id == "900000000000000001"
    assert (dataset.reviews[1].text, dataset.reviews[1].label) == ('Made up "tweet 1', "informative")


def test_crisismmd_by_task(tmp_path):
    dataset = load(tmp_path, "crisismmd", options={"task": "informative"}, splits={"column": "split"})
    assert [(review.id, review.split, len(review.images)) for review in dataset.reviews[:4]] == [
        ("900000000000000000", "train", 1),
        ("900000000000000001", "train", 2),
        ("900000000000000002", "train", 2),
        ("900000000000000002-task_informative_text_img_dev", "validation", 1),  # the tweet is in two lists
    ]
    assert {review.split for review in dataset.reviews} == {"train", "validation", "test"}
    with pytest.raises(DataError, match="no file crisismmd_datasplit_all/task_damage_text_img"):
        load(tmp_path / "absent", "crisismmd", options={"task": "damage"})


def test_multi_zol(tmp_path):
    dataset = load(tmp_path, "multi-zol")
    first, second = [review for review in dataset.reviews if review.split == "train"][:2]
    assert (first.id, first.text, first.label) == ("train-1", "拍照效果\n手机 很 好 Train 0", "8")
    assert first.group == second.group
    assert len(first.images) == 2
    assert dataset.changes == {"misencoded": 3}


def test_multi_zol_with_byte_order_mark_and_trailing_lines(tmp_path):
    manifest = manifest_of(tmp_path, "multi-zol")
    file = tmp_path / "data" / "zol_Train_jieba.txt"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes() + b"\r\n\n")
    first, second = [review for review in load_dataset(manifest).reviews if review.split == "train"][:2]
    assert first.group == second.group == "手机 很 好 Train 0"


def test_multi_zol_in_another_encoding_is_an_error(tmp_path):
    manifest = manifest_of(tmp_path, "multi-zol")
    for file in (tmp_path / "data").glob("zol_*.txt"):
        file.write_bytes(file.read_bytes().replace(b"\xff", b"").decode().encode("gb18030"))
    with pytest.raises(DataError, match=r"zol_Train_jieba.txt: 8 of 8 non-ASCII lines are not utf-8. Set encoding"):
        load_dataset(manifest)
    dataset = load_dataset(manifest.model_copy(update={"encoding": "gb18030"}))
    assert dataset.reviews[0].text.startswith("\u62cd\u7167\u6548\u679c")
    assert not dataset.changes


def test_food101(tmp_path):
    review = load(tmp_path, "upmc-food101").reviews[0]
    assert (review.id, review.label, review.text) == ("train-pie_0", "pie", 'Grandma\'s pie, step 0 by "step"')


def test_imagefolder(tmp_path):
    dataset = load(tmp_path, "imagefolder")
    assert [len(review.images) for review in dataset.reviews] == [1, 1, 1, 2] * 3
    assert names(dataset.reviews[3], tmp_path) == ["test/0.png", "test/more/1.png"]


def test_imagefolder_with_metadata_above_the_splits(tmp_path):
    manifest = manifest_of(tmp_path, "imagefolder")
    rows = [f"{split}/{n}.png,{split} {n},{'ab'[n % 2]}\n" for split in ("train", "val", "test") for n in range(3)]
    put(tmp_path / "data", {"metadata.csv": "file_name,text,label\n" + "".join(rows)})
    for split in ("train", "val"):
        (tmp_path / "data" / split / "metadata.jsonl").unlink()
    dataset = load_dataset(manifest)
    counts = Counter(review.split for review in dataset.reviews)
    assert counts == {"train": 3, "validation": 3, "test": 4}
    assert names(dataset.reviews[0], tmp_path) == ["train/0.png"]
    assert dataset.changes == {"own_metadata": 3}


def test_imagefolder_keeps_a_split_of_its_metadata(tmp_path):
    rows = [{"file_name": f"{n}.png", "text": "t", "label": "ab"[n % 2], "split": "test"} for n in range(4)]
    put(tmp_path / "data", {"metadata.jsonl": lines(rows), **pictures(*(f"{n}.png" for n in range(4)))})
    content = {"name": "x", "format": "imagefolder", "path": "data", "splits": {"column": "split"}}
    dataset = load_dataset(parse_manifest(content, tmp_path / "manifest.yaml"))
    assert {review.split for review in dataset.reviews} == {"test"}


def test_imagefolder_without_metadata(tmp_path):
    manifest = manifest_of(tmp_path, "imagefolder", images={"on_bad": "drop-image"})
    for split in ("train", "val", "test"):
        (tmp_path / "data" / split / "metadata.jsonl").unlink()
        put(tmp_path / "data" / split, {f"{label}/{n}.JPG": b"x" for label in "ab" for n in range(2)})
    (tmp_path / "data" / "train" / "more").rename(tmp_path / "data" / "train" / "b2")
    (tmp_path / "data" / "train" / "b2" / "1.png").rename(tmp_path / "data" / "train" / "b" / "9.png")
    for split in ("val", "test"):
        (tmp_path / "data" / split / "more" / "1.png").unlink()
    reviews = load_dataset(manifest).reviews
    assert [review.label for review in reviews if review.split == "train"] == ["a", "a", "b", "b", "b"]


def labelled_tree(*splits, suffix=".jpg"):
    return {f"{split}/{label}/{n}{suffix}": b"x" for split in splits for label in "ab" for n in range(2)}


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".Jpeg", ".PNG"])
@pytest.mark.parametrize("splits", [("train", "val", "test"), ("Train", "Valid", "TEST")])
def test_imagefolder_in_any_case(tmp_path, suffix, splits):
    put(tmp_path / "data", labelled_tree(*splits, suffix=suffix))
    assert recognise(tmp_path / "data") == ["imagefolder"]
    content = {"name": "x", "format": "imagefolder", "path": "data", "splits": {"column": "split"}}
    reviews = load_dataset(parse_manifest(content, tmp_path / "manifest.yaml")).reviews
    assert Counter(review.split for review in reviews) == {"train": 4, "validation": 4, "test": 4}
    assert {review.label for review in reviews} == {"a", "b"}


@pytest.mark.parametrize(
    "files",
    [
        {"images/1.jpg": b"x", "images/2.jpg": b"x", "styles.csv": "id,text\n1,a\n"},
        {"soup/img/1.jpg": b"x", "cake/img/1.jpg": b"x"},
        {"train/1.jpg": b"x", "test/1.jpg": b"x"},
        {"notes/metadata.csv": "file_name\n", "notes/1.jpg": b"x"},
        {"soup/1.jpg": b"x", "soup/pea.md": "a", "cake/1.jpg": b"x", "cake/pie.md": "b"},
    ],
    ids=["one label", "deeper", "no label", "metadata elsewhere", "documents beside"],
)
def test_folders_that_are_not_an_imagefolder(tmp_path, files):
    put(tmp_path / "data", files)
    assert "imagefolder" not in recognise(tmp_path / "data")


def test_a_readme_does_not_make_a_markdown_tree(tmp_path):
    put(tmp_path / "data", {"a/1.jpg": b"x", "a/README.md": "all of a", "b/1.jpg": b"x", "README.md": "of the set"})
    assert recognise(tmp_path / "data") == ["imagefolder", "markdown-tree"]
    (tmp_path / "data" / "a" / "README.md").unlink()
    assert recognise(tmp_path / "data") == ["imagefolder"]


def test_records_beside_pictures_are_suggested(tmp_path):
    manifest = manifest_of(tmp_path, "imagefolder").model_copy(update={"path": "shop"})
    put(tmp_path / "shop", {"images/1.jpg": b"x", "styles.csv": "id,text\n1,a\n", "few.tsv": "a\n"})
    with pytest.raises(NotFoundError, match=r"write a manifest: automm init .*shop/styles\.csv"):
        load_dataset(manifest)


def test_markdown(tmp_path):
    dataset = load(tmp_path, "markdown-tree")
    gin, tea, leek, _, plain = dataset.reviews
    assert (leek.id, leek.label, leek.text) == ("soup/leek/leek.md", "soup", "# Leek\n\n then")
    assert names(leek, tmp_path) == ["soup/leek/a b.jpg", "soup/leek/c (1).png", "soup/leek/d(2).png"]
    assert names(tea, tmp_path) == ["static/pix/t.webp"]
    assert names(gin, tmp_path) == ["static/pix/g.webp", local_name("https://a.example/h.jpg")]
    assert "Level" not in plain.text
    assert dataset.changes == {"no_label": 1, "pattern_absent": 2}


@pytest.mark.parametrize(
    ("files", "options", "labels"),
    [
        (["dishes/soup/pea.md", "dishes/drink/tea/tea.md", "README.md"], {}, [None, "drink", "soup"]),
        (["dishes/soup/pea.md", "dishes/README.md", "dishes/drink/tea.md"], {}, [None, "drink", "soup"]),
        (["dishes/soup/pea.md", "dishes/drink/tea.md"], {"level": 1}, ["dishes", "dishes"]),
        (["dishes/soup/pea.md", "tips/boil.md"], {}, ["dishes", "tips"]),
        (["dishes/soup/pea.md", "tips/boil.md"], {"exclude": ["tips/*"]}, ["dishes"]),
        (["content/pea.md", "content/tea.md"], {}, ["content", "content"]),
        (["soup/pea.md", "drink/tea/tea.md"], {"level": 2}, ["tea", None]),
        (["pea.md", "tea.md"], {}, [None, None]),
    ],
)
def test_the_markdown_label_is_the_first_folder_that_varies(tmp_path, files, options, labels):
    put(tmp_path / "data", dict.fromkeys(files, "text"))
    content = {"name": "x", "format": "markdown-tree", "path": "data", "options": options}
    rows = open_source(parse_manifest(content, tmp_path / "manifest.yaml")).rows
    assert [record.values["folder"] for record in rows] == labels


def test_markdown_by_front_matter_and_by_pattern(tmp_path):
    tags = load(tmp_path, "markdown-tree", fields={"label": "tags"})
    assert [review.all_labels for review in tags.reviews] == [("cold",), ("hot", "quick")]
    found = load(tmp_path / "found", "markdown-tree", fields={"label": "found"})
    assert [review.label for review in found.reviews] == ["*", "*", "**", "**"]


@pytest.mark.parametrize(
    ("written", "label"),
    [
        *[("no", "no"), ("on", "on"), ("010", "010"), ("12:30", "12:30"), ("2024-01-01", "2024-01-01"), ("=", "=")],
        *[("2024-01-01 10:00:00 +0100", "2024-01-01 10:00:00 +0100"), ("\tsoup", "soup"), ("a\t# why", "a")],
    ],
)
def test_front_matter_stays_as_it_is_written(tmp_path, written, label):
    documents = {f"soup/{n}.md": f"---\ndate: {written}\n---\nsoup {n}\n" for n in range(2)}
    documents |= {f"soup/other{n}.md": f"---\ndate: other\n---\nother {n}\n" for n in range(2)}
    put(tmp_path / "data", documents)
    content = {"name": "x", "format": "markdown-tree", "path": "data", "fields": {"label": "date"}}
    assert load_dataset(parse_manifest(content, tmp_path / "manifest.yaml")).labels == tuple(sorted((label, "other")))


def test_duplicate_keys_of_front_matter_are_counted(tmp_path):
    manifest = manifest_of(tmp_path, "markdown-tree", fields={"label": "date"})
    documents = {f"soup/{n}.md": f"---\ndate: early\ndate: late\n---\nsoup {n}\n" for n in range(2)}
    documents |= {f"soup/other{n}.md": f"---\ndate: other\n---\nother {n}\n" for n in range(2)}
    put(tmp_path / "data", documents)
    dataset = load_dataset(manifest)
    assert dataset.labels == ("late", "other")
    assert dataset.changes[Change.DUPLICATE_KEY] == 2


def test_markdown_that_begins_with_a_horizontal_rule(tmp_path):
    manifest = manifest_of(tmp_path, "markdown-tree")
    put(tmp_path / "data", {"soup/pea.md": "---\nno front matter\n---\nLevel: ** Boil"})
    assert load_dataset(manifest).reviews[3].text == "---\nno front matter\n---\n Boil"


@pytest.mark.parametrize(
    ("pattern", "expected"), [("(", "not a regular expression"), ("x", "one group"), ("(a)(b)", "one group")]
)
def test_invalid_patterns_are_refused(tmp_path, pattern, expected):
    with pytest.raises(ConfigError, match=expected):
        manifest_of(tmp_path, "markdown-tree", options={"pattern": pattern})


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("amazon-reviews-2023", {"size": "huge"}, "options.size: Input should be 'large', 'medium' or 'small'"),
        ("amazon-reviews-2018", {"size": "large"}, "unknown key 'options.size'. Legal here: product, only_with_images"),
        ("yelp", {"unti": "review"}, "unknown key 'options.unti'. Did you mean 'unit'?"),
        ("twitter-15-17", {"year": 2016}, "options.year"),
    ],
)
def test_options_are_checked(tmp_path, name, options, expected):
    with pytest.raises(ConfigError, match=expected):
        manifest_of(tmp_path, name, options=options)


@pytest.mark.parametrize(
    ("name", "files", "expected"),
    [
        ("amazon-reviews-2023", {"Z.jsonl": '{"rating": 1, "images": 7}'}, "Z.jsonl:1: images holds int"),
        ("amazon-reviews-2023", {"Z.jsonl": '{"images": [{"x": 1}]}'}, "Z.jsonl:1: picture without a URL"),
        (
            "google-local-2021",
            {"review-A.json": '{"pics": [{"url": [3]}]}'},
            "review-A.json:1: picture without a URL",
        ),
        ("yelp", {"photos.json": '{"photo_id": 1}'}, "photos.json:1: expected photo_id and business_id"),
        ("mvsa", {"labelResultAll.txt": "ID\n9\tgood,bad\n"}, "labelResultAll.txt:2: unknown label 'good,bad'"),
        ("twitter-15-17", {"twitter2015/dev.tsv": "a\tb\n1\t2\n"}, "dev.tsv:2: 2 cells, expected 5"),
        (
            "twitter-15-17",
            {"twitter2015/dev.tsv": "1\t7\ta\tb\tc\n"},
            "dev.tsv:1: label '7', expected 0, 1, 2",
        ),
        ("twitter-15-17", {"twitter2017/dev.txt": "a\nb\n0\n"}, "dev.txt:3: the last sample is incomplete"),
        ("hateful-memes", {"dev_seen.jsonl": '{"id": '}, "dev_seen.jsonl:1: not JSON"),
        ("mm-imdb", {"split.json": '{"train": ["../x", "0000009"]}'}, "'../x' in 'train' is not an id"),
        ("mm-imdb", {"split.json": '{"train": ["0000009"]}'}, "'dataset/0000009.json': not found"),
        (
            "mm-imdb",
            {"split.json": '{"train": 1, "x": []}'},
            "expected lists of ids under train, dev and test, got 'x'",
        ),
        ("mm-imdb", {"dataset/0000001.json": "[1]"}, "dataset/0000001.json: expected an object"),
        ("crisismmd", {"annotations/a_final_data.tsv": "a\tb\n1\n"}, "a_final_data.tsv:2: 1 cells, expected 2"),
        ("multi-zol", {"zol_Dev_jieba.txt": "a\n__import__('os')\nb\n1\n"}, "zol_Dev_jieba.txt:2: expected a list of"),
        ("multi-zol", {"zol_Dev_jieba.txt": "a\n[]\nb\n"}, "zol_Dev_jieba.txt:3: the last sample is incomplete"),
        ("upmc-food101", {"texts/test_titles.csv": "a.jpg,b\n"}, "test_titles.csv:1: 2 cells"),
        ("upmc-food101", {"texts/test_titles.csv": 'a.jpg,"b\n'}, "test_titles.csv:1: not CSV"),
        (
            "imagefolder",
            {"train/metadata.jsonl": '{"file_name": 3}'},
            "train/metadata.jsonl:1: expected a name in file_name",
        ),
        ("imagefolder", {"train/metadata.jsonl": '{"file_name": "../../x", "label": "a"}'}, "is outside image_root"),
        ("markdown-tree", {"soup/x.md": "---\na: [\n---\n"}, "soup/x.md:2: front matter: not YAML"),
        (
            "markdown-tree",
            {"soup/x.md": "---\na: &x [1]\nb: [*x, *x]\n---\n"},
            ": front matter: not YAML: aliases (*name) are",
        ),
        ("markdown-tree", {"soup/x.md": b"\xff\xfe\xff"}, "'soup/x.md' is not utf-8"),
        ("markdown-tree", {"soup/x.md": "![](../../../etc/passwd)"}, "is outside image_root"),
    ],
)
def test_unreadable_content_is_reported(tmp_path, name, files, expected):
    manifest = manifest_of(tmp_path, name)
    put(tmp_path / "data", files)
    with pytest.raises(DataError) as caught:
        load_dataset(manifest)
    assert expected in "\n".join(caught.value.lines)


@pytest.mark.parametrize(
    ("name", "file"), [("mvsa", "data/1.txt"), ("mm-imdb", "dataset/0000001.json"), ("markdown-tree", "soup/plain.md")]
)
def test_a_text_that_is_a_link_out_of_the_folder_is_not_read(tmp_path, name, file):
    manifest = manifest_of(tmp_path, name)
    secret = tmp_path / "secret"
    secret.write_text('{"title": "secret"}')
    (tmp_path / "data" / file).unlink()
    (tmp_path / "data" / file).symlink_to(secret)
    with pytest.raises(DataError, match="is outside"):
        load_dataset(manifest)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("amazon-reviews-2023", "meta_Home.jsonl.gz"),
        ("amazon-reviews-2018", "Home.json"),
        ("yelp", "photos.json"),
        ("yelp", "yelp_academic_dataset_review.json"),
        ("google-local-2021", "review-Ohio.json.gz"),
        ("mvsa", "labelResultAll.txt"),
        ("twitter-15-17", "twitter2015/dev.tsv"),
        ("twitter-15-17", "twitter2017/dev.txt"),
        ("hateful-memes", "dev_seen.jsonl"),
        ("hateful-memes", "train.jsonl"),
        ("mm-imdb", "split.json"),
        ("crisismmd", "annotations/flood_final_data.tsv"),
        ("multi-zol", "zol_Dev_jieba.txt"),
        ("upmc-food101", "texts/test_titles.csv"),
        ("imagefolder", "val/metadata.jsonl"),
    ],
)
def test_no_list_behind_a_link_out_of_the_folder_is_opened(tmp_path, name, file):
    manifest = manifest_of(tmp_path, name)
    file = tmp_path / "data" / file
    file.rename(tmp_path / file.name)
    file.symlink_to(tmp_path / file.name)
    recognise(tmp_path / "data")
    with pytest.raises(
        (DataError, NotFoundError), match=f"{file.name}(: link to a file outside|' is outside|' leads out of)"
    ):
        load_dataset(manifest)


def test_a_link_named_by_the_manifest_is_followed(tmp_path):
    amazon = tmp_path / "data" / "Home.json"
    assert manifest_of(tmp_path, "amazon-reviews-2018")
    amazon.rename(tmp_path / "elsewhere.json")
    amazon.symlink_to(tmp_path / "elsewhere.json")
    content = {"name": "x", "format": "amazon-reviews-2018", "path": "data/Home.json"}
    assert len(load_dataset(parse_manifest(content, tmp_path / "manifest.yaml")).reviews) == 6


PLACES = "{{'user_id': '{}', 'text': 'nice {}', 'rating': {}, 'time': {}, 'gmap_id': '0x{}', 'pics': None}}\n"


def test_surrogates_in_python_dicts_are_joined_or_reported(tmp_path):
    manifest = manifest_of(tmp_path, "google-local-2021")
    rows = [PLACES.format(n, r"\ud83d\ude00", n % 2, n, n) for n in range(4)]
    put(tmp_path / "data", {"review-Ohio.json": "".join(rows)})
    (tmp_path / "data" / "review-Ohio.json.gz").unlink()
    assert load_dataset(manifest).reviews[0].text == "nice \U0001f600"
    rows[2] = PLACES.format(2, "x", 1, 2, r"\ud83d")
    put(tmp_path / "data", {"review-Ohio.json": "".join(rows)})
    with pytest.raises(
        DataError, match=r"review-Ohio.json:3: column 'gmap_id' contains half of a surrogate pair .*Correct"
    ):
        load_dataset(manifest)


@pytest.mark.parametrize(("written", "read"), [(r"\ud83d\ude00", "smile \U0001f600"), (r"\ud83d", None)])
def test_surrogates_in_front_matter_are_joined_or_reported(tmp_path, written, read):
    manifest = manifest_of(tmp_path, "markdown-tree", fields={"label": "title"}, images={"on_bad": "drop-image"})
    documents = {f"soup/{n}.md": f'---\ntitle: "smile {written}"\n---\nx {n}\n' for n in range(2)}
    documents |= {f"soup/y{n}.md": "---\ntitle: other\n---\ny\n" for n in range(2)}
    put(tmp_path / "data", {"drink/tea.md": "tea", **documents})
    if read is not None:
        assert read in load_dataset(manifest).labels
    else:
        with pytest.raises(DataError, match=r"soup/0.md:2, soup/1.md:2: front matter: not YAML: half of a surr"):
            load_dataset(manifest)


@pytest.mark.parametrize("pattern", ["/x/*.md", "**foo/*.md", "../*.md", "''"])
def test_document_patterns_stay_below_the_folder(tmp_path, pattern):
    with pytest.raises(ConfigError, match=r"options\.documents"):
        manifest_of(tmp_path, "markdown-tree", options={"documents": pattern.strip("'")})


def test_a_pattern_is_checked_without_reading_folders(tmp_path, monkeypatch):
    monkeypatch.setattr("os.scandir", lambda *of: pytest.fail("looked into a folder"))
    monkeypatch.setattr("os.listdir", lambda *of: pytest.fail("looked into a folder"))
    find_layout("markdown-tree").options(documents="**/*.md")


def test_ids_of_one_key_take_linear_time():
    ids = Ids(Counter())
    began = time.process_time()
    found = [ids.take("U-A-7", {"text": f"text {n}"}) for n in range(60_000)]
    assert time.process_time() - began < 3  # a list per key took quadratic time
    assert found[:2] == ["U-A-7", "U-A-7-2"]
    assert len(set(found)) == 60_000


@pytest.mark.parametrize(
    ("name", "file"), [("google-local-2021", "review-One.json"), ("amazon-reviews-2023", "One.jsonl")]
)
@pytest.mark.parametrize("user", [None, "", float("nan")])
def test_an_id_is_not_made_of_missing_parts(tmp_path, name, file, user):
    manifest = manifest_of(tmp_path, name, options={})
    row = {"user_id": user, "asin": None, "gmap_id": None, "rating": 5, "text": "the same words"}
    put(tmp_path / "data", {file: lines([row, row])})
    found = [row.values["review_id"] for row in open_source(manifest).rows if row.where.startswith(file)]
    assert found == [f"{file.partition('.')[0]}-1", f"{file.partition('.')[0]}-2"]


@pytest.mark.parametrize(
    ("name", "files", "key", "joined"),
    [
        ("google-local-2021", ("review-One.json", "meta-One.json"), "gmap_id", "business_name"),
        ("amazon-reviews-2023", ("One.jsonl", "meta_One.jsonl"), "parent_asin", "product_title"),
    ],
)
def test_records_without_a_key_are_not_joined(tmp_path, name, files, key, joined):
    option = {"business": True} if name.startswith("google") else {"product": True}
    manifest = manifest_of(tmp_path, name, options=option)
    stranger = {"user_id": "u", "text": "the same words", "rating": 5, key: None}
    nameless = {key: None, "name": "Nameless", "title": "Nameless"}
    put(tmp_path / "data", {files[0]: lines([stranger]), files[1]: lines([nameless, nameless | {key: "B"}])})
    [found] = [row.values[joined] for row in open_source(manifest).rows if row.where.startswith(files[0])]
    assert found is None


def test_a_business_without_an_id_is_ignored_and_counted(tmp_path):
    manifest = manifest_of(tmp_path, "yelp", options={"unit": "business"})
    stranger = {"review_id": "r", "business_id": None, "stars": 1, "text": "of nowhere"}
    nameless = {"business_id": None, "name": "Nameless", "stars": 3}
    for file, row in (("review", stranger), ("business", nameless)):
        path = tmp_path / "data" / f"yelp_academic_dataset_{file}.json"
        path.write_text(path.read_text() + lines([row]))
    dataset = load_dataset(manifest)
    assert "None" not in {review.id for review in dataset.reviews}
    assert dataset.changes[Change.NO_ID] == 1


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_metadata_that_is_a_link_out_of_the_folder_is_not_opened(tmp_path, name):
    secret = tmp_path / name
    secret.write_text(
        '{"file_name": "a.jpg", "text": "secret"}\n' if name.endswith("l") else "file_name,text\na.jpg,secret\n"
    )
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).symlink_to(secret)
    manifest = parse_manifest({"name": "x", "format": "imagefolder", "path": "folder"}, tmp_path / "manifest.yaml")
    with pytest.raises(DataError, match="link to a file outside"):
        load_dataset(manifest)
