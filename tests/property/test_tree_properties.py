"""Boosted trees as arrays answer as scikit-learn's, on random trees."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from automm.models.trees.arrays import BoostedTrees, at_most
from automm.search.candidates.sklearn_internals import centre_thresholds, start_of, trees_of


def features(seed, rows, columns, values, missing):
    """(rows, columns) float32 with ties, and NaN in some cells."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(rows, columns)) if values == 0 else rng.integers(0, values, (rows, columns)) / 7
    absent = rng.random((rows, columns)) < missing
    absent[0] = False  # scikit-learn refuses a column without any value
    return np.where(absent, np.nan, drawn).astype(np.float32)


def on_thresholds(trees, given):
    """The features, and rows whose cells are the thresholds and the float32 next to them."""
    thresholds = np.unique(trees.splits[:, 1])
    near = np.concatenate([np.nextafter(thresholds, np.float32(side)) for side in (-np.inf, np.inf)])
    return np.concatenate([given, np.repeat(np.concatenate([thresholds, near])[:, None], given.shape[1], axis=1)])


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 2**16),
    st.integers(30, 120),
    st.integers(1, 6),
    st.sampled_from([0, 2, 5]),
    st.sampled_from([0.0, 0.2, 0.9]),
    st.integers(2, 4),
    st.integers(2, 9),
)
def test_labels_and_scores_are_those_of_the_library(seed, rows, columns, values, missing, classes, leaves):
    given_features = features(seed, rows, columns, values, missing)
    labels = np.random.default_rng(seed).integers(0, classes, rows)
    labels[:classes] = np.arange(classes)
    model = HistGradientBoostingClassifier(
        max_iter=4, max_leaf_nodes=leaves, min_samples_leaf=2, early_stopping=False, learning_rate=0.5
    )
    with threadpool_limits(1):
        model.fit(given_features, labels)
        count = len(trees_of(model)[0])
        trees = BoostedTrees.of(trees_of(model), range(count), start_of(model))
        read = on_thresholds(trees, given_features)
        expected = model.decision_function(read).reshape(len(read), -1)
    np.testing.assert_allclose(trees.sums(read, [4])[0], expected, atol=1e-5)


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 2**16), st.sampled_from([0, 3]), st.sampled_from(["squared_error", "absolute_error"]))
def test_numbers_are_those_of_the_library(seed, values, loss):
    given_features = features(seed, 80, 3, values, 0.1)
    targets = np.random.default_rng(seed).lognormal(3, 1, 80)
    model = HistGradientBoostingRegressor(loss=loss, max_iter=5, max_leaf_nodes=6, early_stopping=False)
    with threadpool_limits(1):
        model.fit(given_features, targets)
        trees = BoostedTrees.of(trees_of(model), [0], start_of(model))
        read = on_thresholds(trees, given_features)
        expected = model.predict(read)
    np.testing.assert_allclose(trees.sums(read, [5])[0, :, 0], expected, rtol=1e-5)
    fewer = trees.first(2)
    np.testing.assert_array_equal(fewer.sums(read, [1, 2]), trees.sums(read, [1, 2, 5])[:2])
    assert len(fewer.values) < len(trees.values)


@pytest.mark.parametrize("weighted", [False, True])
def test_rounding_does_not_take_a_training_row_across_a_threshold(weighted):
    rng = np.random.default_rng(5)
    given_features, labels = (
        rng.normal(size=(600, 4)).astype(np.float32),
        rng.integers(0, 2, 600),
    )  # more than 255 values
    weights = rng.choice([0.5, 1.5], 600) if weighted else None
    model = HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=8, early_stopping=False)
    with threadpool_limits(1):
        model.fit(given_features, labels, sample_weight=weights)
        expected = model.decision_function(given_features)
        at_training_values = BoostedTrees.of(trees_of(model), [0], start_of(model))
        centre_thresholds(model, given_features)
        np.testing.assert_array_equal(model.decision_function(given_features), expected)
    trees = BoostedTrees.of(trees_of(model), [0], start_of(model))
    rounded = np.nextafter(given_features, np.float32(np.inf))
    np.testing.assert_allclose(trees.sums(rounded, [10])[0, :, 0], expected, atol=1e-6)
    differ = np.abs(at_training_values.sums(rounded, [10])[0, :, 0] - expected) > 1e-4
    assert differ.mean() > 0.02  # what centring is for


@given(st.floats(), st.floats(width=32, allow_nan=False))
def test_a_feature_is_compared_with_the_rounded_threshold_as_with_the_exact_one(threshold, feature):
    if not np.isnan(threshold):
        assert (feature <= at_most(np.array([threshold]))[0]) == (feature <= threshold)


@pytest.mark.parametrize("near", [0.1, 1 / 3, 1e300, -1e300, np.inf])
def test_some_thresholds_are_not_a_float32(near):
    (rounded,) = at_most(np.array([near]))
    with np.errstate(over="ignore"):  # above the largest float32
        above = np.nextafter(rounded, np.float32(np.inf))
    assert float(rounded) <= near
    assert float(above) > near or near == np.inf
