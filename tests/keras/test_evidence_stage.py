"""The parts of the evidence without training: ablated features, the choice of a recipe, and the stage with its time."""

from types import SimpleNamespace

import numpy as np
import pytest
from advice import advises, hear

from automm.config.experiment import Experiment
from automm.data.images.pixels.pixel_store import Pictures
from automm.data.inputs.arrays import Arrays, Tokens
from automm.data.inputs.input_sources import default_source
from automm.data.inputs.items import item_digests
from automm.errors import TrialError
from automm.search.evidence.ablation import Ablated, Arm, donors_of, folds_of_share
from automm.search.evidence.recipe import recipe_of
from automm.search.evidence.stage import INCOMPLETE, Section, gather_evidence, gather_in_budget, seconds_for_evidence
from automm.search.evidence.trainings import OutOfTime
from automm.search.features.encode import Texts
from automm.search.features.encoded import Features
from automm.search.ranking import Ranking
from automm.search.training.loop import Fold
from automm.tracking.run_folder import COMPLETED, Candidate, Run

COUNT = 40
TEXT, IMAGE = default_source("text", "t"), default_source("image", "i")


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(1)
    ids = np.arange(1, COUNT + 1, dtype=np.int32)[:, None]
    tokens = Tokens(ids, np.ones_like(ids))
    pictures = np.stack([np.arange(COUNT), np.where(np.arange(COUNT) % 2, np.arange(COUNT), -1)], axis=1)
    arrays = Arrays(
        ids=tuple(map(str, range(COUNT))),
        tokens={"t": tokens},
        text_mask=np.ones(COUNT, np.float32),
        pictures={
            "i": Pictures(np.zeros((COUNT, 4, 4, 3), np.uint8), item_digests([str(n).encode() for n in range(COUNT)]))
        },
        picture_rows=pictures.astype(np.int32),
        targets=np.arange(COUNT) % 2,
    )
    encoded = {source: rng.normal(size=(COUNT, 3)).astype(np.float32) for source in (TEXT, IMAGE)}
    names = (TEXT.name, TEXT.mask, IMAGE.name, IMAGE.mask)
    return Features(arrays, {"t": Texts.of(tokens)}, encoded, {}, {"text": "t", "image": "i"}, names)


def ablated(features, lost=(), shuffled="", donors=None):
    return Ablated.of(features, frozenset(lost), shuffled, np.arange(COUNT) if donors is None else donors)


ROWS = np.array([3, 8, 11])


def test_a_lost_modality_is_masked_and_the_others_are_not(features):
    before, after = features.batch(ROWS), ablated(features, ["image"]).only(features.names).batch(ROWS)
    assert not after[IMAGE.name].any()
    assert not after[IMAGE.mask].any()
    for name in (TEXT.name, TEXT.mask):
        np.testing.assert_array_equal(after[name], before[name])


def test_a_shuffled_modality_is_that_of_another_review_with_its_mask(features):
    donors = np.arange(COUNT)[::-1].copy()
    before, other = features.batch(ROWS), features.batch(donors[ROWS])
    after = ablated(features, shuffled="image", donors=donors).batch(ROWS)
    for name in (IMAGE.name, IMAGE.mask):
        np.testing.assert_array_equal(after[name], other[name])
        assert (after[name] != before[name]).any()
    for name in (TEXT.name, TEXT.mask):
        np.testing.assert_array_equal(after[name], before[name])


def test_a_place_is_masked_alone(features):
    from dataclasses import replace

    before, after = features.batch(ROWS), replace(ablated(features), place=0).batch(ROWS)
    assert not after[IMAGE.name][:, 0].any()
    assert not after[IMAGE.mask][:, 0].any()
    np.testing.assert_array_equal(after[IMAGE.name][:, 1], before[IMAGE.name][:, 1])
    assert features.batch(ROWS)[IMAGE.mask][:, 0].all(), "the features themselves have changed"


def setup_of(features, folds):
    units = np.repeat(np.arange(COUNT // 2), 2)
    return SimpleNamespace(features=features, units=units, folds=folds, experiment=SimpleNamespace(seed=1))


@pytest.mark.parametrize("count", [1, 2])
def test_modalities_are_exchanged_within_what_is_judged_together_and_never_with_the_test_split(features, count):
    first, second, test = np.arange(14), np.arange(14, 30), np.arange(30, COUNT)
    folds = [Fold(first, second), Fold(second, first)][:count]
    setup = setup_of(features, folds)
    donors = donors_of(setup, 1)
    for rows in (first, second):
        np.testing.assert_array_equal(np.sort(donors[rows]), rows)
        assert (setup.units[donors[rows]] != setup.units[rows]).all()
    np.testing.assert_array_equal(donors[test], test)
    np.testing.assert_array_equal(donors_of(setup, 1), donors)
    assert (donors_of(setup, 2) != donors).any()


def test_a_unit_that_a_share_lacks_in_one_fold_is_lacking_in_the_others(features):
    parts = np.split(np.arange(36), 3)
    folds = [Fold(np.setdiff1d(np.arange(36), part), part) for part in parts]
    some = folds_of_share(setup_of(features, folds), 1, 0.5)
    for fold, whole in zip(some, folds, strict=True):
        np.testing.assert_array_equal(fold.validation, whole.validation)
        assert len(fold.train) == 12
    both = np.intersect1d(folds[0].train, folds[1].train)
    np.testing.assert_array_equal(np.intersect1d(some[0].train, both)[:4], np.intersect1d(some[1].train, both)[:4])


def test_the_names_of_arms_differ():
    arms = [
        Arm(1),
        Arm(2),
        Arm(1, frozenset(["text"])),
        Arm(1, frozenset(["text", "history"])),
        Arm(1, shuffled="text"),
        Arm(1, frozenset(["text"]), share=0.125),
        Arm(1, share=0.125),
    ]
    assert len({arm.name for arm in arms}) == len(arms)


def candidate(name, score, kind="trial", point=None, **more):
    history = [] if kind == "ensemble" or "logistic" in name else [{"loss": 1.0}]
    return Candidate(name, kind, COMPLETED, hyperparameters=point or {}, score=score, history=history, **more)


FUSED = {"fusion/operator": "concatenation"}
CANDIDATES = [
    candidate("text_only", 0.9, "baseline"),
    candidate("trial-001", 0.7),
    candidate("trial-002", 0.8),
    candidate("concatenation", 0.6, "baseline", FUSED),
    candidate("logistic_both", 0.95, "baseline"),
    candidate("trial-001-tuned", 0.85, "fine-tuned", FUSED, tier=2),
    candidate("ensemble-002", 0.96, "ensemble", {"ensemble/logistic_both": 0.5, "ensemble/trial-001": 0.5}),
]


@pytest.mark.parametrize(
    ("choice", "recipe", "why"),
    [
        ("trial-001", "trial-001", ""),
        ("concatenation", "concatenation", ""),
        ("ensemble-002", "trial-001", "trial-001, the best single neural member of ensemble-002"),
        ("trial-001-tuned", "trial-001", "trial-001, the head on frozen features of trial-001-tuned"),
        ("text_only", "trial-002", "trial-002, the best head that reads all modalities; text_only is none"),
        ("logistic_both", "trial-002", "trial-002, the best head that reads all modalities; logistic_both is none"),
    ],
)
def test_the_recipe_of_a_choice(tmp_path, choice, recipe, why):
    experiment = Experiment(manifest=tmp_path / "m.yaml")
    search = SimpleNamespace(ranking=Ranking(experiment, CANDIDATES), candidates=CANDIDATES)
    found = recipe_of(search, choice)
    assert (found.candidate.name, found.why) == (recipe, why)


def test_without_a_head_that_reads_all_there_is_no_recipe(tmp_path):
    few = [CANDIDATES[0]]
    search = SimpleNamespace(ranking=Ranking(Experiment(manifest=tmp_path / "m.yaml"), few), candidates=few)
    with pytest.raises(TrialError, match="no completed candidate is a head that reads all modalities"):
        recipe_of(search, "text_only")


@pytest.fixture
def search(tmp_path, caplog):
    folder = tmp_path / "runs" / "tiny" / "20260101"
    folder.mkdir(parents=True)
    run = Run(folder)
    run.write("result.json", {"best": "trial-001", "kept": 1})
    said: list[str] = []
    reporter = SimpleNamespace(stage=said.append, step=lambda *step: None)
    caplog.set_level("INFO", "automm")
    return SimpleNamespace(run=run, reporter=reporter, budget=SimpleNamespace(end=None), said=said)


def section(name, answer, needed=0.0):
    """A section whose answer is an entry, or an error."""

    def compute(stage):
        computed.append(name)
        if isinstance(answer, Exception):
            raise answer
        assert set(written) <= set(stage.search.run.read("result.json").get("evidence", {}))
        written.append(name)
        return answer

    return Section(name, compute, None if needed is None else lambda stage: needed)


computed: list[str] = []
written: list[str] = []


@pytest.fixture(autouse=True)
def nothing_computed():
    computed.clear()
    written.clear()


@advises("Run automm evidence %s")
def test_what_does_not_fit_is_named_and_computed_later(search, caplog):
    sections = [
        section("quick", {"value": 1}),
        section("long", {"value": 2}, needed=100.0),
        section("ended", OutOfTime("seed-1 takes about 30 s, and 5 s are left")),
        section("refused", TrialError("no head")),
        section("part", {"value": 3, INCOMPLETE: "1 of 2 seeds"}),
    ]
    gather_evidence(search, sections, 50.0)
    result = search.run.read("result.json")
    assert result["kept"] == 1
    assert result["evidence"]["quick"] == {"value": 1}
    assert set(result["evidence"]) == {"quick", "part", "left_out", "seconds"}
    left_out = result["evidence"]["left_out"]
    assert left_out["long"] == "takes about 2 min, and 50 s are left"
    assert left_out["ended"] == "seed-1 takes about 30 s, and 5 s are left"
    assert (left_out["refused"], left_out["part"]) == ("no head", "1 of 2 seeds")
    assert set(result["evidence"]["seconds"]) == {one.name for one in sections}
    assert f"Run automm evidence {search.run.name} --runs-dir {search.run.folder.parents[1]}" in caplog.text
    hear(caplog.text, "Run automm evidence %s")

    computed.clear()
    written.clear()
    gather_evidence(search, [*sections[:2], section("part", {"value": 4})], None)
    assert computed == ["long", "part"]
    evidence = search.run.read("result.json")["evidence"]
    assert (evidence["long"], evidence["part"]) == ({"value": 2}, {"value": 4})
    assert set(evidence["left_out"]) == {"ended", "refused"}


def test_a_section_that_fails_is_recorded_and_the_next_is_computed(search, caplog):
    gather_evidence(search, [section("broken", ValueError("a bug")), section("next", {"value": 1})], None)
    evidence = search.run.read("result.json")["evidence"]
    assert evidence["left_out"] == {"broken": "failed: ValueError: a bug"}
    assert evidence["next"] == {"value": 1}
    assert "Traceback" in caplog.text


def settings(tmp_path, **more):
    return SimpleNamespace(experiment=Experiment(manifest=tmp_path / "m.yaml", **more))


def test_the_share_of_the_budget(search, tmp_path, monkeypatch):
    limited = settings(tmp_path, budget={"time": "1h"}, evidence=0.2).experiment
    assert seconds_for_evidence(limited, 80.0) == pytest.approx(20.0), "a fifth of all seconds"
    assert seconds_for_evidence(limited, 3000.0) == 720.0, "at most a fifth of the limit"
    unlimited = settings(tmp_path, budget={"time": None}, evidence=0.2)
    assert seconds_for_evidence(unlimited.experiment, 80.0) == pytest.approx(20.0), "a fifth of all seconds"
    given = []
    monkeypatch.setattr(
        "automm.search.evidence.stage.gather_evidence", lambda search, sections, seconds: given.append(seconds)
    )
    search.setup = settings(tmp_path, budget={"time": "1h"})
    gather_in_budget(search, [], 3400.0)
    search.budget.end = 0.0  # the finalists took longer than was kept
    gather_in_budget(search, [], 3400.0)
    assert given == [540.0, 0.0]


def test_without_a_share_only_what_takes_a_moment_is_computed(search, tmp_path):
    search.setup = settings(tmp_path, evidence=0)
    gather_in_budget(search, [section("long", {"value": 1}, 9.0), section("quick", {"value": 2}, None)], 30.0)
    evidence = search.run.read("result.json")["evidence"]
    assert (computed, evidence["quick"], evidence["left_out"]) == (["quick"], {"value": 2}, {})


def test_ctrl_c_ends_the_evidence_and_not_the_search(search, tmp_path, caplog):
    search.setup = settings(tmp_path)

    def interrupted(stage):
        raise KeyboardInterrupt

    gather_in_budget(search, [section("first", {"value": 1}), Section("second", interrupted)], 30.0)
    assert "The evidence is interrupted, and the search is complete. Run automm evidence" in caplog.text
    assert search.run.read("result.json")["evidence"]["first"] == {"value": 1}
    gather_evidence(search, [section("first", {"value": 1}), section("second", {"value": 2})], None)
    assert computed == ["first", "second"]
