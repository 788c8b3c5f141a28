import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from automm.cli.search import _load
from automm.config.duration import parse_duration
from automm.config.experiment import BASELINES, Experiment, load_experiment
from automm.config.schema import Section
from automm.data.manifest import load_manifest
from automm.errors import ConfigError, NotFoundError
from automm.tasks.registry import TASKS


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
        ("90 m", 5400),
        (" 1 h 30 m ", 5400),
        ("30m15s", 1815),
        ("1h5s", 3605),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *["", "h", "1d", "30m1h", "-5", -5, 0, "0s", math.inf, math.nan, "1e3", True, None, "5 minutes", []],
        *["1h30", "1h 30", "30m15", "1:30", "1 000s", "-1h", "1h-5m", "inf", "nan", "1_000", "\u0663h"],
        *["1e400", "9" * 400, "9" * 400 + "h", 10**400, -(10**400), False, "true", {}, {"h": 1}],
    ],
)
def test_text_that_is_not_a_duration(text):
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
        "auto",
        4,
        "auto",
    )
    assert (experiment.encoders.text, experiment.encoders.image) == ("auto", "efficientnet-lite0")
    assert (experiment.objective, experiment.direction, experiment.tuner) == ("val_macro_f1", "max", "greedy")
    assert experiment.baselines.names((), TASKS["classification"]) == list(BASELINES)
    assert not experiment.baselines.end_to_end


def test_an_experiment_without_a_name_gets_its_file_name(write):
    assert load_experiment(write("records: r.csv\n", "phone reviews.yaml")).name == "phone-reviews"
    assert load_experiment(write("manifest: m.yaml\n", "does it pay.yaml")).name == "does-it-pay"


def test_the_manifest_path_is_relative_to_the_experiment_file(write, tmp_path, monkeypatch):
    path = write("manifest: ../data/m.yaml\n")
    monkeypatch.chdir("/")
    assert load_experiment(path).manifest == (tmp_path / ".." / "data" / "m.yaml").resolve()


def test_the_resolved_file_loads_as_the_same_experiment(write):
    first = load_experiment(
        write("manifest: m.yaml\nbudget: {time: 1h30m}\nbaselines: [majority]\nspace: {label.dropout: [0.0, 0.5]}\n")
    )
    again = load_experiment(write(first.to_yaml(), "resolved.yaml"))
    assert again == first
    assert "\n  time: 5400.0\n" in first.to_yaml()


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
def test_an_invalid_evaluation(write, text):
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
        ("[bilinear, majority]", ["majority", "low_rank_bilinear"]),  # a former name
    ],
)
def test_the_short_form_of_baselines(write, short, names):
    in_file = load_experiment(write(f"manifest: m.yaml\nbaselines: {short}\n"))
    by_set = load_experiment(write("manifest: m.yaml\n"), [f"baselines={short}"])
    assert (
        in_file.baselines.names((), TASKS["classification"])
        == by_set.baselines.names((), TASKS["classification"])
        == names
    )


def test_trees_are_fitted_on_request(write):
    for short in ("all", "none", "[majority]"):
        path = write(f"manifest: m.yaml\nbaselines: {short}\n")
        task = TASKS["regression"]
        without = load_experiment(path).baselines.names((), task)
        assert "trees" not in without
        assert load_experiment(path, ["baselines.trees=true"]).baselines.names((), task) == [*without, "trees"]


def test_set_beside_a_short_form(write):
    path = write("manifest: m.yaml\nbaselines: [majority]\n")
    baselines = load_experiment(path, ["baselines.end_to_end=true", "baselines.end_to_end_time=2m"]).baselines
    assert baselines.names((), TASKS["classification"]) == ["majority"]
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
        ("seed.x=5", "'seed' is a single value"),
        ("budget.trials.x=5", "'trials' is a single value"),
    ],
)
def test_an_invalid_set_is_explained(write, override, words):
    path = write("manifest: m.yaml\nseed: 3\nbudget: {trials: 3}\n")
    assert words in "\n".join(problems_of(load_experiment, path, [override]))


def test_all_problems_are_reported_at_once_with_line_and_nearest_key(write):
    path = write(
        "manifest: m.yaml\nsed: 1\nobjective: accuracy\nbudget: {trails: 3, time: soon}\n"
        "inputs: {image_size: 4}\nbaselines: [majorty]\n"
    )
    problems = problems_of(load_experiment, path)
    assert len(problems) == 6
    assert [problem.split(" ")[0] for problem in problems] == [f"{path}:{line}:" for line in (2, 3, 4, 4, 5, 6)]
    text = "\n".join(problems)
    assert "unknown key 'sed'. Did you mean 'seed'?" in text
    assert "unknown key 'budget.trails'. Did you mean 'trials'? Legal here: trials, time" in text
    assert "objective" in text
    assert "val_accuracy" in text
    assert "'soon' is not a duration" in text
    assert "inputs.image_size" in text
    assert "(given: 4)" in text
    assert "unknown baseline 'majorty'. Did you mean 'majority'?" in text


@pytest.mark.parametrize("text", ["- a\n", "just words\n", "", "a: [", "\x00"])
def test_a_file_that_is_not_a_mapping(write, text):
    assert str(write(text)) in problems_of(load_experiment, write(text))[0]


def test_a_file_that_is_not_utf8(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"manifest: \xff\n")
    assert problems_of(load_experiment, path) == [
        f"{path}:1: not UTF-8 (invalid start byte at byte 10). Save the file as UTF-8"
    ]


def test_a_number_as_key_is_a_problem_and_no_crash(write):
    assert problems_of(load_experiment, write("manifest: m.yaml\n5: x\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("manifest: m.yaml\nseed: 1\nseed: 2\n", ":3: duplicate key 'seed' (first in line 2)"),
        ("manifest: m.yaml\nbudget:\n  trials: 1\n  trials: 2\n", ":4: duplicate key 'budget.trials'"),
        ("manifest: m.yaml\nspace: &a {}\nbudget: *a\n", ":3: not YAML: aliases"),
        ("manifest: m.yaml\nname: !!str x\n", ":2: not YAML: the tag"),
        ("manifest: m.yaml\nbudget: {trials: 010, time: 1:30}\n", ":2: budget.time: '1:30' is not a duration"),
    ],
)
def test_an_experiment_file_is_read_as_strictly_as_a_manifest(write, text, expected):
    (problem,) = problems_of(load_experiment, path := write(text))
    assert problem.startswith(f"{path}{expected}")


@pytest.mark.parametrize(("override", "expected"), [("seed=x", "seed: "), ("space={a: 1, a: 2}", "duplicate key 'a'")])
def test_a_problem_of_the_command_line_names_the_option(write, override, expected):
    path = write("manifest: m.yaml\nname: good\nbudget:\n  trials: 3\n")
    (problem,) = problems_of(load_experiment, path, [override])
    assert problem.startswith(f"--set {override}: {expected}")


def test_the_problems_of_the_file_and_of_the_command_line(write):
    path = write("manifest: m.yaml\nbudget:\n  trails: 3\n  trials: x\ninputs: {image_sise: 8}\n")
    assert [
        problem.partition(": ")[0] for problem in problems_of(load_experiment, path, ["budget.trials=y", "seed=z"])
    ] == ["--set budget.trials=y", "--set seed=z", f"{path}:3", f"{path}:5"]
    given = ["budget.trails=1", "budget={trials: 1, trails: 2}", "inputs={}"]
    replaced = problems_of(load_experiment, path, given)
    assert [problem.partition("}: ")[0] for problem in replaced] == ["--set budget={trials: 1, trails: 2"]


@pytest.mark.parametrize("word", ["no", "on", "010", "2024-01-01", "1e-3", "0x1F", "1_000"])
def test_a_name_stays_as_it_is_written(write, word):
    assert load_experiment(write("manifest: m.yaml\n"), [f"name={word}"]).name == word
    first = load_experiment(write(f"manifest: m.yaml\nname: {word}\nspace: {{label.layers: ['{word}', {word}]}}\n"))
    assert (first.name, first.space["label.layers"]) == (word, [word, word])
    assert load_experiment(write(first.to_yaml(), "resolved.yaml")) == first


@pytest.mark.parametrize("written", ["1e-3", "1E-3", "1.0e-3", "0.001", ".001", "'0.001'"])
def test_a_word_is_converted_for_a_key_that_expects_a_number(write, written):
    path = write(f"manifest: m.yaml\nsubsample: {written}\ntier2: {{learning_rate: {written}}}\n")
    by_set = load_experiment(write("manifest: m.yaml\n", "bare.yaml"), [f"tier2.learning_rate={written}"])
    experiment = load_experiment(path)
    assert (experiment.subsample, experiment.tier2.learning_rate) == (0.001, 0.001)
    assert by_set.tier2.learning_rate == 0.001


@pytest.mark.parametrize(("written", "meant"), [("no", False), ("off", False), ("yes", True), ("true", True)])
def test_yes_and_no_are_booleans_for_a_key_that_expects_one(write, written, meant):
    assert load_experiment(write(f"manifest: m.yaml\nensemble: {written}\n")).ensemble is meant


@pytest.mark.parametrize("written", ["seed: 1e3", "seed: 0x10", "seed: 1.5", "budget: {trials: 1:30}", "seed: soon"])
def test_values_that_are_not_whole_numbers(write, written):
    (problem,) = problems_of(load_experiment, write(f"manifest: m.yaml\n{written}\n"))
    assert ":2: " in problem


def test_the_resolved_file_of_an_older_run_loads(write):
    """Older versions wrote it with PyYAML's safe_dump."""
    old = Experiment(manifest=Path("/m.yaml"), name="on", space={"training.learning_rate": [1e-05, 1e20, "no", "1e-3"]})
    text = yaml.safe_dump(old.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    assert load_experiment(write(text, "config.yaml")) == old


HOSTILE = ["[]", "[x]", "[[1]]", "{}", "{a: 1}", "{a: {b: [1]}}", "null", "x", "''", "5", "-1", "0.5", "true", ".nan"]
HOSTILE += ["1e400", "9" * 400, "9" * 4000, "x" * 300, '"a\\0b"', '"\\uffff"', "2024-01-01"]


def keys_of(section, before=""):
    """Every key of a section and of those in it, with dots."""
    for key, field in section.model_fields.items():
        yield f"{before}{key}"
        inner = type(field.default)
        if issubclass(inner, Section):
            yield from keys_of(inner, f"{before}{key}.")


@pytest.mark.parametrize("value", HOSTILE)
def test_any_value_at_any_key_is_an_experiment_or_a_named_error(write, tmp_path, value):
    write("name: x\nrecords: r.csv\nfields: {text: t, label: l}\n", "m.yaml")
    keys = [*keys_of(Experiment), "evaluation.folds", "space.label.width", "manifest.x", "name..x", "space.", ""]
    ends = set()
    for key in keys:
        for setting in ([f"{key}={value}"], [f"{key}={value}", "budget.trials=5", "evaluation.folds=3"]):
            try:
                experiment = load_experiment(write("manifest: m.yaml\n"), setting)
            except ConfigError:
                ends.add("error")
            else:
                assert load_experiment(write(experiment.to_yaml(), "again.yaml")).model_dump() is not None
                ends.add("loaded")
    assert ends == {"error", "loaded"}


@pytest.mark.parametrize("task", ["[regression]", "{a: b}", "null", "5", "regresion", "''"])
def test_an_unknown_task_is_reported_by_load_manifest(write, task):
    path = write(f"name: x\nrecords: r.csv\nfields: {{text: t, label: l}}\ntask: {task}\n", "m.yaml")
    assert load_experiment(path).objective == "val_macro_f1"
    with pytest.raises(ConfigError, match="task"):
        load_manifest(path)


@pytest.mark.parametrize("objective", ["[val_mae]", "{val_mae: 1}", "5", "null"])
def test_an_objective_that_is_not_a_text(write, objective):
    write("name: x\nrecords: r.csv\nfields: {text: t, label: l}\ntask: regression\n", "m.yaml")
    (problem,) = problems_of(load_experiment, path := write(f"manifest: m.yaml\nobjective: {objective}\n"))
    assert problem.startswith(f"{path}:2: objective: ")


def test_an_objective_of_another_task_is_reported_with_the_other_problems(write):
    write("name: x\nrecords: r.csv\nfields: {text: t, label: l}\ntask: regression\n", "m.yaml")
    problems = problems_of(load_experiment, path := write("manifest: m.yaml\nobjective: val_loss\nsed: 1\n"))
    assert problems[0] == f"{path}:2: objective: 'val_loss' does not fit task: regression. Legal: val_mae, val_rmse"
    assert problems[1].startswith(f"{path}:3: unknown key 'sed'")


@pytest.mark.parametrize("what", ["folder", "pipe", "loop", "absent", "too long", "broken"])
def test_any_kind_of_file_at_the_manifest_path(write, tmp_path, what):
    place = tmp_path / ("x" * 300 if what == "too long" else "m.yaml")
    if what == "folder":
        place.mkdir()
    elif what == "pipe":
        os.mkfifo(place)
    elif what == "loop":
        place.symlink_to(place)
    elif what == "broken":
        place.write_bytes(b"task: [\xff")
    experiment = load_experiment(write(f"manifest: {place.name}\n"))
    with pytest.raises(ConfigError if what == "broken" else NotFoundError):
        load_manifest(experiment.manifest)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "budget: 5",
            "budget: expected keys and values. Legal here: trials, time, patience, parameters, latency (given: 5)",
        ),
        ("baselines: {include: 5}", "baselines.include: expected all, none, or a list of baseline names (given: 5)"),
        ("baselines: {include: [[x]]}", "baselines.include: expected all, none, or a list of baseline names"),
        ("baselines: some", "baselines.include: expected all, none, or a list of baseline names (given: 'some')"),
    ],
)
def test_a_value_of_the_wrong_type_is_explained_with_the_keys_of_the_file(write, written, expected):
    (problem,) = problems_of(load_experiment, path := write(f"manifest: m.yaml\n{written}\n"))
    assert problem == f"{path}:2: {expected}"


def test_no_such_file(tmp_path):
    with pytest.raises(NotFoundError, match=r"missing\.yaml: no such file"):
        load_experiment(tmp_path / "missing.yaml")


def test_an_experiment_cannot_be_changed(write):
    experiment = load_experiment(write("manifest: m.yaml\n"))
    with pytest.raises(ValueError, match="frozen"):
        experiment.seed = 2


@pytest.mark.parametrize("setting", ["budgets.trials=3", "budget.trials.more=3", "a.b.c=1"])
def test_a_problem_in_a_section_created_by_set_names_the_option(tmp_path, setting):
    file = tmp_path / "experiment.yaml"
    file.write_text("manifest: m.yaml\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(file, [setting])
    assert str(caught.value).startswith(f"--set {setting}: ")


class TestEncoders:
    def encoders(self, write, text):
        return load_experiment(write(f"manifest: m.yaml\nencoders: {{text: {text}, image: c}}\n")).encoders

    def test_a_name_or_a_list(self, write):
        one, two = self.encoders(write, "a"), self.encoders(write, "[a, b]")
        assert (one.texts, one.images, one.several) == (("a",), ("c",), [])
        assert (two.texts, two.several) == (("a", "b"), ["text"])
        assert self.encoders(write, "[a]") == one, "the file of a run is the same"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[a, a]", "encoders.text: an encoder is named twice"),
            ("[]", "expected the name of an encoder, or a list of names"),
            ("[auto, a]", "auto chooses a single encoder"),
            ("3", "expected the name of an encoder, or a list of names"),
        ],
    )
    def test_another_value_is_refused(self, write, text, words):
        assert words in "\n".join(problems_of(self.encoders, write, text))

    def test_auto_names_no_encoder(self, write):
        assert self.encoders(write, "auto").named == {"text": (), "image": ("c",)}

    def test_a_baseline_of_all_encoders_needs_several(self):
        task = TASKS["classification"]
        every = Experiment(manifest="m.yaml").baselines
        assert "logistic_all_encoders" not in every.names((), task)
        assert every.names((), task, several_encoders=True)[-1] == "logistic_all_encoders"


def test_a_resumed_run_keeps_what_its_file_omits(tmp_path):
    """The defaults of `inputs` and `encoders` were numbers and a name once, and are `auto` now."""
    before = {"inputs": {"sequence_length": 64, "image_size": 224}, "encoders": {"text": "minilm-l6"}}
    (tmp_path / "config.yaml").write_text(
        json.dumps({"manifest": "m.yaml", **before, "seed": 3, "budget": {"trials": 7}})
    )
    (tmp_path / "now.yaml").write_text(json.dumps({"manifest": "m.yaml", "inputs": {"max_images": 2}}))
    run = SimpleNamespace(folder=tmp_path)
    found = _load(tmp_path / "now.yaml", run, ["inputs.image_size=auto"], False)
    assert (found.inputs.sequence_length, found.inputs.image_size, found.inputs.max_images) == (64, "auto", 2)
    assert (found.encoders.text, found.seed) == ("minilm-l6", 3)
    assert found.budget.trials == Experiment(manifest=tmp_path).budget.trials
    assert _load(tmp_path / "now.yaml", None, [], False).encoders.text == "auto"
