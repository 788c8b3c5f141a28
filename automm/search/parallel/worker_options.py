"""Who trains the trials of a search: how many processes, and where others join. Light to import."""

import os
import signal
import socket
from dataclasses import dataclass

from automm.errors import ConfigError
from automm.tracking.run_folder import Run

LOOPBACK = "127.0.0.1"
NO_PROXY = "no_grpc_proxy"  # gRPC's own; where it is set, `no_proxy` is not looked at
EVERYWHERE = ("0.0.0.0", "[::]")
NO_ADDRESS = "--chief {}: cannot listen there. Write HOST:PORT, an address of this machine and a free port"


@dataclass(frozen=True)
class WorkerOptions:
    """Who trains.

    Attributes:
        processes: workers of this machine, started and replaced by the search.
        chief: 'HOST:PORT' to listen on, for workers of other machines; without it, only this machine is served.
    """

    processes: int = 1
    chief: str | None = None

    def check(self) -> None:
        """See that somebody can train, before anything that takes long.

        Raises:
            ConfigError: nobody can join; or `chief` is no address of this machine, or is taken.
        """
        if self.chief is None:
            if self.processes < 1:
                raise ConfigError(
                    "--workers 0 leaves nobody to train. Leave it out, or let others join: --chief HOST:PORT"
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


def threads(processes: int) -> dict[str, str]:
    """Environment of one of so many workers, so that together they have a thread a core."""
    share = str(max(1, len(os.sched_getaffinity(0)) // processes))
    return {"TF_NUM_INTRAOP_THREADS": share, "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": share}


def how_it_ended(code: int) -> str:
    """A process' exit code in words; negative: the signal that it died of."""
    if code >= 0:
        return f"it ended with exit code {code}"
    hints: dict[int, str] = {
        signal.SIGKILL: "out of memory, or ended from outside",
        signal.SIGSEGV: "a segmentation fault",
    }
    names = {known.value: known.name for known in signal.Signals}
    return f"{names.get(-code, f'signal {-code}')}: {hints.get(-code, 'ended by a signal')}"


def past_proxies(host: str) -> None:
    """Have this process' gRPC connect to a host directly: it would send even 127.0.0.1 through `http_proxy`."""
    direct = os.environ.get(NO_PROXY) or os.environ.get("no_proxy") or ""
    os.environ[NO_PROXY] = ",".join(filter(None, [direct, host.strip("[]")]))


def worker_command(run: Run, chief: str, allow_code: bool) -> str:
    """What is typed on another machine; where the chief listens on all addresses, by this machine's name."""
    host, _, port = chief.rpartition(":")
    chief = f"{socket.getfqdn()}:{port}" if host in EVERYWHERE else chief
    flag = " --allow-code" if allow_code else ""
    runs = run.folder.resolve().parents[1]
    return f"automm search --worker --chief {chief} --resume {run.name} --runs-dir {runs}{flag}"
