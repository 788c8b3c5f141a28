import numpy as np
import pytest

from automm.data.inputs.modalities import present, with_dropout, without


def batch(text, pictures):
    """A batch of reviews that have text or not, and so many pictures."""
    text, pictures = np.asarray(text, np.float32), np.asarray(pictures)
    rng = np.random.default_rng(0)
    return {
        "text": rng.normal(size=(len(text), 3)).astype(np.float32) + 10,
        "text_mask": text,
        "image": rng.normal(size=(len(text), 2, 4)).astype(np.float32) + 10,
        "image_mask": (np.arange(2) < pictures[:, None]).astype(np.float32),
    }


def test_present_modalities():
    there = present({**batch([1, 0, 1], [0, 1, 2]), "token_mask": np.zeros((3, 5))})
    assert {name: rows.tolist() for name, rows in there.items()} == {
        "text": [True, False, True],
        "image": [False, True, True],
    }


@pytest.mark.parametrize(("modality", "other"), [("text", "image"), ("image", "text")])
def test_without_a_modality_only_its_mask_and_inputs_are_zero(modality, other):
    given = batch([1, 1, 1], [2, 1, 2])
    before = {name: array.copy() for name, array in given.items()}
    left = without(given, modality, np.array([True, False, True]))
    for name in (modality, f"{modality}_mask"):
        assert not left[name][[0, 2]].any()
        np.testing.assert_array_equal(left[name][1], before[name][1])
    for name in (other, f"{other}_mask"):
        np.testing.assert_array_equal(left[name], before[name])
    for name, array in given.items():
        np.testing.assert_array_equal(array, before[name], "the given batch was changed")


def test_states_of_encoders_go_with_their_modality():
    """Tier 2 trains on encoder states; the mask of padding tokens is not part of the text and stays."""
    states = {"text_states": np.ones((2, 3, 4)), "image_cells": np.ones((2, 1, 2, 2, 3)), "token_mask": np.ones((2, 3))}
    left = without({**batch([1, 1], [1, 1]), **states}, "text", np.array([True, False]))
    assert not left["text_states"][0].any()
    assert left["text_states"][1].all()
    assert left["image_cells"].all()
    assert left["token_mask"].all()


def test_every_encoder_loses_an_absent_modality():
    tokens = {
        name: np.ones((2, 3), np.int32) for name in ("token_ids", "padding_mask", "token_ids_2", "padding_mask_2")
    }
    given = {**batch([1, 1], [1, 1]), **tokens, "images": np.ones((2, 2, 3)), "images_2": np.ones((2, 2, 5))}
    left = without(without(given, "text", np.array([True, False])), "image", np.array([True, False]))
    assert all(left[name].all() for name in tokens), "an encoder of padding alone may yield NaN"
    assert not left["images"][0].any()
    assert not left["images_2"][0].any()
    assert left["images_2"][1].all()


class TestDropout:
    N = 20_000

    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
    def test_rates(self, rate):
        left = with_dropout(batch(np.ones(self.N), np.full(self.N, 2)), rate, np.random.default_rng(1))
        there = present(left)
        gone = {name: 1 - rows.mean() for name, rows in there.items()}
        for share in gone.values():
            assert share == pytest.approx(rate - rate**2 / 2, abs=0.015)
        assert np.logical_or(*there.values()).all(), "a row has lost all its modalities"

    def test_the_only_modality_of_a_row_stays(self):
        given = batch([1, 0] * self.N, [0, 1] * self.N)
        left = with_dropout(given, 0.9, np.random.default_rng(1))
        for name, array in given.items():
            np.testing.assert_array_equal(left[name], array)

    def test_a_row_without_modalities(self):
        left = with_dropout(batch([0], [0]), 0.5, np.random.default_rng(1))
        assert not left["text_mask"].any()

    def test_the_generator_decides(self):
        given = batch(np.ones(50), np.ones(50))
        masks = [with_dropout(given, 0.5, np.random.default_rng(seed))["text_mask"].tolist() for seed in (1, 1, 2)]
        assert masks[0] == masks[1] != masks[2]
