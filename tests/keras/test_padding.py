"""Empty pictures are computed once."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from automm.models.padding import compute_empty_once

PICTURES = {
    "some empty": [1, 0, 2, 0, 0, 3],
    "none empty": [1, 2, 3],
    "all empty": [0, 0, 0, 0],
    "first empty": [0, 0, 5],
    "one": [4],
    "no pictures": [],
}


def pictures_of(values):
    """A picture of four numbers for each, which sum up to zero."""
    return np.array([[value, -value, value, -value] for value in values], np.float32).reshape(-1, 2, 2)


def squares(pictures):
    """Not zero for an empty picture."""
    return {"sum": keras.ops.sum(pictures**2, axis=(1, 2)) + 7.0, "map": pictures * 2.0 + 1.0}


class TestEmptyOnce:
    @pytest.mark.parametrize("ways", [1, 3, None])
    @pytest.mark.parametrize("name", PICTURES)
    def test_the_result_equals_the_function(self, name, ways):
        pictures = pictures_of(PICTURES[name])
        found = compute_empty_once(squares, tf.constant(pictures), ways)
        for key, value in squares(pictures).items():
            np.testing.assert_array_equal(np.asarray(found[key]), np.asarray(value))

    @pytest.mark.parametrize(("name", "read"), [("some empty", 4), ("none empty", 3), ("all empty", 1), ("one", 1)])
    def test_at_most_one_empty_picture_is_computed(self, name, read):
        seen = []

        def function(pictures):
            seen.append(len(pictures))
            return pictures

        compute_empty_once(function, tf.constant(pictures_of(PICTURES[name])), 2)
        assert seen == [read]

    def test_in_a_graph_for_any_batch_size(self):
        graph = tf.function(
            lambda pictures: compute_empty_once(squares, pictures, 2),
            input_signature=[tf.TensorSpec((None, 2, 2), "float32")],
        )
        for values in PICTURES.values():
            pictures = pictures_of(values)
            np.testing.assert_array_equal(graph(pictures)["map"], squares(pictures)["map"])

    def test_gradients_equal_those_of_the_function(self):
        """Each empty picture that is not masked contributes."""
        pictures = tf.constant(pictures_of(PICTURES["some empty"]))
        weights = tf.constant(np.arange(6, dtype=np.float32)[:, None])
        dense = keras.layers.Dense(3)
        dense.build((None, 4))

        def flat(pictures):
            return dense(keras.ops.reshape(pictures, (-1, 4)))

        def gradients(answers):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(weights * tf.tanh(answers() + 1.0))
            return [tf.convert_to_tensor(part).numpy() for part in tape.gradient(loss, dense.trainable_weights)]

        once, plain = gradients(lambda: compute_empty_once(flat, pictures, 3)), gradients(lambda: flat(pictures))
        for found, expected in zip(once, plain, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5)
