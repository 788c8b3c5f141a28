"""Devices: a fake list of GPUs, a fake lack of memory, and mixed precision on a CPU. What needs a GPU is skipped."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_features import IMAGE, TEXT, TEXTS
from test_features import arrays as arrays  # a fixture
from tiny_presets import SIZE, image_preset, text_preset

from automm.models.devices import compute_in, gpu_of_worker, in_halves, let_memory_grow, precision_for
from automm.models.encoders.hub.families import FAMILIES
from automm.models.encoders.layers import unfreeze
from automm.models.encoders.precision import in_precision
from automm.models.encoders.sources import image_source, text_source
from automm.search.features.encoded import encode
from automm.search.features.engines import Engine
from automm.search.features.store import FeatureStore

SHORT = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")


class FakeConfig:
    """`tf.config` of a machine with GPUs of these compute capabilities."""

    def __init__(self, *capabilities):
        self.capabilities, self.grown = dict(enumerate(capabilities)), []
        self.experimental = SimpleNamespace(
            set_memory_growth=lambda gpu, growth: self.grown.append((gpu, growth)),
            get_device_details=lambda gpu: {"compute_capability": self.capabilities[gpu]},
        )

    def list_physical_devices(self, kind):
        return list(self.capabilities) if kind == "GPU" else []


def test_the_memory_of_every_gpu_grows():
    config = FakeConfig((8, 0), (7, 5))
    let_memory_grow(config)
    assert config.grown == [(0, True), (1, True)]


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ([], "float32"),
        ([(6, 1)], "float32"),
        ([None], "float32"),
        ([(7, 0)], "mixed_float16"),
        ([(9, 0), (7, 5)], "mixed_float16"),
        ([(8, 6), (8, 0)], "mixed_bfloat16"),
    ],
)
def test_auto_is_the_precision_in_which_every_gpu_is_fast(capabilities, precision):
    config = FakeConfig(*capabilities)
    assert precision_for("auto", config) == precision
    assert precision_for("mixed_float16", config) == "mixed_float16"
    assert precision_for("float32", config) == "float32"


@pytest.mark.parametrize(
    ("gpus", "environment", "devices"),
    [
        (0, {"CUDA_VISIBLE_DEVICES": "0"}, [None, None, None]),
        (2, {}, ["0", "1", "0"]),
        (2, {"CUDA_VISIBLE_DEVICES": "5, 7"}, ["5", "7", "5"]),
        (1, {"CUDA_VISIBLE_DEVICES": "GPU-8f3a,GPU-99"}, ["GPU-8f3a"] * 3),
    ],
)
def test_a_worker_has_one_gpu(gpus, environment, devices):
    found = [gpu_of_worker(number, gpus, environment).get("CUDA_VISIBLE_DEVICES") for number in (1, 2, 3)]
    assert found == devices


def limited(most, error=SHORT):
    """A function that doubles at most so many rows at once, and the sizes with which it was called."""
    sizes = []

    def run(rows, other):
        sizes.append(len(rows))
        if len(rows) > most:
            raise error
        return [2 * rows, {"other": other["x"]}]

    return run, sizes


def test_a_batch_is_halved_until_it_fits_and_the_size_is_kept(caplog):
    run, sizes = limited(3)
    halved = in_halves(run)
    rows, other = np.arange(10.0), {"x": np.arange(20).reshape(10, 2)}
    for _ in range(2):
        doubled, rest = halved(rows, other)
        np.testing.assert_array_equal(doubled, 2 * rows)
        np.testing.assert_array_equal(rest["other"], other["x"])
    assert sizes == [10, 5, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    assert [record.message for record in caplog.records][-1] == "out of memory with 5 rows at once: going on with 2"


@pytest.mark.parametrize(("most", "error"), [(0, SHORT), (0, MemoryError()), (5, ValueError("other"))])
def test_what_halving_cannot_help_is_raised(most, error):
    run, sizes = limited(most, error)
    with pytest.raises(type(error)):
        in_halves(run)(np.arange(8), {"x": np.arange(8)})
    assert sizes[-1] == (8 if isinstance(error, ValueError) else 1)


def test_encoding_goes_on_with_smaller_batches(arrays, tmp_path, monkeypatch):
    wanted = encode(arrays, [TEXT, IMAGE], FeatureStore(tmp_path / "one", 10**9))
    start, sizes = Engine.start, []

    def short_of_memory(engine, encoder, inputs):
        run = start(engine, encoder, inputs)

        def short(*batch):
            sizes.append(len(batch[0]))
            if len(batch[0]) > 1:
                raise SHORT
            return run(*batch)

        return short

    monkeypatch.setattr(Engine, "start", short_of_memory)
    found = encode(arrays, [TEXT, IMAGE], FeatureStore(tmp_path / "two", 10**9))
    assert max(sizes) > 1
    for source, values in wanted.encoded.items():
        np.testing.assert_allclose(found.encoded[source], values, atol=1e-5)


def test_features_of_another_precision_are_other_features(arrays, tmp_path, monkeypatch):
    store = FeatureStore(tmp_path, 10**9)
    sources = [TEXT, IMAGE]
    mixed = [in_precision(source, "mixed_bfloat16") for source in sources]
    assert in_precision(TEXT, "float32") is TEXT
    assert {source.fingerprint for source in mixed}.isdisjoint(source.fingerprint for source in sources)
    plain, low = encode(arrays, sources, store), encode(arrays, mixed, store)
    for source, values in plain.encoded.items():
        assert low.encoded[source].dtype == np.float32
        difference = np.abs(low.encoded[source] - values).max() / np.abs(values).max()
        assert 1e-5 < difference < 0.05
    monkeypatch.setattr(Engine, "start", lambda *of: pytest.fail("encoded again"))
    encode(arrays, mixed, store)
    encode(arrays, sources, store)


# All families pass; these have layers of their own, or forget the precision of inner layers.
OWN = ("bert", "deberta_v3", "siglip", "vit", "dinov3", "efficientnet")
READS = [(key, modality) for key in OWN for modality in FAMILIES[key].reads]


@pytest.mark.parametrize(("key", "modality"), READS)
def test_families_compute_in_mixed_precision_and_are_saved_with_it(key, modality, tmp_path):
    rng = np.random.default_rng(0)
    if modality == "text":
        text_preset(key, tmp_path / key)
        source = text_source(str(tmp_path / key), lambda size: [])
        given = source.preprocessing.encode(["the quick fox", "bad phone!"], 16)
        names, size = ("text",), ()
    else:
        image_preset(key, tmp_path / key)
        source, size = image_source(str(tmp_path / key)), (SIZE,)
        given = [rng.integers(0, 256, (2, 2, SIZE, SIZE, 3), dtype=np.uint8)]
        names = ("image",)
    mixed = in_precision(source, "mixed_bfloat16")
    encoder = mixed.build(names, *size)
    exact, found = (np.asarray(one(*given)) for one in (source.build(names, *size), encoder))
    assert found.dtype == np.float32
    assert 1e-5 < np.abs(found - exact).max() / np.abs(exact).max() < 0.1
    inputs = [keras.Input(array.shape[1:], dtype=str(array.dtype)) for array in given]
    keras.Model(inputs, encoder(*inputs)).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(loaded(list(given)), found, atol=1e-6)
    if key == "albert":
        return
    lower, upper = mixed.halves(*size)
    states = lower(*given)
    states = states if isinstance(states, tuple) else (states,)
    assert str(states[0].dtype).endswith("float32'>")
    np.testing.assert_allclose(upper(*states), found, atol=0.1 * np.abs(found).max())
    unfreeze(upper)
    assert {layer.compute_dtype for layer in upper._flatten_layers()} == {"float32"}


def test_a_model_keeps_its_weights_in_float32():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    compute_in(model, "mixed_float16")
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}
    assert str(model(np.ones((1, 4), np.float32)).dtype).endswith("float16'>")


@pytest.mark.gpu
@pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="no GPU")
@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_gpu_computes_the_features_of_a_cpu(precision):
    source = in_precision(TEXT, precision)
    given = source.preprocessing.encode(TEXTS, 16)
    encoder = source.build()
    found = np.asarray(encoder(*given))
    with tf.device("CPU"):
        wanted = np.asarray(replace(source).build()(*given))
    np.testing.assert_allclose(found, wanted, atol=0.05 * np.abs(wanted).max())
