"""AutoKeras blocks that build the layers of `models/`: text, image, metadata, history, fusion, label; and input nodes.

A block builds the layers for the values of a trial. Hyperparameters are declared only in `space/table.declare`. Every
block gets an explicit name, because AutoKeras numbers its default names per process.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import autokeras as ak
import keras
from autokeras import adapters, analysers
from autokeras.engine import block as block_module
from autokeras.engine import head as head_module

from automm.data.inputs.input_sources import RAW, WORDS
from automm.models.heads import AnyPicture, answer, fuse, history_tower, metadata_tower
from automm.models.towers import chosen_encoders, image_part, text_part
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
        encoders: the encoders of the modality (`models/whole.LazyEncoder`), first encoder first; a model that reads one
            builds it.
    """

    def __init__(self, encoders: Sequence[Any] = (), **kwargs: Any):
        super().__init__(**kwargs)
        self.encoders = encoders
        set_outputs(self, 2)

    def read(self, modality: str, values: Mapping[str, Any], arrays: Sequence[Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the read-outs, by name, of the encoders that a point chooses, and the names of all encoders.

        Args:
            arrays: what the encoders read: token ids and their mask, or pictures, for each encoder in turn.
        """
        names, count = [encoder.name for encoder in self.encoders], len(RAW[modality])
        chosen = chosen_encoders(modality, values, names)
        found: dict[str, Any] = {}
        for place, encoder in enumerate(self.encoders):
            if encoder.name in chosen:
                found |= encoder.whole().named(*arrays[count * place : count * (place + 1)])
        return found, names


@keras.saving.register_keras_serializable(package="automm")
class TextBlock(EncoderBlock):
    """Turns token ids and their masks, the words if some points read them, and the text's mask, into a vector or a
    sequence, and its mask: the encoders and their read-outs."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        *arrays, mask = inputs
        read, names = self.read("text", hp.values, arrays)
        read |= dict(zip(WORDS, arrays[len(RAW["text"]) * len(names) :], strict=False))  # none if no trial reads words
        return text_part(read, mask, hp.values, names)


@keras.saving.register_keras_serializable(package="automm")
class ImageBlock(EncoderBlock):
    """Turns several pictures, their mask and the text's vector into a vector or a sequence, and its mask: the encoders
    or a CNN that the trial trains, their read-outs, and a pooling over the pictures.
    """

    def build(self, hp: Any, inputs: Any = None) -> Any:
        *images, mask, text = inputs
        if trained := pixel_encoder(hp.values):
            return image_part(trained.named(images[0]), mask, hp.values, text)
        read, names = self.read("image", hp.values, images)
        return image_part(read, mask, hp.values, text, names)


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
