"""The source of a model's input: which modality it belongs to, which encoder computed it, and how that was read.

The name of an input is made from its source, and its source is read from its name:

    name      = read-out | array
    read-out  = modality "@" encoder ":" how [ "@" place ]
    array     = an entry of ARRAYS, or one of PER_ENCODER and "_" place

| input | name |
|---|---|
| mean of the last layer's token states | text@minilm-l6:mean |
| state of [CLS] after two thirds of the layers | text@minilm-l6:cls@two_thirds |
| mask of the word pieces, beside whole token states | text@minilm-l6:token_mask |
| output of the frozen lower half, for tier 2 | image@efficientnet-lite0:lower |
| array that a model reads without an encoder | image_mask, metadata, text_word_ids |
| raw array of the first text encoder, and of the second | token_ids, token_ids_2 |

An encoder's name may hold any character. The modality ends at the first "@" and the read-out begins behind the last
":", so that a name is read in one way only. Keras refuses "/" in names, so that the encoder `google/bert` is written
`google%2Fbert` ("%" itself as %25).

A read-out without an encoder has the short name that inputs had before they named their encoder: `text` and `image` for
the vectors of the hand-built baselines, `text_cls_two_thirds` for others. Suffixes in older run folders have these
names; `InputSource.of` gives them the encoder of their run. The feature store and a saved encoder layer use the short
names too, because they name the encoder elsewhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

MODALITIES = ("text", "image", "metadata", "history")  # in the order in which they are fused


def mask_of(modality: str) -> str:
    """Return the name of the input that is 0 where a modality is absent."""
    return f"{modality}_mask"


# What the encoders of a modality read, an array for each encoder. The first encoder's have these names; those of the
# second end in "_2".
RAW = {"text": ("token_ids", "padding_mask"), "image": ("images",)}
WORD_IDS, WORD_WEIGHTS = WORDS = ("text_word_ids", "text_word_weights")  # see `data/inputs/words`
PER_ENCODER = {name: modality for modality, names in RAW.items() for name in names}
# Inputs that are no output of an encoder, and their modality. Shapes and types are in `data/inputs/arrays`.
ARRAYS = {
    **PER_ENCODER,
    **dict.fromkeys(WORDS, "text"),
    "metadata": "metadata",
    "history": "history",
    **{mask_of(modality): modality for modality in MODALITIES},
}
PIXELS = "images"  # in place of a read-out, where a suffix trains a CNN on the pictures

LAST, TWO_THIRDS = "last", "two_thirds"
# The last layer, or the one behind which the last third of a transformer's layers or of a CNN's weights begins
# (`models/encoders/halves`): tier 2 trains the layers behind it.
PLACES = (LAST, TWO_THIRDS)

DEFAULT = {"text": "mean", "image": "average"}  # the read-outs of the hand-built baselines, at the last place
SEQUENCE = {"text": "states", "image": "cells"}  # whole sequences: token states, cells of feature maps
LOWER = "lower"  # the output of the frozen lower half of an encoder
TOKEN_MASK = "token_mask"  # beside token states: (n, length) int32, 1 where a token is no padding

_NUMBERED = re.compile(rf"({'|'.join(PER_ENCODER)})_([2-9]|[1-9][0-9]+)")
_SHORT = {("text", LOWER): "text_states", ("image", LOWER): "image_cells", ("text", TOKEN_MASK): TOKEN_MASK}
_FROM_SHORT = {name: source for source, name in _SHORT.items()}


@dataclass(frozen=True)
class InputSource:
    """The source of one input of a model.

    Attributes:
        modality: one of MODALITIES.
        encoder: the encoder's name as an experiment file has it; '' for an array, and for a read-out of any encoder.
        how: a read-out of `models/readouts`, TOKEN_MASK or LOWER; for an array, its name.
        place: where in the encoder it is read, one of PLACES.
    """

    modality: str
    encoder: str
    how: str
    place: str = LAST

    @property
    def name(self) -> str:
        """The name of the input; see the module."""
        if self.is_array:
            return self.how
        if self.encoder:
            encoder = self.encoder.replace("%", "%25").replace("/", "%2F")
            place = "" if self.place == LAST else f"@{self.place}"
            return f"{self.modality}@{encoder}:{self.how}{place}"
        if (self.modality, self.how) in _SHORT:
            return _SHORT[self.modality, self.how]
        if (self.how, self.place) == (DEFAULT[self.modality], LAST):
            return self.modality
        return f"{self.modality}_{self.how}_{self.place}"

    @property
    def mask(self) -> str:
        """The name of the input that is 0 where this source is absent."""
        return mask_of(self.modality)

    @property
    def array(self) -> str:
        """The entry of ARRAYS, without the number of the encoder; '' if an encoder computes it."""
        numbered = _NUMBERED.fullmatch(self.how)
        return numbered[1] if numbered else self.how if self.how in ARRAYS else ""

    @property
    def is_array(self) -> bool:
        """Whether no encoder computes it."""
        return self.array != ""

    @property
    def is_raw(self) -> bool:
        """Whether an encoder reads it."""
        return self.array in PER_ENCODER

    @property
    def is_sequence(self) -> bool:
        """Whether it is a whole sequence: token states, or cells of feature maps."""
        return not self.is_array and self.how in SEQUENCE.values()

    @property
    def short_name(self) -> str:
        """The name without the encoder."""
        return replace(self, encoder="").name

    @property
    def layer_name(self) -> str:
        """The beginning of the names of layers that read this source alone; TensorFlow allows few characters there."""
        return re.sub("[^A-Za-z0-9.-]", "_", self.name)

    def of(self, encoders: Mapping[str, str]) -> "InputSource":
        """The same source; a read-out without an encoder gets the encoder of its modality.

        This translates the short names of older run folders.

        Args:
            encoders: an encoder's name by modality.
        """
        if self.is_array or self.encoder:
            return self
        return replace(self, encoder=encoders.get(self.modality, ""))


def raw_names(modality: str, place: int) -> tuple[str, ...]:
    """Return the names of the arrays that an encoder reads.

    Args:
        place: of the encoder among those of its modality, from 0.
    """
    return tuple(f"{name}_{place + 1}" if place else name for name in RAW[modality])


def default_source(modality: str, encoder: str = "") -> InputSource:
    """The vector that the hand-built baselines read of a modality's encoder."""
    return InputSource(modality, encoder, DEFAULT[modality])


@cache
def source_of_input(name: str) -> InputSource:
    """Return the source of an input by its name, long or short.

    Raises:
        ValueError: the name has another form. Whether an encoder has the read-out is not checked.
    """
    array = InputSource("", "", name).array
    if array:
        return InputSource(ARRAYS[array], "", name)
    if name in _FROM_SHORT:
        modality, how = _FROM_SHORT[name]
        return InputSource(modality, "", how)
    if name in DEFAULT:
        return default_source(name)
    modality, named, rest = name.partition("@")
    encoder, _, readout = rest.rpartition(":")
    if named and encoder:
        how, _, place = readout.partition("@")
        encoder = encoder.replace("%2F", "/").replace("%25", "%")
    else:
        modality, _, readout = name.partition("_")
        place = next((place for place in PLACES if readout.endswith(f"_{place}")), "")
        how = readout.removesuffix(f"_{place}")
    if not place and not readout.endswith("@"):
        place = LAST
    if modality not in DEFAULT or not how or place not in PLACES:
        raise ValueError(
            f"no model has an input {name!r}. Legal names are {', '.join(ARRAYS)}, and read-outs of encoders as "
            "text@minilm-l6:mean"
        )
    return InputSource(modality, encoder, how, place)
