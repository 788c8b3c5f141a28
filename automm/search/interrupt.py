"""Ctrl-C that cannot get lost.

Python raises KeyboardInterrupt wherever it happens to be, and where that is an attribute lookup inside TensorFlow's or
numpy's C code, it is likely cleared there without a trace: of 150 sent into trainings of small heads, 6 were lost. So
it is also written down, and the training loop looks.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

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
