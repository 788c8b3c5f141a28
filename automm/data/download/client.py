"""Download one picture from a URL to a file, or give the reason why not."""

import fcntl
import http.client
import os
import random
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urljoin

from automm.data.download.addresses import USER_AGENT, Network, UnknownHostError, connect, encrypt, split_url, target_of
from automm.data.files import is_at, write_at
from automm.data.images.decode import MAX_BYTES, PictureError, decode_picture

REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5
BUSY = (408, 425, 429, 500, 502, 503, 504)  # temporary failures
NO_PICTURES = ("text/html", "text/xml", "application/json", "application/xml", "application/xhtml+xml")
PIECE = 2**14


class RefusedError(Exception):
    """A download failed and another attempt would not help; the message is the reason."""


class TryAgainError(Exception):
    """A download failed and another attempt may help; the message is the reason.

    Args:
        reason: for people.
        after: seconds that the server asks to wait; 0.0 if it does not say.
    """

    def __init__(self, reason: str, after: float = 0.0):
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True)
class Downloader:
    """Downloads pictures; several threads may share it.

    Attributes:
        network: resolves hosts and allows addresses.
        attempts: for each URL.
        silence: an attempt ends after this many seconds without a byte.
        seconds: time limit of an attempt, even if bytes keep arriving.
        pause: seconds before the second attempt; the pause doubles each time, plus up to half of it at random.
        longest_pause: the longest wait in seconds that a server may request.
        stop: set it from outside to end all downloads.
        unknown: hosts whose names could not be resolved; they are not tried again.
    """

    network: Network = field(default_factory=Network)
    attempts: int = 4
    silence: float = 15.0
    seconds: float = 120.0
    pause: float = 1.0
    longest_pause: float = 60.0
    stop: threading.Event = field(default_factory=threading.Event)
    unknown: set[str] = field(default_factory=set)

    def fetch(self, url: str, file: Path) -> int:
        """Download a picture; the file appears once it is complete and can be decoded as a picture.

        Returns:
            Its size in bytes.

        Raises:
            RefusedError: the picture cannot be downloaded; the message is the reason.
            OSError: the file cannot be written.
        """
        for attempt in range(1, self.attempts + 1):
            if self.stop.is_set():
                break
            try:
                return self._attempt(url, file)
            except TryAgainError as error:
                if attempt == self.attempts:
                    raise RefusedError(f"{error} ({attempt} attempts)") from error
                wait = self.pause * 2 ** (attempt - 1) * random.uniform(1.0, 1.5)
                self.stop.wait(max(wait, min(error.after, self.longest_pause)))
        raise RefusedError("stopped")

    def _attempt(self, url: str, file: Path) -> int:
        with _part_of(file) as (part, descriptor):
            size = self._follow(url, descriptor, time.monotonic() + self.seconds)
            try:
                decode_picture(part, 8)  # the whole picture, a JPEG at an eighth of its size
            except PictureError as error:
                raise RefusedError(str(error)) from error
            os.fchmod(descriptor, 0o644)
            part.replace(file)
        return size

    def _follow(self, url: str, descriptor: int, end: float) -> int:
        """Write the content of a URL, following redirects, until the time `end` (time.monotonic). Return its size."""
        for _ in range(1 + MAX_REDIRECTS):
            try:
                with self._answer(url, end) as answer:
                    if answer.status in REDIRECTS and (place := answer.getheader("Location")):
                        url = urljoin(url, place)
                        continue
                    return self._body(answer, descriptor)
            except UnknownHostError as error:
                self.unknown.add(error.host)
                raise RefusedError(str(error)) from error
            except ssl.SSLCertVerificationError as error:
                raise RefusedError(f"invalid certificate: {error.verify_message}") from error
            except ValueError as error:  # not a URL, or a refused one
                raise RefusedError(str(error)) from error
            except TimeoutError as error:
                late = time.monotonic() >= end
                reason = f"not complete after {self.seconds:g} s" if late else f"no answer for {self.silence:g} s"
                raise TryAgainError(reason) from error
            except (OSError, http.client.HTTPException) as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                raise TryAgainError(f"connection failed: {reason}") from error
        raise RefusedError(f"more than {MAX_REDIRECTS} redirects")

    @contextmanager
    def _answer(self, url: str, end: float) -> Iterator[http.client.HTTPResponse]:
        """Return the headers of a response. A timer shuts the connection down at `end`, even while it is read."""
        host = split_url(url).hostname
        if host in self.unknown:
            raise UnknownHostError(str(host))
        connection = connect(url, self.network, self.silence, end)
        handle = socket.socket(fileno=os.dup(connection.sock.fileno()))  # a duplicate: TLS takes over the original
        over = threading.Event()
        watch = threading.Timer(max(0.0, end - time.monotonic()), _break, (handle, over))
        watch.daemon = True
        watch.start()
        try:
            encrypt(connection, self.network)
            headers = {
                "User-Agent": USER_AGENT,
                "Accept": "image/*",
                "Accept-Encoding": "identity",
                "Connection": "close",
            }
            connection.request("GET", target_of(url), headers=headers)
            with closing(connection.getresponse()) as answer:
                yield answer
        except (OSError, http.client.HTTPException, TryAgainError) as error:
            if over.is_set():
                raise TryAgainError(f"not complete after {self.seconds:g} s") from error
            raise
        finally:
            watch.cancel()
            connection.close()
            handle.close()
        if over.is_set():
            raise TryAgainError(f"not complete after {self.seconds:g} s")

    def _body(self, answer: http.client.HTTPResponse, descriptor: int) -> int:
        """Write the body of a response to the file, and return its size in bytes."""
        if answer.status in BUSY:
            raise TryAgainError(f"HTTP {answer.status} {answer.reason}", _seconds(answer.getheader("Retry-After")))
        if answer.status != 200:
            raise RefusedError(f"HTTP {answer.status} {answer.reason}")
        kind = answer.headers.get_content_type()
        if kind in NO_PICTURES and answer.getheader("Content-Type"):
            raise RefusedError(f"{kind}, not a picture")
        announced, size = answer.length, 0
        while max(size, announced or 0) <= MAX_BYTES and (piece := answer.read(PIECE)):
            if self.stop.is_set():
                raise TryAgainError("stopped")
            write_at(descriptor, piece, size)
            size += len(piece)
        if max(size, announced or 0) > MAX_BYTES:
            raise RefusedError(f"larger than the limit of {MAX_BYTES // 2**20} MB")
        if announced is not None and size < announced:
            raise TryAgainError(f"truncated: {size} of {announced} bytes")
        return size


@contextmanager
def _part_of(file: Path) -> Iterator[tuple[Path, int]]:
    """Open and lock a temporary file beside the wanted one; delete it at the end. A crash's leftover is reused."""
    part = file.with_name(f"{file.name}.part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError("another process is fetching it") from error
        if not is_at(descriptor, part):  # another process renamed or deleted it before we had the lock
            raise TryAgainError("another process was fetching it")
        try:
            os.truncate(descriptor, 0)
            yield part, descriptor
        finally:
            if is_at(descriptor, part):
                part.unlink()
    finally:
        os.close(descriptor)


def _break(handle: socket.socket, over: threading.Event) -> None:
    over.set()
    with suppress(OSError):  # already closed
        handle.shutdown(socket.SHUT_RDWR)


def _seconds(value: str | None) -> float:
    """Return the seconds to wait of a Retry-After, a number of seconds or a date; 0.0 if it is invalid or past."""
    if not value:
        return 0.0
    if value.isascii() and value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
