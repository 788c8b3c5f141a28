"""What `automm check` says to do about texts that are not English leads to an encoder that knows their words."""

import yaml
from advice import advises, hear
from data_sets import Way, checked, each, write
from keras_hub.models import BertBackbone, BertTokenizer

from automm.config.experiment import load_experiment
from automm.data.inputs.tokens import SPECIAL, encode_texts
from automm.models.encoders.sources import text_source

WORDS = ["bahan", "produk", "bagus", "sekali", "dan", "pengiriman", "cepat"]


@advises(
    "Set encoders: {text: bert_base_multi} in the experiment file, or another multilingual BERT (a KerasHub preset, or "
    "a folder of weights)"
)
def test_a_multilingual_encoder(tmp_path):
    path = write(tmp_path, Way(each(text=lambda n: f"{' '.join(WORDS)} {n}")))
    advice = "Set encoders: {text: bert_base_multi} in the experiment file, or another multilingual BERT (a KerasHub "
    hear(checked(path)["other_languages"], advice + "preset, or a folder of weights)")

    def encoder(name):
        text = yaml.safe_dump({"manifest": "manifest.yaml", "encoders": {"text": name}})
        (tmp_path / "experiment.yaml").write_text(text)
        return load_experiment(tmp_path / "experiment.yaml").encoders.text

    assert encoder("bert_base_multi") in BertBackbone.presets  # its weights are not downloaded here
    folder, vocabulary = tmp_path / "multilingual", [*SPECIAL, *WORDS, "[MASK]"]
    backbone = BertBackbone(len(vocabulary), num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8)
    backbone.save_to_preset(str(folder))
    BertTokenizer(vocabulary, lowercase=True).save_to_preset(str(folder))
    source = text_source(encoder(str(folder)), lambda size: ())
    [ids] = encode_texts(source.tokenizer, [" ".join(WORDS)], 9)
    assert [vocabulary[number] for number in ids[1:8]] == WORDS
