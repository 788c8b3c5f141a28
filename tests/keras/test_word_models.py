"""The layers that read words, alone and in suffixes."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from automm.data.inputs.words import BUCKETS, count_terms, weights_of
from automm.models import baselines, packing
from automm.models.heads import Shapes, learn_statistics
from automm.models.whole import EncoderLayers, compiled, compose
from automm.models.words import WordSum, WordWeights
from automm.search.candidates.bag_of_words import _design as bag_of_words_design

TEXTS = ["good tea", "bad coffee, really bad", "", "tea and coffee and tea"]
TERMS = weights_of(count_terms(TEXTS))
IDF = TERMS.idf(np.array([0, 1, 3]))
ARRAYS = TERMS.arrays(np.arange(4))
IDS, WEIGHTS = ARRAYS["text_word_ids"], ARRAYS["text_word_weights"]


def dense():
    """The tf-idf of TEXTS, (4, BUCKETS)."""
    values = np.zeros((4, BUCKETS))
    values[np.repeat(np.arange(4), TERMS.lengths), TERMS.buckets] = TERMS.values * IDF[TERMS.buckets]
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def bag_of_words(outputs=3):
    shapes = Shapes(4, 5, 2, outputs, head="softmax")
    model = baselines.bag_of_words(shapes)
    learn_statistics(model, {"text_word_weights": (IDF,)})
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(outputs, BUCKETS)).astype(np.float32), rng.normal(size=outputs).astype(np.float32)
    baselines.set_linear(model, *weights)
    return model, weights


def inputs(model):
    given = {"text_mask": np.array([1, 1, 0, 1], np.float32), "image_mask": np.zeros((4, 2), np.float32), **ARRAYS}
    return {tensor.name: given[tensor.name] for tensor in model.inputs}


def test_weights_are_scaled_to_length_one():
    layer = WordWeights()
    layer.learn(IDF)
    weights = np.asarray(layer(IDS, WEIGHTS))
    np.testing.assert_allclose(np.linalg.norm(weights, axis=1), [1, 1, 0, 1], rtol=1e-6)
    found = np.zeros((4, BUCKETS))
    np.add.at(found, (np.arange(4)[:, None], IDS), weights)
    np.testing.assert_allclose(found, dense(), atol=1e-6)


def test_the_sum_is_a_matrix_product():
    layer = WordSum(3, deviation=1.0)
    found = np.asarray(layer(IDS, WordWeights()(IDS, WEIGHTS)))
    assert not found[2].any()
    table = np.asarray(layer.table)
    values = np.zeros((4, BUCKETS))
    np.add.at(values, (np.arange(4)[:, None], IDS), WEIGHTS)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(found, values @ table, atol=1e-5)


def test_a_bag_of_words_is_the_regression_saved_packed_and_composed(tmp_path):
    model, (coefficients, intercepts) = bag_of_words()
    sums = dense() @ coefficients.T + intercepts
    expected = np.exp(sums) / np.exp(sums).sum(axis=1, keepdims=True)
    given = inputs(model)
    np.testing.assert_allclose(model(given), expected, atol=1e-5)
    model.save(tmp_path / "words.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "words.keras")(given), model(given))
    packed = packing.wrap(model)
    rows = packing.pack(given, packing.packed_layout(packed))
    np.testing.assert_allclose(packed(rows), model(given), atol=1e-6)
    whole = compose(model, EncoderLayers(()), 2)
    assert {tensor.name for tensor in whole.inputs} == {"text_mask", "image_mask", *ARRAYS}
    np.testing.assert_array_equal(whole(given), model(given))


@pytest.mark.parametrize("width", [0, 4])
def test_a_point_reads_words_if_its_width_is_not_zero(width):
    shapes = Shapes(4, 5, 2, 3, head="softmax")
    model = baselines.fused(shapes, {**baselines.CONCATENATION, "words/width": width})
    assert ({"text_word_ids", "text_word_weights"} <= {tensor.name for tensor in model.inputs}) == bool(width)
    assert any(isinstance(layer, WordSum) for layer in model.layers) == bool(width)


def test_the_design_matrix_is_what_the_layer_gives():
    """In the second text, no term is in two training texts of the fold: its vector is zero."""
    layer = WordWeights(name="word_weights")
    layer.learn(np.where(np.isin(np.arange(BUCKETS), TERMS.rows(np.array([1])).buckets), np.float32(0), IDF))
    bench = SimpleNamespace(setup=SimpleNamespace(arrays=SimpleNamespace(words=TERMS)))
    model = SimpleNamespace(get_layer=lambda name: layer)
    with bag_of_words_design(bench, model, np.arange(4)) as design:
        found = design.toarray()
    expected = np.zeros((4, BUCKETS), np.float32)
    np.add.at(expected, (np.arange(4)[:, None], IDS), np.asarray(layer(IDS, WEIGHTS)))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not found[1].any()


def test_a_compiled_model_of_one_input_reads_it_from_a_batch_by_name():
    given = keras.Input((3,), name="images")
    call = compiled(keras.Model(given, keras.layers.Dense(2)(given)))
    rows = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(call({"images": rows, "image_mask": rows}), call(rows))
