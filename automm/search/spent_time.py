"""Count the time that a search uses, in all of its sessions.

A thread writes the count to spent.json in the run folder every few seconds. A killed process therefore loses at most
these seconds, whatever it was doing: encoding, training, or reading the test split.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from automm.tracking.run_folder import Candidate, Run

FILE = "spent.json"
EVERY_SECONDS = 5.0


class SpentTime:
    """The seconds that a run has used.

    Attributes:
        before: the seconds of earlier sessions.
    """

    def __init__(self, run: Run, began: float, clock: Callable[[], float] = time.monotonic):
        """
        Args:
            began: when this session began, a time of `clock`.
        """
        self._run, self._began, self._clock = run, began, clock
        # Runs of older versions have no such file, only the times of their candidates.
        self.before = max(float(run.read(FILE).get("seconds", 0.0)), wall_seconds(run.candidates()))

    def seconds(self) -> float:
        """Return the seconds of all sessions until now."""
        return self.before + self._clock() - self._began

    def end(self, limit: float | None) -> float | None:
        """Return when a time limit is reached, a time of the clock; None without a limit."""
        return None if limit is None else self._began + limit - self.before

    def write(self) -> None:
        self._run.write(FILE, {"seconds": round(self.seconds(), 1)})

    @contextmanager
    def kept(self, every: float = EVERY_SECONDS) -> Iterator[None]:
        """Write the count every few seconds while the body runs, and once more at its end."""
        ended = threading.Event()

        def write_often() -> None:
            while not ended.wait(every):
                self.write()

        thread = threading.Thread(target=write_often, name="spent time", daemon=True)
        self.write()
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.write()


def wall_seconds(candidates: Sequence[Candidate]) -> float:
    """Return the seconds in which at least one of the candidates was trained; parallel ones count once."""
    spans = sorted((datetime.fromisoformat(c.started).timestamp(), c.seconds) for c in candidates)
    total, reached = 0.0, -math.inf
    for begun, seconds in spans:
        ended = begun + seconds
        total += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    return total
