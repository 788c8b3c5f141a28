"""Keep the runs of different data sets in different experiments."""

from pathlib import Path

from automm.errors import ConfigError
from automm.paths import from_here
from automm.tracking.run_folder import all_runs


def check_experiment(runs_dir: Path, name: str, manifest: Path, fingerprint: str) -> None:
    """Check that an experiment has no runs of another data set: a leaderboard would rank unlike scores together.

    A manifest that has changed, or that has moved with its data, is the same data set.

    Args:
        runs_dir: the folder of all runs.
        name: the experiment.
        manifest: the absolute path of the manifest to search.
        fingerprint: of its data.

    Raises:
        ConfigError: the latest run of the experiment is of another manifest and other data.
    """
    for run in reversed(list(all_runs(runs_dir, name))):
        data = run.read("manifest.json")
        if not data:  # ended before its data was encoded
            continue
        if data["manifest"] != str(manifest) and data["fingerprint"] != fingerprint:
            raise ConfigError(
                f"experiment {name!r} in {from_here(runs_dir)} has runs of another data set, {data['manifest']}. Name "
                "a new experiment: --set name=NAME"
            )
        return
