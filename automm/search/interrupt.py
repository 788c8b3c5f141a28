"""Make sure that no Ctrl-C is lost.

Python raises KeyboardInterrupt at whatever line runs. If that is an attribute lookup inside C code of TensorFlow or
numpy, the exception may be cleared there: of 150 interrupts during trainings of small heads, 6 were lost. The signal
handler therefore also sets a flag, which the training loop checks.
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

_interrupted = threading.Event()


@contextmanager
def interruptible() -> Iterator[None]:
    """Set a flag at SIGINT while the body runs.

    Does nothing outside the main thread, or if another handler than Python's own is installed.
    """
    default = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not default:
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        _interrupted.set()
        default(number, frame)

    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, default)
        _interrupted.clear()


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if an earlier one was lost."""
    if _interrupted.is_set():
        _interrupted.clear()
        raise KeyboardInterrupt


def exit_with_parent(parent: int) -> None:
    """End this process when its parent ends, even if the parent is killed, and ignore Ctrl-C.

    Args:
        parent: the process id of the parent, which handles Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends SIGINT to both
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent ended before the call above
        os._exit(1)
