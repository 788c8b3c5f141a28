"""What `automm check` says to do about texts that are not English leads to an encoder that knows their words."""

import json

from advice import advises, hear
from data_sets import Way, checked, each, write
from typer.testing import CliRunner

from automm.cli.app import app
from automm.models.encoders.automatic import text_encoder_for

SENTENCE = "Leave encoders.text at auto, or name another multilingual encoder: automm encoders lists them"


@advises("Leave encoders.text at auto, or name another multilingual encoder: automm encoders lists them")
def test_a_multilingual_encoder(tmp_path):
    texts = [f"bahan produk bagus sekali dan pengiriman cepat {n}" for n in range(24)]
    path = write(tmp_path, Way(each(text=texts.__getitem__)))
    hear(checked(path)["other_languages"], SENTENCE)
    chosen = text_encoder_for(texts).encoder
    listed = json.loads(CliRunner().invoke(app, ["encoders", "--format", "json"]).stdout)
    [encoder] = [encoder for encoder in listed if encoder["name"] == chosen]
    assert encoder["languages"] != "English"
