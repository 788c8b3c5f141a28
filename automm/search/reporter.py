"""How a search says how far it is."""

from typing import Protocol

from automm.tracking.run_folder import Candidate, Run


class Reporter(Protocol):
    """Shows a person how far a search is."""

    def began(self, run: Run) -> None:
        """The run has its folder, and can be resumed from now on."""

    def stage(self, text: str) -> None:
        """A new part begins."""

    def step(self, what: str, done: int, total: int) -> None:
        """Progress of a long loop."""

    def started(self, name: str) -> None:
        """A candidate is being trained."""

    def finished(self, candidate: Candidate, best: Candidate | None, seconds_left: float | None) -> None:
        """A candidate is finished, or has failed."""
