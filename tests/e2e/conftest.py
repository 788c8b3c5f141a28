"""One working directory, one demo and one small run, made by the installed command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

AUTOMM = Path(sys.executable).with_name("automm")
TINY = (
    "encoders.text=tiny-bert", "encoders.image=tiny-cnn", "inputs.image_size=16", "inputs.max_images=2",
    "inputs.sequence_length=16", "training.epochs=1", "training.seeds=1", "evaluation={folds: 2}",
    "tier2.finalists=0", "baselines=[majority, concatenation, packed_concatenation]", "evidence=0",
)  # fmt: skip
SETTINGS = [word for setting in TINY for word in ("--set", setting)]


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    """One working directory for all: a demo, a run, and what is exported from it."""
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def automm(place, cache):
    """automm("check", "m.yaml", code=3) runs the command and wants that exit code."""
    environment = {**os.environ, "AUTOMM_CACHE_DIR": str(cache)}
    environment.pop("MLFLOW_TRACKING_URI", None)

    def run(*arguments, code=0, cwd=place, env=(), executable=(str(AUTOMM),)):
        done = subprocess.run(
            [*executable, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=240,
            env={**environment, **dict(env)}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    run.environment, run.path, run.tiny, run.settings = environment, str(AUTOMM), TINY, SETTINGS
    return run


@pytest.fixture(scope="session")
def searched(automm, place):
    automm("demo", "demo", "--reviews", "90")
    done = automm("search", "demo/manifest.yaml", "--trials", "1", *SETTINGS)
    (folder,) = [path.parent for path in place.glob("runs/*/*/result.json")]
    return done, folder
