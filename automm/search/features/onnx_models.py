"""Encoders as ONNX models, converted once and kept in the cache, and what was measured of their features.

`<cache>/onnx/` has two kinds of files. `<key>-<sha256>.onnx` is a converted encoder; its key is made of everything that
the conversion depends on, and its name has the digest of its content. `<family>.json` says how the features of a family
(`search/features/store`) differ from those of Keras.
"""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from automm.data.files import write_atomically
from automm.deliver.onnx_operators import add_operators
from automm.errors import CacheError

OPSET = 17
KEPT = 20  # converted encoders of about 14 MB
VERSIONS = ("tf2onnx", "onnx", "keras", "tensorflow")  # packages that may change a converted encoder

log = logging.getLogger("automm")


class EngineError(Exception):
    """ONNX Runtime cannot run an encoder. The message says why, without a full stop; Keras runs it instead."""


@dataclass(frozen=True)
class OnnxModels:
    """Converted encoders in a folder, which is created when something is written; see the module."""

    folder: Path

    def get(self, encoder: Any, inputs: Mapping[str, tuple[Any, Sequence[int | None]]]) -> bytes:
        """Return an encoder as an ONNX model; convert it if the folder has no such model, or a damaged one.

        Args:
            encoder: a layer of `models/encoders`.
            inputs: its inputs in order, as in `engines.Engine.start`.

        Raises:
            EngineError: it cannot be converted.
            CacheError: the folder cannot be written, or its disk is full.
        """
        key = _key(encoder, inputs)
        for path in sorted(self.folder.glob(f"{key}-*.onnx")):
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # another process has removed it meanwhile
                continue
            if path.name == _name(key, content):
                with suppress(OSError):  # the cache may belong to another user and be read-only
                    os.utime(path)
                return content
            log.warning("%s is damaged. The encoder is converted again", path)
            path.unlink(missing_ok=True)
        content = to_onnx(encoder, inputs)
        self._write(_name(key, content), content)
        for path in sorted(self.folder.glob("*.onnx"), key=_used, reverse=True)[KEPT:]:
            path.unlink(missing_ok=True)
        return content

    def difference(self, family: str) -> float | None:
        """Return the difference of a family's features from those of Keras (`engines.UsedEngine`); None: not known."""
        path = self.folder / f"{family}.json"
        try:
            return float(json.loads(path.read_text("utf-8"))["difference"])
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            log.warning("%s is damaged (%s). The difference is measured again", path, error)
            return None

    def keep_difference(self, family: str, difference: float) -> None:
        """Keep the measured difference of a family. Raises CacheError as `get` does."""
        self._write(f"{family}.json", json.dumps({"difference": difference}).encode())

    def sizes(self) -> dict[Path, int]:
        """Return the bytes of each converted encoder."""
        return {path: path.stat().st_size for path in self.folder.glob("*.onnx")}

    def clear(self) -> tuple[int, int]:
        """Remove all files, and return the number and the bytes of the converted encoders."""
        sizes = self.sizes()
        for path in (*sizes, *self.folder.glob("*.json")):
            path.unlink(missing_ok=True)
        return len(sizes), sum(sizes.values())

    def _write(self, name: str, content: bytes) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / name, content)
        except OSError as error:
            raise CacheError(
                f"cannot write converted encoders to {self.folder}: {error.strerror or error}. Make the folder "
                "writable and free disk space, or set AUTOMM_CACHE_DIR to another folder"
            ) from error


def to_onnx(encoder: Any, inputs: Mapping[str, tuple[Any, Sequence[int | None]]]) -> bytes:
    """Convert the encoder in inference mode to an ONNX model; its inputs have the names in `inputs`.

    Raises:
        EngineError: it cannot be converted, or a package is missing.
    """
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *shape), dtype, name=name) for name, (dtype, shape) in inputs.items()]
    function = tf.function(lambda *batch: encoder(*batch, training=False), input_signature=signature, autograph=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation warnings of tf2onnx and of its numpy calls
        try:
            import tf2onnx

            add_operators()
            model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
            return bytes(model.SerializeToString())
        except Exception as error:
            raise EngineError(f"it cannot be converted ({short(error)})") from error


def short(error: Exception) -> str:
    """Return the type and the first line of an error, shortened."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


def version_of(package: str) -> str:
    """Return the version of an installed package, or 'missing': an engine that needs it then fails with its name."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _key(encoder: Any, inputs: Mapping[str, tuple[Any, Sequence[int | None]]]) -> str:
    parts = [type(encoder).__name__, encoder.fingerprint, *encoder.yields, str(OPSET)]
    parts += [f"{name} {np_type.__name__} {(*shape,)}" for name, (np_type, shape) in inputs.items()]
    parts += [f"{package}=={version_of(package)}" for package in VERSIONS]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _name(key: str, content: bytes) -> str:
    return f"{key}-{hashlib.sha256(content).hexdigest()}.onnx"


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # removed meanwhile
        return 0.0
