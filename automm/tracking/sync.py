"""Send the records of a run that an MLflow store has missed, from the run's folder."""

from automm.config.strict_yaml import read_yaml
from automm.errors import NotFoundError, TrackingError
from automm.paths import runs_flag
from automm.tracking.mlflow_tracker import MlflowTracker, flatten
from automm.tracking.results import fold_curves, missing_curves, summary_of
from automm.tracking.run_folder import Run


def sync_run(tracker: MlflowTracker, run: Run) -> str:
    """Send the store every record of a run that it has missed, and return in words what it has now.

    Raises:
        ConfigError: a search uses the run, and sends the records itself.
        NotFoundError: the run ended before its first record.
        TrackingError: the store does not answer, or it rejects records.
    """
    with run.locked():
        return _sync(tracker, run)


def _sync(tracker: MlflowTracker, run: Run) -> str:
    if not run.read("manifest.json"):
        resume = f"automm search --resume {run.name}{runs_flag(run.folder.parents[1])}"
        raise NotFoundError(f"{run.name} ended before its first candidate. Continue: {resume}")
    config, _ = read_yaml(run.folder / "config.yaml")
    manifest = run.read("manifest.json")
    dataset = {
        "name": manifest["name"],
        "source": manifest["manifest"],
        "fingerprint": manifest["fingerprint"],
        "rows": manifest["reviews"],
    }
    tracker.begin(run, flatten(config), dataset)
    result = run.read("result.json")
    for name, metrics in result.get("test", {}).items():
        tracker.test(name, metrics, {}, missing_curves(result, name) | fold_curves(result, name))
    ended = run.read("ended.json") or {"status": "FINISHED" if result else "KILLED", "summary": summary_of(result)}
    tracker.end(ended["status"], ended["summary"])
    if tracker.pending:
        raise TrackingError(f"{tracker.uri} does not answer. No record is lost; try again later")
    if tracker.rejected:
        raise TrackingError(f"{tracker.uri} rejected {tracker.rejected} records. The warnings above say why")
    return f"{tracker.uri} has all {len(run.candidates())} candidates of {run.name}"
