import math

import pytest
import yaml

from automm.config import BASELINES, Experiment, load_experiment, parse_duration
from automm.errors import ConfigError, NotFoundError


@pytest.fixture
def write(tmp_path):
    def _write(text, name="question.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def problems_of(call, *arguments):
    with pytest.raises(ConfigError) as caught:
        call(*arguments)
    return caught.value.lines


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        (90, 90),
        (0.5, 0.5),
        ("90s", 90),
        ("30m", 1800),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h 30m 5s", 5405),
        ("1.5h", 5400),
        ("0h1m", 60),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "h", "1d", "30m1h", "-5", -5, 0, "0s", math.inf, math.nan, "1e3", True, None, "5 minutes", []]
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match=r"duration"):
        parse_duration(text)


def test_a_manifest_alone_gets_every_default(write, tmp_path):
    path = write("name: my reviews!\nrecords: reviews.jsonl\n", "manifest.yaml")
    experiment = load_experiment(path)
    assert experiment.manifest == path
    assert experiment.name == "my-reviews"
    assert experiment == Experiment(manifest=path, name="my-reviews")
    assert (experiment.budget.trials, experiment.budget.time) == (20, 3600.0)
    assert (experiment.inputs.image_size, experiment.inputs.max_images, experiment.inputs.sequence_length) == (
        224,
        4,
        64,
    )
    assert (experiment.encoders.text, experiment.encoders.image) == ("minilm-l6", "efficientnet-lite0")
    assert (experiment.objective, experiment.direction, experiment.tuner) == ("val_macro_f1", "max", "greedy")
    assert experiment.baselines.names() == list(BASELINES)
    assert not experiment.baselines.end_to_end


def test_a_nameless_file_is_called_after_itself(write):
    assert load_experiment(write("records: r.csv\n", "phone reviews.yaml")).name == "phone-reviews"
    assert load_experiment(write("manifest: m.yaml\n", "does it pay.yaml")).name == "does-it-pay"


def test_the_manifest_is_found_beside_the_experiment_wherever_one_stands(write, tmp_path, monkeypatch):
    path = write("manifest: ../data/m.yaml\n")
    monkeypatch.chdir("/")
    assert load_experiment(path).manifest == (tmp_path / ".." / "data" / "m.yaml").resolve()


def test_what_is_written_out_loads_as_the_same(write):
    first = load_experiment(
        write("manifest: m.yaml\nbudget: {time: 1h30m}\nbaselines: [majority]\nspace: {label.dropout: [0.0, 0.5]}\n")
    )
    again = load_experiment(write(first.to_yaml(), "resolved.yaml"))
    assert again == first
    assert yaml.safe_load(first.to_yaml())["budget"]["time"] == 5400.0


def test_no_limit_of_time(write):
    assert load_experiment(write("manifest: m.yaml\nbudget: {time: null}\n")).budget.time is None


def test_set_overlays_the_file_and_leaves_the_rest(write):
    path = write("manifest: m.yaml\nbudget: {trials: 7, time: 10m}\nseed: 3\n")
    experiment = load_experiment(
        path,
        ["budget.trials=5", "inputs.image_size=32", "tuner=random", "seed = 9", "name=other", "budget.time=90s"],
    )
    assert (experiment.budget.trials, experiment.budget.time) == (5, 90.0)
    assert experiment.inputs.image_size == 32
    assert experiment.inputs.max_images == 4
    assert (experiment.tuner, experiment.seed, experiment.name) == ("random", 9, "other")


@pytest.mark.parametrize("text", ["auto", "holdout", "{folds: 3}"])
def test_evaluation_survives_the_resolved_file(write, text):
    experiment = load_experiment(write(f"manifest: m.yaml\nevaluation: {text}\n"))
    assert load_experiment(write(experiment.to_yaml(), "again.yaml")) == experiment


def test_evaluation_by_set(write):
    path = write("manifest: m.yaml\nevaluation: holdout\n")
    assert load_experiment(path, ["evaluation.folds=4"]).evaluation.folds == 4
    assert load_experiment(path, ["evaluation=auto"]).evaluation == "auto"


@pytest.mark.parametrize(
    "text", ["{folds: 1}", "{folds: 21}", "{folds: true}", "{fold: 5}", "{folds: 5, x: 1}", "5", "crossed"]
)
def test_evaluation_that_is_none(write, text):
    (problem,) = problems_of(load_experiment, write(f"manifest: m.yaml\nevaluation: {text}\n"))
    assert "evaluation" in problem
    assert "{folds: N} with N from 2 to 20" in problem


def test_the_last_set_wins(write):
    assert load_experiment(write("manifest: m.yaml\n"), ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("short", "names"),
    [
        ("all", list(BASELINES)),
        ("none", []),
        ("[concatenation, majority]", ["majority", "concatenation"]),
    ],
)
def test_the_short_form_of_baselines(write, short, names):
    in_file = load_experiment(write(f"manifest: m.yaml\nbaselines: {short}\n"))
    by_set = load_experiment(write("manifest: m.yaml\n"), [f"baselines={short}"])
    assert in_file.baselines.names() == by_set.baselines.names() == names


def test_set_beside_a_short_form(write):
    path = write("manifest: m.yaml\nbaselines: [majority]\n")
    baselines = load_experiment(path, ["baselines.end_to_end=true", "baselines.end_to_end_time=2m"]).baselines
    assert baselines.names() == ["majority"]
    assert baselines.end_to_end
    assert baselines.end_to_end_time == 120.0


def test_set_of_a_hyperparameter_keeps_the_dots_of_its_name(write):
    path = write("manifest: m.yaml\nspace: {label.dropout: 0.5}\n")
    experiment = load_experiment(path, ["space.fusion.operator=[product, concatenation]"])
    assert experiment.space == {"label.dropout": 0.5, "fusion.operator": ["product", "concatenation"]}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trials", "KEY=VALUE"),
        ("=5", "KEY=VALUE"),
        ("budget.trials=[1", "not YAML"),
        ("budget.trial=5", "Did you mean 'trials'?"),
        ("seed.x=5", "'seed' holds one value"),
        ("budget.trials.x=5", "'trials' holds one value"),
    ],
)
def test_a_bad_set_says_what_is_wrong(write, override, words):
    path = write("manifest: m.yaml\nseed: 3\nbudget: {trials: 3}\n")
    assert words in "\n".join(problems_of(load_experiment, path, [override]))


def test_every_problem_at_once_with_file_and_nearest_key(write):
    path = write(
        "manifest: m.yaml\nsed: 1\nobjective: accuracy\nbudget: {trails: 3, time: soon}\n"
        "inputs: {image_size: 4}\nbaselines: [majorty]\n"
    )
    problems = problems_of(load_experiment, path)
    assert len(problems) == 6
    assert all(problem.startswith(f"{path}: ") for problem in problems)
    text = "\n".join(problems)
    assert "unknown key 'sed'. Did you mean 'seed'?" in text
    assert "unknown key 'budget.trails'. Did you mean 'trials'? Legal here: trials, time" in text
    assert "objective" in text
    assert "'val_accuracy'" in text
    assert "'soon' is not a duration" in text
    assert "inputs.image_size" in text
    assert "(given: 4)" in text
    assert "unknown baseline 'majorty'. Did you mean 'majority'?" in text


@pytest.mark.parametrize("text", ["- a\n", "just words\n", "", "a: [", "\x00"])
def test_what_is_not_a_mapping(write, text):
    assert str(write(text)) in problems_of(load_experiment, write(text))[0]


def test_bytes_that_are_no_utf8(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"manifest: \xff\n")
    assert "not readable" in problems_of(load_experiment, path)[0]


def test_a_number_as_key_is_a_problem_and_no_crash(write):
    assert problems_of(load_experiment, write("manifest: m.yaml\n5: x\n"))


def test_no_such_file(tmp_path):
    with pytest.raises(NotFoundError, match=r"missing\.yaml: no such file"):
        load_experiment(tmp_path / "missing.yaml")


def test_an_experiment_cannot_be_changed(write):
    experiment = load_experiment(write("manifest: m.yaml\n"))
    with pytest.raises(ValueError, match="frozen"):
        experiment.seed = 2
