"""Every read-out, compared with numpy, at every place and through every layer that returns it."""

import keras
import numpy as np
import pytest

from automm.data.inputs.input_sources import source_of_input
from automm.models import readouts
from automm.models.encoders.sources import image_source, text_source
from automm.models.readouts import POOLED, READOUTS, is_sequence, of_modality

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "[MASK]"]
IDS = np.array([[2, 4, 3, 0, 0, 0], [2, 5, 4, 4, 5, 3], [2, 3, 0, 0, 0, 0]], np.int32)
GENERAL = [name for name, readout in READOUTS.items() if readout.how != POOLED]  # of every encoder
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8)
TEXT, IMAGE = text_source("tiny-bert", lambda size: VOCABULARY), image_source("tiny-cnn")


@pytest.fixture(scope="module")
def encoders():
    return TEXT.build(list(GENERAL)), IMAGE.build(list(GENERAL), 16)


@pytest.fixture(scope="module")
def halves():
    return *TEXT.halves(), *IMAGE.halves(16)


@pytest.fixture(scope="module")
def yielded(encoders):
    return by_short_name(encoders[0].named(IDS) | encoders[1].named(PIXELS))


def by_short_name(outputs):
    return {source_of_input(name).short_name: np.asarray(value) for name, value in outputs.items()}


@pytest.fixture(scope="module")
def sequences(halves):
    """Token states and cells by place, computed by the backbones."""
    text_lower, text_upper, image_lower, image_upper = halves
    states, real = text_lower(IDS)
    cells = image_lower(PIXELS)
    flat = np.asarray(cells).reshape(6, *cells.shape[2:])
    last = np.asarray(image_upper.backbone(flat))
    return {
        "text": {
            "two_thirds": np.asarray(states),
            "last": np.asarray(text_upper.backbone({"states": states, "padding_mask": real})),
        },
        "image": {"two_thirds": np.asarray(cells), "last": last.reshape(2, 3, *last.shape[1:])},
    }


NUMPY = {
    "mean": lambda states: np.stack([state[ids != 0].mean(axis=0) for state, ids in zip(states, IDS, strict=True)]),
    "cls": lambda states: states[:, 0],
    "max": lambda states: np.stack([state[ids != 0].max(axis=0) for state, ids in zip(states, IDS, strict=True)]),
    "cls_mean": lambda states: np.concatenate([states[:, 0], NUMPY["mean"](states)], axis=1),
    "states": lambda states: states.astype(np.float16).astype(np.float32),
}
NUMPY_CELLS = {
    "average": lambda cells: cells.mean(axis=(2, 3)),
    "max": lambda cells: cells.max(axis=(2, 3)),
    "gem": lambda cells: np.cbrt((np.maximum(cells, 1e-6).astype(np.float64) ** 3).mean(axis=(2, 3))),
    "cells": lambda cells: cells.reshape(2, 3, -1, cells.shape[-1]).astype(np.float16).astype(np.float32),
}


@pytest.mark.parametrize("name", GENERAL)
def test_each_read_out_equals_numpy(name, yielded, sequences):
    readout = READOUTS[name]
    ways = NUMPY if readout.modality == "text" else NUMPY_CELLS
    expected = ways[readout.how](sequences[readout.modality][readout.place])
    atol = 1e-2 if is_sequence(name) else 1e-5  # the last digit of float16 may fall either way
    np.testing.assert_allclose(yielded[name], expected, atol=atol)
    if is_sequence(name):
        np.testing.assert_array_equal(yielded[name], yielded[name].astype(np.float16))


def test_token_states_come_with_their_mask(yielded):
    np.testing.assert_array_equal(yielded["token_mask"], IDS != 0)


def test_each_output_has_the_name_of_its_source(encoders, yielded):
    assert set(yielded) == {*GENERAL, "token_mask"}
    assert all(name.startswith("text@tiny-bert:") for name in encoders[0].yields)
    assert all(name.startswith("image@tiny-cnn:") for name in encoders[1].yields)


def test_padding_does_not_change_vectors(encoders, yielded):
    longer = np.concatenate([IDS, np.zeros((3, 4), np.int32)], axis=1)
    for name, value in by_short_name(encoders[0].named(longer)).items():
        if not is_sequence(name) and name != "token_mask":
            np.testing.assert_allclose(value, yielded[name], atol=1e-5, err_msg=name)


def test_the_generalised_mean_of_equal_values_is_the_value():
    cells = np.full((1, 2, 2, 1), 5.0, np.float32)
    np.testing.assert_allclose(readouts.generalised_mean(cells), [[5.0]], rtol=1e-6)
    cells[0, 0, 0, 0] = 1.0
    average, largest = readouts.average_of_cells(cells), readouts.max_of_cells(cells)
    assert float(average[0, 0]) < float(readouts.generalised_mean(cells)[0, 0]) < float(largest[0, 0])


@pytest.mark.parametrize(
    "names", [["text_cls_last", "image_gem_last"], ["text_max_two_thirds", "image_max_two_thirds"]]
)
def test_upper_halves_return_the_same(names, halves, yielded):
    text_lower, text_upper, image_lower, image_upper = halves
    text, image = text_upper.reading(names), image_upper.reading(names)
    found = by_short_name(text.named(*text_lower(IDS)) | image.named(image_lower(PIXELS)))
    assert list(found) == names
    for name, value in found.items():
        np.testing.assert_allclose(value, yielded[name], atol=1e-5)
    idle = names[0].endswith("two_thirds")
    assert (text.backbone is None, image.backbone is None) == (idle, idle)
    assert text_upper.backbone is not None


def test_a_layer_for_some_read_outs_shares_the_backbone(encoders, yielded):
    text = encoders[0].reading(["image", "text_cls_last", "text"])
    assert text.backbone is encoders[0].backbone
    assert text.yields == ("text@tiny-bert:mean", "text@tiny-bert:cls")
    assert not text.trainable
    np.testing.assert_allclose(text.named(IDS)["text@tiny-bert:cls"], yielded["text_cls_last"], atol=1e-6)
    assert encoders[0].reading(encoders[0].readouts) is encoders[0]
    with pytest.raises(ValueError, match="built without the place two_thirds"):
        TEXT.build().reading(["text_cls_two_thirds"])


def test_saved_and_loaded(encoders, yielded, tmp_path):
    ids, pictures = keras.Input((6,), dtype="int32"), keras.Input((3, 16, 16, 3), dtype="uint8")
    outputs = encoders[0].named(ids) | encoders[1].named(pictures)
    assert {source_of_input(name).short_name: tensor.shape[1:] for name, tensor in outputs.items()} == {
        name: value.shape[1:] for name, value in yielded.items()
    }
    keras.Model([ids, pictures], outputs).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    for name, value in by_short_name(loaded([IDS, PIXELS])).items():
        np.testing.assert_allclose(value, yielded[name], atol=1e-6, err_msg=name)


def test_of_modality_uses_the_order_of_the_table():
    assert of_modality("text", ["image", "text_max_last", "text"]) == ("text", "text_max_last")
