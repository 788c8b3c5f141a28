"""The rule of the test split is the rule by which candidates are judged, unless `evaluation` says otherwise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from advice import advises, hear

from automm.config.experiment import resolve
from automm.data.manifest import parse_manifest
from automm.data.records.reviews import Dataset, Review
from automm.data.splitting.links import links_of
from automm.data.splitting.split import split_dataset
from automm.errors import DataError
from automm.search.setup import folds
from automm.search.setup.data import Loaded
from automm.search.setup.folds import folds_of, folds_wanted

COUNT = 60


def review(number: int, part: str | None = None) -> Review:
    one = Review(str(number), f"a text of its own, number {number}", (), "ab"[number % 2], None, part, f"r:{number}")
    return replace(one, time=float(number * 7 % COUNT))


def loaded(splits, parts=(None,) * COUNT) -> Loaded:
    content = {"name": "x", "records": "r.jsonl", "fields": {"text": "t", "label": "l"}, "splits": splits}
    reviews = [review(number, part) for number, part in enumerate(parts)]
    dataset = Dataset(parse_manifest(content, Path("manifest.yaml")), reviews, ("a", "b"), {})
    links = links_of(dataset, {})
    return Loaded(dataset, None, links, split_dataset(dataset, links), "")


@pytest.fixture
def experiment(tmp_path):
    return lambda evaluation="auto": resolve({"manifest": "m.yaml", "evaluation": evaluation}, tmp_path, name="test")


def assert_holdout(judging, data) -> None:
    (fold,) = judging.folds
    np.testing.assert_array_equal(fold.train, data.splits["train"])
    np.testing.assert_array_equal(fold.validation, data.splits["validation"])


def test_few_reviews_are_judged_in_five_folds(experiment):
    judging = folds_of(loaded({}), experiment())
    assert len(judging.folds) == 5
    assert judging.why == "candidates are judged on 5 folds of train and validation, linked reviews in one"
    assert judging.warning == ""


def test_many_reviews_are_judged_on_the_validation_split(experiment, monkeypatch):
    monkeypatch.setattr(folds, "FEW_REVIEWS", 40)
    data = loaded({})
    judging = folds_of(data, experiment())
    assert_holdout(judging, data)
    assert "train and validation have 51 reviews (40 or more)" in judging.why


def test_reviews_split_by_time_are_judged_on_a_later_part(experiment):
    data = loaded({"time": "when"})
    judging = folds_of(data, experiment())
    assert_holdout(judging, data)
    assert "which is later than train, as the test split is" in judging.why
    times = {name: [data.dataset.reviews[row].time for row in rows] for name, rows in data.splits.items()}
    assert max(times["train"]) < min(times["validation"])
    assert max(times["validation"]) < min(times["test"])


@advises("Set evaluation: auto in a new run")
def test_folds_on_a_time_split_are_made_on_request_with_a_warning(experiment):
    data = loaded({"time": "when"})
    judging = folds_of(data, experiment({"folds": 3}))
    assert len(judging.folds) == 3
    assert "mixes past and future" in judging.warning
    hear(judging.warning, "Set evaluation: auto in a new run")
    judging = folds_of(data, experiment("auto"))
    assert_holdout(judging, data)
    assert judging.warning == ""


PARTS = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10


def test_a_named_validation_split_is_the_one_that_candidates_are_judged_on(experiment):
    data = loaded({"column": "part"}, PARTS)
    judging = folds_of(data, experiment())
    assert_holdout(judging, data)
    assert judging.why == "candidates are judged on the validation split, which column 'part' names"
    judging = folds_of(data, experiment({"folds": 3}))
    assert (len(judging.folds), judging.warning) == (3, "")


def test_a_validation_split_drawn_from_train_is_not_a_named_one(experiment):
    parts = [part.replace("validation", "train") for part in PARTS]
    judging = folds_of(loaded({"column": "part", "validation": 0.2}, parts), experiment())
    assert len(judging.folds) == 5


@pytest.mark.parametrize("splits", [{}, {"time": "when"}])
def test_a_holdout_is_made_on_request(experiment, splits):
    data = loaded(splits)
    judging = folds_of(data, experiment("holdout"))
    assert_holdout(judging, data)
    assert judging.why.endswith("(evaluation: holdout)")


@advises("Set evaluation: holdout, or fewer folds")
def test_too_few_parts_for_folds_are_named(experiment):
    data = loaded({})
    reviews = [
        replace(one, group=f"g{['train', 'validation', 'test'].index(part)}")
        for part, rows in data.splits.items()
        for one in [data.dataset.reviews[row] for row in rows]
    ]
    dataset = replace(data.dataset, reviews=sorted(reviews, key=lambda one: int(one.id)))
    data = replace(data, dataset=dataset, links=links_of(dataset, {}))
    judging = folds_of(data, experiment())
    assert_holdout(judging, data)
    assert "have only 2 parts" in judging.why
    with pytest.raises(DataError, match="have only 2 parts") as caught:
        folds_of(data, experiment({"folds": 5}))
    hear(str(caught.value), "Set evaluation: holdout, or fewer folds")
    assert_holdout(folds_of(data, experiment("holdout")), data)
    assert len(folds_of(data, experiment({"folds": 2})).folds) == 2


def test_before_the_reviews_are_read_the_rule_is_said(experiment):
    rules = loaded({}).dataset.manifest.splits
    assert folds_wanted(experiment(), rules)[1].endswith("; on the validation split from 10,000 reviews on")
    assert folds_wanted(experiment({"folds": 3}), rules)[1].endswith("linked reviews in one")
