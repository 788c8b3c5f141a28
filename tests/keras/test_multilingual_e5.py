import struct

import numpy as np
import pytest

from automm.errors import WeightsError
from automm.models.encoders import multilingual_e5
from automm.models.encoders.sources import text_source
from automm.models.weights import fetch as weights
from automm.models.weights.quantised_file import read_quantised

HIDDEN, LAYERS, HEADS, WIDE, POSITIONS = 32, 2, 2, 64, 16
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "\u2581", "\u2581query", ":", "\u2581good", "\u2581phone", "q", "u", "e"]


def written(path, rng, pieces=PIECES):
    """Write a tiny file of the format, and return its tensors as float32."""
    shapes = {"emb.word": (len(pieces), HIDDEN), "emb.pos": (POSITIONS, HIDDEN), "emb.type": (2, HIDDEN)}
    norms = ["emb.ln"]
    for number in range(LAYERS):
        for name, shape in {**dict.fromkeys(("q", "k", "v", "ao"), (HIDDEN, HIDDEN)), "fi": (WIDE, HIDDEN)}.items():
            shapes |= {f"l{number}.{name}.w": shape, f"l{number}.{name}.b": shape[:1]}
        shapes |= {f"l{number}.fo.w": (HIDDEN, WIDE), f"l{number}.fo.b": (HIDDEN,)}
        norms += [f"l{number}.aln", f"l{number}.oln"]
    shapes |= {f"{norm}.{part}": (HIDDEN,) for norm in norms for part in "wb"}
    quantised = {name for name in shapes if name.endswith(".w") and len(shapes[name]) == 2} | {"emb.word"}
    tensors, data = {}, {}
    for name, shape in shapes.items():
        if name in quantised:
            count = int(np.prod(shape)) // 32
            scale = rng.uniform(0.01, 0.05, count).astype("<f2")
            values = rng.integers(0, 16, (count, 32))
            packed = (values[:, :16] | values[:, 16:] << 4).astype(np.uint8)
            data[name] = b"".join(one.tobytes() + row.tobytes() for one, row in zip(scale, packed, strict=True))
            tensors[name] = ((values - 8) * scale[:, None].astype(np.float32)).reshape(shape).astype(np.float32)
        else:
            tensors[name] = rng.normal(1.0 if name.endswith("ln.w") else 0.0, 0.1, shape).astype("<f4")
            data[name] = tensors[name].tobytes()
    text = "".join(pieces).encode()
    offsets = np.cumsum([0, *(len(piece.encode()) for piece in pieces)]).astype("<u4")
    scores = np.array([0.0] * 4 + [-1.0 - 0.1 * place for place in range(len(pieces) - 4)], "<f4")
    head = b"E5S1" + struct.pack("<i7i", 1, HIDDEN, LAYERS, HEADS, WIDE, len(pieces), POSITIONS, 2) + b"\0" * 8
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, len(text)) + offsets.tobytes() + scores.tobytes() + text
    head += struct.pack("<iI", 0, 4) + b"rule" + struct.pack("<i", len(data))
    start = len(head) + sum(2 + len(name) + 21 for name in data)
    for name, stored in data.items():
        size = int(np.prod(shapes[name]))
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", name in quantised, size, start, len(stored))
        start += len(stored)
    path.write_bytes(head + b"".join(data.values()))
    return tensors


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tiny.bin"
    return path, written(path, np.random.default_rng(0))


def test_sizes_pieces_and_tensors(file):
    path, tensors = file
    found = read_quantised(path)
    assert (found.layers, found.heads, found.hidden, found.intermediate) == (LAYERS, HEADS, HIDDEN, WIDE)
    assert (found.vocabulary, found.positions, found.segments) == (len(PIECES), POSITIONS, 2)
    assert [text for text, _ in found.pieces] == PIECES
    assert found.special == (0, 2, 1, 3)
    assert set(found.tensors) == set(tensors)
    for name, values in tensors.items():
        np.testing.assert_array_equal(found.tensors[name], values.reshape(-1), name)
    assert read_quantised(path, tensors=False).tensors == {}


def norm(states, weight, bias):
    centred = states - states.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12) * weight + bias


def forward(tensors, ids):
    """BERT in numpy, from the tensors as PyTorch names them."""
    from scipy.special import softmax

    states = tensors["emb.word"][ids] + tensors["emb.pos"][: ids.shape[1]] + tensors["emb.type"][0]
    states = norm(states, tensors["emb.ln.w"], tensors["emb.ln.b"])
    width = HIDDEN // HEADS
    for number in range(LAYERS):
        part = {name[3:]: values for name, values in tensors.items() if name.startswith(f"l{number}.")}
        heads = {
            name: (states @ part[f"{name}.w"].T + part[f"{name}.b"]).reshape(*ids.shape, HEADS, width).swapaxes(1, 2)
            for name in "qkv"
        }
        weights_ = softmax(heads["q"] @ heads["k"].swapaxes(2, 3) / np.sqrt(width), axis=-1)
        mixed = (weights_ @ heads["v"]).swapaxes(1, 2).reshape(*ids.shape, HIDDEN)
        states = norm(states + mixed @ part["ao.w"].T + part["ao.b"], part["aln.w"], part["aln.b"])
        inner = states @ part["fi.w"].T + part["fi.b"]
        # KerasHub's approximation of GELU.
        inner = inner * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
        states = norm(states + inner @ part["fo.w"].T + part["fo.b"], part["oln.w"], part["oln.b"])
    return states


def test_the_backbone_computes_bert(file):
    path, tensors = file
    ids = np.array([[0, 5, 6, 7, 2], [0, 8, 4, 3, 2]], np.int32)
    given = {"token_ids": ids, "padding_mask": np.ones_like(ids), "segment_ids": np.zeros_like(ids)}
    states = np.asarray(multilingual_e5.backbone(path)(given)["sequence_output"])
    np.testing.assert_allclose(states, forward(tensors, ids), atol=1e-4)


def test_texts(file):
    preprocessing = multilingual_e5.preprocessing(file[0])
    ids, mask = preprocessing.encode(["good phone", "", "\x07good\u200b\u2581\nphone \u3000"], 10)
    assert ids[0].tolist() == [0, 5, 6, 7, 8, 2, 1, 1, 1, 1]
    assert mask.sum(axis=1).tolist() == [6, 4, 6]
    assert ids[2].tolist() == ids[0].tolist()
    assert ids[1].tolist()[:4] == [0, 5, 6, 2]


@pytest.mark.parametrize("cut", [0, 3, 60, 200, -1])
def test_a_damaged_file_is_refused(file, cut):
    path, _ = file
    content = path.read_bytes()
    path.write_bytes(content[:cut])
    with pytest.raises(WeightsError, match="Fetch the weights again"):
        multilingual_e5.backbone(path)


def test_the_same_sentence_in_five_languages(real_cache, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(real_cache))
    if weights.weights_folder("me5-small") is None:
        pytest.skip("the weights of me5-small are not installed: automm weights me5-small")
    source = text_source("me5-small", lambda size: [])
    same = [
        *("The weather is lovely today.", "Das Wetter ist heute sch\u00f6n.", "Il fait beau aujourd'hui."),
        *("\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002", "Cuaca hari ini cerah."),
    ]
    other = ["My phone battery died.", "Resep ayam goreng pedas"]
    encoder = source.build()
    assert 4 * encoder.count_params() <= source.weight_bytes
    vectors = np.asarray(encoder(*source.preprocessing.encode([*same, *other], 32)))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = unit @ unit.T
    assert likeness[:5, :5].min() > 0.84
    assert likeness[:5, 5:].max() < 0.84
