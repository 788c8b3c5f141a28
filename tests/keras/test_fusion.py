import keras
import numpy as np
import pytest
from small import SHAPES, SMALL

from automm.models import baselines
from automm.models.fusion import FUSIONS
from automm.models.fusion.late import WeighedAnswers
from automm.models.pooling import POOLINGS

WIDTH, RANK = 4, 2
SIZES = (5, 7)


def build(name):
    keras.utils.set_random_seed(1)
    cls = FUSIONS[name]
    return cls(**{key: {"width": WIDTH, "rank": RANK}[key] for key in cls.hyperparameters})


@pytest.fixture(params=FUSIONS)
def fusion(request):
    return build(request.param)


def vectors(n=6, sizes=SIZES, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, size)).astype(np.float32) for size in sizes]


def randomise(layer):
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])


def projections(sizes, width=WIDTH):
    return sum((size + 1) * width for size in sizes)


def pairs(sizes):
    return len(sizes) * (len(sizes) - 1) // 2


# Parameters as the docstrings give them, of modalities with these sizes.
PARAMETERS = {
    "concatenation": projections,
    "sum": projections,
    "product": projections,
    "bilinear": lambda sizes: projections(sizes, RANK) + (len(sizes) * RANK + pairs(sizes) * RANK**2 + 1) * WIDTH,
    "low_rank_bilinear": lambda sizes: projections(sizes) + (WIDTH + 1) * WIDTH,
    "mutan": lambda sizes: projections(sizes) + len(sizes) * (WIDTH + 1) * WIDTH * RANK,
    "mfb": lambda sizes: projections(sizes, WIDTH * RANK),
    "gated_unit": lambda sizes: projections(sizes) + len(sizes) * (sum(sizes) + 1) * WIDTH,
    "film": lambda sizes: (
        projections(sizes[1:]) + (len(sizes) - 1) * (sizes[0] + 1) * 2 * WIDTH if sizes[1:] else projections(sizes)
    ),
    "late": projections,
}


def name_of(fusion):
    return next(name for name, cls in FUSIONS.items() if cls is type(fusion))


@pytest.mark.parametrize("sizes", [(5,), SIZES, (3, 5, 7), (3, 5, 7, 2)], ids=len)
def test_shape_and_parameters_for_any_number_of_modalities(fusion, sizes):
    output = np.asarray(fusion(vectors(sizes=sizes)))
    assert (None, *output.shape[1:]) == tuple(fusion.compute_output_shape([(None, size) for size in sizes]))
    assert output.shape[0] == 6
    assert np.isfinite(output).all()
    assert fusion.count_params() == PARAMETERS[name_of(fusion)](sizes)


def affine(layer, vector):
    kernel, bias = layer.get_weights()
    return vector @ kernel + bias


def formula(fusion, x, y):
    """Compute the formula of the paper for two modalities in numpy, with the weights of the layer."""
    name = name_of(fusion)
    if name == "film":
        gamma, beta = np.split(affine(fusion.conditions[0], x), 2, axis=-1)
        return np.maximum((1 + gamma) * affine(fusion.projections[0], y) + beta, 0)
    u, v = (affine(layer, vector) for layer, vector in zip(fusion.projections, (x, y), strict=True))
    rectified = np.maximum(u, 0), np.maximum(v, 0)
    if name == "bilinear":
        terms = [[*a, *b, *np.outer(a, b).ravel()] for a, b in zip(u, v, strict=True)]
        return affine(fusion.output_projection, np.array(terms))
    if name == "mutan":
        m, n = (affine(layer, np.tanh(part)) for layer, part in zip(fusion.factors, (u, v), strict=True))
        return sum(m[:, r * WIDTH : (r + 1) * WIDTH] * n[:, r * WIDTH : (r + 1) * WIDTH] for r in range(RANK))
    if name == "mfb":
        summed = np.stack([(u * v)[:, k * RANK : (k + 1) * RANK].sum(axis=1) for k in range(WIDTH)], axis=1)
        rooted = np.sign(summed) * np.sqrt(np.abs(summed))
        return rooted / np.linalg.norm(rooted, axis=1, keepdims=True) * np.sqrt(WIDTH)
    if name == "gated_unit":
        gates = [1 / (1 + np.exp(-affine(gate, np.hstack([x, y])))) for gate in fusion.gates]
        return gates[0] * np.tanh(u) + gates[1] * np.tanh(v)
    return {
        "concatenation": lambda: np.hstack(rectified),
        "sum": lambda: rectified[0] + rectified[1],
        "product": lambda: np.hstack([u, v, (1 + u) * (1 + v) - 1]),
        "low_rank_bilinear": lambda: affine(fusion.output_projection, np.tanh(u) * np.tanh(v)),
        "late": lambda: np.stack(rectified, axis=1),
    }[name]()


def test_the_output_equals_the_formula_of_the_paper(fusion):
    x, y = vectors()
    fusion([x, y])
    randomise(fusion)
    tolerance = 2e-3 if name_of(fusion) == "mfb" else 1e-4  # its square root is rounded off at 0
    np.testing.assert_allclose(np.asarray(fusion([x, y])), formula(fusion, x, y), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("zeros", [False, True])
def test_gradient_reaches_every_modality_and_every_weight_from_the_start(fusion, zeros):
    """For inputs of zero, no gradient is infinite."""
    import tensorflow as tf

    tensors = [tf.constant(vector * (0.0 if zeros else 1.0)) for vector in vectors(sizes=(5, 6, 7))]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        output = fusion(tensors)
        weighed = tf.reduce_sum(output**2 * tf.range(1.0, output.shape[-1] + 1))
    gradients = tape.gradient(weighed, [*tensors, *fusion.trainable_weights])
    assert len(gradients) == 3 + len(fusion.trainable_weights)
    assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients)
    assert zeros or all(float(tf.reduce_sum(tf.abs(gradient))) > 0 for gradient in gradients)


@pytest.mark.parametrize("absent", [0, 1])
def test_a_modality_has_an_effect_if_the_other_is_absent(fusion, absent):
    """An absent modality is a vector of zeros."""
    given = vectors()
    given[absent] = np.zeros_like(given[absent])
    output = np.asarray(fusion(given))
    assert (output.std(axis=0) > 1e-4).any()


def test_an_absent_modality_does_not_change_the_product():
    first, second = vectors()
    output = np.asarray(build("product")([first, np.zeros_like(second)]))
    np.testing.assert_allclose(output[:, 2 * WIDTH :], output[:, :WIDTH], rtol=1e-5, atol=1e-6)


def test_untrained_features_have_a_size_that_a_head_can_use(fusion):
    """They neither vanish nor are dominated by a constant, for the sizes of encoders and every rank."""
    given = vectors(n=200, sizes=(384, 1280))
    deviation = np.asarray(fusion(given)).reshape(200, -1).std(axis=0).mean()
    assert 0.05 < deviation < 3


def test_rows_are_independent(fusion):
    given = vectors()
    whole = np.asarray(fusion(given))
    alone = np.asarray(fusion([vector[2:3] for vector in given]))
    np.testing.assert_allclose(alone[0], whole[2], rtol=1e-4, atol=1e-5)


def test_saved_and_loaded(fusion, tmp_path):
    inputs = [keras.Input((size,)) for size in SIZES]
    model = keras.Model(inputs, fusion(inputs))
    randomise(fusion)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded(vectors())), np.asarray(model(vectors())))
    assert loaded.layers[-1].get_config() == fusion.get_config()


class TestWeighedAnswers:
    answers = np.array([[[0.9, 0.1]] * 4, [[0.2, 0.8]] * 4])
    masks = np.array([[1, 1, 0, 0], [1, 0, 1, 0]], np.float32)

    def layer(self, scores):
        layer = WeighedAnswers()
        layer(list(self.answers), list(self.masks))
        layer.set_weights([np.array(scores)])
        return layer

    def test_weights_add_up_to_one_over_present_modalities(self):
        output = np.asarray(self.layer([np.log(3.0), 0.0])(list(self.answers), list(self.masks)))
        both = 0.75 * self.answers[0, 0] + 0.25 * self.answers[1, 0]
        np.testing.assert_allclose(output, [both, self.answers[0, 0], self.answers[1, 0], both], rtol=1e-5)

    def test_weights_are_equal_at_first(self):
        layer = WeighedAnswers()
        output = np.asarray(layer(list(self.answers), list(self.masks)))
        np.testing.assert_allclose(output[0], self.answers[:, 0].mean(axis=0), rtol=1e-5)
        assert layer.count_params() == 2


BATCH = {
    "text": np.random.default_rng(0).normal(size=(4, SHAPES.text_features)).astype(np.float32),
    "text_mask": np.array([1, 1, 0, 0], np.float32),
    "image": np.random.default_rng(1).normal(size=(4, 2, SHAPES.image_features)).astype(np.float32),
    "image_mask": np.array([[1, 0], [0, 0], [1, 1], [0, 0]], np.float32),
}
DIRTY = {name: array.copy() for name, array in BATCH.items()}
DIRTY["text"][BATCH["text_mask"] == 0] = np.nan
DIRTY["image"][BATCH["image_mask"] == 0] = np.nan


@pytest.mark.parametrize(
    ("pooling", "operator"),
    [*((name, "low_rank_bilinear") for name in POOLINGS), *(("mean", name) for name in FUSIONS)],
)
def test_masked_pictures_and_texts_never_change_a_probability(pooling, operator, tmp_path):
    """Through towers, fusion and head, for any values in the masked places; also after loading."""
    keras.utils.set_random_seed(1)
    model = baselines.fused(SHAPES, {**SMALL, "image/pooling": pooling, "fusion/operator": operator})
    clean = np.asarray(model(BATCH))
    np.testing.assert_allclose(clean.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(model(DIRTY)), clean)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(np.asarray(loaded(BATCH)), clean)
    cloned = keras.models.clone_model(model)  # as the other folds' models are made
    assert [tuple(weight.shape) for weight in cloned.weights] == [tuple(weight.shape) for weight in model.weights]


def test_without_a_picture_late_fusion_uses_the_text_only():
    model = baselines.fused(SHAPES, {**SMALL, "fusion/operator": "late"})
    one = np.asarray(model(BATCH))
    model.get_layer("label").set_weights([np.array([0.0, 5.0])])
    other = np.asarray(model(BATCH))
    np.testing.assert_allclose(one[1:3], other[1:3], rtol=1e-5)  # text alone, pictures alone
    assert np.abs(one[0] - other[0]).max() > 1e-3
