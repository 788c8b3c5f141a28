import keras
import numpy as np
import pytest
from small import SHAPES, SMALL

from automm.models import baselines
from automm.models.average import average
from automm.models.packing import pack, packed_layout
from automm.models.pooling import POOLINGS
from automm.models.pooling.base import AttentionPooling
from automm.models.pooling.picture_weights import Explained, count_attention_poolings

WEIGHING = [name for name, cls in POOLINGS.items() if issubclass(cls, AttentionPooling)]
MASK = np.array([[1, 1], [0, 1], [0, 0], [1, 1]], np.float32)


def batch():
    rng = np.random.default_rng(0)
    image = np.where(MASK[..., None] > 0, rng.normal(size=(4, 2, SHAPES.image_features)), np.nan)
    return {
        "text": rng.normal(size=(4, SHAPES.text_features)).astype(np.float32),
        "text_mask": np.ones(4, np.float32),
        "image": image.astype(np.float32),
        "image_mask": MASK,
    }


def member(pooling, seed, build=baselines.fused):
    keras.utils.set_random_seed(seed)
    return build(SHAPES, {**SMALL, "image/pooling": pooling})


def weights_of(model):
    """Return the weights of the only pooling of a suffix; untrained standardisation changes nothing."""
    layer, given = model.get_layer("image_pooling"), batch()
    text = [given["text"]] if layer.uses_text else []
    return np.asarray(layer.weights_of(given["image"], MASK, *text))


def ask(model):
    found = Explained(model)
    layout = packed_layout(model)
    given = batch() if layout is None else pack(batch(), layout)
    answer = {name: np.asarray(array) for name, array in found(given).items()}
    np.testing.assert_allclose(answer["probabilities"], np.asarray(model(given)), atol=1e-6)
    return answer["weights"], found.poolings


@pytest.mark.parametrize("pooling", WEIGHING)
def test_a_model_and_its_weights(pooling):
    model = member(pooling, 1)
    weights, poolings = ask(model)
    assert poolings == 1
    np.testing.assert_allclose(weights, weights_of(model), rtol=1e-4)
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 0, 1], rtol=1e-5)
    np.testing.assert_allclose(weights[1], [0, 1], rtol=1e-5)


@pytest.mark.parametrize("pooling", [name for name in POOLINGS if name not in WEIGHING])
def test_a_model_without_attention_has_no_weights(pooling):
    assert count_attention_poolings(member(pooling, 1)) == 0


@pytest.mark.parametrize("build", [baselines.fused, baselines.packed_concatenation])
def test_weights_of_fold_models_are_averaged_also_after_loading(build, tmp_path):
    models = [member("gated_attention", seed, build) for seed in range(3)]
    expected = np.mean([ask(model)[0] for model in models], axis=0)
    averaged = average(models)
    weights, poolings = ask(averaged)
    assert poolings == 3
    np.testing.assert_allclose(weights, expected, rtol=1e-4)
    averaged.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(ask(loaded)[0], weights, rtol=1e-4)


def test_an_ensemble_averages_the_weights_of_members_with_attention():
    first = average([member("gated_attention", seed) for seed in range(2)])
    second, third = member("text_attention", 2), member("mean", 3)
    parts = ask(first)[0], ask(second)[0]
    weights, poolings = ask(average([first, second, third], [0.6, 0.2, 0.2], name="member"))
    assert poolings == 3
    np.testing.assert_allclose(weights, 0.75 * parts[0] + 0.25 * parts[1], rtol=1e-4)
