"""AutoKeras blocks that build the layers of `models/`: text, image, metadata, history, fusion, label; and input nodes.

They can be connected in an `ak.AutoModel` as in AutoKeras: an argument that is None is tuned (`tuned.Tuned`). The names
of input nodes say what they are: read-outs of encoders, raw arrays and masks (`data/inputs/input_sources`). Each block
that makes a part gives two nodes, the part and its mask, and a fusion takes the nodes of several blocks. A model has
one block of each kind: blocks have fixed names, because AutoKeras numbers its default names per process.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import autokeras as ak
import keras
from autokeras import adapters, analysers
from autokeras.engine import block as block_module
from autokeras.engine import head as head_module

from automm.data.inputs.input_sources import source_of_input
from automm.models.fusion import OPERATORS, SEQUENCE_FUSIONS
from automm.models.fusion.similarity import similarity_part, similarity_sources
from automm.models.heads import AnyPicture, answer, fuse, history_tower, metadata_tower
from automm.search.autokeras.internals import set_outputs
from automm.search.autokeras.tuned import Tuned

LOSSES = {"softmax": "categorical_crossentropy", "number": "mean_squared_error"}  # by a name of HEADS


@keras.saving.register_keras_serializable(package="automm")
class ArrayInput(ak.Input):
    """An input node that keeps its array's dtype and has a name.

    AutoKeras' own node casts to float32, which makes pixels four times as large, and has no name.
    """

    def build_node(self, hp: Any) -> Any:
        shape = tuple(map(int, self.shape))  # Keras 3.13 and later reject numpy integers in a shape
        return keras.Input(shape=shape, dtype=self.dtype, name=self.name)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        return inputs


@keras.saving.register_keras_serializable(package="automm")
class MetadataBlock(Tuned, block_module.Block):
    """Turns `metadata`, (n, columns) float32, and `metadata_mask`, (n,), into a vector (n, width) and the mask.

    Args:
        width: `metadata.width` of the search space.
    """

    rows: ClassVar[Mapping[str, str]] = {"width": "metadata/width"}

    def __init__(self, width: Any = None, *, name: str = "metadata", **kwargs: Any):
        super().__init__({"width": width}, name=name, **kwargs)
        set_outputs(self, 2)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        metadata, mask = inputs
        return metadata_tower(metadata, mask, self.point(hp, {})), mask


@keras.saving.register_keras_serializable(package="automm")
class HistoryBlock(Tuned, block_module.Block):
    """Turns `history` and `history_mask`, (n, steps) float32, into a vector (n, size) and (n,), 1.0 where any step is
    real.

    Args:
        encoder, width: `history.encoder` and `history.width` of the search space.
    """

    rows: ClassVar[Mapping[str, str]] = {"encoder": "history/encoder", "width": "history/width"}

    def __init__(self, encoder: Any = None, width: Any = None, *, name: str = "history", **kwargs: Any):
        super().__init__({"encoder": encoder, "width": width}, name=name, **kwargs)
        set_outputs(self, 2)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        history, mask = inputs
        return history_tower(history, mask, self.point(hp, {})), AnyPicture(name="history_present")(mask)


COLUMN_BLOCKS: dict[str, Any] = {"metadata": MetadataBlock, "history": HistoryBlock}


@keras.saving.register_keras_serializable(package="automm")
class SimilarityBlock(Tuned, block_module.Block):
    """Compares texts with pictures: gives (n, max_images + 2) and (n,), 1.0 where a review has both.

    Its inputs are the read-outs `pooled` of an encoder of both, (n, features) and (n, max_images, features) float32,
    `text_mask` and `image_mask`. In a search it gives any tensors at a point without a similarity.
    """

    def __init__(self, *, name: str = "similarity", **kwargs: Any):
        super().__init__({}, name=name, **kwargs)
        set_outputs(self, 2)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        text, images, text_mask, image_mask = inputs
        encoder = () if self.declared else (source_of_input(text.name).encoder,)
        values = self.point(hp, {"fusion/similarity": encoder})
        if not similarity_sources(values):
            return text_mask, text_mask
        return similarity_part(text, images, text_mask, image_mask, values)


@keras.saving.register_keras_serializable(package="automm")
class FusionBlock(Tuned, block_module.Block):
    """Turns the parts of several blocks, each followed by its mask, into a vector (n, size), or (n, parts, size) of a
    late fusion, and a mask (n,) of each part.

    If the first part is a sequence, the fusion is one that takes sequences. In a search the last part is a similarity,
    and is left out at a point without one.

    Args:
        operator, width, rank: `fusion.operator`, `fusion.width` and `fusion.rank` of the search space.
    """

    rows: ClassVar[Mapping[str, str]] = {
        "operator": "fusion/operator",
        "width": "fusion/width",
        "rank": "fusion/rank",
    }

    def __init__(
        self, operator: Any = None, width: Any = None, rank: Any = None, *, name: str = "fusion", **kwargs: Any
    ):
        super().__init__({"operator": operator, "width": width, "rank": rank}, name=name, **kwargs)

    def __call__(self, inputs: Any) -> Any:
        nodes = keras.tree.flatten(inputs)
        set_outputs(self, 1 + len(nodes) // 2)
        return super().__call__(nodes)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        parts, masks = inputs[::2], inputs[1::2]
        sequences = len(parts[0].shape) == 3
        values = self.point(hp, {"fusion/operator": tuple(SEQUENCE_FUSIONS)} if sequences else {})
        if _lacks_similarity(self, values):
            parts, masks = parts[:-1], masks[:-1]
        if [len(mask.shape) + 1 for mask in masks] != [len(part.shape) for part in parts]:
            raise ValueError("FusionBlock takes parts with their masks. Pass all that the blocks give: [text, image]")
        operator = values["fusion/operator"]
        if OPERATORS[operator].of_sequences != sequences:
            raise ValueError(
                f"FusionBlock(operator={operator!r}) takes {'vectors' if sequences else 'sequences'}. "
                f"Build TextBlock and ImageBlock with sequences={not sequences}"
            )
        present = [
            AnyPicture(name=f"present_{place}")(mask) if len(mask.shape) == 2 else mask
            for place, mask in enumerate(masks, 1)
        ]
        # AutoKeras' graph is the same for all points: the last tensor is in place of the mask of an absent similarity.
        return fuse(parts, values, masks), *present, inputs[-1]


def _lacks_similarity(block: Tuned, values: Mapping[str, Any]) -> bool:
    """Return whether the last input is that of a similarity which does not exist at a point of a search."""
    return block.declared and not similarity_sources(values)


@keras.saving.register_keras_serializable(package="automm")
class LabelHead(Tuned, head_module.Head):
    """Dense layers and the head of the task, (n, outputs) float32, for what a FusionBlock or a single block gives.

    Targets are (n, outputs): one-hot labels, or a column of numbers. AutoKeras' own head passes numpy integers to
    Dense, which Keras 3.13 and later reject. For two classes it uses a sigmoid, for which macro-F1 would need different
    code.

    Args:
        head: a key of HEADS in `models/heads`: 'softmax' or 'number'.
        layers, width, dropout: `label.layers`, `label.width` and `label.dropout` of the search space.
        name: of the block. The model's last layer is 'label', by which AutoKeras finds the loss.
    """

    rows: ClassVar[Mapping[str, str]] = {"layers": "label/layers", "width": "label/width", "dropout": "label/dropout"}

    def __init__(
        self,
        head: str = "softmax",
        *,
        layers: Any = None,
        width: Any = None,
        dropout: Any = None,
        name: str = "label",
        **kwargs: Any,
    ):
        kwargs.setdefault("loss", LOSSES[head])  # a search trains with its own loss
        super().__init__({"layers": layers, "width": width, "dropout": dropout}, name=name, **kwargs)
        self.head = head

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "head": self.head}

    def build(self, hp: Any, inputs: Any = None) -> Any:
        vector, *masks = inputs
        values = self.point(hp, {})
        if _lacks_similarity(self, values):
            masks = masks[:-1]
        if not self.shape:
            raise ValueError(
                "LabelHead: targets have one dimension. Pass (n, outputs): keras.utils.to_categorical(labels)"
            )
        return answer(vector, masks, values, int(self.shape[-1]), self.head)

    def get_adapter(self) -> Any:
        return adapters.InputAdapter()

    def get_analyser(self) -> Any:
        return analysers.InputAnalyser()

    def get_hyper_preprocessors(self) -> list[Any]:
        return []
