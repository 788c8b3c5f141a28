"""Layers that read the words of a text as a sparse vector (`data/inputs/words`): its buckets and their weights.

Both inputs have MOST_TERMS places. A place whose weight is 0 has no effect: behind the last term of a text, or
everywhere in a review without text.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from automm.data.inputs.input_sources import WORD_IDS, WORD_WEIGHTS
from automm.data.inputs.words import BUCKETS

WORD_DTYPES = {WORD_IDS: "int32", WORD_WEIGHTS: "float32"}
# A vector is a sum with weights of length 1, so it starts with this deviation: much less than a standardised feature.
DEVIATION = 0.1


@keras.saving.register_keras_serializable(package="automm")
class WordWeights(keras.layers.Layer):
    """Multiply weights by the idf of their buckets, and scale each review's weights to length 1: (n, terms) to
    (n, terms).

    The idf of the training rows is set by `learn_statistics`; it is a weight that training does not change.
    """

    source = WORD_WEIGHTS

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.idf = self.add_weight(shape=(BUCKETS,), initializer="ones", trainable=False, name="idf", dtype="float32")
        self.built = True

    def learn(self, idf: np.ndarray) -> None:
        """Set the idf, (BUCKETS,) float32."""
        self.idf.assign(idf)

    def call(self, ids: Any, weights: Any) -> Any:
        values = weights * ops.take(self.idf, ids, axis=0)
        length = ops.sqrt(ops.sum(values * values, axis=-1, keepdims=True))
        return values / ops.maximum(length, 1e-12)

    def compute_output_shape(self, ids_shape: Any, weights_shape: Any = None) -> Any:
        return ids_shape


@keras.saving.register_keras_serializable(package="automm")
class WordSum(keras.layers.Layer):
    """Sum the vectors of a review's buckets times their weights: ids and weights (n, terms) to (n, width).

    It is a dense layer on the sparse vector: with a bias and an activation it is a whole linear model. Parameters:
    BUCKETS * width, and width for the bias.

    Args:
        width: of a vector.
        activation: of the sums, as Keras names it; None: none.
        deviation: of the initial vectors, which are normal; 0.0: they are zeros, and `set_weights` follows.
    """

    def __init__(
        self, width: int, use_bias: bool = False, activation: str | None = None, deviation: float = 0.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.width, self.use_bias, self.activation, self.deviation = width, use_bias, activation, deviation
        self._activate = keras.activations.get(activation)

    def build(self, ids_shape: Any, weights_shape: Any = None) -> None:
        start = keras.initializers.RandomNormal(stddev=self.deviation) if self.deviation else "zeros"
        self.table = self.add_weight(shape=(BUCKETS, self.width), initializer=start, name="table")
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.width,), initializer="zeros", name="bias")

    def call(self, ids: Any, weights: Any) -> Any:
        sums = ops.sum(ops.take(self.table, ids, axis=0) * ops.expand_dims(weights, -1), axis=1)
        return self._activate(sums + self.bias if self.use_bias else sums)

    def compute_output_shape(self, ids_shape: Any, weights_shape: Any = None) -> Any:
        return (ids_shape[0], self.width)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("width", "use_bias", "activation", "deviation")}
        return {**super().get_config(), **own}


def word_tower(read: Mapping[str, Any], width: int) -> Any:
    """Return a trained vector of a review's words, (n, width); zeros where there is no text.

    fastText (Joulin et al. 2017, "Bag of tricks for efficient text classification", arXiv 1607.01759) with tf-idf
    weights.

    Args:
        read: inputs by name, the word ids and weights among them.
    """
    ids, weights = read[WORD_IDS], WordWeights(name="word_weights")(read[WORD_IDS], read[WORD_WEIGHTS])
    return WordSum(width, deviation=DEVIATION, name="words")(ids, weights)
