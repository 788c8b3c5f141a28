"""A suffix that trains in no time: its sizes, and a point of the space."""

import pytest

from automm.models.heads import Shapes

SHAPES = Shapes(text_features=4, image_features=3, max_images=2, outputs=3, head="softmax")
SMALL = {
    "image/pooling": "mean",
    "fusion/operator": "concatenation",
    "fusion/width": 4,
    "fusion/rank": 2,
    "image/heads": 2,
    "label/layers": 1,
    "label/width": 8,
    "label/dropout": 0.25,
}


def layers_of(text, image):
    """EncoderLayers of two whole encoders; nothing here asks for halves."""
    from automm.models.whole import EncoderLayers

    return EncoderLayers(lambda: (text, image), lambda: pytest.fail("halves were asked for"))
