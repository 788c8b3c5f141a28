"""Choose the MLflow store, run the MLflow UI, and silence MLflow's logging."""

import logging
import os
import subprocess
import sys
from pathlib import Path

from automm.errors import ConfigError

SQLITE = "sqlite:///"
SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks")  # MLflow 3.17 accepts no folders


def tracking_uri(runs_dir: Path, chosen: str | None) -> str:
    """Return --tracking-uri, else MLFLOW_TRACKING_URI, else runs_dir/mlflow.db.

    The path of an SQLite file is made absolute.

    Args:
        chosen: the value of --tracking-uri, or None.

    Raises:
        ConfigError: MLflow cannot write to this kind of store.
    """
    option = "--tracking-uri" if chosen else "MLFLOW_TRACKING_URI"
    uri = chosen or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{runs_dir / 'mlflow.db'}"
    scheme = uri.partition(":")[0].partition("+")[0]
    if (":" not in uri and uri != "databricks") or scheme not in SCHEMES:
        raise ConfigError(
            f"{option} {uri}: MLflow cannot write to this store. Name a file, such as {SQLITE}folder/mlflow.db, or a "
            "server, such as http://host:5000"
        )
    if uri.startswith(SQLITE) and uri != SQLITE:  # MLflow resolves it against another folder
        return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).resolve()}"
    return uri


def serve(uri: str, host: str, port: int) -> int:
    """Run the MLflow UI on a store until it ends, and return its exit code."""
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
    # MLflow's job runner starts a dozen processes for language-model features; they keep running after the UI ends.
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}
    try:
        return subprocess.run(command, check=False, env=environment).returncode
    except KeyboardInterrupt:
        return 0


def quiet() -> None:
    """Silence MLflow and Alembic, which log a screenful while they set up a database, and shorten MLflow's retries.

    By default MLflow retries a dead server for minutes.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
