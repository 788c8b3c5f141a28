"""Every family of KerasHub: its tokens, its pixels, its outputs, and the share of it that tier 2 trains."""

import json
import random
import shutil
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from advice import advises, hear
from tiny_presets import SIZE, WORDS, bert_pieces, image_preset, joint_preset, text_preset

from automm.config.experiment import resolve
from automm.errors import ConfigError, WeightsError
from automm.models.encoders.hub.families import FAMILIES, TINY
from automm.models.encoders.layers import unfreeze
from automm.models.encoders.sources import TEXT_ENCODERS, image_source, text_source
from automm.search.finalists.fine_tune import fine_tune
from automm.search.space.encoder_readouts import check_readouts
from automm.search.space.validation import narrow
from automm.tracking.run_folder import COMPLETED, Candidate

TEXTS = [key for key, family in FAMILIES.items() if "text" in family.reads]
IMAGES = [key for key, family in FAMILIES.items() if "image" in family.reads]
JOINT = [key for key in TEXTS if key in IMAGES]
CNNS = ("resnet", "efficientnet", "mobilenet")
FREE = [key for key in TEXTS if key not in JOINT]
ODD = [
    *("the quick fox", "Good phones, bad!", "", "   ", " the", "the  quick\tfox\n", "123456789", "don't DON'T 1st"),
    *("\u8fd9\u4e2a\u624b\u673a", "\u0645\u0631\u062d\u0628\u0627", "<s> good </s> <unk> <pad> x"),
    *("emoji \U0001f600\u2764\ufe0f", "a\u200bb\u200d\u00a0c", "!!!???...", "\u3000wide\u3000", "very" * 50),
    *("\u2460 \u33a5 \u00bd", "\u00c9t\u00e9 na\u00efve \uff26\uff55", "\u2581good \u2581 bad", "the\u2028quick"),
]
PRESETS = {}


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """Return a function that returns (folder, parts of KerasHub) of a family, saved once."""

    def preset(key, build):
        if (key, build) not in PRESETS:
            folder = tmp_path_factory.mktemp("presets") / key
            PRESETS[key, build] = str(folder), build(key, folder)
        return PRESETS[key, build]

    yield preset
    PRESETS.clear()


def source_of_text(presets, key):
    folder, parts = presets(key, text_preset)
    return text_source(folder, lambda size: []), *parts


def source_of_image(presets, key):
    folder, parts = presets(key, image_preset)
    return image_source(folder), *parts


def near(one, other, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=tolerance, rtol=0)


def fuzz(letters, count=200):
    rng = random.Random(0)
    return ["".join(rng.choice(letters) for _ in range(rng.randint(1, 30))) for _ in range(count)]


def canonical(key, text):
    if key == "siglip":
        text = "".join(letter for letter in text.lower() if letter not in "!\"#$%&\\'()*+,-./:;<=>?@[]^_`{|}~")
        return " ".join(text.split())
    return text.lower() if key == "clip" else text


def gpt2(tokenizer, text):
    """Byte-level BPE as OpenAI published it (gpt-2/src/encoder.py), with RoBERTa's special tokens.

    KerasHub's eager path does not split RoBERTa's texts into words, and its TensorFlow path takes seconds a text.
    """
    import regex
    from keras_hub.src.tokenizers.byte_pair_tokenizer import bytes_to_unicode

    letters = dict(zip(*bytes_to_unicode(), strict=True))
    ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(tokenizer.merges)}
    special = "|".join(map(regex.escape, ("<s>", "</s>", "<pad>", "<mask>")))
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    ids = []
    for part in regex.split(f"({special})", text):
        if regex.fullmatch(special, part):
            ids.append(tokenizer.vocabulary[part])
            continue
        for word in regex.findall(pattern, part):
            pieces = [letters[bytes([byte])] for byte in word.encode()]
            while True:
                pairs = {pair: ranks[pair] for pair in pairwise(pieces) if pair in ranks}
                if not pairs:
                    break
                best, place, merged = min(pairs, key=pairs.get), 0, []
                while place < len(pieces):
                    both = tuple(pieces[place : place + 2]) == best
                    merged.append("".join(pieces[place : place + 2]) if both else pieces[place])
                    place += 1 + both
                pieces = merged
            ids += [tokenizer.vocabulary[piece] for piece in pieces]
    return ids


def tokens_of_kerashub(key, tokenizer, texts):
    """Return the ids of each text; one call for all, because KerasHub's calls are slow."""
    texts = [canonical(key, text) for text in texts]
    if key == "roberta":
        return [gpt2(tokenizer, text) for text in texts]
    found = tokenizer(texts)
    return found.to_list() if hasattr(found, "to_list") else [np.asarray(ids).tolist() for ids in found]


@pytest.mark.parametrize("key", TEXTS)
def test_tokens_are_those_of_kerashub(presets, key):
    source, _, tokenizer = source_of_text(presets, key)
    letters = "abc the qu\u00e9\u8fd9 .!\t\n\U0001f600\u0645<s>/1"
    # The differences that `preset_tokenizers` names.
    accents = {"bert", "distil_bert", "electra"}
    texts = [text for text in (*ODD, *fuzz(letters)) if key not in accents or text.isascii()]
    for text, ids in zip(texts, tokens_of_kerashub(key, tokenizer, texts), strict=True):
        assert source.preprocessing.tokenizer.encode(text, add_special_tokens=False).ids == ids, text


@pytest.mark.parametrize("key", TEXTS)
def test_special_tokens_and_padding(presets, key):
    source, _, tokenizer = source_of_text(presets, key)
    ids, mask = source.preprocessing.encode(["the quick fox", "", "the " * 100], 16)
    start = getattr(tokenizer, "start_token_id", None) if key not in ("bert", "distil_bert", "electra") else 2
    end = 3 if start == 2 and key in ("bert", "distil_bert", "electra") else tokenizer.end_token_id
    assert mask.sum(axis=1).tolist()[2] == 16  # CLIP's and SigLIP's length is that of the preset, 16
    assert [row[total - 1] for row, total in zip(ids, mask.sum(axis=1), strict=True)] == [end] * 3
    if key != "siglip":
        assert ids[:, 0].tolist() == [start] * 3
    assert (ids[mask == 0] == source.preprocessing.pad).all()
    assert source.preprocessing.pad == tokenizer.pad_token_id


@pytest.mark.parametrize("key", IMAGES)
@pytest.mark.parametrize("shape", [(40, 50), (20, 20)])
def test_pixels_are_those_of_kerashub(presets, key, shape):
    source, _, converter = source_of_image(presets, key)
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    prepared = source.preprocessing.prepare(pixels, SIZE).astype(np.float32)
    scale, offset = np.asarray(converter.scale), np.asarray(converter.offset)
    wanted = (np.asarray(converter(pixels.astype(np.float32))) - offset) / scale
    assert np.abs(prepared - wanted.clip(0, 255)).max() <= 1
    scaled = np.asarray(source.backbone()[1](prepared))
    near(scaled, prepared * scale + offset)
    assert source.preprocessing.size == (None if key in CNNS else SIZE)


@pytest.mark.parametrize("key", TEXTS)
def test_states_are_those_of_kerashub(presets, key):
    source, backbone, _ = source_of_text(presets, key)
    ids, mask = source.preprocessing.encode(["the quick fox", "good phone, bad battery"], 16)
    assert source.readouts[0] == ("pooled" if key in JOINT else "mean")
    if key in JOINT:
        near(source.build(("text_pooled_last",))(ids, mask), backbone.get_text_embeddings(ids))
        return
    given = {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}
    outputs = backbone({name: given[name] for name in backbone.input})
    states = np.asarray(outputs["sequence_output"] if isinstance(outputs, dict) else outputs)
    mean = (states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    names = ("text", "text_cls_last", "text_cls_mean_last", "text_mean_two_thirds")
    found = source.build(names)(ids, mask)
    by_name = dict(zip(source.build(names).readouts, found, strict=True))
    near(by_name["text"], mean)
    near(by_name["text_cls_last"], states[:, 0])
    near(by_name["text_cls_mean_last"], np.concatenate([states[:, 0], mean], axis=1))
    assert np.abs(np.asarray(by_name["text_mean_two_thirds"]) - mean).max() > 1e-3


@pytest.mark.parametrize("key", IMAGES)
def test_cells_are_those_of_kerashub(presets, key):
    source, backbone, _ = source_of_image(presets, key)
    pictures = np.random.default_rng(1).integers(0, 256, (2, 3, SIZE, SIZE, 3), dtype=np.uint8)
    names = ("image", "image_cells_last", *(() if key in CNNS else ("image_pooled_last",)))
    encoder = source.build(names, SIZE)
    found = dict(zip(encoder.readouts, encoder(pictures), strict=True))
    specs = encoder.compute_output_spec(keras.KerasTensor(pictures.shape, "uint8"))
    assert [spec.shape for spec in specs] == [tuple(value.shape) for value in found.values()]
    scaled = source.backbone()[1](pictures.reshape(-1, SIZE, SIZE, 3).astype(np.float32))
    if key in JOINT:
        near(found["image_pooled_last"], np.reshape(backbone.get_vision_embeddings(scaled), (2, 3, -1)))
        return
    if key == "dinov2":  # the source builds it for the size of its converter
        from keras_hub.models import Backbone

        backbone = Backbone.from_preset(source.name, image_shape=(SIZE, SIZE, 3))
    given = backbone.input
    states = np.asarray(backbone(dict.fromkeys(given, scaled) if isinstance(given, dict) else scaled))
    if key not in CNNS:
        near(found["image_pooled_last"], states[:, 0].reshape(2, 3, -1))
        states = states[:, -16:]
    near(found["image"], states.reshape(6, -1, states.shape[-1]).mean(axis=1).reshape(2, 3, -1))
    near(found["image_cells_last"], states.reshape(2, 3, -1, states.shape[-1]), 2e-3)  # rounded to float16


@pytest.mark.parametrize("key", FREE)
def test_padding_never_changes_an_output(presets, key):
    source, _, _ = source_of_text(presets, key)
    encoder = source.build(("text", "text_max_last"))
    ids, mask = source.preprocessing.encode(["the quick fox"], 40)
    real = int(mask.sum())
    short = encoder(ids[:, :real], mask[:, :real])
    spoiled = np.where(mask == 1, ids, 7)
    for one, other in zip(encoder(spoiled, mask), short, strict=True):
        near(one, other)


def test_what_follows_a_text_never_changes_clip(presets):
    source, _, _ = source_of_text(presets, "clip")
    assert source.preprocessing.masked
    encoder = source.build(("text_pooled_last",))
    ids, mask = source.preprocessing.encode(["the quick fox"], 16)
    near(encoder(np.where(mask == 1, ids, 7), mask), encoder(ids, mask))


def test_siglip_reads_every_position(presets):
    source, _, _ = source_of_text(presets, "siglip")
    assert not source.preprocessing.masked
    ids, mask = source.preprocessing.encode(["the quick fox"], 16)
    encoder = source.build(("text_pooled_last",))
    assert np.abs(np.asarray(encoder(np.where(mask == 1, ids, 7), mask)) - np.asarray(encoder(ids, mask))).max() > 1e-4


def size_of(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


@pytest.mark.parametrize("key", TEXTS)
def test_the_last_third_of_a_text_encoder_is_trained(presets, key):
    source, _, _ = source_of_text(presets, key)
    if key == "albert":
        assert source.blocks() == ()
        with pytest.raises(ConfigError, match="fine-tuning is not offered"):
            source.halves()
        return
    assert len(source.blocks()) == 3
    whole = source.build((f"text_{source.readouts[0]}_last" if key in JOINT else "text",))
    lower, upper = source.halves()
    upper = upper.reading(whole.readouts)
    ids, mask = source.preprocessing.encode(["the quick fox", ""], 16)
    near(upper(*lower(ids, mask)), whole(ids, mask))
    unfreeze(upper)
    block = size_of(source.blocks()[-1].trainable_weights)
    behind = size_of(upper.trainable_weights) - block  # the last normalisation, and the projection
    assert 0 <= behind < block / 3
    assert not lower.trainable_weights


@pytest.mark.parametrize("key", IMAGES)
def test_the_last_third_of_a_picture_encoder_is_trained(presets, key):
    source, _, _ = source_of_image(presets, key)
    names = ("image", "image_average_two_thirds", *(() if key in CNNS else ("image_pooled_last",)))
    whole = source.build(names, SIZE)
    lower, upper = source.halves(SIZE)
    upper = upper.reading(names)
    pictures = np.random.default_rng(1).integers(0, 256, (2, 2, SIZE, SIZE, 3), dtype=np.uint8)
    pictures[1, 1] = 0  # padding
    states = lower(pictures)
    specs = upper.compute_output_spec(keras.KerasTensor(states.shape))
    assert [spec.shape for spec in specs] == [tuple(value.shape) for value in upper(states)]
    for one, other in zip(upper(states), whole(pictures), strict=True):
        near(one, other)
    unfreeze(upper)
    trained, total = size_of(upper.trainable_weights), size_of(whole.weights)
    if key in CNNS:
        assert 0 < trained <= total * 0.6
        return
    block = size_of(source.blocks()[-1].trainable_weights)
    head = size_of(source.backbone()[0].model.get_layer("vision_head").weights) if key == "siglip" else 0
    assert 0 <= trained - block - head < block / 3


@pytest.mark.parametrize("key", ["deberta_v3", "clip", "siglip", "xlm_roberta"])
def test_text_encoders_are_saved_with_the_model(presets, key, tmp_path):
    source, _, _ = source_of_text(presets, key)
    encoder = source.build(("text_pooled_last",) if key in JOINT else ("text", "text_mean_two_thirds"))
    check_saved(encoder, [*source.preprocessing.encode(["the quick fox"], 16)], tmp_path)
    for half in source.halves():
        shape = [(1, 16, half.features), (1, 16)] if half.name == "text_upper" else [(1, 16), (1, 16)]
        given = [np.ones(each, np.int32 if len(each) == 2 else np.float32) for each in shape]
        check_saved(half, given, tmp_path)


@pytest.mark.parametrize("key", IMAGES)
def test_picture_encoders_are_saved_with_the_model(presets, key, tmp_path):
    source, _, _ = source_of_image(presets, key)
    pictures = np.random.default_rng(1).integers(0, 256, (2, 2, SIZE, SIZE, 3), dtype=np.uint8)
    check_saved(source.build(("image", "image_average_two_thirds"), SIZE), [pictures], tmp_path)
    lower, upper = source.halves(SIZE)
    check_saved(upper, [np.asarray(lower(pictures))], tmp_path)


def check_saved(layer, given, tmp_path):
    inputs = [keras.Input(each.shape[1:], dtype=str(each.dtype)) for each in given]
    model = keras.Model(inputs, layer(*inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    for one, other in zip(keras.tree.flatten(loaded(given)), keras.tree.flatten(model(given)), strict=True):
        near(one, other)


@pytest.mark.parametrize("key", JOINT)
def test_the_towers_of_a_joint_encoder_know_each_other(presets, key):
    folder, _ = presets(key, joint_preset)
    text, image = text_source(folder, lambda size: []), image_source(folder)
    assert text.joint == image.joint != ""
    assert text.fingerprint != image.fingerprint


def test_the_fingerprint_is_that_of_the_content(presets, tmp_path):
    import shutil

    folder, _ = presets("vit", image_preset)
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert image_source(folder).fingerprint == image_source(str(tmp_path / "elsewhere")).fingerprint


@advises("Choose among: {}")
def test_a_read_out_that_an_encoder_has_not(presets, tmp_path):
    source, _, _ = source_of_text(presets, "bert")

    def check(text, *readouts):
        encoders = {"text": text, "image": "tiny-cnn"}
        experiment = resolve({"manifest": "m.yaml", "encoders": encoders}, tmp_path, name="x")
        check_readouts(experiment, narrow({"text.readout": readouts}))

    for name in ("tiny-bert", "auto", source.name):
        with pytest.raises(ConfigError) as caught:
            check(name, "mean", "pooled")
        hear(str(caught.value), "Choose among: {}")
        said = f"space.text.readout: encoder {name!r} has no read-out pooled. Choose among: "
        assert str(caught.value) == f"{said}mean, cls_mean, cls, max, attention"
        check(name, *str(caught.value).removeprefix(said).split(", "))
    clip, _, _ = source_of_text(presets, "clip")
    with pytest.raises(ConfigError, match=r"read-out cls, cls_mean\. Choose among: mean, max, pooled, attention"):
        check(clip.name, "cls", "cls_mean", "pooled")


@advises("Set tier2.finalists: 0")
def test_without_blocks_of_its_own_there_is_no_fine_tuning(presets, tmp_path):
    source, _, _ = source_of_text(presets, "albert")
    with pytest.raises(ConfigError) as caught:
        source.halves()
    hear(str(caught.value), "Set tier2.finalists: 0")
    assert f"encoder {source.name!r} runs the same weights" in str(caught.value)
    experiment = resolve({"manifest": "m.yaml", "tier2": {"finalists": 0}}, tmp_path, name="x")
    ranking = SimpleNamespace(trained=lambda: [Candidate("trial-001", "trial", COMPLETED)])
    budget = SimpleNamespace(out_of_time=lambda: False)
    fine_tune(
        SimpleNamespace(setup=SimpleNamespace(experiment=experiment), ranking=ranking, candidates=[], budget=budget)
    )


@pytest.mark.parametrize(
    ("key", "gone"),
    [("bert", "model.weights.h5"), ("bert", "assets/tokenizer/vocabulary.txt"), ("vit", "model.weights.h5")],
)
@advises("Name another encoder, or a folder with all of its files")
def test_a_folder_without_all_of_its_files(presets, tmp_path, key, gone):
    whole, _ = presets(key, text_preset if key == "bert" else image_preset)
    folder = Path(shutil.copytree(whole, tmp_path / key))
    (folder / gone).unlink()

    def source(name):
        return text_source(str(name), lambda size: list(WORDS)) if key == "bert" else image_source(str(name))

    with pytest.raises(WeightsError) as caught:
        source(folder)
    hear(str(caught.value), "Name another encoder, or a folder with all of its files")
    assert source(TINY["text" if key == "bert" else "image"])
    shutil.copyfile(Path(whole) / gone, folder / gone)
    assert source(folder)


@advises("Name another encoder")
def test_a_folder_of_another_kind_of_encoder(presets, tmp_path):
    """A vocabulary without special tokens, and one of another kind."""

    def texts(name):
        return text_source(name, lambda size: list(WORDS))

    def without(token):
        file = Path(presets("roberta", text_preset)[0]) / "assets/tokenizer/vocabulary.json"
        vocabulary = json.loads(file.read_text())
        return json.dumps({piece: place for piece, place in vocabulary.items() if piece != token}).encode()

    for key, file, content in (
        ("roberta", "assets/tokenizer/vocabulary.json", without("</s>")),
        ("xlm_roberta", "assets/tokenizer/vocabulary.spm", bert_pieces()),
    ):
        whole, _ = presets(key, text_preset)
        folder = Path(shutil.copytree(whole, tmp_path / key))
        (folder / file).write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            texts(str(folder))
        hear(str(caught.value), "Name another encoder")
        assert texts(whole)


@pytest.mark.parametrize("way", ["the folder", "another encoder"])
@advises("Check the name, the folder or the network, or name another encoder, such as {}")
def test_damaged_weights_of_a_preset(presets, tmp_path, way):
    whole, _ = presets("bert", text_preset)
    folder = Path(shutil.copytree(whole, tmp_path / "bert"))
    (folder / "model.weights.h5").write_bytes(b"no weights")
    with pytest.raises(WeightsError) as caught:
        text_source(str(folder), lambda size: []).build()
    hear(str(caught.value), "Check the name, the folder or the network, or name another encoder, such as {}")
    if way == "the folder":
        shutil.copyfile(Path(whole) / "model.weights.h5", folder / "model.weights.h5")
        assert text_source(str(folder), lambda size: []).build()
    else:
        assert str(caught.value).rpartition("such as ")[2] in TEXT_ENCODERS


def test_a_preset_says_its_positions(presets):
    assert source_of_text(presets, "deberta_v3")[0].positions == 64
    assert source_of_text(presets, "bert")[0].positions == 512


def test_a_lower_half_knows_its_shape_in_a_graph(presets):
    import tensorflow as tf

    source, _, _ = source_of_image(presets, "dinov3")
    lower, upper = source.halves(SIZE)
    pictures = np.random.default_rng(1).integers(0, 256, (2, 3, SIZE, SIZE, 3), dtype=np.uint8)
    spec = tf.TensorSpec((None, *pictures.shape[1:]), tf.uint8)
    graph = tf.function(lambda given: upper(lower(given)), input_signature=[spec], autograph=False)
    near(graph(pictures), upper(lower(pictures)))
