"""Read a PyTorch state dict into numpy arrays, without torch and without running code from the file.

There are two formats: legacy (five pickles, then the raw storages; torch before 1.6) and zip. The unpickler accepts a
short list of names only, which describe tensors, and every tensor must lie inside its storage.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from automm.errors import WeightsError
from automm.models.weights.packages import fetch_again

DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
MAX_PICKLE = 16 << 20  # bytes; the names and shapes of a state dict need a few hundred kilobytes


@dataclass
class _Storage:
    """A flat array. In a legacy file its data comes after all pickles, so `data` is None at first."""

    dtype: np.dtype[Any]
    size: int
    data: np.ndarray | None = None


@dataclass(frozen=True)
class _View:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        data = self.storage.data
        if data is None:
            raise pickle.UnpicklingError("a tensor has no storage")
        if 0 in self.shape:
            return np.zeros(self.shape, self.storage.dtype)
        strides = [step * data.itemsize for step in self.strides]
        return np.array(np.lib.stride_tricks.as_strided(data[self.offset :], self.shape, strides))


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict by name, each as a new contiguous array.

    Raises:
        WeightsError: the file is not a state dict, is damaged, or contains other objects than tensors.
    """
    try:
        state = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
        return {name: view.array() for name, view in state.items()}
    except Exception as error:  # a hostile pickle can make the unpickler raise anything
        raise WeightsError(
            f"{path} is not a readable PyTorch state dict: {error or type(error).__name__}. {fetch_again(path)}"
        ) from error


def _checked(state: Any) -> dict[str, _View]:
    if not isinstance(state, dict):
        raise pickle.UnpicklingError(f"it contains a {type(state).__name__}, not names and tensors")
    for name, view in state.items():
        if not isinstance(name, str) or not isinstance(view, _View):
            raise pickle.UnpicklingError(f"the entry {str(name)[:80]!r} is not a tensor")
    return state


def _read_legacy(path: Path) -> dict[str, _View]:
    storages: dict[str, _Storage] = {}
    limit = path.stat().st_size

    def load(reference: Any) -> _Storage:
        kind, key, size, view = _reference(reference, 6)
        if view is not None:
            raise pickle.UnpicklingError("views of storages are not supported")
        return _once(storages, kind, key, size, limit)

    with path.open("rb") as file:
        if _Unpickler(file, load).load() != LEGACY_MAGIC:
            raise pickle.UnpicklingError("its first bytes are not those of PyTorch")
        _Unpickler(file, load).load()  # the protocol's version
        if not _Unpickler(file, load).load().get("little_endian", True):
            raise pickle.UnpicklingError("it is big-endian")
        state = _checked(_Unpickler(file, load).load())
        for key in _Unpickler(file, load).load():
            storage = storages[key]
            count = int.from_bytes(file.read(8), "little", signed=True)
            if count != storage.size:
                raise pickle.UnpicklingError(f"storage {key} has {count} elements, expected {storage.size}")
            storage.data = _fill(storage, file.read(count * storage.dtype.itemsize), key)
    return state


def _read_zip(path: Path) -> dict[str, _View]:
    storages: dict[str, _Storage] = {}
    limit = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        member = next(name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl"))
        root = member.removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist():
            with archive.open(f"{root}byteorder") as file:
                if file.read(16).strip() != b"little":
                    raise pickle.UnpicklingError("it is big-endian")

        def load(reference: Any) -> _Storage:
            kind, key, size, _ = _reference(reference, 5)
            storage = _once(storages, kind, key, size, limit)
            if storage.data is None:
                with archive.open(f"{root}data/{key}") as file:
                    storage.data = _fill(storage, file.read(size * storage.dtype.itemsize + 1), key)
            return storage

        with archive.open(member) as file:
            pickled = file.read(MAX_PICKLE)
        return _checked(_Unpickler(io.BytesIO(pickled), load).load())


def _reference(reference: Any, length: int) -> tuple[str, str, int, Any]:
    """Return kind, key, size and view of a storage, after checking their types."""
    if not isinstance(reference, tuple) or len(reference) != length or reference[0] != "storage":
        raise pickle.UnpicklingError("a malformed reference to a storage")
    _, kind, key, _, size, *view = reference
    # `key` becomes part of a member name of the zip file, which cannot lead outside the file.
    if kind not in DTYPES or type(key) is not str or type(size) is not int or size < 0:
        raise pickle.UnpicklingError("a malformed reference to a storage")
    return kind, key, size, view[0] if view else None


def _once(storages: dict[str, _Storage], kind: str, key: str, size: int, limit: int) -> _Storage:
    dtype = np.dtype(DTYPES[kind])
    if size * dtype.itemsize > limit:  # PyTorch stores uncompressed, so a storage is smaller than the file
        raise pickle.UnpicklingError(f"storage {key} is larger than the file")
    storage = storages.setdefault(key, _Storage(dtype, size))
    if (storage.dtype, storage.size) != (dtype, size):
        raise pickle.UnpicklingError(f"storage {key} has two different descriptions")
    return storage


def _fill(storage: _Storage, raw: bytes, key: str) -> np.ndarray:
    if len(raw) != storage.size * storage.dtype.itemsize:
        raise pickle.UnpicklingError(f"storage {key} has the wrong length")
    return np.frombuffer(raw, storage.dtype)


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _View:
    """Replace `torch._utils._rebuild_tensor_v2`: check the description of a tensor before an array is created."""
    if not isinstance(storage, _Storage) or type(shape) is not tuple or type(strides) is not tuple:
        raise pickle.UnpicklingError("a malformed tensor")
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or any(type(number) is not int or number < 0 for number in numbers):
        raise pickle.UnpicklingError("a malformed tensor")
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    # With stride 0 a huge array needs one number only, so the number of elements is limited as well.
    if 0 not in shape and (last >= storage.size or math.prod(shape) > storage.size):
        raise pickle.UnpicklingError("a tensor lies outside its storage")
    if 0 in shape and math.prod(size for size in shape if size) > MAX_PICKLE:
        raise pickle.UnpicklingError("the shape of an empty tensor is too large")
    return _View(storage, offset, shape, strides)


class _Unpickler(pickle.Unpickler):
    ALLOWED: dict[tuple[str, str], Any] = {  # noqa: RUF012 - never written to
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        **{("torch", name): name for name in DTYPES},
    }

    def __init__(self, file: IO[bytes], load_storage: Callable[[Any], _Storage]):
        super().__init__(file, encoding="utf-8")
        self._load_storage = load_storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which is not part of a state dict")
        return self.ALLOWED[module, name]

    def persistent_load(self, reference: Any) -> _Storage:
        return self._load_storage(reference)
