"""AutoKeras blocks over the layers of `models/`: text, image, fusion, label; and the input nodes that they hang on.

Every block has a name of its own, because the names of hyperparameters carry it (`image/pooling`), and AutoKeras'
default names count up in a process.
"""

from typing import Any

import autokeras as ak
import keras
from autokeras import adapters, analysers
from autokeras.engine import block as block_module
from autokeras.engine import head as head_module

from automm.models.heads import AnyPicture, classify, fuse, image_tower, text_tower
from automm.search.space import Space, default


@keras.saving.register_keras_serializable(package="automm")
class ArrayInput(ak.Input):
    """An input node that keeps its array's dtype and has a name.

    AutoKeras' own casts to float32 (token ids and pixels would be four times their size) and names no input.
    """

    def build_node(self, hp: Any) -> Any:
        return keras.Input(shape=self.shape, dtype=self.dtype, name=self.name)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        return inputs


class SpaceBlock(block_module.Block):
    """A block whose choices come from a `Space`."""

    def __init__(self, space: Space | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.space = space or {}

    def choose(self, hp: Any, name: str) -> Any:
        """The value of hyperparameter `<block>/<name>`."""
        return choose(hp, self.space, f"{self.name}/{name}", name)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "space": {key: list(values) for key, values in self.space.items()}}


def choose(hp: Any, space: Space, name: str, short: str) -> Any:
    """Ask KerasTuner; a choice of one is no hyperparameter to tune."""
    choices = list(space[name])
    if len(choices) == 1:
        return hp.Fixed(short, choices[0])
    return hp.Choice(short, choices, default=default(space, name))


@keras.saving.register_keras_serializable(package="automm")
class TextBlock(SpaceBlock):
    """Token ids and their mask to one vector: the encoder, and the text tower."""

    def __init__(self, encoder: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.encoder = encoder

    def build(self, hp: Any, inputs: Any = None) -> Any:
        token_ids, mask = inputs
        return text_tower(self.encoder(token_ids), mask)


@keras.saving.register_keras_serializable(package="automm")
class ImageBlock(SpaceBlock):
    """Several pictures and their mask to one vector: the encoder, and a pooling over the pictures."""

    def __init__(self, encoder: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.encoder = encoder

    def build(self, hp: Any, inputs: Any = None) -> Any:
        images, mask = inputs
        return image_tower(self.encoder(images), mask, self.choose(hp, "pooling"))


@keras.saving.register_keras_serializable(package="automm")
class FusionBlock(SpaceBlock):
    """The vectors of all modalities to one."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        return fuse(list(inputs), self.choose(hp, "operator"), self.choose(hp, "width"))


@keras.saving.register_keras_serializable(package="automm")
class LabelHead(head_module.Head):
    """Dense layers and a softmax, for two classes too.

    AutoKeras' own head hands numpy integers to Dense, which Keras 3.13 and later refuse, and is a sigmoid for two
    classes, on which macro-F1 would need a code of its own.
    """

    def __init__(self, space: Space | None = None, **kwargs: Any):
        kwargs.setdefault("loss", "categorical_crossentropy")
        super().__init__(**kwargs)
        self.space = space or {}

    def build(self, hp: Any, inputs: Any = None) -> Any:
        vector, text_mask, image_mask = inputs
        layers = choose(hp, self.space, "label/layers", "layers")
        width = 0
        if layers:
            if len(self.space["label/layers"]) > 1:
                some = [value for value in self.space["label/layers"] if value > 0]
                with hp.conditional_scope("layers", some):
                    width = choose(hp, self.space, "label/width", "width")
            else:
                width = choose(hp, self.space, "label/width", "width")
        return classify(
            vector,
            [text_mask, AnyPicture(name="any_picture")(image_mask)],
            layers=layers,
            width=width,
            dropout=choose(hp, self.space, "label/dropout", "dropout"),
            classes=int(self.shape[-1]),
        )

    def get_adapter(self) -> Any:
        return adapters.InputAdapter()

    def get_analyser(self) -> Any:
        return analysers.InputAnalyser()

    def get_hyper_preprocessors(self) -> list[Any]:
        return []

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "space": {key: list(values) for key, values in self.space.items()}}
