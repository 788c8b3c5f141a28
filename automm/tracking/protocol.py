"""The interface between a search and a tracker, independent of MLflow."""

from pathlib import Path
from typing import Any, Protocol

from automm.tracking.run_folder import Candidate, Run

Curves = dict[str, dict[int, float]]  # by metric: its value by step


class Tracker(Protocol):
    """Receives the records of a search while it runs. It never raises for an outage of its store."""

    def begin(self, run: Run, parameters: dict[str, Any], dataset: dict[str, Any]) -> None:
        """Record that a search starts or is resumed.

        Args:
            parameters: the resolved experiment, flat.
            dataset: {name, source, fingerprint, rows}.
        """

    def candidate(self, candidate: Candidate) -> None:
        """Record a finished baseline or trial; its line is already in trials.jsonl."""

    def test(self, name: str, metrics: dict[str, float], pictures: dict[str, Path], curves: Curves) -> None:
        """Record the test scores of a candidate.

        Args:
            pictures: files of plots, by their path in the store.
            curves: further metrics, by step.
        """

    def model(self, name: str, bundle: Path, code: Path) -> None:
        """Record a finalist's bundle, and the module that serves it. Both may be deleted after the call."""

    def end(self, status: str, summary: dict[str, Any]) -> None:
        """Record the end of the search: 'FINISHED', 'FAILED' or 'KILLED'."""


class NoTracker:
    """Records nothing: for tests, and for searches without a store."""

    def begin(self, run: Run, parameters: dict[str, Any], dataset: dict[str, Any]) -> None: ...
    def candidate(self, candidate: Candidate) -> None: ...
    def test(self, name: str, metrics: dict[str, float], pictures: dict[str, Path], curves: Curves) -> None: ...
    def model(self, name: str, bundle: Path, code: Path) -> None: ...
    def end(self, status: str, summary: dict[str, Any]) -> None: ...
