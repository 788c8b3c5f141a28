"""Names of model inputs, whatever an encoder is called."""

from hypothesis import given
from hypothesis import strategies as st

from automm.data.inputs.input_sources import PLACES, InputSource, source_of_input

ENCODERS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
HOWS = st.sampled_from(["mean", "cls", "gem", "states", "token_mask", "lower"])
SOURCES = st.builds(InputSource, st.sampled_from(["text", "image"]), ENCODERS, HOWS, st.sampled_from(PLACES))


@given(SOURCES)
def test_a_name_is_read_back_as_its_source_and_keras_takes_it(source):
    assert source_of_input(source.name) == source
    assert "/" not in source.name


@given(SOURCES, SOURCES)
def test_two_sources_have_two_names(one, other):
    assert (one.name == other.name) == (one == other)
