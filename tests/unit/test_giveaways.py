"""Single words, pictures and columns that give the label away."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from automm.evaluate.giveaways import columns_that_give_away, things_that_give_away

LABELS = ("bad", "good", "fine")


def world(seed=0, rows=300):
    rng = np.random.default_rng(seed)
    targets = rng.choice(3, rows, p=[0.3, 0.5, 0.2])
    order = rng.permutation(rows)
    return rng, targets, order[: rows // 2], order[rows // 2 :]


def test_a_word_that_reviews_of_one_label_have_and_others_have_not():
    rng, targets, found_on, confirmed_on = world()
    has = rng.random((300, 2_000)) < rng.uniform(0, 0.6, 2_000)
    has[:, 7] = (targets == 2) ^ (rng.random(300) < 0.01)
    (found,) = things_that_give_away(
        "word", [f"w{at}" for at in range(2_000)], csr_array(has), targets, LABELS, found_on, confirmed_on
    )
    assert (found.kind, found.name, found.target) == ("word", "w7", "fine")
    assert found.reviews == has[confirmed_on, 7].sum()
    right = (has[confirmed_on, 7] & (targets[confirmed_on] == 2)).sum()
    assert found.score == pytest.approx(2 * right / (found.reviews + (targets[confirmed_on] == 2).sum()))


@pytest.mark.parametrize("keep", [0.8, 0.0])
def test_a_word_that_only_some_of_a_label_have_is_an_ordinary_word(keep):
    rng, targets, found_on, confirmed_on = world()
    has = csr_array(((targets == 2) & (rng.random(300) < keep))[:, None])
    assert things_that_give_away("word", ["w"], has, targets, LABELS, found_on, confirmed_on) == []


def test_chance_names_no_word():
    """Each word is in nine reviews, all of one label: they are too few to be a rule."""
    targets = np.repeat([0, 1, 2], [200, 9, 91])
    rows = np.arange(300)
    has = csr_array((targets == 1)[:, None])
    assert things_that_give_away("word", ["w"], has, targets, LABELS, rows, rows) == []


def test_what_is_not_confirmed_is_not_named():
    _, targets, found_on, confirmed_on = world()
    has = np.zeros((300, 1), bool)
    has[found_on, 0] = targets[found_on] == 0
    assert things_that_give_away("word", ["w"], csr_array(has), targets, LABELS, found_on, confirmed_on) == []


def test_columns_that_are_the_label_in_other_words():
    rng, targets, found_on, confirmed_on = world()
    columns = {
        "stars": [None if target == 2 else float(10 * target + rng.random()) for target in targets],
        "state": [f"{LABELS[target]}-{rng.integers(3)}" for target in targets],
        "price": rng.normal(size=300).tolist(),
        "brand": [f"b{rng.integers(5)}" for _ in targets],
        "id": [f"id{at}" for at in range(300)],
        "constant": ["x"] * 300,
        "missing": [None] * 300,
    }
    found = columns_that_give_away(columns, targets, found_on, confirmed_on, labels=True)
    assert {(row.name, row.kind) for row in found} == {("stars", "column"), ("state", "column")}
    assert all(row.reviews == 150 and row.score > 0.95 for row in found)


def test_columns_of_a_number_to_predict():
    rng = np.random.default_rng(1)
    values = rng.integers(0, 8, 400).astype(np.float64)
    columns = {
        "twice": (2 * values).tolist(),
        "words": [f"v{value:g}" for value in values],
        "noise": rng.normal(size=400).tolist(),
        "one_of_many": [f"v{at}" for at in range(400)],
    }
    found = columns_that_give_away(columns, values, np.arange(200), np.arange(200, 400), labels=False)
    assert {row.name for row in found} == {"twice", "words"}


def test_of_one_label_nothing_is_given_away():
    rows, targets = np.arange(40), np.zeros(40, np.int64)
    assert columns_that_give_away({"x": ["a"] * 40}, targets, rows, rows, labels=True) == []
    assert things_that_give_away("word", ["w"], csr_array(np.ones((40, 1), bool)), targets, LABELS, rows, rows) == []
