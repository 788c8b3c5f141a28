"""Names of model inputs: each is made from its source, and read back."""

import pytest

from automm.data.inputs.input_sources import ARRAYS, InputSource, default_source, raw_names, source_of_input


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("text@minilm-l6:mean", InputSource("text", "minilm-l6", "mean")),
        ("text@minilm-l6:cls@two_thirds", InputSource("text", "minilm-l6", "cls", "two_thirds")),
        ("text@minilm-l6:token_mask", InputSource("text", "minilm-l6", "token_mask")),
        ("image@efficientnet-lite0:lower", InputSource("image", "efficientnet-lite0", "lower")),
        ("text@hf:%2F%2Fgoogle%2Fbert@v1:states", InputSource("text", "hf://google/bert@v1", "states")),
        ("text@100%25:max", InputSource("text", "100%", "max")),
        ("text@a%252Fb:max", InputSource("text", "a%2Fb", "max")),
        ("token_ids", InputSource("text", "", "token_ids")),
        ("token_ids_2", InputSource("text", "", "token_ids_2")),
        ("padding_mask_11", InputSource("text", "", "padding_mask_11")),
        ("image_mask", InputSource("image", "", "image_mask")),
        ("history", InputSource("history", "", "history")),
    ],
)
def test_a_name_and_its_source(name, source):
    assert source.name == name
    assert source_of_input(name) == source


@pytest.mark.parametrize(
    ("short", "name"),
    [
        ("text", "text@a:mean"),
        ("image", "image@b:average"),
        ("text_mean_two_thirds", "text@a:mean@two_thirds"),
        ("text_cls_last", "text@a:cls"),
        ("text_states_two_thirds", "text@a:states@two_thirds"),
        ("image_gem_two_thirds", "image@b:gem@two_thirds"),
        ("text_states", "text@a:lower"),
        ("image_cells", "image@b:lower"),
        ("token_mask", "text@a:token_mask"),
        ("text_mask", "text_mask"),
        ("images", "images"),
    ],
)
def test_short_names_of_older_runs_get_the_encoders_of_their_run(short, name):
    source = source_of_input(short).of({"text": "a", "image": "b"})
    assert source.name == name
    assert source.of({"text": "other", "image": "other"}) == source, "its encoder is known"
    assert source.short_name == short


@pytest.mark.parametrize(
    "name", [*ARRAYS, "images_2", "text", "text@a:lower", "image@b:gem", "token_mask", "text_cls_mean_two_thirds"]
)
def test_the_source_says_where_it_is_absent(name):
    source = source_of_input(name)
    assert source.mask == f"{source.modality}_mask"
    assert source_of_input(source.mask).modality == source.modality


@pytest.mark.parametrize(
    "name",
    [
        "",
        "packed",
        "textual",
        "text@a",
        "text@:mean",
        "text@a:",
        "text@a:mean@middle",
        "metadata@a:mean",
        "images_1",
        "token_ids_02",
    ],
)
def test_another_name_is_refused_with_the_legal_ones(name):
    with pytest.raises(ValueError, match=r"no model has an input .*token_ids.*text@minilm-l6:mean"):
        source_of_input(name)


def test_the_raw_arrays_of_the_second_encoder_have_its_number():
    assert [raw_names("text", place) for place in (0, 1)] == [
        ("token_ids", "padding_mask"),
        ("token_ids_2", "padding_mask_2"),
    ]
    sources = [source_of_input(name) for name in ("images_2", "image_mask", "image@a:max")]
    assert [(source.array, source.is_array, source.is_raw) for source in sources] == [
        ("images", True, True),
        ("image_mask", True, False),
        ("", False, False),
    ]


def test_the_read_outs_of_the_baselines():
    assert default_source("text").name == "text"
    assert default_source("image", "b").name == "image@b:average"


def test_layers_are_named_by_few_characters():
    assert default_source("text").layer_name == "text"
    source = InputSource("text", "hf://google/bért@v1", "cls")
    assert source.layer_name == "text_hf__2F_2Fgoogle_2Fb_rt_v1_cls"
