"""AutoKeras blocks that build the layers of `models/`: text, image, metadata, history, fusion, label; and input nodes.

A block builds the layers for the values of a trial. Hyperparameters are declared only in `space/table.declare`. Every
block gets an explicit name, because AutoKeras numbers its default names per process.
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

    AutoKeras' own node casts to float32, which makes pixels four times as large, and has no name.
    """

    def build_node(self, hp: Any) -> Any:
        return keras.Input(shape=self.shape, dtype=self.dtype, name=self.name)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        return inputs


class EncoderBlock(block_module.Block):
    """A block with an encoder in it; it gives a vector or a sequence, and its mask.

    Args:
        encoder: returns the encoder; called when a model is built.
    """

    def __init__(self, encoder: Callable[[], Any] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.encoder = encoder
        set_outputs(self, 2)


@keras.saving.register_keras_serializable(package="automm")
class TextBlock(EncoderBlock):
    """Turns token ids and the text's mask into a vector or a sequence, and its mask: the encoder and its read-out."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        token_ids, mask = inputs
        assert self.encoder is not None
        encoder = self.encoder()
        return text_part(encoder.named(token_ids), mask, hp.values, encoder.encoder)


@keras.saving.register_keras_serializable(package="automm")
class ImageBlock(EncoderBlock):
    """Turns several pictures, their mask and the text's vector into a vector or a sequence, and its mask: the encoder
    or a CNN that the trial trains, its read-out, and a pooling over the pictures.
    """

    def build(self, hp: Any, inputs: Any = None) -> Any:
        images, mask, text = inputs
        assert self.encoder is not None
        if trained := pixel_encoder(hp.values):
            return image_part(trained.named(images), mask, hp.values, text)
        encoder = self.encoder()
        return image_part(encoder.named(images), mask, hp.values, text, encoder.encoder)


@keras.saving.register_keras_serializable(package="automm")
class MetadataBlock(block_module.Block):
    """Turns metadata and their mask into one vector."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        metadata, mask = inputs
        return metadata_tower(metadata, mask, hp.values)


@keras.saving.register_keras_serializable(package="automm")
class HistoryBlock(block_module.Block):
    """Turns a history and its mask into one vector."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        history, mask = inputs
        return history_tower(history, mask, hp.values)


COLUMN_BLOCKS: dict[str, Any] = {"metadata": MetadataBlock, "history": HistoryBlock}


@keras.saving.register_keras_serializable(package="automm")
class FusionBlock(block_module.Block):
    """Turns a vector or a sequence of each modality, each followed by its mask, into one vector."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        return fuse(list(inputs[::2]), hp.values, list(inputs[1::2]))


@keras.saving.register_keras_serializable(package="automm")
class LabelHead(head_module.Head):
    """Dense layers and the head of the task.

    AutoKeras' own head passes numpy integers to Dense, which Keras 3.13 and later reject. For two classes it uses a
    sigmoid, for which macro-F1 would need different code.
    """

    def __init__(self, head: str = "softmax", **kwargs: Any):
        kwargs.setdefault("loss", "categorical_crossentropy")  # AutoKeras requires one; automm trains with its own loss
        super().__init__(**kwargs)
        self.head = head

    def build(self, hp: Any, inputs: Any = None) -> Any:
        vector, *given = inputs
        # Masks of pictures and of history steps become one number: whether any of them is real.
        masks = [AnyPicture(name=f"any_{m.name}")(m) if len(m.shape) == 2 else m for m in given]
        return answer(vector, masks, hp.values, int(self.shape[-1]), self.head)

    def get_adapter(self) -> Any:
        return adapters.InputAdapter()

    def get_analyser(self) -> Any:
        return analysers.InputAnalyser()

    def get_hyper_preprocessors(self) -> list[Any]:
        return []
