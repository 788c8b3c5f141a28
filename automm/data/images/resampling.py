"""Resize pictures of any shape to squares, as the preprocessing of pre-trained encoders does.

`Image.resize` of Pillow always filters out what a smaller picture cannot show (antialias). Some encoders were trained
on pictures without that filter; for them the same weights are computed here over the nearest pixels only.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Fit = Literal["squash", "crop", "pad"]
SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}  # half the width of the kernel, in pixels
# Names the method of `decode.decode_forms` for the usual form, and for others; change it whenever the method changes.
RECIPE, OTHER_RECIPE = "rgb-squash-bicubic-2", "rgb-2"
CUBIC = -0.5  # Keys 1981; also the constant of Pillow and of tf.image.resize


def square(pixels: np.ndarray, size: int, *, interpolation: str, antialias: bool, fit: Fit) -> np.ndarray:
    """Resize a picture to a square, as the layer `Resizing` of Keras does.

    Args:
        pixels: (height, width, 3) uint8.
        size: of the result, in pixels.
        interpolation: a key of SUPPORT.
        fit: 'squash' ignores the aspect ratio, 'crop' takes the largest square in the middle, 'pad' adds black borders.

    Returns:
        (size, size, 3) uint8.
    """
    height, width = pixels.shape[:2]
    borders = (0, 0)
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[top : top + side, left : left + side]
    elif fit == "pad":
        side = max(height, width)
        # Keras pads both sides by the same whole number of pixels: the result may be one pixel from square.
        borders = ((side - height) // 2, (side - width) // 2)
    if pixels.shape[:2] == (size, size):
        return pixels.copy()
    for axis in sorted((0, 1), key=lambda axis: -pixels.shape[axis]):  # the longer first: what is between is smaller
        pixels = _along(pixels, axis, size, borders[axis], interpolation=interpolation, antialias=antialias)
    result: np.ndarray = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return result


def _along(pixels: np.ndarray, axis: int, new: int, border: int, *, interpolation: str, antialias: bool) -> np.ndarray:
    """Resize along an axis, as if there were `border` black pixels at both ends: they are not stored, for a picture of
    30000 x 1 pixels would have 900 million. The result is float32."""
    lines = np.moveaxis(pixels, axis, 0)
    old = len(lines) + 2 * border
    scale = old / new
    stretch = max(scale, 1.0) if antialias else 1.0
    support = SUPPORT[interpolation] * stretch
    result = np.zeros((new, *lines.shape[1:]), np.float32)
    for row, centre in enumerate((np.arange(new) + 0.5) * scale - 0.5):
        places = np.arange(max(int(np.ceil(centre - support)), 0), min(int(centre + support), old - 1) + 1)
        weights = _kernel(interpolation, np.abs(places - centre) / stretch)
        inside = (places >= border) & (places < border + len(lines))
        if inside.any():
            taps = lines[places[inside] - border].astype(np.float32)
            result[row] = np.tensordot((weights / weights.sum())[inside].astype(np.float32), taps, 1)
    return np.moveaxis(result, 0, axis)


def _kernel(interpolation: str, distance: np.ndarray) -> np.ndarray:
    if interpolation == "bilinear":
        return np.maximum(1.0 - distance, 0.0)
    near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * CUBIC - 4 * CUBIC
    return np.where(distance < 1, near, np.where(distance < 2, far, 0.0))


@dataclass(frozen=True)
class PictureForm:
    """The form in which an encoder reads pictures: squares of one size, and how other shapes become squares.

    Attributes:
        size: the side in pixels.
        interpolation, antialias, fit: as in `square`.
    """

    size: int
    interpolation: str = "bicubic"
    antialias: bool = True
    fit: Fit = "squash"

    @property
    def recipe(self) -> str:
        """The method of decoding, without the size."""
        if self.is_usual:
            return RECIPE
        return f"{OTHER_RECIPE}-{self.fit}-{self.interpolation}{'-antialias' if self.antialias else ''}"

    @property
    def is_usual(self) -> bool:
        """Whether Pillow resizes it, which is faster."""
        return self == PictureForm(self.size)

    def draft(self, oversampling: int) -> int | None:
        """Return the least side of a smaller decoded JPEG; None if only the whole one will do."""
        return oversampling * self.size if self.antialias else None
