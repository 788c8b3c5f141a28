"""What a search tells a tracker. Nothing here knows MLflow."""

from pathlib import Path
from typing import Any, Protocol

from automm.tracking.runs import Candidate, Run

Curves = dict[str, dict[int, float]]  # a metric's values by step


class Tracker(Protocol):
    """Receives the record of a search as it grows. Never raises for an outage of what lies behind it."""

    def begin(self, run: Run, parameters: dict[str, Any], dataset: dict[str, Any]) -> None:
        """A search starts, or is resumed."""

    def candidate(self, candidate: Candidate) -> None:
        """A baseline or trial is finished; its line is on disk."""

    def test(self, name: str, metrics: dict[str, float], pictures: dict[str, Path], curves: Curves) -> None:
        """The test split was read for a candidate; pictures by their name in the store; more metrics, by step."""

    def model(self, name: str, bundle: Path, code: Path) -> None:
        """A finalist's bundle, and the module that serves it. Both may be gone after the call."""

    def end(self, status: str, summary: dict[str, Any]) -> None:
        """The search is over: 'FINISHED', 'FAILED' or 'KILLED'."""


class NoTracker:
    """Tells nobody: for tests, and for who wants no store."""

    def begin(self, run: Run, parameters: dict[str, Any], dataset: dict[str, Any]) -> None: ...
    def candidate(self, candidate: Candidate) -> None: ...
    def test(self, name: str, metrics: dict[str, float], pictures: dict[str, Path], curves: Curves) -> None: ...
    def model(self, name: str, bundle: Path, code: Path) -> None: ...
    def end(self, status: str, summary: dict[str, Any]) -> None: ...
