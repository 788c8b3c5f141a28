"""The precision of frozen encoders: a property of their features, and of the model that contains them."""

from dataclasses import replace
from typing import TypeVar

from automm.models.encoders.fingerprint import fingerprint
from automm.models.encoders.sources import ImageSource, TextSource

Source = TypeVar("Source", TextSource, ImageSource)


def in_precision(source: Source, precision: str) -> Source:
    """Return an encoder that computes in a precision. By its fingerprint it is another encoder, unless the precision is
    the same: its features are never mixed with others.

    Args:
        precision: 'float32', 'mixed_float16' or 'mixed_bfloat16'.
    """
    if precision == source.precision:
        return source
    return replace(source, fingerprint=fingerprint(source.fingerprint, precision), precision=precision)
