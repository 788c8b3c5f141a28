"""The model card: picture encoders, scores on folds, and how often the test split was read."""

import pytest

from automm.deliver.bundle import _members
from automm.deliver.card import model_card
from automm.tracking.run_folder import COMPLETED, KILLED, Candidate, Run

FROZEN, CNN = {"fusion/operator": "sum"}, {"image/source": "residual", "image/size": 32}
WEIGHTS = {"fingerprint": "f", "engine": "keras"}
SCORES = {"macro_f1": 0.5, "accuracy": 0.5, "loss": 1.0}


def card(**changed):
    about = {
        "reading": {"task": "classification", "fields": {}},
        "columns": {"medians": {}, "values": {"brand": ["acme"]}, "steps": 0},
        "experiment": "x",
        "candidate": "ensemble-002",
        "automm": "0",
        "run": "r",
        "labels": ["a", "b"],
        "inputs": {"max_images": 2, "sequence_length": 8, "image_size": 64},
        "encoders": {"text": WEIGHTS | {"name": "bert"}, "image": WEIGHTS | {"name": "lite"}},
        "parameters": 7,
        "hyperparameters": {"ensemble/trial-001": 0.5, "ensemble/trial-002": 0.5},
        "members": {},
        "objective": "val_macro_f1",
        "evaluation": "holdout",
        "validation": SCORES,
        "test": SCORES,
        "test_reads": 1,
        "folds": None,
        "data": {
            "name": "d",
            "fingerprint": "f" * 64,
            "reviews": {"train": 6, "validation": 2, "test": 2},
            "subsample": None,
        },
    }
    return model_card(about | changed)


def pictures_of(text):
    return next(line for line in text.splitlines() if line.startswith("- picture encoder"))


def test_an_ensemble_names_the_picture_encoder_of_each_member():
    both = pictures_of(card(members={"trial-001": FROZEN, "trial-002": CNN, "trial-003": CNN}))
    assert "`lite`, 64 pixels (in trial-001);" in both
    assert "(`residual`), 32 pixels (in trial-002, trial-003)" in both
    alone = pictures_of(card(members={"trial-002": CNN}))
    assert "residual" in alone
    assert "lite" not in alone
    assert pictures_of(card(members={"trial-001": FROZEN})) == "- picture encoder: `lite`, 64 pixels"


def test_the_licence_of_packaged_weights_is_named():
    named = card(encoders={"text": WEIGHTS | {"name": "mpnet-base"}, "image": WEIGHTS | {"name": "lite"}})
    assert "- text encoder: `mpnet-base`, at most 8 word pieces, weights under Apache-2.0\n" in named
    assert "- picture encoder: `lite`, 64 pixels\n" in named


def test_a_candidate_names_the_encoders_that_it_reads():
    texts = [WEIGHTS | {"name": name, "size": size} for name, size in (("bert", 8), ("e5", 12))]
    encoders = {"text": texts, "image": [WEIGHTS | {"name": "lite", "size": 64}]}

    def text_of(**point):
        text = card(encoders=encoders, hyperparameters=point)
        return next(line for line in text.splitlines() if line.startswith("- text encoder"))

    first, second = "`bert`, at most 8 word pieces", "`e5`, at most 12 word pieces"
    assert text_of() == f"- text encoder: {first}"
    assert text_of(**{"text/encoder": "e5"}) == f"- text encoder: {second}"
    assert text_of(**{"text/encoder": "all"}) == f"- text encoder: {first} and {second}"


def encoders_of(text):
    return [line.partition(" encoder: ")[2] for line in text.splitlines() if " encoder: " in line]


def test_a_card_names_no_encoder_that_the_model_does_not_read():
    bert, lite = "`bert`, at most 8 word pieces", "`lite`, 64 pixels"
    words = card(hyperparameters={"modalities": "words"}, words={"buckets": 2**16})
    assert encoders_of(words) == ["none", "none"]
    assert "the words of the text are read by their hashes" in words
    assert "hashes" not in card()
    assert encoders_of(card(hyperparameters={"modalities": "text"})) == [bert, "none"]
    assert encoders_of(card(hyperparameters={"modalities": "text+image"})) == [bert, lite]
    members = {"bag_of_words": {"modalities": "words"}, "text_only": {"modalities": "text"}}
    assert encoders_of(card(members=members)) == [bert, "none"]


def test_only_completed_candidates_are_members(tmp_path):
    run, ensemble = Run(tmp_path), Candidate("ensemble-002", "ensemble", COMPLETED)
    ensemble.hyperparameters = {"ensemble/trial-001": 0.25, "ensemble/trial-001-tuned": 0.75}
    for name, status, point in [
        ("trial-001", KILLED, {}),
        ("trial-001", COMPLETED, FROZEN),
        ("trial-002", COMPLETED, FROZEN),
        ("trial-001-tuned", COMPLETED, CNN),
    ]:
        run.append(Candidate(name, "trial", status, hyperparameters=point))
    assert _members(run, ensemble) == {"trial-001": FROZEN, "trial-001-tuned": CNN}
    assert _members(run, run.candidates()[0]) == {}


def folds(numbers, **more):
    one = dict.fromkeys(SCORES, 0.25)
    return {"folds": numbers, "frozen": False, "mean": one, "deviation": one, "failed": {}, **more}


def test_scores_on_all_folds():
    text = card(folds=folds([1, 2, 3]))
    assert "each of 3 folds" in text
    assert "macro-F1 0.250 ± 0.250" in text
    assert "encoders were frozen" not in text
    text = card(folds=folds([2, 3], frozen=True, failed={"1": "out of memory"}))
    assert "encoders were frozen" in text
    assert "Training failed on fold 1." in text
    for none in (None, folds([1], failed={"2": "out of memory"})):
        assert "folds" not in card(folds=none)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "was read once, after the choice"),
        ({"test_reads": 3}, "was read 3 times"),
        ({"test": None}, "was not scored on the test split"),
    ],
)
def test_how_often_the_test_split_was_read(changed, words):
    assert words in card(**changed)


def test_categories_in_the_text_are_named():
    columns = {"medians": {}, "values": {"brand": ["acme"], "kind": []}, "steps": 0}
    line = "- categories written into the text, a line each: `brand`, `kind`"
    assert line in card(columns=columns | {"categories": "text"})
    assert "written into the text" not in card(columns=columns)
