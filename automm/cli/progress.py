"""Print progress on stderr: a live line on a terminal, plain lines in a file or pipe."""

import logging
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from automm.config.duration import duration
from automm.tasks.registry import task_of
from automm.tracking.run_folder import COMPLETED, Candidate, Run

PLAIN_EVERY = 15.0  # seconds between progress lines without a terminal


class ConsoleReporter:
    """A `search.reporter.Reporter` that prints on a console.

    Args:
        trials: the budget, printed as "3/20"; 0 if trials have different lengths (Hyperband) and only those done are
            printed.
        metric: the name of the objective in a candidate's validation metrics, without `val_`.
    """

    def __init__(self, console: Console, trials: int, metric: str):
        self._console, self._trials, self._metric = console, trials, metric
        self._done = 0
        self._said = 0.0
        self._since = ("", 0.0, 0)  # the step, its start on the monotonic clock, and its count then
        self._live: Progress | None = None
        self._task: Any = None
        self.run: Run | None = None

    def began(self, run: Run) -> None:
        self.run = run
        # The earlier trials of a resumed run count too.
        self._done = sum(_is_completed_trial(candidate) for candidate in run.candidates())
        self._console.print(f"run {run.name}", style="bold")

    def stage(self, text: str) -> None:
        self.close()
        self._console.print(text, style="bold", soft_wrap=True)  # it may contain a command to copy

    def step(self, what: str, done: int, total: int) -> None:
        if self._since[0] != what:
            self._since = (what, time.monotonic(), done)
        if self._console.is_terminal:
            self._show(what, done, total)
        elif time.monotonic() - self._said > PLAIN_EVERY:
            self._said = time.monotonic()
            left = f", {duration(seconds)} left" if (seconds := self._seconds_left(done, total)) else ""
            self._console.print(f"  {what}: {done} of {total}{left}" if total else f"  {what}: {done}")

    def _seconds_left(self, done: int, total: int) -> float | None:
        _, began, first = self._since
        return (time.monotonic() - began) / (done - first) * (total - done) if first < done < total else None

    def started(self, name: str) -> None:
        if self._console.is_terminal:
            self._show(f"training {name}", self._done, self._trials)

    def finished(self, candidate: Candidate, best: Candidate | None, seconds_left: float | None) -> None:
        if _is_completed_trial(candidate):
            self._done += 1
        place = (
            (f"{self._done}/{self._trials}" if self._trials else str(self._done))
            if candidate.kind == "trial"
            else {"baseline": "base", "fine-tuned": "tuned", "ensemble": "ens"}.get(candidate.kind, candidate.kind)
        )
        left = "" if seconds_left is None or candidate.kind != "trial" else f"  {duration(seconds_left)} left"
        if candidate.status == COMPLETED:
            scores = candidate.validation
            other = task_of(scores).main_metrics[1]
            outcome = f"{self._metric} {scores[self._metric]:.3f}  {other} {scores[other]:.3f}"
        else:
            outcome = f"{candidate.status} {candidate.error.splitlines()[0]}"
        lead = "" if best is None or best.score is None else f"  best {best.score:.3f} ({best.name})"
        self._console.print(
            f"  {place:>7}  {candidate.name:<22} {outcome}  {candidate.seconds:5.1f} s{lead}{left}",
            highlight=False,
        )

    def close(self) -> None:
        """Remove the live line."""
        if self._live is not None:
            self._live.stop()
            self._live, self._task = None, None

    def _show(self, step: str, done: int, total: int) -> None:
        if self._live is None:
            self._live = Progress(
                TextColumn("  {task.description}", markup=False),
                BarColumn(bar_width=30),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._live.start()
            self._task = self._live.add_task(step, total=total or None)
        self._live.update(self._task, description=step, completed=done, total=total or None)


class ConsoleLog(logging.Handler):
    """A logging handler that prints on the console of the progress; warnings in yellow."""

    def __init__(self, console: Console):
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING:
            self._console.print(f"  {record.getMessage()}")
        else:
            self._console.print(f"  {record.levelname.lower()} {record.getMessage()}", style="yellow")


def _is_completed_trial(candidate: Candidate) -> bool:
    return candidate.kind == "trial" and candidate.status == COMPLETED
