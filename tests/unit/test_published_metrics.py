"""The published metrics are scikit-learn's, and what it has not is checked by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn import metrics

from automm.tasks.label_metrics import BINS, FEWEST_POSITIVES, calibration_error, equal_mass_bins
from automm.tasks.registry import TASKS

CLASSIFICATION, REGRESSION = TASKS["classification"], TASKS["regression"]
STARS = ("1", "2", "10")


def case(seed, classes=3, rows=200):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, rows)
    scores = rng.normal(size=(rows, classes)) + 1.2 * np.eye(classes)[targets]
    powers = np.exp(scores)
    return targets, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_labels_against_scikit_learn(classes):
    targets, answers = case(classes, classes)
    exact = answers.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)  # scikit-learn warns about sums of float32
    found = CLASSIFICATION.detailed(targets, exact, exact, [f"label {place}" for place in range(classes)])
    single = CLASSIFICATION.detailed(targets, answers, answers, [f"label {place}" for place in range(classes)])
    assert single.values == pytest.approx(found.values, abs=1e-6)
    predicted, every = exact.argmax(axis=1), range(classes)
    one_hot = np.eye(classes)[targets]
    expected = {
        "accuracy": metrics.accuracy_score(targets, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(targets, predicted),
        "macro_f1": metrics.f1_score(targets, predicted, average="macro"),
        "weighted_f1": metrics.f1_score(targets, predicted, average="weighted"),
        "auroc": metrics.roc_auc_score(one_hot, exact, average="macro"),
        "average_precision": metrics.average_precision_score(one_hot, exact, average="macro"),
        "log_loss": metrics.log_loss(targets, exact),
        "brier": metrics.brier_score_loss(targets, exact, labels=every),
    }
    assert {name: found.values[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert found.values["quadratic_kappa"] is None
    assert found.few_positives == []
    report = metrics.classification_report(targets, predicted, output_dict=True)
    for name, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score"), ("reviews", "support")):
        assert found.by_label[name] == pytest.approx([report[str(place)][theirs] for place in every], abs=1e-9)
    assert found.by_label["predicted"] == np.bincount(predicted, minlength=classes).tolist()


def test_metrics_of_labels_follow_the_decision_and_the_others_the_probabilities():
    targets, answers = case(0)
    decided = np.roll(answers, 1, axis=1)
    plain, other = (CLASSIFICATION.detailed(targets, answers, scores, STARS) for scores in (answers, decided))
    for name, metric in CLASSIFICATION.published.items():
        assert (plain.values[name] != other.values[name]) == metric.of_labels, name


@pytest.mark.parametrize(("name", "labels"), [("classification", STARS), ("regression", ())])
def test_a_task_computes_what_it_declares_whatever_the_order(name, labels):
    task = TASKS[name]
    targets, answers = case(1)
    if not labels:
        targets, answers = targets.astype(np.float32), answers[:, :1]
    found = task.detailed(targets, answers, answers, labels)
    assert found.values.keys() == task.published.keys()
    assert not set(task.metrics) - {"loss"} - set(task.published)
    assert all(isinstance(value, float) for value in found.values.values())
    order = np.random.default_rng(0).permutation(len(targets))
    shuffled = task.detailed(targets[order], answers[order], answers[order], labels)
    assert shuffled.values == pytest.approx(found.values, abs=1e-12)


def test_numbers_as_labels_have_a_kappa_in_their_order():
    targets, answers = case(2)
    names = ("10", "2", "1")
    predicted = answers.argmax(axis=1)
    found = CLASSIFICATION.detailed(targets, answers, answers, names).values["quadratic_kappa"]
    ranks = np.array([2, 1, 0])
    assert found == pytest.approx(metrics.cohen_kappa_score(ranks[targets], ranks[predicted], weights="quadratic"))
    shuffled = CLASSIFICATION.detailed(targets, answers, answers, ("2", "10", "1")).values["quadratic_kappa"]
    assert shuffled != pytest.approx(found)
    assert CLASSIFICATION.detailed(targets, answers, answers, ("1", "2", "nan")).values["quadratic_kappa"] is None
    same = np.zeros(20, np.int64), np.tile([0.8, 0.1, 0.1], (20, 1)).astype(np.float32)
    assert CLASSIFICATION.detailed(*same, same[1], names).values["quadratic_kappa"] is None


def test_labels_with_few_positives_are_listed_and_not_averaged():
    targets, answers = case(3, classes=4, rows=120)
    targets[targets == 2] = 0
    targets[: FEWEST_POSITIVES - 1] = 2
    labels = ["a", "b", "rare", "d"]
    found = CLASSIFICATION.detailed(targets, answers, answers, labels)
    assert found.few_positives == ["rare"]
    assert found.by_label["auroc"][2] is None
    others = [metrics.roc_auc_score(targets == place, answers[:, place]) for place in (0, 1, 3)]
    assert found.values["auroc"] == pytest.approx(np.mean(others), abs=1e-12)
    targets[FEWEST_POSITIVES - 1] = 2
    assert CLASSIFICATION.detailed(targets, answers, answers, labels).few_positives == []
    few = CLASSIFICATION.detailed(targets[:12], answers[:12], answers[:12], labels)
    assert few.values["auroc"] is None
    assert few.few_positives == labels


def test_an_absent_label_and_a_certain_mistake_have_figures():
    targets = np.array([0, 0, 1])
    answers = np.array([[0, 1, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    found = CLASSIFICATION.detailed(targets, answers, answers, STARS)
    assert np.isfinite(found.values["log_loss"])
    assert found.values["balanced_accuracy"] == pytest.approx(0.75)
    assert found.by_label["recall"] == [0.5, 1.0, 0.0]


def test_without_each_label_nothing_is_computed_label_by_label():
    targets, answers = case(4)
    found = CLASSIFICATION.detailed(targets, answers, answers, STARS, each_label=False)
    assert found.by_label == {}
    assert found.values["auroc"] is None
    assert found.values["macro_f1"] is not None


def test_numbers_against_scikit_learn():
    rng = np.random.default_rng(0)
    targets = rng.normal(50, 9, 80).astype(np.float32)
    answers = (targets + rng.normal(0, 3, 80)).astype(np.float32)[:, None]
    found = REGRESSION.detailed(targets, answers, answers, ()).values
    true, predicted = targets.astype(np.float64), answers[:, 0].astype(np.float64)
    assert found == pytest.approx(
        {
            "mae": metrics.mean_absolute_error(true, predicted),
            "rmse": metrics.root_mean_squared_error(true, predicted),
            "r2": metrics.r2_score(true, predicted),
            "spearman": spearmanr(true, predicted).statistic,
        },
        abs=1e-9,
    )
    constant = np.full_like(answers, 50.0)
    assert REGRESSION.detailed(targets, constant, constant, ()).values["spearman"] is None
    assert REGRESSION.detailed(targets[:1], answers[:1], answers[:1], ()).values["r2"] is None


class TestCalibrationError:
    def test_bins_have_equally_many_reviews_and_keep_equal_confidences_together(self):
        rng = np.random.default_rng(0)
        counts = np.bincount(equal_mass_bins(rng.random(600)))
        assert counts.tolist() == [600 // BINS] * BINS
        bins = equal_mass_bins(np.repeat([0.5, 0.9], [7, 93]))
        assert len(set(bins[7:])) == 1
        assert equal_mass_bins(rng.random(39)).tolist() == [0] * 39

    def test_an_overconfident_model_has_its_gap(self):
        right = np.arange(1000) % 10 < 7
        assert calibration_error(np.full(1000, 0.9), right) == pytest.approx(0.2)

    def test_a_calibrated_model_has_nearly_none(self):
        rng = np.random.default_rng(0)
        confidences = rng.uniform(0.4, 1, 50_000)
        assert calibration_error(confidences, rng.random(50_000) < confidences) < 0.01

    def test_gaps_of_bins_do_not_cancel(self):
        confidences = np.repeat([0.6, 0.8], 500)
        right = np.concatenate([np.arange(500) % 10 < 8, np.arange(500) % 10 < 6])
        assert calibration_error(confidences, right) == pytest.approx(0.2)
