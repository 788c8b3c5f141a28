"""What a worker checks before it trains."""

from types import SimpleNamespace

import pytest

from automm.errors import DataError
from automm.search.parallel.worker import _same_engines
from automm.tracking.runs import Run


def test_a_worker_that_reads_by_another_engine_is_refused(tmp_path):
    run = Run(tmp_path)
    run.write("manifest.json", {"encoders": {"text": {"engine": "keras-3.15"}, "image": {"engine": "onnxruntime-1"}}})
    _same_engines(
        run, SimpleNamespace(features=SimpleNamespace(engines={"text": "keras-3.15", "image": "onnxruntime-1"}))
    )
    other = SimpleNamespace(features=SimpleNamespace(engines={"text": "keras-3.15", "image": "keras-3.15"}))
    with pytest.raises(DataError, match=r"reads image by keras-3\.15, and the search by onnxruntime-1"):
        _same_engines(run, other)
