"""Count the time that a search uses, in all of its sessions, and how much of it each stage uses.

A thread writes the count to spent.json in the run folder every few seconds. A killed process therefore loses at most
these seconds, whatever it was doing: encoding, training, or reading the test split.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from automm.evaluate.course.progress import elapsed
from automm.tracking.run_folder import Run

FILE = "spent.json"
FIRST = "reading"  # the stage that a session begins with
EVERY_SECONDS = 5.0


class SpentTime:
    """The seconds that a run has used.

    Attributes:
        before: the seconds of earlier sessions.
    """

    def __init__(self, run: Run, began: float, clock: Callable[[], float] = time.monotonic):
        """
        Args:
            began: when this session began with the stage FIRST, a time of `clock`.
        """
        self._run, self._began, self._clock = run, began, clock
        recorded = run.read(FILE)
        # Runs of older versions have no such file, only the times of their candidates.
        self.before = max(float(recorded.get("seconds", 0.0)), elapsed(run.candidates()).max(initial=0.0))
        # Replaced as a whole, because the thread reads it: the seconds of ended stages, the present one, its beginning.
        self._stage: tuple[dict[str, float], str, float] = recorded.get("stages", {}), FIRST, began

    def seconds(self) -> float:
        """Return the seconds of all sessions until now."""
        return self.before + self._clock() - self._began

    def stage(self, name: str) -> None:
        """End the present stage, and begin another one."""
        self._stage = self.stages(), name, self._clock()

    def stages(self) -> dict[str, float]:
        """Return the seconds of each stage in all sessions until now."""
        ended, name, began = self._stage
        return {**ended, name: ended.get(name, 0.0) + self._clock() - began}

    def end(self, limit: float | None) -> float | None:
        """Return when a time limit is reached, a time of the clock; None without a limit."""
        return None if limit is None else self._began + limit - self.before

    def write(self) -> None:
        stages = {name: round(seconds, 1) for name, seconds in self.stages().items()}
        self._run.write(FILE, {"seconds": round(self.seconds(), 1), "stages": stages})

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
