"""The seconds that a search has used, over its sessions and after a kill."""

import subprocess
import sys
import time

import pytest

from automm.search.spent_time import SpentTime
from automm.tracking.run_folder import COMPLETED, Candidate, Run


def test_sessions_add_up(tmp_path):
    now = [100.0]
    run = Run(tmp_path)
    first = SpentTime(run, 90.0, clock=lambda: now[0])
    with first.kept():
        now[0] = 130.0
    second = SpentTime(run, 1000.0, clock=lambda: 1007.0)
    assert (second.before, second.seconds()) == (40.0, 47.0)
    assert second.end(60.0) == 1020.0
    assert second.end(None) is None


def test_every_second_belongs_to_a_stage(tmp_path):
    now = [100.0]
    run = Run(tmp_path)
    first = SpentTime(run, 90.0, clock=lambda: now[0])
    with first.kept():
        first.stage("trials")
        now[0] = 130.0
    second = SpentTime(run, 1000.0, clock=lambda: 1007.0)
    second.stage("trials")
    second.stage("finalists")
    second.write()
    found = run.read("spent.json")
    assert found["stages"] == {"reading": 17.0, "trials": 30.0, "finalists": 0.0}
    assert found["seconds"] == sum(found["stages"].values())


def test_a_run_without_the_file_has_the_time_of_its_candidates(tmp_path):
    run = Run(tmp_path)
    run.append(Candidate("a", "trial", COMPLETED, seconds=12.0, started="2026-01-01T00:00:00+00:00"))
    assert SpentTime(run, 0.0, clock=lambda: 0.0).before == pytest.approx(12.0)


KILLED = """
import sys, time
from pathlib import Path
from automm.search.spent_time import SpentTime
from automm.tracking.run_folder import Run
with SpentTime(Run(Path(sys.argv[1])), time.monotonic() - 500).kept(every=0.01):
    print("begun", flush=True)
    time.sleep(60)
"""


def test_a_kill_loses_a_few_seconds_at_most(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    first = Run(tmp_path).read("spent.json")["seconds"]
    deadline = time.monotonic() + 30
    while Run(tmp_path).read("spent.json")["seconds"] == first:
        assert time.monotonic() < deadline
    process.kill()
    process.communicate()
    assert SpentTime(Run(tmp_path), 0.0, clock=lambda: 0.0).before > first >= 500.0
