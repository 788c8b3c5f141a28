"""CNNs that are trained from pixels: masks, gradients, augmentation, sizes, and the search space."""

import keras
import numpy as np
import pytest
from advice import advises, hear
from small import SMALL, TEXT, layers_of

from automm.errors import ConfigError
from automm.models.baselines import fused
from automm.models.cnn.pixels import AUGMENTATIONS, FROZEN, PixelEncoder, _smaller
from automm.models.cnn.residual import residual_cnn
from automm.models.encoders.sources import image_source, text_source
from automm.models.heads import Shapes
from automm.models.readouts import IMAGE_READOUTS
from automm.models.whole import compose, parameters_of
from automm.search.features.suffix import extract_suffix
from automm.search.space.table import contains, draw, points, readouts, size
from automm.search.space.validation import full_space, narrow
from automm.search.training.loop import Fold, train
from automm.search.training.options import Plan
from automm.search.training.pixels import BACKBONES, pixel_encoder
from automm.tasks.registry import TASKS

STORED = 18
SHAPES = Shapes(text_features=4, image_features=3, max_images=2, outputs=3, image_size=STORED, head="softmax")
PIXELS = {
    "image/source": "convolution",
    "image/size": 8,
    "image/depth": 2,
    "image/filters": 2,
    "image/kernel": 3,
    "image/augmentation": "none",
}
SOURCES = tuple(BACKBONES)
REVIEWS = 24


@pytest.fixture(autouse=True)
def eager(request):
    """Tracing a graph takes longer than these few batches; a test named so goes without."""
    import tensorflow as tf

    tf.config.run_functions_eagerly("graph" not in request.node.name)
    yield
    tf.config.run_functions_eagerly(False)


def model_of(seed=1, **values):
    keras.utils.set_random_seed(seed)
    point = {**SMALL, **PIXELS, "text/readout": "mean", "image/readout": "average", **values}
    return fused(SHAPES, point, pixel_encoder(point))


class Memory:
    """Reviews whose label is the colour of their pictures."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.labels = (np.arange(REVIEWS) % 3).astype(np.int32)
        images = rng.integers(0, 60, (REVIEWS, 2, STORED, STORED, 3), dtype=np.uint8)
        images[np.arange(REVIEWS), ..., self.labels] += 150
        self.arrays = {
            "text": rng.normal(size=(REVIEWS, 4)).astype(np.float32),
            "text_mask": np.ones(REVIEWS, np.float32),
            "images": images,
            "image_mask": np.stack([np.arange(REVIEWS) % 4 != 3, np.arange(REVIEWS) % 2], axis=1).astype(np.float32),
        }

    def batch(self, rows):
        return {name: array[rows] for name, array in self.arrays.items()}


@pytest.fixture
def source():
    return Memory()


def answer(model, source, **changed):
    batch = source.batch(np.arange(REVIEWS)) | changed
    return np.asarray(model({tensor.name: batch[tensor.name] for tensor in model.inputs}, training=False))


@pytest.mark.parametrize("name", SOURCES)
class TestEverySource:
    def test_a_masked_out_picture_never_changes_the_output(self, name, source):
        model = model_of(**{"image/source": name})
        images = source.arrays["images"].copy()
        images[source.arrays["image_mask"] == 0] = 77
        np.testing.assert_array_equal(answer(model, source), answer(model, source, images=images))

    def test_pictures_are_independent_in_training_too(self, name, source):
        encoder = pixel_encoder({**SMALL, **PIXELS, "image/source": name, "image/readout": "average"})
        alone = source.arrays["images"][:1]
        beside = source.arrays["images"][:5].copy()
        beside[1:] = 0
        given = [np.asarray(encoder(images, training=True))[0] for images in (alone, beside)]
        np.testing.assert_allclose(*given, atol=1e-4)  # sums of another order

    def test_every_weight_gets_a_gradient_and_there_are_no_other_weights(self, name, source):
        import tensorflow as tf

        model = model_of(**{"image/source": name})
        encoder = model.get_layer("image_cnn")
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(source.batch(np.arange(REVIEWS)), training=True)[:, 0])
        slopes = tape.gradient(loss, encoder.trainable_variables)
        assert all(np.abs(slope).max() > 0 for slope in slopes)
        assert encoder.non_trainable_weights == []  # no moving averages

    def test_a_loaded_model_gives_the_same(self, name, source, tmp_path):
        model = model_of(**{"image/source": name, "image/augmentation": "all"})
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
        np.testing.assert_array_equal(answer(model, source), answer(loaded, source))

    def test_training_learns_from_pixels_and_is_reproducible(self, name, source):
        scores = [learned(source, **{"image/source": name}) for _ in range(2)]
        assert scores[0] == scores[1]
        assert scores[0].history[-1]["loss"] < 0.8 * scores[0].history[0]["loss"]


def learned(source, epochs=8, **values):
    plan = Plan(
        "val_loss",
        task=TASKS["classification"],
        epochs=epochs,
        patience=epochs,
        batch_size=8,
        learning_rate=0.01,
        seed=3,
    )
    model = model_of(**{"label/dropout": 0.0, **values})
    fold = Fold(np.arange(16), np.arange(16, REVIEWS))
    trained = train([model], [fold], source, source.labels, plan, together=False)
    trained.probabilities = trained.probabilities.tobytes()
    return trained


class TestAugmentation:
    @pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "none"])
    def test_it_is_off_at_inference_and_on_in_training(self, name, source):
        keras.utils.set_random_seed(1)
        encoder = pixel_encoder({**SMALL, **PIXELS, "image/readout": "average", "image/augmentation": name})
        images = source.arrays["images"]
        plain, again = (np.asarray(encoder(images, training=False)) for _ in range(2))
        np.testing.assert_array_equal(plain, again)
        assert np.abs(plain - np.asarray(encoder(images, training=True))).max() > 1e-3

    def test_without_augmentation_training_equals_inference(self, source):
        encoder = pixel_encoder({**SMALL, **PIXELS, "image/readout": "average"})
        images = source.arrays["images"]
        np.testing.assert_array_equal(*(np.asarray(encoder(images, training=training)) for training in (True, False)))

    def test_the_same_seed_draws_the_same_in_a_graph(self, source):
        first, second = (learned(source, epochs=2, **{"image/augmentation": "all"}) for _ in range(2))
        plain = learned(source, epochs=2)
        assert first == second
        assert first.history != plain.history


class TestSizes:
    @pytest.mark.parametrize("size", [5, 8, 9, 12, STORED])
    def test_shrinking_uses_every_pixel(self, size):
        import tensorflow as tf

        pictures = tf.Variable(np.random.default_rng(0).random((1, STORED, STORED, 3), np.float32))
        with tf.GradientTape() as tape:
            smaller = _smaller(pictures, size)
            total = tf.reduce_sum(smaller)
        assert smaller.shape == (1, size, size, 3)
        read = tape.gradient(total, pictures).numpy()[0, ..., 0] > 0
        square = STORED // size
        ends = STORED // square * square  # what is left over of a square at the edge is not read
        assert read[:ends, :ends].all()
        assert STORED - ends < square

    def test_the_output_shape_is_known_before_the_call(self):
        encoder = PixelEncoder(keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Identity()]))
        images = np.full((1, 1, STORED, STORED, 3), 200, np.uint8)
        assert encoder.compute_output_shape(images.shape) == encoder(images).shape == (1, 1, 3)

    def test_pictures_smaller_than_the_input_are_rejected(self):
        with pytest.raises(ValueError, match="needs pictures of at least 20 pixels; these have 18"):
            model_of(**{"image/size": 20})

    @pytest.mark.parametrize("kernel", [2, 3, 5, 9])
    @pytest.mark.parametrize("size", [8, 17])
    def test_every_kernel_and_size_can_be_built(self, size, kernel):
        values = {**PIXELS, "image/size": size, "image/kernel": kernel, "image/depth": 5}
        assert BACKBONES["convolution"](values).output_shape[-1] == 2 * 2**4
        assert residual_cnn(size, 3, 5).output_shape[-1] == 3 * 2**4


@pytest.mark.parametrize("readout", [*IMAGE_READOUTS, "cells"])
def test_read_outs_equal_those_of_a_frozen_encoder(readout, source):
    encoder = PixelEncoder(residual_cnn(8, 2, 2), readout)
    (name,) = encoder.named(keras.Input((2, STORED, STORED, 3), dtype="uint8"))
    assert name == {"average": "image", "cells": "image_cells_last"}.get(readout, f"image_{readout}_last")
    images = source.arrays["images"]
    assert encoder(images).shape == encoder.compute_output_shape(images.shape)


def test_whole_sequences_of_a_trained_map_go_through_a_fusion():
    model = model_of(**{"fusion/operator": "cross_attention"})
    assert {tensor.name for tensor in model.inputs} >= {"images", "text_states_last", "token_mask"}


def test_the_suffix_gets_text_features_and_raw_pixels():
    text = text_source("tiny-bert", lambda size: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"]).build()
    layers = layers_of(text, image_source("tiny-cnn").build(), 6, STORED)
    shapes = Shapes(text_features=16, image_features=16, max_images=2, outputs=3, image_size=STORED, head="softmax")
    point = {**SMALL, **PIXELS, "image/readout": "average", "text/readout": "mean", "text/layer": "last"}
    suffix = fused(shapes, point, pixel_encoder(point))
    whole = compose(suffix, layers, 2)
    assert {tensor.name for tensor in whole.inputs} == {
        "token_ids",
        "padding_mask",
        "text_mask",
        "images",
        "image_mask",
    }
    assert whole.count_params() == parameters_of(suffix, layers)  # without the frozen picture encoder
    again = extract_suffix(whole)
    assert {tensor.name for tensor in again.inputs} == {TEXT, "text_mask", "images", "image_mask"}
    assert {layer.name for layer in again._flatten_layers()} >= {"image_cnn"}


SPACE = {"image.source": [FROZEN, *SOURCES]}


class TestSpace:
    def test_cnns_are_in_the_space_only_on_request(self):
        usual = full_space()
        assert usual["image/source"] == (FROZEN,)
        assert not {"image/size", "image/depth", "image/filters", "image/kernel", "image/augmentation"} & set(usual)

    def test_one_search_compares_the_frozen_encoder_with_cnns(self):
        space = narrow({**SPACE, "image.size": 16, "image.augmentation": ["none", "flip"]})
        drawn = [draw(space, np.random.default_rng(seed)) for seed in range(60)]
        assert {point["image/source"] for point in drawn} == {FROZEN, *SOURCES}
        for point in drawn:
            assert contains(space, point)
            trained = point["image/source"] != FROZEN
            assert trained == ("image/size" in point) == ("image/augmentation" in point) == ("image/stage" not in point)
            assert ("image/kernel" in point) == (point["image/source"] == "convolution")
        # By source: 1 frozen; size 1, depth 2, filters 2, kernel 2 or none, augmentation 2.
        rest = size(narrow({}))
        assert size(space) == rest * (1 + 2 * 2 * 2 * 2 + 2 * 2 * 2)

    def test_every_point_can_be_built(self):
        narrowed = {"image.pooling": "mean", "fusion.operator": ["concatenation", "cross_attention"]}
        narrowed |= {"image.size": 8, "image.depth": 1, "image.filters": 2, "image.kernel": 3, "fusion.width": 4}
        narrowed |= {"label.layers": 0, "label.dropout": 0.0, "training.learning_rate": 1e-3}
        space = narrow(SPACE | narrowed)
        for point in points(space):
            encoder = pixel_encoder(point)
            assert (encoder is None) == (point["image/source"] == FROZEN)
            assert "images" in [tensor.name for tensor in fused(SHAPES, point, encoder).inputs] or encoder is None

    def test_sizes_are_at_most_the_size_of_the_pictures(self):
        assert narrow(SPACE, image_size=224)["image/size"] == (32, 64)
        assert narrow(SPACE, image_size=48)["image/size"] == (32,)
        assert narrow(SPACE, image_size=16)["image/size"] == (16,)

    @advises(
        "Choose less, or raise inputs.image_size", "Name at least one choice", "Set image.source: [frozen] with it"
    )
    def test_advice_about_the_space(self):
        wanted = {**SPACE, "image.size": [16, 64]}
        with pytest.raises(ConfigError, match=r"image.size: 64 is larger than the stored pictures") as caught:
            narrow(wanted, image_size=32)
        hear(str(caught.value), "Choose less, or raise inputs.image_size")
        assert narrow({**wanted, "image.size": [16, 32]}, image_size=32)["image/size"] == (16, 32)
        assert narrow(wanted, image_size=64)["image/size"] == (16, 64)
        with pytest.raises(ConfigError) as caught:
            narrow({"fusion.operator": []})
        hear(str(caught.value), "Name at least one choice")
        assert narrow({"fusion.operator": ["product"]})["fusion/operator"] == ("product",)
        wanted = {"image.readout": ["average", "pooled"], "image.source": ["frozen", "residual"]}
        with pytest.raises(ConfigError) as caught:
            narrow(wanted)
        hear(str(caught.value), "Set image.source: [frozen] with it")
        assert narrow({**wanted, "image.source": ["frozen"]})["image/readout"] == ("average", "pooled")

    def test_what_the_frozen_encoder_yields_is_asked_for_where_it_is_read(self):
        assert "image" in readouts(narrow(SPACE))
        assert not [name for name in readouts(narrow({"image.source": "residual"})) if name.startswith("image")]

    def test_an_unknown_cnn_is_rejected_with_the_legal_ones(self):
        with pytest.raises(ConfigError, match=r"'resnet' is not a choice.* Legal: frozen, convolution, residual"):
            narrow({"image.source": "resnet"})
