"""Errors of other folds are found before a search, and only new items are encoded."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from advice import advises, hear
from PIL import Image
from samples import SMALL, write_reviews
from tiny_presets import text_preset

from automm.config.experiment import resolve
from automm.data.manifest import parse_manifest
from automm.data.records.reviews import Dataset, Review
from automm.data.splitting import links
from automm.data.splitting.links import links_of
from automm.data.splitting.other_folds import other_folds
from automm.data.splitting.split import split_dataset
from automm.errors import ConfigError, DataError, WeightsError
from automm.models.encoders import automatic, sources
from automm.models.encoders.preprocessing import PicturePreprocessing
from automm.search.features import engines
from automm.search.run import _check_same_experiment
from automm.search.setup.data import Loaded, encoder_sources, load, prepare
from automm.search.setup.folds import check_folds, folds_of
from automm.search.setup.same import check_same_data

THIRD = 12


def loaded(groups, seed):
    """Three folds of reviews with two labels; `groups` has the group of each review."""
    content = {"name": "x", "records": "r.jsonl", "fields": {"text": "t", "label": "l"}}
    manifest = parse_manifest({**content, "splits": {"folds": 3, "seed": seed}}, Path("manifest.yaml"))
    reviews = [
        Review(str(n), f"a text of its own, number {n}", (), "ab"[n % 2], group, None, f"r.jsonl:{n}")
        for n, group in enumerate(groups)
    ]
    dataset = Dataset(manifest, reviews, ("a", "b"), {})
    links = links_of(dataset, {})
    return Loaded(dataset, None, links, split_dataset(dataset, links), "", other_folds(dataset, links))


LINKED = ["one"] * THIRD + ["other"] * THIRD + [None] * THIRD  # two folds are a group each


def experiment(tmp_path, evaluation):
    return resolve({"manifest": "m.yaml", "evaluation": evaluation}, tmp_path, name="test")


def test_a_search_links_its_reviews_once_for_all_folds(tmp_path, monkeypatch):
    manifest = write_reviews(tmp_path, 60)
    content = yaml.safe_load(manifest.read_text())
    manifest.write_text(yaml.safe_dump({**content, "splits": {"folds": 3}}))
    calls = Counter()

    def counted(module, name):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: calls.update([name]) or function(*given))

    for name in ("link_reviews", "linking_text", "picture_names"):
        counted(links, name)
    content = {"manifest": str(manifest), "evaluation": {"folds": 3}, "encoders": SMALL["encoders"]}
    wanted = resolve(content, tmp_path, name="test")
    here = load(wanted)
    assert len(here.other_folds) == 2
    check_folds(here, wanted)
    assert calls == {"link_reviews": 1, "linking_text": 60, "picture_names": 1}


@advises("Choose one: fields: {label: {column: ..., pick: first}}")
def test_one_of_several_labels_is_chosen(tmp_path):
    manifest = write_reviews(tmp_path, 60)
    records = manifest.parent / "reviews.jsonl"
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    records.write_text("".join(json.dumps({**line, "label": [line["label"], "new"]}) + "\n" for line in lines))
    wanted = resolve({"manifest": str(manifest), "encoders": SMALL["encoders"]}, tmp_path, name="test")
    with pytest.raises(ConfigError) as caught:
        load(wanted)
    hear(str(caught.value), "Choose one: fields: {label: {column: ..., pick: first}}")
    content = yaml.safe_load(manifest.read_text())
    content["fields"]["label"] = {"column": "label", "pick": "first"}
    manifest.write_text(yaml.safe_dump(content))
    assert sorted(load(wanted).dataset.labels) == ["bad", "fair", "good"]


def test_a_fold_that_cannot_be_divided_is_found_before_the_search(tmp_path):
    wanted = experiment(tmp_path, {"folds": 5})
    here = next(one for one in (loaded(LINKED, seed) for seed in range(20)) if len(make_both(wanted, one)) == 5)
    with pytest.raises(DataError) as caught:
        check_folds(here, wanted)
    (problem,) = caught.value.lines
    assert "of 3: " in problem
    assert "have only 2 parts" in problem
    assert "splits.fold: 1" in problem
    check_folds(here, experiment(tmp_path, "auto"))
    check_folds(loaded([None] * 3 * THIRD, 1), wanted)


def test_a_search_that_cannot_be_divided_is_refused_before_encoding(tmp_path):
    here = loaded(["one"] * THIRD + ["other"] * THIRD + ["third"] * THIRD, 1)  # train and validation: two groups
    with pytest.raises(DataError, match="have only 2 parts"):
        check_folds(here.with_fold(1), experiment(tmp_path, {"folds": 5}))


def make_both(wanted, one):
    try:
        return folds_of(one, wanted).folds
    except DataError:
        return ()


def test_another_fold_has_its_splits_and_number():
    one = loaded([None] * 3 * THIRD, 1)
    assert one.with_fold(2).dataset.manifest.splits.fold == 2
    tests = [one.with_fold(fold).splits["test"] for fold in (1, 2, 3)]
    np.testing.assert_array_equal(tests[0], one.splits["test"])
    assert sorted(np.concatenate(tests)) == list(range(3 * THIRD))


@pytest.fixture
def few_words(monkeypatch):
    """A second text encoder, and a second picture encoder, which reads smaller pictures."""
    tiny_bert, tiny_cnn = sources.TEXT_ENCODERS["tiny-bert"], sources.IMAGE_ENCODERS["tiny-cnn"]
    few = {"few-words": lambda name, learned: tiny_bert(name, lambda size: learned(9))}
    cropped = {"cropped": lambda name: replace(tiny_cnn(name), preprocessing=PicturePreprocessing(12, fit="crop"))}
    monkeypatch.setattr(sources, "TEXT_ENCODERS", sources.TEXT_ENCODERS | few)
    monkeypatch.setattr(sources, "IMAGE_ENCODERS", sources.IMAGE_ENCODERS | cropped)


@pytest.mark.usefixtures("few_words")
@pytest.mark.parametrize(
    "encoders", [SMALL["encoders"], {"text": ["tiny-bert", "few-words"], "image": ["tiny-cnn", "cropped"]}]
)
def test_one_more_review_encodes_only_its_text_and_pictures(tmp_path, monkeypatch, encoders):
    """From files to features, over a cache that is there: read-outs of all kinds, in their ragged and flat forms."""
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
    manifest = write_reviews(tmp_path / "data", 24)
    split_by_column(manifest)
    encoded, start = [], engines.Engine.start

    def counted(engine, encoder, inputs):
        run = start(engine, encoder, inputs)
        return lambda *batch: (encoded.append((encoder.encoder, len(batch[0]))), run(*batch))[1]

    monkeypatch.setattr(engines.Engine, "start", counted)
    content = {**SMALL, "manifest": str(manifest), "space": {"fusion.operator": ["cross_attention"]}}
    wanted = resolve({**content, "encoders": encoders}, tmp_path, name="test")

    def prepared(told):
        one = load(wanted)
        return prepare(wanted, one, encoder_sources(wanted, one), lambda *what: told.append(what))

    first = prepared([])
    assert any(array.dtype == np.float16 for array in first.features.encoded.values())
    for encoder, texts in first.features.texts.items():
        assert sum(count for name, count in encoded if name == encoder) == len(texts.lengths)
    add_review(manifest)
    encoded.clear()
    told = []
    second = prepared(told)
    new = second.features.texts
    assert sorted(encoded) == sorted([*((name, 1) for name in new), *((name, 2) for name in second.arrays.pictures)])
    pieces = [int(texts.lengths[texts.rows[-1]]) for texts in new.values()]
    pictures = [("pictures", 2, 2)] * len(second.arrays.pictures)
    assert told[-len(encoded) :] == [*(("texts, word pieces", count, count) for count in pieces), *pictures]
    rows = np.arange(24)
    for name, array in first.features.batch(rows).items():
        np.testing.assert_array_equal(second.features.batch(rows)[name], array)
    encoded.clear()
    assert len(prepared([]).features) == 25
    assert encoded == []


@pytest.mark.parametrize(
    ("text", "encoder"), [("a lovely thing from the shop", "minilm-l6"), ("这个东西很好看我很喜欢", "me5-small")]
)
def test_auto_chooses_the_text_encoder_once_for_all_folds(tmp_path, monkeypatch, text, encoder):
    manifest = write_reviews(tmp_path, 24)
    split_by_column(manifest)
    records = manifest.parent / "reviews.jsonl"
    lines = [json.loads(line) | {"text": text} for line in records.read_text().splitlines()]
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    content = {**SMALL, "manifest": str(manifest), "encoders": {"image": "tiny-cnn"}}
    wanted = resolve(content, tmp_path, name="test")
    assert wanted.encoders.text == "auto"
    monkeypatch.setattr(automatic, "missing_weights", lambda *names: [])
    here = load(wanted)
    asked = []
    source = SimpleNamespace(precision="float32")
    monkeypatch.setattr(
        "automm.search.setup.data.text_source", lambda name, words, folder: asked.append(name) or source
    )
    for one in (here, here.with_fold(1)):
        encoder_sources(wanted, one)
    assert asked == [encoder, encoder]
    assert "training texts" in here.choice.reason


@pytest.mark.parametrize("named", ["auto", "me5-small", "preset"])
def test_a_text_encoder_that_is_not_there_is_refused_before_a_picture_is_decoded(tmp_path, monkeypatch, named):
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("automm.search.setup.data.prepare_pictures", lambda *given, **more: pytest.fail("decoded"))
    manifest = write_reviews(tmp_path / "data", 24)
    records = manifest.parent / "reviews.jsonl"
    text = "\u8fd9\u4e2a\u4e1c\u897f\u5f88\u597d\u770b\u6211\u5f88\u559c\u6b22"
    lines = [json.loads(line) | {"text": text} for line in records.read_text().splitlines()]
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if named == "preset":
        named = tmp_path / "preset"
        named.mkdir()
        (named / "config.json").write_text('{"registered_name": "keras_hub>BertBackbone"}')
    wanted = resolve({"manifest": str(manifest), "encoders": {"text": str(named)}}, tmp_path, name="test")
    with pytest.raises(WeightsError) as caught:
        load(wanted)
    message = str(caught.value)
    assert message.endswith("Fetch them: automm weights me5-small") or "/preset' has no" in message, message


def test_a_damaged_text_preset_is_refused_before_a_picture_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("automm.search.setup.data.prepare_pictures", lambda *given, **more: pytest.fail("decoded"))
    manifest = write_reviews(tmp_path / "data", 24)
    folder = tmp_path / "bert"
    text_preset("bert", folder)
    (folder / "metadata.json").write_text("{")
    wanted = resolve({"manifest": str(manifest), "encoders": {"text": str(folder)}}, tmp_path, name="test")
    with pytest.raises(WeightsError):
        load(wanted)


def split_by_column(manifest):
    lines = [json.loads(line) for line in (manifest.parent / "reviews.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        line["part"] = ("train", "train", "validation", "test")[number // 6]
    (manifest.parent / "reviews.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    content = yaml.safe_load(manifest.read_text())
    manifest.write_text(yaml.safe_dump({**content, "splits": {"column": "part"}}))


def add_review(manifest):
    """One of the test split, from which the vocabulary of a tiny encoder is not learned."""
    for place in range(2):
        Image.new("RGB", (16, 16), (place, 7, 9)).save(manifest.parent / "images" / f"new-{place}.png")
    review = {"id": "new", "text": "a new thing", "photos": ["new-0.png", "new-1.png"], "label": "bad", "part": "test"}
    with (manifest.parent / "reviews.jsonl").open("a") as file:
        file.write(json.dumps(review) + "\n")


def test_a_resumed_run_whose_encoder_is_another_is_refused(tmp_path):
    names = {"text": "me5-small", "image": "tiny-cnn"}
    recorded = {modality: {"name": name, "fingerprint": "1", "engine": "keras"} for modality, name in names.items()}
    described = {"fingerprint": "same", "encoders": recorded}
    run = SimpleNamespace(name="run", read=lambda name: described)
    one = SimpleNamespace(digest="same")
    text = SimpleNamespace(modality="text", name="minilm-l6", fingerprint="3")
    with pytest.raises(DataError, match="the text encoder was me5-small when the run began and is minilm-l6 now"):
        check_same_data(run, resolve({"manifest": "m.yaml"}, tmp_path, name="test"), one, [text])


def test_an_encoder_that_the_space_excludes_is_neither_needed_nor_encoded(tmp_path, isolated_cache):
    content = {
        **{**SMALL, "manifest": str(write_reviews(tmp_path, 24))},
        "encoders": {"text": ["tiny-bert", "/gone/bert"], "image": ["tiny-cnn", "/gone/vit"]},
        "space": {"text.encoder": ["tiny-bert"], "image.encoder": ["tiny-cnn"]},
    }
    wanted = resolve(content, tmp_path, name="test")
    here = load(wanted)
    setup = prepare(wanted, here, encoder_sources(wanted, here))
    assert setup.shapes.encoders == {"text": ("tiny-bert",), "image": ("tiny-cnn",)}
    assert set(setup.features.engines) == {("text", "tiny-bert"), ("image", "tiny-cnn")}


def test_a_run_is_resumed_with_an_encoder_that_has_moved(tmp_path):
    before, now = str(tmp_path / "before"), str(tmp_path / "now")
    text_preset("bert", tmp_path / "now")

    def experiment(text, **more):
        encoders = {"text": text, "image": "tiny-cnn", **more}
        content = {"manifest": str(manifest), "encoders": encoders, "space": {"text.readout": ["mean", "attention"]}}
        return resolve(content, tmp_path, name="test")

    manifest = write_reviews(tmp_path, 24)
    (tmp_path / "config.yaml").write_text(experiment(before).to_yaml())
    wanted = experiment(before, moved={before: now})
    here = load(wanted)
    encoders = encoder_sources(wanted, here)
    text = encoders[0]
    assert (text.name, text.fingerprint) == (before, sources.text_source(now, list).fingerprint)
    assert text.build().encoder == before
    recorded = {one.modality: {"name": one.name, "fingerprint": one.fingerprint, "engine": "keras"} for one in encoders}
    described = {"fingerprint": here.digest, "encoders": recorded}
    run = SimpleNamespace(name="run", folder=tmp_path, read=lambda name: described)
    _check_same_experiment(run, wanted)
    check_same_data(run, wanted, here, encoders)
    with pytest.raises(ConfigError, match=r"encoders\.text was .* and encoders\.moved has the new place of a folder"):
        _check_same_experiment(run, experiment(now))
    other = replace(text, fingerprint="other weights")
    with pytest.raises(DataError, match=f"the weights of the text encoder '{before}' have changed"):
        check_same_data(run, wanted, here, [other, *encoders[1:]])
