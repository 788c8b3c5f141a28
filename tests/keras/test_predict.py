"""Predictions and their explanations, from an untrained bundle."""

import json
import shutil

import keras
import pytest
import yaml
from advice import advises, hear
from samples import write_reviews
from small import SMALL, sizes

from automm.data.change_kinds import change_lines
from automm.data.inputs.columns import Columns
from automm.data.manifest import load_manifest
from automm.data.records.reviews import load_dataset
from automm.deliver.bundle import Bundle
from automm.deliver.predict import predict_file
from automm.errors import ConfigError
from automm.models.baselines import fused
from automm.models.encoders.sources import image_source, text_source
from automm.models.heads import Shapes
from automm.models.whole import EncoderLayers, compose

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "lovely", "awful"]
LENGTH, PICTURES, SIZE = 8, 2, 16


@pytest.fixture(scope="module")
def encoders():
    text, image = text_source("tiny-bert", lambda size: VOCABULARY), image_source("tiny-cnn")
    return text, image, EncoderLayers.of([text, image], sizes(text, image, LENGTH, SIZE))


def bundle(encoders, pooling):
    *sources, layers = encoders
    text, image = (encoder.whole() for encoder in layers.encoders)
    keras.utils.set_random_seed(1)
    suffix = fused(
        Shapes(text.features, image.features, PICTURES, 3, head="softmax"), {**SMALL, "image/pooling": pooling}
    )
    model = compose(suffix, layers, PICTURES)
    about = {
        "labels": ["bad", "fair", "good"],
        "inputs": {"image_size": SIZE, "max_images": PICTURES, "sequence_length": LENGTH},
        "columns": {"medians": {}, "values": {}, "steps": 0},
        "reading": {"task": "classification", "images": {"on_bad": "error"}},
    }
    texts, pictures = ((sources[0].preprocessing, LENGTH),), (sources[1].preprocessing.form(SIZE),)
    return Bundle(None, about, model, texts, pictures, Columns({}, {}, 0))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Nine reviews with 0, 0, 0, 1, 1, 1, 2, 2, 3 pictures: the last has one more than max_images."""
    path = write_reviews(tmp_path_factory.mktemp("predict") / "data", 9)
    records = path.parent / "reviews.jsonl"
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    lines[-1]["photos"].append("003-0.png")
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def predictions(encoders, pooling, manifest, to, **options):
    written = predict_file(bundle(encoders, pooling), manifest, to, **options)
    return written, [json.loads(line) for line in to.read_text().splitlines()]


def test_every_picture_has_a_name_and_a_weight(encoders, manifest, tmp_path):
    written, lines = predictions(encoders, "gated_attention", manifest, tmp_path / "out.jsonl", explain=True)
    assert written[:3] == (9, 0, 1)
    records = [json.loads(line) for line in (manifest.parent / "reviews.jsonl").read_text().splitlines()]
    for line, record in zip(lines, records, strict=True):
        assert [shown["picture"] for shown in line["pictures"]] == record["photos"]
        weights = [shown["weight"] for shown in line["pictures"]][:PICTURES]
        assert sum(weights) == pytest.approx(float(bool(weights)), abs=2e-4)
    assert lines[-1]["pictures"][PICTURES]["weight"] is None, "a picture over max_images has no weight"
    assert len({shown["weight"] for shown in lines[-1]["pictures"]}) == 3, "the weights differ"


def test_explain_does_not_change_the_predictions(encoders, manifest, tmp_path):
    _, explained = predictions(encoders, "text_attention", manifest, tmp_path / "a.jsonl", explain=True)
    written, plain = predictions(encoders, "text_attention", manifest, tmp_path / "b.jsonl")
    assert written[:3] == (9, 0, 0)
    for with_weights, without in zip(explained, plain, strict=True):
        assert with_weights.pop("pictures") is not None
        assert with_weights.pop("modalities") is not None
        assert with_weights.pop("probabilities") == pytest.approx(without.pop("probabilities"), abs=1e-6)
        assert with_weights == without


def test_a_decision_changes_labels_and_what_is_explained_and_no_probability(encoders, manifest, tmp_path):
    plain, decided = bundle(encoders, "mean"), bundle(encoders, "mean")
    decided.about["decision"] = {"bad": 0.0, "fair": -50.0, "good": 50.0}
    lines = []
    for number, one in enumerate((plain, decided)):
        predict_file(one, manifest, tmp_path / f"{number}.jsonl", explain=True)
        lines.append([json.loads(line) for line in (tmp_path / f"{number}.jsonl").read_text().splitlines()])
    assert {line["label"] for line in lines[0]} != {"good"}
    assert {line["label"] for line in lines[1]} == {"good"}
    for before, after in zip(*lines, strict=True):
        assert before["probabilities"] == after["probabilities"]
        assert (before["modalities"] == after["modalities"]) == (before["label"] == "good")


def test_a_pooling_without_weights_has_effects_only(encoders, manifest, tmp_path):
    written, lines = predictions(encoders, "mean", manifest, tmp_path / "out.jsonl", explain=True)
    assert written[:3] == (9, 0, 0)
    shown = [picture for line in lines for picture in line["pictures"]]
    assert [picture["weight"] for picture in shown] == [None] * 10
    assert [picture["effect"] is None for picture in shown] == [False] * 9 + [True], "the last one was not read"


@pytest.mark.parametrize("pooling", ["gated_attention", "mean"])
def test_an_effect_is_the_difference_to_a_record_without_that_part(encoders, manifest, tmp_path, pooling):
    _, lines = predictions(encoders, pooling, manifest, tmp_path / "out.jsonl", explain=True)
    path = manifest.parent / "reviews.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    changed, wanted = [], {}
    for line, record in zip(lines, records, strict=True):
        parts = {"text": {"text": ""}, "image": {"photos": []}}
        kept = record["photos"][:PICTURES]
        parts |= {f"picture {n}": {"photos": kept[:n] + kept[n + 1 :]} for n in range(len(kept))}
        effects = {**line["modalities"]} | {f"picture {n}": line["pictures"][n]["effect"] for n in range(len(kept))}
        assert effects.keys() == parts.keys()
        assert (effects["image"] is None) == (not kept)
        for part, change in parts.items():
            nothing_left = part == "text" and not kept  # a record without text and pictures is rejected
            if effects[part] is not None and not nothing_left:
                changed.append({**record, **change, "id": f"{line['id']} {part}"})
                wanted[changed[-1]["id"]] = line, effects[part]
    other = manifest.parent / f"{pooling}.yaml"
    other.write_text(manifest.read_text().replace("reviews.jsonl", f"{pooling}.jsonl"))
    (manifest.parent / f"{pooling}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in changed))
    _, without = predictions(encoders, pooling, other, tmp_path / "without.jsonl")
    assert len(without) == len(wanted) == 21
    for line in without:
        before, effect = wanted[line["id"]]
        label = before["label"]
        assert before["probabilities"][label] - line["probabilities"][label] == pytest.approx(effect, abs=6e-5)
    assert max(abs(effect) for _, effect in wanted.values()) > 1e-3


def test_a_review_that_cannot_be_predicted_has_no_explanation(encoders, manifest, tmp_path):
    lines = manifest.parent.joinpath("reviews.jsonl").read_text().splitlines()
    broken = {**json.loads(lines[4]), "photos": ["nowhere.png"]}
    (manifest.parent / "broken.jsonl").write_text(json.dumps(broken) + "\n" + lines[5] + "\n")
    other = manifest.parent / "broken.yaml"
    other.write_text(manifest.read_text().replace("reviews.jsonl", "broken.jsonl"))
    written, (first, second) = predictions(encoders, "mean", other, tmp_path / "out.jsonl", explain=True)
    assert written[:3] == (2, 1, 0)
    assert first["modalities"] is None
    assert first["pictures"] is None
    assert second["modalities"]["image"] == second["pictures"][0]["effect"], "its only picture"


def lost_pictures(manifest, name, **images):
    """Nine reviews, four of which lose pictures: two name a missing one, one an unreadable one, one too many."""
    folder = manifest.parent
    records = [json.loads(line) for line in (folder / "reviews.jsonl").read_text().splitlines()]
    records[3]["photos"] = ["gone.png"]
    records[4]["photos"] = ["https://example.org/a.png"]
    (folder / "images" / "broken.png").write_bytes(b"not a picture")
    records[5]["photos"] = ["broken.png"]
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    content = yaml.safe_load(manifest.read_text()) | {"records": f"{name}.jsonl"} | images
    (folder / f"{name}.yaml").write_text(json.dumps(content))
    return folder / f"{name}.yaml"


def test_dropped_pictures_are_counted_by_line_and_in_all(encoders, manifest, tmp_path):
    other = lost_pictures(manifest, "dropped", images={"on_bad": "drop-image"})
    written, lines = predictions(encoders, "mean", other, tmp_path / "out.jsonl")
    assert [line["error"] for line in lines] == [None] * 9
    counts = [(line["picture_counts"]["given"], line["picture_counts"]["read"]) for line in lines]
    assert counts == [(0, 0)] * 3 + [(1, 0)] * 3 + [(2, 2)] * 2 + [(3, 2)]
    assert written.pictures.lines == [
        "pictures: 10 given, 6 read",
        "  not read: missing: 1, the first at dropped.jsonl:4 'gone.png'",
        "  not read: its URL was not fetched (run automm fetch-images): 1, the first at dropped.jsonl:5 'https://example.org/a.png'",
        "  not read: unreadable: 1, the first at dropped.jsonl:6 'broken.png'",
        "  not read: the review has more than inputs.max_images: 1, the first at dropped.jsonl:9 '003-0.png'",
    ]
    assert (written.pictures.answered, written.pictures.pictured, written.pictures.seen) == (9, 6, 3)


def test_pictures_of_reviews_with_an_error_are_counted_too(encoders, manifest, tmp_path):
    other = lost_pictures(manifest, "refused", images={"on_bad": "error"})
    written, lines = predictions(encoders, "mean", other, tmp_path / "out.jsonl")
    assert (written.lines, written.errors) == (9, 3)
    assert [line["picture_counts"] for line in lines[3:6]] == [{"given": 1, "read": 0}] * 3
    assert {code: count for code, (count, _) in written.failed.items()} == {
        "missing_picture": 1,
        "not_fetched": 1,
        "unreadable_picture": 1,
    }
    assert "images.on_bad: drop-image in refused.yaml" in written.failed["missing_picture"][1]
    assert written.pictures.given == written.pictures.read + sum(written.pictures.lost.values()) == 10


@advises("Replace its pictures")
def test_a_review_that_loses_all_that_it_has_is_not_predicted(encoders, manifest, tmp_path):
    other = lost_pictures(manifest, "nothing", images={"on_bad": "drop-image"})
    records = [json.loads(line) for line in (manifest.parent / "nothing.jsonl").read_text().splitlines()]
    for record in records[3:6]:
        record["text"] = ""
    (manifest.parent / "nothing.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    written, lines = predictions(encoders, "mean", other, tmp_path / "out.jsonl")
    assert written.errors == 3
    assert "picture 'gone.png' is missing" in lines[3]["error"]
    assert "is not fetched" in lines[4]["error"]
    hear(lines[5]["error"], "neither text nor a readable picture", "Replace its pictures")
    shutil.copyfile(manifest.parent / "images" / "003-0.png", manifest.parent / "images" / "broken.png")
    written, lines = predictions(encoders, "mean", other, tmp_path / "out.jsonl")
    assert (written.errors, lines[5]["error"]) == (2, None)


@advises("Name a file for the predictions", "Name another file for the predictions")
def test_predictions_have_a_file_of_their_own(encoders, manifest, tmp_path):
    for wrong, sentence in (
        (tmp_path, "Name a file for the predictions"),
        (manifest, "Name another file for the predictions"),
    ):
        with pytest.raises(ConfigError) as caught:
            predictions(encoders, "mean", manifest, wrong)
        hear(str(caught.value), sentence)
    assert predictions(encoders, "mean", manifest, tmp_path / "out.jsonl")[0].lines == 9


def test_pictures_under_another_name_are_counted_as_check_counts_them(encoders, manifest, tmp_path):
    records = [json.loads(line) for line in (manifest.parent / "reviews.jsonl").read_text().splitlines()]
    for record in records:
        record["photos"] = [name.replace(".png", ".PNG") for name in record["photos"]]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    other = manifest.parent / "other.yaml"
    (manifest.parent / "other.jsonl").write_text(lines)
    other.write_text(manifest.read_text().replace("reviews.jsonl", "other.jsonl"))
    written, _ = predictions(encoders, "mean", other, tmp_path / "out.jsonl")
    told = written.pictures.lines[-1].strip()
    assert told == "picture found by a name that differs from its file in case, accents or quoting: 10"
    assert told in change_lines(load_dataset(load_manifest(other)).changes)
