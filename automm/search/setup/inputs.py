"""Decide the size of what each encoder reads: the tokens of a text, the form of a picture. `auto` is decided here."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from automm.config.inputs import AUTO, USUAL_IMAGE_SIZE, Inputs
from automm.data.images.resampling import PictureForm
from automm.data.inputs.arrays import Tokens
from automm.data.inputs.columns import Columns
from automm.data.records.reviews import Dataset
from automm.models.encoders.automatic import sequence_length_for
from automm.models.encoders.sources import ImageSource, TextSource

log = logging.getLogger("automm")


@dataclass(frozen=True)
class Size:
    """The tokens of a text, or the side of a picture in pixels, and why."""

    value: int
    reason: str


def picture_form(source: ImageSource, inputs: Inputs) -> PictureForm:
    """Return the form in which an encoder reads pictures."""
    wanted = source.preprocessing
    return wanted.form((wanted.trained or USUAL_IMAGE_SIZE) if inputs.image_size == AUTO else inputs.image_size)


def picture_size(source: ImageSource, inputs: Inputs) -> Size:
    """Return the side of a picture for an encoder, and why."""
    wanted, value = source.preprocessing, picture_form(source, inputs).size
    if wanted.size is not None:
        return Size(value, "the only size that the encoder reads")
    if inputs.image_size != AUTO:
        return Size(value, "inputs.image_size")
    return Size(value, "the size that it was trained on" if wanted.trained else "the usual size of picture encoders")


def text_size(source: TextSource, inputs: Inputs, train: Sequence[str]) -> Size:
    """Return the tokens of a text for an encoder, and why.

    Args:
        train: the training texts.
    """
    wanted = source.preprocessing
    if wanted.length is not None:
        return Size(wanted.length, "the only length that the encoder reads")
    value, reason = (
        sequence_length_for(wanted.lengths(train))
        if inputs.sequence_length == AUTO
        else (inputs.sequence_length, "inputs.sequence_length")
    )
    if source.positions is not None and source.positions < value:
        return Size(source.positions, f"the encoder has no more positions; without this limit {value} ({reason})")
    return Size(value, reason)


def sizes_of(
    sources: Sequence[TextSource | ImageSource], inputs: Inputs, train: Sequence[str]
) -> dict[tuple[str, str], Size]:
    """Return the size of what each encoder reads, by modality and name, and log the reasons.

    Args:
        train: the training texts.
    """
    sizes = {
        (source.modality, source.name): text_size(source, inputs, train)
        if isinstance(source, TextSource)
        else picture_size(source, inputs)
        for source in sources
    }
    units = {"text": "tokens", "image": "pixels"}
    for (modality, name), size in sizes.items():
        log.info("%s reads %d %s: %s", name, size.value, units[modality], size.reason)
    return sizes


def learned_columns(dataset: Dataset, train: np.ndarray, inputs: Inputs) -> Columns:
    """Learn the encoding of metadata and history.

    Args:
        train: the rows of the training split.
    """
    reviews = [dataset.reviews[row] for row in train]
    return Columns.learn(dataset.manifest.fields, reviews, inputs.history_steps, inputs.categories)


def count_cut(texts: Sequence[str], sources: Sequence[TextSource | ImageSource], tokens: Mapping[str, Tokens]) -> int:
    """Return how many texts at least one encoder cuts, and log the number of each encoder.

    Args:
        tokens: the result of `tokens_of`.
    """
    cut = np.zeros(len(texts), bool)
    for source in sources:
        if isinstance(source, TextSource):
            mask = tokens[source.name].mask
            full = np.flatnonzero(mask.all(axis=1))  # only these may be longer
            longer = full[source.preprocessing.lengths([texts[row] for row in full.tolist()]) > mask.shape[1]]
            cut[longer] = True
            if len(longer):
                log.info("%s reads %d of %d texts in part", source.name, len(longer), len(texts))
    return int(cut.sum())


def tokens_of(
    texts: Sequence[str], sources: Sequence[TextSource | ImageSource], sizes: Mapping[tuple[str, str], Size]
) -> dict[str, Tokens]:
    """Encode texts for each text encoder, by its name."""
    return {
        source.name: Tokens(
            *source.preprocessing.encode(texts, sizes["text", source.name].value),
            free=source.preprocessing.length is None,
        )
        for source in sources
        if isinstance(source, TextSource)
    }
