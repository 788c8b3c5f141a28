"""The options of worker processes."""

import os
import signal
import socket

import pytest

from automm.errors import ConfigError
from automm.search.parallel.worker_options import (
    NO_PROXY,
    WorkerOptions,
    bypass_proxies,
    describe_exit,
    thread_limits,
    worker_command,
)
from automm.tracking.run_folder import Run


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:99999", "192.0.2.1:5000", ":5000", "5000"])
def test_an_invalid_address_is_refused(address):
    with pytest.raises(ConfigError, match=f"--chief {address}: cannot listen there"):
        WorkerOptions(0, address).check()


def test_a_port_in_use_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match="in use"):
            WorkerOptions(0, address).check()
    WorkerOptions(0, address).check()


def test_a_search_needs_workers():
    with pytest.raises(ConfigError, match="--workers 0 starts no worker"):
        WorkerOptions(0).check()
    WorkerOptions(1).check()


def test_threads_are_divided(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    shares = [int(thread_limits(count)["TF_NUM_INTRAOP_THREADS"]) for count in (1, 2, 3, 16)]
    assert shares == [8, 4, 2, 1]


def test_an_exit_code_is_described():
    assert describe_exit(-signal.SIGSEGV) == "SIGSEGV: a segmentation fault"
    assert describe_exit(-signal.SIGKILL) == "SIGKILL: out of memory, or ended from outside"
    assert describe_exit(-60) == "signal 60: ended by a signal"
    assert describe_exit(3) == "it ended with exit code 3"


def test_the_command_for_other_machines_names_the_run(tmp_path):
    run = Run(tmp_path / "runs" / "demo" / "20260101-000000-abcdef")
    wanted = f"automm search --worker --chief a:1 --resume {run.name} --runs-dir {tmp_path / 'runs'}"
    assert worker_command(run, "a:1", False) == wanted
    assert worker_command(run, "a:1", True) == f"{wanted} --allow-code"


def test_a_chief_on_all_addresses_is_named_by_its_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "getfqdn", lambda: "machine.example")
    for everywhere in ("0.0.0.0:7000", "[::]:7000"):
        assert "--chief machine.example:7000 " in worker_command(Run(tmp_path / "r" / "e" / "n"), everywhere, False)


def test_a_worker_connects_to_its_chief_without_a_proxy(monkeypatch):
    monkeypatch.delenv(NO_PROXY, raising=False)
    monkeypatch.setenv("no_proxy", "intranet")
    bypass_proxies("127.0.0.1")
    assert os.environ[NO_PROXY] == "intranet,127.0.0.1"
    bypass_proxies("[::1]")
    assert os.environ[NO_PROXY] == "intranet,127.0.0.1,::1"
