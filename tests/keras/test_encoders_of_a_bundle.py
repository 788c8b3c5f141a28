"""Which encoders of a run its exported models need."""

from types import SimpleNamespace

import pytest
from advice import advises, hear
from tiny_presets import text_preset

from automm.config.experiment import resolve
from automm.deliver.bundle import _layers_of
from automm.errors import NotFoundError
from automm.models.encoders.sources import image_source, text_source
from automm.tracking.encoder_records import EncoderRecord, to_json

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad"]


@pytest.fixture
def experiment(tmp_path):
    return resolve({"manifest": "m.yaml"}, tmp_path, name="test")


def run_of(tmp_path, *named):
    """A run with the sources (name, source), whose tokenizers it has saved."""
    records = [EncoderRecord(source.modality, name, source.fingerprint, "keras", 16) for name, source in named]
    texts = [source for _, source in named if source.modality == "text"]
    for source, name in zip(texts, ("tokenizer.json", "tokenizer_2.json"), strict=False):
        source.preprocessing.tokenizer.save(str(tmp_path / name))
    described = {"encoders": to_json(records)}
    return SimpleNamespace(name="run", folder=tmp_path, read=lambda name: described)


def test_the_other_encoders_of_the_run_need_not_be_there(tmp_path, experiment):
    text, image = text_source("tiny-bert", lambda size: VOCABULARY), image_source("tiny-cnn")
    run = run_of(tmp_path, ("/gone/bert", text), ("tiny-bert", text), ("tiny-cnn", image), ("/gone/vit", image))
    layers = _layers_of(run, experiment, ["text@tiny-bert:mean", "image@tiny-cnn:average", "text_mask"])
    assert [(one.name, one.place) for one in layers.encoders] == [("tiny-bert", 1), ("tiny-cnn", 0)]
    layers = _layers_of(run, experiment, ["image"])
    assert [one.name for one in layers.encoders] == ["tiny-cnn"]


@advises("Move it back, or link it from where it is now: ln -s FOLDER {}")
def test_a_folder_that_has_moved_is_linked(tmp_path, experiment):
    now, before = tmp_path / "now", tmp_path / "before"
    text_preset("bert", now)
    run = run_of(tmp_path, (str(before), text_source(str(now), lambda size: [])))
    with pytest.raises(NotFoundError, match=f"run: the folder '{before}' of the text encoder does not exist") as caught:
        _layers_of(run, experiment, ["text"])
    hear(str(caught.value), "Move it back, or link it from where it is now: ln -s FOLDER {}")
    before.symlink_to(now)
    assert [one.name for one in _layers_of(run, experiment, ["text"]).encoders] == [str(before)]


def test_a_folder_that_has_moved_is_named_by_the_experiment(tmp_path):
    now, before = tmp_path / "now", tmp_path / "before"
    text_preset("bert", now)
    run = run_of(tmp_path, (str(before), text_source(str(now), lambda size: [])))
    encoders = {"text": str(before), "moved": {str(before): str(now)}}
    moved = resolve({"manifest": "m.yaml", "encoders": encoders}, tmp_path, name="test")
    assert [one.name for one in _layers_of(run, moved, ["text"]).encoders] == [str(before)]
