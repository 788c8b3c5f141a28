"""The interface through which a search reports its progress."""

from typing import Protocol

from automm.tracking.run_folder import Candidate, Run


class Reporter(Protocol):
    """Shows the progress of a search to a person."""

    def began(self, run: Run) -> None:
        """The run folder exists; the run can be resumed from now on."""

    def stage(self, text: str) -> None:
        """A new stage of the search starts."""

    def step(self, what: str, done: int, total: int) -> None:
        """`done` of `total` steps of a long loop are done."""

    def started(self, name: str) -> None:
        """The training of a candidate starts."""

    def finished(self, candidate: Candidate, best: Candidate | None, seconds_left: float | None) -> None:
        """A candidate is completed, failed or killed."""
