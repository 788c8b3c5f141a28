from dataclasses import replace

import keras
import numpy as np
import pytest

from automm.models import baselines
from automm.models.fusion import FUSIONS
from automm.models.heads import (
    AnyPicture,
    Shapes,
    Standardize,
    answer,
    column_towers,
    image_tower,
    learn_statistics,
    suffix_inputs,
    text_tower,
)
from automm.models.packing import pack, packed_layout, unwrap
from automm.search.space.table import DEFAULTS
from automm.search.training.losses import huber, scaled

SHAPES = Shapes(text_features=3, image_features=4, max_images=2, outputs=2, head="softmax")
SMALL = {
    "image/pooling": "mean",
    "fusion/operator": "concatenation",
    "fusion/width": 4,
    "label/layers": 1,
    "label/width": 4,
    "label/dropout": 0.5,
}
STATISTICS = {
    "text": (np.array([1, 2, 3], np.float32), np.array([1, 2, 0], np.float32)),
    "image": (np.array([4, 3, 2, 1], np.float32), np.array([0.5, 1, 2, 4], np.float32)),
    "metadata": (np.array([10, 0], np.float32), np.array([5, 1], np.float32)),
    "history": (np.array([3], np.float32), np.array([2], np.float32)),
}


def batch(n=5, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "text": rng.normal(size=(n, 3)).astype(np.float32),
        "text_mask": np.array([1, 0] * n, np.float32)[:n],
        "image": rng.normal(size=(n, 2, 4)).astype(np.float32),
        "image_mask": np.array([[1, 1], [1, 0], [0, 0]] * n, np.float32)[:n],
    }


class TestStandardize:
    def test_formula_and_mask(self):
        layer = Standardize(3)
        layer.learn(*STATISTICS["text"])
        values = np.array([[2, 4, 5], [np.nan, 1e30, 0]], np.float32)
        output = np.asarray(layer(values, np.array([1, 0], np.float32)))
        np.testing.assert_array_equal(output, [[1, 1, 2], [0, 0, 0]])  # a feature that never varies is only shifted

    def test_standardised_training_data_has_mean_0_and_deviation_1(self):
        values = np.random.default_rng(0).normal(5, 3, (200, 3)).astype(np.float32)
        layer = Standardize(3)
        layer.learn(values.mean(axis=0), values.std(axis=0))
        output = np.asarray(layer(values, np.ones(200, np.float32)))
        np.testing.assert_allclose(output.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(output.std(axis=0), 1, atol=1e-5)

    def test_the_statistics_are_never_trained(self):
        assert Standardize(3).trainable_weights == []

    def test_the_statistics_are_saved_exactly(self, tmp_path):
        inputs = [keras.Input((3,)), keras.Input(())]
        layer = Standardize(3)
        model = keras.Model(inputs, layer(*inputs))
        layer.learn(np.array([0.1, 1 / 3, 1e-7], np.float32), np.array([1e-3, 7, 1 / 9], np.float32))
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
        for before, after in zip(layer.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)


def test_statistics_are_set_in_nested_models():
    suffix = baselines.fused(SHAPES, SMALL)
    average = baselines.late_average(SHAPES, {"one": suffix, "two": baselines.text_only(SHAPES, SMALL)})
    learn_statistics(average, STATISTICS)
    layers = [layer for layer in average._flatten_layers() if isinstance(layer, Standardize)]
    assert sorted(layer.name for layer in layers) == ["image_standardize", "text_standardize", "text_standardize"]
    for layer in layers:
        expected = STATISTICS["text" if layer.features == 3 else "image"]
        np.testing.assert_array_equal(np.asarray(layer.mean), expected[0])


def test_statistics_are_set_in_the_packed_baseline():
    packed = baselines.packed_concatenation(SHAPES, SMALL)
    learn_statistics(packed, STATISTICS)
    layers = [layer for layer in packed._flatten_layers() if isinstance(layer, Standardize)]
    assert len(layers) == 2
    assert all(np.abs(np.asarray(layer.mean)).sum() > 0 for layer in layers)


COLUMNS = {"metadata": (2,), "metadata_mask": (), "history": (3,), "history_mask": (3,)}
FOUR = Shapes(text_features=3, image_features=4, max_images=2, outputs=2, columns=COLUMNS, head="softmax")


def four(n=6):
    """A batch with all four modalities; the last review has no metadata and no history."""
    rng = np.random.default_rng(5)
    return {
        **batch(n),
        "metadata": np.stack([rng.normal(10, 5, n), np.arange(n) % 2], axis=1).astype(np.float32),
        "metadata_mask": np.array([1] * (n - 1) + [0], np.float32),
        "history": rng.normal(3, 2, (n, 3)).astype(np.float32),
        "history_mask": np.array([[1, 1, 1], [0, 1, 1]] * n, np.float32)[:n] * (np.arange(n) < n - 1)[:, None],
    }


class TestColumns:
    @pytest.mark.parametrize("operator", FUSIONS)
    @pytest.mark.parametrize("encoder", ["gru", "convolution"])
    def test_values_of_an_absent_modality_never_change_the_output(self, operator, encoder):
        keras.utils.set_random_seed(0)
        values = {**DEFAULTS, **SMALL, **baselines.COLUMNS, "history/encoder": encoder, "fusion/operator": operator}
        values |= {"label/layers": 0, "fusion/width": 16}  # a head of four units may be dead by chance
        model = baselines.fused(FOUR, values)
        learn_statistics(model, STATISTICS)
        given = four()
        dirty = dict(given)
        for name in ("metadata", "history"):
            mask = given[f"{name}_mask"].reshape(len(given[name]), -1)
            dirty[name] = np.where(mask > 0, given[name], np.float32(np.nan))
        clean = np.asarray(model(given))
        np.testing.assert_array_equal(np.asarray(model(dirty)), clean)
        assert np.isfinite(clean).all()
        for name in ("metadata", "history"):  # and what is there does
            assert np.abs(np.asarray(model({**given, name: given[name] + 1}))[:-1] - clean[:-1]).max() > 1e-6

    def test_untrained_towers_give_zeros_for_absent_modalities(self):
        inputs = suffix_inputs(FOUR)
        vectors, masks = column_towers(inputs, baselines.COLUMNS)
        model = keras.Model(inputs, [*vectors, *masks])
        learn_statistics(model, STATISTICS)
        metadata, history, *masks = (np.asarray(output) for output in model(four()))
        for vector, mask in zip((metadata, history), masks, strict=True):
            np.testing.assert_array_equal(mask, [1, 1, 1, 1, 1, 0])
            np.testing.assert_array_equal(vector[-1], 0)
            assert (np.abs(vector[:-1]).sum(axis=1) > 0).all()

    def test_packed_saved_and_loaded(self, tmp_path):
        packed = baselines.packed_concatenation(FOUR, {**SMALL, **baselines.COLUMNS})
        packed.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
        given = pack(four(), packed_layout(loaded))
        np.testing.assert_allclose(np.asarray(loaded(given)), np.asarray(unwrap(packed)(four())), rtol=1e-6)

    def test_a_suffix_without_columns_has_no_column_layers(self):
        model = baselines.fused(SHAPES, SMALL)
        assert {tensor.name for tensor in model.inputs} == {"text", "text_mask", "image", "image_mask"}
        assert not [layer.name for layer in model.layers if layer.name.startswith(("metadata", "history"))]

    def test_the_inputs_of_a_linear_suffix_are_numbers_steps_and_masks(self):
        model = baselines.linear(FOUR, ("metadata", "history"))
        learn_statistics(model, STATISTICS)
        given = four()
        design = np.asarray(baselines.design_matrix(model)(given))
        mask = given["history_mask"]
        numbers = np.where(given["metadata_mask"][:, None] > 0, (given["metadata"] - [10, 0]) / [5, 1], 0)
        present = np.stack([given["metadata_mask"], mask.max(axis=1)], axis=1)
        expected = np.concatenate([numbers, np.where(mask > 0, (given["history"] - 3) / 2, 0), mask, present], axis=1)
        np.testing.assert_allclose(design, expected, rtol=1e-5, atol=1e-6)


def test_untrained_towers_give_zeros_for_absent_modalities():
    inputs = suffix_inputs(SHAPES)
    model = keras.Model(
        inputs,
        [
            text_tower(inputs["text"], inputs["text_mask"]),
            image_tower(inputs["image"], inputs["image_mask"], {"image/pooling": "max"}),
            AnyPicture()(inputs["image_mask"]),
        ],
    )
    learn_statistics(model, STATISTICS)
    given = batch(3)
    text, image, any_picture = (np.asarray(output) for output in model(given))
    np.testing.assert_array_equal(text[1], 0)
    np.testing.assert_array_equal(image[2], 0)
    np.testing.assert_array_equal(any_picture, [1, 1, 0])
    # Standardised before pooling, over real pictures only.
    mean, deviation = STATISTICS["image"]
    expected = (given["image"][1, 0] - mean) / deviation
    np.testing.assert_allclose(image[1], expected, rtol=1e-5)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("layers", [0, 2])
def test_a_softmax_for_any_number_of_classes(classes, layers):
    vector, mask = keras.Input((6,)), keras.Input(())
    output = answer(vector, [mask], {**SMALL, "label/layers": layers}, classes, "softmax")
    model = keras.Model([vector, mask], output)
    assert sum(isinstance(layer, keras.layers.Dense) for layer in model.layers) == layers + 1
    probabilities = np.asarray(model([np.random.default_rng(0).normal(size=(7, 6)), np.ones(7)], training=False))
    assert probabilities.shape == (7, classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_the_head_gets_the_masks():
    """Zero features with mask 0 and zero features with mask 1 give different answers."""
    keras.utils.set_random_seed(0)
    vector, mask = keras.Input((2,)), keras.Input(())
    model = keras.Model([vector, mask], answer(vector, [mask], {"label/layers": 0, "label/dropout": 0.0}, 2, "softmax"))
    output = np.asarray(model([np.zeros((2, 2)), np.array([0.0, 1.0])]))
    assert np.abs(output[0] - output[1]).max() > 1e-3


@pytest.mark.parametrize("name", baselines.TRAINED)
def test_each_trained_baseline_saves_and_loads(name, tmp_path):
    build, values = baselines.TRAINED[name]
    model = build(SHAPES, {**values, "fusion/width": 4, "label/width": 4})
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    given = batch()
    if name.startswith("packed_"):
        given = pack(given, packed_layout(model))
    np.testing.assert_array_equal(np.asarray(loaded(given)), np.asarray(model(given)))


def test_a_baseline_of_one_modality_ignores_the_others():
    given = batch()
    text, image = baselines.text_only(SHAPES, SMALL), baselines.image_only(SHAPES, SMALL)
    other = batch(seed=1)
    no_picture = {**given, "image": other["image"], "image_mask": 1 - given["image_mask"]}
    no_text = {**given, "text": other["text"], "text_mask": 1 - given["text_mask"]}
    np.testing.assert_array_equal(np.asarray(text(given)), np.asarray(text(no_picture)))
    np.testing.assert_array_equal(np.asarray(image(given)), np.asarray(image(no_text)))


def test_late_average_is_the_mean_of_its_members():
    keras.utils.set_random_seed(0)
    members = {"text_only": baselines.text_only(SHAPES, SMALL), "image_only": baselines.image_only(SHAPES, SMALL)}
    given = batch()
    expected = np.mean([np.asarray(member(given)) for member in members.values()], axis=0)
    np.testing.assert_allclose(np.asarray(baselines.late_average(SHAPES, members)(given)), expected, rtol=1e-6)


def test_late_average_of_members_from_an_older_run():
    """Their inputs have short names; the inputs of the average contain the names of the encoders."""
    keras.utils.set_random_seed(0)
    named = replace(SHAPES, encoders={"text": "a", "image": "b"})
    members = {"text_only": baselines.text_only(SHAPES, SMALL), "image_only": baselines.image_only(named, SMALL)}
    given = batch()
    long = {"text@a:mean": given.pop("text"), "image@b:average": given.pop("image"), **given}
    expected = np.mean([np.asarray(members["text_only"](batch())), np.asarray(members["image_only"](long))], axis=0)
    late = baselines.late_average(named, members)
    assert {tensor.name for tensor in late.inputs} == set(long)
    np.testing.assert_allclose(np.asarray(late(long)), expected, rtol=1e-6)


def test_majority_gives_the_shares_of_the_classes():
    output = np.asarray(baselines.constant(SHAPES, np.array([0.75, 0.25]))(batch()))
    np.testing.assert_allclose(output, np.tile([0.75, 0.25], (5, 1)), rtol=1e-6)


@pytest.mark.parametrize("modalities", [("text",), ("image",), ("text", "image")])
def test_a_linear_suffix_equals_scikit_learn(modalities):
    from sklearn.linear_model import LogisticRegression

    model = baselines.linear(Shapes(3, 4, 2, 3, head="softmax"), modalities)
    learn_statistics(model, STATISTICS)
    given = batch(30)
    design = np.asarray(baselines.design_matrix(model)(given))
    assert design.shape[1] == sum({"text": 3 + 1, "image": 4 + 1}[name] for name in modalities)
    fitted = LogisticRegression().fit(design, np.arange(30) % 3)
    baselines.set_linear(model, fitted.coef_, fitted.intercept_)
    np.testing.assert_allclose(np.asarray(model(given)), fitted.predict_proba(design), atol=1e-5)


class TestNumbers:
    """The single output is a number in the unit of the targets."""

    SHAPES = Shapes(text_features=3, image_features=4, max_images=2, outputs=1, head="number")

    @pytest.mark.parametrize("operator", ["concatenation", "late"])
    def test_answers_have_the_scale_of_the_training_targets(self, operator, tmp_path):
        model = baselines.fused(self.SHAPES, {**DEFAULTS, **SMALL, "fusion/operator": operator})
        before = np.asarray(model(batch()))
        learn_statistics(model, {**STATISTICS, "text": (np.zeros(3), np.ones(3)), "image": (np.zeros(4), np.ones(4)),
                                 "label": (np.array([1000.0]), np.array([50.0]))})  # fmt: skip
        after = np.asarray(model(batch()))
        assert after.shape == (5, 1)
        np.testing.assert_allclose(after, 1000 + 50 * before, rtol=1e-5)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
        np.testing.assert_array_equal(np.asarray(loaded(batch())), after)

    def test_a_linear_suffix_equals_scikit_learn(self):
        from sklearn.linear_model import Ridge

        model = baselines.linear(self.SHAPES, ("text", "image"))
        learn_statistics(model, STATISTICS)
        design, values = np.asarray(baselines.design_matrix(model)(batch(30))), np.arange(30.0)
        fitted = Ridge().fit(design, values)
        baselines.set_linear(model, fitted.coef_.reshape(1, -1), np.array([fitted.intercept_]))
        np.testing.assert_allclose(np.asarray(model(batch(30)))[:, 0], fitted.predict(design), rtol=1e-4, atol=1e-4)

    def test_the_loss_against_numpy(self):
        values = np.array([1.0, 2.0, 4.0, 9.0], np.float32)
        targets = scaled(values, np.array([0, 1, 2]))
        answers = np.array([[1.5], [2.0], [-9.0], [9.1]], np.float32)
        errors = np.abs(answers[:, 0] - values) / values[:3].std()
        expected = np.where(errors < 1, errors**2 / 2, errors - 0.5)
        np.testing.assert_allclose(np.asarray(huber(targets, answers)), expected, rtol=1e-5)
