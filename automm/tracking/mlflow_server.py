"""Which MLflow store, its UI, and its chatter."""

import logging
import os
import subprocess
import sys
from pathlib import Path

from automm.errors import ConfigError

SQLITE = "sqlite:///"
SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks")  # MLflow 3.17 refuses folders


def tracking_uri(runs_dir: Path, chosen: str | None) -> str:
    """--tracking-uri, else MLFLOW_TRACKING_URI, else runs_dir/mlflow.db; the path of an SQLite file is made absolute.

    Raises:
        ConfigError: no store that MLflow can write to.
    """
    where = "--tracking-uri" if chosen else "MLFLOW_TRACKING_URI"
    uri = chosen or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{runs_dir / 'mlflow.db'}"
    scheme = uri.partition(":")[0].partition("+")[0]
    if (":" not in uri and uri != "databricks") or scheme not in SCHEMES:
        raise ConfigError(
            f"{where} {uri}: no store that MLflow writes to. Name a file, {SQLITE}folder/mlflow.db, or a server, http://..."
        )
    if uri.startswith(SQLITE) and uri != SQLITE:  # MLflow resolves it against a working directory of its own
        return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).resolve()}"
    return uri


def serve(uri: str, host: str, port: int) -> int:
    """Run MLflow's own UI on a store until it is ended; its exit code."""
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "ui",
        "--backend-store-uri",
        uri,
        "--host",
        host,
        "--port",
        str(port),
    ]
    # Its job runner starts a dozen processes for features of language models, which outlive the UI.
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}
    try:
        return subprocess.run(command, check=False, env=environment).returncode
    except KeyboardInterrupt:
        return 0


def quiet() -> None:
    """MLflow and Alembic say a screenful while they set up a database, and retry a dead server for minutes."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
