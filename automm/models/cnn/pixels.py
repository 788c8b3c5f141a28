"""A CNN that is trained on the pictures from random weights, where frozen features are not enough."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops

from automm.data.inputs.input_sources import DEFAULT, SEQUENCE, InputSource
from automm.models.encoders.layers import in_reviews, side_by_side
from automm.models.padding import empty_once
from automm.models.readouts import IMAGE_READOUTS, cells_in_a_row

FROZEN = "frozen"  # a choice of `image/source`: pictures are read by the experiment's frozen encoder
HALF_OF_BYTES = 127.5

# Each is drawn within these bounds for each picture and step, only in training.
ONE_WAY: dict[str, Callable[[], Any]] = {
    "flip": lambda: keras.layers.RandomFlip("horizontal", name="flip"),
    "translation": lambda: keras.layers.RandomTranslation(0.1, 0.1, name="translation"),
    "rotation": lambda: keras.layers.RandomRotation(0.05, name="rotation"),  # of a full turn: 18 degrees
    "contrast": lambda: keras.layers.RandomContrast(0.2, name="contrast"),
}
AUGMENTATIONS: dict[str, tuple[str, ...]] = {
    "none": (),
    **{name: (name,) for name in ONE_WAY},
    "all": tuple(ONE_WAY),
}


@keras.saving.register_keras_serializable(package="automm")
class PixelEncoder(keras.layers.Layer):
    """Turns pictures (n, max_images, height, width, 3) uint8 into vectors (n, max_images, features) float32, or into
    the cells of their feature maps (n, max_images, cells, features).

    Pictures are made smaller first: by means of whole squares of pixels, then bilinearly, which ONNX supports and which
    then skips no pixel. An incomplete square at the right or lower edge is not read. The output is normalised over its
    features (Ba, Kiros and Hinton 2016, arXiv 1607.06450). Frozen features are standardised by the statistics of the
    training split instead; a CNN's features change with every step.

    Zero pictures that fill a review up are read too, once; a pooling leaves them out. A picture must not change the
    output of another: `backbone` has no batch normalisation.

    Args:
        backbone: a built Keras model from (pictures, size, size, 3) float32 in [-1, 1] to one feature map.
        readout: a name of IMAGE_READOUTS, or 'cells'.
        augmentation: a name of AUGMENTATIONS.

    Raises:
        ValueError: the pictures are smaller than those that `backbone` reads.
    """

    def __init__(self, backbone: Any, readout: str = DEFAULT["image"], augmentation: str = "none", **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_jit = False  # how many pictures are empty is not known beforehand
        self.backbone, self.readout, self.augmentation = backbone, readout, augmentation
        self.size = int(backbone.input_shape[1])
        self.augment = [ONE_WAY[name]() for name in AUGMENTATIONS[augmentation]]
        self.norm = keras.layers.LayerNormalization(name="norm")

    def named(self, images: Any) -> dict[str, Any]:
        """Call the layer, and return its output by the name of a read-out without an encoder."""
        return {InputSource("image", "", self.readout).name: self(images)}

    def build(self, images_shape: Any) -> None:
        if images_shape[2] < self.size:
            raise ValueError(f"{self.name} reads pictures of {self.size} pixels, and these have {images_shape[2]}")
        self.norm.build((None, self.backbone.output_shape[-1]))

    def call(self, images: Any, training: bool | None = None) -> Any:
        return in_reviews(empty_once(partial(self._of_each, training=training), *side_by_side(images)), images)

    def _of_each(self, pictures: Any, training: bool | None) -> Any:
        pictures = _smaller(pictures, self.size)
        if training:
            for layer in self.augment:
                pictures = layer(pictures, training=True)
        cells = self.backbone(pictures / HALF_OF_BYTES - 1.0, training=training)
        read = cells_in_a_row if self.readout == SEQUENCE["image"] else IMAGE_READOUTS[self.readout]
        return self.norm(read(cells))

    def compute_output_shape(self, images_shape: Any) -> Any:
        _, rows, columns, features = self.backbone.output_shape
        kept = (rows * columns, features) if self.readout == SEQUENCE["image"] else (features,)
        return (*images_shape[:2], *kept)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "readout": self.readout,
            "augmentation": self.augmentation,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PixelEncoder":
        return cls(**{**config, "backbone": keras.saving.deserialize_keras_object(config["backbone"])})


def _smaller(pictures: Any, size: int) -> Any:
    """Shrink (n, height, width, 3) to (n, size, size, 3)."""
    squares = pictures.shape[1] // size
    if squares > 1:
        pictures = ops.average_pool(pictures, squares, padding="valid")
    return pictures if pictures.shape[1] == size else ops.image.resize(pictures, (size, size))
