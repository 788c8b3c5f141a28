"""Ctrl-C that cannot get lost.

Python raises KeyboardInterrupt wherever it happens to be, and where that is an attribute lookup inside TensorFlow's or
numpy's C code, it is likely cleared there without a trace: of 150 sent into trainings of small heads, 6 were lost. So
it is also written down, and the training loop looks.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PR_SET_PDEATHSIG = 1  # of Linux' prctl

_asked = threading.Event()


@contextmanager
def interruptible() -> Iterator[None]:
    """Write SIGINT down while the body runs. Another handler than Python's own, or another thread, is left as it is."""
    default = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not default:
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        _asked.set()
        default(number, frame)

    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, default)
        _asked.clear()


def check() -> None:
    """Raise the KeyboardInterrupt that got lost, if one did."""
    if _asked.is_set():
        _asked.clear()
        raise KeyboardInterrupt


def die_with(parent: int) -> None:
    """End this process when the one that started it ends, however it does, and leave Ctrl-C to that one.

    Args:
        parent: its process id.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)
