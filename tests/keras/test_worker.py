"""The checks of a worker before it trains, and its result files."""

from types import SimpleNamespace

import pytest
from advice import advises, hear

from automm.config.experiment import Experiment
from automm.errors import DataError
from automm.search.features.engines import Engine, UsedEngine
from automm.search.parallel import workers
from automm.search.parallel.chief import TOKEN, Assignment
from automm.search.parallel.worker import ChiefConnection, Dismissed, ResultFiles, _check_same_engines
from automm.search.parallel.worker_options import WorkerOptions
from automm.search.parallel.workers import FOLDER, Workers
from automm.tracking.encoder_records import EncoderRecord, to_json
from automm.tracking.run_folder import COMPLETED, FAILED, Candidate, Run


@advises("Install the same versions on both")
def test_a_worker_with_another_engine_is_refused(tmp_path):
    run = Run(tmp_path)
    engines = {("text", "a"): "keras-3.15", ("text", "c"): "keras-3.15", ("image", "b"): "onnxruntime-1"}
    used = {key: UsedEngine(Engine("any", version)) for key, version in engines.items()}
    records = [EncoderRecord(*key, "fingerprint", engine, 16) for key, engine in engines.items()]
    run.write("manifest.json", {"encoders": to_json(records)})

    def setup():
        return SimpleNamespace(experiment=Experiment(manifest="m.yaml"), features=SimpleNamespace(engines={**used}))

    other = setup()
    other.features.engines["image", "b"] = UsedEngine(Engine("keras", "keras-3.15"))
    with pytest.raises(DataError, match=r"runs on keras-3\.15 on this machine, and on onnxruntime-1") as caught:
        _check_same_engines(run, other)
    hear(str(caught.value), "Install the same versions on both")
    _check_same_engines(run, setup())


class TestResultFiles:
    """A worker writes finished candidates to files; only the parent writes the record."""

    @pytest.fixture
    def told(self):
        return []

    @pytest.fixture
    def reporter(self, told):
        return SimpleNamespace(
            started=lambda name: told.append(("started", name)),
            finished=lambda candidate, best, left: told.append(("finished", candidate.name, best, left)),
        )

    def test_each_candidate_has_its_own_file(self, tmp_path, told, reporter):
        run = Run(tmp_path)
        (run.folder / FOLDER).mkdir()
        results = ResultFiles(run, SimpleNamespace(confirm=lambda: told.append("confirmed")), reporter)
        candidate = Candidate("trial-001", "trial", COMPLETED, score=0.5)
        results.start(candidate)
        results.record(candidate)
        assert Run.candidate((run.folder / FOLDER / "trial-001.json").read_bytes()) == candidate
        assert run.candidates() == []
        assert told == [("started", "trial-001"), "confirmed", ("finished", "trial-001", None, None)]

    def test_no_file_is_written_after_the_search_has_ended(self, tmp_path, told, reporter):
        def confirm():
            raise Dismissed("the search has ended")

        run = Run(tmp_path)
        (run.folder / FOLDER).mkdir()
        with pytest.raises(Dismissed):
            ResultFiles(run, SimpleNamespace(confirm=confirm), reporter).record(Candidate("a", "trial", COMPLETED))
        assert list((run.folder / FOLDER).iterdir()) == told == []


@advises("Start this worker again")
def test_a_worker_of_a_restarted_search_is_started_again(monkeypatch):
    """A chief has a token of its own, which the answers of a restarted search no longer have."""
    tokens = ["before", "after", "after", "after"]
    monkeypatch.setattr(ChiefConnection, "_call", lambda *given, **how: {TOKEN: tokens.pop(0)})

    def started():
        connection = ChiefConnection("127.0.0.1:9", "remote-1")
        connection.connect(timeout=1)
        return connection

    with pytest.raises(Dismissed) as caught:
        started().confirm()
    hear(str(caught.value), "Start this worker again")
    started().confirm()


@advises("Check that all machines share this folder")
def test_a_result_that_is_not_in_the_folder_of_the_search(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "FILE_SECONDS", 0.0)
    here, elsewhere = Run(tmp_path / "run"), Run(tmp_path / "elsewhere")
    recorder = SimpleNamespace(record=here.append)
    experiment = Experiment(manifest="m.yaml")
    search = SimpleNamespace(run=here, recorder=recorder, setup=SimpleNamespace(experiment=experiment))
    parent = Workers(search, WorkerOptions(0, "127.0.0.1:0"))
    parent._chief = SimpleNamespace(remove=lambda trial: None)
    reporter = SimpleNamespace(started=lambda name: None, finished=lambda *given: None)
    for name, folder in (("trial-001", elsewhere), ("trial-002", here)):
        (folder.folder / FOLDER).mkdir(parents=True, exist_ok=True)
        (here.folder / FOLDER).mkdir(parents=True, exist_ok=True)
        results = ResultFiles(folder, SimpleNamespace(confirm=lambda: None), reporter)
        results.record(Candidate(name, "trial", COMPLETED, score=0.5))
        parent._collect(name, Assignment("remote-1", Candidate(name, "trial", COMPLETED)))
    lost, found = here.candidates()
    hear(lost.error, "Check that all machines share this folder")
    assert (lost.status, found.status, found.score) == (FAILED, COMPLETED, 0.5)
