import pytest
from small import SHAPES

from automm.config import resolve
from automm.models.baselines import fused
from automm.models.encoders import IMAGE_ENCODERS
from automm.models.packages import PACKAGES
from automm.search.cost import dearest, most_parameters
from automm.search.space import DEFAULTS, contains, full_space, narrow, points

SMALL = {
    **DEFAULTS,
    "image/pooling": ["mean", "text_attention", "set_transformer"],
    "image/heads": 1,
    "fusion/operator": ["product", "mutan", "film"],
    "fusion/width": [2, 4],
    "fusion/rank": [2, 3],
    "label/layers": [0, 1],
    "label/width": [2, 8],
}


def experiment(tmp_path, **settings):
    return resolve({"manifest": "m.yaml", **settings}, tmp_path, where="test")


def test_no_candidate_has_more_parameters():
    space = narrow(
        {name: value for name, value in SMALL.items() if name != "image/pooling"} | {"image/pooling": "mean"}
    )
    found, parameters = most_parameters(space, SHAPES)
    assert contains(space, found)
    assert parameters == max(fused(SHAPES, point).count_params() for point in points(space))


def test_named_choices_are_tried_with_what_hangs_on_them():
    found, parameters = most_parameters(narrow(SMALL), SHAPES)
    assert found["image/pooling"] == "set_transformer"
    assert (found["fusion/operator"], found["fusion/rank"]) == ("mutan", 3)
    assert parameters == fused(SHAPES, found).count_params()


def test_memory_is_that_of_the_parameters_of_all_folds(tmp_path):
    space = narrow({**DEFAULTS})
    one, five, three = (
        dearest(experiment(tmp_path, evaluation=evaluation), space) for evaluation in ("holdout", "auto", {"folds": 3})
    )
    assert one.parameters > 384 * 128 + 1280 * 128
    assert one.memory == 16 * one.parameters == five.memory / 5 == three.memory / 3


def test_of_a_preset_nothing_is_known_before_it_is_read(tmp_path):
    assert dearest(experiment(tmp_path, encoders={"text": "bert_tiny_en_uncased"}), full_space()) is None


@pytest.mark.parametrize("name", [name for name in PACKAGES if name in IMAGE_ENCODERS])
def test_the_size_of_a_package_is_its_encoders(name):
    from automm.models.efficientnet_lite import HEAD_FILTERS

    assert PACKAGES[name].features == HEAD_FILTERS
