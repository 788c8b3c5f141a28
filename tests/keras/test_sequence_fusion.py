"""Cross-attention and the bottleneck transformer against their formulas in numpy; masks, gradients, round trips."""

import math

import keras
import numpy as np
import pytest

from automm.models.fusion import SEQUENCE_FUSIONS
from automm.models.token_attention import TokenAttention

WIDTH = 4
SIZES = (5, 7)
PLACES = (4, 6)


def build(name, sizes=SIZES, width=WIDTH):
    keras.utils.set_random_seed(1)
    fusion = SEQUENCE_FUSIONS[name](width)
    fusion(*given(sizes=sizes))
    return fusion


@pytest.fixture(params=SEQUENCE_FUSIONS)
def name(request):
    return request.param


def given(n=3, sizes=SIZES, seed=0):
    """Return sequences and masks; the last row lacks the first modality."""
    rng = np.random.default_rng(seed)
    sequences = [rng.normal(size=(n, 4 + 2 * place, size)).astype(np.float32) for place, size in enumerate(sizes)]
    masks = [np.ones(sequence.shape[:2], np.float32) for sequence in sequences]
    masks[0][0, 2:] = 0
    masks[-1][1, 1:] = 0
    if len(sizes) > 1:
        masks[0][n - 1] = 0
    return sequences, masks


def randomise(layer):
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])


# ---- the formulas


def affine(layer, values):
    kernel, bias = layer.get_weights()
    return values @ kernel + bias


def normed(layer, values):
    scale, shift = layer.get_weights()
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(values.var(axis=-1, keepdims=True) + 1e-6) * scale + shift


def attended(block, x, y):
    """Compute MAB for one row without masked elements: x attends to y."""
    size = block.width // block.heads
    parts = []
    for head in range(block.heads):
        columns = slice(head * size, (head + 1) * size)
        scores = affine(block.question, x)[:, columns] @ affine(block.key, y)[:, columns].T / math.sqrt(size)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True)) if len(y) else scores
        weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
        parts.append(weights @ affine(block.value, y)[:, columns])
    hidden = normed(block.first_norm, x + affine(block.merge, np.concatenate(parts, axis=1)))
    return normed(block.second_norm, hidden + np.maximum(affine(block.forward, hidden), 0))


def real_parts(fusion, sequences, masks, row):
    """Project and normalise the real elements of one review."""
    return [
        normed(norm, affine(projection, sequence[row][mask[row] > 0]))
        for sequence, mask, projection, norm in zip(sequences, masks, fusion.projections, fusion.norms, strict=True)
    ]


def cross_attention(fusion, sequences, masks, row):
    parts = real_parts(fusion, sequences, masks, row)
    vectors = []
    for place, part in enumerate(parts):
        others = [other for other in range(len(parts)) if other != place] or [place]
        answer = attended(fusion.blocks[place], part, np.concatenate([parts[other] for other in others]))
        vectors.append(answer.mean(axis=0) if len(part) else np.zeros(fusion.width))
    return np.concatenate(vectors)


def bottleneck(fusion, sequences, masks, row):
    states = [
        np.concatenate([np.asarray(start)[0], part])
        for start, part in zip(fusion.starts, real_parts(fusion, sequences, masks, row), strict=True)
    ]
    present = [len(state) > 1 for state in states]
    shared = np.asarray(fusion.bottleneck)[0]
    for blocks in fusion.blocks:
        made = []
        for place, block in enumerate(blocks):
            tokens = np.concatenate([states[place], shared])
            tokens = attended(block, tokens, tokens)
            states[place] = tokens[: -len(shared)]
            made.append(tokens[-len(shared) :])
        shared = np.mean([ours for ours, there in zip(made, present, strict=True) if there], axis=0)
    return np.concatenate(
        [state[0] if there else np.zeros(fusion.width) for state, there in zip(states, present, strict=True)]
    )


FORMULAS = {"cross_attention": cross_attention, "bottleneck": bottleneck}


@pytest.mark.parametrize("sizes", [(5,), SIZES, (3, 5, 7)], ids=len)
def test_the_output_equals_the_formula(name, sizes):
    fusion = build(name, sizes)
    randomise(fusion)
    sequences, masks = given(sizes=sizes)
    found = np.asarray(fusion(sequences, masks))
    assert found.shape == (3, len(sizes) * WIDTH)
    expected = [FORMULAS[name](fusion, sequences, masks, row) for row in range(3)]
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def block_parameters(width):
    return 5 * (width + 1) * width + 4 * width


PARAMETERS = {
    "cross_attention": lambda sizes: (
        sum((size + 1) * WIDTH for size in sizes) + len(sizes) * (block_parameters(WIDTH) + 2 * WIDTH)
    ),
    "bottleneck": lambda sizes: (
        sum((size + 1) * WIDTH for size in sizes)
        + (4 + 3 * len(sizes)) * WIDTH
        + 2 * len(sizes) * block_parameters(WIDTH)
    ),
}


@pytest.mark.parametrize("sizes", [(5,), (3, 5, 7)], ids=len)
def test_the_number_of_parameters(name, sizes):
    assert build(name, sizes).count_params() == PARAMETERS[name](sizes)


def test_masked_elements_never_change_the_output(name):
    fusion = build(name)
    sequences, masks = given()
    expected = np.asarray(fusion(sequences, masks))
    spoiled = [
        np.where(mask[..., None] > 0, s, np.nan).astype(np.float32) for s, mask in zip(sequences, masks, strict=True)
    ]
    np.testing.assert_array_equal(np.asarray(fusion(spoiled, masks)), expected)
    longer = [np.pad(sequence, ((0, 0), (0, 3), (0, 0))) for sequence in sequences]
    masked = [np.pad(mask, ((0, 0), (0, 3))) for mask in masks]
    np.testing.assert_allclose(np.asarray(fusion(longer, masked)), expected, atol=1e-5)


@pytest.mark.parametrize("absent", [0, 1])
def test_an_absent_modality_gives_zeros_and_the_other_has_an_effect(name, absent):
    fusion = build(name)
    sequences, masks = given()
    masks = [np.ones_like(mask) for mask in masks]
    masks[absent][:] = 0
    output = np.asarray(fusion(sequences, masks)).reshape(3, 2, WIDTH)
    assert not output[:, absent].any()
    assert (output[:, 1 - absent].std(axis=0) > 1e-4).any()
    nothing = np.asarray(fusion(sequences, [np.zeros_like(mask) for mask in masks]))
    np.testing.assert_array_equal(nothing, 0)


def test_gradient_reaches_every_modality_and_every_weight(name):
    import tensorflow as tf

    fusion = build(name, (5, 6, 7))
    sequences, masks = given(sizes=(5, 6, 7))
    tensors = [tf.constant(sequence) for sequence in sequences]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        output = fusion(tensors, masks)
        weighed = tf.reduce_sum(output**2 * tf.range(1.0, output.shape[-1] + 1))
    gradients = tape.gradient(weighed, [*tensors, *fusion.trainable_weights])
    assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients)
    for gradient, what in zip(gradients, ["a modality"] * 3 + [w.path for w in fusion.trainable_weights], strict=True):
        if not what.endswith("key/bias"):  # adds the same to every score of a question
            assert float(tf.reduce_sum(tf.abs(gradient))) > 0, what


def test_a_vector_is_a_sequence_of_one_element(name):
    """Metadata has a mask of the review, a history a mask of the steps."""
    fusion = build(name, (5, 6, 7))
    sequences, masks = given(sizes=(5, 6, 7))
    steps = np.array([[1, 0], [0, 0], [1, 1]], np.float32)
    found = fusion([sequences[0], sequences[1][:, 0], sequences[2][:, 0]], [masks[0], np.array([1, 1, 0.0]), steps])
    one = [sequences[0], sequences[1][:, :1], sequences[2][:, :1]]
    there = [masks[0], np.array([[1], [1], [0.0]]), np.array([[1], [0], [1.0]])]
    np.testing.assert_array_equal(np.asarray(found), np.asarray(fusion(one, there)))


def test_saved_and_loaded_with_texts_of_any_length(name, tmp_path):
    sequences, masks = given()
    inputs = [keras.Input((None, 5)), keras.Input((6, 7))], [keras.Input((None,)), keras.Input((6,))]
    model = keras.Model(inputs, SEQUENCE_FUSIONS[name](6, name="fusion")(*inputs))  # two heads share 6
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded((sequences, masks))), np.asarray(model((sequences, masks))))


class TestTokenAttention:
    def test_formula_and_mask(self):
        layer = TokenAttention(3)
        states, mask = given()[0][0], given()[1][0]
        layer(states, mask)
        randomise(layer)
        spoiled = np.where(mask[..., None] > 0, states, np.nan).astype(np.float32)
        found = np.asarray(layer(spoiled, mask))
        for row in range(2):
            real = states[row][mask[row] > 0]
            scores = np.exp(np.tanh(affine(layer.content, real)) @ layer.score.get_weights()[0])
            expected = normed(layer.norm, (real * scores / scores.sum()).sum(axis=0))
            np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(found[2], 0)
        assert layer.count_params() == (5 + 1) * 3 + 3 + 2 * 5
