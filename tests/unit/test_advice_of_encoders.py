"""What messages about encoders say to do, done, leads to an encoder."""

import json
import re

import pytest
from advice import advises, hear

from automm.config.experiment import resolve
from automm.errors import ConfigError, WeightsError
from automm.models.encoders.hub.families import FAMILIES, check_encoder, recognise


def refused(name, modality="text"):
    with pytest.raises((ConfigError, WeightsError)) as caught:
        recognise(name, modality)
    return str(caught.value)


def folder(tmp_path, **config):
    (tmp_path / "config.json").write_text(json.dumps(config))
    return str(tmp_path)


@advises("Use one of: {}")
def test_the_schemes_that_are_named():
    path = "keras/bert/keras/bert_tiny_en_uncased/1"
    said = refused(f"ftp://{path}")
    hear(said, "Use one of: {}")
    assert "kaggle://" in said
    assert recognise(f"kaggle://{path}", "text").key == "bert"


@advises("Name an encoder of {}")
def test_the_families_that_are_named():
    said = refused("gpt2_base_en")
    hear(said, "Name an encoder of {}")
    examples = re.findall(r"\((\w+)\)", said)
    assert examples == [family.example for family in FAMILIES.values() if "text" in family.reads]
    for example in examples:
        recognise(example, "text")


@advises("Name its preset instead, for example {}")
def test_the_preset_of_a_folder_that_is_not_converted(tmp_path):
    said = refused(folder(tmp_path, model_type="clip"), "image")
    hear(said, "Name its preset instead, for example {}")
    assert recognise(said.rpartition(" ")[2], "image").key == "clip"


@advises("Name a folder that KerasHub's save_to_preset wrote, or one of Hugging Face")
def test_the_folders_that_are_named(tmp_path):
    said = refused(folder(tmp_path))
    hear(said, "Name a folder that KerasHub's save_to_preset wrote, or one of Hugging Face")
    assert recognise(folder(tmp_path, registered_name="keras_hub>BertBackbone"), "text").format == "keras"
    assert recognise(folder(tmp_path, model_type="bert"), "text").format == "transformers"


@advises("Correct the path, or name one of: {}")
def test_a_path_is_corrected_or_an_encoder_named(tmp_path):
    said = refused(str(tmp_path / "nowhere"))
    hear(said, "Correct the path, or name one of: {}")
    for name in said.split("name one of: ")[1].split(", "):
        check_encoder(name, "text")
    assert recognise(folder(tmp_path, model_type="bert"), "text").key == "bert"


@advises("Check the name and the network, or download the model and name its folder")
def test_a_downloaded_folder_in_place_of_a_handle(tmp_path, monkeypatch):
    def offline(*to, timeout):
        raise OSError("no route to host")

    monkeypatch.setattr("socket.create_connection", offline)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *of: pytest.fail("it tries for 24 seconds"))
    monkeypatch.setattr("automm.models.encoders.hub.families.getproxies", dict)
    said = refused("hf://intfloat/multilingual-e5-base")
    assert "huggingface.co cannot be reached (no route to host). Check" in said
    hear(said, "Check the name and the network, or download the model and name its folder")
    assert recognise(folder(tmp_path, model_type="xlm-roberta"), "text").key == "xlm_roberta"


@advises("Name each once", "Name all encoders, or auto alone", "Write the folder ./all")
def test_several_encoders_are_named_once_each_and_without_auto(tmp_path):
    def encoders(text):
        return resolve({"manifest": "m.yaml", "encoders": {"text": text}}, tmp_path, name="x").encoders.text

    for wrong, advice, right in (
        (["minilm-l6", "minilm-l6"], "Name each once", ["minilm-l6"]),
        (["p/bert", "p/bert/"], "Name each once", ["p/bert", "p/other"]),
        (["all", "p/bert"], "Write the folder ./all", ["./all", "p/bert"]),
        (["auto", "minilm-l6"], "Name all encoders, or auto alone", ["me5-small", "minilm-l6"]),
    ):
        with pytest.raises(ConfigError) as caught:
            encoders(wrong)
        hear(str(caught.value), advice)
        names = tuple(str((tmp_path / name).resolve()) if "/" in name else name for name in right)
        assert encoders(right) in (names[0], names)
    assert encoders("auto") == "auto"


@advises("Name a picture encoder, such as efficientnet-lite0")
@pytest.mark.parametrize("wrong", ["auto", ["auto"], ["auto", "tiny-cnn"]])
def test_auto_chooses_no_picture_encoder(tmp_path, wrong):
    def images(image):
        return resolve({"manifest": "m.yaml", "encoders": {"image": image}}, tmp_path, name="x").encoders.images

    with pytest.raises(ConfigError, match=r"encoders\.image: auto chooses text encoders only") as caught:
        images(wrong)
    hear(str(caught.value), "Name a picture encoder, such as efficientnet-lite0")
    name = str(caught.value).rpartition("such as ")[2]
    assert images(name) == (name,)
