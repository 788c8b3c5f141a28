import keras
import numpy as np
import pytest

from automm.models.pooling import POOLINGS, GatedAttention

FEATURES = 6
GARBAGE = [np.nan, np.inf, -np.inf, 1e30, -1e30]


@pytest.fixture(params=POOLINGS)
def pooling(request):
    keras.utils.set_random_seed(1)
    return POOLINGS[request.param]()


def case(seed=0, n=5, pictures=4):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, pictures, FEATURES)).astype(np.float32)
    mask = np.zeros((n, pictures), np.float32)
    for row in range(1, n):  # row 0 has no picture; the last one has all; gaps between real pictures happen too
        mask[row, rng.permutation(pictures)[: min(row, pictures)]] = 1.0
    return features, mask


def run(layer, features, mask):
    return np.asarray(layer(features, mask))


def test_shape(pooling):
    features, mask = case()
    assert run(pooling, features, mask).shape == (5, FEATURES)
    assert pooling(keras.Input((4, FEATURES)), keras.Input((4,))).shape == (None, FEATURES)


def test_the_order_of_the_pictures_does_not_matter(pooling):
    features, mask = case()
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(
        run(pooling, features, mask), run(pooling, features[:, order], mask[:, order]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_masked_picture_never_changes_the_output(pooling, garbage):
    features, mask = case()
    clean = run(pooling, np.where(mask[..., None] > 0, features, 0.0).astype(np.float32), mask)
    dirty = np.where(mask[..., None] > 0, features, np.float32(garbage)).astype(np.float32)
    np.testing.assert_array_equal(run(pooling, dirty, mask), clean)


def test_more_empty_places_do_not_change_the_output(pooling):
    features, mask = case()
    wider = np.pad(features, ((0, 0), (0, 3), (0, 0))), np.pad(mask, ((0, 0), (0, 3)))
    np.testing.assert_allclose(run(pooling, *wider), run(pooling, features, mask), rtol=1e-5, atol=1e-6)


def test_a_review_without_pictures_gives_zeros(pooling):
    features, mask = case()
    output = run(pooling, features, mask)
    np.testing.assert_array_equal(output[0], np.zeros(FEATURES))
    assert (np.abs(output[1:]).sum(axis=1) > 0).all()


def test_one_picture_is_itself(pooling):
    features, _ = case()
    mask = np.zeros((5, 4), np.float32)
    mask[:, 2] = 1.0
    np.testing.assert_allclose(run(pooling, features, mask), features[:, 2], rtol=1e-6)


def test_each_real_picture_gets_a_gradient_and_no_masked_one(pooling):
    import tensorflow as tf

    features, mask = case()
    features = np.where(mask[..., None] > 0, features, np.float32(np.nan))
    tensor = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        output = tf.reduce_sum(pooling(tensor, mask) ** 2)
    gradient = tape.gradient(output, tensor).numpy()
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[mask == 0], 0.0)
    if type(pooling) is not POOLINGS["max"]:  # the maximum may pass a picture over
        assert (np.abs(gradient).sum(axis=-1)[mask == 1] > 0).all()


def test_saved_and_loaded(pooling, tmp_path):
    features, mask = case()
    inputs = [keras.Input((4, FEATURES)), keras.Input((4,))]
    model = keras.Model(inputs, pooling(*inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded([features, mask])), np.asarray(model([features, mask])))


def test_mean_against_numpy():
    features, mask = case()
    expected = [features[row][mask[row] > 0].mean(axis=0) for row in range(1, 5)]
    np.testing.assert_allclose(run(POOLINGS["mean"](), features, mask)[1:], expected, rtol=1e-5, atol=1e-6)


def test_max_against_numpy():
    features, mask = case()
    features -= 10.0  # all negative: neither padding zeros nor the zero of the masked may win
    expected = [features[row][mask[row] > 0].max(axis=0) for row in range(1, 5)]
    np.testing.assert_array_equal(run(POOLINGS["max"](), features, mask)[1:], expected)


def test_gated_attention_against_numpy():
    features, mask = case()
    layer = GatedAttention(width=3)
    run(layer, features, mask)
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    v, v_bias, u, u_bias, w = (np.asarray(x, np.float64) for x in layer.get_weights())
    weights = np.asarray(layer.weights_of(features, mask))
    for row in range(1, 5):
        real = features[row][mask[row] > 0].astype(np.float64)
        scores = (np.tanh(real @ v + v_bias) / (1 + np.exp(-(real @ u + u_bias)))) @ w[:, 0]
        expected = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(weights[row][mask[row] > 0], expected, rtol=1e-5)
        np.testing.assert_allclose(run(layer, features, mask)[row], expected @ real, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(weights[mask == 0], 0.0)


def test_the_width_of_attention_is_kept():
    assert GatedAttention.from_config(GatedAttention(width=5).get_config()).width == 5
