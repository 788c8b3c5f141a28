"""Experiment files and values of `--set` that somebody has mistyped, or a broken disk has made to do harm.

`experiments/fuzz.py experiments` draws thousands of them, `test_hostile_experiments.py` as many as a test may.
"""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hostile import Edit, edited, edits_of, harmed, in_time, mostly, values, watched
from hypothesis import strategies as st

from automm.config.experiment import Experiment, load_experiment
from automm.config.schema import Section
from automm.config.strict_yaml import write_yaml
from automm.data.manifest import load_manifest
from automm.errors import ConfigError, DataError, NotFoundError
from automm.search.space.validation import space_of

MANIFEST = "name: x\nrecords: r.csv\nfields: {text: t, images: i, label: l}\n"
MANIFESTS = {  # what may lie where an experiment file says that its manifest is
    "labels.yaml": MANIFEST,
    "numbers.yaml": f"{MANIFEST}task: regression\n",
    "columns.yaml": "name: x\nrecords: r.csv\nfields: {text: t, label: l, history: h, metadata: {numeric: n}}\n",
    "task.yaml": f"{MANIFEST}task: [regression]\n",
    "twice.yaml": f"{MANIFEST}name: y\n",
    "bytes.yaml": "\udcff",
    "deep.yaml": "[" * 3000,
}
OTHERS = ["folder", "pipe", "loop", "absent", "a\0b", "x" * 300, "", ".", "~"]

there = st.sampled_from(["labels.yaml", "labels.yaml", "numbers.yaml", "columns.yaml"])
sound = {"manifest": mostly(there, st.sampled_from([*MANIFESTS, *OTHERS]))}
optional = {
    "name": st.sampled_from(["question", "no", "1e-3"]),
    "seed": st.integers(0, 9),
    "subsample": st.sampled_from([0.5, "1e-3"]),
    "tuner": st.sampled_from(["greedy", "random"]),
    "portfolio": st.booleans(),
    "budget": st.just({"trials": 5, "time": "1h30m", "parameters": 10**6}),
    "inputs": st.just({"image_size": 32, "max_images": 2}),
    "encoders": st.just({"text": "../outside/encoder", "image": "/etc/hostname"}),  # nothing is opened yet
    "space": st.just({"fusion.operator": ["concatenation"], "training.learning_rate": ["1e-3", 0.01]}),
    "training": st.just({"epochs": 2, "patience": 1, "class_weights": "none"}),
    "evaluation": st.sampled_from(["auto", "holdout", {"folds": 3}]),
    "baselines": st.sampled_from(["all", "none", ["majority"], {"end_to_end": "no", "end_to_end_time": "90 m"}]),
    "tier2": st.just({"finalists": 0, "share": 0.25, "learning_rate": "1e-4"}),
}
sound_files = st.fixed_dictionaries(sound, optional=optional)


def _keys(section: type[Section]) -> list[str]:
    """Those of a section, and those of the sections in it."""
    inner = [type(field.default) for field in section.model_fields.values()]
    return [*section.model_fields, *(key for one in inner if issubclass(one, Section) for key in _keys(one))]


KEYS = [*_keys(Experiment), "folds", "label.dropout", "text.layer", "fusion/width", "image.size", "x", "manifets", ""]
WORDS = [
    *[
        "1h30",
        "1:30",
        "1e-3",
        "1e400",
        "no",
        "on",
        "010",
        "0x1F",
        "2024-01-01",
        ".nan",
        "-.inf",
        "null",
        "~",
        "val_mae",
    ],
    *["regression", "all", "majority", "a" * 300, "a\0b", "/", "..", "\u2028", "9" * 4000],
]
odd = values | st.sampled_from(WORDS) | st.sampled_from([10**400, -(10**400), 2**63, 1e308, True, *MANIFESTS, *OTHERS])
SIGNS = [
    *[b"&a ", b"*a", b"!!str ", b"!!python/name:os.system ", b"<<: ", b"? ", b"- ", b": ", b"# ", b"|\n", b">-\n"],
    *[b"\t", b"\r", b"\n", b"  ", b"\x00", b"\xff", b"\xef\xbb\xbf", b"---\n", b"...\n", b"%YAML 9.9\n"],
    *[b"[" * 3000, b"{" * 3000, b"- " * 3000, b'"', b"'", b'"\\ud800"', b"9" * 5000, "\u2028\u0085".encode()],
]
harms = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from(["set", "insert", "delete", "cut", "twice"]),
        st.sampled_from(SIGNS) | st.binary(min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=3,
)
dotted = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3).map(".".join)
written = st.sampled_from([*WORDS, "[", "{a: 1, a: 2}", "{}", "[[x]]", "*x", "", "5", "true"]) | odd.map(json.dumps)
pairs = st.tuples(dotted, written).map("=".join)
settings = st.lists(mostly(st.sampled_from(["seed=3", "budget.trials=2", "space.label.layers=[1]"]), pairs), max_size=3)


@dataclass(frozen=True)
class Case:
    """What stands in the file, what is done to it before and after it is written, and what is set over it."""

    content: dict[str, object]
    edits: list[Edit]
    flow: bool  # written as JSON
    harms: list[tuple[float, str, bytes]]
    settings: list[str]


none = st.just([])
cases = st.builds(
    Case,
    sound_files,
    mostly(none, edits_of(KEYS, odd)) | edits_of(KEYS, odd),
    st.booleans(),
    mostly(none, harms),
    settings,
)


def run(case: Case) -> str:
    """Load the experiment, its manifest and its space: "loaded", or the name of the error.

    Raises:
        AssertionError: a file outside of the folder was opened, a case took too long, or what was loaded and written
            out is not loaded again as the same.
        Exception: whatever is none of the errors that say what is wrong with a file.
    """
    with tempfile.TemporaryDirectory() as name:
        place = Path(os.path.realpath(name))
        file = write(case, place / "data")
        with watched(place / "data"), in_time():
            try:
                experiment = load_experiment(file, case.settings)
                again = file.with_name("again.yaml")
                again.write_text(experiment.to_yaml(), encoding="utf-8")
                assert load_experiment(again).to_yaml() == experiment.to_yaml()  # a space may hold nan, equal to none
                space_of(experiment, load_manifest(experiment.manifest))
            except (ConfigError, NotFoundError, DataError) as error:
                return type(error).__name__
    return "loaded"


def write(case: Case, folder: Path) -> Path:
    """The experiment file, and beside it whatever it may name as its manifest."""
    folder.mkdir()
    for name, text in MANIFESTS.items():
        (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    content = edited(case.content, case.edits)
    text = json.dumps(content) if case.flow else write_yaml(content)
    file = folder / "experiment.yaml"
    file.write_bytes(harmed(text.encode("utf-8", "surrogatepass"), case.harms))
    return file
