"""Folders of sentence-transformers: their pooling, normalisation and prompt come from their own files."""

import json

import keras
import numpy as np
import pytest
from advice import advises, hear

from automm.data.inputs.tokens import wordpiece_tokenizer
from automm.errors import ConfigError, WeightsError
from automm.models.encoders.sources import text_source

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", ":", "good", "phone"]
CONFIG = {
    **{"model_type": "bert", "vocab_size": len(WORDS), "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"hidden_size": 8, "intermediate_size": 16, "max_position_embeddings": 16, "type_vocab_size": 2},
    **{"hidden_dropout_prob": 0.1, "layer_norm_eps": 1e-12},
}
KINDS = "sentence_transformers.models."


def tensors(rng):
    hidden, wide = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), hidden),
        "embeddings.position_embeddings.weight": (16, hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
        **{f"embeddings.LayerNorm.{part}": (hidden,) for part in ("weight", "bias")},
        "pooler.dense.weight": (hidden, hidden),
        "pooler.dense.bias": (hidden,),
    }
    for number in range(2):
        before = f"encoder.layer.{number}."
        names = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
        dense = {**dict.fromkeys(names, (hidden, hidden)), "intermediate.dense": (wide, hidden)}
        for name, shape in {**dense, "output.dense": (hidden, wide)}.items():
            shapes |= {f"{before}{name}.weight": shape, f"{before}{name}.bias": shape[:1]}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{before}{name}.weight": (hidden,), f"{before}{name}.bias": (hidden,)}
    return {name: rng.normal(0.0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def folder(tmp_path):
    from safetensors.numpy import save_file

    save_file(tensors(np.random.default_rng(0)), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    return tmp_path


def steps(folder, *kinds, **pooling):
    modules = [{"idx": place, "type": KINDS + kind, "path": kind} for place, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "Pooling").mkdir(exist_ok=True)
    (folder / "Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 8, **pooling}))


@pytest.mark.parametrize(
    ("pooling", "normalised"), [(("mean",), True), (("cls",), False), (("cls", "mean"), True), (("max",), False)]
)
def test_its_own_vector_is_the_first_read_out(folder, pooling, normalised, tmp_path):
    names = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens"}
    options = {name: how in pooling for how, name in names.items()}
    steps(folder, "Transformer", "Pooling", *(["Normalize"] if normalised else []), **options)
    prompts = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    source = text_source(str(folder), lambda size: [])
    assert source.readouts[:2] == ("pooled", "mean")
    ids, mask = source.preprocessing.encode(["good phone", "good"], 8)
    assert ids[1].tolist() == [2, 5, 6, 7, 3, 0, 0, 0]
    encoder = source.build(("text_pooled_last", *(f"text_{how}_last" if how != "mean" else "text" for how in pooling)))
    found = dict(zip(encoder.readouts, encoder(ids, mask), strict=True))
    pooled = found.pop("text_pooled_last")
    order = [
        name
        for how in ("cls", "max", "mean")
        for name in found
        if name == ("text" if how == "mean" else f"text_{how}_last")
    ]
    wanted = np.concatenate([np.asarray(found[name]) for name in order], axis=1)
    if normalised:
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(pooled, wanted, atol=1e-5)
    lower, upper = source.halves()
    upper = upper.reading(("text_pooled_last",))
    np.testing.assert_allclose(upper(*lower(ids, mask)), pooled, atol=1e-5)
    inputs = [keras.Input((8,), dtype="int32"), keras.Input((8,), dtype="int32")]
    keras.Model(inputs, encoder(*inputs)).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded([ids, mask])[encoder.readouts.index("text_pooled_last")], pooled, atol=1e-6)


def test_how_it_makes_its_vector_is_a_part_of_its_fingerprint(folder):
    def source(*kinds, prompt="", **pooling):
        steps(folder, "Transformer", "Pooling", *kinds, **pooling)
        prompts = {"prompts": {"query": prompt}, "default_prompt_name": "query"}
        (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
        return text_source(str(folder), lambda size: [])

    mean, cls = {"pooling_mode_mean_tokens": True}, {"pooling_mode_cls_token": True}
    found = [source("Normalize", **mean), source(**mean), source(**cls), source(prompt="query: ", **mean)]
    assert [one.vector for one in found] == ["mean, length 1", "mean", "cls", "mean"]
    assert len({one.fingerprint for one in found}) == 4
    assert source(**mean).fingerprint == found[1].fingerprint
    (folder / "modules.json").unlink()
    assert text_source(str(folder), lambda size: []).vector == ""


def test_a_ready_tokenizer_is_used_without_its_padding(folder):
    tokenizer = wordpiece_tokenizer(WORDS)
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(max_length=128)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").unlink()
    preprocessing = text_source(str(folder), lambda size: []).preprocessing
    assert preprocessing.encode(["good phone"], 6)[0].tolist() == [[2, 7, 8, 3, 0, 0]]
    assert preprocessing.lengths(["good"]).tolist() == [3]


def test_without_their_files_it_is_a_plain_encoder(folder):
    source = text_source(str(folder), lambda size: [])
    assert (source.readouts[0], source.preprocessing.prefix) == ("mean", "")


@pytest.mark.parametrize(
    ("kinds", "pooling", "what"),
    [
        (("Transformer", "Pooling", "Dense"), {"pooling_mode_mean_tokens": True}, "Dense"),
        (("Transformer", "Pooling"), {"pooling_mode_lasttoken": True}, "pooling_mode_lasttoken"),
        (("Transformer",), {}, "no pooling"),
    ],
)
def test_other_steps_are_refused_by_name(folder, kinds, pooling, what):
    steps(folder, *kinds, **pooling)
    with pytest.raises(ConfigError, match=f"is a sentence-transformer with {what}, which automm does not read"):
        text_source(str(folder), lambda size: [])


@advises("Name one that has a transformer, a pooling of its tokens and perhaps a normalisation")
def test_one_with_the_steps_that_are_named_is_read(folder):
    steps(folder, "Transformer", "Pooling", "Dense", pooling_mode_mean_tokens=True)
    with pytest.raises(ConfigError) as caught:
        text_source(str(folder), lambda size: [])
    hear(str(caught.value), "Name one that has a transformer, a pooling of its tokens and perhaps a normalisation")
    steps(folder, "Transformer", "Pooling", "Normalize", pooling_mode_mean_tokens=True)
    text_source(str(folder), lambda size: [])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("modules.json", {"a": 1}),
        ("modules.json", [{"path": ""}]),
        ("Pooling/config.json", []),
        ("config_sentence_transformers.json", {"prompts": {"a": "b"}, "default_prompt_name": "query"}),
    ],
)
def test_a_damaged_file_is_named(folder, name, content):
    steps(folder, "Transformer", "Pooling", pooling_mode_mean_tokens=True)
    (folder / name).write_text(json.dumps(content))
    with pytest.raises(WeightsError, match=f"{folder / name} cannot be read: .*Fetch the encoder again"):
        text_source(str(folder), lambda size: [])
