"""A name of an encoder is recognised, or refused, without Keras and without a download."""

import json
import socket

import pytest

from automm.errors import ConfigError, WeightsError
from automm.models.encoders.hub.families import FAMILIES, check_encoder, own_encoders, recognise


def folder(tmp_path, **config):
    (tmp_path / "config.json").write_text(json.dumps(config))
    return str(tmp_path)


@pytest.mark.parametrize(("key", "family"), FAMILIES.items())
def test_presets_by_name_by_folder_and_by_handle(key, family, tmp_path):
    for modality in family.reads:
        assert recognise(family.example, modality).key == key
        assert recognise(f"kaggle://keras/{key}/keras/{family.example}/1", modality).key == key
        kind = {"distil_bert": "DistilBert", "deberta_v3": "DebertaV3", "metaclip_2": "MetaCLIP2"}.get(key, key)
        saved = folder(tmp_path, registered_name=f"keras_hub>{kind.replace('_', '')}Backbone", config={})
        assert recognise(saved, modality).key == key


@pytest.mark.parametrize(
    ("handle", "modality", "key"),
    [
        ("kaggle://keras/metaclip2/keras/x/1", "text", "metaclip_2"),
        ("kaggle://keras/mobilenetv3/keras/x/1", "image", "mobilenet"),
        ("kaggle://keras/resnetv1/keras/resnet_18_imagenet/3", "image", "resnet"),
        ("kaggle://keras/distil_bert/keras/x/1", "text", "distil_bert"),
        ("modelscope://keras/bert_base_en", "text", "bert"),
    ],
)
def test_handles_of_kaggle_name_the_family_and_those_of_modelscope_the_preset(handle, modality, key):
    assert recognise(handle, modality).key == key


@pytest.mark.parametrize(
    ("config", "modality", "key", "format"),
    [
        ({"model_type": "xlm-roberta"}, "text", "xlm_roberta", "transformers"),
        ({"model_type": "dinov2_with_registers"}, "image", "dinov2", "transformers"),
        ({"architecture": "mobilenetv3_small_100"}, "image", "mobilenet", "timm"),
        ({"architecture": "resnet18"}, "image", "resnet", "timm"),
    ],
)
def test_folders_of_hugging_face_and_timm(config, modality, key, format, tmp_path):
    found = recognise(folder(tmp_path, **config), modality)
    assert (found.key, found.format) == (key, format)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("gpt2_base_en", "is of the family gpt2, which automm does not read"),
        ("kaggle://keras/llama3/keras/llama3_8b_en/1", "is of the family llama3"),
        ("vit_base_patch16_224_imagenet", "is a ViT, which reads pictures"),
        ("ftp://somewhere", "has an unknown scheme"),
        ("./nowhere", "folder './nowhere' does not exist"),
    ],
)
def test_what_is_no_text_encoder_is_refused_by_name(name, what):
    with pytest.raises(ConfigError, match=r"^encoders\.text: ") as caught:
        recognise(name, "text")
    assert what in str(caught.value)
    if "family" in what or "reads" in what:
        assert all(family.example in str(caught.value) for family in FAMILIES.values() if "text" in family.reads)


def test_folders_that_kerashub_cannot_convert_name_the_preset_instead(tmp_path):
    with pytest.raises(ConfigError, match=r"is a CLIP of Hugging Face.*for example clip_vit_base_patch32"):
        recognise(folder(tmp_path, model_type="clip"), "image")
    with pytest.raises(ConfigError, match="is of the family mpnet"):
        recognise(folder(tmp_path, model_type="mpnet"), "text")


def test_an_unknown_name_has_the_nearest_ones():
    with pytest.raises(WeightsError, match=r"there is no encoder 'roberta_base'\. Did you mean 'roberta_base_en'\?"):
        recognise("roberta_base", "text")
    with pytest.raises(WeightsError, match=r"Did you mean 'minilm-l6'\?"):
        check_encoder("minilm-l7", "text")


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_folder_without_a_readable_config(content, tmp_path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(WeightsError, match=r"config\.json"):
        recognise(str(tmp_path), "text")


def test_a_handle_is_read_from_a_hub_or_from_what_was_fetched_before(tmp_path, monkeypatch):
    config, asked = tmp_path / "config.json", []
    config.write_text(json.dumps({"model_type": "xlm-roberta"}))
    monkeypatch.setattr("socket.create_connection", lambda *to, timeout: asked.append("hub") or socket.socket())
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *of: asked.append(of) or str(config))
    monkeypatch.setattr("automm.models.encoders.hub.families.getproxies", dict)
    assert recognise("hf://org/model", "text").key == "xlm_roberta"
    assert asked == ["hub", ("org/model", "config.json")]
    monkeypatch.setattr("automm.models.encoders.hub.families.getproxies", lambda: {"https": "http://proxy"})
    recognise("hf://org/model", "text")
    assert asked[2:] == [("org/model", "config.json")]  # only the proxy may know the hub
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *of: str(config))
    recognise("hf://org/model", "text")
    assert len(asked) == 3


def test_own_encoders_need_no_recognition():
    for modality in ("text", "image"):
        for name in own_encoders(modality):
            check_encoder(name, modality)
    assert "me5-small" in own_encoders("text")


def test_a_bare_name_is_no_folder(tmp_path, monkeypatch):
    (tmp_path / "bert_base_en").mkdir()
    monkeypatch.chdir(tmp_path)
    assert recognise("bert_base_en", "text").format == "keras"
