import keras
import numpy as np
import pytest
from small import layers_of, tokens

from automm.models import baselines, packing
from automm.models.encoders.sources import image_source, text_source
from automm.models.heads import Shapes
from automm.models.packing import Unpack, layout_of, pack, packed_layout, unwrap, width_of, wrap
from automm.models.whole import compose, raw_inputs

LAYOUT = [
    {"name": "token_ids", "shape": [5], "dtype": "int32"},
    {"name": "text_mask", "shape": [], "dtype": "float32"},
    {"name": "images", "shape": [2, 3, 3, 3], "dtype": "uint8"},
    {"name": "image_mask", "shape": [2], "dtype": "float32"},
]


def batch(n=4, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "images": rng.integers(0, 256, (n, 2, 3, 3, 3), dtype=np.uint8),  # order of the dict is not the layout's
        "token_ids": rng.integers(0, 2**24, (n, 5)).astype(np.int32),
        "image_mask": rng.integers(0, 2, (n, 2)).astype(np.float32),
        "text_mask": rng.normal(size=n).astype(np.float32),
    }


def test_unpacking_restores_every_number():
    given = batch()
    given["token_ids"][0, 0] = 2**24  # the largest whole number below which float32 has no gap
    packed = pack(given, LAYOUT)
    assert packed.dtype == np.float32
    assert packed.shape == (4, width_of(LAYOUT)) == (4, 5 + 1 + 54 + 2)
    back = Unpack(LAYOUT)(packed)
    assert set(back) == set(given)
    for name, array in given.items():
        result = np.asarray(back[name])
        assert result.dtype == array.dtype
        np.testing.assert_array_equal(result, array)


def test_each_review_is_one_row():
    given = batch()
    packed = pack(given, LAYOUT)
    one = pack({name: array[2:3] for name, array in given.items()}, LAYOUT)
    np.testing.assert_array_equal(packed[2:3], one)


def test_a_missing_input_is_reported():
    given = batch()
    del given["image_mask"]
    with pytest.raises(KeyError, match="image_mask"):
        pack(given, LAYOUT)


def test_the_symbolic_shapes_equal_the_real_ones():
    symbolic = Unpack(LAYOUT)(keras.Input((width_of(LAYOUT),)))
    for part in LAYOUT:
        assert symbolic[part["name"]].shape == (None, *part["shape"])
        assert symbolic[part["name"]].dtype == part["dtype"]


def test_the_layout_of_raw_inputs():
    inputs = {**raw_inputs("text", 0, 5, 2), **raw_inputs("image", 0, 3, 2)}
    layout = layout_of(keras.Model(inputs, keras.ops.sum(inputs["padding_mask"])))
    tokens, images = [part for part in LAYOUT if part["name"] in inputs]
    masks = {**tokens, "name": "padding_mask"}
    assert sorted(layout, key=lambda part: part["name"]) == [images, masks, tokens]


SHAPES = Shapes(text_features=3, image_features=4, max_images=2, outputs=3, head="softmax")
SMALL = {
    "image/pooling": "gated_attention",
    "fusion/operator": "product",
    "fusion/width": 4,
    "label/layers": 1,
    "label/width": 4,
    "label/dropout": 0.5,
}


def test_a_wrapped_suffix_gives_the_same_numbers():
    rng = np.random.default_rng(0)
    model = baselines.fused(SHAPES, SMALL)
    given = {
        "text": rng.normal(size=(6, 3)).astype(np.float32),
        "text_mask": np.ones(6, np.float32),
        "image": rng.normal(size=(6, 2, 4)).astype(np.float32),
        "image_mask": rng.integers(0, 2, (6, 2)).astype(np.float32),
    }
    wrapped = wrap(model)
    output = np.asarray(wrapped(pack(given, packed_layout(wrapped))))
    np.testing.assert_array_equal(output, np.asarray(model(given)))


@pytest.fixture(scope="module")
def whole():
    text = text_source("tiny-bert", lambda size: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad"]).build()
    image = image_source("tiny-cnn").build()
    suffix = baselines.fused(Shapes(16, 16, 2, 3, head="softmax"), SMALL)
    return compose(suffix, layers_of(text, image, 5, 16), 2)


@pytest.fixture(scope="module")
def raw():
    rng = np.random.default_rng(0)
    return {
        **tokens(np.array([[2, 4, 3, 0, 0], [2, 5, 4, 4, 3], [2, 3, 0, 0, 0]], np.int32)),
        "text_mask": np.array([1, 1, 0], np.float32),
        "images": rng.integers(0, 256, (3, 2, 16, 16, 3), dtype=np.uint8),
        "image_mask": np.array([[1, 1], [1, 0], [0, 0]], np.float32),
    }


def test_a_wrapped_whole_model_gives_the_same_numbers(whole, raw):
    wrapped = wrap(whole)
    output = np.asarray(wrapped(pack(raw, packed_layout(wrapped))))
    np.testing.assert_array_equal(output, np.asarray(whole(raw)))


def test_saved_and_loaded_packed(whole, raw, tmp_path):
    wrapped = wrap(whole)
    wrapped.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert packed_layout(loaded) == packed_layout(wrapped) == layout_of(whole)
    output = np.asarray(loaded(pack(raw, packed_layout(loaded))))
    np.testing.assert_allclose(output, np.asarray(whole(raw)), atol=1e-6)


def test_unwrap(whole):
    wrapped = wrap(whole)
    assert unwrap(wrapped) is whole
    assert unwrap(whole) is whole
    assert packed_layout(whole) is None
    assert packing.packed_layout(wrapped) is not None


def test_training_the_wrapped_trains_the_model(whole):
    wrapped = wrap(whole)
    assert {id(weight) for weight in wrapped.trainable_weights} == {id(weight) for weight in whole.trainable_weights}
