"""A suffix that trains in no time: its sizes, and a point of the space."""

from automm.models.heads import Shapes

TEXT, IMAGE = "text@tiny-bert:mean", "image@tiny-cnn:average"  # inputs of a suffix over the tiny encoders
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


def sizes(text, image, length, size):
    """The sizes of what a text encoder and a picture encoder read, as `Arrays.sizes`; layers or sources."""
    return {("text", name_of(text)): length, ("image", name_of(image)): size}


def name_of(encoder):
    return getattr(encoder, "encoder", None) or encoder.name


def layers_of(text, image, length, size):
    """EncoderLayers of two whole encoders, without halves, for texts of `length` and pictures of `size`."""
    from automm.models.whole import EncoderLayers

    return EncoderLayers.built([text, image], sizes(text, image, length, size))


def tokens(ids):
    """The arrays of a batch whose token ids are 0 where a token is padding."""
    return {"token_ids": ids, "padding_mask": (ids != 0).astype("int32")}
