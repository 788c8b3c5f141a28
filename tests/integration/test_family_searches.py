"""Every family of KerasHub: a search of two trials on a tiny preset, its export, and predictions in a fresh process."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from advice import advises, hear
from kept_answers import FLOAT16, kept_answers
from samples import SMALL
from tiny_presets import SIZE, image_preset, joint_preset, text_preset

from automm.config.experiment import resolve
from automm.deliver.bundle import whole_model
from automm.deliver.export import export_candidate
from automm.errors import ConfigError
from automm.models.encoders.hub.families import FAMILIES
from automm.search.run import run_search
from automm.tracking.run_folder import COMPLETED

JOINT = [key for key, family in FAMILIES.items() if len(family.reads) > 1]
TEXTS = [key for key, family in FAMILIES.items() if family.reads == ("text",)]
IMAGES = [key for key, family in FAMILIES.items() if family.reads == ("image",)]
# Each family once; there is one more of texts than of pictures.
PAIRS = [*zip(TEXTS, [*IMAGES, IMAGES[0]], strict=True), *zip(JOINT, JOINT, strict=True)]
LOW = TEXTS[0]  # in mixed precision
NO_ONNX = {"metaclip_2", "mobilenet", "vit"}  # tf2onnx converts some of their models only
FEW = [PAIRS[0], PAIRS[4], PAIRS[7]]  # the others take two minutes; `tests/keras/test_families` reads each family
SEARCHED = pytest.mark.parametrize(
    "runs",
    [
        pytest.param(FEW, id="few"),
        pytest.param([pair for pair in PAIRS if pair not in FEW], id="others", marks=pytest.mark.slow),
    ],
    indirect=True,
)
PREDICT = """
import sys
from pathlib import Path
from automm.deliver.bundle import load_bundle
from automm.deliver.predict import predict_file
for folder in map(Path, sys.argv[2:]):
    predict_file(load_bundle(folder), Path(sys.argv[1]), folder.with_suffix(".jsonl"))
"""


def experiment(reviews, text, image, precision, **settings):
    encoders = {"text": text, "image": image, "precision": precision}
    content = {**SMALL, "manifest": str(reviews), "encoders": encoders, **settings}
    inputs = {**SMALL["inputs"], "image_size": SIZE}
    return resolve({**content, "inputs": inputs}, reviews.parent, "families")


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory, reviews, shared_cache):
    """{pair: run} of some pairs. One tuned candidate for each pair whose blocks can be trained."""
    import tensorflow as tf
    from conftest import RecordingTracker, SilentReporter

    presets, found = tmp_path_factory.mktemp("presets"), {}
    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMM_CACHE_DIR", str(shared_cache))
        for text, image in request.param:
            folders = [str(presets / text), str(presets / image)]
            space = {"fusion.operator": ["concatenation", "gated_unit"], "image.pooling": ["mean"]}
            if text == image:
                joint_preset(text, presets / text)
                space |= {"text.readout": "pooled", "image.readout": "pooled", "fusion.similarity": folders[0]}
            else:
                text_preset(text, presets / text)
                if not (presets / image).exists():
                    image_preset(image, presets / image)
            found[text, image] = run_search(
                experiment(
                    reviews,
                    *folders,
                    space=space,
                    precision="mixed_bfloat16" if text == LOW else "float32",
                    baselines="none",
                    budget={"trials": 2},
                    training={**SMALL["training"], "epochs": 1},
                    tier2={"finalists": 0 if text == "albert" else 1, "epochs": 1},
                ),
                tmp_path_factory.mktemp(f"{text}-{image}"),
                RecordingTracker(),
                SilentReporter(),
            )
    tf.config.run_functions_eagerly(False)
    return found


@SEARCHED
def test_every_family_is_searched_and_fine_tuned(runs):
    for (text, image), run in runs.items():
        candidates = {candidate.name: candidate for candidate in run.candidates()}
        assert {candidate.status for candidate in candidates.values()} == {COMPLETED}, [
            c.error for c in candidates.values()
        ]
        assert len(candidates) == (2 if text == "albert" else 3)
        recorded = run.read("manifest.json")["encoders"]
        precisions = {one["precision"] for some in recorded.values() for one in some}
        assert precisions == {"mixed_bfloat16" if text == LOW else "float32"}
        assert [one for one in run.read("parity.json").values() if not one["exported"]] == [], (text, image)


@SEARCHED
def test_a_fresh_process_predicts_what_the_search_predicted(runs, reviews, tmp_path):
    bundles = {}
    for pair, run in runs.items():
        saved = kept_answers(run)
        names = {candidate.name for candidate in run.candidates()}.intersection(saved)
        for name in sorted(names, key=len)[-2:]:  # a trial, and the fine-tuned one
            bundles[pair, name] = tmp_path / f"{'-'.join(pair)}-{name}"
            export_candidate(run, name, bundles[pair, name])
    subprocess.run([sys.executable, "-c", PREDICT, str(reviews), *map(str, bundles.values())], check=True)
    for (pair, name), folder in bundles.items():
        lines = map(json.loads, folder.with_suffix(".jsonl").read_text().splitlines())
        found = {line["id"]: list(line["probabilities"].values()) for line in lines}
        saved = kept_answers(runs[pair])
        wanted = dict(zip(saved["ids"], saved[name], strict=True))
        tolerance = 5e-3 if LOW in pair else 2e-5  # a search checks 1e-5 on its 64 validation reviews
        for review, probabilities in wanted.items():
            within = {**FLOAT16, "atol": tolerance}
            np.testing.assert_allclose(found[review], probabilities, **within, err_msg=f"{pair} {name}")


@advises("Set encoders.precision: float32 and search again, or export another format")
@pytest.mark.parametrize("runs", [pytest.param(FEW, id="few")], indirect=True)
def test_mixed_precision_has_no_onnx_form(runs, tmp_path):
    (run,) = (run for (text, _), run in runs.items() if text == LOW)
    with pytest.raises(ConfigError, match="in mixed_bfloat16: ONNX lacks") as caught:
        export_candidate(run, "trial-001", tmp_path / "onnx", "onnx")
    hear(str(caught.value), "Set encoders.precision: float32 and search again, or export another format")
    assert not list(tmp_path.iterdir())
    export_candidate(run, "trial-001", tmp_path / "mlflow", "mlflow")


@advises("Use --format keras or mlflow")
@pytest.mark.parametrize("runs", [pytest.param(FEW, id="few")], indirect=True)
def test_an_onnx_model_that_cannot_be_loaded_is_not_handed_over(runs, tmp_path, monkeypatch):
    (run,) = (run for (text, _), run in runs.items() if text == "roberta")
    monkeypatch.setattr("keras.Model.export", lambda model, path, **settings: Path(path).write_bytes(b"no model"))
    with pytest.raises(ConfigError, match="the model has no ONNX form") as caught:
        export_candidate(run, "trial-001", tmp_path / "onnx", "onnx")
    hear(str(caught.value), "Use --format keras or mlflow")
    assert not list(tmp_path.iterdir())
    for name in ("keras", "mlflow"):
        export_candidate(run, "trial-001", tmp_path / name, name)


def refusal(run, name, folder):
    try:
        export_candidate(run, name, folder, "onnx")
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.slow
@SEARCHED
def test_onnx_gives_the_same_answers(runs, tmp_path):
    import onnxruntime

    rng = np.random.default_rng(0)
    for pair, run in runs.items():
        if LOW in pair:
            continue
        for name in sorted(
            {"trial-001", "trial-001-tuned", "trial-002-tuned"} & {one.name for one in run.candidates()}
        ):
            folder, model = tmp_path / f"{'-'.join(pair)}-{name}", whole_model(run, name)
            if refused := refusal(run, name, folder):
                assert NO_ONNX.intersection(pair), (pair, name, refused)
                assert "the model has no ONNX form" in refused
                continue
            session = onnxruntime.InferenceSession(folder / "model.onnx")
            arrays = {one.name: rng.integers(0, 2, (5, *one.shape[1:])).astype(one.dtype) for one in model.inputs}
            arrays["images"] = rng.integers(0, 256, arrays["images"].shape, dtype=np.uint8)
            arrays["padding_mask"] = np.sort(arrays["padding_mask"], axis=1)[:, ::-1].copy()
            arrays["padding_mask"][:, 0] = 1
            (exported,) = session.run(None, {one.name: arrays[one.name] for one in session.get_inputs()})
            answers = np.asarray(model(arrays, training=False))
            np.testing.assert_allclose(exported, answers, atol=1e-4, rtol=0, err_msg=folder.name)
