"""What a person sees: MLflow's own UI on the store of a run, in a browser without a screen."""

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,  # a browser and a server of MLflow take two cores for minutes
    pytest.mark.skipif(BROWSER is None, reason="no browser is installed (chromium or google-chrome)"),
]


@pytest.fixture(scope="module")
def ui(automm, place, searched):
    """The address of `automm ui` on the run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (place / "ui.log").open("w") as said:
        process = subprocess.Popen(
            [automm.path, "ui", "--port", str(port)],
            cwd=place, env=automm.environment, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/health", process)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def _wait_for(address, process):
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the UI does not answer")


def look(address, place, *what):
    """The browser's answer to one page."""
    profile = place / f"profile-{time.monotonic_ns()}"
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1600,1000",
        "--virtual-time-budget=90000",
    ]
    done = subprocess.run(
        [str(BROWSER), *flags, f"--user-data-dir={profile}", *what, address],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    shutil.rmtree(profile, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def ids(ui, place, searched):
    """Ids of the experiment, of the parent and of a child."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{place}/runs/mlflow.db")
    experiment = client.get_experiment_by_name(searched[1].parent.name).experiment_id
    runs = {run.info.run_name: run.info.run_id for run in client.search_runs([experiment])}
    return experiment, searched[1].name, runs["trial-001"]


def test_the_runs_of_an_experiment(ui, place, ids):
    experiment, parent, _ = ids
    address = f"{ui}/#/experiments/{experiment}/runs"
    page = look(address, place, "--dump-dom")
    assert parent in page
    look(address, place, f"--screenshot={place / 'runs.png'}")
    assert (place / "runs.png").stat().st_size > 20_000


def test_the_metrics_of_a_trial(ui, place, ids):
    experiment, _, child = ids
    address = f"{ui}/#/experiments/{experiment}/runs/{child}/model-metrics"
    page = look(address, place, "--dump-dom")
    assert "trial-001" in page
    assert re.search(r"epoch\W", page)
    assert re.search(r"validation\W", page)
    look(address, place, f"--screenshot={place / 'metrics.png'}")
    assert (place / "metrics.png").stat().st_size > 20_000
