"""The progress lines of a search."""

import io

from rich.console import Console

from automm.cli.progress import ConsoleReporter
from automm.tracking.run_folder import COMPLETED, FAILED, Candidate, Run


def test_a_resumed_run_counts_its_earlier_trials(tmp_path):
    run = Run(tmp_path)
    for name, kind, status in (("base", "baseline", COMPLETED), ("a", "trial", COMPLETED), ("b", "trial", FAILED)):
        run.append(Candidate(name, kind, status))
    said = io.StringIO()
    reporter = ConsoleReporter(Console(file=said, width=200), 20, "macro_f1")
    reporter.began(run)
    validation = {"macro_f1": 0.5, "accuracy": 0.6, "loss": 1.0}
    reporter.finished(Candidate("c", "trial", COMPLETED, score=0.5, validation=validation), None, None)
    assert "2/20" in said.getvalue()
    for kind, shown in {"seed": "seed", "pilot": "pilot", "ensemble": "ens", "fine-tuned": "tuned"}.items():
        reporter.finished(Candidate("d", kind, COMPLETED, score=0.5, validation=validation), None, None)
        assert said.getvalue().splitlines()[-1].split()[0] == shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_encoding_shows_the_time_left_in_a_file_and_on_a_terminal(tmp_path, monkeypatch):
    """4,000 of 10,000 word pieces took 40 s."""
    from automm.cli import progress

    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    plain = io.StringIO()
    reporter = ConsoleReporter(Console(file=plain, width=200), 20, "macro_f1")
    for done in (0, 2000, 4000):
        reporter.step("texts, word pieces", done, 10_000)
        now[0] += 20.0
    assert "texts, word pieces: 4000 of 10000, 60 s left" in plain.getvalue()

    shown = Terminal()
    terminal = ConsoleReporter(Console(file=shown, width=120, force_terminal=True, get_time=lambda: now[0]), 20, "f")
    for what in ("texts, word pieces", "pictures"):
        for done in range(0, 5000, 1000):
            terminal.step(what, done, 10_000)
            now[0] += 10.0
        terminal._live.refresh()
        assert "0:01:00" in shown.getvalue().rpartition(what)[2], what
    terminal.close()
