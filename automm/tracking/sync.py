"""What a store has missed of a run, read from the run's folder and told again."""

from automm.config.strict_yaml import read_yaml
from automm.errors import NotFoundError, TrackingError
from automm.tracking.mlflow_store import MlflowTracker, flatten
from automm.tracking.results import fold_curves, missing_curves, summary_of
from automm.tracking.runs import Run


def sync_run(tracker: MlflowTracker, run: Run) -> str:
    """Tell the store everything of a run that it has not got. Returns what it has now, in words.

    Raises:
        ConfigError: a search works on the run, and tells the store itself.
        NotFoundError: the run ended before anything of it was recorded.
        TrackingError: the store does not answer.
    """
    with run.locked():
        return _sync(tracker, run)


def _sync(tracker: MlflowTracker, run: Run) -> str:
    if not run.read("manifest.json"):
        raise NotFoundError(f"{run.name} ended before its first candidate. Go on: automm search --resume {run.name}")
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
    tracker.end("FINISHED" if result else "KILLED", summary_of(result))
    if tracker.behind:
        raise TrackingError(f"{tracker.uri} does not answer; nothing is lost, try again later")
    if tracker.refused:
        raise TrackingError(f"{tracker.uri} refused {tracker.refused} records; see the warnings")
    return f"{len(run.candidates())} candidates of {run.name} are in {tracker.uri}"
