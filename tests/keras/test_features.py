from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from advice import advises, hear

from automm.data.inputs.arrays import Arrays, Pictures, Tokens
from automm.data.inputs.input_sources import source_of_input
from automm.data.inputs.items import item_digests
from automm.errors import ConfigError
from automm.models.encoders.sources import image_source, text_source, vocabulary_of_texts
from automm.models.readouts import POOLED, READOUTS, is_sequence
from automm.search.features import encode as passes
from automm.search.features import encoded as module
from automm.search.features.store import FeatureStore

# Of many lengths, two of them twice, one empty.
TEXTS = ["good phone", "word " * 17, "bad", "good phone", "", "word " * 9 + "bad", "bad", "a b c d e f g"]
LENGTH = 24
ROWS = np.array([[0, 1], [-1, -1], [2, -1], [0, -1], [-1, 3], [1, 0], [3, 3], [-1, -1]], np.int32)
TEXT = text_source("tiny-bert", vocabulary_of_texts(TEXTS))
IMAGE = image_source("tiny-cnn")
GENERAL = [name for name, readout in READOUTS.items() if readout.how != POOLED]  # of every encoder
TEXT_INPUT, IMAGE_INPUT = "text@tiny-bert:mean", "image@tiny-cnn:average"


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    return Arrays(
        ids=tuple(f"r{row}" for row in range(len(TEXTS))),
        tokens={TEXT.name: Tokens(*TEXT.preprocessing.encode(TEXTS, LENGTH))},
        text_mask=np.array([float(bool(text)) for text in TEXTS], np.float32),
        pictures={
            IMAGE.name: Pictures(
                rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8), item_digests([b"0", b"1", b"2", b"3"])
            )
        },
        picture_rows=ROWS,
        targets=np.arange(len(TEXTS), dtype=np.int32) % 2,
    )


@pytest.fixture(scope="module")
def built():
    return TEXT.build(), IMAGE.build()


def counting(source, calls):
    """The source, telling when its encoder is built."""

    def backbone():
        calls.append(source.name)
        return source.backbone()

    return replace(source, backbone=backbone)


def encode(arrays, text, image, cache, batch_size=None, **more):
    """The real one, a few texts or pictures at a time."""
    with pytest.MonkeyPatch.context() as patch:
        if batch_size:
            patch.setattr(passes.TextPass, "batch_size", batch_size)
            patch.setattr(passes.PicturePass, "batch_size", batch_size)
        return module.encode(arrays, [text, image], FeatureStore(cache / "features", 10**9), **more)


def refuse():
    raise AssertionError("the encoder was built")


ALL = np.arange(len(TEXTS))


@pytest.fixture(scope="module")
def encoded(arrays, tmp_path_factory):
    cache = tmp_path_factory.mktemp("features")
    return encode(arrays, TEXT, IMAGE, cache, batch_size=3), cache


def test_features_equal_those_of_fully_padded_texts(encoded, arrays, built):
    """Texts are encoded by length, duplicates once; a row must still be its own review's."""
    batch = encoded[0].batch(ALL)
    raw = arrays.batch(ALL)
    np.testing.assert_allclose(
        batch[TEXT_INPUT], np.asarray(built[0](raw["token_ids"], raw["padding_mask"])), atol=1e-5
    )
    mask = raw["image_mask"][..., None]
    np.testing.assert_allclose(batch[IMAGE_INPUT], np.asarray(built[1](raw["images"])) * mask, atol=1e-5)
    np.testing.assert_array_equal(batch["text_mask"], raw["text_mask"])
    np.testing.assert_array_equal(batch["image_mask"], raw["image_mask"])
    assert {array.dtype for array in batch.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_the_size_of_a_batch_does_not_matter(encoded, arrays, tmp_path, batch_size):
    other = encode(arrays, TEXT, IMAGE, tmp_path, batch_size=batch_size)
    for name, array in other.batch(ALL).items():
        np.testing.assert_allclose(array, encoded[0].batch(ALL)[name], atol=1e-5)


def test_duplicates_are_encoded_once(encoded):
    features = encoded[0]
    assert len(features.readout("text")) == len(set(TEXTS)) == 6
    assert len(features.readout("image")) == 4
    assert features.texts[TEXT.name].rows[0] == features.texts[TEXT.name].rows[3]
    assert len(features) == len(TEXTS)


def test_stored_features_equal_the_computation_and_build_no_encoder(encoded, arrays):
    first, cache = encoded
    again = encode(arrays, replace(TEXT, backbone=refuse), replace(IMAGE, backbone=refuse), cache)
    np.testing.assert_array_equal(again.readout("text"), first.readout("text"))
    np.testing.assert_array_equal(again.readout("image"), first.readout("image"))
    assert {path.suffix for path in (cache / "features").iterdir()} == {".npy", ".json"}


def test_a_batch_in_any_order(encoded):
    rows = np.array([5, 0, 5])
    whole = encoded[0].batch(ALL)
    for name, array in encoded[0].batch(rows).items():
        np.testing.assert_array_equal(array, whole[name][rows])


def test_another_order_of_reviews_encodes_nothing(encoded, arrays):
    order = np.random.default_rng(1).permutation(len(TEXTS))
    turned = replace(
        arrays,
        ids=tuple(arrays.ids[row] for row in order),
        tokens=with_tokens(arrays, lambda values: values[order]),
        text_mask=arrays.text_mask[order],
        picture_rows=arrays.picture_rows[order],
    )
    features = encode(turned, replace(TEXT, backbone=refuse), replace(IMAGE, backbone=refuse), encoded[1])
    for name, array in features.batch(ALL).items():
        np.testing.assert_array_equal(array, encoded[0].batch(order)[name])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-40],
        lambda content: content[:50],
        lambda content: b"",
        lambda content: b"no numpy file at all" * 10,
    ],
    ids=["truncated", "header cut", "empty", "other"],
)
def test_a_damaged_file_is_computed_again(arrays, tmp_path, damage, encoded):
    for source in (encoded[1] / "features").iterdir():
        target = tmp_path / "features" / source.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(damage(source.read_bytes()))
    calls = []
    features = encode(arrays, counting(TEXT, calls), counting(IMAGE, calls), tmp_path)
    assert calls == ["tiny-bert", "tiny-cnn"]
    np.testing.assert_allclose(features.readout("text"), encoded[0].readout("text"), atol=1e-5)
    encode(arrays, replace(TEXT, backbone=refuse), replace(IMAGE, backbone=refuse), tmp_path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"text": {"fingerprint": "other weights"}}, ["tiny-bert"]),
        ({"image": {"fingerprint": "other weights"}}, ["tiny-cnn"]),
        ({"items": item_digests([b"4", b"5", b"6", b"7"])}, ["tiny-cnn"]),
        ({"ids": 1}, ["tiny-bert"]),
        ({"mask": 0}, ["tiny-bert"]),
    ],
)
def test_other_weights_or_data_are_other_features(encoded, arrays, tmp_path, change, expected):
    for source in (encoded[1] / "features").iterdir():
        (tmp_path / "features").mkdir(exist_ok=True)
        (tmp_path / "features" / source.name).write_bytes(source.read_bytes())
    calls = []
    tokens, (pictures,) = arrays.tokens[TEXT.name], arrays.pictures.values()
    if "items" in change:
        pictures = replace(pictures, items=change["items"])
    for field in ("ids", "mask"):  # the same number of distinct texts, and another one among them
        if field in change:
            values = getattr(tokens, field).copy()
            values[2, 1] = values[6, 1] = change[field]
            tokens = replace(tokens, **{field: values})
    encode(
        replace(arrays, tokens={TEXT.name: tokens}, pictures={IMAGE.name: pictures}),
        counting(replace(TEXT, **change.get("text", {})), calls),
        counting(replace(IMAGE, **change.get("image", {})), calls),
        tmp_path,
    )
    assert calls == expected


def test_a_crash_leaves_no_partial_entry(arrays, tmp_path, monkeypatch):
    class Broken(passes.PicturePass):
        def batches(self):
            yield next(iter(super().batches()))
            raise RuntimeError("out of memory")

    monkeypatch.setattr(module, "PicturePass", Broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        encode(arrays, TEXT, IMAGE, tmp_path, batch_size=2)
    left = sorted(path.suffix for path in (tmp_path / "features").iterdir())
    assert left == [".json", ".npy"]  # the texts, which were finished


def test_no_pictures_at_all(arrays, tmp_path):
    none = replace(
        arrays,
        pictures={IMAGE.name: Pictures(np.zeros((0, 16, 16, 3), np.uint8), item_digests([]))},
        picture_rows=np.full_like(ROWS, -1),
    )
    features = encode(none, TEXT, IMAGE, tmp_path)
    batch = features.batch(ALL)
    assert batch[IMAGE_INPUT].shape == (len(TEXTS), 2, 16)
    assert not batch[IMAGE_INPUT].any()
    assert not batch["image_mask"].any()
    statistics = features.statistics(ALL, of_targets=False)
    np.testing.assert_array_equal(statistics[IMAGE_INPUT][0], 0)
    np.testing.assert_array_equal(statistics[IMAGE_INPUT][1], 1)


def test_statistics_are_of_present_modalities_in_training_rows(encoded):
    features = encoded[0]
    train = np.array([0, 2, 3, 4, 6])  # review 4 has no text
    statistics = features.statistics(train, of_targets=False)
    batch = features.batch(train)
    text = batch[TEXT_INPUT][batch["text_mask"] > 0]
    pictures = batch[IMAGE_INPUT][batch["image_mask"] > 0]
    assert (len(text), len(pictures)) == (4, 7)
    for name, values in ((TEXT_INPUT, text), (IMAGE_INPUT, pictures)):
        np.testing.assert_allclose(statistics[name][0], values.mean(axis=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(statistics[name][1], values.std(axis=0), rtol=1e-5, atol=1e-6)


def test_sizes(encoded):
    shapes = encoded[0].shapes(3, "softmax")
    assert (shapes.text_features, shapes.image_features, shapes.max_images, shapes.outputs) == (16, 16, 2, 3)


def test_one_pass_stores_all_read_outs(encoded, arrays, tmp_path):
    calls, told = [], []
    features = encode(
        arrays,
        counting(TEXT, calls),
        counting(IMAGE, calls),
        tmp_path,
        readouts=list(GENERAL),
        progress=lambda what, done, total: told.append((what, done == total)),
    )
    assert calls == ["tiny-bert", "tiny-cnn"]
    assert told.count(("texts, word pieces", True)) == told.count(("pictures", True)) == 1
    np.testing.assert_allclose(features.readout("text"), encoded[0].readout("text"), atol=1e-5)
    text, image = TEXT.build(list(GENERAL)), IMAGE.build(list(GENERAL), 16)
    names = (*GENERAL, "token_mask", "text_mask", "image_mask")
    batch = features.only(names).batch(ALL)
    assert set(batch) == set(names)
    raw = arrays.batch(ALL)
    real = raw["token_ids"] != 0
    length = batch["token_mask"].shape[1]
    np.testing.assert_array_equal(batch["token_mask"], real[:, :length])
    assert not real[:, length:].any()

    def given(name):
        return batch[source_of_input(name).short_name]

    for name, expected in text.named(raw["token_ids"], raw["padding_mask"]).items():
        expected = np.asarray(expected)
        if is_sequence(name):
            expected = np.where(real[..., None], expected, 0)[:, :length]
        np.testing.assert_allclose(given(name), expected, atol=1e-2 if is_sequence(name) else 1e-5)
    for name, expected in image.named(raw["images"]).items():
        mask = raw["image_mask"].reshape(*raw["image_mask"].shape, *[1] * (expected.ndim - 2))
        np.testing.assert_allclose(given(name), expected * mask, atol=1e-2 if is_sequence(name) else 1e-5)
    assert {batch[name].dtype for name in GENERAL} == {np.dtype(np.float32)}
    assert {features.readout(name).dtype for name in ("text_states_last", "image_cells_last")} == {np.dtype("f2")}
    found = {source_of_input(name).short_name for name in features.statistics(ALL, of_targets=False)}
    assert found == {name for name in GENERAL if not is_sequence(name)}


def test_read_outs_of_another_space_are_stored(encoded, arrays):
    """Every read-out is an entry of its own: those of the baselines need no encoder."""
    names = ["text_cls_last", "image_gem_last"]
    calls = []
    first = encode(arrays, counting(TEXT, calls), counting(IMAGE, calls), encoded[1], readouts=names)
    assert calls == ["tiny-bert", "tiny-cnn"]
    texts = {source.short_name for source in first.encoded if source.modality == "text"}
    assert texts == {"text", "text_cls_last"}
    encode(arrays, replace(TEXT, backbone=refuse), replace(IMAGE, backbone=refuse), encoded[1], readouts=names[:1])


@advises("Choose another encoder, or remove attention and fusions of sequences from the space")
def test_values_too_large_for_float16_are_refused(arrays, tmp_path):
    def loud():
        tower, _ = IMAGE.backbone()
        tower.model.layers[-1].bias.assign(np.full(16, 1e5, np.float32))
        return tower, None

    with pytest.raises(ConfigError, match="whole sequences are stored in float16, up to 65504") as caught:
        encode(arrays, TEXT, replace(IMAGE, backbone=loud), tmp_path, readouts=["image_cells_last"])
    hear(str(caught.value), "Choose another encoder, or remove attention and fusions of sequences from the space")
    assert encode(arrays, TEXT, IMAGE, tmp_path, readouts=["image_cells_last"])
    assert encode(arrays, TEXT, replace(IMAGE, backbone=loud), tmp_path, readouts=["image"])


def test_texts_that_say_pad_are_as_long_as_their_last_word_piece():
    """A tokenizer.json may read a text's "[PAD]" as the piece 0; texts that differ only behind it are two items."""
    ids = np.array([[2, 5, 0, 0, 6, 3, 0, 0], [2, 5, 0, 0, 7, 3, 0, 0], [2, 3, 0, 0, 0, 0, 0, 0]], np.int32)
    texts = passes.Texts.of(Tokens(ids, (np.arange(8) < [[6], [6], [2]]).astype(np.int32)))
    assert sorted(texts.lengths.tolist()) == [2, 6, 6]
    assert len({*texts.items.digests.tolist()}) == 3


def test_progress_reaches_the_total(arrays, tmp_path):
    told = []
    encode(arrays, TEXT, IMAGE, tmp_path, batch_size=4, progress=lambda *what: told.append(what))
    lengths = np.sort(texts_of(arrays).lengths)  # short texts come first
    first, total = int(lengths[:4].sum()), int(lengths.sum())
    what = "texts, word pieces"
    assert told == [(what, first, total), (what, total, total), ("pictures", 4, 4)]


def texts_of(arrays):
    """The distinct texts of arrays."""
    return passes.Texts.of(arrays.tokens[TEXT.name])


def with_tokens(arrays, change):
    """The tokens of arrays, changed."""
    return {
        name: replace(tokens, ids=change(tokens.ids), mask=change(tokens.mask))
        for name, tokens in arrays.tokens.items()
    }


def some(arrays, reviews):
    """The arrays of some reviews, with their pictures alone."""
    chosen = arrays.picture_rows[reviews]
    pictures = np.unique(chosen[chosen >= 0])
    return replace(
        arrays,
        ids=tuple(arrays.ids[row] for row in reviews),
        tokens=with_tokens(arrays, lambda values: values[reviews]),
        text_mask=arrays.text_mask[reviews],
        pictures={name: Pictures(one.pixels[pictures], one.items[pictures]) for name, one in arrays.pictures.items()},
        picture_rows=np.where(chosen >= 0, np.searchsorted(pictures, chosen), -1).astype(np.int32),
        targets=arrays.targets[reviews],
    )


def test_reviews_that_were_encoded_with_others_build_no_encoder(encoded, arrays):
    """Fewer reviews, or texts for which there is more room, are copies; in whole sequences, too."""
    names = list(GENERAL)
    whole = encode(arrays, TEXT, IMAGE, encoded[1], readouts=names).only((*GENERAL, "token_mask"))
    wide = replace(arrays, tokens=with_tokens(arrays, lambda values: np.pad(values, ((0, 0), (0, 16)))))
    for given, rows in ((some(arrays, [5, 2, 6]), [5, 2, 6]), (wide, ALL)):
        again = encode(
            given, replace(TEXT, backbone=refuse), replace(IMAGE, backbone=refuse), encoded[1], readouts=names
        )
        for name, array in again.only(whole.names).batch(np.arange(len(rows))).items():
            np.testing.assert_array_equal(array, whole.batch(np.array(rows))[name])


def test_new_reviews_are_encoded_and_the_others_copied(arrays, tmp_path):
    names = list(GENERAL)
    few = some(arrays, [1, 2, 6])
    first = encode(few, TEXT, IMAGE, tmp_path, readouts=names)
    told = []
    second = encode(arrays, TEXT, IMAGE, tmp_path, readouts=names, progress=lambda *what: told.append(what))
    new = int(texts_of(arrays).lengths.sum() - texts_of(few).lengths.sum())
    assert told == [("texts, word pieces", new, new), ("pictures", 2, 2)]
    fresh = encode(arrays, TEXT, IMAGE, tmp_path / "fresh", readouts=names)
    for name, expected in fresh.only((*GENERAL, "token_mask")).batch(ALL).items():
        found = second.only((*GENERAL, "token_mask")).batch(ALL)[name]
        np.testing.assert_allclose(found, expected, atol=1e-2 if is_sequence(name) else 1e-5)
    batches = [of.only(GENERAL).batch(rows) for of, rows in ((first, ALL[:3]), (second, np.array([1, 2, 6])))]
    for name, array in batches[0].items():
        np.testing.assert_array_equal(array, batches[1][name])


def test_the_time_of_an_encoding_is_measured_with_the_encoder_that_encodes(arrays, tmp_path, monkeypatch):
    """The clock says 2 s for three texts of about the mean length, and for three of the four pictures."""
    from automm.search.features import encoding_time

    ticks = iter(range(0, 1000, 2))
    monkeypatch.setattr(encoding_time, "FEW", 0)
    monkeypatch.setattr(encoding_time, "SAMPLE", 3)
    monkeypatch.setattr(module, "encoding_time", partial(encoding_time.encoding_time, clock=lambda: next(ticks)))
    calls, expected = [], []
    features = encode(arrays, counting(TEXT, calls), counting(IMAGE, calls), tmp_path, before=expected.append)
    assert calls == ["tiny-bert", "tiny-cnn"], "each encoder is built once, for the measurement and for the encoding"
    (measured,) = expected
    (texts,) = features.texts.values()
    pictures = len(arrays.pixels)
    assert measured.items == (("texts", len(texts.lengths)), ("pictures", pictures))
    lengths = texts.lengths
    typical = lengths[np.argsort(np.abs(lengths - lengths.mean()), kind="stable")[:3]]
    assert measured.seconds == pytest.approx(2 * lengths.sum() / typical.sum() + 2 * 4 / 3)
    encode(arrays, TEXT, IMAGE, tmp_path, before=expected.append)
    assert expected[1] == encoding_time.EncodingTime(), "everything is stored"


def test_a_limit_ends_a_search_before_anything_is_stored(arrays, tmp_path):
    def refuse(expected):
        assert expected.items
        raise ConfigError("too little time")

    with pytest.raises(ConfigError, match="too little time"):
        encode(arrays, TEXT, IMAGE, tmp_path, before=refuse)
    assert not list(tmp_path.rglob("*.npy"))
