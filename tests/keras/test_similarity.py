"""The similarity of texts and pictures: its numbers, its place in a model of every fusion, and what refuses it."""

import keras
import numpy as np
import pytest
from advice import advises, hear
from small import SMALL

from automm.data.inputs.input_sources import InputSource
from automm.errors import ConfigError
from automm.models.baselines import fused
from automm.models.fusion import OPERATORS
from automm.models.fusion.similarity import Similarity
from automm.models.heads import Shapes
from automm.search.space.table import contains, readouts
from automm.search.space.validation import narrow

CLIP = "clip"
ENCODERS = {"text": ("words", CLIP), "image": (CLIP,)}
TEXT, IMAGE = (InputSource(modality, CLIP, "pooled") for modality in ("text", "image"))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_cosines_of_a_text_with_its_pictures():
    rng = np.random.default_rng(0)
    text, images = rng.normal(size=(4, 6)).astype(np.float32), rng.normal(size=(4, 3, 6)).astype(np.float32)
    image_mask = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 0]], np.float32)
    text_mask = np.array([1, 1, 1, 0], np.float32)
    layer = Similarity()
    layer.learn(np.float32([0.2]), np.float32([0.5]))
    found = np.asarray(layer(text, images, image_mask, text_mask))
    wanted = (np.einsum("nf,nmf->nm", unit(text), unit(images)) - 0.2) / 0.5
    np.testing.assert_allclose(found[:2, :3], (wanted * image_mask)[:2], atol=1e-6)
    np.testing.assert_allclose(found[0, 3:], [wanted[0].max(), wanted[0].mean()], atol=1e-6)
    np.testing.assert_allclose(found[1, 3:], [wanted[1, ::2].max(), wanted[1, ::2].mean()], atol=1e-6)
    np.testing.assert_array_equal(found[2:], 0)
    symbolic = layer(*(keras.KerasTensor(array.shape) for array in (text, images, image_mask, text_mask)))
    assert symbolic.shape == found.shape == (4, 5)


def test_absent_pictures_never_change_it():
    rng = np.random.default_rng(1)
    text, images = rng.normal(size=(1, 4)).astype(np.float32), rng.normal(size=(1, 2, 4)).astype(np.float32)
    mask, one = np.array([[1, 0]], np.float32), np.ones(1, np.float32)
    spoiled = images.copy()
    spoiled[0, 1] = np.nan
    np.testing.assert_array_equal(Similarity()(text, images, mask, one), Similarity()(text, spoiled, mask, one))


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_fusion_takes_it(operator, tmp_path):
    of_sources = {TEXT: (6,), IMAGE: (3, 6), InputSource("text", "words", "states"): (None, 4)}
    of_sources |= {InputSource("text", "words", "mean"): (4,), InputSource("image", CLIP, "average"): (3, 5)}
    of_sources[InputSource("image", CLIP, "cells")] = (3, 4, 5)
    shapes = Shapes(4, 5, 3, 2, head="softmax", encoders=ENCODERS, of_sources=of_sources)
    point = {**SMALL, "fusion/operator": operator, "fusion/rank": 2, "text/encoder": "words"}
    keras.utils.set_random_seed(0)
    model = fused(shapes, {**point, "fusion/similarity": CLIP})
    assert {TEXT.name, IMAGE.name} <= {tensor.name for tensor in model.inputs}
    model.get_layer("similarity").learn(np.float32([0.1]), np.float32([0.5]))
    rng = np.random.default_rng(0)
    batch = {
        tensor.name: rng.normal(size=[2 if size is None else size for size in tensor.shape]).astype(np.float32)
        for tensor in model.inputs
    }
    batch |= {"text_mask": np.ones(2, np.float32), "image_mask": np.float32([[1, 1, 0], [1, 0, 0]])}
    batch |= {name: np.ones((2, 2), np.int32) for name in batch if name.endswith("token_mask")}
    answers = np.asarray(model(batch))
    turned = {**batch, TEXT.name: -batch[TEXT.name]}
    assert np.abs(np.asarray(model(turned)) - answers).max() > 1e-6
    absent = {**batch, "text_mask": np.zeros(2, np.float32)}
    np.testing.assert_array_equal(model(absent), model({**turned, "text_mask": absent["text_mask"]}))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(loaded(batch), answers, atol=1e-6)


@advises("Remove the key")
def test_it_is_in_the_space_where_an_encoder_reads_both():
    space = narrow({"fusion.similarity": ["none", CLIP]}, encoders=ENCODERS)
    assert space["fusion/similarity"] == ("none", CLIP)
    assert {TEXT.name, IMAGE.name} <= set(readouts(space))
    without = narrow({}, encoders=ENCODERS)
    assert "fusion/similarity" not in without
    assert {"image", "text"} <= set(readouts(without))
    assert not {TEXT.name, IMAGE.name} & set(readouts(without))
    point = {name: choices[0] for name, choices in space.items()}
    assert contains({"fusion/similarity": space["fusion/similarity"]}, {"fusion/similarity": CLIP})
    assert point["fusion/similarity"] == "none"
    with pytest.raises(ConfigError, match=r"'words' is not a choice.* Legal: none, clip"):
        narrow({"fusion.similarity": "words"}, encoders=ENCODERS)
    with pytest.raises(ConfigError, match="no encoder that reads texts and pictures is named") as caught:
        narrow({"fusion.similarity": CLIP}, encoders={"text": ("words",), "image": (CLIP,)})
    hear(str(caught.value), "Remove the key")
    narrow({}, encoders={"text": ("words",), "image": (CLIP,)})
