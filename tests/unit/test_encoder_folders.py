"""Folders of encoders in an experiment file are relative to the file, as its manifest is."""

import pytest
from advice import advises, hear

from automm.config.experiment import load_experiment
from automm.errors import ConfigError


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def write(text, *overrides):
        path = tmp_path / "e.yaml"
        path.write_text(f"manifest: m.yaml\n{text}\n")
        return load_experiment(path, overrides)

    return write


def test_they_are_absolute_in_the_run(load, tmp_path):
    found = load("encoders: {text: [./p/bert, ~/bert, minilm-l6, 'hf://a/b'], image: p/vit}")
    assert found.encoders.texts == (f"{tmp_path}/p/bert", f"{tmp_path}/home/bert", "minilm-l6", "hf://a/b")
    assert found.encoders.images == (f"{tmp_path}/p/vit",)
    assert f"{tmp_path}/p/vit" in found.to_yaml()


def test_those_of_the_space_and_of_options_are_the_same(load, tmp_path):
    found = load("space: {text.encoder: [./p/bert, tiny-bert]}", "encoders.text=[p/bert,tiny-bert]")
    assert tuple(found.space["text.encoder"]) == found.encoders.texts == (f"{tmp_path}/p/bert", "tiny-bert")


def test_one_folder_by_two_names_is_named_twice(load):
    with pytest.raises(ConfigError, match="an encoder is named twice"):
        load("encoders: {text: [./p/bert, p/bert/]}")


@advises("Write OLD: NEW, with OLD as named there")
def test_a_folder_that_has_moved(load, tmp_path):
    with pytest.raises(ConfigError, match=r"'.*/q/bert' is not an encoder in text or image") as caught:
        load("encoders: {text: p/bert, moved: {q/bert: now/bert}}")
    hear(str(caught.value), "Write OLD: NEW, with OLD as named there")
    found = load("encoders: {text: p/bert, moved: {p/bert: now/bert}}").encoders
    assert found.texts == (f"{tmp_path}/p/bert",)
    assert found.folder(f"{tmp_path}/p/bert") == f"{tmp_path}/now/bert"
    assert found.folder("tiny-cnn") == "tiny-cnn"
    option = "encoders.moved={p/bert: now/bert}"
    assert load("encoders: {text: p/bert}", option).encoders.moved == found.moved
