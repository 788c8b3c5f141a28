"""Export a completed candidate of a run as a bundle, as an MLflow model, or as an ONNX model."""

import json
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from automm.config.inputs import FLOAT32
from automm.deliver import mlflow_model
from automm.deliver.bundle import whole_model, write_bundle
from automm.deliver.checks import choose_candidate, files_of, require_empty_folder
from automm.deliver.onnx_operators import add_operators
from automm.errors import ConfigError
from automm.models.average import with_decision
from automm.models.packing import packed_layout
from automm.tracking.encoder_records import records_of
from automm.tracking.mlflow_flavor import save_model
from automm.tracking.run_folder import Candidate, Run

FORMATS = ("keras", "mlflow", "onnx")


def export_candidate(run: Run, name: str | None, folder: Path, format: str = "keras") -> Candidate:
    """Write a candidate of a run to a new or empty folder.

    Args:
        name: of the candidate; None for the best on validation.
        format: "keras" writes a bundle, which `automm predict` reads; "mlflow" an MLflow pyfunc that contains the
            bundle; "onnx" a bundle with `model.onnx` in place of `model.keras`, for other runtimes.

    Raises:
        ConfigError: the folder is not empty, or the model has no ONNX form.
        NotFoundError: there is no such candidate, its weights were deleted, or an encoder's weights have changed.
        WeightsError: the weights of an encoder are not installed.
    """
    require_empty_folder(folder)
    candidate = choose_candidate(run, name)
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
            _write_onnx(with_decision(model, candidate.decision) if candidate.decision else model, bundle, result)
        if folder.exists():
            folder.rmdir()
        result.rename(folder)
    return candidate


def _write_onnx(model: Any, bundle: Path, result: Path) -> None:
    """Write model.onnx and the other files of a bundle.

    The inputs have the names, shapes and dtypes of `data/inputs/arrays`; the number of reviews is free.
    """
    if packed_layout(model) is not None:
        raise ConfigError(
            "--format onnx cannot export a model with one packed input. Export the same model with named inputs: "
            "--trial concatenation"
        )
    about = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    for record in records_of(about["encoders"], about["inputs"]):
        if record.precision != FLOAT32:
            raise ConfigError(
                f"--format onnx cannot export {record.name!r} in {record.precision}: ONNX lacks operations for it. "
                "Set encoders.precision: float32 and search again, or export another format"
            )
    result.mkdir()
    # Keras exports a model only after it was called; a composed model was only built.
    model({tensor.name: np.zeros((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs}, training=False)
    _convert(model, result / "model.onnx")
    for name in files_of(about):
        if name != "model.keras":
            shutil.copyfile(bundle / name, result / name)


def _convert(model: Any, path: Path) -> None:
    """Write the ONNX form of a model, and load it: tf2onnx writes operators that ONNX lacks as they are.

    Raises:
        ConfigError: it cannot be converted, ONNX Runtime cannot load the result, or this has other inputs.
    """
    import onnxruntime

    add_operators()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside tf2onnx
            model.export(str(path), format="onnx", verbose=False)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        # tf2onnx makes an input of a constant that it has lost.
        if lost := {one.name for one in session.get_inputs()} - {tensor.name for tensor in model.inputs}:
            raise ValueError(f"{', '.join(sorted(lost))} became an input")
    except Exception as error:  # tf2onnx and ONNX Runtime raise a class for each cause, without a common base
        reason = str(error).split("failed:")[-1][:200]
        raise ConfigError(
            f"--format onnx: the model has no ONNX form ({type(error).__name__}: {reason}). Use "
            "--format keras or mlflow"
        ) from error
