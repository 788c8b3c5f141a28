"""Which MLflow store, its UI, and its chatter."""

import logging
import os
import subprocess
import sys
from pathlib import Path


def tracking_uri(runs_dir: Path, chosen: str | None) -> str:
    """--tracking-uri, else MLFLOW_TRACKING_URI, else runs_dir/mlflow.db; a path in it is made absolute."""
    uri = chosen or os.environ.get("MLFLOW_TRACKING_URI") or ""
    return uri or f"sqlite:///{(runs_dir / 'mlflow.db').resolve()}"


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
