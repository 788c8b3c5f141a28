"""The states of lower halves: ragged texts, each picture once, and the numbers of the layers."""

import numpy as np
import pytest
from test_features import ROWS, TEXT, TEXTS, arrays, some  # noqa: F401 - a fixture

from automm.data.inputs.input_sources import source_of_input
from automm.models.encoders.sources import image_source
from automm.search.features.encode import Texts
from automm.search.features.encoded import encode
from automm.search.features.states import StatesAndFeatures, encode_states
from automm.search.features.store import FeatureStore

IMAGE = image_source("tiny-cnn")
TEXT_STATES, TOKENS, CELLS = "text@tiny-bert:lower", "text@tiny-bert:token_mask", "image@tiny-cnn:lower"


@pytest.fixture(scope="module")
def halves():
    return *TEXT.halves(), *IMAGE.halves(16)


@pytest.fixture(scope="module")
def states(arrays, halves, tmp_path_factory):  # noqa: F811
    return encoded(arrays, halves, tmp_path_factory.mktemp("cache"))


def encoded(arrays, halves, folder):  # noqa: F811
    return encode_states(arrays, [halves[0], halves[2]], FeatureStore(folder, 10**9))


def test_a_batch_holds_the_outputs_of_the_lower_halves(arrays, halves, states):  # noqa: F811
    rows = np.array([1, 0, 4, 7])
    batch = states.batch(rows)
    expected, mask = (np.asarray(array) for array in halves[0](arrays.tokens["tiny-bert"].ids[rows]))
    longest = batch[TOKENS].shape[1]
    assert longest % 8 == 0
    np.testing.assert_array_equal(batch[TOKENS], mask[:, :longest])
    real = batch[TOKENS] > 0
    np.testing.assert_allclose(batch[TEXT_STATES][real], expected[:, :longest][real], atol=1e-5)
    assert not batch[TEXT_STATES][~real].any()
    cells = np.asarray(halves[2](arrays.images(rows)))
    np.testing.assert_allclose(batch[CELLS], cells * (ROWS[rows] >= 0)[..., None, None, None], atol=1e-5)
    np.testing.assert_array_equal(batch["image_mask"], ROWS[rows] >= 0)


def test_a_short_batch_is_short(states):
    assert states.batch(np.array([0, 2]))[TEXT_STATES].shape[1] == 8


def test_each_text_has_its_own_word_pieces(states):
    distinct = len(set(TEXTS))
    assert len(states.texts["tiny-bert"].starts) == distinct + 1
    tokens = states.lower[source_of_input(TEXT_STATES)]
    assert (
        len(tokens)
        == states.texts["tiny-bert"].starts[-1]
        == np.unique(states.arrays.tokens["tiny-bert"].ids, axis=0).astype(bool).sum()
    )


def test_encoded_once(arrays, halves, tmp_path, monkeypatch):  # noqa: F811
    first = encoded(arrays, halves, tmp_path)
    monkeypatch.setattr(type(halves[0]), "call", lambda *a, **k: pytest.fail("encoded again"))
    monkeypatch.setattr(type(halves[2]), "call", lambda *a, **k: pytest.fail("encoded again"))
    again = encoded(arrays, halves, tmp_path)
    assert [source.name for source in first.lower] == [TEXT_STATES, CELLS]
    for source, values in first.lower.items():
        np.testing.assert_array_equal(values, again.lower[source])


def test_only_new_reviews_are_encoded(arrays, halves, states, tmp_path):  # noqa: F811
    few, told = some(arrays, [5, 2]), []
    encoded(few, halves, tmp_path)
    store = FeatureStore(tmp_path, 10**9)
    found = encode_states(arrays, [halves[0], halves[2]], store, progress=lambda *what: told.append(what))
    new = int(Texts.of(arrays.tokens["tiny-bert"]).lengths.sum() - Texts.of(few.tokens["tiny-bert"]).lengths.sum())
    assert told == [("texts, lower half, word pieces", new, new), ("pictures, lower half", 1, 1)]
    rows = np.arange(len(TEXTS))
    for name, array in found.batch(rows).items():
        np.testing.assert_allclose(array, states.batch(rows)[name], atol=1e-5)


def test_an_ensemble_of_both_tiers_gets_its_inputs(arrays, states, tmp_path):  # noqa: F811
    features = encode(arrays, [TEXT, IMAGE], FeatureStore(tmp_path, 10**9))
    rows = np.array([3, 1])
    vector = "text@tiny-bert:mean"
    names = (vector, "text_mask", CELLS, "image_mask")
    batch = StatesAndFeatures(features, states, names).batch(rows)
    assert set(batch) == set(names)
    np.testing.assert_array_equal(batch[vector], features.batch(rows)[vector])
    assert set(StatesAndFeatures(features, states, (TEXT_STATES, TOKENS)).batch(rows)) == {TEXT_STATES, TOKENS}


def test_a_model_of_an_older_run_gets_its_inputs_by_short_names(arrays, states, tmp_path):  # noqa: F811
    features = encode(arrays, [TEXT, IMAGE], FeatureStore(tmp_path, 10**9))
    rows = np.array([3, 1])
    names = {"text": "text@tiny-bert:mean", "text_states": TEXT_STATES, "token_mask": TOKENS, "image_cells": CELLS}
    short = StatesAndFeatures(features, states, list(names)).batch(rows)
    long = StatesAndFeatures(features, states, list(names.values())).batch(rows)
    assert list(short) == list(names)
    for name, now in names.items():
        np.testing.assert_array_equal(short[name], long[now])
