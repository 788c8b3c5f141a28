"""The evidence of a tiny search: in its budget, later, resumed; no candidate, and no look at the test split."""

import json

import pytest

from automm.evaluate.evidence.worth import HELPS, LESS, UNDECIDED
from automm.search.evidence.later import complete_evidence
from automm.search.evidence.trainings import Trainings
from automm.search.setup.data import Setup

pytestmark = pytest.mark.usefixtures("eager")

SETTINGS = ("training.epochs=1", "budget.trials=1", "baselines=[concatenation]", "evaluation={folds: 2}")


@pytest.fixture(autouse=True)
def two_shares(monkeypatch):
    monkeypatch.setattr("automm.search.evidence.learning_curve.shares_of", lambda units: (0.5, 1.0))


@pytest.fixture
def trained(monkeypatch):
    """The names of the arms that were trained, in order."""
    names: list[str] = []
    train = Trainings._train

    def counted(self, arm, path):
        train(self, arm, path)
        names.append(arm.name)

    monkeypatch.setattr(Trainings, "_train", counted)
    return names


def test_evidence_is_computed_after_the_search_and_is_no_candidate(search, tiny, reporter, trained, monkeypatch):
    run = search(*SETTINGS)
    before, result = run.candidates(), run.read("result.json")
    assert set(result.pop("evidence")) == {*("metrics", "comparisons", "confidence", "course"), "left_out", "seconds"}
    assert trained == [], "its share is 0"
    rows = Setup.rows

    def seen(setup, split):
        assert split != "test", "the test split is read"
        return rows(setup, split)

    monkeypatch.setattr(Setup, "rows", seen)
    interrupted = Trainings._train

    def interrupt(self, arm, path):
        if len(trained) == 7:
            raise KeyboardInterrupt
        interrupted(self, arm, path)

    with monkeypatch.context() as patch:
        patch.setattr(Trainings, "_train", interrupt)
        with pytest.raises(KeyboardInterrupt):
            complete_evidence(run, tiny(*SETTINGS), reporter)
    complete_evidence(run, tiny(*SETTINGS), reporter)
    arms = ["", "without-text-", "shuffled-text-", "without-image-", "shuffled-image-"]
    halves = ["without-image-share-0.5-", "without-text-share-0.5-", "share-0.5-"]
    assert trained == [f"{arm}seed-{seed}" for group in (arms, halves) for seed in (1, 2) for arm in group]
    assert run.candidates() == before
    after = run.read("result.json")
    evidence = after.pop("evidence")
    assert after == result
    check_modalities(evidence["modalities"], result["best"])
    check_learning_curve(evidence["learning_curve"])
    assert evidence["left_out"] == {}
    assert json.loads(json.dumps(evidence)) == evidence
    trained.clear()
    complete_evidence(run, tiny(*SETTINGS), reporter)
    assert trained == []


def check_modalities(found, best):
    assert (found["recipe"], found["why"], found["metric"], found["seeds"]) == (best, "", "macro_f1", 2)
    assert found["reviews"] == 48
    assert set(found["scores"]) == {"all", "without text", "shuffled text", "without image", "shuffled image"}
    assert all(len(scores) == 2 for scores in found["scores"].values())
    for modality in ("text", "image"):
        one = found["of"][modality]
        assert one["verdict"] in (HELPS, LESS, UNDECIDED)
        mean = {name: sum(scores) / 2 for name, scores in found["scores"].items()}
        for how in ("without", "shuffled"):
            assert one[how]["difference"] == pytest.approx(mean["all"] - mean[f"{how} {modality}"])
            assert one[how]["seeds"] == 2
        assert one["difference"] == min(one["without"]["difference"], one["shuffled"]["difference"])
    assert [place["place"] for place in found["places"]] == [1, 2]
    assert found["places"][0]["reviews"] > found["places"][1]["reviews"] >= 10


def check_learning_curve(found):
    assert (found["shares"], found["reviews"]) == ([0.5, 1.0], [12.0, 24.0])
    assert list(found["curves"]) == ["text", "image", "all"]
    for curve in found["curves"].values():
        assert [len(scores) for scores in curve["scores"]["macro_f1"]] == [2, 2]
        assert (curve["fit"], curve["predicted"], curve["verdict"]) == (None, [], UNDECIDED)


def test_in_its_share_of_the_budget_what_does_not_fit_is_named(search, trained):
    run = search(*SETTINGS, "baselines=[concatenation, majority]", "evidence=0.0001")
    evidence = run.read("result.json")["evidence"]
    assert trained == []
    assert set(evidence["left_out"]) == {"modalities", "learning_curve"}
    assert all(reason.startswith("takes about ") for reason in evidence["left_out"].values())


def test_of_numbers_with_columns_and_one_seed(tmp_path, reporter, recorder, monkeypatch):
    import yaml
    from samples import SMALL, write_column_reviews

    from automm.config.experiment import load_experiment
    from automm.search.run import run_search

    manifest = write_column_reviews(tmp_path / "reviews", "regression")
    path = tmp_path / "reviews" / "numbers.yaml"
    path.write_text(yaml.safe_dump({"manifest": manifest.name, "name": "numbers", **SMALL}))
    few = ["training.epochs=1", "budget.trials=0", "baselines=[concatenation]", "evidence=0.9"]
    for name in ("modalities", "learning_curve"):
        monkeypatch.setattr(f"automm.search.evidence.{name}.SEEDS", 1)
    run = run_search(load_experiment(path, few), tmp_path / "runs", recorder, reporter)
    evidence = run.read("result.json")["evidence"]
    found = evidence["modalities"]
    assert list(found["of"]) == ["text", "image", "metadata", "history"]
    assert (found["metric"], found["recipe"], found["seeds"]) == ("mae", "concatenation", 1)
    for one in found["of"].values():
        assert one["verdict"] in (HELPS, LESS, UNDECIDED)
        assert " in MAE, 95 % interval " in one["sentence"]
        assert one["margin"] > 1, "2 % of the error of a constant, in thousands"
    curves = evidence["learning_curve"]["curves"]
    assert list(curves) == ["text", "image", "all"]
    assert set(curves["all"]["scores"]) == {"mae", "rmse", "r2"}
