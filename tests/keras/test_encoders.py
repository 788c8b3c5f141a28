import subprocess
import sys

import keras
import numpy as np
import pytest
from small import sizes

from automm.data.inputs.tokens import SPECIAL
from automm.errors import ConfigError, WeightsError
from automm.models.encoders.sources import (
    IMAGE_ENCODERS,
    TEXT_ENCODERS,
    ImageEncoder,
    image_source,
    text_source,
    vocabulary_of_texts,
)
from automm.models.weights import fetch as weights
from automm.models.whole import EncoderLayers

TEXTS = ["good phone", "bad phone, bad battery", "", "good"]
VOCABULARY = [*SPECIAL, "good", "bad", "phone", "battery", "[MASK]", "##s"]


def learned(size):
    return vocabulary_of_texts(TEXTS)(size)


@pytest.fixture(scope="module")
def bert():
    return text_source("tiny-bert", learned)


@pytest.fixture(scope="module")
def text(bert):
    return bert.build()


@pytest.fixture(scope="module")
def image():
    return image_source("tiny-cnn").build()


@pytest.fixture(scope="module")
def ids(bert):
    return bert.preprocessing.encode(TEXTS, 10)[0]


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (3, 2, 16, 16, 3), dtype=np.uint8)


def agree(first, second, tolerance=1e-6):
    np.testing.assert_allclose(np.asarray(first), np.asarray(second), atol=tolerance, rtol=0)


class TestFrozen:
    def test_the_same_output_while_others_are_trained(self, text, image, ids, pixels):
        np.testing.assert_array_equal(np.asarray(text(ids, training=True)), np.asarray(text(ids)))
        np.testing.assert_array_equal(np.asarray(image(pixels, training=True)), np.asarray(image(pixels)))
        assert not text.trainable_weights
        assert not image.trainable_weights

    def test_dropout_is_active_in_a_trained_encoder(self, bert, ids):
        encoder = bert.build()
        encoder.trainable = True
        assert encoder.trainable_weights
        trained = np.asarray(encoder(ids, training=True))
        assert np.abs(trained - np.asarray(encoder(ids, training=False))).max() > 1e-3

    def test_batch_normalisation_is_not_trained(self, pixels):
        """Its moving averages would change under training=True, and the features with them."""
        backbone = keras.Sequential([keras.Input((None, None, 3)), keras.layers.BatchNormalization()])
        encoder = ImageEncoder(backbone, 3, "x", ("image",))
        encoder.trainable = False
        before = [weight.copy() for weight in encoder.get_weights()]
        np.testing.assert_array_equal(np.asarray(encoder(pixels, training=True)), np.asarray(encoder(pixels)))
        for old, new in zip(before, encoder.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)

    def test_fit_does_not_change_a_frozen_encoder(self, bert, ids):
        """`fit` runs a graph with training=True through the whole model."""
        import tensorflow as tf

        encoder = bert.build()
        inputs = keras.Input((10,), dtype="int32")
        model = keras.Model(inputs, encoder(inputs))
        first, second = (np.asarray(tf.function(lambda: model(ids, training=True))()) for _ in range(2))
        np.testing.assert_array_equal(first, second)


class TestText:
    def test_shape(self, text, ids):
        output = np.asarray(text(ids))
        assert output.shape == (4, text.features) == text(keras.KerasTensor((4, 10), "int32")).shape
        assert output.dtype == np.float32

    def test_the_length_of_the_padding_does_not_matter(self, bert, text):
        short = bert.preprocessing.encode(TEXTS, 7)[0]
        agree(text(short), text(bert.preprocessing.encode(TEXTS, 12)[0]))

    def test_padding_tokens_do_not_matter(self, text, ids):
        """The embedding of [PAD] is changed, and the outputs are equal."""
        table = text.backbone.get_layer("token_embedding")
        before, output = table.get_weights(), np.asarray(text(ids))
        changed = [weight.copy() for weight in before]
        changed[0][0] += 5.0
        try:
            table.set_weights(changed)
            agree(text(ids), output)
        finally:
            table.set_weights(before)

    def test_mean_of_the_real_states(self, text, ids):
        real = (ids != 0).astype(np.int32)
        states = np.asarray(
            text.backbone({"token_ids": ids, "padding_mask": real, "segment_ids": np.zeros_like(ids)})[
                "sequence_output"
            ]
        )
        agree(text(ids), [states[row, : real[row].sum()].mean(axis=0) for row in range(4)])

    def test_texts_do_not_mix(self, text, ids):
        agree(text(ids[1:2])[0], text(ids)[1])
        assert np.abs(np.asarray(text(ids))[0] - np.asarray(text(ids))[1]).max() > 1e-2


class TestImage:
    def test_each_picture_is_encoded_independently_of_its_position(self, image, pixels):
        output = np.asarray(image(pixels))
        assert output.shape == (3, 2, image.features) == image(keras.KerasTensor((3, 2, 16, 16, 3), "uint8")).shape
        agree(image(pixels[:, ::-1])[:, ::-1], output)
        agree(image(pixels.reshape(6, 1, 16, 16, 3)), output.reshape(6, 1, -1))

    def test_mean_of_the_cells(self, image, pixels):
        cells = np.asarray(image.backbone(pixels[:, 0].astype(np.float32)))
        agree(image(pixels)[:, 0], cells.mean(axis=(1, 2)))


@pytest.mark.parametrize("which", ["text", "image"])
def test_saved_and_loaded(which, text, image, ids, pixels, tmp_path):
    encoder, given = (text, ids) if which == "text" else (image, pixels)
    inputs = keras.Input(given.shape[1:], dtype=str(given.dtype))
    keras.Model(inputs, encoder(inputs)).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
    assert (loaded.features, loaded.fingerprint, loaded.trainable) == (encoder.features, encoder.fingerprint, False)
    agree(loaded(given), encoder(given))
    np.testing.assert_array_equal(np.asarray(loaded(given, training=True)), np.asarray(loaded(given)))


PRINT = """
import numpy as np
from automm.models.encoders.sources import image_source, text_source
text = text_source("tiny-bert", lambda size: {vocabulary!r})
image = image_source("tiny-cnn")
print(text.fingerprint, image.fingerprint)
print(float(np.asarray(text.build()(np.array([[2, 4, 5, 3]], np.int32))).astype(np.float64).sum()))
print(float(np.asarray(image.build()(np.full((1, 1, 16, 16, 3), 99, np.uint8))).astype(np.float64).sum()))
"""


def test_names_and_untrained_weights_are_the_same_in_every_process():
    done = subprocess.run(
        [sys.executable, "-c", PRINT.format(vocabulary=VOCABULARY)], capture_output=True, text=True, check=True
    )
    fingerprints, text_sum, image_sum = done.stdout.strip().splitlines()
    text, image = text_source("tiny-bert", lambda size: VOCABULARY), image_source("tiny-cnn")
    keras.utils.set_random_seed(99)  # nobody's random state matters
    assert fingerprints.split() == [text.fingerprint, image.fingerprint]
    assert float(np.asarray(text.build()(np.array([[2, 4, 5, 3]], np.int32))).sum()) == pytest.approx(
        float(text_sum), abs=1e-4
    )
    assert float(np.asarray(image.build()(np.full((1, 1, 16, 16, 3), 99, np.uint8))).sum()) == pytest.approx(
        float(image_sum), abs=1e-4
    )


def test_another_vocabulary_is_another_encoder():
    one = text_source("tiny-bert", lambda size: VOCABULARY)
    other = text_source("tiny-bert", lambda size: [*VOCABULARY[:-2], *VOCABULARY[:-3:-1]])
    assert len(one.vocabulary) == len(other.vocabulary)
    assert one.fingerprint != other.fingerprint


def test_building_does_not_change_the_random_state(bert):
    keras.utils.set_random_seed(5)
    expected = np.random.random()
    keras.utils.set_random_seed(5)
    bert.build()
    assert np.random.random() == expected


def test_building_encoders_during_a_trial_does_not_change_its_initial_weights():
    text, image = text_source("tiny-bert", lambda size: VOCABULARY), image_source("tiny-cnn")
    drawn = []
    for asks in (False, True):
        layers = EncoderLayers.of([text, image], sizes(text, image, 8, 16))
        keras.utils.set_random_seed(5)
        if asks:
            for encoder in layers.encoders:
                encoder.whole()
                encoder.halves()
        drawn.append(keras.layers.Dense(3))
        drawn[-1].build((None, 4))
    first, second = (np.asarray(layer.kernel) for layer in drawn)
    np.testing.assert_array_equal(first, second)


class TestPresets:
    @pytest.fixture(scope="class")
    @staticmethod
    def text_preset(tmp_path_factory):
        from keras_hub.models import BertBackbone, BertTokenizer

        folder = tmp_path_factory.mktemp("presets") / "tiny_text"
        backbone = BertBackbone(len(VOCABULARY), num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8)
        backbone.save_to_preset(str(folder))
        BertTokenizer(VOCABULARY, lowercase=True).save_to_preset(str(folder))
        return folder, backbone

    @pytest.fixture(scope="class")
    @staticmethod
    def image_preset(tmp_path_factory):
        from keras_hub.layers import ResNetImageConverter
        from keras_hub.models import ResNetBackbone

        folder = tmp_path_factory.mktemp("presets") / "tiny_image"
        backbone = ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[3],
            stackwise_num_filters=[64],
            stackwise_num_blocks=[1],
            stackwise_num_strides=[1],
            block_type="basic_block",
        )
        backbone.save_to_preset(str(folder))
        converter = ResNetImageConverter(
            image_size=(16, 16), scale=[1 / 200, 1 / 100, 1 / 50], offset=[-0.5, 0.0, 0.25]
        )
        converter.save_to_preset(str(folder))
        return folder, backbone

    def test_text(self, text_preset):
        folder, backbone = text_preset
        source = text_source(str(folder), learned)
        assert list(source.vocabulary) == VOCABULARY  # the preset's own, not what was learned
        tokens = source.preprocessing.encode(["GOOD phones", "bad"], 8)[0]
        assert tokens[0].tolist() == [2, 4, 6, 9, 3, 0, 0, 0]
        encoder = source.build()
        assert encoder.features == 8
        assert not encoder.trainable
        real = (tokens != 0).astype(np.int32)
        states = np.asarray(
            backbone({"token_ids": tokens, "padding_mask": real, "segment_ids": np.zeros_like(tokens)})[
                "sequence_output"
            ]
        )
        agree(encoder(tokens), (states * real[..., None]).sum(axis=1) / real.sum(axis=1, keepdims=True))

    def test_the_fingerprint_depends_on_the_weights(self, text_preset, image_preset, tmp_path):
        folder, backbone = text_preset
        first = text_source(str(folder), learned).fingerprint
        assert text_source(str(folder), learned).fingerprint == first
        before = backbone.get_weights()
        try:
            backbone.set_weights([weight + 0.1 for weight in before])
            backbone.save_to_preset(str(folder))
            assert text_source(str(folder), learned).fingerprint != first
        finally:
            backbone.set_weights(before)
            backbone.save_to_preset(str(folder))
        image = str(image_preset[0])
        assert image_source(image).fingerprint == image_source(image).fingerprint

    def test_image_with_the_scale_and_offset_of_its_converter(self, image_preset, pixels):
        folder, backbone = image_preset
        encoder = image_source(str(folder)).build()
        prepared = pixels[:, 0] * np.array([1 / 200, 1 / 100, 1 / 50]) + np.array([-0.5, 0.0, 0.25])
        cells = np.asarray(backbone(prepared.astype(np.float32)))
        assert encoder.features == cells.shape[-1] == 64
        agree(encoder(pixels)[:, 0], cells.mean(axis=(1, 2)), 1e-5)

    def test_a_preset_encoder_is_saved_with_the_model(self, image_preset, pixels, tmp_path):
        encoder = image_source(str(image_preset[0])).build()
        inputs = keras.Input(pixels.shape[1:], dtype="uint8")
        keras.Model(inputs, encoder(inputs)).save(tmp_path / "model.keras")
        agree(keras.saving.load_model(tmp_path / "model.keras")(pixels), encoder(pixels))

    def test_a_text_preset_is_no_picture_encoder_and_vice_versa(self, text_preset, image_preset):
        with pytest.raises(ConfigError, match=r"encoders\.text: .* is a ResNet, which reads pictures"):
            text_source(str(image_preset[0]), learned)
        with pytest.raises(ConfigError, match=r"encoders\.image: .* is a BERT, which reads texts"):
            image_source(str(text_preset[0]))

    def test_a_folder_without_a_preset(self, tmp_path):
        with pytest.raises(WeightsError, match="cannot be loaded"):
            text_source(str(tmp_path), learned)


class TestUnknown:
    def test_text_with_the_legal_names(self):
        with pytest.raises(WeightsError) as caught:
            text_source("minilm-l7", learned)
        assert "Did you mean 'minilm-l6'?" in str(caught.value)
        assert all(name in str(caught.value) for name in TEXT_ENCODERS)

    def test_image_with_the_legal_names(self):
        with pytest.raises(WeightsError) as caught:
            image_source("efficientnet-lite7")
        assert "Did you mean 'efficientnet-lite" in str(caught.value)
        assert all(name in str(caught.value) for name in IMAGE_ENCODERS)

    def test_a_missing_folder(self, tmp_path):
        with pytest.raises(ConfigError, match=r"folder .*missing. does not exist"):
            image_source(str(tmp_path / "missing"))

    @pytest.mark.parametrize("name", [name for name in TEXT_ENCODERS if not name.startswith("tiny")])
    def test_text_weights_that_are_not_installed(self, name):
        with pytest.raises(WeightsError, match=f"automm weights {name}"):
            text_source(name, learned)

    @pytest.mark.parametrize("name", [name for name in IMAGE_ENCODERS if not name.startswith("tiny")])
    def test_image_weights_that_are_not_installed(self, name):
        with pytest.raises(WeightsError, match=f"automm weights {name}"):
            image_source(name)


def installed(name, real_cache, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(real_cache))
    if weights.weights_folder(name) is None:
        pytest.skip(f"the weights of {name} are not installed: automm weights {name}")


def test_the_features_of_minilm(real_cache, monkeypatch):
    """The numbers equal recorded ones, and the features of similar sentences are close."""
    installed("minilm-l6", real_cache, monkeypatch)
    source = text_source("minilm-l6", learned)
    texts = [
        "The battery lasts all day.",
        "The phone runs from morning to night without charging.",
        "My soup was cold.",
        "",
    ]
    ids = source.preprocessing.encode(texts, 32)[0]
    assert ids[0, :9].tolist() == [101, 1996, 6046, 16180, 2035, 2154, 1012, 102, 0]
    features = np.asarray(source.build()(ids))
    assert features.shape == (4, 384)
    recorded = [
        [0.0842, 0.3448, 0.0279, 0.1147],
        [-0.0605, 0.7480, 0.0577, 0.3154],
        [-0.4615, -0.0223, 0.2945, 0.4241],
        [-0.7573, 0.3075, -0.0162, -0.0709],
    ]
    agree(features[:, :4], recorded, 2e-4)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    likeness = unit @ unit.T
    assert likeness[0, 1] > 0.4
    assert max(likeness[0, 2], likeness[1, 2]) < 0.2


def test_the_features_of_efficientnet_lite0(real_cache, monkeypatch):
    installed("efficientnet-lite0", real_cache, monkeypatch)
    rows, columns = np.mgrid[:64, :64]
    picture = np.stack([columns * 4, rows * 4, (columns + rows) * 2], axis=-1).astype(np.uint8)
    features = np.asarray(image_source("efficientnet-lite0").build()(picture[None, None]))
    assert features.shape == (1, 1, 1280)
    assert float(features[0, 0, 2]) == pytest.approx(1.5694, abs=2e-3)
    assert float(features.mean()) == pytest.approx(0.3138, abs=1e-3)


@pytest.mark.parametrize("name", ["minilm-l6", "efficientnet-lite0", "tiny-bert", "tiny-cnn"])
def test_the_size_of_weights_is_known_before_they_are_loaded(name, real_cache, monkeypatch):
    if not name.startswith("tiny"):
        installed(name, real_cache, monkeypatch)
    source = text_source(name, learned) if name in TEXT_ENCODERS else image_source(name)
    size = 4 * source.build().count_params()
    # The files hold a pooler and a classifier too; what learns its vocabulary knows an upper bound.
    assert 0.99 * size <= source.weight_bytes <= (1.5 * size if not name.startswith("tiny") else 400_000)


@pytest.mark.parametrize(("name", "other"), [("roberta_base_en", "minilm-l6"), ("dinov2_small", "efficientnet-lite0")])
def test_a_preset_of_a_hub_that_cannot_be_reached(name, other, monkeypatch):
    def offline(*of):
        raise OSError("api.kaggle.com cannot be resolved")

    monkeypatch.setattr("automm.models.encoders.hub.presets.hub_file", offline)
    monkeypatch.setattr("keras_hub.layers.ImageConverter.from_preset", offline)
    with pytest.raises(WeightsError, match=f"{name}.*cannot be resolved. Check the name.*such as {other}"):
        text_source(name, learned) if other == "minilm-l6" else image_source(name)
