"""The search space. These tests need Keras, because choices are Keras layers."""

from pathlib import Path
from typing import ClassVar

import keras_tuner
import numpy as np
import pytest

from automm.config.experiment import load_experiment, resolve
from automm.data.records.reviews import Review
from automm.errors import ConfigError
from automm.models import baselines
from automm.models.fusion import FUSIONS, SEQUENCE_FUSIONS
from automm.models.heads import Shapes
from automm.models.readouts import PLACES, READOUTS, is_sequence
from automm.search.autokeras.tuner import active_values
from automm.search.space import table as space_module
from automm.search.space.effective import effective_space
from automm.search.space.portfolio import portfolio
from automm.search.space.table import (
    DEFAULTS,
    TABLE,
    Hyperparameter,
    conditions,
    contains,
    declare,
    default,
    draw,
    is_active,
    points,
    readouts,
    size,
    unrequested_choices,
)
from automm.search.space.validation import encoders_read, full_space, narrow
from automm.search.training.options import Options
from automm.tasks.registry import TASKS
from automm.tracking.run_folder import EPOCHS, point_of

# Three levels: "c" exists only if "b" exists, and "b" only if "a" is not zero.
NESTED = {
    "a": Hyperparameter((0, 1, 2)),
    "b": Hyperparameter(("x", "y"), only=("a", bool)),
    "c": Hyperparameter((0.1, 0.2, 0.3), only=("b", lambda value: value == "y")),
    "d": Hyperparameter((True, False), only=("a", lambda value: value == 2)),
}
NESTED_POINTS = [
    {"a": 0},
    *({"a": 1, **b} for b in ({"b": "x"}, *({"b": "y", "c": c} for c in (0.1, 0.2, 0.3)))),
    *(
        {"a": 2, **b, "d": d}
        for b in ({"b": "x"}, *({"b": "y", "c": c} for c in (0.1, 0.2, 0.3)))
        for d in (True, False)
    ),
]


@pytest.fixture
def nested(monkeypatch):
    monkeypatch.setattr(space_module, "TABLE", NESTED)
    monkeypatch.setattr(space_module, "DEFAULTS", {name: row.choices[0] for name, row in NESTED.items()})
    return {name: row.choices for name, row in NESTED.items()}


def problems_of(overrides):
    with pytest.raises(ConfigError) as caught:
        narrow(overrides)
    return caught.value.lines


def test_without_overrides_the_space_is_full():
    space = narrow({})
    assert space == full_space()
    assert space["fusion/operator"] == ("concatenation", "low_rank_bilinear", "gated_unit", "late")
    assert space["image/pooling"] == ("first", "mean", "max", "gated_attention", "text_attention")
    assert space["text/readout"] == ("mean", "cls_mean")
    # What did not decide in the pool of experiments/README.md is not varied.
    single = {name: space[name] for name in ("fusion/width", "label/width", "image/heads")}
    assert single == {"fusion/width": (128,), "label/width": (128,), "image/heads": (4,)}
    assert "fusion/rank" not in space


def test_a_readout_that_an_encoder_lacks_is_not_searched_by_default():
    has = {"text": ("mean", "pooled"), "image": ("average", "max")}
    assert (space := narrow({}, possible_readouts=has))["text/readout"] == ("mean",)
    assert space["image/readout"] == ("average",)
    assert narrow({"text.readout": ["cls", "mean"]}, possible_readouts=has)["text/readout"] == ("cls", "mean")


def test_the_search_starts_at_the_hand_built_concatenation():
    space = full_space()
    point = {name: DEFAULTS[name] for name in space if is_active(name, DEFAULTS)}
    assert point == baselines.CONCATENATION
    assert all(default(space, name) == DEFAULTS[name] for name in space)
    for name in ("concatenation", "low_rank_bilinear"):
        assert contains(space, baselines.TRAINED[name][1])


@pytest.mark.parametrize("key", ["fusion.operator", "fusion/operator"])
def test_dots_or_slashes_a_list_or_one_value(key):
    assert narrow({key: ["product", "concatenation"]})["fusion/operator"] == ("product", "concatenation")
    assert narrow({key: "product"})["fusion/operator"] == ("product",)


def test_numbers_other_than_the_defaults_are_allowed():
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
        ({"fusion.operator": []}, "the list is empty"),
        ({"fusion.operator": [["product"]]}, "is not a choice"),
        ({"label.width": 2.5}, "2.5 is not a whole number from 1 to 4096"),
        ({"label.width": 0}, "0 is not a whole number"),
        ({"label.layers": True}, "True is not a whole number"),
        ({"label.layers": "2"}, "'2' is not a whole number"),
        ({"label.dropout": 1.0}, "1.0 is not a number from 0 to 0.95"),
        ({"training.learning_rate": float("nan")}, "nan is not a number"),
        ({"training.learning_rate": None}, "None is not a number"),
        ({"training.learning_rate": "1e-"}, "'1e-' is not a number"),
        ({"training.learning_rate": "1e400"}, "inf is not a number"),
        ({"training.learning_rate": True}, "True is not a number"),
        ({"training.learning_rate": [["1e-3"]]}, "['1e-3'] is not a number"),
        ({"label.width": "1e2"}, "'1e2' is not a whole number"),
        ({"image.heads": True}, "True is not a choice"),
        ({"image.heads": {"a": 1}}, "{'a': 1} is not a choice"),
    ],
)
def test_mistakes_are_reported(overrides, words):
    (problem,) = problems_of(overrides)
    assert words in problem


def test_all_problems_are_reported_together():
    assert len(problems_of({"x": 1, "label.width": [0, "a", 3], "image.pooling": "median"})) == 4


@pytest.mark.parametrize("written", ["1e-3", "[1e-3]", "0.001", "1.0E-3", "'0.001'"])
def test_a_number_that_yaml_leaves_a_text(tmp_path, written):
    file = tmp_path / "experiment.yaml"
    file.write_text(f"manifest: m.yaml\nspace: {{training.learning_rate: {written}}}\n")
    by_set = load_experiment(file, [f"space.training.learning_rate={written}"])
    for experiment in (load_experiment(file), by_set):
        assert narrow(experiment.space)["training/learning_rate"] == (0.001,)


def test_zero_beside_a_half_is_a_float():
    assert [type(value) for value in narrow({"label.dropout": [0, 0.5]})["label/dropout"]] == [float, float]


def test_a_row_is_below_the_one_that_it_depends_on():
    names = list(TABLE)
    for name, row in TABLE.items():
        assert row.only is None or names.index(row.only[0]) < names.index(name)


def test_every_hyperparameter_exists_at_some_point():
    every = {name: [*row.choices, *row.on_request] for name, row in TABLE.items() if not row.column}
    every["image/readout"].remove("pooled")  # a trained CNN has none
    every["image/stage"].remove("last_and_two_thirds")  # not with a fusion of sequences
    space = narrow(every, encoders={"text": ("a", "b"), "image": ("b", "c")})
    for name in space:
        assert all(values for _, values in conditions(space, name)), name


class TestOptional:
    """Hyperparameters that exist only if an experiment file names them."""

    def test_they_are_the_training_options_and_are_off_by_default(self):
        optional = {name: row.choices[0] for name, row in TABLE.items() if row.optional and not row.joint}
        assert optional == {"words/width": 0} | Options().values()

    def test_named_they_are_in_the_space_in_the_order_of_the_table(self):
        space = narrow({"training.focal_gamma": [0.0, 3.0], "fusion.operator": "sum"})
        assert space["training/focal_gamma"] == (0.0, 3.0)
        assert list(space) == [name for name in TABLE if name in full_space() or name == "training/focal_gamma"]
        assert size(space) == size(narrow({"fusion.operator": "sum"})) * 2
        assert not contains(space, baselines.CONCATENATION)

    def test_unknown_class_weights_are_reported_with_the_legal_ones(self):
        (problem,) = problems_of({"training.class_weights": "balanced"})
        assert "Legal: square_root, inverse, none" in problem


class TestPoints:
    def test_a_point_has_values_of_existing_hyperparameters_only(self):
        space = narrow({"label.dropout": [0.0, 0.5]})
        point = baselines.CONCATENATION
        flat = {**point, "label/layers": 0}
        assert contains(space, point)
        assert not contains(space, flat), "without hidden layers there is no width"
        del flat["label/width"]
        assert contains(space, flat)
        assert not contains(space, {**point, "label/dropout": 0.25})
        assert not contains(space, {**point, "label/depth": 1})
        assert not contains(space, {})

    def test_bookkeeping_values_are_not_part_of_a_point(self):
        assert contains(full_space(), {**baselines.CONCATENATION, EPOCHS: 3})
        assert point_of({"label/dropout": 0.5, EPOCHS: 3}) == {"label/dropout": 0.5}

    def test_conditions_can_be_nested(self, nested):
        assert list(points(nested)) == NESTED_POINTS
        assert size(nested) == len(NESTED_POINTS)
        assert all(contains(nested, point) for point in NESTED_POINTS)
        assert not contains(nested, {"a": 0, "c": 0.1})

    def test_the_size_of_a_narrowed_space(self):
        """By hand: two operators without own hyperparameters, heads of no or one layer."""
        fixed = {name: value for name, value in DEFAULTS.items() if not name.startswith("label/width")}
        space = narrow({**fixed, "fusion.operator": ["product", "concatenation"], "label.layers": [0, 1]})
        assert size(space) == len(list(points(space))) == 2 * (1 + len(TABLE["label/width"].choices))

    def test_a_draw_is_a_point_and_every_point_is_drawn(self, nested):
        rng = np.random.default_rng(0)
        drawn = [draw(nested, rng) for _ in range(300)]
        assert all(point in NESTED_POINTS for point in drawn)
        assert all(point in drawn for point in NESTED_POINTS)


class TestDeclare:
    @pytest.mark.parametrize("point", NESTED_POINTS, ids=str)
    def test_kerastuner_agrees_which_hyperparameters_exist(self, nested, point):
        hp = keras_tuner.HyperParameters()
        declare(hp, nested)
        hp.values = dict(point)
        assert {name for name in nested if hp.is_active(name)} == point.keys()

    @pytest.mark.parametrize("point", NESTED_POINTS, ids=str)
    def test_a_worker_gets_the_same_hyperparameters(self, nested, point):
        hp = keras_tuner.HyperParameters()
        declare(hp, nested)
        hp.values = dict(point)
        heard = keras_tuner.HyperParameters.from_proto(hp.to_proto())
        assert active_values(heard) == point

    def test_hyperparameters_that_never_exist_are_not_declared(self):
        hp = keras_tuner.HyperParameters()
        declare(hp, narrow({"label.layers": 0}))
        assert "label/width" not in {row.name for row in hp.space}
        assert hp.values["label/layers"] == 0

    def test_declaring_twice_changes_nothing(self):
        hp = keras_tuner.HyperParameters()
        declare(hp, full_space())
        declare(hp, full_space())
        assert sorted(row.name for row in hp.space) == sorted(full_space())
        assert contains(full_space(), hp.values)


class TestManifestColumns:
    def test_columns_and_numbers_have_their_own_hyperparameters(self):
        whole = full_space(("metadata", "history"))
        assert set(whole) - set(full_space()) == {"metadata/width", "history/encoder", "history/width"}
        assert {name: default(whole, name) for name in baselines.COLUMNS} == baselines.COLUMNS
        assert narrow({"history.encoder": "gru"}, ("history",))["history/encoder"] == ("gru",)

    @pytest.mark.parametrize(
        ("key", "words"),
        [
            ("history.encoder", "space.history.encoder: the manifest names no fields.history. Remove the key"),
            (
                "training.label_smoothing",
                "space.training.label_smoothing: the manifest predicts numbers, which cannot use it. Remove the key",
            ),
        ],
    )
    def test_missing_columns_are_named(self, key, words):
        with pytest.raises(ConfigError) as caught:
            narrow({key: 0.2}, (), TASKS["regression"])
        assert caught.value.lines == [words]


class TestSeveralEncoders:
    ENCODERS: ClassVar[dict[str, tuple[str, ...]]] = {"text": ("a", "hf://b"), "image": ("c",)}

    def test_the_encoders_are_choices(self):
        space = narrow({}, encoders=self.ENCODERS)
        assert space["text/encoder"] == ("a", "hf://b", "all")
        assert "image/encoder" not in space
        assert default(space, "text/encoder") == "all"
        assert all(point["text/encoder"] == "all" for point in portfolio(space))
        assert size(space) == 3 * size(full_space())

    def test_they_can_be_narrowed(self):
        space = narrow({"text.encoder": ["a", "hf://b"]}, encoders=self.ENCODERS)
        assert default(space, "text/encoder") == "a"
        with pytest.raises(ConfigError, match=r"space.text.encoder: 'd' is not a choice. Legal: a, hf://b, all"):
            narrow({"text.encoder": "d"}, encoders=self.ENCODERS)

    def test_a_single_encoder_is_no_choice(self):
        with pytest.raises(ConfigError, match=r"image.encoder: encoders.image names a single encoder. Remove the key"):
            narrow({"image.encoder": "c"}, encoders=self.ENCODERS)

    def test_baselines_that_are_points_name_the_first(self):
        point = baselines.with_encoders(baselines.CONCATENATION, self.ENCODERS)
        assert point["text/encoder"] == "a"
        assert contains(narrow({}, encoders=self.ENCODERS), point)

    def test_a_trained_cnn_has_no_encoder(self):
        encoders = {"image": ("c", "d")}
        space = narrow({"image.source": ["frozen", "residual"]}, encoders=encoders)
        assert conditions(space, "image/encoder") == [("image/source", ("frozen",))]


SEQUENCES = {"fusion.operator": ["concatenation", "cross_attention"], "text.readout": ["mean", "attention"]}


OTHER_FUSIONS = {"sum", "product", "bilinear", "mutan", "mfb", "film"}


def test_other_readouts_and_whole_sequences_are_on_request_only():
    usual = full_space()
    assert readouts(usual) == ["image", "image_gem_last", "text", "text_cls_mean_last"]
    assert unrequested_choices(usual) == {
        "fusion/operator": [*sorted(OTHER_FUSIONS, key=list(FUSIONS).index), *SEQUENCE_FUSIONS],
        "text/readout": ["cls", "max", "pooled", "attention"],
        "text/layer": ["two_thirds", "last_and_two_thirds"],
        "image/source": ["convolution", "residual"],
        "image/readout": ["max", "pooled"],
        "image/stage": ["two_thirds", "last_and_two_thirds"],
        "image/pooling": ["sum_of_sets", "set_transformer"],
        "image/heads": [1],
    }
    (problem,) = problems_of({"fusion.operator": "cross-attention"})
    assert "Did you mean 'cross_attention'?" in problem
    asked = narrow({**SEQUENCES, "text.layer": list(PLACES), "image.stage": list(PLACES)})
    assert "cross_attention" not in unrequested_choices(asked)["fusion/operator"]
    assert "attention" not in unrequested_choices(asked)["text/readout"]
    assert {name for name in readouts(asked) if is_sequence(name)} == {
        f"{sequence}_{place}" for sequence in ("text_states", "image_cells") for place in PLACES
    }
    narrowed = readouts(narrow({"fusion.operator": "bottleneck", "text.layer": "last", "image.stage": "two_thirds"}))
    assert [name for name in narrowed if name in READOUTS] == ["image_cells_two_thirds", "text_states_last"]


def test_read_outs_of_both_places():
    both = narrow(
        {"text.layer": "last_and_two_thirds", "text.readout": "mean", "image.readout": "average"}
        | {"image.stage": "last_and_two_thirds"}
    )
    assert readouts(both) == ["image", "image_average_two_thirds", "text", "text_mean_two_thirds"]
    pooled = narrow({"text.readout": "pooled", "text.layer": "last_and_two_thirds"})
    assert [name for name in readouts(pooled) if name.startswith("text")] == [
        "text_pooled_last"
    ]  # an encoder's own vector is of one place
    (problem,) = problems_of({"fusion.operator": ["sum", "bottleneck"], "image.stage": "last_and_two_thirds"})
    assert "space.image.stage: 'last_and_two_thirds' concatenates vectors" in problem


def test_vector_hyperparameters_exist_only_for_operators_of_vectors():
    point = next(points(narrow({**SEQUENCES, "fusion.operator": "cross_attention"})))
    assert not point.keys() & {"text/readout", "image/readout", "image/pooling", "image/heads"}
    assert point.keys() >= {"text/layer", "image/stage", "fusion/width"}
    assert conditions(narrow(SEQUENCES), "image/heads")[0] == ("fusion/operator", ("concatenation",))


@pytest.mark.parametrize(
    "choice",
    [*({"fusion/operator": name} for name in SEQUENCE_FUSIONS), {"text/readout": "attention"}],
    ids=lambda choice: next(iter(choice.values())),
)
def test_choices_on_request_can_be_built(choice):
    model = baselines.fused(Shapes(3, 4, 2, 3, cells=5, head="softmax"), {**DEFAULTS, **choice, "label/layers": 0})
    assert model.output_shape == (None, 3)
    assert any(is_sequence(tensor.name) for tensor in model.inputs)


TEXTS, IMAGES = ("a", "b", "joint"), ("x", "joint")


@pytest.mark.parametrize(
    ("space", "baselines", "texts", "images"),
    [
        ({}, "none", TEXTS, IMAGES),
        ({"text.encoder": ["b"]}, "all", ("a", "b"), IMAGES),
        ({"text.encoder": ["b"]}, ["majority"], ("a", "b"), IMAGES),
        ({"text.encoder": ["b"]}, "none", ("b",), IMAGES),
        ({"text.encoder": ["b"]}, {"include": "none", "trees": True}, ("a", "b"), IMAGES),
        ({"text.encoder": ["b", "all"]}, "none", TEXTS, IMAGES),
        (
            {"text.encoder": ["a"], "image.encoder": ["x"], "fusion.similarity": ["joint"]},
            "none",
            ("a", "joint"),
            IMAGES,
        ),
        ({"image.source": ["convolution"]}, "none", TEXTS, ("x",)),
    ],
)
def test_a_search_reads_the_encoders_that_points_and_baselines_read(tmp_path, space, baselines, texts, images):
    encoders = {"text": list(TEXTS), "image": list(IMAGES)}
    content = {"manifest": "m.yaml", "encoders": encoders, "space": space, "baselines": baselines}
    experiment = resolve(content, tmp_path, name="x")
    narrowed = narrow(space, image_size=224, encoders=experiment.encoders.by_modality)
    assert encoders_read(experiment, narrowed) == {"text": texts, "image": images}


def test_a_search_of_one_encoder_reads_it(tmp_path):
    experiment = resolve({"manifest": "m.yaml", "baselines": "none"}, tmp_path, name="x")
    assert encoders_read(experiment, full_space()) == {"text": ("auto",), "image": ("efficientnet-lite0",)}


def reviews_of(*shapes):
    """Reviews with (text, number of pictures)."""
    picture = (Path("p.png"),)
    return [Review(f"r{at}", text, picture * count, "a", "", "", "") for at, (text, count) in enumerate(shapes)]


class TestEffectiveSpace:
    @pytest.mark.parametrize(("counts", "limit", "varied"), [((0, 2), 4, True), ((0, 2), 1, False), ((1, 1), 4, False)])
    def test_poolings_need_two_pictures_of_a_review(self, counts, limit, varied):
        whole = full_space()
        space, why = effective_space(whole, reviews_of(*(("good", count) for count in counts)), limit)
        if varied:
            assert (space, why) == (whole, {})
            return
        assert set(why) == {"image/pooling"}
        assert set(why.values()) == {"no review has two pictures that are read"}
        assert space == {**{n: c for n, c in whole.items() if n != "image/heads"}, "image/pooling": ("mean",)}

    def test_without_pictures_nothing_of_pictures_is_varied(self):
        whole = narrow({"image.readout": ["average", "gem"], "image.source": ["frozen", "convolution"]})
        space, why = effective_space(whole, reviews_of(("good", 0)), 4)
        assert all(len(space[name]) == 1 for name in space if name.startswith("image/"))
        assert space["image/source"] == ("frozen",)
        assert not {"image/depth", "image/kernel", "image/heads"} & set(space)
        assert {"image/readout", "image/source", "image/depth", "image/pooling"} <= set(why)
        assert {name: choices for name, choices in space.items() if not name.startswith("image/")} == {
            name: choices for name, choices in whole.items() if not name.startswith("image/")
        }
        assert all(contains(space, point) for point in portfolio(space, why))

    def test_without_texts_nothing_of_texts_is_varied(self):
        whole = narrow({"text.readout": ["mean", "cls"], "words.width": [0, 16]})
        space, why = effective_space(whole, reviews_of((" ", 2)), 4)
        assert (space["text/readout"], space["words/width"]) == (("mean",), (0,))
        assert set(why) == {"text/readout", "words/width"}

    def test_a_list_of_the_user_keeps_its_own_first_choice(self):
        whole = narrow({"image.pooling": ["max", "gated_attention"]})
        assert effective_space(whole, reviews_of(("good", 1)), 4)[0]["image/pooling"] == ("max",)

    def test_points_of_the_portfolio_are_not_lost_with_their_pooling(self):
        space, why = effective_space(full_space(), reviews_of(("good", 1)), 4)
        found = portfolio(space, why)
        assert {point["image/pooling"] for point in found} == {"mean"}
        assert len(found) > len(portfolio(space))
        assert all(contains(space, point) for point in found)
