"""Here and not in tests/unit, because the choices are the Keras layers themselves."""

import itertools

import keras
import pytest

from automm.errors import ConfigError
from automm.models import baselines
from automm.models.fusion import FUSIONS
from automm.models.heads import Shapes
from automm.models.pooling import POOLINGS
from automm.search.space import DEFAULTS, contains, default, full_space, narrow, size


def problems_of(overrides):
    with pytest.raises(ConfigError) as caught:
        narrow(overrides)
    return caught.value.problems


def test_nothing_narrowed_is_everything():
    space = narrow({})
    assert space == full_space()
    assert space["fusion/operator"] == tuple(FUSIONS)
    assert space["image/pooling"] == tuple(POOLINGS)


def test_the_search_starts_at_the_hand_built_concatenation():
    space = full_space()
    assert {name: default(space, name) for name in space} == baselines.CONCATENATION == DEFAULTS
    for name in ("concatenation", "bilinear"):
        assert contains(space, baselines.TRAINED[name][1])


@pytest.mark.parametrize("key", ["fusion.operator", "fusion/operator"])
def test_dots_or_slashes_a_list_or_one_value(key):
    assert narrow({key: ["product", "concatenation"]})["fusion/operator"] == ("product", "concatenation")
    assert narrow({key: "product"})["fusion/operator"] == ("product",)


def test_numbers_may_be_others_than_the_usual_ones():
    space = narrow({"label.width": [2, 8], "label.dropout": 0, "training.learning_rate": [1e-5]})
    assert (space["label/width"], space["label/dropout"], space["training/learning_rate"]) == ((2, 8), (0,), (1e-5,))
    assert space["fusion/width"] == full_space()["fusion/width"]


def test_the_default_of_a_narrowed_hyperparameter_is_in_it():
    space = narrow({"fusion.operator": ["product", "low_rank_bilinear"], "label.width": [2, 128]})
    assert default(space, "fusion/operator") == "product"
    assert default(space, "label/width") == 128


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"fusion.oprator": "product"}, "unknown hyperparameter 'fusion.oprator'. Did you mean 'fusion.operator'?"),
        ({"fusion.operator": "produkt"}, "space.fusion.operator: 'produkt' is not a choice. Did you mean 'product'?"),
        ({"fusion.operator": []}, "no choice is left"),
        ({"fusion.operator": [["product"]]}, "is not a choice"),
        ({"label.width": 2.5}, "2.5 is not a whole number from 1 to 4096"),
        ({"label.width": 0}, "0 is not a whole number"),
        ({"label.layers": True}, "True is not a whole number"),
        ({"label.layers": "2"}, "'2' is not a whole number"),
        ({"label.dropout": 1.0}, "1.0 is not a number from 0 to 0.95"),
        ({"training.learning_rate": float("nan")}, "nan is not a number"),
        ({"training.learning_rate": None}, "None is not a number"),
    ],
)
def test_what_is_wrong_is_said(overrides, words):
    (problem,) = problems_of(overrides)
    assert words in problem


def test_every_problem_at_once():
    assert len(problems_of({"x": 1, "label.width": [0, "a", 3], "image.pooling": "median"})) == 4


def test_contains():
    space = narrow({"label.dropout": [0.0, 0.5]})
    assert contains(space, {"label/dropout": 0.5})
    assert not contains(space, {"label/dropout": 0.25})
    assert not contains(space, {"label/depth": 1})
    assert contains(space, {})


@pytest.mark.parametrize(
    "overrides",
    [{}, {"label.layers": [0]}, {"label.layers": [1, 2], "label.width": [2, 4]}, {"fusion.operator": "product"}],
)
def test_size_counts_different_candidates(overrides):
    space = narrow(overrides)
    points = set()
    for values in itertools.product(*space.values()):
        point = dict(zip(space, values, strict=True))
        if point["label/layers"] == 0:
            point["label/width"] = None  # there is no layer whose width it could be
        points.add(tuple(point.values()))
    assert size(space) == len(points)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("operator", FUSIONS)
def test_every_choice_can_be_built(pooling, operator):
    point = {**DEFAULTS, "image/pooling": pooling, "fusion/operator": operator, "label/layers": 0}
    model = baselines.fused(Shapes(3, 4, 2, 3), point)
    assert isinstance(model, keras.Model)
    assert model.output_shape == (None, 3)
