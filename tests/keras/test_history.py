import keras
import numpy as np
import pytest

from automm.models.history import HISTORIES, LENGTH, Convolution, Recurrent

STEPS, WIDTH = 5, 3
PARAMETERS = {
    "gru": 3 * WIDTH * (WIDTH + 3),
    "convolution": (2 * LENGTH + 1) * WIDTH + (LENGTH * WIDTH + 1) * WIDTH,
}


@pytest.fixture(params=HISTORIES)
def encoder(request):
    keras.utils.set_random_seed(1)
    return HISTORIES[request.param](width=WIDTH, name=request.param)


def case():
    """Four reviews: no step, one, three of them with a gap, and all."""
    mask = np.array([[0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1]], np.float32)
    values = np.random.default_rng(0).normal(size=(4, STEPS, 1)).astype(np.float32)
    return values, mask


def run(layer, values, mask):
    return np.asarray(layer(values, mask))


def model_of(layer):
    inputs = [keras.Input((STEPS, 1)), keras.Input((STEPS,))]
    return keras.Model(inputs, layer(*inputs))


def randomise(layer):
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])


def test_shape_and_number_of_parameters(encoder):
    output = run(encoder, *case())
    assert (None, *output.shape[1:]) == model_of(encoder).output_shape
    assert len(output) == 4
    assert encoder.count_params() == PARAMETERS[encoder.name]


@pytest.mark.parametrize("garbage", [1e6, np.nan, np.inf])
def test_a_masked_step_never_changes_the_output(encoder, garbage):
    values, mask = case()
    run(encoder, values, mask)
    randomise(encoder)
    clean = run(encoder, values, mask)
    dirty = np.where(mask[..., None] > 0, values, np.float32(garbage))
    np.testing.assert_allclose(run(encoder, dirty, mask), clean, rtol=1e-6)
    assert (np.abs(clean[1:]).sum(axis=1) > 0).all()


def test_more_padding_on_the_left_does_not_change_the_output(encoder):
    values, mask = case()
    run(encoder, values, mask)
    randomise(encoder)
    wider = np.pad(values, ((0, 0), (4, 0), (0, 0))), np.pad(mask, ((0, 0), (4, 0)))
    np.testing.assert_allclose(run(encoder, *wider), run(encoder, values, mask), rtol=1e-5, atol=1e-6)


def test_a_review_without_a_step_gives_zeros(encoder):
    values, mask = case()
    run(encoder, values, mask)
    randomise(encoder)
    np.testing.assert_array_equal(run(encoder, values, mask)[0], 0.0)


def test_the_order_of_the_steps_matters(encoder):
    values, mask = case()
    full = values[3:], mask[3:]
    assert np.abs(run(encoder, *full) - run(encoder, full[0][:, ::-1], full[1])).max() > 1e-4


def test_real_steps_get_a_gradient_and_masked_ones_do_not(encoder):
    import tensorflow as tf

    values, mask = case()
    tensor = tf.constant(np.where(mask[..., None] > 0, values, np.float32(np.nan)))
    run(encoder, tensor, mask)
    encoder.set_weights([np.full(weight.shape, 0.3) for weight in encoder.get_weights()])  # no unit is off
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        output = tf.reduce_sum(encoder(tensor, mask) ** 2)
    gradient = tape.gradient(output, tensor).numpy()
    np.testing.assert_array_equal(gradient[mask == 0], 0.0)
    assert (np.abs(gradient[mask == 1]) > 0).mean() > 0.8


def test_saved_and_loaded(encoder, tmp_path):
    values, mask = case()
    model = model_of(encoder)
    randomise(encoder)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded([values, mask])), np.asarray(model([values, mask])))
    assert loaded.layers[-1].get_config() == encoder.get_config()


def test_a_recurrent_unit_against_numpy():
    values, mask = case()
    layer = Recurrent(width=WIDTH)
    run(layer, values, mask)
    randomise(layer)
    kernel, recurrent, bias = layer.get_weights()
    for row in range(4):
        state = np.zeros(WIDTH)
        for step in values[row][mask[row] > 0]:
            given, before = step @ kernel + bias[0], state @ recurrent + bias[1]
            z, r = (sigmoid(given[part] + before[part]) for part in (slice(0, WIDTH), slice(WIDTH, 2 * WIDTH)))
            candidate = np.tanh(given[2 * WIDTH :] + r * before[2 * WIDTH :])
            state = z * state + (1 - z) * candidate
        np.testing.assert_allclose(run(layer, values, mask)[row], state, rtol=1e-4, atol=1e-5)


def test_convolutions_against_numpy():
    values, mask = case()
    layer = Convolution(width=WIDTH)
    run(layer, values, mask)
    randomise(layer)
    first, first_bias, second, second_bias = layer.get_weights()
    for row in range(1, 4):
        marked = np.concatenate([values[row] * mask[row][:, None], mask[row][:, None]], axis=-1)
        hidden = causal(marked, first, first_bias, 1) * mask[row][:, None]
        hidden = causal(hidden, second, second_bias, 2) * mask[row][:, None]
        expected = np.concatenate([hidden.sum(axis=0) / mask[row].sum(), hidden[-1]])
        np.testing.assert_allclose(run(layer, values, mask)[row], expected, rtol=1e-4, atol=1e-5)


def causal(values, kernel, bias, dilation):
    """Each step with the LENGTH - 1 before it, `dilation` apart; nothing is before the first."""
    output = np.zeros((len(values), kernel.shape[-1]))
    for step in range(len(values)):
        for place in range(LENGTH):
            at = step - dilation * (LENGTH - 1 - place)
            if at >= 0:
                output[step] += values[at] @ kernel[place]
    return np.maximum(output + bias, 0)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))
