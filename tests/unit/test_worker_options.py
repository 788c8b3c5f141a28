"""Who trains the trials of a search, before anybody does."""

import os
import signal
import socket

import pytest

from automm.errors import ConfigError
from automm.search.parallel.worker_options import (
    NO_PROXY,
    WorkerOptions,
    how_it_ended,
    past_proxies,
    threads,
    worker_command,
)
from automm.tracking.run_folder import Run


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:99999", "192.0.2.1:5000", ":5000", "5000"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ConfigError, match=f"--chief {address}: cannot listen there"):
        WorkerOptions(0, address).check()


def test_a_port_that_is_taken_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match="in use"):
            WorkerOptions(0, address).check()
    WorkerOptions(0, address).check()


def test_somebody_must_train():
    with pytest.raises(ConfigError, match="nobody to train"):
        WorkerOptions(0).check()
    WorkerOptions(1).check()


def test_threads_are_divided(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    shares = [int(threads(count)["TF_NUM_INTRAOP_THREADS"]) for count in (1, 2, 3, 16)]
    assert shares == [8, 4, 2, 1]


def test_an_end_is_said_in_words():
    assert how_it_ended(-signal.SIGSEGV) == "SIGSEGV: a segmentation fault"
    assert how_it_ended(-signal.SIGKILL) == "SIGKILL: out of memory, or ended from outside"
    assert how_it_ended(-60) == "signal 60: ended by a signal"
    assert how_it_ended(3) == "it ended with exit code 3"


def test_the_command_for_others_names_the_run(tmp_path):
    run = Run(tmp_path / "runs" / "demo" / "20260101-000000-abcdef")
    wanted = f"automm search --worker --chief a:1 --resume {run.name} --runs-dir {tmp_path / 'runs'}"
    assert worker_command(run, "a:1", False) == wanted
    assert worker_command(run, "a:1", True) == f"{wanted} --allow-code"


def test_a_chief_that_listens_everywhere_is_named_by_its_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "getfqdn", lambda: "machine.example")
    for everywhere in ("0.0.0.0:7000", "[::]:7000"):
        assert "--chief machine.example:7000 " in worker_command(Run(tmp_path / "r" / "e" / "n"), everywhere, False)


def test_no_proxy_stands_between_a_worker_and_its_chief(monkeypatch):
    monkeypatch.delenv(NO_PROXY, raising=False)
    monkeypatch.setenv("no_proxy", "intranet")
    past_proxies("127.0.0.1")
    assert os.environ[NO_PROXY] == "intranet,127.0.0.1"
    past_proxies("[::1]")
    assert os.environ[NO_PROXY] == "intranet,127.0.0.1,::1"
