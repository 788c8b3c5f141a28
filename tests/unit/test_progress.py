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
