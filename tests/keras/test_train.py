import contextlib
import itertools
import signal
import time
from dataclasses import replace

import keras
import numpy as np
import pytest
from small import SHAPES, SMALL, layers_of, tokens

from automm.errors import TrialError
from automm.models import baselines
from automm.models.encoders.half_layers import ImageUpper
from automm.models.heads import Shapes
from automm.models.packing import pack, packed_layout
from automm.search.interrupt import interruptible
from automm.search.training import batches as feed_module
from automm.search.training import loop as module
from automm.search.training.adam import AdamW
from automm.search.training.batches import Batches
from automm.search.training.loop import Fold, predict, train, validation_rows
from automm.search.training.losses import row_weights
from automm.search.training.options import Options, Plan
from automm.tasks.registry import TASKS

PLAN = Plan(
    task=TASKS["classification"], objective="val_loss", epochs=4, patience=10, batch_size=8, learning_rate=0.01, seed=1
)


class Memory:
    """Features in memory; the label can be read off the text."""

    def __init__(self, n=36):
        rng = np.random.default_rng(0)
        self.labels = (np.arange(n) % 3).astype(np.int32)
        text = rng.normal(0, 0.3, (n, 4)).astype(np.float32)
        text[np.arange(n), self.labels] += 2
        self.arrays = {
            "text": text,
            "text_mask": np.ones(n, np.float32),
            "image": rng.normal(size=(n, 2, 3)).astype(np.float32),
            "image_mask": rng.integers(0, 2, (n, 2)).astype(np.float32),
        }

    def batch(self, rows):
        return {name: array[rows] for name, array in self.arrays.items()}


TRAIN, VALIDATION = np.arange(24), np.arange(24, 36)


@pytest.fixture
def source():
    return Memory()


@pytest.fixture(autouse=True)
def eager(request):
    """Run functions eagerly: tracing takes longer than these few batches. One test uses a graph, as its name says."""
    import tensorflow as tf

    tf.config.run_functions_eagerly("graph" not in request.node.name)
    yield
    tf.config.run_functions_eagerly(False)


def test_moving_averages_are_updated_in_a_graph_and_are_part_of_the_weights():
    values = keras.Input((3,), name="values")
    normalised = keras.layers.BatchNormalization(name="normalised", momentum=0.5)(values)
    model = keras.Model({"values": values}, keras.layers.Dense(2, activation="softmax")(normalised))
    run = module.steps_function([model], PLAN, 10)
    rows = np.random.default_rng(0).normal(5.0, 1.0, (6, 8, 3)).astype(np.float32)
    part = {"targets": np.tile(np.eye(2, dtype=np.float32)[[0, 1] * 4], (6, 1, 1)), "weights": np.full((6, 8), 0.125)}
    run([{"values": rows}], [{**part, "weights": part["weights"].astype(np.float32)}])
    expected = sum(0.5 ** (6 - step) * rows[step].mean(axis=0) for step in range(6))
    np.testing.assert_allclose(model.get_layer("normalised").moving_mean, expected, rtol=1e-4)
    assert any(np.allclose(weights, expected, rtol=1e-4) for weights in model.get_weights())


def suffix(seed=1, build=baselines.fused):
    keras.utils.set_random_seed(seed)
    return build(SHAPES, SMALL)


def run(model, source, plan=PLAN, **more):
    keras.utils.set_random_seed(plan.seed)
    return train([model], [Fold(TRAIN, VALIDATION)], source, source.labels, plan, **more)


def test_the_seed_determines_everything(source):
    first, second, other = suffix(), suffix(), suffix()
    one, two = run(first, source), run(second, source)
    assert one.history == two.history
    for left, right in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert run(other, source, replace(PLAN, seed=2)).history != one.history


def test_it_learns_in_a_graph_and_returns_its_history(source):
    model = suffix()
    before = PLAN.task.measure(source.labels[VALIDATION], predict(model, source, VALIDATION))
    result = run(model, source, replace(PLAN, epochs=12, learning_rate=0.05))
    after = PLAN.task.measure(source.labels[VALIDATION], predict(model, source, VALIDATION))
    assert after["loss"] < before["loss"] / 2
    assert after == pytest.approx(result.validation)
    assert result.stopped == "epochs"
    assert len(result.history) == 12
    assert all(set(entry) == {"loss", "val_loss", "val_accuracy", "val_macro_f1"} for entry in result.history)


class TestEarlyStopping:
    """The real loop with made-up validation figures."""

    def run(self, monkeypatch, source, scores, **plan):
        model = suffix()
        kept = []

        def made_up(*_):
            kept.append([weight.copy() for weight in model.get_weights()])
            return {"accuracy": 0.5, "macro_f1": scores[len(kept) - 1], "loss": 1.0}

        monkeypatch.setattr(type(PLAN.task), "measure", lambda task, *given: made_up(*given))
        plan = replace(PLAN, **{"objective": "val_macro_f1", "epochs": len(scores), "patience": 3, **plan})
        return run(model, source, plan), model, kept

    def test_the_best_epoch_is_kept(self, monkeypatch, source):
        result, model, kept = self.run(monkeypatch, source, [0.1, 0.7, 0.3, 0.2])
        assert (result.best_epoch, result.stopped) == (2, "epochs")
        assert result.validation["macro_f1"] == 0.7
        for weight, expected in zip(model.get_weights(), kept[1], strict=True):
            np.testing.assert_array_equal(weight, expected)
        assert any((left != right).any() for left, right in zip(kept[1], kept[3], strict=True))

    def test_patience_counts_epochs_without_a_better_one(self, monkeypatch, source):
        result, _, kept = self.run(monkeypatch, source, [0.1, 0.7, 0.7, 0.7, 0.7, 0.9])
        assert (result.best_epoch, result.stopped, len(kept)) == (2, "patience", 5)

    def test_below_the_median_patience_is_halved(self, monkeypatch, source):
        scores, median_scores = [0.1, 0.5, 0.2, 0.3, 0.3, 0.9], (0.6,) * 6
        result, _, kept = self.run(monkeypatch, source, scores, median_scores=median_scores, patience=4)
        assert (result.best_epoch, result.stopped, len(kept)) == (2, "behind", 4)
        result, _, kept = self.run(monkeypatch, source, scores, median_scores=(0.5,) * 6, patience=4)
        assert (result.best_epoch, result.stopped, len(kept)) == (6, "epochs", 6)

    def test_below_the_median_but_improving(self, monkeypatch, source):
        result, _, kept = self.run(monkeypatch, source, [0.1, 0.2, 0.3, 0.4, 0.5], median_scores=(0.6,) * 4, patience=2)
        assert (result.best_epoch, result.stopped, len(kept)) == (5, "epochs", 5)

    def test_a_better_epoch_resets_patience(self, monkeypatch, source):
        result, _, kept = self.run(monkeypatch, source, [0.5, 0.4, 0.4, 0.6, 0.5, 0.5])
        assert (result.best_epoch, result.stopped, len(kept)) == (4, "epochs", 6)

    def test_an_objective_that_is_minimised(self, monkeypatch, source):
        model = suffix()
        losses = iter([1.0, 0.5, 0.7])
        monkeypatch.setattr(
            type(PLAN.task), "measure", lambda *_: {"accuracy": 0.5, "macro_f1": 0.5, "loss": next(losses)}
        )
        assert run(model, source, replace(PLAN, epochs=3)).best_epoch == 2

    def test_a_validation_loss_that_is_nan(self, monkeypatch, source):
        with pytest.raises(TrialError, match="validation loss"):
            self.run(monkeypatch, source, [0.1, float("nan"), 0.3])


def test_a_loss_that_is_nan_fails_the_trial(source):
    source.arrays["text"][3] = np.nan
    with pytest.raises(TrialError, match="training loss became NaN"):
        run(suffix(), source)


def test_an_interrupt_that_was_lost_in_c_code_ends_training(source, monkeypatch):
    """Whatever TensorFlow does with the exception, the next portion of batches raises it again."""
    passes = []
    batch = Memory.batch

    def swallowing(self, rows):
        passes.append(1)
        if len(passes) == 4:
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        return batch(self, rows)

    monkeypatch.setattr(Memory, "batch", swallowing)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
    try:
        with pytest.raises(KeyboardInterrupt), interruptible():
            run(suffix(), source, replace(PLAN, epochs=50))
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(passes) < 10
    assert len(run(suffix(), source).history) == PLAN.epochs, "an interrupt is answered once"


class TestDeadline:
    def test_after_the_deadline_one_batch_is_trained_and_evaluated(self, source):
        result = run(suffix(), source, replace(PLAN, epochs=50), deadline=time.monotonic() - 1)
        assert (result.stopped, len(result.history), result.best_epoch) == ("time", 1, 1)

    def test_it_stops_within_an_epoch(self, source, monkeypatch):
        """The clock jumps past the deadline at the second portion of the second epoch."""
        portions = []

        def clock(deadline):
            portions.append(1)
            return len(portions) >= 6  # three portions and an end of epoch, then two more

        monkeypatch.setattr(feed_module, "CHUNK_STEPS", 1)
        monkeypatch.setattr(module, "_is_past", clock)
        result = run(suffix(), source, replace(PLAN, epochs=50))
        assert (result.stopped, len(result.history)) == ("time", 2)
        assert len(portions) == 7

    def test_a_late_deadline_changes_nothing(self, source):
        with_deadline = run(suffix(), source, deadline=time.monotonic() + 3600)
        assert with_deadline.history == run(suffix(), source).history
        assert with_deadline.stopped == "epochs"


def drawn(batches, number):
    epoch = batches.epoch(number)
    return epoch.rows, epoch.shares


class TestBatches:
    def test_each_epoch_has_each_row_once_in_another_order(self):
        batches = Batches(TRAIN, 3, (1, 0))
        epochs = []
        for number in range(2):
            rows, shares = drawn(batches, number)
            assert rows.shape == shares.shape == (3, 8)
            epochs.append(rows[shares > 0])
            assert sorted(epochs[-1]) == TRAIN.tolist()
        assert epochs[0].tolist() != epochs[1].tolist()
        np.testing.assert_array_equal(Batches(TRAIN, 3, (1, 0)).epoch(1).rows, rows)
        assert Batches(TRAIN, 3, (2, 0)).epoch(1).rows.tolist() != rows.tolist()

    @pytest.mark.parametrize(("n", "steps"), [(24, 3), (23, 3), (25, 4), (5, 5), (3, 4)])
    def test_batches_are_of_nearly_equal_size(self, n, steps):
        rows, shares = drawn(Batches(np.arange(100, 100 + n), steps, (1,)), 0)
        sizes = (shares > 0).sum(axis=1)
        assert sizes.max() - sizes.min() <= 1
        np.testing.assert_allclose(shares.sum(axis=1), np.where(sizes > 0, 1.0, 0.0), rtol=1e-6)
        assert sorted(rows[shares > 0]) == list(range(100, 100 + n))

    def test_rows_of_similar_cost_share_a_batch_and_batches_are_shuffled(self):
        costs = np.random.default_rng(0).integers(1, 60, 100)
        batches = Batches(np.arange(96), 12, (1,), costs)
        orders = []
        for number in range(2):
            rows, shares = drawn(batches, number)
            assert sorted(rows[shares > 0]) == list(range(96))
            spans = sorted((costs[part].min(), costs[part].max()) for part in rows)
            assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
            orders.append([costs[part].min() for part in rows])
        assert orders[0] != sorted(orders[0])
        assert orders[0] != orders[1]


class TestRates:
    """Encoders have their own learning rate; rates rise and fall."""

    def model(self):
        cells = keras.Input((2, 4, 4, 3), name="image_cells")
        states = keras.Input((4, 4, 3))
        upper = ImageUpper(keras.Model(states, keras.layers.Conv2D(2, 1)(states)), 2, "x", ("image",), name="upper")
        vector = keras.layers.GlobalAveragePooling1D()(upper(cells))
        outputs = keras.layers.Dense(3, activation="softmax", name="head")(vector)
        return keras.Model({"image_cells": cells}, outputs)

    def train(self, model, plan):
        class Cells(Memory):
            def batch(self, rows):
                pixels = np.random.default_rng(0).normal(size=(36, 2, 4, 4, 3)).astype(np.float32)
                return {"image_cells": (pixels + self.labels[:, None, None, None, None])[rows]}

        run(model, Cells(), plan)

    @pytest.mark.parametrize(("still", "moved"), [("upper", "head"), ("head", "upper")])
    def test_each_part_has_its_rate(self, still, moved):
        keras.utils.set_random_seed(1)
        model = self.model()
        before = {name: [w.copy() for w in model.get_layer(name).get_weights()] for name in (still, moved)}
        rates = {"learning_rate": 0.1, "encoder_rate": 1e-9}
        if still == "head":
            rates = {"learning_rate": 1e-9, "encoder_rate": 0.1}
        self.train(model, replace(PLAN, epochs=1, **rates))
        changes = {
            name: max(np.abs(a - b).max() for a, b in zip(old, model.get_layer(name).get_weights(), strict=True))
            for name, old in before.items()
        }
        assert changes[still] < 1e-6 < 1e-2 < changes[moved]

    def test_rates_rise_and_fall_to_zero(self, monkeypatch):
        factors = []
        apply = AdamW.apply
        monkeypatch.setattr(
            AdamW,
            "apply",
            lambda self, gradients, each: (factors.append(float(each)), apply(self, gradients, each)),
        )
        self.train(self.model(), replace(PLAN, epochs=2, warm_up=0.5))
        np.testing.assert_allclose(factors, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3, 0], atol=1e-6)
        factors.clear()
        self.train(self.model(), replace(PLAN, epochs=2, options=Options(schedule="cosine")))
        np.testing.assert_allclose(factors, 0.5 + 0.5 * np.cos(np.pi * np.arange(1, 7) / 6), atol=1e-6)


class TestFolds:
    FOLDS = (Fold(np.arange(0, 24), np.arange(24, 36)), Fold(np.arange(10, 36), np.arange(0, 10)))

    def train(self, source, plan=PLAN, folds=FOLDS):
        models = [suffix(seed) for seed in range(1, len(folds) + 1)]
        keras.utils.set_random_seed(1)
        return models, train(models, folds, source, source.labels, plan)

    def test_training_folds_one_after_the_other_gives_the_same(self, source):
        results = []
        for together in (True, False):
            models = [suffix(seed) for seed in (1, 2)]
            keras.utils.set_random_seed(1)
            told = []
            results.append(
                train(
                    models,
                    self.FOLDS,
                    source,
                    source.labels,
                    PLAN,
                    together=together,
                    progress=lambda *done, told=told: told.append(done),
                )
            )
            assert [done for done, _ in told] == sorted(done for done, _ in told)
            assert told[-1][0] == told[-1][1], "progress does not end at its end"
        np.testing.assert_allclose(results[0].probabilities, results[1].probabilities, atol=1e-5)

    def test_each_row_is_predicted_by_the_model_that_was_not_trained_on_it(self, source):
        models, result = self.train(source, replace(PLAN, epochs=6, learning_rate=0.05))
        expected = [predict(model, source, fold.validation) for model, fold in zip(models, self.FOLDS, strict=True)]
        np.testing.assert_allclose(result.probabilities, np.concatenate(expected), atol=1e-6)
        assert result.validation == pytest.approx(
            PLAN.task.measure(source.labels[validation_rows(self.FOLDS)], result.probabilities), abs=1e-6
        )

    def test_models_in_one_graph_are_independent(self, source):
        """Without dropout, which draws from one generator a model, a fold alone learns the same weights."""
        still = replace(PLAN, epochs=3, patience=10)

        def made(seed):
            keras.utils.set_random_seed(seed)
            return baselines.fused(SHAPES, {**SMALL, "label/dropout": 0.0})

        together = [made(1), made(2)]
        even = (self.FOLDS[0], Fold(np.arange(12, 36), np.arange(0, 12)))
        train(together, even, source, source.labels, still)
        alone = made(1)
        train([alone], even[:1], source, source.labels, still)
        # Which epoch is the best may differ, so compare after training on the same number of updates.
        for left, right in zip(together[0].get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_allclose(left, right, atol=1e-5)

    def test_no_validation_row_trains_its_own_model(self, source):
        """Labels of fold 1's validation rows turned round change what model 2 learns, and not model 1."""
        models, _ = self.train(source, replace(PLAN, epochs=1))
        source.labels[24:] = (source.labels[24:] + 1) % 3
        others, _ = self.train(source, replace(PLAN, epochs=1))
        for left, right in zip(models[0].get_weights(), others[0].get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)
        assert any(
            (left != right).any() for left, right in zip(models[1].get_weights(), others[1].get_weights(), strict=True)
        )


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adamw_agrees_with_keras(decay):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(20, 5, 3)).astype(np.float32)
    ours, theirs = keras.Variable(start), keras.Variable(start)
    reference = keras.optimizers.AdamW(0.01, weight_decay=decay)
    reference.build([theirs])
    fused = AdamW([ours], [0.01], decay)
    for gradient in gradients:
        fused.apply([keras.ops.convert_to_tensor(gradient)], 1.0)
        reference.apply([keras.ops.convert_to_tensor(gradient)], [theirs])
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5)


def test_adamw_decays_no_bias_and_changes_no_variable_without_gradient():
    bias, still = keras.Variable(np.ones(3, np.float32)), keras.Variable(np.ones((2, 2), np.float32))
    AdamW([bias, still], [0.5, 0.5], 0.9).apply([keras.ops.zeros(3), None], 1.0)
    np.testing.assert_array_equal(bias.numpy(), 1.0)
    np.testing.assert_array_equal(still.numpy(), 1.0)


class TestClassWeights:
    def test_formula(self):
        labels = np.array([0] * 8 + [1] * 2 + [2] * 5)
        weights = row_weights(labels, np.arange(10), 3)  # the rows of class 2 are not trained on
        assert weights.shape == (15,)
        assert weights[:10].mean() == pytest.approx(1.0)
        assert weights[8] / weights[0] == pytest.approx(2.0)  # the root of 8 / 2
        assert np.isfinite(weights).all()

    def test_equal_classes_have_weight_one(self):
        np.testing.assert_allclose(row_weights(np.arange(9) % 3, np.arange(9), 3), 1.0)

    @pytest.mark.parametrize(("how", "ratio"), [("none", 1.0), ("square_root", 2.0), ("inverse", 4.0)])
    def test_weights_of_a_rare_class(self, how, ratio):
        labels = np.array([0] * 8 + [1] * 2)
        weights = row_weights(labels, np.arange(10), 2, how)
        assert weights.mean() == pytest.approx(1.0)
        assert weights[8] / weights[0] == pytest.approx(ratio)

    def test_class_weights_work_in_a_graph(self, source, monkeypatch):
        """Features without information: the model can only learn the frequencies of the classes."""
        source.labels[:] = 0
        source.labels[::6] = 1
        for name in ("text", "image"):
            source.arrays[name][:] = 0
        source.arrays["image_mask"][:] = 0
        falling = iter(range(100, 0, -1))  # the last epoch is the best, so that its weights are kept
        monkeypatch.setattr(
            type(PLAN.task), "measure", lambda *_: {"accuracy": 0.5, "macro_f1": 0.5, "loss": float(next(falling))}
        )
        rare = {}
        for weights in ("none", "square_root"):
            model = suffix()
            run(model, source, replace(PLAN, epochs=20, learning_rate=0.1, options=Options(class_weights=weights)))
            rare[weights] = float(predict(model, source, TRAIN[:1])[0, 1])
        assert rare["none"] == pytest.approx(1 / 6, abs=0.08)
        assert rare["square_root"] > rare["none"] + 0.08


def test_packed_training_is_the_same_training(source):
    plain, packed = suffix(), suffix(build=baselines.packed_concatenation)
    layout = packed_layout(packed)

    def convert(batch):
        return pack(batch, layout)

    one, two = run(plain, source), run(packed, source, convert=convert)
    for left, right in zip(one.history, two.history, strict=True):
        assert left == pytest.approx(right, abs=1e-5)
    np.testing.assert_allclose(
        predict(packed, source, VALIDATION, convert=convert), predict(plain, source, VALIDATION), atol=1e-5
    )


class TestPredict:
    def test_the_batch_size_does_not_matter(self, source):
        model = suffix()
        whole = predict(model, source, VALIDATION)
        assert whole.shape == (12, 3)
        np.testing.assert_allclose(predict(model, source, VALIDATION, batch_size=5), whole, atol=1e-6)
        np.testing.assert_allclose(predict(model, source, VALIDATION[::-1])[::-1], whole, atol=1e-6)

    def test_no_dropout(self, source):
        model = suffix()
        np.testing.assert_array_equal(predict(model, source, TRAIN), predict(model, source, TRAIN))

    def test_a_whole_model_in_graph_mode(self):
        from automm.models.encoders.sources import image_source, text_source
        from automm.models.whole import compiled, compose

        text = text_source("tiny-bert", lambda size: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good"]).build()
        image = image_source("tiny-cnn").build()
        part = baselines.fused(Shapes(16, 16, 1, 3, head="softmax"), SMALL)
        whole = compose(part, layers_of(text, image, 4, 16), 1)
        rng = np.random.default_rng(0)
        raw = {
            **tokens(np.array([[2, 4, 3, 0]] * 5, np.int32)),
            "text_mask": np.ones(5, np.float32),
            "images": rng.integers(0, 256, (5, 1, 16, 16, 3), dtype=np.uint8),
            "image_mask": np.array([[1], [0], [1], [1], [0]], np.float32),
        }

        class Raw:
            def batch(self, rows):
                return {name: array[rows] for name, array in raw.items()}

        expected = np.asarray(whole(raw, training=False))
        for model in (whole, compiled(whole)):
            np.testing.assert_allclose(predict(model, Raw(), np.arange(5), batch_size=2), expected, atol=1e-6)
