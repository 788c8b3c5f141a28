"""A search with two text encoders and two picture encoders, and all that follows it."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from kept_answers import FLOAT16, kept_answers

from automm.deliver.bundle import load_bundle
from automm.deliver.export import export_candidate
from automm.deliver.predict import predict_file
from automm.models.encoders import sources
from automm.models.encoders.preprocessing import PicturePreprocessing
from automm.search import bench
from automm.search.features.engines import Engine
from automm.tracking.run_folder import COMPLETED

TEXTS, PICTURES = ("tiny-bert", "few-words"), ("tiny-cnn", "cropped")
SEVERAL = [
    f"encoders.text=[{', '.join(TEXTS)}]",
    f"encoders.image=[{', '.join(PICTURES)}]",
    "budget.trials=4",
    "training.epochs=1",
    "portfolio=false",
    "tuner=random",
    "space.fusion.operator=[concatenation, cross_attention]",
    "space.text.readout=[mean, attention]",
    "space.image.pooling=[mean, gated_attention]",
    "baselines.end_to_end=true",
    "baselines.end_to_end_epochs=1",
    "tier2.finalists=2",
    "tier2.epochs=1",
    "ensemble=true",
]


@pytest.fixture(scope="module", autouse=True)
def encoders():
    """The second of each: a vocabulary of its own, and smaller pictures that are cropped."""
    tiny_bert, tiny_cnn = sources.TEXT_ENCODERS["tiny-bert"], sources.IMAGE_ENCODERS["tiny-cnn"]
    wanted = PicturePreprocessing(size=12, fit="crop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            sources.TEXT_ENCODERS, "few-words", lambda name, learned: tiny_bert(name, lambda size: learned(9))
        )
        patch.setitem(sources.IMAGE_ENCODERS, "cropped", lambda name: replace(tiny_cnn(name), preprocessing=wanted))
        yield


@pytest.fixture(scope="module")
def states():
    """The encoders of each call that encodes states for fine-tuning."""
    return []


@pytest.fixture(scope="module")
def run(tmp_path_factory, experiment_file, shared_cache, states):
    import tensorflow as tf
    from conftest import RecordingTracker, SilentReporter

    from automm.config.experiment import load_experiment
    from automm.search.run import run_search

    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMM_CACHE_DIR", str(shared_cache))
        encode_states = bench.encode_states
        patch.setattr(
            bench,
            "encode_states",
            lambda arrays, lowers, *rest, **more: (
                states.append({lower.encoder for lower in lowers}),
                encode_states(arrays, lowers, *rest, **more),
            )[1],
        )
        experiment = load_experiment(experiment_file, SEVERAL)
        yield run_search(experiment, tmp_path_factory.mktemp("runs"), RecordingTracker(), SilentReporter())
    tf.config.run_functions_eagerly(False)


def test_the_run_records_what_each_encoder_reads(run):
    recorded = run.read("manifest.json")["encoders"]
    assert {modality: [(one["name"], one["size"]) for one in some] for modality, some in recorded.items()} == {
        "text": [("tiny-bert", 16), ("few-words", 16)],
        "image": [("tiny-cnn", 16), ("cropped", 12)],
    }
    assert recorded["image"][1]["preprocessing"]["fit"] == "crop"
    vocabularies = [
        json.loads((run.folder / name).read_text())["model"]["vocab"] for name in ("tokenizer.json", "tokenizer_2.json")
    ]
    assert len(vocabularies[0]) > len(vocabularies[1]) == 9


def test_everything_completed(run):
    candidates = {candidate.name: candidate for candidate in run.candidates()}
    assert all(candidate.status == COMPLETED for candidate in candidates.values()), [
        c.error for c in candidates.values()
    ]
    assert candidates.keys() >= {"logistic_all_encoders", "end_to_end", "concatenation", "ensemble-004"}
    assert sum(name.endswith("-tuned") for name in candidates) == 2
    trials = [candidate.point for candidate in candidates.values() if candidate.kind == "trial"]
    assert all(point["text/encoder"] in (*TEXTS, "all") for point in trials)
    assert all(point["image/encoder"] in (*PICTURES, "all") for point in trials)
    assert len({(point["text/encoder"], point["image/encoder"]) for point in trials}) > 1
    assert candidates["concatenation"].point["text/encoder"] == "tiny-bert"
    both, first = (candidates[name].parameters for name in ("logistic_all_encoders", "logistic_both"))
    assert both > first
    assert run.read("result.json")["test"].keys() >= {"logistic_all_encoders", "ensemble-004"}
    assert "differ" not in (run.folder / "log.txt").read_text()


def test_states_are_those_of_the_encoders_that_a_finalist_reads(run, states):
    starts = [c.point for c in run.candidates() if c.name.endswith("-tuned")]
    read = [
        {
            *(TEXTS if point["text/encoder"] == "all" else [point["text/encoder"]]),
            *(PICTURES if point["image/encoder"] == "all" else [point["image/encoder"]]),
        }
        for point in starts
    ]
    assert all(one in states for one in read)
    assert all(one in read for one in states)
    assert any(len(one) < len(TEXTS + PICTURES) for one in read)


def test_candidates_predict_from_their_bundles_as_in_the_search(run, reviews, tmp_path):
    saved = kept_answers(run)
    tuned = next(candidate.name for candidate in run.candidates() if candidate.name.endswith("-tuned"))
    raw = set()
    for name in {tuned, "logistic_all_encoders", "end_to_end", "ensemble-004"} & {*saved}:
        export_candidate(run, name, tmp_path / name)
        bundle = load_bundle(tmp_path / name)
        raw |= {tensor.name for tensor in bundle.model.inputs}
        predict_file(bundle, reviews, tmp_path / "p.jsonl", explain=name == "logistic_all_encoders")
        lines = {line["id"]: line for line in map(json.loads, (tmp_path / "p.jsonl").read_text().splitlines())}
        found = [list(lines[identity]["probabilities"].values()) for identity in saved["ids"]]
        np.testing.assert_allclose(found, saved[name], **{**FLOAT16, "atol": 1e-4})
    assert raw >= {"token_ids", "padding_mask_2", "images", "images_2"}


def test_a_bundle_whose_second_tokenizer_changed_is_refused(run, tmp_path):
    from automm.errors import DataError

    export_candidate(run, "logistic_all_encoders", tmp_path / "bundle")
    assert "tokenizer_2.json" in (tmp_path / "bundle" / "SHA256SUMS").read_text()
    (tmp_path / "bundle" / "tokenizer_2.json").write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer_2\.json changed since the export"):
        load_bundle(tmp_path / "bundle")


def test_a_model_reads_the_arrays_of_its_encoders_alone(run):
    from automm.deliver.bundle import whole_model

    for candidate in run.candidates():
        if candidate.kind != "trial" or not run.model_path(candidate.name).is_file():
            continue
        chosen = {modality: candidate.point[f"{modality}/encoder"] for modality in ("text", "image")}
        read = {tensor.name for tensor in whole_model(run, candidate.name).inputs}
        assert ("token_ids" in read) == (chosen["text"] in ("tiny-bert", "all"))
        assert ("token_ids_2" in read) == (chosen["text"] in ("few-words", "all"))
        assert ("images" in read) == (chosen["image"] in ("tiny-cnn", "all"))
        assert ("images_2" in read) == (chosen["image"] in ("cropped", "all"))
        suffix = keras.saving.load_model(run.model_path(candidate.name), compile=False)
        assert not {tensor.name for tensor in suffix.inputs} & {"token_ids", "token_ids_2", "images", "images_2"}


def test_a_resumed_search_goes_on_and_encodes_nothing(
    run, tiny, recorder, reporter, tmp_path, trials_only, monkeypatch
):
    import shutil

    from automm.search.run import run_search
    from automm.tracking.run_folder import Run

    monkeypatch.setattr(Engine, "start", lambda *of: pytest.fail("encoded again"))
    copy = Run(tmp_path / "runs" / "tiny" / "again")
    shutil.copytree(run.folder, copy.folder)
    before = copy.candidates()
    more = [*SEVERAL, "budget.trials=5", "ensemble=true"]
    resumed = run_search(tiny(*more), tmp_path / "runs", recorder, reporter, resume=copy)
    assert resumed.candidates()[len(before)].name == "trial-005"


def test_an_encoder_that_the_space_excludes_is_not_in_the_run(search, eager, trials_only):
    from automm.deliver.bundle import whole_model

    several = [setting for setting in SEVERAL if setting.startswith("encoders.")]
    excluded = ["space.text.encoder=[tiny-bert]", "space.image.encoder=[cropped]"]
    found = search(*several, *excluded, "budget.trials=1", "training.epochs=1", "baselines=[logistic_text]")
    recorded = found.read("manifest.json")["encoders"]
    assert [one["name"] for one in recorded["text"]] == ["tiny-bert"]
    assert [one["name"] for one in recorded["image"]] == ["tiny-cnn", "cropped"]  # the baselines read the first
    assert all(candidate.status == COMPLETED for candidate in found.candidates())
    read = {tensor.name for tensor in whole_model(found, "trial-001").inputs}
    assert read == {"token_ids", "padding_mask", "text_mask", "images_2", "image_mask"}
