"""Training options: each does what its paper says, and nothing else."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from small import SHAPES, SMALL
from test_train import PLAN, TRAIN, VALIDATION, Memory, suffix

from automm.models import baselines
from automm.search.session import finished_points
from automm.search.space.table import contains
from automm.search.space.validation import narrow
from automm.search.training.batches import Batches, Feed
from automm.search.training.loop import Fold, train
from automm.search.training.losses import cross_entropy, smoothed
from automm.search.training.options import TIER_1_ONLY, Options
from automm.tracking.run_folder import COMPLETED, Candidate

EACH = {
    "schedule": "cosine",
    "weight_decay": 10.0,
    "focal_gamma": 2.0,
    "label_smoothing": 0.1,
    "modality_dropout": 0.5,
}


@pytest.fixture(autouse=True, scope="module")
def eager():
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def source():
    return Memory()


def still(operator="concatenation", seed=1):
    """A suffix without dropout."""
    keras.utils.set_random_seed(seed)
    return baselines.fused(SHAPES, {**SMALL, "label/dropout": 0.0, "fusion/operator": operator})


def tensors(source, rows):
    return {name: keras.ops.convert_to_tensor(array) for name, array in source.batch(rows).items()}


class TestLosses:
    TARGETS = np.array([[1, 0, 0], [0, 0.25, 0.75]], np.float32)
    PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], np.float32)

    def test_cross_entropy(self):
        expected = -(self.TARGETS * np.log(self.PROBABILITIES)).sum(axis=1)
        np.testing.assert_allclose(cross_entropy(self.TARGETS, self.PROBABILITIES), expected, rtol=1e-6)

    @pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
    def test_focal(self, gamma):
        p = self.PROBABILITIES.astype(np.float64)
        expected = -(self.TARGETS * (1 - p) ** gamma * np.log(p)).sum(axis=1)
        np.testing.assert_allclose(cross_entropy(self.TARGETS, self.PROBABILITIES, gamma), expected, rtol=1e-5)

    @pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
    def test_a_confident_answer_has_a_gradient(self, gamma):
        import tensorflow as tf

        sure = tf.constant([[1.0, 0.0, 0.0]])
        for targets in ([[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]):
            with tf.GradientTape() as tape:
                tape.watch(sure)
                loss = cross_entropy(tf.constant(targets), sure, gamma)
            assert np.isfinite(np.asarray(loss)).all()
            assert np.isfinite(np.asarray(tape.gradient(loss, sure))).all()

    def test_smoothing(self):
        np.testing.assert_allclose(smoothed(np.eye(4, dtype=np.float32), 0.2)[0], [0.85, 0.05, 0.05, 0.05])
        np.testing.assert_array_equal(smoothed(self.TARGETS, 0.0), self.TARGETS)


class TestModalityDropout:
    def test_rows_reach_the_graph_without_dropped_modalities(self, source):
        source.arrays["image_mask"][:] = 1
        epoch = Batches(TRAIN, 2, (1,)).epoch(0)
        feed = Feed(source, np.eye(3, dtype=np.float32)[source.labels], None, None, 0.5)
        ((inputs,), _) = next(feed.portions([epoch], [np.ones(36, np.float32)]))
        text, image = inputs["text_mask"] > 0, inputs["image_mask"].max(axis=-1) > 0
        assert (text | image).all()
        assert not text.all()
        assert not image.all()
        assert not inputs["text"][~text].any()
        np.testing.assert_array_equal(inputs["text"][text], source.arrays["text"][epoch.rows][text])

    def test_vectors_for_absent_modalities_learn_from_it(self, source):
        """Every review has text and pictures, so that only dropout shows the model what it is like without."""
        source.arrays["image_mask"][:] = 1
        for rate in (0.0, 0.5):
            model = still()
            learn(model, source, Options(modality_dropout=rate))
            learned = [model.get_layer("text_stand_in").vector, model.get_layer("image_pooling").no_picture.vector]
            assert [bool(np.asarray(vector).any()) for vector in learned] == [rate > 0] * 2


def learn(model, source, options, **plan):
    keras.utils.set_random_seed(1)
    settings = replace(PLAN, **{"epochs": 3, "options": options, **plan})
    return train([model], [Fold(TRAIN, VALIDATION)], source, source.labels, settings)


@pytest.fixture(scope="module")
def plain():
    return learn(suffix(), Memory(), Options(), epochs=1)


@pytest.mark.parametrize("option", EACH)
def test_each_option_alone_changes_training_and_depends_on_the_seed(option, source, plain):
    options = Options(**{option: EACH[option]})
    first, second = (learn(suffix(), source, options, epochs=1) for _ in range(2))
    assert first.history == second.history
    assert first.history != plain.history


def test_all_options_at_once_train_in_a_graph_as_they_do_eagerly(source):
    import tensorflow as tf

    options = Options(**EACH)
    eager = learn(still("gated_unit"), source, options, epochs=2)
    tf.config.run_functions_eagerly(False)
    graph = learn(still("gated_unit"), source, options, epochs=2)
    tf.config.run_functions_eagerly(True)
    for left, right in zip(eager.history, graph.history, strict=True):
        assert left == pytest.approx(right, abs=1e-4)


def test_a_cosine_schedule_trains_all_epochs_and_keeps_the_best(source):
    """With patience 1, a constant rate ends at the first epoch that is not better."""
    settings = {"epochs": 6, "patience": 1, "learning_rate": 1.0, "median_scores": (-1.0,) * 6}
    constant = learn(still(), source, Options(), **settings)
    assert (constant.stopped, len(constant.history)) in {("patience", n) for n in range(1, 6)} | {("behind", 1)}
    model = still()
    cosine = learn(model, source, Options(schedule="cosine"), **settings)
    assert (cosine.stopped, len(cosine.history)) == ("epochs", 6)
    losses = [entry["val_loss"] for entry in cosine.history]
    assert cosine.best_epoch == 1 + int(np.argmin(losses))
    np.testing.assert_allclose(model(tensors(source, VALIDATION)), cosine.probabilities, atol=1e-6)


def test_weight_decay_shrinks_matrices_and_no_biases(source):
    """One step of AdamW: value * (1 - rate * decay) - rate * update, and the update does not depend on the decay."""
    plain, decayed = still(), still()
    before = plain.get_weights()
    for model, decay in ((plain, 0.0), (decayed, 2.0)):
        learn(model, source, Options(weight_decay=decay), epochs=1, batch_size=len(TRAIN), learning_rate=0.1)
    for start, left, right in zip(before, plain.get_weights(), decayed.get_weights(), strict=True):
        np.testing.assert_allclose(left - right, 0.2 * start if start.ndim > 1 else 0.0 * start, atol=1e-6)


def test_options_of_a_point():
    values = {"training/learning_rate": 0.1, "training/focal_gamma": 2.0, "training/class_weights": "none"}
    assert Options.of(values, "inverse") == Options(class_weights="none", focal_gamma=2.0)
    assert Options.of({}, "inverse") == Options(class_weights="inverse")
    assert set(TIER_1_ONLY) < set(Options().values())


@pytest.mark.parametrize(
    ("choices", "known"),
    [
        ({"training.label_smoothing": [0.0, 0.1], "training.focal_gamma": [0.0, 2.0]}, True),
        ({"training.class_weights": ["none", "inverse"]}, True),
        ({"training.class_weights": "square_root"}, False),
        ({"training.label_smoothing": [0.05, 0.1]}, False),
    ],
)
def test_a_baseline_is_the_point_at_which_options_are_off(choices, known):
    """The experiment and its baseline use inverse class weights."""
    space = narrow(choices)
    baseline = Candidate("concatenation", "baseline", COMPLETED, hyperparameters=baselines.CONCATENATION)
    points = [candidate.hyperparameters for candidate in finished_points([baseline], space, "inverse")]
    assert len(points) == known
    assert all(contains(space, point) for point in points)
    assert baseline.hyperparameters is baselines.CONCATENATION, "the record itself stays"
