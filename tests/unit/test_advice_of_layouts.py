"""What a message about a data set in its native layout says to do, done to that data set, leads on."""

import io
from pathlib import Path

import pyarrow as pa
import pytest
from advice import advises, hear
from commands import run
from data_sets import Way, write
from layouts import lines, manifest_of
from PIL import Image
from pyarrow import parquet

from automm.data import catalogue
from automm.data.manifest import load_manifest
from automm.data.records.reviews import load_dataset
from automm.errors import AutommError


def told(manifest, **more):
    """Return what is wrong with a data set whose manifest has other values, "" if nothing is."""
    try:
        load_dataset(manifest.model_copy(update=more))
    except AutommError as error:
        return str(error)
    return ""


def picture(number):
    """Return the bytes of a picture of its own."""
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(content, "PNG")
    return content.getvalue()


@advises(
    "Add it, or remove the option", "Put it beside the reviews, or remove the option", "Add it, or set unit: review"
)
def test_a_file_that_an_option_needs(tmp_path):
    for name, file, options, sentence in (
        ("amazon-reviews-2023", "meta_Home.jsonl.gz", {"product": True}, "Add it, or remove the option"),
        (
            "google-local-2021",
            "meta-Ohio.json.gz",
            {"business": True},
            "Put it beside the reviews, or remove the option",
        ),
        ("yelp", "yelp_academic_dataset_business.json", {"unit": "business"}, "Add it, or set unit: review"),
    ):
        manifest = manifest_of(tmp_path / name, name)
        file = tmp_path / name / "data" / file
        content = file.read_bytes()
        file.unlink()
        hear(told(manifest, options=options), sentence)
        assert told(manifest, options={"unit": "review"} if name == "yelp" else {}) == ""
        file.write_bytes(content)
        assert told(manifest, options=options) == ""


@advises("Correct tweet_id or tweet_text", "Correct the row")
def test_rows_of_one_tweet(tmp_path):
    manifest = manifest_of(tmp_path, "crisismmd")
    file = tmp_path / "data/annotations/flood_final_data.tsv"
    right = file.read_text()
    row = right.split("\n")[2]  # of two rows of a tweet
    file.write_text(right.replace(row, row.replace("tweet 1", "tweet 1!")))
    hear(told(manifest), "Correct tweet_id or tweet_text")
    for way in (row, row.replace("tweet 1", "tweet 1!").replace("900000000000000001\t", "900000000000000009\t", 1)):
        file.write_text(right.replace(row, way))
        assert told(manifest) == ""
    file.write_text(right.replace(row, f"{row}\tmore"))
    hear(told(manifest), "Correct the row")
    file.write_text(right)
    assert told(manifest) == ""


@advises(
    "Add the file", "Add the file, or remove the entry that names it", "Set encoding in the manifest", "Move it inside"
)
def test_files_of_a_layout(tmp_path):
    manifest = manifest_of(tmp_path / "food", "upmc-food101")
    file = tmp_path / "food/data/texts/test_titles.csv"
    file.rename(tmp_path / "away.csv")
    hear(told(manifest), "Add the file")
    (tmp_path / "away.csv").rename(file)
    assert told(manifest) == ""

    manifest = manifest_of(tmp_path / "mvsa", "mvsa")
    root = tmp_path / "mvsa/data"
    file = root / "data/3.txt"
    file.rename(tmp_path / "3.txt")
    hear(told(manifest), "Add the file, or remove the entry that names it")
    labels = (root / "labelResultAll.txt").read_text()
    (root / "labelResultAll.txt").write_text(
        "".join(line for line in labels.splitlines(True) if not line.startswith("3\t"))
    )
    assert told(manifest) == ""
    (root / "labelResultAll.txt").write_text(labels)
    file.symlink_to(tmp_path / "3.txt")
    hear(told(manifest), "Move it inside")
    file.unlink()
    (tmp_path / "3.txt").rename(file)
    assert told(manifest) == ""
    file.write_bytes("größer".encode("cp1252"))
    hear(told(manifest, encoding="utf-8"), "Set encoding in the manifest")


@advises("Set encoding in the manifest", "Set encoding in the manifest (gb18030, ...)")
def test_the_encoding_of_a_layout(tmp_path):
    manifest = manifest_of(tmp_path / "tree", "markdown-tree")
    for file in (tmp_path / "tree/data").rglob("*.md"):
        file.write_bytes(file.read_text().replace("Boil", "Überbrühen:").encode("cp1252"))
    hear(told(manifest), "Set encoding in the manifest")
    assert told(manifest, encoding="cp1252") == ""
    manifest = manifest_of(tmp_path / "zol", "multi-zol")
    for file in (tmp_path / "zol/data").glob("*.txt"):
        file.write_bytes(file.read_bytes().decode("utf-8", "ignore").encode("gb18030"))
    hear(told(manifest), "Set encoding in the manifest (gb18030, ...)")
    assert told(manifest, encoding="gb18030") == ""


@advises("Move the file into the folder, or name the real folder")
def test_a_link_that_leads_out(tmp_path):
    manifest = manifest_of(tmp_path, "upmc-food101")
    real = (tmp_path / "data").rename(tmp_path / "real")
    (tmp_path / "data/texts").mkdir(parents=True)
    (tmp_path / "data/images").mkdir()
    for file in real.rglob("*.*"):
        link = tmp_path / "data" / file.relative_to(real)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    hear(told(manifest), "Move the file into the folder, or name the real folder")
    assert told(manifest, path="real") == ""
    for file in real.rglob("*.*"):
        file.rename(tmp_path / "data" / file.relative_to(real))
    assert told(manifest) == ""


@advises("Write a path pattern below it", "Write a path pattern below the folder, such as 'dishes/**/*.md'")
def test_patterns_of_documents(tmp_path):
    for sentence, wrong in (
        ("Write a path pattern below it", "../**/*.md"),
        ("Write a path pattern below the folder, such as 'dishes/**/*.md'", "/**/*.md"),
    ):
        with pytest.raises(AutommError) as caught:
            manifest_of(tmp_path / sentence[:32], "markdown-tree", options={"documents": wrong})
        hear(str(caught.value), sentence)
    assert told(manifest_of(tmp_path, "markdown-tree", options={"documents": "*/**/*.md", "site_root": "static"})) == ""


@advises("Correct path in {}", "If {} holds the records, write a manifest: automm init {}", "Move its target inside")
def test_a_folder_that_is_not_in_the_format(tmp_path):
    manifest = manifest_of(tmp_path, "hateful-memes")
    hear(told(manifest, path="dat"), "Correct path in {}")
    assert told(manifest) == ""
    train = tmp_path / "data/train.jsonl"
    train.rename(tmp_path / "away.jsonl")
    train.symlink_to(tmp_path / "away.jsonl")
    hear(told(manifest), "Move its target inside")
    train.unlink()
    (tmp_path / "away.jsonl").rename(train)
    assert told(manifest) == ""
    (tmp_path / "other").mkdir()
    rows = [{"text": f"a text of some words {n}", "label": "ab"[n % 2]} for n in range(24)]
    (tmp_path / "other/reviews.jsonl").write_text(lines(rows))
    said = told(manifest, path="other")
    hear(said, "If {} holds the records, write a manifest: automm init {}")
    assert run(*said.split("write a manifest: automm ")[1].split())[0] == 0
    assert len(load_dataset(load_manifest(tmp_path / "other/manifest.yaml")).reviews) == 24


@advises("Change its permissions")
def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    manifest = manifest_of(tmp_path, "imagefolder")
    with monkeypatch.context() as patch:  # whoever runs this test may be allowed to list every folder

        def refused(path):
            raise PermissionError(13, "Permission denied", str(path))

        patch.setattr(Path, "iterdir", refused)
        hear(told(manifest), "Change its permissions")
    assert told(manifest) == ""


@advises("Write its pictures to files: automm import {} FILE --to DIR")
def test_a_format_for_import_only(tmp_path):
    path, file = write(tmp_path, Way(more={"format": "embedded"})), tmp_path / "pictures.parquet"
    said = run("check", path)[1]
    hear(said, "Write its pictures to files: automm import {} FILE --to DIR")
    rows = [{"image": {"bytes": picture(n)}, "text": f"a text {n} of words", "label": "ab"[n % 2]} for n in range(20)]
    parquet.write_table(pa.Table.from_pylist(rows), file)
    command = said.split("automm import ")[1].split(" --to")[0].replace("FILE", str(file)).split()
    assert run("import", *command, "--to", tmp_path / "o")[0] == 0
    assert run("check", tmp_path / "o/manifest.yaml")[0] == 0


@advises("To import it: automm import {} {} --to DIR")
def test_a_source_that_looks_like_another_format(tmp_path):
    for n in range(24):
        (tmp_path / f"d/{'ab'[n % 2]}").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"d/{'ab'[n % 2]}/{n}.md").write_text(f"A text {n} of some words")
    (tmp_path / "d/metadata.csv").write_text("file_name,text\n")
    said = run("import", "imagefolder", tmp_path / "d", "--to", tmp_path / "o")[1]
    hear(said, "To import it: automm import {} {} --to DIR")
    assert run("import", *said.split("automm import ")[1].split()[:2], "--to", tmp_path / "o")[0] == 0
    assert len(load_dataset(load_manifest(tmp_path / "o/manifest.yaml")).reviews) == 24

    manifest_of(tmp_path, "amazon-reviews-2018")
    assert run("init", tmp_path / "data/Home.json")[0] == 0
    said = (tmp_path / "data/manifest.yaml").read_text()
    hear(said, "To import it: automm import {} {} --to DIR")
    assert run("import", *said.split("automm import ")[1].split()[:2], "--to", tmp_path / "p")[0] == 0


@advises("Name one, or use the manifest for predictions only")
def test_an_import_without_a_label(tmp_path):
    (tmp_path / "d").mkdir()
    for part in ("train", "test"):
        rows = [{"id": f"{part}{n}", "text": f"a text {n} of some words", "city": "xyz"[n % 3]} for n in range(24)]
        (tmp_path / f"d/{part}.jsonl").write_text(lines(rows))
    assert run("import", tmp_path / "d", "--to", tmp_path / "o")[0] == 0
    path = tmp_path / "o/manifest.yaml"
    hear(path.read_text(), "Name one, or use the manifest for predictions only")
    assert len(load_dataset(load_manifest(path), labelled=False).reviews) == 48
    path.write_text(path.read_text().replace("\nfields:", "\nfields:\n  label: city"))
    assert load_dataset(load_manifest(path)).labels == ("x", "y", "z")


@advises("Complete or remove it")
def test_an_incomplete_sample(tmp_path):
    for name, file in (("multi-zol", "zol_Dev_jieba.txt"), ("twitter-15-17", "twitter2017/dev.txt")):
        manifest = manifest_of(tmp_path / name, name)
        file = tmp_path / name / "data" / file
        whole = file.read_bytes().rstrip().split(b"\n")
        file.write_bytes(b"\n".join(whole[:-1]))
        hear(told(manifest), "Complete or remove it")
        for way in (whole, whole[:-4]):
            file.write_bytes(b"\n".join(way))
            assert told(manifest) == ""


@advises("Reinstall automm")
def test_an_installation_without_manifests(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(catalogue, "FOLDER", tmp_path)
        hear(run("datasets")[1], "Reinstall automm")
    assert run("datasets")[0] == 0
