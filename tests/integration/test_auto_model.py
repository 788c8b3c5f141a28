"""The lines of docs/search.md that put automm's blocks into an AutoKeras model, run as they are."""

from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt
from samples import SMALL

PAGE = Path(__file__).resolve().parents[2] / "docs" / "search.md"


# AutoKeras loads the best weights into a model whose optimizer has not been used yet.
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_the_lines_of_the_docs_search_and_train(reviews, tmp_path, monkeypatch, eager):
    tokens = MarkdownIt().parse(PAGE.read_text(encoding="utf-8"))
    (lines,) = [token.content for token in tokens if token.type == "fence" and token.info == "python"]
    monkeypatch.chdir(tmp_path)
    Path("experiment.yaml").write_text(yaml.safe_dump({"manifest": str(reviews), **SMALL}))
    names: dict = {}
    keras.utils.set_random_seed(1)
    exec(compile(lines, str(PAGE), "exec"), names)
    model, best, (inputs, targets) = names["model"], names["best"], names["validation"]
    trials = model.tuner.oracle.trials.values()
    assert [trial.status for trial in trials] == ["COMPLETED"] * 3
    assert len({str(trial.hyperparameters.values) for trial in trials}) == 3
    declared = [entry.name for entry in model.tuner.oracle.get_space().space]
    assert len(declared) == len(set(declared))
    assert {"image/pooling", "fusion/operator", "label/dropout"} < set(declared)
    assert not {"fusion/width", "label/layers"} & set(declared), "fixed arguments are not tuned"
    name = names["setup"].features.names[0]
    (layer,) = [layer for layer in best.layers if getattr(layer, "source", None) == name]
    np.testing.assert_array_equal(layer.mean, names["setup"].statistics[0][name][0])
    answers = best.predict(inputs, verbose=0)
    assert answers.shape == targets.shape
    saved = keras.models.load_model(model.tuner.best_model_path)
    np.testing.assert_array_equal(saved.predict(inputs, verbose=0), answers)
    assert min(trial.score for trial in trials) < np.log(3), "words and colours of the tiny reviews say the label"
