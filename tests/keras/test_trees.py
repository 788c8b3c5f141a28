"""Boosted trees as a layer, in a suffix, and as a candidate that is fitted on folds."""

import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from samples import SMALL, write_column_reviews
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from automm.config.experiment import resolve
from automm.errors import TrialError
from automm.models import baselines
from automm.models.average import average
from automm.models.heads import Shapes
from automm.models.packing import wrap
from automm.models.trees.arrays import BoostedTrees
from automm.models.trees.layer import FromLogarithm, TreeSum, has_trees
from automm.search.bench import Bench
from automm.search.candidate_runner import CandidateRunner
from automm.search.candidates import boosted_trees
from automm.search.candidates.boosted_trees import BOOSTINGS, Trees
from automm.search.candidates.sklearn_internals import start_of, trees_of
from automm.search.finalists.parity import AGREEING, largest_difference
from automm.search.setup.data import encoder_sources, load, prepare
from automm.tracking.run_folder import COMPLETED, FAILED, create_run

ROWS = 300


@pytest.fixture(scope="module")
def fitted():
    """(features with ties and NaN, the library's model, its trees) of three classes."""
    rng = np.random.default_rng(0)
    features = rng.integers(0, 40, (ROWS, 6)).astype(np.float32) / 7
    features[rng.random(features.shape) < 0.1] = np.nan
    labels = (np.nan_to_num(features[:, 0]) + rng.normal(size=ROWS) > 3).astype(int) + (features[:, 1] > 3)
    model = HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=8, max_depth=4, early_stopping=False)
    with threadpool_limits(1):
        model.fit(features, labels)
    return features, model, BoostedTrees.of(trees_of(model), range(3), start_of(model))


def tree_model(trees):
    inputs = keras.Input((6,), name="features")
    return keras.Model(inputs, keras.layers.Activation("softmax", name="label")(TreeSum.of(trees)(inputs)))


def test_the_layer_answers_as_the_library(fitted, tmp_path):
    features, model, trees = fitted
    with threadpool_limits(1):
        expected = model.predict_proba(features)
    suffix = tree_model(trees)
    answers = np.asarray(suffix(features))
    assert (answers.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert (np.abs(answers - expected).max(axis=1) < 1e-4).mean() >= 0.99
    suffix.save(tmp_path / "trees.keras")
    loaded = keras.saving.load_model(tmp_path / "trees.keras", compile=False)
    np.testing.assert_array_equal(np.asarray(loaded(features)), answers)
    assert loaded.trainable_variables == []


def test_onnx_answers_as_keras(fitted, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install '.[dev]'")
    features, _, trees = fitted
    suffix = tree_model(trees)
    answers = np.asarray(suffix(features))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside tf2onnx
        suffix.export(str(tmp_path / "model.onnx"), format="onnx", verbose=False)
    (exported,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"features": features})
    np.testing.assert_allclose(exported, answers, atol=1e-6)


def test_two_classes_and_a_class_that_is_not_in_the_fold():
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(60, 3)).astype(np.float32), rng.integers(0, 2, 60) * 2  # never class 1
    setup = SimpleNamespace(
        arrays=SimpleNamespace(targets=labels),
        outputs=3,
        row_weights=lambda rows: np.ones(len(rows), np.float32),
    )
    fold, boosting = SimpleNamespace(train=np.arange(60)), BOOSTINGS["softmax"]
    (form,) = boosting.forms(labels)
    settings = {"max_iter": 5, "early_stopping": False, "random_state": 1}
    with threadpool_limits(1):
        trees = boosting.fit(setup, form, features, fold, settings)
        model = HistGradientBoostingClassifier(**settings).fit(features, labels)
        expected = model.predict_proba(features)
    answers = np.asarray(boosting.last(form)(TreeSum.of(trees)(features)))
    np.testing.assert_allclose(answers[:, [0, 2]], expected, atol=1e-5)
    assert answers[:, 1].max() < 1e-6
    setup.arrays.targets = np.zeros(60, np.int64)
    with pytest.raises(TrialError, match="one label only"):
        boosting.fit(setup, form, features, fold, settings)


@pytest.mark.parametrize(("smallest", "offset"), [(0.5, 0.0), (0.0, 1.0), (-0.5, None)])
def test_a_logarithm_is_learned_only_of_numbers_that_have_one(smallest, offset):
    forms = BOOSTINGS["number"].forms(np.array([smallest, 3.0]))
    assert [form.offset for form in forms if form.offset is not None] == ([] if offset is None else [offset])
    if offset is not None:
        values = np.array([[smallest], [3.0]], np.float32)
        np.testing.assert_allclose(FromLogarithm(offset)(np.log(values + offset)), values, rtol=1e-6, atol=1e-6)


def test_components_are_those_of_scikit_learn():
    shapes = Shapes(5, 4, 2, 3, head="softmax")
    model = baselines.tree_features(shapes, ("text", "image"), most=6)
    rng = np.random.default_rng(0)
    given = {
        "text": rng.normal(size=(30, 5)).astype(np.float32),
        "text_mask": np.ones(30, np.float32),
        "image": rng.normal(size=(30, 2, 4)).astype(np.float32),
        "image_mask": np.ones((30, 2), np.float32),
    }
    expected = []
    for layer, before in baselines.component_layers(model):
        vectors = np.asarray(before(given)).astype(np.float64)
        baselines.set_components(layer, *boosted_trees.principal_components(vectors, 3))
        expected.append(PCA(3).fit_transform(vectors))
    features = np.asarray(model(given))
    assert features.dtype == np.float32
    expected = np.concatenate([*expected, np.ones((30, 2))], axis=1)
    signs = np.sign((features * expected).sum(axis=0))  # a component has no direction
    np.testing.assert_allclose(features * signs, expected, atol=1e-5)


def test_components_of_rounding_errors_are_zeros():
    rng = np.random.default_rng(0)
    two = rng.normal(size=(30, 2)) @ rng.normal(size=(2, 6))
    _, components = boosted_trees.principal_components(two.astype(np.float32), 4)
    assert [bool(component.any()) for component in components] == [True, True, False, False]
    mean, components = boosted_trees.principal_components(np.zeros((5, 4), np.float32), 2)
    assert not mean.any()
    assert not components.any()


def test_parity_of_a_model_with_trees_is_that_of_most_rows(fitted):
    _, _, trees = fitted
    assert has_trees(wrap(average([tree_model(trees), tree_model(trees)])))
    assert not has_trees(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    answers = np.zeros((20, 3))
    answers[0] = 0.5
    assert largest_difference(answers, np.zeros((20, 3)), AGREEING) == 0.0
    assert largest_difference(answers, np.zeros((20, 3)), 1.0) == 0.5
    answers[1] = 0.5
    assert largest_difference(answers, np.zeros((20, 3)), AGREEING) == 0.5
    answers[:] = 0.0
    answers[0, 0] = np.nan
    assert np.isnan(largest_difference(answers, np.zeros((20, 3)), AGREEING))


@pytest.fixture(params=["classification", "regression"])
def bench(request, tmp_path, monkeypatch):
    """A bench of reviews with text, pictures, metadata and a history, on two folds."""
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(boosted_trees, "ITERATIONS", (3, 6))
    monkeypatch.setattr(boosted_trees, "SETTINGS", {**boosted_trees.SETTINGS, "min_samples_leaf": 2})
    manifest = write_column_reviews(tmp_path / "data", request.param)
    experiment = resolve({**SMALL, "manifest": str(manifest), "evaluation": {"folds": 2}}, tmp_path, name="test")
    loaded = load(experiment)
    setup = prepare(experiment, loaded, encoder_sources(experiment, loaded))
    return Bench(setup, create_run(tmp_path, "test", "0" * 6), print)


def test_a_candidate_is_fitted_on_each_fold_and_saved(bench, monkeypatch):
    monkeypatch.setattr(boosted_trees, "COMPONENTS", 4)
    recorder = SimpleNamespace(start=lambda candidate: None, record=lambda candidate: None)
    runner = CandidateRunner(bench, recorder, lambda: ())
    estimator = Trees("trees", "baseline", modalities=("text", "image", "metadata", "history"))
    first, again = runner.run(estimator), runner.run(estimator)
    assert (first.status, first.evaluation) == (COMPLETED, "2 folds"), first.error
    assert first.validation == again.validation
    assert first.hyperparameters["iterations"] in (3, 6)
    assert first.trainable_parameters < first.parameters
    rows = [fold.validation for fold in bench.setup.folds]
    members = [layer for layer in bench.saved("trees").layers if isinstance(layer, keras.Model)]
    answers = np.concatenate([bench.predictor(one)(part) for one, part in zip(members, rows, strict=True)])
    np.testing.assert_allclose(answers, bench.run.predictions("trees"), rtol=1e-5)
    constant = bench.setup.task.constant(bench.setup.arrays.targets, bench.setup.outputs)
    metric = "loss" if bench.setup.labels else "mae"
    of_constant = bench.setup.task.measure(bench.setup.validation_targets, np.tile(constant, (len(answers), 1)))
    assert first.validation[metric] < of_constant[metric]
    monkeypatch.setattr(boosted_trees, "MOST_CLASSES", 0)
    refused = runner.run(estimator)
    assert refused.status == FAILED
    assert refused.error.startswith("trees are fitted for at most 0 classes, and there are")
