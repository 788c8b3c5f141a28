"""Thirty data sets as people have them: init (or import) and check, without any edit; slow: search and predict."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run

from automm.data.manifest import load_manifest
from automm.data.records.reviews import load_dataset

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from people_data_sets import DATA_SETS, FOLDER_NAME, Expected, Question  # noqa: E402

FROZEN = "1071fa12d90e6d65929989b63c76f346efed009f681ab7c639f3cc3d08a869d0"  # written before the guesser was changed
KNOWN = [name for name, one in DATA_SETS.items() if isinstance(one.expected, Expected)]
ASKED = [name for name, one in DATA_SETS.items() if isinstance(one.expected, Question)]
SMALL = (
    *("--trials", "1", "--set", "encoders.text=tiny-bert", "--set", "encoders.image=tiny-cnn"),
    *("--set", "inputs.image_size=16", "--set", "inputs.max_images=2", "--set", "inputs.sequence_length=16"),
    *("--set", "training.epochs=1", "--set", "tier2.finalists=0", "--set", "ensemble=false"),
    *("--set", "baselines=[]"),
)


def start(name, folder):
    """Build a data set, and run the first command of a person, and the second one if the first names it.

    Returns:
        The exit code, what was printed, and the manifest.
    """
    one = DATA_SETS[name]
    folder.mkdir()
    one.build(folder)
    path = folder / one.start
    code, printed = run("init", path)
    if code == 0 or not path.is_dir():
        return code, printed, (path if path.is_dir() else path.parent) / "manifest.yaml"
    assert f"automm import {path} --to DIR" in printed
    code, more = run("import", path, "--to", folder.parent / "out")
    return code, printed + more, folder.parent / "out" / "manifest.yaml"


def test_the_data_sets_are_those_that_were_frozen():
    assert hashlib.sha256((HERE / "people_data_sets.py").read_bytes()).hexdigest() == FROZEN


@pytest.mark.parametrize("name", KNOWN)
def test_a_data_set_is_read_as_a_careful_person_would(tmp_path, name):
    code, printed, path = start(name, tmp_path / "data")
    assert code == 0, printed
    code, printed = run("check", path)
    assert code == 0, printed
    expected, manifest = DATA_SETS[name].expected, load_manifest(path)
    dataset = load_dataset(manifest)
    fields = manifest.fields
    assert len(dataset.reviews) == expected.records
    assert set(expected.texts) <= set(fields.text) <= {*expected.texts, *expected.texts_may}
    assert expected.label == FOLDER_NAME or fields.label.column in (expected.label, *expected.labels_may)
    assert fields.id in (None, expected.id, *expected.ids_may)
    pictures = {path for review in dataset.reviews for path in review.images}
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures}
    assert expected.pictures in (len(pictures), len(digests))
    assert sum(bool(review.images) for review in dataset.reviews) == expected.reviews_with_pictures
    first_of_several = expected.task == "multilabel" and fields.label.pick == "first"  # one label is predicted so far
    assert first_of_several or manifest.task == expected.task


@pytest.mark.parametrize("name", ASKED)
def test_where_no_guess_is_honest_the_command_asks(tmp_path, name):
    code, printed, path = start(name, tmp_path / "data")
    assert code == 2
    assert all(word in printed for word in DATA_SETS[name].expected.mentions)
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_a_data_set_goes_from_init_to_predictions(tmp_path, name):
    *_, path = start(name, tmp_path / "data")

    def command(*words):
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
        done = subprocess.run(
            [sys.executable, "-m", "automm", *map(str, words)], cwd=tmp_path, env=environment, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()[-2000:]

    command("search", path, *SMALL)
    command("export", "latest", "--to", "bundle")
    command("predict", "bundle", path, "--to", "predictions.jsonl")
    lines = (tmp_path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == DATA_SETS[name].expected.records
