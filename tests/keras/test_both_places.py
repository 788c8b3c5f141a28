"""A suffix that reads an encoder after two thirds of its layers and after the last: composed, saved, fine-tunable."""

import keras
import numpy as np
import pytest
from small import SMALL
from test_features import ALL, IMAGE, TEXT, arrays  # noqa: F401 - a fixture

from automm.data.inputs.modalities import without
from automm.models.baselines import fused
from automm.models.heads import learn_statistics
from automm.models.towers import LAST_AND_TWO_THIRDS
from automm.models.whole import EncoderLayers, compiled, compose, fine_tunable
from automm.search.features.encoded import encode
from automm.search.features.states import encode_states, input_rows
from automm.search.features.store import FeatureStore
from automm.search.features.suffix import extract_suffix
from automm.search.training.loop import predict

BOTH = ("text", "text_mean_two_thirds", "image", "image_average_two_thirds")
POINT = {**SMALL, "text/layer": LAST_AND_TWO_THIRDS, "image/stage": LAST_AND_TWO_THIRDS}
READ = {
    *("text@tiny-bert:mean", "text@tiny-bert:mean@two_thirds"),
    *("image@tiny-cnn:average", "image@tiny-cnn:average@two_thirds"),
}


@pytest.fixture(scope="module")
def layers(arrays):  # noqa: F811
    keras.utils.set_random_seed(1)
    return EncoderLayers.of([TEXT, IMAGE], arrays.sizes, BOTH)


@pytest.fixture(scope="module")
def features(arrays, tmp_path_factory):  # noqa: F811
    return encode(arrays, [TEXT, IMAGE], FeatureStore(tmp_path_factory.mktemp("features"), 10**9), BOTH)


@pytest.fixture(scope="module", params=["concatenation", "late"])
def suffix(request, features):
    keras.utils.set_random_seed(2)
    model = fused(features.shapes(2, "softmax"), {**POINT, "fusion/operator": request.param})
    learn_statistics(model, features.statistics(ALL, of_targets=False))
    return model


def names_of(model):
    return {tensor.name for tensor in model.inputs}


def answers(model, features):
    rows = input_rows(list(names_of(model)), features.arrays, features, lambda encoders: pytest.fail("it reads states"))
    return predict(model, rows, ALL)


def test_it_reads_both_places_and_each_decides(suffix, features):
    assert names_of(suffix) == {*READ, "text_mask", "image_mask"}
    rows = input_rows(list(names_of(suffix)), features.arrays, features, lambda encoders: {})
    batch = rows.batch(ALL)
    expected = np.asarray(suffix(batch, training=False))
    for name in READ:
        other = np.asarray(suffix({**batch, name: batch[name] + 1.0}, training=False))
        assert np.abs(other - expected).max() > 1e-4
    for modality in ("text", "image"):  # an absent modality is absent at both places
        lacking = without(batch, modality, np.ones(len(ALL), bool))
        dirty = {n: np.full_like(lacking[n], np.nan) for n in READ if n.startswith(modality)}
        np.testing.assert_array_equal(
            suffix({**lacking, **dirty}, training=False), np.asarray(suffix(lacking, training=False))
        )


def test_the_whole_model_gives_the_same_answers_after_it_was_saved(suffix, layers, features, tmp_path):
    expected = answers(suffix, features)
    whole = compose(suffix, layers, 2)
    np.testing.assert_allclose(predict(compiled(whole), features.arrays, ALL), expected, atol=1e-5)
    whole.save(tmp_path / "whole.keras")
    loaded = keras.saving.load_model(tmp_path / "whole.keras", compile=False)
    np.testing.assert_allclose(predict(compiled(loaded), features.arrays, ALL), expected, atol=1e-5)
    np.testing.assert_allclose(answers(extract_suffix(loaded), features), expected, atol=1e-6)


def test_it_is_fine_tuned(suffix, layers, arrays, features, tmp_path):  # noqa: F811
    halves = [encoder.halves() for encoder in layers.encoders]
    states = encode_states(arrays, [lower for lower, _ in halves], FeatureStore(tmp_path, 10**9))
    uppers = [upper.reading(list(names_of(suffix))) for _, upper in halves]
    model = fine_tunable(suffix, uppers, states.shapes)
    whole = compose(model, layers, 2)
    np.testing.assert_allclose(predict(compiled(model), states, ALL), answers(suffix, features), atol=1e-4)
    np.testing.assert_allclose(predict(compiled(whole), arrays, ALL), answers(suffix, features), atol=1e-4)
