import keras
import numpy as np
import pytest
from small import IMAGE, TEXT, layers_of, sizes, tokens

from automm.data.inputs.input_sources import source_of_input
from automm.models import baselines, packing
from automm.models.encoders.layers import FrozenEncoder
from automm.models.encoders.sources import image_source, text_source
from automm.models.heads import AnyPicture, Shapes, answer, fuse, image_tower, text_tower
from automm.models.whole import compose
from automm.models.whole import raw_inputs as inputs_of_encoder
from automm.search.features.suffix import extract_suffix
from automm.tasks.registry import TASKS

SHAPES = Shapes(text_features=16, image_features=16, max_images=2, outputs=3, head="softmax")
SMALL = {
    "image/pooling": "gated_attention",
    "fusion/operator": "low_rank_bilinear",
    "fusion/width": 4,
    "label/layers": 1,
    "label/width": 4,
    "label/dropout": 0.5,
}
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad"]


@pytest.fixture(scope="module")
def encoders():
    return text_source("tiny-bert", lambda size: VOCABULARY).build(), image_source("tiny-cnn").build()


@pytest.fixture
def whole(encoders):
    keras.utils.set_random_seed(1)
    return composed(baselines.fused(SHAPES, SMALL), encoders)


def composed(suffix, encoders):
    return compose(suffix, layers_of(*encoders, 6, 16), 2)


@pytest.fixture(scope="module")
def raw():
    rng = np.random.default_rng(0)
    return {
        **tokens(np.array([[2, 4, 3, 0, 0, 0], [2, 5, 4, 4, 5, 3], [2, 3, 0, 0, 0, 0]], np.int32)),
        "text_mask": np.array([1, 1, 0], np.float32),
        "images": rng.integers(0, 256, (3, 2, 16, 16, 3), dtype=np.uint8),
        "image_mask": np.array([[1, 1], [1, 0], [0, 0]], np.float32),
    }


def raw_inputs():
    masks = {"text_mask": (), "image_mask": (2,)}
    return {
        **inputs_of_encoder("text", 0, 6, 2),
        **inputs_of_encoder("image", 0, 16, 2),
        **{name: keras.Input(shape, name=name, dtype="float32") for name, shape in masks.items()},
    }


def read(arrays):
    return arrays["token_ids"], arrays["padding_mask"]


def encoded(raw, encoders):
    text, image = encoders
    return {
        TEXT: np.asarray(text(*read(raw))),
        "text_mask": raw["text_mask"],
        IMAGE: np.asarray(image(raw["images"])),
        "image_mask": raw["image_mask"],
    }


def agree(whole, suffix, raw, encoders):
    np.testing.assert_allclose(
        np.asarray(suffix(encoded(raw, encoders), training=False)),
        np.asarray(whole(raw, training=False)),
        atol=1e-6,
    )


def test_same_numbers_before_and_after_the_suffix_is_trained(whole, raw, encoders):
    suffix = extract_suffix(whole)
    agree(whole, suffix, raw, encoders)
    before = np.asarray(whole(raw, training=False))
    frozen = [np.asarray(weight) for encoder in encoders for weight in encoder.weights]
    suffix.compile(keras.optimizers.Adam(0.1), keras.losses.CategoricalCrossentropy())
    suffix.fit(encoded(raw, encoders), np.eye(3, dtype=np.float32), epochs=3, verbose=0)
    assert np.abs(np.asarray(whole(raw, training=False)) - before).max() > 1e-2
    agree(whole, suffix, raw, encoders)
    for old, new in zip(frozen, [weight for encoder in encoders for weight in encoder.weights], strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))


def test_the_suffix_has_the_expected_inputs(whole):
    suffix = extract_suffix(whole)
    assert {tensor.name for tensor in suffix.inputs} == {TEXT, "text_mask", IMAGE, "image_mask"}
    shapes = {tensor.name: (tensor.shape, tensor.dtype) for tensor in suffix.inputs}
    assert shapes == {
        TEXT: ((None, 16), "float32"),
        "text_mask": ((None,), "float32"),
        IMAGE: ((None, 2, 16), "float32"),
        "image_mask": ((None, 2), "float32"),
    }


def test_no_encoder_is_left_in_the_suffix(whole):
    suffix = extract_suffix(whole)
    assert not any(isinstance(layer, FrozenEncoder) for layer in suffix._flatten_layers(recursive=True))
    assert {id(weight) for weight in suffix.trainable_weights} == {id(weight) for weight in whole.trainable_weights}


def test_the_same_encoders_in_many_models(whole, raw, encoders):
    """The encoders are shared: each model is cut at its own use of them."""
    keras.utils.set_random_seed(2)
    other = composed(baselines.fused(SHAPES, {**SMALL, "fusion/operator": "product"}), encoders)
    agree(whole, extract_suffix(whole), raw, encoders)
    agree(other, extract_suffix(other), raw, encoders)


@pytest.mark.parametrize(
    ("text_name", "image_name"),
    [("text_cls_last", "image_gem_last"), ("text", "image_max_two_thirds"), ("text_max_two_thirds", "image")],
)
def test_other_read_outs_have_their_own_inputs(raw, tmp_path, text_name, image_name):
    """Encoders with all read-outs of a search: the suffix has only those it uses, and can be composed again."""
    names = ["text", "text_cls_last", "text_max_two_thirds", "image", "image_gem_last", "image_max_two_thirds"]
    text = text_source("tiny-bert", lambda size: VOCABULARY).build(names)
    image = image_source("tiny-cnn").build(names, 16)
    inputs = raw_inputs()
    sources = [source_of_input(name).of({"text": "tiny-bert", "image": "tiny-cnn"}) for name in (text_name, image_name)]
    text_name, image_name = (source.name for source in sources)
    vectors = [
        text_tower(text.named(*read(inputs))[text_name], inputs["text_mask"], sources[0]),
        image_tower(image.named(inputs["images"])[image_name], inputs["image_mask"], SMALL, source=sources[1]),
    ]
    masks = [inputs["text_mask"], AnyPicture()(inputs["image_mask"])]
    whole = keras.Model(inputs, answer(fuse(vectors, SMALL), masks, SMALL, 3, "softmax"))
    suffix = extract_suffix(whole)
    assert {tensor.name for tensor in suffix.inputs} == {text_name, "text_mask", image_name, "image_mask"}
    given = {name: raw[name] for name in ("text_mask", "image_mask")}
    yielded = text.named(*read(raw)) | image.named(raw["images"])
    given |= {name: np.asarray(yielded[name]) for name in (text_name, image_name)}
    expected = np.asarray(whole(raw, training=False))
    np.testing.assert_allclose(suffix(given, training=False), expected, atol=1e-6)
    suffix.save(tmp_path / "suffix.keras")
    again = composed(keras.saving.load_model(tmp_path / "suffix.keras"), (text, image))
    np.testing.assert_allclose(again(raw, training=False), expected, atol=1e-6)


@pytest.mark.parametrize("place", [0, 1])
def test_a_trained_encoder_is_refused(whole, encoders, place):
    encoders[place].trainable = True
    try:
        with pytest.raises(ValueError, match=rf"'{encoders[place].name}' is trained"):
            extract_suffix(whole)
    finally:
        encoders[place].trainable = False


def test_a_saved_suffix_can_be_composed_with_its_encoders(whole, raw, encoders, tmp_path):
    extract_suffix(whole).save(tmp_path / "suffix.keras")
    loaded = keras.saving.load_model(tmp_path / "suffix.keras")
    agree(whole, loaded, raw, encoders)
    again = composed(loaded, encoders)
    np.testing.assert_allclose(
        np.asarray(again(raw, training=False)), np.asarray(whole(raw, training=False)), atol=1e-6
    )


def test_a_model_that_is_not_nested(raw, encoders):
    """As AutoKeras builds them: one flat graph from arrays to probabilities."""
    inputs = raw_inputs()
    x = keras.layers.Concatenate()(
        [
            encoders[0](*read(inputs)),
            keras.layers.Flatten()(encoders[1](inputs["images"])),
            inputs["image_mask"],
            keras.layers.Reshape((1,))(inputs["text_mask"]),
        ]
    )
    whole = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    agree(whole, extract_suffix(whole), raw, encoders)


def test_one_modality(raw, encoders):
    inputs = raw_inputs()
    given = {name: inputs[name] for name in ("token_ids", "padding_mask")}
    whole = keras.Model(given, keras.layers.Dense(3)(encoders[0](*read(inputs))))
    suffix = extract_suffix(whole)
    assert [tensor.name for tensor in suffix.inputs] == [TEXT]
    np.testing.assert_allclose(
        np.asarray(suffix({TEXT: encoded(raw, encoders)[TEXT]})),
        np.asarray(whole({name: raw[name] for name in given})),
        atol=1e-6,
    )


def test_a_suffix_may_be_packed(whole, raw, encoders):
    wrapped = packing.wrap(extract_suffix(whole))
    packed = packing.pack(encoded(raw, encoders), packing.packed_layout(wrapped))
    np.testing.assert_allclose(
        np.asarray(wrapped(packed, training=False)), np.asarray(whole(raw, training=False)), atol=1e-6
    )


def test_training_the_suffix_trains_the_whole_model(encoders):
    """Same engine, seed and batch order: the curves agree, and so do the predictions."""
    from automm.models.whole import compiled
    from automm.search.training.loop import Fold, predict, train
    from automm.search.training.options import Plan

    rng = np.random.default_rng(0)
    count = 60
    labels = rng.integers(0, 3, count)
    raw = {
        **tokens(np.concatenate([np.full((count, 1), 2), rng.integers(3, 6, (count, 5))], axis=1).astype(np.int32)),
        "text_mask": np.ones(count, np.float32),
        "images": rng.integers(0, 256, (count, 2, 16, 16, 3), dtype=np.uint8),
        "image_mask": rng.integers(0, 2, (count, 2)).astype(np.float32),
    }

    class Rows:
        def __init__(self, arrays):
            self.arrays = arrays

        def batch(self, rows):
            return {name: array[rows] for name, array in self.arrays.items()}

    fold = Fold(np.arange(45), np.arange(45, count))
    plan = Plan("val_loss", 4, 4, 16, 1e-3, task=TASKS["classification"], seed=3)
    results, predictions = [], []
    for halved in (False, True):
        keras.utils.set_random_seed(1)
        model = composed(baselines.fused(SHAPES, SMALL), encoders)
        source = Rows(encoded(raw, encoders) if halved else raw)
        model = extract_suffix(model) if halved else model
        results.append(train([model], [fold], source, labels, plan, predictors=[compiled(model)], predict_batch_size=8))
        predictions.append(predict(model, source, fold.validation))
    curves = [[epoch["val_loss"] for epoch in result.history] for result in results]
    np.testing.assert_allclose(curves[0], curves[1], atol=1e-4)
    assert (predictions[0].argmax(axis=1) != predictions[1].argmax(axis=1)).sum() <= 1


def test_a_model_with_trained_upper_halves_is_cut_behind_the_lower_ones(raw):
    from automm.models.encoders.layers import unfreeze
    from automm.models.whole import EncoderLayers, fine_tunable

    text, image = text_source("tiny-bert", lambda size: VOCABULARY), image_source("tiny-cnn")
    layers = EncoderLayers.of([text, image], sizes(text, image, 6, 16))
    (text_lower, text_upper), (image_lower, image_upper) = (encoder.halves() for encoder in layers.encoders)
    unfreeze(text_upper)
    unfreeze(image_upper)
    yielded = text_lower.named(*read(raw)) | image_lower.named(raw["images"])
    assert list(yielded) == ["text@tiny-bert:lower", "text@tiny-bert:token_mask", "image@tiny-cnn:lower"]
    given = {name: np.asarray(array) for name, array in yielded.items()}
    shapes = {name: (array.shape[1:], str(array.dtype)) for name, array in given.items()}
    suffix = fine_tunable(baselines.fused(SHAPES, SMALL), [text_upper, image_upper], shapes)
    whole = compose(suffix, layers, 2)
    given |= {name: raw[name] for name in ("text_mask", "image_mask")}
    again = extract_suffix(whole)
    assert {tensor.name for tensor in again.inputs} == set(given)
    for model in (suffix, again):
        np.testing.assert_allclose(model(given, training=False), whole(raw, training=False), atol=1e-6)
    assert len(again.trainable_weights) == len(suffix.trainable_weights)
