"""AutoKeras blocks that build the layers of `models/`: text, image, metadata, history, fusion, label; and input nodes.

A block builds the layers for the values of a trial. Hyperparameters are declared only in `space/table.declare`. Every
block gets an explicit name, because AutoKeras numbers its default names per process.
"""

from collections.abc import Sequence
from typing import Any

import autokeras as ak
import keras
from autokeras import adapters, analysers
from autokeras.engine import block as block_module
from autokeras.engine import head as head_module

from automm.data.inputs.input_sources import RAW, WORDS
from automm.models.fusion.similarity import compared_of, similarity_part, similarity_sources
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
    """A block with encoders in it; it gives a vector or a sequence, its mask, and what a similarity compares.

    AutoKeras' graph is the same for all points: at a point without a similarity the last output is any tensor.

    Args:
        encoders: the encoders of the modality (`models/whole.LazyEncoder`), first encoder first; a model that reads one
            builds it.
    """

    def __init__(self, encoders: Sequence[Any] = (), **kwargs: Any):
        super().__init__(**kwargs)
        self.encoders = encoders
        set_outputs(self, 3)

    @property
    def names(self) -> list[str]:
        return [encoder.name for encoder in self.encoders]

    def read(self, modality: str, chosen: Sequence[str], arrays: Sequence[Any]) -> dict[str, Any]:
        """Return the read-outs of some encoders, by name.

        Args:
            arrays: what the encoders read: token ids and their mask, or pictures, for each encoder in turn.
        """
        count = len(RAW[modality])
        found: dict[str, Any] = {}
        for place, encoder in enumerate(self.encoders):
            if encoder.name in chosen:
                found |= encoder.whole().named(*arrays[count * place : count * (place + 1)])
        return found


@keras.saving.register_keras_serializable(package="automm")
class TextBlock(EncoderBlock):
    """Turns token ids and their masks, the words if some points read them, and the text's mask, into the outputs of
    `EncoderBlock`: the encoders and their read-outs."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        *arrays, mask = inputs
        compared = compared_of("text", hp.values)
        chosen = [*chosen_encoders("text", hp.values, self.names), *(source.encoder for source in compared)]
        read = self.read("text", chosen, arrays)
        read |= dict(zip(WORDS, arrays[len(RAW["text"]) * len(self.names) :], strict=False))  # none if no trial reads
        return (*text_part(read, mask, hp.values, self.names), *(read[source.name] for source in compared), mask)[:3]


@keras.saving.register_keras_serializable(package="automm")
class ImageBlock(EncoderBlock):
    """Turns several pictures, their mask and the text's vector into the outputs of `EncoderBlock`: the encoders or a
    CNN that the trial trains, their read-outs, and a pooling over the pictures.
    """

    def build(self, hp: Any, inputs: Any = None) -> Any:
        *images, mask, text = inputs
        compared, trained = compared_of("image", hp.values), pixel_encoder(hp.values)
        chosen = [] if trained else chosen_encoders("image", hp.values, self.names)
        read = self.read("image", [*chosen, *(source.encoder for source in compared)], images)
        seen = trained.named(images[0]) if trained else read
        part = image_part(seen, mask, hp.values, text, self.names)
        return (*part, *(read[source.name] for source in compared), mask)[:3]


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
    """Turns a vector or a sequence of each modality, each followed by its mask, into one vector.

    The last four inputs are what a similarity compares, and the masks of texts and pictures. The second output is the
    mask of the similarity, or at a point without one any tensor.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        set_outputs(self, 2)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        *parts, text, images, text_mask, image_mask = inputs
        if similarity_sources(hp.values):
            parts += similarity_part(text, images, text_mask, image_mask, hp.values)
        return fuse(parts[::2], hp.values, parts[1::2]), parts[-1]


@keras.saving.register_keras_serializable(package="automm")
class LabelHead(head_module.Head):
    """Dense layers and the head of the task, for a vector, the masks of all modalities, and that of the similarity.

    AutoKeras' own head passes numpy integers to Dense, which Keras 3.13 and later reject. For two classes it uses a
    sigmoid, for which macro-F1 would need different code.
    """

    def __init__(self, head: str = "softmax", **kwargs: Any):
        kwargs.setdefault("loss", "categorical_crossentropy")  # AutoKeras requires one; automm trains with its own loss
        super().__init__(**kwargs)
        self.head = head

    def build(self, hp: Any, inputs: Any = None) -> Any:
        vector, *given, similarity = inputs
        given += [similarity] if similarity_sources(hp.values) else []
        # Masks of pictures and of history steps become one number: whether any of them is real.
        masks = [AnyPicture(name=f"any_{m.name}")(m) if len(m.shape) == 2 else m for m in given]
        return answer(vector, masks, hp.values, int(self.shape[-1]), self.head)

    def get_adapter(self) -> Any:
        return adapters.InputAdapter()

    def get_analyser(self) -> Any:
        return analysers.InputAnalyser()

    def get_hyper_preprocessors(self) -> list[Any]:
        return []
