"""Two text encoders and two picture encoders in one suffix: encoded, trained, fine-tunable, composed, saved.

Each reads its own arrays: the second ones have another vocabulary, shorter texts, and larger pictures.
"""

from dataclasses import replace

import keras
import numpy as np
import pytest
from small import SMALL
from test_features import ALL, IMAGE, TEXT, TEXTS
from test_features import arrays as of_first  # noqa: F401 - a fixture

from automm.data.inputs.arrays import Pictures, Tokens
from automm.data.inputs.input_sources import InputSource, default_source
from automm.data.inputs.items import item_digests
from automm.data.inputs.modalities import present
from automm.models.encoders.hub.unrolled import Tower, tower_of_texts
from automm.models.encoders.sources import text_source, vocabulary_of_texts
from automm.models.heads import (
    AnyPicture,
    answer,
    fuse,
    learn_statistics,
    pool_images,
    standardized,
    suffix_inputs,
    text_tower,
)
from automm.models.whole import EncoderLayers, compiled, compose, fine_tunable, parameters_of
from automm.search.features.encoded import encode
from automm.search.features.states import encode_states, input_rows
from automm.search.features.store import FeatureStore
from automm.search.features.suffix import extract_suffix
from automm.search.training.batches import WithoutModality
from automm.search.training.loop import Fold, predict, train
from automm.search.training.options import Plan
from automm.tasks.registry import TASKS

FIRST, SECOND = "text@tiny-bert:mean", "text@hf:%2F%2Fgoogle%2Fbert@v1:mean"
PICTURES, LARGE = "image@tiny-cnn:average", "image@large:average"
RAW = {"token_ids", "padding_mask", "token_ids_2", "padding_mask_2", "images", "images_2"}


def narrow_bert():
    from keras_hub.models import BertBackbone

    size = len(NARROW.vocabulary)
    backbone = BertBackbone(vocabulary_size=size, num_layers=3, num_heads=2, hidden_dim=8, intermediate_dim=16)
    return tower_of_texts("bert", backbone)


NARROW = replace(
    text_source("tiny-bert", vocabulary_of_texts(["bad word"])),
    name="hf://google/bert@v1",
    fingerprint="narrow",
    backbone=narrow_bert,
)
SOURCES = [TEXT, NARROW, IMAGE, replace(IMAGE, name="large", fingerprint="large")]


@pytest.fixture(scope="module")
def arrays(of_first):  # noqa: F811
    pixels = np.random.default_rng(1).integers(0, 256, (4, 24, 24, 3), dtype=np.uint8)
    return replace(
        of_first,
        tokens={**of_first.tokens, NARROW.name: Tokens(*NARROW.preprocessing.encode(TEXTS, 12))},
        pictures={**of_first.pictures, "large": Pictures(pixels, item_digests([b"5", b"6", b"7", b"8"]))},
    )


@pytest.fixture(scope="module")
def layers(arrays):
    keras.utils.set_random_seed(1)
    return EncoderLayers.of(SOURCES, arrays.sizes)


@pytest.fixture(scope="module")
def features(arrays, layers, tmp_path_factory):
    """Features of the layers that models are composed of: each copy of the narrow encoder has other weights."""
    backbones = {encoder.name: encoder.whole().backbone for encoder in layers.encoders}
    sources = [
        replace(source, backbone=lambda name=source.name: tower_of_texts("bert", backbones[name]))
        if source.modality == "text"
        else replace(source, backbone=lambda name=source.name: (Tower(backbones[name]), None))
        for source in SOURCES
    ]
    return encode(arrays, sources, FeatureStore(tmp_path_factory.mktemp("features"), 10**9))


def pooled(inputs, source, place):
    vectors = standardized(inputs[source.name], inputs["image_mask"], source)
    return pool_images(vectors, inputs["image_mask"], SMALL, ending=f"_{place}")


@pytest.fixture(scope="module")
def suffix(features):
    keras.utils.set_random_seed(2)
    inputs = suffix_inputs(
        shapes := features.shapes(2, "softmax"), sources := [default_source(s.modality, s.name) for s in SOURCES]
    )
    texts = [text_tower(inputs[source.name], inputs[source.mask], source) for source in sources[:2]]
    images = [pooled(inputs, source, place) for place, source in enumerate(sources[2:])]
    masks = [inputs["text_mask"], AnyPicture(name="any_picture")(inputs["image_mask"])]
    model = keras.Model(inputs, answer(fuse([*texts, *images], SMALL), masks, SMALL, shapes.outputs, "softmax"))
    learn_statistics(model, features.statistics(ALL, of_targets=False))
    before = model.get_weights()
    plan = Plan("val_loss", 1, 1, 4, 1e-2, task=TASKS["classification"], seed=3)
    train([model], [Fold(ALL, ALL)], rows_of(model, features), features.arrays.targets, plan)
    assert any(np.abs(old - new).max() > 0 for old, new in zip(before, model.get_weights(), strict=True))
    return model


def test_an_encoder_may_be_called_like_one_of_another_modality(features):
    """As in a file with a text encoder and an image encoder."""
    twin = InputSource("text", IMAGE.name, "mean")
    encoded = {**features.encoded, twin: np.zeros((len(features.texts[TEXT.name].lengths), 5), np.float32)}
    shapes = replace(features, encoded=encoded).shapes(2, "softmax")
    assert shapes.of_review(twin) == (5,)
    assert shapes.of_review(shapes.source("image")) == (2, 16)


def names_of(model):
    return [tensor.name for tensor in model.inputs]


def rows_of(model, features):
    return input_rows(names_of(model), features.arrays, features, lambda encoders: pytest.fail("it reads no states"))


def test_each_encoder_has_its_own_input_and_size(suffix, features):
    assert set(names_of(suffix)) == {FIRST, SECOND, "text_mask", PICTURES, LARGE, "image_mask"}
    batch = rows_of(suffix, features).batch(ALL)
    assert (batch[FIRST].shape[1], batch[SECOND].shape[1]) == (16, 8)
    statistics = features.statistics(ALL, of_targets=False)
    assert set(statistics) == {FIRST, SECOND, PICTURES, LARGE}
    for name in statistics:
        (layer,) = [layer for layer in suffix.layers if getattr(layer, "source", "") == name]
        np.testing.assert_array_equal(layer.mean, statistics[name][0])


def test_the_whole_model_gives_the_same_answers(suffix, layers, features):
    whole = compose(suffix, layers, 2)
    assert set(names_of(whole)) == {*RAW, "text_mask", "image_mask"}
    expected = predict(suffix, rows_of(suffix, features), ALL)
    np.testing.assert_allclose(predict(compiled(whole), features.arrays, ALL), expected, atol=1e-5)
    assert whole.count_params() == parameters_of(suffix, layers)
    again = extract_suffix(whole)
    assert set(names_of(again)) == set(names_of(suffix))
    np.testing.assert_allclose(predict(again, rows_of(again, features), ALL), expected, atol=1e-6)


@pytest.mark.parametrize("modality", ["text", "image"])
def test_an_absent_modality_is_absent_for_all_of_its_encoders(suffix, layers, features, modality):
    lacking = WithoutModality(rows_of(suffix, features), modality)
    batch = lacking.batch(ALL)
    assert {name: bool(rows.any()) for name, rows in present(batch).items()} == {
        "text": modality != "text",
        "image": modality != "image",
    }
    gone = (FIRST, SECOND) if modality == "text" else (PICTURES, LARGE)
    assert not any(batch[name].any() for name in gone)
    dirty = {**batch, **{name: np.full_like(batch[name], np.nan) for name in gone}}
    answers = predict(suffix, lacking, ALL)
    np.testing.assert_array_equal(suffix(dirty, training=False), answers)
    whole = compiled(compose(suffix, layers, 2))
    np.testing.assert_allclose(predict(whole, WithoutModality(features.arrays, modality), ALL), answers, atol=1e-5)


def test_saved_and_loaded(suffix, layers, features, tmp_path):
    expected = predict(suffix, rows_of(suffix, features), ALL)
    suffix.save(tmp_path / "suffix.keras")
    loaded = keras.saving.load_model(tmp_path / "suffix.keras", compile=False)
    assert names_of(loaded) == names_of(suffix)
    np.testing.assert_array_equal(predict(loaded, rows_of(loaded, features), ALL), expected)
    compose(loaded, layers, 2).save(tmp_path / "whole.keras")
    whole = keras.saving.load_model(tmp_path / "whole.keras", compile=False)
    np.testing.assert_allclose(predict(compiled(whole), features.arrays, ALL), expected, atol=1e-5)


def test_all_of_its_encoders_are_fine_tuned(suffix, arrays, tmp_path):
    layers = EncoderLayers.of(SOURCES, arrays.sizes)
    halves = [encoder.halves() for encoder in layers.encoders]
    states = encode_states(arrays, [lower for lower, _ in halves], FeatureStore(tmp_path, 10**9))
    uppers = [upper.reading(names_of(suffix)) for _, upper in halves]
    model = fine_tunable(suffix, uppers, states.shapes)
    lowers = {
        name.replace(":mean", ":lower").replace(":average", ":lower") for name in (FIRST, SECOND, PICTURES, LARGE)
    }
    masks = {name.replace(":mean", ":token_mask") for name in (FIRST, SECOND)}
    assert set(names_of(model)) == {*lowers, *masks, "text_mask", "image_mask"}
    expected = predict(compiled(model), states, ALL)
    whole = compose(model, layers, 2)
    np.testing.assert_allclose(predict(compiled(whole), arrays, ALL), expected, atol=1e-5)
