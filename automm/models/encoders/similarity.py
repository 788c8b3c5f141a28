"""How well a text and each of its pictures fit together, by an encoder that reads both: the cosine of their vectors.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision" (arXiv 2103.00020).
"""

from typing import Any

import keras
from keras import ops

TINY = 1e-9


@keras.saving.register_keras_serializable(package="automm")
class Similarity(keras.layers.Layer):
    """Returns the cosine of a text with each picture, and its maximum and mean over the pictures.

    The vectors are the read-out 'pooled' of the two towers of one encoder: `TextSource.joint` and `ImageSource.joint`
    are equal. It has no weights.
    """

    def call(self, text: Any, images: Any, image_mask: Any, text_mask: Any) -> tuple[Any, Any]:
        """Compare texts and pictures.

        Args:
            text: (n, features) float32.
            images: (n, max_images, features) float32.
            image_mask: (n, max_images), 1 where a picture is real.
            text_mask: (n,), 0 where a review has no text.

        Returns:
            Cosines (n, max_images) float32, 0 where the text or the picture is absent; and (n, 2) float32, their
            maximum and mean over the real pictures, 0 without text or pictures.
        """
        real = ops.cast(image_mask, text.dtype) * ops.cast(text_mask, text.dtype)[:, None]
        cosines = ops.einsum("nf,nmf->nm", _unit(text), _unit(images)) * real
        count = ops.sum(real, axis=1)
        highest = ops.max(ops.where(real > 0, cosines, -1.0), axis=1)
        mean = ops.sum(cosines, axis=1) / ops.maximum(count, 1.0)
        return cosines, ops.stack([ops.where(count > 0, highest, 0.0), mean], axis=1)

    def compute_output_spec(self, text: Any, images: Any, image_mask: Any, text_mask: Any) -> tuple[Any, Any]:
        return keras.KerasTensor(images.shape[:2], "float32"), keras.KerasTensor((images.shape[0], 2), "float32")


def _unit(vectors: Any) -> Any:
    return vectors / ops.maximum(ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True)), TINY)
