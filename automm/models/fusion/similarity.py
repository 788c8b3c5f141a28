"""The similarity of a text with its pictures: cosines of the vectors that an encoder of both (CLIP, SigLIP) compares.

A fusion takes it as one more part beside text and pictures, if a point names the encoder in `fusion/similarity`.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from automm.data.inputs.input_sources import InputSource
from automm.models.heads import AnyPicture, FixedStatistics
from automm.models.masks import StandIn
from automm.models.readouts import POOLED, TINY

NONE = "none"


def similarity_sources(values: Mapping[str, Any]) -> list[InputSource]:
    """Return what the similarity of a point compares: the vectors of texts and of pictures; [] if it has none."""
    encoder = values.get("fusion/similarity", NONE)
    return [] if encoder == NONE else [InputSource(modality, encoder, POOLED) for modality in ("text", "image")]


def compared_of(modality: str, values: Mapping[str, Any]) -> list[InputSource]:
    """Return what the similarity of a point compares of a modality, as a list of one; [] if it has none."""
    return [source for source in similarity_sources(values) if source.modality == modality]


def similarity_name(encoder: str) -> str:
    """Return the name of the statistics of an encoder's cosines."""
    return f"similarity@{encoder}"


def similarity_part(
    text: Any, images: Any, text_mask: Any, image_mask: Any, values: Mapping[str, Any]
) -> tuple[Any, Any]:
    """Compare texts with pictures.

    Args:
        text: (n, features).
        images: (n, max_images, features).
        text_mask: (n,).
        image_mask: (n, max_images).
        values: a point that has a similarity.

    Returns:
        The similarity (n, max_images + 2), a learned vector where the text or all pictures are absent; and (n,), 1.0
        where both are present.
    """
    layer = Similarity(source=similarity_name(values["fusion/similarity"]), name="similarity")
    any_picture = AnyPicture(name="similarity_pictures")(image_mask)
    both = keras.layers.Multiply(name="similarity_present")([text_mask, any_picture])
    vector = layer(text, images, image_mask, text_mask)
    return StandIn(name="similarity_stand_in")(vector, both), both


@keras.saving.register_keras_serializable(package="automm")
class Similarity(FixedStatistics):
    """Returns the cosine of a text with each picture, and their maximum and mean, all standardised.

    The vectors are the read-out 'pooled' of the two towers of one encoder: `TextSource.joint` and `ImageSource.joint`
    are equal. Cosines of a joint encoder vary little, by a few hundredths: they are standardised with mean and standard
    deviation over the pictures of the training split. Radford et al. 2021, "Learning Transferable Visual Models From
    Natural Language Supervision" (arXiv 2103.00020).

    Args:
        features: 1; all pictures share the statistics.
        source: the name of the statistics, for `heads.learn_statistics`.
    """

    def __init__(self, features: int = 1, source: str = "", **kwargs: Any):
        super().__init__(features, **kwargs)
        self.source = source

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "source": self.source}

    def call(self, text: Any, images: Any, image_mask: Any, text_mask: Any) -> Any:
        """Compare texts and pictures.

        Args:
            text: (n, features) float32.
            images: (n, max_images, features) float32.
            image_mask: (n, max_images), 1 where a picture is real.
            text_mask: (n,), 0 where a review has no text.

        Returns:
            (n, max_images + 2) float32: of each picture, 0 where the text or the picture is absent; then the maximum
            and the mean over the real pictures, 0 without text or pictures.
        """
        real = ops.cast(image_mask, "float32") * ops.expand_dims(ops.cast(text_mask, "float32"), -1)
        cosines = ops.einsum("nf,nmf->nm", _unit(text), _unit(images))
        # Replaced, not multiplied by 0: the vector of a masked picture may be anything.
        cosines = ops.where(real > 0, (cosines - self.mean) / self.deviation, 0.0)
        count = ops.sum(real, axis=1, keepdims=True)
        highest = ops.max(ops.where(real > 0, cosines, -1e9), axis=1, keepdims=True)
        mean = ops.sum(cosines, axis=1, keepdims=True) / ops.maximum(count, 1.0)
        return ops.concatenate([cosines, ops.where(count > 0, highest, 0.0), mean], axis=1)

    def compute_output_shape(
        self, text_shape: Any, images_shape: Any, image_mask_shape: Any = None, text_mask_shape: Any = None
    ) -> Any:
        return (text_shape[0], images_shape[1] + 2)


def _unit(vectors: Any) -> Any:
    return vectors / ops.maximum(ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True)), TINY)
