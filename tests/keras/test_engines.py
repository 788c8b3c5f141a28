"""ONNX Runtime and Keras compute the same features; Keras takes over, with a warning, where ONNX Runtime does not."""

import json
import logging

import keras
import numpy as np
import onnxruntime
import pytest

from automm.data.inputs.arrays import Arrays, Pictures, Tokens
from automm.data.inputs.items import item_digests
from automm.errors import CacheError
from automm.models.encoders import efficientnet_lite
from automm.models.encoders.layers import ImageEncoder
from automm.models.encoders.sources import IMAGE_ENCODERS, TEXT_ENCODERS, image_source, text_source, vocabulary_of_texts
from automm.search.features import encoded, engines, load, onnx_models, states
from automm.search.features.engines import Engine
from automm.search.features.onnx_models import EngineError, OnnxModels
from automm.search.features.store import FeatureStore

TEXTS = ["good phone", "bad", "word " * 9]
TEXT = text_source("tiny-bert", vocabulary_of_texts(TEXTS))
IMAGE = image_source("tiny-cnn")
NAMES = ["image_gem_last", "image_max_two_thirds", "image_cells_last", "image_cells_two_thirds"]
PIXELS_16 = {"images": (np.uint8, (1, 16, 16, 3))}


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    return Arrays(
        ids=("a", "b", "c"),
        tokens={TEXT.name: Tokens(*TEXT.preprocessing.encode(TEXTS, 12))},
        text_mask=np.ones(3, np.float32),
        pictures={IMAGE.name: Pictures(pixels, item_digests([b"0", b"1", b"2", b"3"]))},
        picture_rows=np.array([[0, 1], [2, -1], [3, -1]], np.int32),
        targets=np.array([0, 1, 0], np.int32),
    )


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, caplog):
    """A cache of its own, in which ONNX Runtime runs the tiny picture encoder."""
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(engines, "ON_ONNX", frozenset({"tiny-cnn"}))
    caplog.set_level("INFO", "automm")
    return tmp_path


@pytest.fixture
def encode(arrays, cache):
    return lambda *names: encoded.encode(arrays, [TEXT, IMAGE], FeatureStore(cache / "features", 10**9), names)


@pytest.fixture
def conversions(monkeypatch):
    """The encoders that are converted from now on."""
    done, convert = [], onnx_models.to_onnx
    monkeypatch.setattr(
        onnx_models, "to_onnx", lambda encoder, inputs: done.append(encoder) or convert(encoder, inputs)
    )
    return done


def warnings_of(caplog):
    found = [record for record in caplog.records if record.name == "automm"]  # TensorFlow warns of traced functions
    return [record.getMessage() for record in found if record.levelno >= logging.WARNING]


def image_engine(features):
    return features.engines["image", "tiny-cnn"]


class TestTheTable:
    def test_it_names_existing_encoders(self, monkeypatch):
        monkeypatch.undo()
        assert set(TEXT_ENCODERS) | set(IMAGE_ENCODERS) >= engines.ON_ONNX

    @pytest.mark.parametrize(
        ("encoder", "gpu", "expected"),
        [("tiny-cnn", False, "onnx"), ("tiny-cnn", True, "keras"), ("minilm-l6", False, "keras")],
    )
    def test_it_decides(self, monkeypatch, encoder, gpu, expected):
        monkeypatch.setattr(engines, "_has_gpu", lambda: gpu)
        engine = engines.engine_for(encoder)
        assert engine.name == expected
        assert keras.__version__ in engine.version
        assert (onnxruntime.__version__ in engine.version) == (expected == "onnx")


class TestFeatures:
    def test_they_are_those_of_keras_and_have_another_key(self, encode, arrays, caplog, monkeypatch):
        features = encode(*NAMES)
        for name, value in IMAGE.build(NAMES, 16).named(arrays.pixels[:, None]).items():
            value = np.asarray(value)[:, 0]
            np.testing.assert_allclose(features.readout(name), value, atol=1e-2 if "cells" in name else 1e-5)
        used = image_engine(features)
        assert used.version.startswith("onnxruntime-")
        assert 0 <= used.difference <= 1e-5
        assert used.fallback == ""
        assert features.engines["text", "tiny-bert"].difference is None
        assert f"4 pictures: tiny-cnn on {used.version}" in caplog.text
        assert warnings_of(caplog) == []
        monkeypatch.setattr(engines, "ON_ONNX", frozenset())
        assert image_engine(encode(*NAMES)).version.startswith("keras-")
        assert caplog.text.count("pictures to encode") == 2

    def test_a_second_search_converts_and_encodes_nothing_and_knows_the_difference(self, encode, monkeypatch):
        first = image_engine(encode(*NAMES))
        monkeypatch.setattr(Engine, "start", lambda *of: pytest.fail("started again"))
        assert image_engine(encode(*NAMES)) == first

    def test_states_of_lower_halves_are_those_of_keras(self, arrays, cache):
        lower, _ = IMAGE.halves(16)
        found = states.encode_states(arrays, [lower], FeatureStore(cache / "features", 10**9))
        expected = np.asarray(lower(arrays.pixels[:, None]))[:, 0]
        np.testing.assert_allclose(found.lower[lower.sources[0]], expected, atol=1e-5)
        assert len(list((cache / "onnx").glob("*.onnx"))) == 1

    def test_efficientnet_on_onnx_runtime_is_that_of_keras(self):
        encoder = ImageEncoder(efficientnet_lite.build("lite0"), 1280, "untrained", ("image",), name="image_encoder")
        pixels = np.random.default_rng(0).integers(0, 256, (5, 1, 64, 64, 3), dtype=np.uint8)
        inputs = {"images": (np.uint8, (1, 64, 64, 3))}
        found = {name: Engine(name, name).start(encoder, inputs) for name in engines.ENGINES}
        for rows in (slice(0, 3), slice(3, 5)):  # any number of rows
            expected, *_ = found["keras"](pixels[rows])
            once, again = (found["onnx"](pixels[rows])[0] for _ in range(2))
            assert load.relative_difference(once, expected, half=False) <= load.AGREES
            np.testing.assert_array_equal(once, again)

    @pytest.mark.parametrize(("limit", "threads"), [("", 0), ("3", 3), ("many", 0)])
    def test_onnx_runtime_uses_as_many_threads_as_tensorflow(self, monkeypatch, limit, threads):
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", limit)
        assert engines.session_options().intra_op_num_threads == threads


class TestConvertedFiles:
    def test_a_converted_encoder_is_kept(self, conversions, cache):
        one, other = (IMAGE.build(names) for names in (["image"], ["image_gem_last"]))
        models = OnnxModels(cache / "onnx")
        first = models.get(one, PIXELS_16)
        assert models.get(IMAGE.build(["image"]), PIXELS_16) == first
        models.get(other, PIXELS_16)  # other read-outs, other files
        models.get(one, {"images": (np.uint8, (1, 32, 32, 3))})
        assert conversions == [one, other, one]
        assert len(models.sizes()) == 3
        assert not list((cache / "onnx").glob(".*"))

    def test_a_new_version_of_the_converter_converts_again(self, conversions, cache, monkeypatch):
        encoder, models = IMAGE.build(), OnnxModels(cache / "onnx")
        models.get(encoder, PIXELS_16)
        monkeypatch.setattr(onnx_models, "version_of", lambda package: "9")
        models.get(encoder, PIXELS_16)
        assert len(conversions) == 2

    def test_a_damaged_file_is_converted_again(self, conversions, cache, caplog):
        encoder, models = IMAGE.build(), OnnxModels(cache / "onnx")
        whole = models.get(encoder, PIXELS_16)
        (path,) = models.sizes()
        path.write_bytes(whole[:-1])
        again = models.get(encoder, PIXELS_16)
        assert len(conversions) == 2
        assert [path.read_bytes() for path in models.sizes()] == [again]
        (warning,) = warnings_of(caplog)
        assert f"{path} is damaged" in warning

    def test_the_least_recently_used_are_removed(self, cache, monkeypatch):
        monkeypatch.setattr(onnx_models, "KEPT", 2)
        monkeypatch.setattr(onnx_models, "to_onnx", lambda encoder, inputs: encoder.name.encode())
        models = OnnxModels(cache / "onnx")
        for number in range(4):
            encoder = ImageEncoder(None, 1, str(number), ("image",), name=f"image_{number}")
            models.get(encoder, PIXELS_16)
        assert sorted(path.read_bytes() for path in models.sizes()) == [b"image_2", b"image_3"]

    def test_a_damaged_measurement_is_measured_again(self, encode, cache, caplog):
        used = image_engine(encode())
        (measured,) = (cache / "onnx").glob("*.json")
        measured.write_text("{")
        assert image_engine(encode()) == used
        assert json.loads(measured.read_text()) == {"difference": used.difference}
        assert "is damaged" in caplog.text

    def test_a_folder_that_cannot_be_written_is_named(self, cache):
        (cache / "onnx").write_text("a file")
        with pytest.raises(CacheError, match=r"cannot write converted encoders to .*onnx.*AUTOMM_CACHE_DIR"):
            OnnxModels(cache / "onnx").keep_difference("family", 0.0)


class TestKerasTakesOver:
    """Never silently: a warning, and the record of the run, name the reason."""

    def check(self, encode, caplog, reason):
        used = image_engine(encode())
        assert used.version.startswith("keras-")
        assert used.difference is None
        assert used.fallback.startswith("onnxruntime-")
        assert reason in used.fallback
        (warning,) = warnings_of(caplog)
        assert warning.startswith("Pictures of tiny-cnn are encoded by Keras instead of onnxruntime-")
        assert reason in warning

    def test_where_features_differ(self, encode, caplog, monkeypatch, conversions):
        start = Engine.start

        def scaled(engine, encoder, inputs):
            run = start(engine, encoder, inputs)
            return lambda *batch: [value * (1.01 if engine.name == "onnx" else 1.0) for value in run(*batch)]

        monkeypatch.setattr(Engine, "start", scaled)
        self.check(encode, caplog, "differ from those of Keras by ")
        assert len(conversions) == 1
        caplog.clear()
        monkeypatch.setattr(Engine, "start", lambda *of: pytest.fail("started again"))
        self.check(encode, caplog, "differ from those of Keras by ")  # the difference is known

    def test_where_features_are_nan(self, encode, caplog, monkeypatch):
        monkeypatch.setitem(
            engines.ENGINES, "onnx", lambda encoder, inputs: lambda *batch: [np.full((len(batch[0]), 1, 16), np.nan)]
        )
        self.check(encode, caplog, "differ from those of Keras by nan")

    def test_where_an_encoder_cannot_be_converted(self, encode, caplog, monkeypatch):
        import tf2onnx

        monkeypatch.setattr(tf2onnx.convert, "from_function", lambda *of, **more: 1 / 0)
        self.check(encode, caplog, "it cannot be converted (ZeroDivisionError: division by zero)")

    def test_where_a_package_is_missing(self, encode, caplog, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "tf2onnx", None)
        self.check(encode, caplog, "it cannot be converted (ModuleNotFoundError: ")

    def test_where_onnx_runtime_cannot_load_it(self, encode, caplog, monkeypatch):
        monkeypatch.setattr(onnx_models, "to_onnx", lambda encoder, inputs: b"no model")
        self.check(encode, caplog, "it cannot be loaded (")

    def test_where_it_fails_in_the_middle(self, encode, caplog, monkeypatch, cache):
        image_engine(encode())  # known to agree
        caplog.clear()
        FeatureStore(cache / "features", 10**9).clear()
        monkeypatch.setattr(encoded.PicturePass, "batch_size", 1)
        start = Engine.start

        def failing(engine, encoder, inputs):
            run, calls = start(engine, encoder, inputs), []

            def fails(*batch):
                calls.append(1)
                if engine.name == "onnx" and len(calls) == 3:
                    raise EngineError("it fails while it runs (RuntimeError: no memory)")
                return run(*batch)

            return fails

        monkeypatch.setattr(Engine, "start", failing)
        self.check(encode, caplog, "it fails while it runs (RuntimeError: no memory)")

    def test_an_error_of_onnx_runtime_is_named(self):
        run = Engine("onnx", "onnx").start(IMAGE.build(), PIXELS_16)
        with pytest.raises(EngineError, match=r"it fails while it runs \(InvalidArgument: "):
            run(np.zeros((1, 1, 16, 16, 3), np.float32))


class TestRelativeDifference:
    def test_it_is_relative_to_the_root_mean_square(self):
        expected = np.array([3.0, -4.0, 0.0, 0.0], np.float32)
        assert load.relative_difference(expected + np.float32(0.5), expected, half=False) == pytest.approx(0.2)
        assert load.relative_difference(expected, expected, half=False) == 0
        assert load.relative_difference(np.zeros(2), np.zeros(2), half=False) == 0
        assert np.isnan(load.relative_difference(np.array([np.nan]), np.ones(1), half=False))

    def test_a_step_of_float16_does_not_count(self):
        below, above = np.array([1.0], np.float16), np.nextafter(np.float16(1), np.float16(2))
        step = float(above) - 1.0
        assert load.relative_difference(below, np.array([above]), half=True) == 0
        assert load.relative_difference(below, np.array([above]), half=False) == pytest.approx(step, rel=0.01)
        assert load.relative_difference(below, np.array([1 + 2 * step]), half=True) == pytest.approx(step, rel=0.01)
