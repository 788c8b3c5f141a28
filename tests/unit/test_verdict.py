"""What a search has not shown, on arrays of answers: folds that differ, too few units, a choice like a constant."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from automm.data.records.review import Review
from automm.data.splitting.links import link_reviews
from automm.search.finalists.verdict import (
    Answers,
    by_fold,
    differing_folds,
    on_constant,
    on_folds,
    on_units,
    verdict_of,
)
from automm.tasks.registry import TASKS
from automm.tracking.judged_rows import JudgedRows

TASK, CLASSES = TASKS["classification"], 3


def answers(rng, targets, accuracy) -> np.ndarray:
    """(n, classes): the right class with a probability, (n,) or one for all."""
    right = rng.random(len(targets)) < accuracy
    return np.eye(CLASSES)[np.where(right, targets, (targets + rng.integers(1, CLASSES, len(targets))) % CLASSES)]


def grouped(rng, groups: int, size: int, spread: float, folds: int = 5):
    """Targets, answers, folds and units; the accuracy of a group varies, and so do the sizes of the groups."""
    sizes = np.maximum(1, rng.lognormal(np.log(size), 0.8, groups).astype(int))
    fold_of = np.empty(groups, np.int64)
    fold_of[np.argsort(-sizes)] = np.arange(groups) % folds
    units = np.repeat(np.arange(groups), sizes)
    targets = rng.integers(0, CLASSES, len(units))
    accuracy = 1 / (1 + np.exp(-0.5 - spread * rng.normal(size=groups)))
    return targets, answers(rng, targets, accuracy[units]), fold_of[units] + 1, units


@pytest.mark.parametrize(
    ("groups", "size", "spread"), [(400, 1, 0.0), (60, 20, 0.0), (60, 20, 1.0), (12, 60, 0.0)], ids=str
)
def test_folds_of_equal_quality_are_seldom_named(groups, size, spread):
    rng, named = np.random.default_rng(0), 0
    for _ in range(100):
        targets, given, folds, units = grouped(rng, groups, size, spread)
        chance = np.arange(len(units)) if groups < 50 else units
        named += bool(differing_folds(TASK, "macro_f1", targets, given, folds, chance, rng, samples=19))
    assert named <= 10  # 5 are expected; 11 or more have a probability of 1 %


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy", "loss"])
def test_a_fold_that_differs_is_named(metric):
    rng = np.random.default_rng(0)
    targets, folds = rng.integers(0, CLASSES, 500), np.repeat(np.arange(1, 6), 100)
    given = answers(rng, targets, np.where(folds == 3, 0.4, 0.8))
    assert differing_folds(TASK, metric, targets, given, folds, np.arange(500), rng) == [3]


def test_copies_of_one_review_are_not_evidence():
    rng, named = np.random.default_rng(0), {"units": 0, "rows": 0}
    for _ in range(60):
        targets, given, folds, units = grouped(rng, 60, 1, 0.0)
        copied = np.repeat(np.arange(len(units)), 10)  # ten copies of each review
        ten = targets[copied], given[copied], folds[copied]
        named["units"] += bool(differing_folds(TASK, "accuracy", *ten, copied, rng, samples=19))
        named["rows"] += bool(differing_folds(TASK, "accuracy", *ten, np.arange(len(copied)), rng, samples=19))
    assert named["units"] <= 8
    assert named["rows"] >= 40


def judged(folds, units, targets) -> JudgedRows:
    return JudgedRows(np.array([f"r{n}" for n in range(len(units))]), targets, units, folds)


def test_folds_of_few_groups_that_differ_are_named_with_each_score():
    """Each fold has two groups; those of one fold are hard."""
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(10), 80)
    folds, targets = units // 2 + 1, rng.integers(0, CLASSES, 800)
    given = answers(rng, targets, np.where(folds == 2, 0.3, 0.7))
    found = by_fold(TASK, "macro_f1", judged(folds, units, targets), given, np.arange(800), rng)
    assert (found["differ"], found["chance"], found["units"], found["reviews"]) == ([2], "reviews", [2] * 5, [160] * 5)
    for fold, value in zip(found["folds"], found["scores"], strict=True):
        assert value == TASK.measure(targets[folds == fold], given[folds == fold])["macro_f1"]
    (sentence,) = on_folds(TASK, found)
    scores = ", ".join(f"{value:.3f}" for value in found["scores"])
    assert sentence == (
        f"fold 2 differs by more than chance (macro-F1 of the folds: {scores}): the groups differ, and new groups may "
        "differ as much"
    )
    assert on_folds(TASK, {**found, "differ": []}) == []
    assert on_folds(TASK, {**found, "differ": [1, 4], "chance": "units"}) == [
        f"folds 1, 4 differ by more than chance (macro-F1 of the folds: {scores})"
    ]


def test_with_many_units_chance_is_that_of_the_units():
    rng = np.random.default_rng(0)
    targets, given, folds, units = grouped(rng, 80, 10, 0.0)
    assert by_fold(TASK, "loss", judged(folds, units, targets), given, units, rng)["chance"] == "units"


def test_few_units_without_groups_have_no_other_chance():
    rng = np.random.default_rng(0)
    targets, given, folds, units = grouped(rng, 30, 2, 0.0)
    assert by_fold(TASK, "loss", judged(folds, units, targets), given, units, rng)["chance"] == "units"


def test_few_units_are_too_few_to_say():
    assert on_units(np.arange(10)) == []
    (sentence,) = on_units(np.repeat(np.arange(9), 200))
    assert sentence.startswith("the 1,800 judged reviews are only 9 independent units")
    assert sentence.endswith("too few to say how the choice does on new ones")


def part(rng, accuracy, count=300, groups=None) -> Answers:
    targets = np.where(rng.random(count) < 0.6, 0, rng.integers(1, CLASSES, count))
    constant = np.broadcast_to([0.6, 0.2, 0.2], (count, CLASSES))
    units = np.arange(count) % (groups or count)
    return Answers("the test split", targets, answers(rng, targets, accuracy), constant, units)


def test_a_choice_like_the_majority_class_is_said_to_be_so():
    sentence = on_constant(TASK, "accuracy", part(np.random.default_rng(0), 0.6))
    assert sentence.startswith("on the test split the choice is not told apart from the majority class in accuracy ")
    assert "), but better in macro-F1 +0." in sentence
    assert sentence.count("95 % interval") == 2
    assert on_constant(TASK, "accuracy", part(np.random.default_rng(0), 0.9)) == ""
    worse = on_constant(TASK, "accuracy", part(np.random.default_rng(0), 0.3))
    assert worse.startswith("on the test split the choice is worse than the majority class in accuracy -0.")


@pytest.mark.parametrize("objective", ["macro_f1", "accuracy", "loss"])
def test_the_metric_of_the_objective_decides(objective):
    """A rare class is found, at the price of mistakes with the frequent one: macro-F1 gains and accuracy loses."""
    rng = np.random.default_rng(0)
    targets = (rng.random(1000) < 0.1).astype(int)
    found = np.where(targets == 1, rng.random(1000) < 0.8, rng.random(1000) < 0.15).astype(int)
    constant = np.broadcast_to([0.9, 0.1], (1000, 2))
    sentence = on_constant(TASK, objective, Answers("them", targets, np.eye(2)[found], constant, np.arange(1000)))
    if objective == "macro_f1":
        assert sentence.startswith("on them the choice is better than the majority class in macro-F1 +0.2")
        assert "), but not better in accuracy -0." in sentence
    else:
        assert sentence.startswith(f"on them the choice is worse than the majority class in {objective} ")
        assert "), but better in macro-F1 +0.2" in sentence
        assert ("), and not better in accuracy -0." in sentence) == (objective == "loss")


def test_of_few_units_there_is_no_interval():
    sentence = on_constant(TASK, "macro_f1", part(np.random.default_rng(0), 0.9, groups=8))
    assert "not told apart from the majority class in macro-F1 +0." in sentence
    assert "(8 units are too few for an interval), and not better in accuracy" in sentence


def test_numbers_are_compared_with_a_constant():
    rng = np.random.default_rng(0)
    targets = rng.normal(size=200).astype(np.float32)
    constant = np.zeros((200, 1), np.float32)
    near = (targets + rng.normal(0, 0.3, 200))[:, None]
    one = Answers("the test split", targets, near, constant, np.arange(200))
    assert on_constant(TASKS["regression"], "mae", one) == ""
    far = on_constant(TASKS["regression"], "mae", replace(one, choice=rng.normal(0, 2, (200, 1))))
    assert far.startswith("on the test split the choice is worse than a constant answer in MAE +")


class Setup(SimpleNamespace):
    """The parts of a `Setup` that a verdict reads."""

    def rows(self, split: str) -> np.ndarray:
        return self.splits[split]


def setup_of(targets, folds, units, test, task=TASK) -> Setup:
    rows = np.flatnonzero(~test)
    pairs = [
        SimpleNamespace(train=rows[folds[rows] != one], validation=rows[folds[rows] == one])
        for one in np.unique(folds[rows])
    ]
    order = np.concatenate([pair.validation for pair in pairs])
    return Setup(
        task=task,
        outputs=CLASSES,
        folds=tuple(pairs),
        units=units,
        arrays=SimpleNamespace(targets=targets),
        splits={"test": np.flatnonzero(test)},
        judged_rows=judged(folds[order], units[order], targets[order]),
        experiment=SimpleNamespace(seed=1, objective="val_macro_f1"),
    )


def linked(units):
    reviews = [Review(str(n), f"text number {n}", (), "a", f"g{unit}", None, "r:1") for n, unit in enumerate(units)]
    return link_reviews(reviews, {})


def test_the_verdict_on_few_groups():
    """The groups of one fold are hard, and the choice is not better than the majority class on the test split."""
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(8), 60)
    folds = np.minimum(units, 4) + 1
    test = units > 4
    targets = np.where(rng.random(480) < 0.6, 0, rng.integers(1, CLASSES, 480))
    given = answers(rng, targets, np.where(test, 0.5, np.where(units == 1, 0.2, 0.9)))
    setup = setup_of(targets, folds, units, test)
    order = np.concatenate([fold.validation for fold in setup.folds])
    found = verdict_of(setup, linked(units), given[order], given[test])
    assert found["by_fold"]["differ"] == [2]
    assert [sentence.split(" ")[0:3] for sentence in found["verdict"]] == [
        ["the", "300", "judged"],
        ["fold", "2", "differs"],
        ["on", "the", "judged"],
        ["on", "the", "test"],
    ]
    assert verdict_of(setup, linked(units), None, given[test])["by_fold"] is None
    assert len(verdict_of(setup, linked(units), given[order][:60], given[test])["verdict"]) == 1


def test_a_good_choice_on_a_validation_split_needs_no_words():
    rng = np.random.default_rng(0)
    targets, units = rng.integers(0, CLASSES, 400), np.arange(400)
    test = units >= 300
    setup = setup_of(targets, np.ones(400, np.int64), units, test)
    setup.folds = (SimpleNamespace(train=np.arange(200), validation=np.arange(200, 300)),)
    setup.judged_rows = judged(np.ones(100, np.int64), units[200:300], targets[200:300])
    given = answers(rng, targets, 0.9)
    assert verdict_of(setup, linked(units), given[200:300], given[test]) == {"by_fold": None, "verdict": []}
