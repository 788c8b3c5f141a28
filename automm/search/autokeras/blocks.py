"""AutoKeras blocks over the layers of `models/`: text, image, fusion, label; and the input nodes that they hang on.

A block builds what the values of a trial name; which values there are is said in one place (`space.declare`). Every
block has a name of its own, because AutoKeras' default names count up in a process.
"""

from collections.abc import Callable
from typing import Any

import autokeras as ak
import keras
from autokeras import adapters, analysers
from autokeras.engine import block as block_module
from autokeras.engine import head as head_module

from automm.models.heads import AnyPicture, answer, fuse, history_tower, metadata_tower
from automm.models.towers import image_part, text_part
from automm.search.autokeras.internals import set_outputs
from automm.search.training.pixels import pixel_encoder


@keras.saving.register_keras_serializable(package="automm")
class ArrayInput(ak.Input):
    """An input node that keeps its array's dtype and has a name.

    AutoKeras' own casts to float32 (token ids and pixels would be four times their size) and names no input.
    """

    def build_node(self, hp: Any) -> Any:
        return keras.Input(shape=self.shape, dtype=self.dtype, name=self.name)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        return inputs


@keras.saving.register_keras_serializable(package="automm")
class TextBlock(block_module.Block):
    """Token ids and their mask to a vector or a sequence, and its mask: the encoder, and what is read of it.

    Args:
        encoder: gives it when the first model is built.
    """

    def __init__(self, encoder: Callable[[], Any] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.encoder = encoder
        set_outputs(self, 2)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        token_ids, mask = inputs
        assert self.encoder is not None
        return text_part(self.encoder().named(token_ids), mask, hp.values)


@keras.saving.register_keras_serializable(package="automm")
class ImageBlock(block_module.Block):
    """Several pictures, their mask, and what is read of the text to a vector or a sequence, and its mask: the encoder,
    or a CNN of the trial's own, what is read of it, and a pooling over the pictures.

    Args:
        encoder: gives it when the first model is built.
    """

    def __init__(self, encoder: Callable[[], Any] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.encoder = encoder
        set_outputs(self, 2)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        images, mask, text = inputs
        assert self.encoder is not None
        encoder = pixel_encoder(hp.values) or self.encoder()
        return image_part(encoder.named(images), mask, hp.values, text)


@keras.saving.register_keras_serializable(package="automm")
class MetadataBlock(block_module.Block):
    """Metadata and their mask to one vector."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        metadata, mask = inputs
        return metadata_tower(metadata, mask, hp.values)


@keras.saving.register_keras_serializable(package="automm")
class HistoryBlock(block_module.Block):
    """A history and its mask to one vector."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        history, mask = inputs
        return history_tower(history, mask, hp.values)


COLUMN_BLOCKS: dict[str, Any] = {"metadata": MetadataBlock, "history": HistoryBlock}


@keras.saving.register_keras_serializable(package="automm")
class FusionBlock(block_module.Block):
    """A vector or a sequence of each modality, each followed by its mask, to one vector."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        return fuse(list(inputs[::2]), hp.values, list(inputs[1::2]))


@keras.saving.register_keras_serializable(package="automm")
class LabelHead(head_module.Head):
    """Dense layers and the head of the task.

    AutoKeras' own head hands numpy integers to Dense, which Keras 3.13 and later refuse, and is a sigmoid for two
    classes, on which macro-F1 would need a code of its own.
    """

    def __init__(self, head: str = "softmax", **kwargs: Any):
        kwargs.setdefault("loss", "categorical_crossentropy")  # AutoKeras wants one; the harness trains by its own
        super().__init__(**kwargs)
        self.head = head

    def build(self, hp: Any, inputs: Any = None) -> Any:
        vector, *given = inputs
        # Of masks of pictures and of steps: whether there is any.
        masks = [AnyPicture(name=f"any_{m.name}")(m) if len(m.shape) == 2 else m for m in given]
        return answer(vector, masks, hp.values, int(self.shape[-1]), self.head)

    def get_adapter(self) -> Any:
        return adapters.InputAdapter()

    def get_analyser(self) -> Any:
        return analysers.InputAnalyser()

    def get_hyper_preprocessors(self) -> list[Any]:
        return []
