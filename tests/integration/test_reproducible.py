"""The same experiment file and seed, in two fresh processes: the same trials and the same scores."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from samples import SMALL

from automm.config.experiment import TUNERS
from automm.tracking.run_folder import all_runs

pytestmark = pytest.mark.slow

CHANGES = ("seconds", "peak_memory", "started")  # what a clock and the operating system say
OPTIONS = {
    "training.schedule": "cosine",
    "training.weight_decay": 0.3,
    "training.modality_dropout": 0.5,
}
PROGRAM = """
import sys
from pathlib import Path
from automm.config.experiment import load_experiment
from automm.search.run import run_search

class Silent:
    def __getattr__(self, name):
        return lambda *anything, **more: None

for file in sys.argv[2:]:
    run_search(load_experiment(Path(file)), Path(sys.argv[1]), Silent(), Silent())
"""


@pytest.fixture(scope="module")
def twice(tmp_path_factory, reviews):
    """The searches of all tuners in two processes, each with its own cache and hash seed."""
    folder = tmp_path_factory.mktemp("twice")
    settings = {
        **SMALL,
        "manifest": str(reviews),
        "baselines": ["logistic_both", "concatenation"],
        "evaluation": {"folds": 2},
        "ensemble": True,
        "budget": {"trials": 2},
        "training": {"epochs": 3, "patience": 3, "batch_size": 16},
        "space": {"label.width": [4, 8], "fusion.width": [4, 8]},
        "portfolio": False,
    }
    files = []
    for tuner in TUNERS:
        more = {}
        if tuner == "bayesian":  # a baseline and five trials are known before the Gaussian process makes a proposal
            more = {"budget": {"trials": 6}, "training": {"epochs": 1}}
        if tuner == "random":
            more = {"space": {**settings["space"], **OPTIONS}}
        files.append(folder / f"{tuner}.yaml")
        files[-1].write_text(yaml.safe_dump({**settings, **more, "tuner": tuner, "name": tuner}))
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder / number), *map(str, files)],
            env={**os.environ, "PYTHONHASHSEED": number, "AUTOMM_CACHE_DIR": str(folder / f"cache-{number}")},
        )
        for number in ("1", "2")
    ]
    assert [process.wait(timeout=600) for process in both] == [0, 0]
    return folder


@pytest.mark.parametrize("tuner", TUNERS)
def test_records_are_equal_except_for_time_and_memory(twice, tuner):
    (first,), (second,) = (list(all_runs(twice / number, tuner)) for number in ("1", "2"))
    lines = [
        [
            {key: value for key, value in json.loads(line).items() if key not in CHANGES}
            for line in (run.folder / "trials.jsonl").read_text().splitlines()
        ]
        for run in (first, second)
    ]
    assert len(lines[0]) == len(lines[1]) >= 5
    for one, other in zip(*lines, strict=True):
        assert one == other
    assert first.read("result.json") == second.read("result.json")
