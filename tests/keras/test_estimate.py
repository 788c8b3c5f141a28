import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from advice import advises, hear
from small import SHAPES

from automm.config.experiment import resolve
from automm.models.encoders.sources import image_source, text_source
from automm.search.cost.estimate import disk_warning, estimate
from automm.search.setup.inputs import sizes_of
from automm.search.training.loop import Fold
from automm.tasks.registry import TASKS

FOLDS = 3
TEXT = text_source("tiny-bert", lambda size: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"])
IMAGE = image_source("tiny-cnn")


def setup(tmp_path, **settings):
    experiment = resolve({"manifest": "m.yaml", **settings}, tmp_path, name="test")
    fold = Fold(np.arange(320), np.arange(320, 400))
    encoders = {"sources": (TEXT, IMAGE), "sizes": sizes_of([TEXT, IMAGE], experiment.inputs, ["a"])}
    task = TASKS["classification"]
    manifest = SimpleNamespace(towers=lambda inputs: tuple(SHAPES.columns), task_object=task)
    return SimpleNamespace(
        experiment=experiment,
        folds=(fold,) * FOLDS,
        shapes=SHAPES,
        task=task,
        dataset=SimpleNamespace(manifest=manifest),
        **encoders,
    )


def test_more_trials_take_longer_and_the_budget_is_the_limit(tmp_path):
    few, many = (estimate(setup(tmp_path, budget={"trials": count})) for count in (5, 50))
    assert many.trials == pytest.approx(10 * few.trials)
    short = estimate(setup(tmp_path, budget={"trials": 50}), left=30.0)
    assert short.trials == 30
    assert short.tier2 == 0


def test_tier_2_takes_time_and_disk(tmp_path):
    with_it, without = (estimate(setup(tmp_path, tier2={"finalists": count})) for count in (2, 0))
    assert without.tier2 == 0 < with_it.tier2
    assert with_it.disk > without.disk
    assert "tier 2" in str(with_it)
    assert "tier 2" not in str(without)


def test_whole_sequences_take_longer(tmp_path):
    few, more = (
        estimate(setup(tmp_path, space={"fusion.operator": names}, budget={"trials": 5, "time": None}))
        for names in (["concatenation"], ["concatenation", "cross_attention"])
    )
    assert more.trials > 10 * few.trials


def test_words_take_disk_for_every_bucket_and_class(tmp_path):
    none, bag, wide = (
        estimate(setup(tmp_path, budget={"trials": 5}, **settings)).disk
        for settings in (
            {"baselines": ["majority"]},
            {"baselines": ["majority", "bag_of_words"]},
            {"baselines": ["majority"], "space": {"words.width": [0, 64]}},
        )
    )
    table = 4 * FOLDS * 2**16
    assert bag - none >= 2 * table * SHAPES.outputs
    assert wide - none >= 5 * table * 64


def test_every_other_fold_takes_the_same_time(tmp_path):
    none, one, four = (estimate(setup(tmp_path), folds) for folds in (0, 1, 4))
    assert none.folds == 0 < one.folds
    assert four.folds == pytest.approx(4 * one.folds)
    assert "finalists on other folds up to" in str(four)
    assert "folds" not in str(none)


def test_more_pixels_take_longer(tmp_path):
    asked = [{}, *({"image.source": ["frozen", "residual"], "image.size": size} for size in (32, [32, 64]))]
    frozen, small, large = (
        estimate(setup(tmp_path, space=space, budget={"trials": 5, "time": None})) for space in asked
    )
    assert large.trials > 2 * small.trials > 10 * frozen.trials
    assert large.tier2 > small.tier2 > frozen.tier2


@advises("Free disk space, or choose another folder with --runs-dir")
def test_a_disk_that_is_too_small_is_reported_with_a_fix(tmp_path, monkeypatch):
    wanted = estimate(setup(tmp_path))
    free = {"runs": wanted.disk - 1, "elsewhere": wanted.disk}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[folder]))
    hear(disk_warning(wanted, "runs"), "Free disk space, or choose another folder with --runs-dir")
    assert disk_warning(wanted, "elsewhere") == ""
    free["runs"] += 1
    assert disk_warning(wanted, "runs") == ""
