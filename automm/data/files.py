"""Open, hash and write regular files, and process many of them on all cores."""

import errno
import hashlib
import os
import stat
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from automm.errors import DataError

# O_NONBLOCK: a pipe in place of a file must not block the reader. Not every platform has each flag.
READ_ONLY = os.O_RDONLY
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    READ_ONLY |= getattr(os, _name, 0)
READ_WHOLE = 4 * 2**20  # bytes; a longer file is hashed piece by piece
NO_ALLOCATION = (errno.EOPNOTSUPP, errno.EINVAL)  # file systems that cannot allocate in advance
OF_A_PATH = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room on the disk
# What to do about an error of the machine, not of the file.
REMEDIES: dict[int | None, str] = {
    errno.EMFILE: "Raise the limit of open files (ulimit -n), and run the command again",
    errno.ENFILE: "Close other programs, and run the command again",
    errno.ENOMEM: "Free memory, and run the command again",
    errno.EIO: "Check the disk, and run the command again",
}

S = TypeVar("S")
T = TypeVar("T")


class NotAFileError(OSError):
    """The path is a folder, a pipe, a device or a symbolic link, not a regular file."""


def is_path_error(error: OSError) -> bool:
    """Return whether an error is about the path: nothing there, not a regular file, or no permission to read it.

    Any other error is about the machine, such as too many open files: the next attempt may succeed.
    """
    return isinstance(error, NotAFileError) or error.errno in OF_A_PATH


def read_failure(path: Path, error: OSError | MemoryError) -> DataError:
    """Return the error to raise when the machine fails to read a file: the file itself may be fine."""
    number = errno.ENOMEM if isinstance(error, MemoryError) else error.errno
    reason = os.strerror(number) if number is not None else str(error)
    return DataError(f"{path} could not be read: {reason}. {REMEDIES.get(number, 'Run the command again')}")


def open_file(path: Path) -> BufferedReader:
    """Open a regular file for reading. Callers resolve links first; a symbolic link is refused here.

    Raises:
        NotAFileError: the path is not a regular file.
        OSError: the file is missing or not readable.
    """
    return os.fdopen(_opened(path)[0], "rb")


def read_file(path: Path, limit: int = READ_WHOLE) -> bytes | BufferedReader:
    """Return the bytes of a regular file of up to `limit` bytes, or a longer file opened. Raises like `open_file`.

    For a small file, creating a buffered reader costs as much as reading it.
    """
    handle, size = _opened(path)
    if size > limit:
        return os.fdopen(handle, "rb")
    try:
        content = os.read(handle, size + 1)  # the whole file, unless it has grown meanwhile
        while more := os.read(handle, READ_WHOLE) if len(content) != size else b"":
            content += more
    finally:
        os.close(handle)
    return content


def _opened(path: Path) -> tuple[int, int]:
    """Return the descriptor and the size in bytes of a regular file."""
    try:
        handle = os.open(path, READ_ONLY)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotAFileError(error.errno, "a symbolic link, not a file", str(path)) from error
        if error.errno == errno.ENXIO:
            raise NotAFileError(error.errno, "a socket or device, not a file", str(path)) from error
        raise
    state = os.fstat(handle)
    if not stat.S_ISREG(state.st_mode):
        os.close(handle)
        what = "a folder" if stat.S_ISDIR(state.st_mode) else "a pipe or device"
        raise NotAFileError(errno.EINVAL, f"{what}, not a file", str(path))
    return handle, state.st_size


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, hexadecimal. Raises OSError."""
    return digest_and_bytes(path)[0]


def digest_and_bytes(path: Path) -> tuple[str, bytes | None]:
    """Return the sha256 of a file, hexadecimal, and its bytes if they were read at once. Raises OSError."""
    content = read_file(path)
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest(), content
    with content:
        return hashlib.file_digest(content, "sha256").hexdigest(), None


def in_order(function: Callable[[S], T], items: Sequence[S], workers: int | None = None) -> Iterator[T]:
    """Yield `function` of each item, in order, computed ahead on threads within a bound.

    Threads, not processes: Pillow, hashing and reading release the interpreter lock during long work.
    """
    threads = workers or min(32, (os.cpu_count() or 1) + 2)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def portions(items: Sequence[S], size: int) -> list[Sequence[S]]:
    """Split the items into runs of `size`; the last may be shorter."""
    return [items[begin : begin + size] for begin in range(0, len(items), size)]


def allocate(descriptor: int, size: int) -> None:
    """Reserve the bytes on disk where the platform can: a full disk then shows before the work begins."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in NO_ALLOCATION:
                raise


def write_at(descriptor: int, content: bytes | memoryview, offset: int) -> None:
    """Write all of the content at an offset. Raises OSError."""
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether the path still names this open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to disk, and rename it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
