import pytest
from small import SHAPES

from automm.config.experiment import resolve
from automm.models.baselines import fused
from automm.models.encoders.sources import IMAGE_ENCODERS
from automm.models.heads import Shapes
from automm.models.weights.packages import PACKAGES
from automm.search.cost.largest import largest_candidate, most_parameters
from automm.search.cost.pixels import cost_of, pixel_costs
from automm.search.space.table import DEFAULTS, contains, points
from automm.search.space.validation import full_space, narrow

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
    return resolve({"manifest": "m.yaml", **settings}, tmp_path, name="test")


def test_no_candidate_has_more_parameters():
    space = narrow(
        {name: value for name, value in SMALL.items() if name != "image/pooling"} | {"image/pooling": "mean"}
    )
    found, parameters = most_parameters(space, SHAPES)
    assert contains(space, found)
    assert parameters == max(fused(SHAPES, point).count_params() for point in points(space))


def test_named_choices_are_tried_with_dependent_hyperparameters():
    found, parameters = most_parameters(narrow(SMALL), SHAPES)
    assert found["image/pooling"] == "set_transformer"
    assert (found["fusion/operator"], found["fusion/rank"]) == ("mutan", 3)
    assert parameters == fused(SHAPES, found).count_params()


def test_memory_is_that_of_the_parameters_of_all_folds(tmp_path):
    space = narrow({**DEFAULTS})
    one, five, three = (
        largest_candidate(experiment(tmp_path, evaluation=evaluation), space)
        for evaluation in ("holdout", "auto", {"folds": 3})
    )
    assert one.parameters > 384 * 128 + 1280 * 128
    assert one.memory == 16 * one.parameters == five.memory / 5 == three.memory / 3


def test_the_size_of_a_preset_is_unknown(tmp_path):
    assert largest_candidate(experiment(tmp_path, encoders={"text": "bert_tiny_en_uncased"}), full_space()) is None


@pytest.mark.parametrize("name", [name for name in PACKAGES if name in IMAGE_ENCODERS])
def test_the_size_of_a_package_is_that_of_its_encoder(name):
    from automm.models.encoders.efficientnet_lite import HEAD_FILTERS

    assert PACKAGES[name].features == HEAD_FILTERS


CNN = {"image/size": 32, "image/depth": 1, "image/filters": 4, "image/kernel": 3}


class TestPixels:
    def test_operations_are_those_of_the_convolutions(self):
        cost = cost_of({**CNN, "image/source": "convolution"}, 32)
        assert cost.operations == 2 * (3 * 3 * 3 * 4) * 30 * 30
        assert cost.parameters == 3 * 3 * 3 * 4 + 4

    @pytest.mark.parametrize("source", ["convolution", "residual"])
    @pytest.mark.parametrize(("name", "more"), [("image/size", 64), ("image/depth", 2), ("image/filters", 8)])
    def test_more_of_anything_costs_more(self, source, name, more):
        point = {**CNN, "image/source": source}
        less, dearer = cost_of(point, 64), cost_of({**point, name: more}, 64)
        assert dearer.operations > less.operations
        assert dearer.seconds > less.seconds
        assert dearer.memory(8) > less.memory(8)

    def test_the_most_expensive_cnn_of_each_source_is_found(self):
        asked = {"image.source": ["frozen", "convolution", "residual"], "image.size": [8, 16], "image.kernel": [3, 9]}
        costs = pixel_costs(narrow(asked), 16)
        assert costs.keys() == {"convolution", "residual"}
        every = [
            cost_of({**CNN, **sizes, "image/source": "convolution", "image/kernel": kernel}, 16)
            for kernel in (3, 9)
            for sizes in ({"image/size": size, "image/depth": 3, "image/filters": 32} for size in (8, 16))
        ]
        assert costs["convolution"].operations == max(cost.operations for cost in every)
        assert pixel_costs(full_space(), 16) == {}

    def test_a_cnn_counts_among_the_parameters_of_a_candidate(self):
        narrowed = {**DEFAULTS, **CNN, "image/source": "residual", "image/filters": 256, "image/depth": 3}
        del narrowed["image/stage"]
        shapes = Shapes(4, 3, 2, 3, image_size=32, head="softmax")
        point, parameters = most_parameters(narrow(narrowed), shapes)
        assert parameters > cost_of(point, 32).parameters > 10**7
