import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from automm.errors import WeightsError
from automm.models.encoders import efficientnet_lite
from automm.models.weights import fetch as weights
from automm.models.weights.torch_state import LEGACY_MAGIC, read_state_dict

KINDS = {"float32": "FloatStorage", "int64": "LongStorage"}


class Name:
    """Pickles as the global `module.name`, without importing that module."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


class Tensor:
    """Pickles as PyTorch pickles a tensor."""

    def __init__(self, array: np.ndarray, key: str, **wrong):
        self.array, self.key = np.ascontiguousarray(array), key
        self.offset = wrong.get("offset", 0)
        self.shape = wrong.get("shape", array.shape)
        steps = tuple(step // array.itemsize for step in self.array.strides)
        self.strides = wrong.get("strides", steps)
        self.size = wrong.get("size", array.size)


class Writer(pickle._Pickler):
    """The pure Python pickler, which can write globals that cannot be imported."""

    legacy = True
    dispatch = pickle._Pickler.dispatch.copy()

    def save_name(self, name):
        self.write(pickle.GLOBAL + f"{name.module}\n{name.name}\n".encode())

    dispatch[Name] = save_name

    def save_tensor(self, tensor):
        view = (None,) if self.legacy else ()
        kind = Name("torch", KINDS[str(tensor.array.dtype)])
        self.save_name(Name("torch._utils", "_rebuild_tensor_v2"))
        self.write(pickle.MARK)
        self.save(("storage", kind, tensor.key, "cpu", tensor.size, *view))
        self.write(pickle.BINPERSID)
        for part in (tensor.offset, tensor.shape, tensor.strides, False, OrderedDict()):
            self.save(part)
        self.write(pickle.TUPLE + pickle.REDUCE)

    dispatch[Tensor] = save_tensor


def write_legacy(path: Path, state, arrays) -> Path:
    with path.open("wb") as file:
        for part in (LEGACY_MAGIC, 1001, {"little_endian": True}, state, list(arrays)):
            Writer(file, 2).dump(part)
        for array in arrays.values():
            file.write(array.size.to_bytes(8, "little") + array.tobytes())
    return path


def write_zip(path: Path, state, arrays) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("archive/data.pkl", "w") as file:
            writer = Writer(file, 2)
            writer.legacy = False
            writer.dump(state)
        for key, array in arrays.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
    return path


def write(path: Path, values: dict[str, np.ndarray], form=write_legacy) -> Path:
    arrays = {str(number): array for number, array in enumerate(values.values())}
    tensors = {name: Tensor(array, key) for (name, array), key in zip(values.items(), arrays, strict=True)}
    return form(path, OrderedDict(tensors), arrays)


def synthetic(model) -> dict[str, np.ndarray]:
    """Return a state dict with the shapes that the model needs, computed by reversing the order of the axes."""
    rng = np.random.default_rng(3)
    values = {}
    for name, (variable, arrange) in efficientnet_lite._tensors(model).items():
        shape = tuple(variable.shape)
        if len(shape) == 4:
            probe = arrange(np.empty((2, 3, 5, 7), "bool")).shape
            shape = tuple(shape[probe.index(axis)] for axis in (2, 3, 5, 7))
        values[name] = rng.uniform(0.5, 1.5, shape).astype("float32")
    return values | {"_fc.bias": np.zeros(3, "float32"), "_bn0.num_batches_tracked": np.array([7])}


@pytest.fixture(scope="module")
def model():
    return efficientnet_lite.build("lite0")


@pytest.fixture(scope="module")
def values(model):
    return synthetic(model)


def test_every_tensor_is_loaded(model, values, tmp_path):
    efficientnet_lite.load_pretrained(model, write(tmp_path / "a.pth", values))
    stem, depthwise = model.get_layer("stem_conv").kernel, model.get_layer("block1_depthwise_conv").kernel
    assert stem.shape == (3, 3, 3, 32)
    assert stem.numpy()[1, 2, 0, 5] == values["_conv_stem.weight"][5, 0, 1, 2]
    assert depthwise.numpy()[1, 2, 7, 0] == values["_blocks.1._depthwise_conv.weight"][7, 0, 1, 2]
    assert (model.get_layer("head_bn").moving_variance.numpy() == values["_bn1.running_var"]).all()
    assert (model.get_layer("block4_project_bn").beta.numpy() == values["_blocks.4._bn2.bias"]).all()


def test_a_file_that_does_not_fit_changes_nothing(model, values, tmp_path):
    before = model.get_layer("stem_conv").kernel.numpy()
    name = "_blocks.2._bn1.weight"
    wrong = [
        ({key: value for key, value in values.items() if key != name}, "1 tensors missing"),
        (values | {"_extra.weight": np.zeros(2, "float32")}, "1 left over"),
        (values | {name: np.zeros(3, "float32")}, "has the shape"),
        (values | {"_conv_stem.weight": np.zeros((32, 27), "float32")}, "axes"),
        (values | {name: np.full_like(values[name], np.nan)}, "NaN"),
    ]
    for state, message in wrong:
        with pytest.raises(WeightsError, match=message):
            efficientnet_lite.load_pretrained(model, write(tmp_path / "a.pth", state))
    assert (model.get_layer("stem_conv").kernel.numpy() == before).all()


@pytest.mark.parametrize(("variant", "parameters"), [("lite1", 4_189_344), ("lite2", 4_869_168)])
def test_larger_variants_have_the_known_sizes(variant, parameters):
    model = efficientnet_lite.build(variant, (64, 33, 3))
    assert model.count_params() == parameters
    assert model.output.shape == (None, 2, 2, 1280)


def test_an_unknown_variant_is_rejected_with_the_legal_ones():
    with pytest.raises(WeightsError, match="lite0, lite1, lite2"):
        efficientnet_lite.build("lite9")


@pytest.mark.parametrize("form", [write_legacy, write_zip])
def test_both_formats_are_read(tmp_path, form):
    values = {"a": np.arange(6, dtype="float32").reshape(2, 3), "b": np.array([4, 5])}
    state = read_state_dict(write(tmp_path / "a.pth", values, form))
    assert list(state) == ["a", "b"]
    for name, array in values.items():
        np.testing.assert_array_equal(state[name], array)
        assert state[name].dtype == array.dtype


def test_tensors_may_share_a_storage_and_be_transposed(tmp_path):
    flat = np.arange(6, dtype="float32")
    state = {
        "whole": Tensor(flat, "0"),
        "turned": Tensor(flat, "0", shape=(3, 2), strides=(1, 3)),
        "none": Tensor(flat, "0", shape=(0, 2), strides=(2, 1)),
    }
    read = read_state_dict(write_legacy(tmp_path / "a.pth", state, {"0": flat}))
    np.testing.assert_array_equal(read["turned"], flat.reshape(2, 3).T)
    assert read["none"].shape == (0, 2)


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


@pytest.mark.parametrize("form", [write_legacy, write_zip])
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": Evil()}, "refers to .*system"),
        ({"a": Name("builtins", "eval")}, "refers to builtins.eval"),
        ({"a": Name("torch", "load")}, "refers to torch.load"),
        ([1, 2], "contains a list"),
        ({"a": 3}, "'a' is not a tensor"),
        ({"a": Tensor(np.zeros(4, "float32"), "0", offset=1)}, "outside its storage"),
        ({"a": Tensor(np.zeros(4, "float32"), "0", offset=-1)}, "malformed tensor"),
        ({"a": Tensor(np.zeros(4, "float32"), "0", strides=(-1,))}, "malformed tensor"),
        ({"a": Tensor(np.zeros(4, "float32"), "0", shape=(4, 1))}, "malformed tensor"),
        ({"a": Tensor(np.zeros(4, "float32"), "0", shape=(10**12,), strides=(0,))}, "outside its storage"),
        (
            {"a": Tensor(np.zeros(4, "float32"), "0", shape=(0, 10**12), strides=(1, 1))},
            "empty tensor is too large",
        ),
        ({"a": Tensor(np.zeros(4, "float32"), "0", size=10**12)}, "is larger than the file"),
        ({"a": Tensor(np.zeros(4, "float32"), "0", size=-1)}, "malformed reference"),
        ({"a": Tensor(np.zeros(4, "float32"), "0", size=3)}, r"expected 3|wrong length|outside"),
    ],
)
def test_hostile_and_malformed_files_are_rejected(tmp_path, monkeypatch, state, message, form):
    monkeypatch.chdir(tmp_path)
    path = form(tmp_path / "a.pth", state, {"0": np.zeros(4, "float32")})
    with pytest.raises(WeightsError, match=message):
        read_state_dict(path)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("form", [write_legacy, write_zip])
def test_a_truncated_file_is_rejected(tmp_path, form):
    whole = write(tmp_path / "a.pth", {"a": np.ones((2, 3), "float32")}, form).read_bytes()
    for length in range(0, len(whole) - 1, 7):
        (tmp_path / "cut.pth").write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="not a readable PyTorch state dict"):
            read_state_dict(tmp_path / "cut.pth")


def test_real_weights_give_the_recorded_features(model, real_cache, monkeypatch):
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(real_cache))
    folder = weights.weights_folder("efficientnet-lite0")
    if folder is None:
        pytest.skip("the weights of efficientnet-lite0 are not installed (automm weights efficientnet-lite0)")
    efficientnet_lite.load_pretrained(model, next(folder.glob("*.pth")))
    y, x = np.mgrid[0:96, 0:128]
    picture = np.stack([2 * x, 255 - 2 * y, (x * y) % 256], -1)[None].astype("float32")
    pooled = np.asarray(model(picture, training=False)).mean((1, 2))[0]
    # Recorded from another implementation, which agrees with the original network to a cosine of 0.9999998.
    recorded = {0: 0.59453, 100: 0.05996, 900: 0.06035, 79: 5.52729, 245: 5.91056, 927: 5.45739}
    np.testing.assert_allclose(pooled[list(recorded)], list(recorded.values()), atol=2e-3)
    assert np.linalg.norm(pooled) == pytest.approx(34.7267, abs=5e-3)
