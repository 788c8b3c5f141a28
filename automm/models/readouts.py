"""Read-outs: what is kept of an encoder's sequence of token states or picture cells, and what a suffix calls it.

A read-out is named by its modality, how the sequence is read, and the place in the encoder where it is read:
`text_cls_two_thirds`. Those of the hand-built baselines are called `text` (the mean of the last layer's token states)
and `image` (the average of the last feature map's cells). Nothing here is trained, so one pass of a frozen encoder
yields whatever a search may ask for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

# The last layer, or the one behind which the last third of a transformer's layers or of a CNN's weights begins
# (`halves`): what tier 2 trains comes after it.
PLACES = ("last", "two_thirds")
GEM_POWER = 3.0  # where Radenovic et al. begin, and their networks end near it
TINY = 1e-6


@dataclass(frozen=True)
class Readout:
    """Attributes:
    modality: 'text' or 'image'.
    how: a name of TEXT_READOUTS or IMAGE_READOUTS, or 'states' or 'cells': the sequence itself.
    place: one of PLACES.
    """

    modality: str
    how: str
    place: str

    @property
    def name(self) -> str:
        """Of the input of a suffix."""
        if (self.how, self.place) == (DEFAULT[self.modality], "last"):
            return self.modality
        return f"{self.modality}_{self.how}_{self.place}"


def mean_of_tokens(states: Any, real: Any) -> Any:
    """(n, length, features) and (n, length), 1 where a token is no [PAD]; (n, features).

    What sentence-transformers models are trained for, and on frozen features far better than the pooled [CLS].
    """
    weight = ops.cast(ops.expand_dims(real, -1), states.dtype)
    return ops.sum(states * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)


def first_token(states: Any, real: Any) -> Any:
    """The state of [CLS]."""
    return states[:, 0]


def max_of_tokens(states: Any, real: Any) -> Any:
    """The largest value of each feature over the tokens that are no [PAD]."""
    return ops.max(ops.where(ops.expand_dims(real, -1) > 0, states, -1e9), axis=1)


def cells_in_a_row(cells: Any) -> Any:
    """(n, height, width, features) to (n, height * width, features)."""
    return ops.reshape(cells, (-1, cells.shape[1] * cells.shape[2], cells.shape[3]))


def average_of_cells(cells: Any) -> Any:
    """(n, height, width, features) to (n, features)."""
    return ops.mean(cells, axis=(1, 2))


def max_of_cells(cells: Any) -> Any:
    """The largest value of each feature over the cells."""
    return ops.max(cells, axis=(1, 2))


def generalised_mean(cells: Any) -> Any:
    """GeM: (mean of x^p over the cells)^(1/p), p = 3; between the average (p = 1) and the maximum (p to infinity).

    Radenovic, Tolias and Chum 2018, "Fine-tuning CNN image retrieval with no human annotation", arXiv 1711.02512,
    equation 3. Negative values count as nothing, as there.
    """
    powers = ops.power(ops.maximum(cells, TINY), GEM_POWER)
    return ops.power(ops.mean(powers, axis=(1, 2)), 1.0 / GEM_POWER)


TEXT_READOUTS: dict[str, Callable[[Any, Any], Any]] = {
    "mean": mean_of_tokens,
    "cls": first_token,
    "max": max_of_tokens,
}
IMAGE_READOUTS: dict[str, Callable[[Any], Any]] = {
    "average": average_of_cells,
    "max": max_of_cells,
    "gem": generalised_mean,
}
DEFAULT = {"text": "mean", "image": "average"}
SEQUENCE = {"text": "states", "image": "cells"}
PIXELS = "images"  # the pictures themselves, in place of a read-out, where a CNN is trained
TOKEN_MASK = "token_mask"  # beside token states: (n, length) int32, 1 where a token is no [PAD]

READOUTS: dict[str, Readout] = {
    readout.name: readout
    for modality, ways in (("text", TEXT_READOUTS), ("image", IMAGE_READOUTS))
    for how in (*ways, SEQUENCE[modality])
    for place in PLACES
    for readout in (Readout(modality, how, place),)
}


def of_modality(modality: str, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that are read-outs of a modality, in the order of READOUTS."""
    wanted = set(names)
    return tuple(name for name, readout in READOUTS.items() if readout.modality == modality and name in wanted)


def is_sequence(name: str) -> bool:
    """Whether a read-out is a whole sequence."""
    return name in READOUTS and READOUTS[name].how in SEQUENCE.values()


def vector_beside(name: str) -> str:
    """The mean or average read at the same place."""
    readout = READOUTS[name]
    return Readout(readout.modality, DEFAULT[readout.modality], readout.place).name


def places_of(names: Iterable[str]) -> set[str]:
    """Where some read-outs are read."""
    return {READOUTS[name].place for name in names}


def read_text(names: Sequence[str], states: Mapping[str, Any], real: Any) -> list[Any]:
    """Read-outs of token states.

    Args:
        states: by place, (n, length, features) float32.
        real: (n, length), 1 where a token is no [PAD].
    """
    places = [states[READOUTS[name].place] for name in names]
    return [
        place if is_sequence(name) else TEXT_READOUTS[READOUTS[name].how](place, real)
        for name, place in zip(names, places, strict=True)
    ]


def read_cells(names: Sequence[str], cells: Mapping[str, Any]) -> list[Any]:
    """Read-outs of pictures' feature maps, by place: (n, height, width, features) float32."""
    places = [cells[READOUTS[name].place] for name in names]
    return [
        cells_in_a_row(place) if is_sequence(name) else IMAGE_READOUTS[READOUTS[name].how](place)
        for name, place in zip(names, places, strict=True)
    ]
