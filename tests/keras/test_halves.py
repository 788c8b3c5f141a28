"""An encoder as two layers computes the same numbers as the whole encoder."""

from functools import partial
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from advice import advises, hear

from automm.config.experiment import resolve
from automm.errors import ConfigError
from automm.models.encoders import efficientnet_lite
from automm.models.encoders.half_layers import TextUpper
from automm.models.encoders.halves import frontiers, halve_cnn
from automm.models.encoders.hub.unrolled import Tower
from automm.models.encoders.layers import unfreeze
from automm.models.encoders.sources import ImageSource, image_source, text_source
from automm.search.finalists.fine_tune import candidates_to_tune
from automm.tracking.run_folder import COMPLETED, Candidate

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "[MASK]"]
IDS = np.array([[2, 4, 3, 0, 0, 0], [2, 5, 4, 4, 5, 3]], np.int32)


@pytest.fixture(scope="module")
def text():
    return text_source("tiny-bert", lambda size: VOCABULARY)


@pytest.fixture(scope="module")
def image():
    return image_source("tiny-cnn")


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8)


def trained_names(model):
    return {layer.name for layer in model.layers if layer.weights}


def test_text(text):
    lower, upper = text.halves()
    states, real = lower(IDS)
    assert states.shape == (2, 6, lower.features)
    np.testing.assert_array_equal(real, IDS != 0)
    np.testing.assert_allclose(upper(states, real), text.build()(IDS), atol=1e-6)
    assert trained_names(upper.backbone) == {"transformer_layer_1"}


def test_pictures(image, pixels):
    lower, upper = image.halves(16)
    cells = lower(pixels)
    assert tuple(cells.shape) == tuple(lower.compute_output_spec(keras.KerasTensor(pixels.shape)).shape)
    np.testing.assert_allclose(upper(cells), image.build()(pixels), atol=1e-6)
    assert trained_names(upper.backbone) == {"conv_2"}


def test_padding_does_not_change_the_upper_half(text):
    lower, upper = text.halves()
    states, real = (np.asarray(array) for array in lower(IDS))
    spoiled = np.where(real[..., None] > 0, states, 1e3).astype(np.float32)
    np.testing.assert_allclose(upper(spoiled, real), upper(states, real), atol=1e-5)


def test_efficientnet_is_cut_so_that_a_third_is_trained_on_its_coarsest_maps():
    backbone = efficientnet_lite.build("lite0")
    halves = halve_cnn(Tower(backbone), 64)
    assert halves.place == "block14_add"
    assert halves.lower.compute_output_shape((1, 64, 64, 3)) == (1, 2, 2, 192)
    picture = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(halves.upper(halves.lower(picture)), backbone(picture), atol=1e-5)


def test_presets_are_cut(tmp_path, pixels):
    from keras_hub.layers import ResNetImageConverter
    from keras_hub.models import BertBackbone, BertTokenizer, ResNetBackbone

    BertBackbone(len(VOCABULARY), num_layers=3, num_heads=2, hidden_dim=8, intermediate_dim=8).save_to_preset(
        str(tmp_path / "text")
    )
    BertTokenizer(VOCABULARY, lowercase=True).save_to_preset(str(tmp_path / "text"))
    ResNetBackbone([64], [3], [64, 64], [1, 1], [1, 2], block_type="basic_block").save_to_preset(
        str(tmp_path / "image")
    )
    ResNetImageConverter(image_size=(16, 16), scale=1 / 100).save_to_preset(str(tmp_path / "image"))
    text, image = text_source(str(tmp_path / "text"), lambda size: VOCABULARY), image_source(str(tmp_path / "image"))
    lower, upper = text.halves()
    np.testing.assert_allclose(upper(*lower(IDS)), text.build()(IDS), atol=1e-5)
    lower, upper = image.halves(16)
    np.testing.assert_allclose(upper(lower(pixels)), image.build()(pixels), atol=1e-5)


def test_saved_and_loaded(tmp_path, text, image, pixels):
    halves = (*text.halves(), *image.halves(16))
    text_lower, text_upper, image_lower, image_upper = halves
    ids, pictures = keras.Input((6,), dtype="int32"), keras.Input((3, 16, 16, 3), dtype="uint8")
    outputs = [text_upper(*text_lower(ids)), image_upper(image_lower(pictures))]
    model = keras.Model([ids, pictures], outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    for one, other in zip(loaded([IDS, pixels]), model([IDS, pixels]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_fingerprint_of_halves_depends_on_the_cut(text):
    lower, upper = text.halves()
    assert lower.fingerprint == upper.fingerprint != text.fingerprint


def test_no_frontier_inside_a_residual_block():
    inputs = keras.Input((4,))
    first = keras.layers.Dense(4, name="first")(inputs)
    inner = keras.layers.Dense(4, name="inner")(first)
    added = keras.layers.Add(name="added")([first, inner])
    model = keras.Model(inputs, keras.layers.Dense(2, name="last")(added))
    assert [place.operation.name for place in frontiers(model)] == ["first", "added"]
    assert [place.weights_behind for place in frontiers(model)] == [20 + 10, 10]


@advises("Set tier2.finalists: 0, and use only 'last' for text.layer and image.stage")
def test_a_model_without_a_frontier_is_rejected(tmp_path):
    inputs = keras.Input((8, 8, 3))
    tower = Tower(keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs)))
    source = ImageSource("one-layer", "f", 0, lambda: (tower, None))
    for cut in (source.halves, partial(source.build, ("image_average_two_thirds",))):
        with pytest.raises(ConfigError) as caught:
            cut(size=8)
        hear(str(caught.value), "Set tier2.finalists: 0, and use only 'last' for text.layer and image.stage")
    assert source.build(("image_average_last",), 8)
    experiment = resolve({"manifest": "m.yaml", "tier2": {"finalists": 0}}, tmp_path, name="x")
    ranking = SimpleNamespace(trained=lambda: [Candidate("trial-001", "trial", COMPLETED)])
    assert candidates_to_tune(SimpleNamespace(ranking=ranking, candidates=[]), experiment.tier2.finalists) == []


def test_unfreeze_keeps_batch_normalisation_frozen():
    inputs = keras.Input((4, 4, 3), name="states")
    backbone = keras.Model(inputs, keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 1)(inputs)))
    from automm.models.encoders.half_layers import ImageUpper

    upper = ImageUpper(backbone, 2, "x", ("image",))
    upper.trainable = False
    unfreeze(upper)
    assert [weight.path.split("/")[-1] for weight in upper.trainable_weights] == ["kernel", "bias"]
    cells = np.random.default_rng(0).normal(size=(2, 1, 4, 4, 3)).astype(np.float32)
    before = [weight.copy() for weight in upper.get_weights()]
    upper(cells, training=True)
    for old, new in zip(before, upper.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_frozen_upper_half_has_no_dropout(text):
    lower, upper = text.halves()
    states, real = lower(IDS)
    assert isinstance(upper, TextUpper)
    np.testing.assert_array_equal(upper(states, real, training=True), upper(states, real))
    unfreeze(upper)
    assert np.abs(np.asarray(upper(states, real, training=True)) - np.asarray(upper(states, real))).max() > 1e-3
