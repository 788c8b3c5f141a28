"""What a message about a manifest or an experiment file says to do, done to that file, leads on."""

import pytest
from advice import advises, hear
from commands import run
from data_sets import FIELDS, PICTURES, Way, each, leads_on, read, write

from automm.config.experiment import load_experiment
from automm.data.manifest import load_manifest
from automm.errors import AutommError
from automm.search.space.validation import narrow

MANIFEST = "name: x\nrecords: r.jsonl\nfields: {id: id, text: text, label: label}\n"


def told(path, *overrides):
    """Return what is wrong with an experiment file, "" if nothing is."""
    try:
        load_experiment(path, overrides)
    except AutommError as error:
        return str(error)
    return ""


def experiment(folder, text=""):
    """Write an experiment file with some more lines, and its data set."""
    write(folder)
    path = folder / "experiment.yaml"
    path.write_text(f"manifest: manifest.yaml\n{text}", "utf-8")
    return path


@advises("Write it like 90s, 30m, 1h or 1h30m")
@pytest.mark.parametrize("wrong", ["1h30", "soon", "0s"])
def test_a_duration(tmp_path, wrong):
    hear(told(experiment(tmp_path, f"budget: {{time: {wrong}}}\n")), "Write it like 90s, 30m, 1h or 1h30m")
    for right in ("90s", "30m", "1h", "1h30m"):
        assert told(experiment(tmp_path, f"budget: {{time: {right}}}\n")) == ""


@advises("Write {}")
@pytest.mark.parametrize("wrong", ["my search", "a/b", "..", "-x", "é" * 200])
def test_the_name_of_an_experiment(tmp_path, wrong):
    said = told(experiment(tmp_path, f"name: '{wrong}'\n"))
    hear(said, "Write {}")
    assert told(experiment(tmp_path, f"name: {said.split('Write ')[1].split(' (given')[0]}\n")) == ""


@advises("Set {}=VALUE", "Write it like {} {}")
def test_an_override(tmp_path):
    path = experiment(tmp_path, "ensemble: true\n")
    hear(told(path, "ensemble.size=false"), "Set {}=VALUE")
    hear(told(path, "ensemble"), "Write it like {} {}")
    assert told(path, "ensemble=false") == told(path, "budget.trials=5") == ""


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ('manifest: "mani\\0fest.yaml"', "manifest: manifest.yaml"),
        ("manifest: !path manifest.yaml", "manifest: manifest.yaml"),
    ],
)
@advises("Remove it")
def test_what_an_experiment_file_cannot_hold(tmp_path, wrong, right):
    path = experiment(tmp_path)
    path.write_text(wrong + "\n")
    hear(told(path), "Remove it")
    path.write_text(right + "\n")
    assert told(path) == ""


@pytest.mark.parametrize("key", ["records", "image_root"])
@advises("Remove it")
def test_a_nul_character_in_a_path_of_a_manifest(tmp_path, key):
    path = write(tmp_path, Way(more={"image_root": "."}))
    right = path.read_text()
    path.write_text(right.replace(f"{key}: {'r.jsonl' if key == 'records' else '.'}", f'{key}: "\\0"'))
    hear(read(path), "Remove it")
    path.write_text(right if key == "records" else right.replace("image_root: .\n", ""))
    assert read(path) == ""


DIGITS, BRACKETS = "1" * 5000, "[" * 5000 + "]" * 5000


@advises(
    "Write the value out",
    "Remove one of them",
    "Write both halves, or remove it",
    "Shorten it, or put it in quotes",
    "Check for stray brackets or wrong indentation",
)
def test_yaml_that_is_not_read(tmp_path):
    path = write(tmp_path)
    for sentence, wrong, *ways in (
        ("Write the value out", "image_root: &here .\nsource: {get: *here}", "image_root: .\nsource: {get: .}"),
        ("Remove one of them", "image_root: .\nimage_root: .", "image_root: ."),
        ("Write both halves, or remove it", 'source: {get: "\\ud83d"}', 'source: {get: "\\ud83d\\ude00"}', ""),
        (
            "Shorten it, or put it in quotes",
            f"source: {{get: {DIGITS}}}",
            "source: {get: '1'}",
            f"source: {{get: '{DIGITS}'}}",
        ),
        ("Check for stray brackets or wrong indentation", f"splits: {BRACKETS}", "splits: {}"),
    ):
        path.write_text(MANIFEST + wrong)
        hear(read(path), sentence)
        for way in ways:
            path.write_text(MANIFEST + way)
            assert read(path) == ""


@advises("Save the file as UTF-8", "Write lines such as 'name: my-reviews'")
def test_a_file_that_is_no_manifest(tmp_path):
    path = write(tmp_path)
    for sentence, wrong in (
        ("Save the file as UTF-8", f"# für Gäste\n{MANIFEST}".encode("cp1252")),
        ("Write lines such as 'name: my-reviews'", b"my-reviews\n"),
    ):
        path.write_bytes(wrong)
        hear(read(path), sentence)
        path.write_text(f"# für Gäste\n{MANIFEST}", "utf-8")
        assert read(path) == ""


@advises(
    "Correct the path, or write a first manifest: automm demo demo/",
    "Check the path and its permissions",
    "Name a new one for the demo",
)
def test_a_path_of_no_manifest(tmp_path, monkeypatch):
    path = write(tmp_path)
    hear(run("check", tmp_path / "gone.yaml")[1], "Correct the path, or write a first manifest: automm demo demo/")
    monkeypatch.chdir(tmp_path)
    hear(run("demo", ".")[1], "Name a new one for the demo")
    assert run("demo", "demo/", "--reviews", "60")[0] == 0
    assert run("check", "demo/manifest.yaml")[0] == run("check", path)[0] == 0
    hear(run("check", tmp_path / ("long" * 100))[1], "Check the path and its permissions")


@advises("Merge its lists")
def test_a_label_that_is_listed_twice(tmp_path):
    before = Way(each(label=lambda n: n % 4), more={"labels": {"map": {"1": [1], "1.0": [2], "0": [0, 3]}}})
    leads_on(tmp_path, "Merge its lists", before, Way(more={"labels": {"map": {"1": [1, 2], "0": [0, 3]}}}))


@advises("Name columns in fields.metadata.categorical, or remove the key")
def test_categories_of_no_column(tmp_path):
    path = experiment(tmp_path, "inputs: {categories: text}\n")

    def towers():
        made = load_experiment(path)
        return load_manifest(made.manifest).towers(made.inputs)

    with pytest.raises(AutommError) as error:
        towers()
    hear(str(error.value), "Name columns in fields.metadata.categorical, or remove the key")
    manifest = tmp_path / "manifest.yaml"
    before = manifest.read_text("utf-8")
    manifest.write_text(before.replace("fields:\n", "fields:\n  metadata: {categorical: [brand]}\n"), "utf-8")
    assert "brand" in manifest.read_text("utf-8")
    assert towers() == ()
    manifest.write_text(before, "utf-8")
    path.write_text("manifest: manifest.yaml\n", "utf-8")
    assert towers() == ()


@advises("Use last or two_thirds with it")
def test_both_places_of_a_fusion_of_sequences():
    space = {"fusion.operator": ["cross_attention"], "image.stage": ["last_and_two_thirds"]}
    with pytest.raises(AutommError) as error:
        narrow(space)
    hear(str(error.value), "Use last or two_thirds with it")
    for place in ("last", "two_thirds"):
        assert narrow({**space, "image.stage": [place]})["image/stage"] == (place,)


READER = """
def read(path, options):
    for n in range(24):
        yield {"id": f"r{n}", "text": f"a text {n} of some words", "label": "ab"[n % 2], MORE}
"""


@advises(
    "If you trust it, add --allow-code to check, search or import",
    "Use strings as column names",
    "Correct or remove it",
)
def test_a_reader_of_the_user(tmp_path):
    path = write(tmp_path, Way(more={"records": None, "format": "advised:read", "path": "d"}))
    (tmp_path / "d").mkdir()
    (tmp_path / "advised.py").write_text(READER.replace("MORE", '"n": n'))
    hear(run("check", path)[1], "If you trust it, add --allow-code to check, search or import")
    assert run("check", path, "--allow-code")[0] == 0
    for sentence, wrong, *ways in (
        ("Use strings as column names", "7: n", '"7": n'),
        ("Correct or remove it", '"n": chr(0xD83D)', '"n": chr(0x1F600)', ""),
    ):
        (tmp_path / "advised.py").write_text(READER.replace("MORE", wrong))
        hear(run("check", path, "--allow-code")[1], sentence)
        for way in ways:
            (tmp_path / "advised.py").write_text(READER.replace("MORE", way))
            assert run("check", path, "--allow-code")[0] == 0


@advises(
    "Name the records file and what its columns mean",
    "Name what the columns of {} mean",
    "Name a numeric or a categorical column, or remove metadata",
    "Name at least one column of text or of images",
)
def test_columns_that_no_key_names(tmp_path):
    (tmp_path / "advised.py").write_text(READER.replace("MORE", '"n": n'))
    own = {"records": None, "format": "advised:read", "path": "."}
    for place, (sentence, before, *ways) in enumerate(
        (
            (
                "Name the records file and what its columns mean",
                Way(more={"records": None, "fields": None}),
                Way(more={"records": "r.jsonl", "fields": FIELDS}),
            ),
            (
                "Name a numeric or a categorical column, or remove metadata",
                Way(fields={"metadata": {}}),
                Way(fields={"metadata": {"numeric": ["n"]}}),
                Way(fields={"metadata": {"categorical": ["n"]}}),
                Way(fields={"metadata": None}),
            ),
            (
                "Name at least one column of text or of images",
                Way(fields={"text": None}, files=PICTURES),
                Way(fields={"text": "text"}),
                Way(fields={"images": "photo"}),
            ),
        )
    ):
        (tmp_path / str(place)).mkdir()
        leads_on(tmp_path / str(place), sentence, before, *ways)
    said = run("check", write(tmp_path, Way(more=own | {"fields": None})), "--allow-code")[1]
    hear(said, "Name what the columns of {} mean")
    assert run("check", write(tmp_path, Way(more=own)), "--allow-code")[0] == 0
