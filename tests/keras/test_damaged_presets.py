"""A damaged or unsupported file of a preset is an error that names it, before anything is encoded."""

import json
import re
import shutil

import pytest
from sentencepiece import sentencepiece_model_pb2
from tiny_presets import bert_pieces, image_preset, text_preset

from automm.errors import WeightsError
from automm.models.encoders.sources import image_source, text_source


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    text_preset("bert", folder / "bert")
    text_preset("roberta", folder / "roberta")
    text_preset("albert", folder / "albert")
    image_preset("vit", folder / "vit")
    image_preset("resnet", folder / "resnet")
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return lambda key: shutil.copytree(saved / key, tmp_path / key)


def of_config(path, **options):
    content = json.loads(path.read_text())
    content["config"] |= options
    path.write_text(json.dumps(content))


VOCABULARY = "assets/tokenizer/vocabulary"


def rules_of_normalisation(rules):
    """Return a SentencePiece model with these rules."""
    model = sentencepiece_model_pb2.ModelProto.FromString(bert_pieces("<pad>"))
    model.normalizer_spec.precompiled_charsmap = rules
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("key", "name", "content"),
    [
        ("bert", f"{VOCABULARY}.txt", b"\xff\xfe"),
        ("bert", f"{VOCABULARY}.txt", b"[PAD]\n[UNK]\ngood"),
        ("bert", "tokenizer.json", b'{"config": null}'),
        ("bert", "metadata.json", b'{"parameter_count": 12'),
        ("bert", "metadata.json", b'{"parameter_count": "many"}'),
        ("bert", "config.json", b'{"registered_name": "keras_hub>BertBackbone", "config": null}'),
        ("bert", "model.weights.json", b"{}"),
        ("roberta", "assets/tokenizer/merges.txt", b"\xff\xfe"),
        ("roberta", f"{VOCABULARY}.json", b"[]"),
        ("roberta", f"{VOCABULARY}.json", b'{"a": "b"}'),
        ("roberta", f"{VOCABULARY}.json", b'{"a": 1}'),
        ("albert", f"{VOCABULARY}.spm", b""),
        ("albert", f"{VOCABULARY}.spm", b"\x0a\x02\x08\x01"),
        ("albert", f"{VOCABULARY}.spm", rules_of_normalisation(b"not compiled")),
    ],
)
def test_damaged_files_of_texts(copy, key, name, content):
    folder = copy(key)
    if name == "model.weights.json":
        (folder / "model.weights.h5").unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"{folder / name} cannot be read: .*\. Fetch the encoder again$"):
        text_source(str(folder), list)


@pytest.mark.parametrize("token", ["[CLS]", "[SEP]"])
def test_a_vocabulary_without_a_special_token_names_the_encoder(copy, token):
    folder = copy("albert")
    path = folder / f"{VOCABULARY}.spm"
    path.write_bytes(path.read_bytes().replace(token.encode(), b"[ODD]"))
    match = rf"the vocabulary of encoder '{folder}' has no {re.escape(token)}\. Name another encoder"
    with pytest.raises(WeightsError, match=match):
        text_source(str(folder), list)


def test_a_vocabulary_without_padding(copy):
    folder = copy("albert")
    path = folder / f"{VOCABULARY}.spm"
    path.write_bytes(path.read_bytes().replace(b"<pad>", b"<odd>"))
    with pytest.raises(WeightsError, match=rf"encoder '{folder}' has no <pad>\. Name another encoder"):
        text_source(str(folder), list)


def test_a_vocabulary_that_is_longer_than_the_embedding(copy):
    folder = copy("bert")
    with (folder / f"{VOCABULARY}.txt").open("a") as file:
        file.write("more\nwords\n")
    with pytest.raises(WeightsError, match="has 14 embeddings, but its vocabulary has 16 tokens"):
        text_source(str(folder), list)


@pytest.mark.parametrize("key", ["vit", "resnet"])
@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"image_size": [32, 48]}, "32 x 48 pixels"),
        ({"interpolation": "nearest"}, "interpolation 'nearest', but automm has bilinear and bicubic"),
        ({"interpolation": "lanczos3"}, "interpolation 'lanczos3'"),
        ({"scale": [0.1, 0.2]}, "scale and offset"),
    ],
)
def test_pictures_that_automm_cannot_prepare(copy, key, options, what):
    folder = copy(key)
    of_config(folder / "image_converter.json", **options)
    with pytest.raises(WeightsError, match=what):
        image_source(str(folder))


def test_a_transformer_of_rectangular_pictures(copy):
    folder = copy("vit")
    of_config(folder / "config.json", image_shape=[32, 48, 3])
    with pytest.raises(WeightsError, match="32 x 48 pixels"):
        image_source(str(folder))
