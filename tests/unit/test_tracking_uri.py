"""The MLflow store that a command writes to."""

from pathlib import Path

import pytest

from automm.errors import ConfigError
from automm.tracking.mlflow_server import tracking_uri


@pytest.mark.parametrize("uri", ["mlruns", "./mlruns", "/data/mlflow.db", "file:///data", "postgres://host/db"])
def test_an_invalid_store_is_rejected_before_a_search(uri, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"--tracking-uri .*: MLflow cannot write to this store"):
        tracking_uri(tmp_path, uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(ConfigError, match=r"MLFLOW_TRACKING_URI .*: MLflow cannot write to this store"):
        tracking_uri(tmp_path, None)


def test_the_file_of_a_store_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(Path("runs"), None) == f"sqlite:///{tmp_path}/runs/mlflow.db"
    assert tracking_uri(Path("runs"), "sqlite:///a.db") == f"sqlite:///{tmp_path}/a.db"
    for uri in ("sqlite:////data/a.db", "http://host:5000", "postgresql+psycopg2://u:p@host/db", "databricks"):
        assert tracking_uri(Path("runs"), uri) == uri
