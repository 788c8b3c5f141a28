"""A finished candidate of a run, delivered: as a bundle, as an MLflow model, or as ONNX beside its tokenizer."""

import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from automm.deliver import mlflow_model
from automm.deliver.bundle import whole_model, write_bundle
from automm.deliver.checks import FILES, choose, fresh_folder
from automm.errors import ConfigError
from automm.models.packing import packed_layout
from automm.tracking.mlflow_flavor import save_model
from automm.tracking.runs import Candidate, Run

FORMATS = ("keras", "mlflow", "onnx")


def export_candidate(run: Run, name: str | None, folder: Path, format: str = "keras") -> Candidate:
    """Write a candidate of a run to a new or empty folder; the best by validation if none is named.

    Args:
        format: "keras" writes a bundle, which `automm predict` reads; "mlflow" the same behind MLflow's pyfunc; "onnx"
            a bundle with `model.onnx` in place of `model.keras`, for other runtimes.

    Raises:
        ConfigError: the folder holds something, or a package for the format is missing.
        NotFoundError: no such candidate, or its weights are gone.
        WeightsError: its encoders' weights are not installed, or have changed.
    """
    fresh_folder(folder)
    if format == "onnx":
        _need_onnx()
    candidate = choose(run, name)
    model = whole_model(run, candidate.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
        bundle, result = Path(work) / "bundle", Path(work) / "result"
        write_bundle(bundle, run, candidate, model)
        if format == "keras":
            result = bundle
        elif format == "mlflow":
            save_model(result, bundle, Path(mlflow_model.__file__))
        else:
            _write_onnx(model, bundle, result)
        if folder.exists():
            folder.rmdir()
        result.rename(folder)
    return candidate


def _need_onnx() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("tf2onnx", "onnx") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"--format onnx needs {' and '.join(missing)}: pip install 'automm[onnx]'")


def _write_onnx(model: Any, bundle: Path, result: Path) -> None:
    """ONNX inputs have the names, shapes and dtypes of `data/inputs/arrays`; the number of reviews is free."""
    if packed_layout(model) is not None:
        raise ConfigError("--format onnx: export 'concatenation', which is the same model with named inputs")
    result.mkdir()
    # Keras exports what has been called; a composed model has been built only.
    model({tensor.name: np.zeros((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs}, training=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx and its numpy calls warn of their own future
        model.export(str(result / "model.onnx"), format="onnx", verbose=False)
    for name in FILES:
        if name != "model.keras":
            shutil.copyfile(bundle / name, result / name)
