"""A CNN that is trained on the pictures from random weights, for data on which frozen features are not enough."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops

from automm.data.inputs.input_sources import DEFAULT, SEQUENCE, InputSource
from automm.models.encoders.layers import flatten_reviews, group_by_review
from automm.models.padding import compute_empty_once
from automm.models.readouts import IMAGE_READOUTS, flatten_cells

FROZEN = "frozen"  # a choice of `image/source`: the frozen picture encoder of the experiment
HALF_OF_BYTES = 127.5

# Each is drawn for each picture and step, within these bounds, in training only.
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
    """Encode pictures (n, max_images, height, width, 3) uint8 as vectors (n, max_images, features) float32, or as the
    cells of their feature maps (n, max_images, cells, features).

    Pictures are shrunk first: by averages over whole squares of pixels, then bilinearly. ONNX supports both, and no
    pixel is skipped, except an incomplete square at the right or lower edge. The output is normalised over its features
    (Ba, Kiros and Hinton 2016, arXiv 1607.06450). Frozen features are standardised with statistics of the training
    split instead; a CNN's features change with every step.

    Zero pictures that pad a review are computed too, once; the pooling masks them. A picture must not change the output
    of another: `backbone` has no batch normalisation.

    Args:
        backbone: a built Keras model from (pictures, size, size, 3) float32 in [-1, 1] to one feature map.
        readout: a name of IMAGE_READOUTS, or 'cells'.
        augmentation: a name of AUGMENTATIONS.

    Raises:
        ValueError: the pictures are smaller than the input of `backbone`, or a CNN has no such read-out.
    """

    def __init__(self, backbone: Any, readout: str = DEFAULT["image"], augmentation: str = "none", **kwargs: Any):
        super().__init__(**kwargs)
        if readout not in (*IMAGE_READOUTS, SEQUENCE["image"]):
            raise ValueError(f"image.readout {readout!r} is of pre-trained encoders")
        self.supports_jit = False  # XLA needs static shapes; the number of empty pictures varies
        self.backbone, self.readout, self.augmentation = backbone, readout, augmentation
        self.size = int(backbone.input_shape[1])
        self.augment = [ONE_WAY[name]() for name in AUGMENTATIONS[augmentation]]
        self.norm = keras.layers.LayerNormalization(name="norm")

    def named(self, images: Any) -> dict[str, Any]:
        """Call the layer, and return its output by the name of a read-out without an encoder."""
        return {InputSource("image", "", self.readout).name: self(images)}

    def build(self, images_shape: Any) -> None:
        if images_shape[2] < self.size:
            raise ValueError(f"{self.name} needs pictures of at least {self.size} pixels; these have {images_shape[2]}")
        self.norm.build((None, self.backbone.output_shape[-1]))

    def call(self, images: Any, training: bool | None = None) -> Any:
        encode = partial(self._encode, training=training)
        return group_by_review(compute_empty_once(encode, *flatten_reviews(images)), images)

    def _encode(self, pictures: Any, training: bool | None) -> Any:
        pictures = _smaller(pictures, self.size)
        if training:
            for layer in self.augment:
                pictures = layer(pictures, training=True)
        cells = self.backbone(pictures / HALF_OF_BYTES - 1.0, training=training)
        read = flatten_cells if self.readout == SEQUENCE["image"] else IMAGE_READOUTS[self.readout]
        return self.norm(read(cells))

    def compute_output_shape(self, images_shape: Any) -> Any:
        _, rows, columns, features = self.backbone.output_shape
        shape = (rows * columns, features) if self.readout == SEQUENCE["image"] else (features,)
        return (*images_shape[:2], *shape)

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
