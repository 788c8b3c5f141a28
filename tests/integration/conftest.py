"""A tiny data set, a tiny experiment, and one searched run that many tests look at and none changes."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from samples import SMALL, write_reviews

from automm.config.experiment import Experiment, load_experiment


class SilentReporter:
    """A `Reporter` that keeps the names of what was started, for tests that act in the middle of a search."""

    def __init__(self):
        self.begun: list[str] = []

    def began(self, run): ...
    def stage(self, text): ...
    def step(self, what, done, total): ...
    def finished(self, candidate, best, seconds_left): ...

    def started(self, name):
        self.begun.append(name)


class RecordingTracker:
    """A `Tracker` that keeps what it is told, in order."""

    def __init__(self):
        self.told: list[tuple] = []

    def begin(self, run, parameters, dataset):
        self.told.append(("begin", run.name, parameters, dataset))

    def candidate(self, candidate):
        self.told.append(("candidate", candidate.name, candidate.status))

    def test(self, name, metrics, pictures, curves):
        self.told.append(("test", name, dict(metrics), sorted(pictures), dict(curves)))

    def model(self, name, bundle, code):
        self.told.append(("model", name))

    def end(self, status, summary):
        self.told.append(("end", status, summary))

    def named(self, kind):
        return [entry for entry in self.told if entry[0] == kind]


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def one_cache(shared_cache, monkeypatch):
    """Features of the tiny data are the same everywhere, so that each is computed once."""
    monkeypatch.setenv("AUTOMM_CACHE_DIR", str(shared_cache))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def reviews(tmp_path_factory) -> Path:
    """The manifest of 60 reviews; read-only."""
    return write_reviews(tmp_path_factory.mktemp("reviews"))


@pytest.fixture(scope="session")
def experiment_file(reviews) -> Path:
    path = reviews.parent / "tiny.yaml"
    path.write_text(yaml.safe_dump({"manifest": reviews.name, "name": "tiny", **SMALL}))
    return path


@pytest.fixture
def tiny(experiment_file):
    """tiny("tuner=random", ...) is the experiment with these settings over it."""

    def make(*overrides: str) -> Experiment:
        return load_experiment(experiment_file, overrides)

    return make


@pytest.fixture
def reporter() -> SilentReporter:
    return SilentReporter()


@pytest.fixture
def recorder() -> RecordingTracker:
    return RecordingTracker()


@pytest.fixture
def search(tmp_path, tiny, reporter, recorder):
    """search("tuner=random") runs the tiny experiment with that setting, told to `recorder`."""
    from automm.search.run import run_search

    def run(*overrides: str, tracker=None, resume=None, runs_dir: Path | None = None, worker_options=None):
        folder = runs_dir or tmp_path / "runs"
        return run_search(
            tiny(*overrides), folder, tracker or recorder, reporter, resume=resume, worker_options=worker_options
        )

    return run


@pytest.fixture
def trials_only(monkeypatch):
    """Searches end with their trials: half of a tiny search's time goes into its finalists, whom the test passes by."""
    monkeypatch.setattr("automm.search.run.evaluate_finalists", lambda *of_the_search: {})
    monkeypatch.setattr("automm.search.run.gather_in_budget", lambda *of_the_search: None)


@pytest.fixture(scope="session")
def store_template(tmp_path_factory) -> Path:
    """An empty MLflow database: to create one takes seconds, to copy one does not."""
    from mlflow.tracking import MlflowClient

    from automm.tracking.mlflow_server import quiet

    quiet()
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(store_template, tmp_path):
    """store() is a MlflowTracker on a database of the test's own."""
    from automm.tracking.mlflow_tracker import MlflowTracker

    database = tmp_path / "runs" / "mlflow.db"
    database.parent.mkdir(exist_ok=True)
    shutil.copyfile(store_template, database)

    def make(uri: str | None = None) -> MlflowTracker:
        return MlflowTracker(uri or f"sqlite:///{database}", tmp_path / "runs" / "mlartifacts")

    return make


class Searched:
    """One finished search and all that it left; read-only."""

    def __init__(self, run, experiment, tracker, reads):
        self.run, self.experiment, self.tracker, self.reads = run, experiment, tracker, reads
        self.candidates = run.candidates()
        self.baselines = [candidate for candidate in self.candidates if candidate.kind == "baseline"]
        self.trials = [candidate for candidate in self.candidates if candidate.kind == "trial"]


@pytest.fixture(scope="session")
def searched(tmp_path_factory, experiment_file, shared_cache, store_template) -> Iterator[Searched]:
    """The tiny experiment with three trials, recorded in MLflow."""
    from automm.search.run import run_search
    from automm.search.setup.data import Setup
    from automm.tracking.mlflow_tracker import MlflowTracker

    runs = tmp_path_factory.mktemp("searched")
    shutil.copyfile(store_template, runs / "mlflow.db")
    experiment = load_experiment(experiment_file)
    reads: list[tuple[str, bool]] = []  # each look at a split, and whether the search was over by then
    reporter = SilentReporter()
    rows, targets = Setup.rows, Setup.targets

    def seen(method):
        def read(task, split):
            reads.append((split, f"trial-{experiment.budget.trials:03d}" in reporter.begun))
            return method(task, split)

        return read

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMM_CACHE_DIR", str(shared_cache))
        patch.setattr(Setup, "rows", seen(rows))
        patch.setattr(Setup, "targets", seen(targets))
        tracker = MlflowTracker(f"sqlite:///{runs / 'mlflow.db'}", runs / "mlartifacts")
        run = run_search(experiment, runs, tracker, reporter)
    before = _times(run.folder)
    yield Searched(run, experiment, tracker, reads)
    assert _times(run.folder) == before, "a test has changed the run that all share"


def _times(folder: Path) -> dict[str, int]:
    found = (Path(base) / name for base, _, names in os.walk(folder) for name in names)
    return {str(path): path.stat().st_mtime_ns for path in found}


@pytest.fixture
def eager() -> Iterator[None]:
    """Functions run as plain Python: tiny searches spend most of their time on tracing graphs."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
