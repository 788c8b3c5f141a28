"""The checks of a worker before it trains, and its result files."""

from types import SimpleNamespace

import pytest

from automm.config.experiment import Experiment
from automm.errors import DataError
from automm.search.features.engines import Engine, UsedEngine
from automm.search.parallel.worker import Dismissed, ResultFiles, _check_same_engines
from automm.search.parallel.workers import FOLDER
from automm.tracking.encoder_records import EncoderRecord, to_json
from automm.tracking.run_folder import COMPLETED, Candidate, Run


def test_a_worker_with_another_engine_is_refused(tmp_path):
    run = Run(tmp_path)
    engines = {("text", "a"): "keras-3.15", ("text", "c"): "keras-3.15", ("image", "b"): "onnxruntime-1"}
    used = {key: UsedEngine(Engine("any", version)) for key, version in engines.items()}
    records = [EncoderRecord(*key, "fingerprint", engine, 16) for key, engine in engines.items()]
    run.write("manifest.json", {"encoders": to_json(records)})

    def setup():
        return SimpleNamespace(experiment=Experiment(manifest="m.yaml"), features=SimpleNamespace(engines={**used}))

    _check_same_engines(run, setup())
    other = setup()
    other.features.engines["image", "b"] = UsedEngine(Engine("keras", "keras-3.15"))
    with pytest.raises(DataError, match=r"runs on keras-3\.15 on this machine, and on onnxruntime-1"):
        _check_same_engines(run, other)


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
