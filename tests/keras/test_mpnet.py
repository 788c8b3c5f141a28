"""The packaged MPNet: its layers against numpy, its halves, its forms, and torch's figures on the published weights."""

import json

import keras
import numpy as np
import pytest
from fake_weights import index_of, pin_parts
from tiny_mpnet import HEADS, HIDDEN, LAYERS, write_mpnet

from automm.errors import WeightsError
from automm.models.encoders import mpnet
from automm.models.encoders.hub.tower_layers import RelativeBias
from automm.models.encoders.layers import unfreeze
from automm.models.encoders.precision import in_precision
from automm.models.encoders.sources import text_source
from automm.models.weights import fetch as weights
from automm.search.features.engines import Engine
from automm.search.features.load import AGREES, relative_difference

TEXTS = ["Good phones, the fox.", "bad", "", "the " * 30]
READOUTS = ("text", "text_max_last", "text_states_last", "text_mean_two_thirds")
INPUTS = {"token_ids": (np.int32, (None,)), "padding_mask": (np.int32, (None,))}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """(source, weights by name) of a tiny MPNet that is fetched from an index in parts."""
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path / "cache"))
    arrays = write_mpnet(tmp_path / "files")
    contents = {f"all/{path.name}": path.read_bytes() for path in (tmp_path / "files").iterdir()}
    pin_parts(monkeypatch, tmp_path / "index", "mpnet-base", contents)
    index_of(monkeypatch, tmp_path / "index")
    weights.fetch("mpnet-base")
    return text_source("mpnet-base", lambda size: []), arrays


def bucket(distance):
    """The published rule, of the distance of a key from its query, in exact arithmetic."""
    far = abs(distance)
    if far >= 8:  # 8 * 16 ** (step / 8) <= far, in integers
        far = min(15, 8 + sum(far**8 >= 8**8 * 16**step for step in range(1, 8)))
    return far + 16 * (distance > 0)


def test_buckets_of_distances():
    layer = RelativeBias(heads=1)
    layer.build((None, None, 1))
    layer.set_weights([np.arange(32.0)[:, None]])
    found = np.asarray(layer(np.zeros((1, 400, 1), np.float32)))[0, 0]
    assert [*found[200]] == [bucket(key - 200) for key in range(400)]
    assert [*found[0]] == [bucket(key) for key in range(400)]


def norm(states, weight, bias):
    centred = states - states.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * weight + bias


def forward(tensors, ids, mask):
    """MPNet in numpy: token states after each layer."""
    from scipy.special import erf, softmax

    def dense(states, name):
        return states @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def normed(states, name):
        return norm(states, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    def heads(states):
        return states.reshape(*ids.shape, HEADS, -1).swapaxes(1, 2)

    length = ids.shape[1]
    positions = tensors["embeddings.position_embeddings.weight"][2 : 2 + length]
    states = normed(tensors["embeddings.word_embeddings.weight"][ids] + positions, "embeddings.LayerNorm")
    numbers = [[bucket(key - query) for key in range(length)] for query in range(length)]
    bias = tensors["encoder.relative_attention_bias.weight"][numbers].transpose(2, 0, 1)
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        query, key, value = (heads(dense(states, f"{layer}.attention.attn.{part}")) for part in "qkv")
        scores = query @ key.swapaxes(2, 3) / np.sqrt(HIDDEN // HEADS) + bias
        read = softmax(np.where(mask[:, None, None] == 1, scores, -1e9), axis=-1) @ value
        read = dense(read.swapaxes(1, 2).reshape(states.shape), f"{layer}.attention.attn.o")
        states = normed(states + read, f"{layer}.attention.LayerNorm")
        wide = dense(states, f"{layer}.intermediate.dense")
        wide *= (1 + erf(wide / np.sqrt(2))) / 2
        states = normed(states + dense(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        yield states


def test_states_are_those_of_the_published_model(tiny):
    source, tensors = tiny
    ids, mask = source.preprocessing.encode(TEXTS, 24)
    _, two_thirds, last = forward(tensors, ids, mask)
    found = source.build(READOUTS).named(ids, mask)
    real = mask[..., None]
    expected = {
        "mean": (last * real).sum(axis=1) / real.sum(axis=1),
        "max": np.where(real == 1, last, -np.inf).max(axis=1),
        "mean@two_thirds": (two_thirds * real).sum(axis=1) / real.sum(axis=1),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[f"text@mpnet-base:{name}"], value, atol=1e-5, err_msg=name)


def test_texts_begin_without_a_prompt_and_padding_never_changes_an_output(tiny):
    source, _ = tiny
    ids, mask = source.preprocessing.encode(TEXTS, 12)
    assert ids[0].tolist() == [0, 5, 7, 8, 4, 9, 10, 11, 2, 1, 1, 1]
    assert mask.sum(axis=1).tolist() == [9, 3, 2, 12]
    encoder = source.build(READOUTS[:2])
    for one, other in zip(encoder(ids[:3, :9], mask[:3, :9]), encoder(np.where(mask, ids, 6), mask), strict=True):
        np.testing.assert_allclose(one, other[:3], atol=1e-5)


def test_the_last_third_is_trained_without_what_the_lower_half_shares(tiny):
    source, _ = tiny
    assert len(source.blocks()) == LAYERS
    whole, (lower, upper) = source.build(), source.halves()
    ids, mask = source.preprocessing.encode(TEXTS, 16)
    np.testing.assert_allclose(upper(*lower(ids, mask)), whole(ids, mask), atol=1e-5)
    unfreeze(upper)
    trained = {id(weight) for weight in upper.trainable_weights}
    blocks = [layer for layer in upper.backbone.layers if layer.name.startswith("block_")]
    assert [block.name for block in blocks] == ["block_2"]
    assert trained == {id(weight) for weight in blocks[0].trainable_weights}
    assert not lower.trainable_weights


def test_it_is_saved_with_the_model(tiny, tmp_path):
    source, _ = tiny
    ids, mask = source.preprocessing.encode(TEXTS, 16)
    for layer in (source.build(READOUTS), source.halves()[0]):
        inputs = [keras.Input((16,), dtype="int32") for _ in range(2)]
        model = keras.Model(inputs, layer(*inputs))
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
        for one, other in zip(loaded([ids, mask]), model([ids, mask]), strict=True):
            np.testing.assert_array_equal(one, other)


def test_onnx_runtime_computes_what_keras_computes(tiny):
    source, _ = tiny
    encoder = source.build(READOUTS[:2])
    runs = {name: Engine(name, name).start(encoder, INPUTS) for name in ("keras", "onnx")}
    for rows, length in ((4, 200), (2, 7)):  # any number of rows and tokens
        batch = source.preprocessing.encode(["the fox " * 150, *TEXTS][:rows], length)
        for one, other in zip(runs["onnx"](*batch), runs["keras"](*batch), strict=True):
            assert relative_difference(one, other, half=False) <= AGREES


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(tiny, precision):
    source, _ = tiny
    ids, mask = source.preprocessing.encode(TEXTS, 16)
    exact, found = (np.asarray(one.build()(ids, mask)) for one in (source, in_precision(source, precision)))
    assert 0 < np.abs(found - exact).max() < 0.1


def test_its_fingerprint_is_that_of_weights_and_tokenizer(tiny, monkeypatch):
    source, _ = tiny
    folder = weights.require("mpnet-base")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    monkeypatch.setattr(weights, "weights_folder", lambda name: folder)
    assert text_source("mpnet-base", lambda size: []).fingerprint != source.fingerprint


@pytest.mark.parametrize("damage", ["cut", "a layer less", "a tensor more"])
def test_damaged_weights_are_refused(tmp_path, damage):
    from safetensors.numpy import save_file

    tensors = write_mpnet(tmp_path / "mpnet-base")
    path = tmp_path / "mpnet-base" / "model.safetensors"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    elif damage == "a layer less":
        save_file({name: array for name, array in tensors.items() if "0.attention" not in name}, path)
    else:
        save_file(tensors | {"lm_head.bias": np.zeros(3)}, path)
    with pytest.raises(
        WeightsError, match=r"not readable as an MPNet.*Fetch the weights again: automm weights mpnet-base"
    ):
        mpnet.tower(path)


def test_the_published_weights_give_the_figures_of_torch(real_cache, monkeypatch):
    """torch's figures, from the tests of Kjarni (github.com/olafurjohannsson/kjarni)."""
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(real_cache))
    if weights.weights_folder("mpnet-base") is None:
        pytest.skip("the weights of mpnet-base are not installed: automm weights mpnet-base")
    source = text_source("mpnet-base", lambda size: [])
    encoder = source.build()
    assert 4 * encoder.count_params() <= source.weight_bytes
    texts = ["Hello world", "dog", "puppy", "cat", "car", "quantum physics"]
    vectors = np.asarray(encoder(*source.preprocessing.encode(texts, 16)))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    first = [0.0262497, 0.0133956, -0.0045332, -0.0217914, 0.0545519]
    np.testing.assert_allclose(unit[0, :5], first, atol=1e-6)
    np.testing.assert_allclose(unit[2:] @ unit[1], [0.778325, 0.608123, 0.390584, 0.250900], atol=1e-5)
