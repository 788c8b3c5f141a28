"""Turn a bundle into an MLflow model: logged with a finalist's run, or written to a folder."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from automm.tasks.registry import TASKS

# MLflow types of the values in a prediction; others are JSON in a string.
TYPES = {str: "string", float: "double", int: "long", bool: "boolean"}


def save_model(folder: Path, bundle: Path, code: Path) -> None:
    """Write a bundle as an MLflow model.

    Args:
        folder: to write to; must not exist.
        bundle: a folder written by `deliver/bundle`; it is copied.
        code: the module that serves the bundle.
    """
    import mlflow

    with without_example_warning():
        mlflow.pyfunc.save_model(path=str(folder), **model_arguments(bundle, code))


def model_arguments(bundle: Path, code: Path) -> dict[str, Any]:
    """Return the arguments for mlflow.pyfunc. The model is a module of automm plus a bundle: nothing is pickled."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema
    from mlflow.types.schema import Array, ColSpec, DataType

    inputs: list[Any] = [ColSpec(DataType.string, "text"), ColSpec(Array(DataType.string), "images", required=False)]
    reading = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))["reading"]
    fields = reading["fields"]
    cells, history = fields.get("metadata", {}), fields.get("history", [])
    kinds: dict[str, Any] = dict.fromkeys(cells.get("numeric", []), DataType.double)
    kinds |= dict.fromkeys(cells.get("categorical", []), DataType.string)
    kinds |= dict.fromkeys(history, DataType.double if len(history) > 1 else Array(DataType.double))
    inputs += [ColSpec(kind, name, required=False) for name, kind in kinds.items()]
    answers = TASKS[reading["task"]].record_types
    types = {name: getattr(DataType, TYPES.get(kind, "string")) for name, kind in answers.items()}
    types |= {"picture_counts": DataType.string, "error": DataType.string}
    outputs: list[Any] = [ColSpec(kind, name) for name, kind in types.items()]
    return {
        "python_model": str(code),
        "artifacts": {"bundle": str(bundle)},
        "signature": ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs)),
        # Given here, because MLflow would otherwise load the model in another process to find them.
        "pip_requirements": [f"automm=={metadata.version('automm')}"],
    }


@contextmanager
def without_example_warning() -> Iterator[None]:
    """Silence MLflow's warning about a missing input example: an example would need picture files on every machine."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*input example", category=UserWarning)
        yield
