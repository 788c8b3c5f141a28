"""An encoder as two layers, for tier 2: a frozen lower half, whose output is computed once, and an upper half, which is
trained and returns the read-outs of the whole encoder."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from automm.data.inputs.input_sources import LAST, LOWER, TOKEN_MASK, InputSource
from automm.models.encoders.hub.unrolled import by_place, in_float32
from automm.models.encoders.layers import (
    FrozenEncoder,
    ImageReader,
    TextReader,
    flatten_reviews,
    group_by_review,
    token_states,
)
from automm.models.padding import compute_empty_once
from automm.models.readouts import places_of


@keras.saving.register_keras_serializable(package="automm")
class TextLower(FrozenEncoder):
    """Encodes token ids and their mask, (n, length) int32 each, as token states of a middle layer (n, length, features)
    float32, and their mask. The mask may be left out as in `TextEncoder`."""

    modality = "text"

    @property
    def sources(self) -> tuple[InputSource, ...]:
        return self._source(LOWER), self._source(TOKEN_MASK)

    def call(self, token_ids: Any, padding_mask: Any = None, training: bool | None = None) -> Any:
        states, real = token_states(self.backbone, token_ids, padding_mask, self._training(training))
        return states["last"], real

    def compute_output_spec(self, token_ids: Any, padding_mask: Any = None, training: bool | None = None) -> Any:
        return (
            keras.KerasTensor((*token_ids.shape, self.features), "float32"),
            keras.KerasTensor(token_ids.shape, "int32"),
        )


@keras.saving.register_keras_serializable(package="automm")
class ImageLower(FrozenEncoder):
    """Encodes pictures (n, max_images, height, width, 3) uint8 as feature maps of a middle layer
    (n, max_images, h, w, features) float32."""

    modality = "image"

    @property
    def sources(self) -> tuple[InputSource, ...]:
        return (self._source(LOWER),)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.supports_jit = False  # as in `ImageReader`

    def call(self, images: Any, training: bool | None = None) -> Any:
        backbone = partial(self.backbone, training=self._training(training))
        states = in_float32(by_place(compute_empty_once(backbone, *flatten_reviews(images))))[LAST]
        if None in states.shape[1:]:  # in a graph, DINOv3's rotary positions lose the number of patches
            states = ops.reshape(states, (-1, *self.backbone.compute_output_shape((1, *images.shape[2:]))[1:]))
        return group_by_review(states, images)

    def compute_output_spec(self, images: Any, training: bool | None = None) -> Any:
        cells = self.backbone.compute_output_shape((1, *images.shape[2:]))
        return keras.KerasTensor((*images.shape[:2], *cells[1:]), "float32")


@keras.saving.register_keras_serializable(package="automm")
class TextUpper(TextReader):
    """Computes the outputs of `TextEncoder` from the outputs of `TextLower`.

    Its backbone is None if every read-out is computed from the lower half.
    """

    @property
    def widths(self) -> dict[str, int]:
        # The width of the lower half comes from its output.
        return {"last": self.features, "two_thirds": 0, **super().widths}

    def call(self, states: Any, real: Any, training: bool | None = None) -> Any:
        places = {"two_thirds": states}
        if self.backbone is not None:
            given = {"states": states, "padding_mask": real}
            several = isinstance(self.backbone.input, dict)
            inputs = {name: given[name] for name in self.backbone.input} if several else states
            places |= in_float32(by_place(self.backbone(inputs, training=self._training(training))))
        return self._read(places, real)

    def compute_output_spec(self, states: Any, real: Any, training: bool | None = None) -> Any:
        return self._specs(states.shape[0], states.shape[1], {**self.widths, "two_thirds": states.shape[-1]})

    def needs_backbone(self, readouts: Sequence[str]) -> bool:
        return not places_of(readouts) <= {"two_thirds"}


@keras.saving.register_keras_serializable(package="automm")
class ImageUpper(ImageReader):
    """Computes the outputs of `ImageEncoder` from the output of `ImageLower`; its backbone as in `TextUpper`.

    The lower half of a transformer returns states, not cells, so that its upper half computes the cells of both places.
    """

    @property
    def widths(self) -> dict[str, int]:
        # The width of the lower half comes from its output.
        return {"last": self.features, "two_thirds": 0, **super().widths}

    def call(self, cells: Any, training: bool | None = None) -> Any:
        maps = {"two_thirds": ops.reshape(cells, (-1, *cells.shape[2:]))}
        if self.backbone is not None:
            backbone = partial(self.backbone, training=self._training(training))
            maps |= in_float32(by_place(compute_empty_once(backbone, maps["two_thirds"], cells.shape[1])))
        return self._read(maps, cells)

    def compute_output_spec(self, cells: Any, training: bool | None = None) -> Any:
        shapes = {"two_thirds": cells.shape[2:]}
        if self.backbone is not None:
            given = by_place(self.backbone.compute_output_shape((1, *cells.shape[2:])))
            shapes |= {place: shape[1:] for place, shape in given.items()}
        return self._specs(cells.shape[0], cells.shape[1], shapes)

    def needs_backbone(self, readouts: Sequence[str]) -> bool:
        if not places_of(readouts) <= {"two_thirds"}:
            return True
        return self.backbone is not None and isinstance(self.backbone.output, dict)  # a transformer's
