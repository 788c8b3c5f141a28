"""The installed command in separate processes, from the demo data to predictions."""

import csv
import io
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from kept_answers import FLOAT16, kept_answers
from samples import SMALL, write_reviews

from automm.tracking.run_folder import Run


@pytest.fixture(scope="module")
def bundle(automm, place, searched):
    automm("export", "latest", "--to", "best")
    return place / "best"


def lines_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def leftovers(folder):
    return [path for path in Path(folder).iterdir() if path.name.startswith(".")]


class TestFromDemoToPrediction:
    def test_demo_and_check(self, automm, place, searched):
        report = json.loads(automm("check", "demo/manifest.yaml", "--format", "json").stdout)
        assert report
        table = automm("check", "demo/manifest.yaml")
        assert "next: automm search demo/manifest.yaml" in table.stderr

    def test_search_says_what_it_found(self, searched):
        done, folder = searched
        for name in ("majority", "concatenation", "packed_concatenation", "trial-001"):
            assert name in done.stdout
        assert "best by validation" in done.stdout
        assert f"next: automm export {folder.name}" in done.stderr
        assert "WARNING" not in done.stderr
        assert "0000" not in done.stderr, "TensorFlow's own lines"

    def test_leaderboard(self, automm, searched):
        _, folder = searched
        rows = json.loads(automm("leaderboard", "--format", "json").stdout)
        assert [row["rank"] for row in rows] == [1, 2, 3, 4, None], "packed_concatenation is a copy"
        names = {"majority", "concatenation", "packed_concatenation", "trial-001", "ensemble-001"}
        assert {row["name"] for row in rows} == names
        for row in rows:
            assert {"run", "kind", "tier", "status", "objective", "parameters", "seconds"} <= row.keys()
            assert set(row["validation"]) == {"accuracy", "macro_f1", "loss"}
            # Trials that are no finalists never read the test split.
            assert set(row["test"] or row["validation"]) == {"accuracy", "macro_f1", "loss"}
            assert row["run"] == folder.name
        table = list(csv.DictReader(io.StringIO(automm("leaderboard", "--format", "csv").stdout)))
        assert [row["name"] for row in table] == [row["name"] for row in rows]
        assert float(table[0]["validation_macro_f1"]) == rows[0]["validation"]["macro_f1"]
        assert "trial-001" in automm("leaderboard", "--metric", "loss").stdout
        assert "Did you mean 'accuracy'" in automm("leaderboard", "--metric", "acuracy", code=2).stderr

    @pytest.mark.parametrize("name", ["best", pytest.param("packed_concatenation", marks=pytest.mark.slow)])
    def test_raw_reviews_give_the_probabilities_of_the_search(self, automm, place, searched, bundle, name):
        _, folder = searched
        chosen = json.loads((folder / "result.json").read_text())["best"] if name == "best" else name
        if name != "best":
            automm("export", folder.name, "--trial", name, "--to", name)
        done = automm("predict", name, "demo/reviews.jsonl", "--to", f"{name}.jsonl")
        assert done.stdout.strip() == f"{name}.jsonl"
        lines = lines_of(place / f"{name}.jsonl")
        assert len(lines) == 90
        assert not any(line["error"] for line in lines)
        by_id = {line["id"]: line for line in lines}
        expected = kept_answers(Run(folder))
        labels = json.loads((place / name / "bundle.json").read_text())["labels"]
        for review, probabilities in zip(expected["ids"], expected[chosen], strict=True):
            found = [by_id[review]["probabilities"][label] for label in labels]
            np.testing.assert_allclose(found, probabilities, **FLOAT16)
            assert by_id[review]["label"] == labels[int(np.argmax(probabilities))]

    def test_the_files_of_a_bundle(self, bundle):
        assert {path.name for path in bundle.iterdir()} == {
            "bundle.json", "model.keras", "vocab.txt", "tokenizer.json", "MODEL_CARD.md", "SHA256SUMS",
        }  # fmt: skip
        done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=bundle, capture_output=True)
        assert done.returncode == 0


class TestPredict:
    def test_a_bad_review_gets_an_error_and_the_others_are_predicted(self, automm, place, tmp_path, bundle):
        good = lines_of(place / "demo" / "reviews.jsonl")
        fields = yaml.safe_load((place / "demo" / "manifest.yaml").read_text())["fields"]
        pictures, text = fields["images"], fields["text"]
        texts = [text] if isinstance(text, str) else text
        shutil.copytree(place / "demo" / "images", tmp_path / "images")
        (tmp_path / "images" / "broken.png").write_bytes(b"no picture")
        base = next(review for review in good if review[pictures])
        base = {key: value for key, value in base.items() if key != fields["label"]}
        records = [
            base,
            {**base, fields["id"]: "bad", pictures: ["broken.png"]},
            {**base, fields["id"]: "missing", pictures: ["nowhere.png"]},
            {**base, fields["id"]: "outside", pictures: ["../../secret.png"]},
            {**base, fields["id"]: "no-text", **dict.fromkeys(texts, "")},
            {**base, fields["id"]: "no-picture", pictures: []},
        ]
        (tmp_path / "reviews.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        automm("predict", bundle, "reviews.jsonl", "--to", "out.jsonl", cwd=tmp_path)
        lines = lines_of(tmp_path / "out.jsonl")
        assert [line["id"] for line in lines[1:]] == ["bad", "missing", "outside", "no-text", "no-picture"]
        for line in lines:
            assert set(line) == {"id", "label", "probabilities", "picture_counts", "error"}
            assert (line["error"] is None) == (line["label"] is not None)
        assert [bool(line["error"]) for line in lines] == [False, True, True, True, False, False]
        assert "broken.png" in lines[1]["error"]
        assert "nowhere.png" in lines[2]["error"]
        assert not leftovers(tmp_path)

    def test_a_changed_bundle_is_refused(self, automm, place, tmp_path, bundle):
        shutil.copytree(bundle, tmp_path / "changed")
        with (tmp_path / "changed" / "bundle.json").open("a") as file:
            file.write(" ")
        done = automm("predict", tmp_path / "changed", "demo/reviews.jsonl", "--to", tmp_path / "out.jsonl", code=3)
        assert "bundle.json changed since the export" in done.stderr
        assert not (tmp_path / "out.jsonl").exists()
        assert not leftovers(tmp_path)

    def test_unreadable_input_writes_no_file(self, automm, tmp_path, bundle):
        (tmp_path / "reviews.jsonl").write_text('{"other": 1}\n')
        automm("predict", bundle, "reviews.jsonl", "--to", "out.jsonl", code=3, cwd=tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["reviews.jsonl"]


class TestExitCodes:
    """The tests above cover exit code 0."""

    def test_usage_is_2(self, automm, place):
        assert "budgett" in automm("search", "demo/manifest.yaml", "--set", "budgett.trials=1", code=2).stderr
        automm("search", code=2)
        automm("no-such-command", code=2)
        assert "demo is not empty" in automm("export", "latest", "--to", "demo", code=2).stderr

    def test_data_are_3(self, automm, tmp_path):
        manifest = write_reviews(tmp_path / "bad", 6)
        with (manifest.parent / "reviews.jsonl").open("a") as file:
            file.write('{"id": "r0", "text": "", "photos": ["gone.png"], "label": "good"}\n')
        done = automm("search", manifest, *automm.settings, "--runs-dir", "runs", code=3, cwd=tmp_path)
        assert "gone.png" in done.stderr
        assert "reviews.jsonl:7" in done.stderr
        assert not list(tmp_path.glob("runs/*/*")), "a run was begun"
        automm("check", manifest, code=3)

    @pytest.mark.slow  # what ends with it is tested in a process of ours
    def test_no_trial_is_4(self, automm, place, searched, tmp_path):
        manifest = write_reviews(tmp_path / "data")
        settings = [word for setting in automm.tiny[:-1] for word in ("--set", setting)]
        store = tmp_path / "mlflow.db"
        shutil.copyfile(place / "runs" / "mlflow.db", store)
        arguments = (*settings, "--set", "baselines=none", "--trials", "0", "--tracking-uri", f"sqlite:///{store}")
        done = automm("search", manifest, *arguments, code=4, cwd=tmp_path)
        assert "no candidate" in done.stderr

    def test_not_found_is_5(self, automm, bundle, tmp_path):
        automm("search", "nowhere.yaml", code=5)
        automm("export", "no-such-run", "--to", tmp_path / "x", code=5)
        assert (
            "Name one of: " in automm("export", "latest", "--trial", "trial-999", "--to", tmp_path / "x", code=5).stderr
        )
        automm("predict", tmp_path, "nowhere.jsonl", "--to", tmp_path / "out.jsonl", code=5)
        automm("leaderboard", "--runs-dir", tmp_path, code=5)
        assert not list(tmp_path.iterdir())

    def test_missing_weights_offline_are_5_at_once(self, automm, place, searched):
        begun = time.monotonic()
        done = automm("search", "demo/manifest.yaml", "--offline", code=5)
        assert time.monotonic() - begun < 10
        assert "automm weights" in done.stderr
        assert "minilm-l6" in done.stderr

    def test_interrupted_is_130(self, automm, place, searched, tmp_path):
        manifest = write_reviews(tmp_path / "data")
        config = {"manifest": str(manifest), **SMALL, "baselines": ["majority"], "name": "stopped"}
        config["training"] = {"epochs": 10_000, "patience": 10_000}
        (tmp_path / "e.yaml").write_text(yaml.safe_dump(config))
        shutil.copyfile(place / "runs" / "mlflow.db", tmp_path / "mlflow.db")
        process = subprocess.Popen(
            [automm.path, "search", "e.yaml", "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db"], cwd=tmp_path,
            env=automm.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # A shell's background job ignores Ctrl-C, and so would this process if the tests run in one.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("runs/*/*/tuner")):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        time.sleep(12)  # the first trial is traced and trains, and would for hours
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "automm search --resume" in said
        assert "Traceback" not in said
        (folder,) = tmp_path.glob("runs/stopped/*")
        candidates = lines_of(folder / "trials.jsonl")
        assert [(c["name"], c["status"]) for c in candidates] == [("majority", "COMPLETED"), ("trial-001", "KILLED")]


def test_a_dry_run_needs_no_weights_and_writes_nothing(automm, tmp_path):
    """The cache has no weights of the default encoders."""
    manifest = write_reviews(tmp_path / "data", 6)
    done = automm("search", manifest, "--dry-run", cwd=tmp_path)
    assert "fusion/operator" in done.stdout
    assert "different candidates" in done.stdout
    assert "the most expensive candidate: " in done.stdout
    assert done.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
