"""Options of worker processes: how many, and where workers of other machines connect. Light to import."""

import os
import signal
import socket
from dataclasses import dataclass

from automm.errors import ConfigError
from automm.tracking.run_folder import Run

LOOPBACK = "127.0.0.1"
NO_PROXY = "no_grpc_proxy"  # gRPC's own variable; if it is set, gRPC ignores `no_proxy`
EVERYWHERE = ("0.0.0.0", "[::]")
NO_ADDRESS = "--chief {}: cannot listen there. Give HOST:PORT with an address of this machine and a free port"


@dataclass(frozen=True)
class WorkerOptions:
    """The workers of a search.

    Attributes:
        processes: the number of workers on this machine, which the search starts and replaces.
        chief: the address 'HOST:PORT' to listen on for workers of other machines; None: only this machine.
    """

    processes: int = 1
    chief: str | None = None

    def check(self) -> None:
        """Check the options before anything that takes long.

        Raises:
            ConfigError: there are no workers; or `chief` is not an address of this machine, or is in use.
        """
        if self.chief is None:
            if self.processes < 1:
                raise ConfigError(
                    "--workers 0 starts no worker, and no other machine can join. Remove it, or add --chief HOST:PORT"
                )
            return
        host, _, port = self.chief.rpartition(":")
        if not host:
            raise ConfigError(NO_ADDRESS.format(self.chief))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, int(port)))
            except (OSError, ValueError, OverflowError) as error:
                raise ConfigError(f"{NO_ADDRESS.format(self.chief)} ({error})") from error


def thread_limits(processes: int) -> dict[str, str]:
    """Return the environment variables of a worker that limit all workers together to one thread per core."""
    share = str(max(1, len(os.sched_getaffinity(0)) // processes))
    return {"TF_NUM_INTRAOP_THREADS": share, "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": share}


def describe_exit(code: int) -> str:
    """Describe the exit code of a process; a negative code is the signal that ended it."""
    if code >= 0:
        return f"it ended with exit code {code}"
    hints: dict[int, str] = {
        signal.SIGKILL: "out of memory, or ended from outside",
        signal.SIGSEGV: "a segmentation fault",
    }
    names = {known.value: known.name for known in signal.Signals}
    return f"{names.get(-code, f'signal {-code}')}: {hints.get(-code, 'ended by a signal')}"


def bypass_proxies(host: str) -> None:
    """Make gRPC connect to a host directly: it would send even 127.0.0.1 through `http_proxy`."""
    direct = os.environ.get(NO_PROXY) or os.environ.get("no_proxy") or ""
    os.environ[NO_PROXY] = ",".join(filter(None, [direct, host.strip("[]")]))


def worker_command(run: Run, chief: str, allow_code: bool) -> str:
    """Return the command that starts a worker on another machine.

    It contains the name of this machine if the chief listens on all addresses.
    """
    host, _, port = chief.rpartition(":")
    chief = f"{socket.getfqdn()}:{port}" if host in EVERYWHERE else chief
    flag = " --allow-code" if allow_code else ""
    runs = run.folder.resolve().parents[1]
    return f"automm search --worker --chief {chief} --resume {run.name} --runs-dir {runs}{flag}"
