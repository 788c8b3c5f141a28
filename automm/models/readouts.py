"""Read-outs: vectors made from an encoder's sequence of token states or picture cells, or the sequence itself.

A read-out is an `InputSource` without an encoder (`data/inputs/input_sources`), and its name is the short one:
`text_cls_two_thirds`, or `text` and `image` for the read-outs of the hand-built baselines. Read-outs have no weights:
one pass of a frozen encoder computes all read-outs of a search.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from keras import ops

from automm.data.inputs.input_sources import DEFAULT, PLACES, SEQUENCE, InputSource, source_of_input

GEM_POWER = 3.0  # the initial value of Radenovic et al.; their trained values are close to it
TINY = 1e-6
POOLED = "pooled"  # the encoder's own vector, which has one place only


def mean_of_tokens(states: Any, real: Any) -> Any:
    """Average the states of the tokens that are not padding.

    sentence-transformers models use this read-out. On frozen features it is far better than the pooled [CLS].

    Args:
        states: (n, length, features).
        real: (n, length), 1 where a token is not padding.

    Returns:
        (n, features).
    """
    weight = ops.cast(ops.expand_dims(real, -1), states.dtype)
    return ops.sum(states * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)


def first_token(states: Any, real: Any) -> Any:
    """Return the state of [CLS]: (n, features)."""
    return states[:, 0]


def max_of_tokens(states: Any, real: Any) -> Any:
    """Return the largest value of each feature over the tokens that are not padding: (n, features)."""
    return ops.max(ops.where(ops.expand_dims(real, -1) > 0, states, -1e9), axis=1)


def first_and_mean(states: Any, real: Any) -> Any:
    """Return the state of [CLS] beside the mean of the tokens: (n, 2 * features)."""
    return ops.concatenate([first_token(states, real), mean_of_tokens(states, real)], axis=1)


def flatten_cells(cells: Any) -> Any:
    """Reshape (n, height, width, features) to (n, height * width, features)."""
    return ops.reshape(cells, (-1, cells.shape[1] * cells.shape[2], cells.shape[3]))


def average_of_cells(cells: Any) -> Any:
    """Average each feature over the cells: (n, height, width, features) to (n, features)."""
    return ops.mean(cells, axis=(1, 2))


def max_of_cells(cells: Any) -> Any:
    """Return the largest value of each feature over the cells: (n, height, width, features) to (n, features)."""
    return ops.max(cells, axis=(1, 2))


def generalised_mean(cells: Any) -> Any:
    """Return GeM: (mean of x^p over the cells)^(1/p), p = 3; between the average (p = 1) and the maximum.

    Radenovic, Tolias and Chum 2018, "Fine-tuning CNN image retrieval with no human annotation", arXiv 1711.02512,
    equation 3. As in the paper, negative values count as 0.
    """
    powers = ops.power(ops.maximum(cells, TINY), GEM_POWER)
    return ops.power(ops.mean(powers, axis=(1, 2)), 1.0 / GEM_POWER)


TEXT_READOUTS: dict[str, Callable[[Any, Any], Any]] = {
    "mean": mean_of_tokens,
    "cls": first_token,
    "max": max_of_tokens,
    "cls_mean": first_and_mean,
}
IMAGE_READOUTS: dict[str, Callable[[Any], Any]] = {
    "average": average_of_cells,
    "max": max_of_cells,
    "gem": generalised_mean,
}

READOUTS: dict[str, InputSource] = {
    readout.name: readout
    for modality, ways in (("text", TEXT_READOUTS), ("image", IMAGE_READOUTS))
    for how in (*ways, POOLED, SEQUENCE[modality])
    for place in PLACES
    for readout in (InputSource(modality, "", how, place),)
}


def of_modality(modality: str, names: Iterable[str], encoder: str = "") -> tuple[str, ...]:
    """Return the short names of those inputs that are read-outs of an encoder, in the order of READOUTS.

    Args:
        names: of inputs; a short one fits any encoder of its modality.
        encoder: the encoder's name.
    """
    sources = map(source_of_input, names)
    wanted = {source.short_name for source in sources if source.encoder in ("", encoder)}
    return tuple(name for name, readout in READOUTS.items() if readout.modality == modality and name in wanted)


def is_sequence(name: str) -> bool:
    """Return whether an input is a whole sequence."""
    return source_of_input(name).is_sequence


def vector_beside(name: str) -> str:
    """Return the name of the mean or average read-out at the same place as a read-out."""
    readout = READOUTS[name]
    return InputSource(readout.modality, "", DEFAULT[readout.modality], readout.place).name


def place_of(name: str) -> str:
    """Return the output of a backbone that a read-out is computed from: 'last', 'two_thirds' or 'pooled'."""
    readout = READOUTS[name]
    return POOLED if readout.how == POOLED else readout.place


def places_of(names: Iterable[str]) -> set[str]:
    """Return the places of read-outs."""
    return {place_of(name) for name in names}


def width_of(name: str, features: int) -> int:
    """Return the length of a read-out's vectors at a place with this many features."""
    return 2 * features if READOUTS[name].how == "cls_mean" else features


def read_text(names: Sequence[str], states: Mapping[str, Any], real: Any) -> list[Any]:
    """Compute read-outs of token states, in order.

    Args:
        states: by place, (n, length, features) float32; (n, features) for 'pooled'.
        real: (n, length), 1 where a token is not padding.
    """
    places = [states[place_of(name)] for name in names]
    ways = TEXT_READOUTS | {how: lambda states, real: states for how in (SEQUENCE["text"], POOLED)}
    return [ways[READOUTS[name].how](place, real) for name, place in zip(names, places, strict=True)]


def read_cells(names: Sequence[str], cells: Mapping[str, Any]) -> list[Any]:
    """Compute read-outs of pictures' feature maps, in order.

    Args:
        cells: by place, (n, height, width, features) float32; (n, features) for 'pooled'.
    """
    places = [cells[place_of(name)] for name in names]
    ways = IMAGE_READOUTS | {SEQUENCE["image"]: flatten_cells, POOLED: lambda pooled: pooled}
    return [ways[READOUTS[name].how](place) for name, place in zip(names, places, strict=True)]
