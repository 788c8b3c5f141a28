"""AutoKeras blocks that read texts and pictures (`search/autokeras/blocks` has the others)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import keras
from autokeras.engine import block as block_module

from automm.config.inputs import ALL
from automm.data.inputs.input_sources import (
    PIXELS,
    TOKEN_MASK,
    WORD_IDS,
    InputSource,
    mask_of,
    raw_names,
    source_of_input,
)
from automm.models.fusion import FUSIONS, SEQUENCE_FUSIONS
from automm.models.fusion.similarity import compared_of
from automm.models.pooling import POOLINGS
from automm.models.towers import ATTENTION, chosen_encoders, image_part, text_part
from automm.search.autokeras.internals import set_outputs
from automm.search.autokeras.tuned import Tuned
from automm.search.space.table import TABLE
from automm.search.training.pixels import BACKBONES, pixel_encoder

PLACE = {"text": "text/layer", "image": "image/stage"}  # rows of the table


class Given(dict[str, Any]):
    """The tensors that a block reads, by name. Raises ValueError for a tensor that it was not given."""

    def __missing__(self, name: str) -> Any:
        raise ValueError(
            f"no input {name!r} among {', '.join(self)}. Add ArrayInput(name={name!r}) to the block's inputs"
        )


class EncoderBlock(Tuned, block_module.Block):
    """Base: reads a modality, from raw arrays with encoders in the block, or from read-outs of encoders.

    Its inputs are these arrays, the modality's mask, and what else a subclass takes. In a search it has a third output,
    what a similarity compares; at a point without a similarity any tensor, because AutoKeras' graph is the same for all
    points.

    Args:
        encoders: the encoders of raw arrays (`models/whole.LazyEncoder`), first encoder first; a model that reads one
            builds it. () if the inputs are read-outs.
        arguments, declared: as in `Tuned`.
        sequences: whether to give whole sequences, for a fusion that takes them.
    """

    modality: ClassVar[str]

    def __init__(
        self, encoders: Sequence[Any], arguments: Mapping[str, Any], *, sequences: bool = False, **kwargs: Any
    ):
        super().__init__(arguments, **kwargs)
        self.encoders, self.sequences = encoders, sequences
        set_outputs(self, 3 if self.declared else 2)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments without the encoders, which are not saved."""
        return {**super().get_config(), "sequences": self.sequences}

    def split(self, inputs: Sequence[Any]) -> tuple[Given, Any, Sequence[Any]]:
        """Return the arrays by name, the mask, and what follows it."""
        names, mask = [tensor.name for tensor in inputs], mask_of(self.modality)
        if mask not in names:
            raise ValueError(f"{type(self).__name__} has no mask. Put ArrayInput(name={mask!r}) behind its arrays")
        place = names.index(mask)
        return Given(zip(names[:place], inputs, strict=False)), inputs[place], inputs[place + 1 :]

    def readouts(self, given: Mapping[str, Any]) -> list[InputSource]:
        """Return the sources of the read-outs among the inputs."""
        sources = map(source_of_input, given)
        return [s for s in sources if s.modality == self.modality and not s.is_array and s.how != TOKEN_MASK]

    def names(self, given: Mapping[str, Any]) -> list[str]:
        """Return the names of the encoders that a trial may choose from."""
        found = self.encoders or [source.encoder for source in self.readouts(given)]
        return list(dict.fromkeys(getattr(one, "name", one) for one in found))

    def read(self, chosen: Collection[str], given: Given) -> Given:
        """Return the inputs, and the read-outs of the chosen encoders in the block."""
        found = Given(given)
        for encoder in self.encoders:
            if encoder.name in chosen:
                arrays = [given[name] for name in raw_names(self.modality, encoder.place)]
                found |= encoder.whole().named(*arrays)
        return found

    def offered(self, given: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        """Return the choices that the inputs leave, by row of the table."""
        names, sources = self.names(given), self.readouts(given)
        several = len(names) > 1
        hows = [ATTENTION if source.is_sequence else source.how for source in sources]
        return {
            "fusion/operator": tuple(SEQUENCE_FUSIONS if self.sequences else FUSIONS)[:1],
            f"{self.modality}/encoder": (*names, ALL) if several else tuple(names) or ("",),
            f"{self.modality}/readout": tuple(dict.fromkeys(hows)),
            PLACE[self.modality]: tuple(dict.fromkeys(source.place for source in sources)),
            "fusion/width": TABLE["fusion/width"].choices[: None if several else 1],
        }


@keras.saving.register_keras_serializable(package="automm")
class TextBlock(EncoderBlock):
    """Reads texts: gives a vector (n, size) and its mask (n,), or token states (n, length, size) and their mask
    (n, length).

    Its inputs are token ids and padding masks, (n, length) int32, for `encoders`; or read-outs, (n, features) float32,
    for example `text@minilm-l6:mean`; then the words, if they are to be read; last `text_mask`, (n,) float32.

    Args:
        encoder, readout, layer, words_width: `text.encoder`, `text.readout`, `text.layer` and `words.width` of the
            search space.
        width: to which each encoder is projected if several are read side by side.
        encoders, sequences, declared: as in `EncoderBlock`.
    """

    modality = "text"
    rows: ClassVar[Mapping[str, str]] = {
        "encoder": "text/encoder",
        "readout": "text/readout",
        "layer": "text/layer",
        "words_width": "words/width",
        "width": "fusion/width",
    }

    def __init__(
        self,
        encoders: Sequence[Any] = (),
        *,
        encoder: Any = None,
        readout: Any = None,
        layer: Any = None,
        words_width: Any = None,
        width: Any = None,
        name: str = "text",
        **kwargs: Any,
    ):
        own = {"encoder": encoder, "readout": readout, "layer": layer, "words_width": words_width, "width": width}
        super().__init__(encoders, own, name=name, **kwargs)

    def offered(self, given: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        words = TABLE["words/width"].choices if WORD_IDS in given else (0,)
        return {**super().offered(given), "words/width": words}

    def build(self, hp: Any, inputs: Any = None) -> Any:
        given, mask, _ = self.split(inputs)
        values, names = self.point(hp, self.offered(given)), self.names(given)
        compared = compared_of("text", values)
        read = self.read([*chosen_encoders("text", values, names), *(source.encoder for source in compared)], given)
        return (*text_part(read, mask, values, names), *(read[source.name] for source in compared), mask)[:3]


@keras.saving.register_keras_serializable(package="automm")
class ImageBlock(EncoderBlock):
    """Reads several pictures per review: gives a vector (n, size) and (n,), 1.0 where there is any picture; or cells
    (n, max_images * cells, size) and their mask (n, max_images * cells).

    Its inputs are `images`, (n, max_images, height, width, 3) uint8, for `encoders` or for a CNN that is trained; or
    read-outs, (n, max_images, features) float32, for example `image@efficientnet-lite0:average`; then `image_mask`,
    (n, max_images) float32; last what a TextBlock gives, for the poolings that use the text.

    Args:
        source, encoder, size, depth, filters, kernel, augmentation, readout, stage, pooling, heads: `image.source`
            and so on, of the search space.
        width: to which each encoder is projected if several are read side by side.
        encoders, sequences, declared: as in `EncoderBlock`.
    """

    modality = "image"
    rows: ClassVar[Mapping[str, str]] = {
        **{name.removeprefix("image/"): name for name in TABLE if name.startswith("image/")},
        "width": "fusion/width",
    }

    def __init__(
        self,
        encoders: Sequence[Any] = (),
        *,
        source: Any = None,
        encoder: Any = None,
        size: Any = None,
        depth: Any = None,
        filters: Any = None,
        kernel: Any = None,
        augmentation: Any = None,
        readout: Any = None,
        stage: Any = None,
        pooling: Any = None,
        heads: Any = None,
        width: Any = None,
        name: str = "image",
        **kwargs: Any,
    ):
        own = {"source": source, "encoder": encoder, "size": size, "depth": depth, "filters": filters, "kernel": kernel}
        own |= {"augmentation": augmentation, "readout": readout, "stage": stage, "pooling": pooling, "heads": heads}
        super().__init__(encoders, {**own, "width": width}, name=name, **kwargs)

    def build(self, hp: Any, inputs: Any = None) -> Any:
        given, mask, text = self.split(inputs)
        values, names = self.point(hp, self.offered(given) | _of_pictures(given, text)), self.names(given)
        compared, trained = compared_of("image", values), pixel_encoder(values)
        chosen = () if trained else chosen_encoders("image", values, names)
        read = self.read([*chosen, *(source.encoder for source in compared)], given)
        seen = trained.named(given[PIXELS]) if trained else read
        part = image_part(seen, mask, values, text[0] if text else None, names)
        return (*part, *(read[source.name] for source in compared), mask)[:3]

    def offered(self, given: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        offered = super().offered(given)
        trained = PIXELS in given and not self.names(given)
        return {**offered, "image/source": tuple(BACKBONES)} if trained else offered


def _of_pictures(given: Mapping[str, Any], text: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    """Return the sizes of a CNN's input that the pictures allow, and the poolings that need no text without a text."""
    poolings = tuple(name for name in TABLE["image/pooling"].choices if text or not POOLINGS[name].uses_text)
    if PIXELS not in given:
        return {"image/pooling": poolings}
    side = given[PIXELS].shape[2]
    sizes = tuple(size for size in TABLE["image/size"].choices if size <= side)
    return {"image/pooling": poolings, "image/size": sizes or (side,)}
