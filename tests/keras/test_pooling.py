import keras
import numpy as np
import pytest

from automm.models.pooling import POOLINGS
from automm.models.pooling.attention import GatedAttention, TextAttention
from automm.models.pooling.base import AttentionPooling
from automm.models.pooling.plain import SumOfSets
from automm.models.pooling.set_transformer import AttentionBlock, SetTransformer

FEATURES, TEXT, WIDTH = 6, 5, 4
GARBAGE = [np.nan, np.inf, -np.inf, 1e30, -1e30]
SMALLER = {"sum_of_sets", "gated_attention", "text_attention", "set_transformer"}  # those with a width of their own
HEADS = {name for name, cls in POOLINGS.items() if "heads" in cls.hyperparameters}
ALL = [*((name, {}) for name in POOLINGS), *((name, {"heads": 2}) for name in POOLINGS if name in HEADS)]

PARAMETERS = {
    "first": FEATURES,
    "mean": FEATURES,
    "max": FEATURES,
    "sum_of_sets": (FEATURES + 1) * WIDTH + (WIDTH + 1) * WIDTH + WIDTH,
    "gated_attention": 2 * (FEATURES + 1) * WIDTH + WIDTH + FEATURES,
    "text_attention": (TEXT + 1) * WIDTH + (FEATURES + 1) * WIDTH + FEATURES,
    "set_transformer": (FEATURES + 1) * WIDTH + 11 * (WIDTH + 1) * WIDTH + 10 * WIDTH,
}


def build(name, **more):
    keras.utils.set_random_seed(1)
    return POOLINGS[name](**({"width": WIDTH} if name in SMALLER else {}), **more)


@pytest.fixture(
    params=ALL, ids=lambda param: "-".join([param[0], *(f"{key}{value}" for key, value in param[1].items())])
)
def pooling(request):
    return build(request.param[0], **request.param[1])


def case(seed=0, n=5, pictures=4):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, pictures, FEATURES)).astype(np.float32)
    mask = np.zeros((n, pictures), np.float32)
    for row in range(1, n):  # row 0 has no picture; the last one has all; gaps between real pictures happen too
        mask[row, rng.permutation(pictures)[: min(row, pictures)]] = 1.0
    return features, mask


def given_to(layer, features, mask, seed=3):
    """Return the arguments of a pooling, with the text's vector if it uses it."""
    if not layer.uses_text:
        return features, mask
    return features, mask, np.random.default_rng(seed).normal(size=(len(features), TEXT)).astype(np.float32)


def run(layer, features, mask):
    return np.asarray(layer(*given_to(layer, features, mask)))


def model_of(layer):
    inputs = [keras.Input((4, FEATURES)), keras.Input((4,)), keras.Input((TEXT,))][: 2 + layer.uses_text]
    return keras.Model(inputs, layer(*inputs))


def randomise(layer):
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])


def test_shape_and_number_of_parameters(pooling):
    features, mask = case()
    output = run(pooling, features, mask)
    (name,) = [name for name, cls in POOLINGS.items() if cls is type(pooling)]
    assert (None, *output.shape[1:]) == model_of(pooling).output_shape
    assert len(output) == 5
    assert pooling.count_params() == PARAMETERS[name]


def test_the_order_of_the_pictures_matters_only_for_first(pooling):
    features, mask = case()
    order = [2, 0, 3, 1]
    before, after = run(pooling, features, mask), run(pooling, features[:, order], mask[:, order])
    same = np.allclose(before, after, rtol=1e-4, atol=1e-5)
    assert same == (type(pooling) is not POOLINGS["first"])


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_masked_picture_never_changes_the_output(pooling, garbage):
    features, mask = case()
    clean = run(pooling, np.where(mask[..., None] > 0, features, 0.0).astype(np.float32), mask)
    dirty = np.where(mask[..., None] > 0, features, np.float32(garbage)).astype(np.float32)
    np.testing.assert_array_equal(run(pooling, dirty, mask), clean)


def test_more_padding_does_not_change_the_output(pooling):
    features, mask = case()
    wider = np.pad(features, ((0, 0), (0, 3), (0, 0))), np.pad(mask, ((0, 0), (0, 3)))
    np.testing.assert_allclose(run(pooling, *wider), run(pooling, features, mask), rtol=1e-4, atol=1e-5)


def test_a_review_without_pictures_gives_the_learned_vector(pooling):
    features, mask = case()
    np.testing.assert_array_equal(run(pooling, features, mask)[0], 0.0)
    randomise(pooling)
    output = run(pooling, features, mask)
    np.testing.assert_array_equal(output[0], np.asarray(pooling.no_picture.vector))
    assert (np.abs(output[1:] - output[0]).sum(axis=1) > 0).all()


@pytest.mark.parametrize("name", [name for name in POOLINGS if name not in ("sum_of_sets", "set_transformer")])
def test_a_single_picture_is_returned_unchanged(name):
    features, _ = case()
    mask = np.zeros((5, 4), np.float32)
    mask[:, 2] = 1.0
    np.testing.assert_allclose(run(build(name), features, mask), features[:, 2], rtol=1e-6)


def test_real_pictures_get_a_gradient_and_masked_ones_do_not(pooling):
    import tensorflow as tf

    features, mask = case()
    features = np.where(mask[..., None] > 0, features, np.float32(np.nan))
    tensor, *others = (tf.constant(array) for array in given_to(pooling, features, mask))
    run(pooling, features, mask)
    randomise(pooling)  # `no_picture` too, whose square would have no slope at 0
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        output = tf.reduce_sum(pooling(tensor, *others) ** 2 * np.arange(1.0, pooling(tensor, *others).shape[1] + 1))
    gradient, *of_weights = tape.gradient(output, [tensor, *pooling.trainable_weights])
    gradient = gradient.numpy()
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[mask == 0], 0.0)
    if type(pooling) not in (POOLINGS["max"], POOLINGS["first"]):  # these may pass a picture over
        assert (np.abs(gradient).sum(axis=-1)[mask == 1] > 0).all()
    assert all(float(tf.reduce_max(tf.abs(one))) > 0 for one in of_weights)


def test_saved_and_loaded(pooling, tmp_path):
    features, mask = case()
    model = model_of(pooling)
    randomise(pooling)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    given = list(given_to(pooling, features, mask))
    np.testing.assert_array_equal(np.asarray(loaded(given)), np.asarray(model(given)))
    assert loaded.layers[-1].get_config() == pooling.get_config()


def test_weights_of_real_pictures_add_up_to_one(pooling):
    if not isinstance(pooling, AttentionPooling):
        assert not hasattr(pooling, "weights_of")
        return
    features, mask = case()
    run(pooling, features, mask)
    features[mask == 0] = np.nan
    weights = np.asarray(pooling.weights_of(*given_to(pooling, features, mask)))
    np.testing.assert_array_equal(weights[mask == 0], 0.0)
    np.testing.assert_allclose(weights.sum(axis=1), [0, 1, 1, 1, 1], rtol=1e-5)
    assert (weights[mask == 1] > 0).all()


class TestAgainstNumpy:
    def test_first(self):
        features, mask = case()
        expected = [features[row][np.flatnonzero(mask[row])[0]] for row in range(1, 5)]
        np.testing.assert_array_equal(run(build("first"), features, mask)[1:], expected)

    def test_mean(self):
        features, mask = case()
        expected = [features[row][mask[row] > 0].mean(axis=0) for row in range(1, 5)]
        np.testing.assert_allclose(run(build("mean"), features, mask)[1:], expected, rtol=1e-5, atol=1e-6)

    def test_max(self):
        features, mask = case()
        features -= 10.0  # all negative: neither padding zeros nor the zero of the masked may win
        expected = [features[row][mask[row] > 0].max(axis=0) for row in range(1, 5)]
        np.testing.assert_array_equal(run(build("max"), features, mask)[1:], expected)

    def test_sum_of_sets(self):
        features, mask = case()
        layer = SumOfSets(width=3)
        run(layer, features, mask)
        randomise(layer)
        phi, phi_bias = (np.asarray(weight) for weight in layer.phi.get_weights())
        rho, rho_bias = (np.asarray(weight) for weight in layer.rho.get_weights())
        for row in range(1, 5):
            summed = np.maximum(features[row][mask[row] > 0] @ phi + phi_bias, 0).sum(axis=0)
            expected = np.maximum(summed @ rho + rho_bias, 0)
            np.testing.assert_allclose(run(layer, features, mask)[row], expected, rtol=1e-4, atol=1e-5)

    def test_gated_attention(self):
        features, mask = case()
        layer = GatedAttention(width=3)
        run(layer, features, mask)
        randomise(layer)
        (v, v_bias), (u, u_bias), (w,) = (part.get_weights() for part in (layer.content, layer.gate, layer.score))
        weights = np.asarray(layer.weights_of(features, mask))
        for row in range(1, 5):
            real = features[row][mask[row] > 0]
            expected = softmax((np.tanh(real @ v + v_bias) / (1 + np.exp(-(real @ u + u_bias)))) @ w[:, 0])
            np.testing.assert_allclose(weights[row][mask[row] > 0], expected, rtol=1e-4)
            np.testing.assert_allclose(run(layer, features, mask)[row], expected @ real, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("heads", [1, 2, 4])
    def test_text_attention(self, heads):
        features, mask = case()
        layer = TextAttention(heads=heads, width=4)
        output = run(layer, features, mask)
        _, _, text = given_to(layer, features, mask)
        (q, q_bias), (k, k_bias) = (part.get_weights() for part in (layer.question, layer.key))
        size = 4 // heads
        for row in range(1, 5):
            real = features[row][mask[row] > 0]
            question, key = text[row] @ q + q_bias, real @ k + k_bias
            for feature in range(FEATURES):
                part = slice(feature % heads * size, (feature % heads + 1) * size)
                weights = softmax(key[:, part] @ question[part] / np.sqrt(size))
                np.testing.assert_allclose(output[row, feature], weights @ real[:, feature], rtol=1e-4, atol=1e-5)

    def test_an_attention_block(self):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(1, 2, 4)), rng.normal(size=(1, 3, 4))
        block = AttentionBlock(heads=2, width=4)
        block(x, y, np.ones((1, 3)))
        randomise(block)
        output = np.asarray(block(x, y, np.array([[1.0, 0.0, 1.0]])))[0]
        layer = {part.name: part.get_weights() for part in block._layers}
        real = y[0, [0, 2]]
        question, key, value = (
            values @ layer[name][0] + layer[name][1]
            for name, values in (("question", x[0]), ("key", real), ("value", real))
        )
        heads = [
            np.stack([softmax(key[:, part] @ row[part] / np.sqrt(2)) for row in question]) @ value[:, part]
            for part in (slice(0, 2), slice(2, 4))
        ]
        hidden = normalised(x[0] + np.hstack(heads) @ layer["merge"][0] + layer["merge"][1], *layer["first_norm"])
        forward = np.maximum(hidden @ layer["forward"][0] + layer["forward"][1], 0)
        np.testing.assert_allclose(output, normalised(hidden + forward, *layer["second_norm"]), rtol=1e-3, atol=1e-4)

    def test_a_set_transformer_consists_of_attention_blocks(self):
        features, mask = case()
        layer = SetTransformer(heads=2, width=4)
        output = run(layer, features, mask)
        for row in range(1, 5):
            real = features[row : row + 1][:, mask[row] > 0]
            ones = np.ones(real.shape[:2])
            entered = layer.entry(real)
            expected = layer.by_seed(layer.seed, layer.before_seed(layer.among(entered, entered, ones)), ones)
            np.testing.assert_allclose(output[row], np.asarray(expected)[0, 0], rtol=1e-3, atol=1e-5)


def test_the_text_decides_which_picture_is_used():
    features, mask = case()
    layer = build("text_attention")
    one, other = (np.asarray(layer(*given_to(layer, features, mask, seed))) for seed in (3, 4))
    assert np.abs(one[4] - other[4]).max() > 1e-3
    np.testing.assert_array_equal(one[1], other[1])  # one picture is itself, whatever is asked


@pytest.mark.parametrize("cls", [TextAttention, SetTransformer])
def test_the_width_must_be_a_multiple_of_the_heads(cls):
    with pytest.raises(ValueError, match="width 64 is not a multiple of 3 heads"):
        cls(heads=3)


def softmax(scores):
    exponents = np.exp(scores - scores.max())
    return exponents / exponents.sum()


def normalised(values, gamma, beta):
    mean, variance = values.mean(axis=-1, keepdims=True), values.var(axis=-1, keepdims=True)
    return (values - mean) / np.sqrt(variance + 1e-6) * gamma + beta
