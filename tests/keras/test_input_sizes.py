"""How large the inputs of each encoder are: given, or decided by `auto`."""

from dataclasses import replace

import pytest

from automm.config.inputs import Inputs
from automm.models.encoders.preprocessing import PicturePreprocessing
from automm.models.encoders.sources import image_source, text_source
from automm.search.setup.inputs import Size, count_cut, picture_form, picture_size, sizes_of, text_size, tokens_of

TEXT, IMAGE = text_source("tiny-bert", lambda size: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"]), image_source("tiny-cnn")
AUTO = Inputs()


def texts(*lengths):
    """Texts of so many tokens, [CLS] and [SEP] included."""
    return ["a " * (length - 2) for length in lengths]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([5] * 10, 64),  # a smaller limit would save nothing: texts are padded to the longest of their batch
        ([5] * 9 + [400], 64),
        ([5] * 8 + [101, 400], 104),  # 101 of 101 tokens, in steps of 8
        ([300] * 10, 256),
        ([], 64),
    ],
)
def test_the_training_texts_decide(lengths, expected):
    assert text_size(TEXT, AUTO, texts(*lengths)).value == expected


def test_the_reason_says_how_many_are_cut():
    size = text_size(TEXT, AUTO, texts(*[70] * 9, 400))
    assert size.reason == "90% of the training texts have at most 70 tokens; 10.0% are cut"


def test_a_given_number_holds():
    given = Inputs(sequence_length=12, image_size=40)
    assert text_size(TEXT, given, texts(5)).value == 12
    assert picture_size(IMAGE, given).value == 40


def test_an_encoder_that_reads_one_size_keeps_it():
    wanted = PicturePreprocessing(size=30, fit="crop")
    fixed = replace(IMAGE, preprocessing=wanted)
    assert [picture_size(fixed, inputs).value for inputs in (AUTO, Inputs(image_size=40))] == [30, 30]
    assert picture_form(fixed, AUTO).fit == "crop"
    clip = replace(TEXT, preprocessing=replace(TEXT.preprocessing, length=77))
    assert text_size(clip, Inputs(sequence_length=12), texts(5)).value == 77
    tokens = tokens_of(texts(5), [clip], sizes_of([clip], AUTO, []))[TEXT.name]
    assert (tokens.ids.shape, tokens.free) == ((1, 77), False)


def test_no_encoder_reads_more_tokens_than_it_has_positions():
    short = replace(TEXT, positions=24)
    assert text_size(short, Inputs(sequence_length=25), texts(5)) == Size(
        24, "the encoder has no more positions; without this limit 25 (inputs.sequence_length)"
    )
    assert text_size(short, AUTO, texts(5)).value == 24
    assert text_size(short, Inputs(sequence_length=24), texts(5)).reason == "inputs.sequence_length"


def test_texts_that_an_encoder_cuts_are_counted(caplog):
    caplog.set_level("INFO", "automm")
    clip = replace(TEXT, name="clip", preprocessing=replace(TEXT.preprocessing, length=77))
    siglip = replace(clip, name="siglip", preprocessing=replace(clip.preprocessing, length=64, masked=False))
    given = texts(5, 64, 65, 77, 78, 300)
    tokens = tokens_of(given, [clip, siglip], sizes_of([clip, siglip], AUTO, given))
    assert count_cut(given, [clip, siglip, IMAGE], tokens) == 4
    assert "clip reads 2 of 6 texts in part" in caplog.text
    assert "siglip reads 4 of 6 texts in part" in caplog.text
    assert count_cut(given[:2], [clip], tokens_of(given[:2], [clip], sizes_of([clip], AUTO, given))) == 0


def test_auto_is_the_size_of_pre_training():
    trained = replace(IMAGE, preprocessing=PicturePreprocessing(trained=260))
    assert picture_size(trained, AUTO).value == 260
    assert picture_size(IMAGE, AUTO).value == 224


def test_sizes_are_logged_with_their_reasons(caplog):
    caplog.set_level("INFO", "automm")
    sizes = sizes_of([TEXT, IMAGE], Inputs(image_size=40), texts(5))
    assert {key: size.value for key, size in sizes.items()} == {("text", "tiny-bert"): 64, ("image", "tiny-cnn"): 40}
    assert "tiny-cnn reads 40 pixels: inputs.image_size" in caplog.text
    assert "tiny-bert reads 64 tokens: 90% of the training texts have at most 5 tokens" in caplog.text
