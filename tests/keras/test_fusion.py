import keras
import numpy as np
import pytest
from small import SMALL

from automm.models.fusion import FUSIONS
from automm.models.heads import Shapes, classify, fuse, image_tower, suffix_inputs, text_tower

WIDTH = 4
SIZES = (5, 7)


@pytest.fixture(params=FUSIONS)
def fusion(request):
    keras.utils.set_random_seed(1)
    return FUSIONS[request.param](WIDTH)


def vectors(n=6, sizes=SIZES, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, size)).astype(np.float32) for size in sizes]


def randomise(layer):
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])


@pytest.mark.parametrize("sizes", [SIZES, (3, 5, 7)])
def test_shape_of_two_and_of_three(fusion, sizes):
    output = np.asarray(fusion(vectors(sizes=sizes)))
    assert (None, *output.shape[1:]) == tuple(fusion.compute_output_shape([(None, size) for size in sizes]))
    assert output.shape[0] == 6
    assert np.isfinite(output).all()


def test_formulas(fusion):
    first, second = vectors()
    fusion([first, second])
    randomise(fusion)
    (w1, b1), (w2, b2) = (projection.get_weights() for projection in fusion.projections)
    u, v = first @ w1 + b1, second @ w2 + b2
    expected = {
        "Concatenation": lambda: np.hstack([np.maximum(u, 0), np.maximum(v, 0)]),
        "Product": lambda: np.hstack([u, v, (1 + u) * (1 + v) - 1]),
        "LowRankBilinear": lambda: (
            (np.tanh(u) * np.tanh(v)) @ np.asarray(fusion.output_projection.kernel)
            + np.asarray(fusion.output_projection.bias)
        ),
    }[type(fusion).__name__]()
    np.testing.assert_allclose(np.asarray(fusion([first, second])), expected, rtol=1e-4, atol=1e-5)


def test_every_fusion_has_a_formula_here():
    assert {cls.__name__ for cls in FUSIONS.values()} == {"Concatenation", "Product", "LowRankBilinear"}


def test_gradient_reaches_every_modality_and_every_weight_from_the_start(fusion):
    import tensorflow as tf

    tensors = [tf.constant(vector) for vector in vectors(sizes=(5, 6, 7))]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        output = tf.reduce_sum(fusion(tensors) ** 2)
    gradients = tape.gradient(output, [*tensors, *fusion.trainable_weights])
    assert len(gradients) == 3 + len(fusion.trainable_weights)
    assert all(float(tf.reduce_sum(tf.abs(gradient))) > 0 for gradient in gradients)


@pytest.mark.parametrize("absent", [0, 1])
def test_with_one_modality_absent_the_other_still_speaks(fusion, absent):
    """Absent is a vector of zeros."""
    given = vectors()
    given[absent] = np.zeros_like(given[absent])
    output = np.asarray(fusion(given))
    assert (output.std(axis=0) > 1e-4).any()


def test_an_absent_modality_leaves_the_product_as_it_is():
    first, second = vectors()
    layer = FUSIONS["product"](WIDTH)
    output = np.asarray(layer([first, np.zeros_like(second)]))
    np.testing.assert_allclose(output[:, 2 * WIDTH :], output[:, :WIDTH], rtol=1e-5, atol=1e-6)


def test_rows_do_not_mix(fusion):
    given = vectors()
    whole = np.asarray(fusion(given))
    alone = np.asarray(fusion([vector[2:3] for vector in given]))
    np.testing.assert_allclose(alone[0], whole[2], rtol=1e-5, atol=1e-6)


def test_saved_and_loaded(fusion, tmp_path):
    inputs = [keras.Input((size,)) for size in SIZES]
    model = keras.Model(inputs, fusion(inputs))
    randomise(fusion)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(loaded(vectors())), np.asarray(model(vectors())))
    assert loaded.layers[-1].width == WIDTH


@pytest.mark.parametrize("pooling", ["mean", "gated_attention"])
def test_masked_pictures_and_texts_never_change_a_probability(fusion, pooling):
    """The whole way through towers, fusion and head, whatever lies in the places that are masked."""
    shapes = Shapes(text_features=5, image_features=7, max_images=3, classes=2)
    inputs = suffix_inputs(shapes)
    operator = next(name for name, cls in FUSIONS.items() if cls is type(fusion))
    values = {**SMALL, "image/pooling": pooling, "fusion/operator": operator}
    vector = fuse(
        [
            text_tower(inputs["text"], inputs["text_mask"]),
            image_tower(inputs["image"], inputs["image_mask"], values),
        ],
        values,
    )
    model = keras.Model(inputs, classify(vector, [inputs["text_mask"]], values, shapes.classes))
    rng = np.random.default_rng(0)
    batch = {
        "text": rng.normal(size=(4, 5)).astype(np.float32),
        "text_mask": np.array([1, 1, 0, 0], np.float32),
        "image": rng.normal(size=(4, 3, 7)).astype(np.float32),
        "image_mask": np.array([[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 0, 0]], np.float32),
    }
    dirty = {name: array.copy() for name, array in batch.items()}
    dirty["text"][batch["text_mask"] == 0] = np.nan
    dirty["image"][batch["image_mask"] == 0] = np.nan
    clean_output = np.asarray(model(batch))
    assert np.isfinite(clean_output).all()
    np.testing.assert_array_equal(np.asarray(model(dirty)), clean_output)
