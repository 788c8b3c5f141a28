"""How encoders want their texts and pictures, as data."""

import json

import numpy as np
import pytest
from keras_hub.layers import ImageConverter

from automm.data.inputs.tokens import SPECIAL, wordpiece_tokenizer
from automm.models.encoders.preprocessing import PicturePreprocessing, TextPreprocessing


@pytest.fixture(scope="module")
def texts():
    return TextPreprocessing(wordpiece_tokenizer([*SPECIAL, "good", "phone", "query", ":"]), prefix="query: ", pad=4)


def test_ids_and_mask(texts):
    ids, mask = texts.encode(["good phone", "", "good good good good good good"], 8)
    assert ids.tolist()[:2] == [[2, 6, 7, 4, 5, 3, 4, 4], [2, 6, 7, 3, 4, 4, 4, 4]]
    assert mask.tolist()[:2] == [[1] * 6 + [0] * 2, [1] * 4 + [0] * 4]
    assert (ids[2][-1], mask[2].all()) == (3, True)
    assert ids.dtype == mask.dtype == np.int32


def test_a_fixed_length_wins(texts):
    fixed = TextPreprocessing(texts.tokenizer, length=5)
    assert fixed.encode(["good"], 8)[0].tolist() == [[2, 4, 3, 0, 0]]


def test_lengths_are_those_before_truncation(texts):
    texts.encode(["good"], 4)
    assert texts.lengths(["good phone", "", "good " * 20]).tolist() == [6, 4, 24]


def test_saved_as_json(texts):
    texts.encode(["good"], 4)
    again = TextPreprocessing.from_dict(json.loads(json.dumps(texts.to_dict())))
    assert again.lengths(["good " * 20]).tolist() == [24]
    assert (again.prefix, again.pad, again.length, again.masked) == ("query: ", 4, None, True)
    picture = PicturePreprocessing(32, "bilinear", False, "crop")
    assert PicturePreprocessing.from_dict(json.loads(json.dumps(picture.to_dict()))) == picture


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(50, 37), (9, 40), (33, 32), (7, 8), (32, 32)])
def test_pixels_are_those_of_the_converter(fit, antialias, interpolation, shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    converter = ImageConverter(
        image_size=(32, 32),
        interpolation=interpolation,
        antialias=antialias,
        crop_to_aspect_ratio=fit == "crop",
        pad_to_aspect_ratio=fit == "pad",
    )
    wanted = np.asarray(converter(pixels.astype(np.float32))).clip(0, 255)  # bicubic values exceed the range
    found = PicturePreprocessing(32, interpolation, antialias, fit).prepare(pixels).astype(np.float32)
    assert np.abs(found - wanted).max() <= 1
