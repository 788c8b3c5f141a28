"""One URL becomes one picture file, or a reason why not."""

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

from automm.data.download.addresses import USER_AGENT, Network, connect, encrypt, target_of
from automm.data.files import is_at, put
from automm.data.images.decode import MAX_BYTES, PictureError, decode_picture

REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5
BUSY = (408, 425, 429, 500, 502, 503, 504)  # answers that may be others later
NO_PICTURES = ("text/html", "text/xml", "application/json", "application/xml", "application/xhtml+xml")
PIECE = 2**14


class RefusedError(Exception):
    """Asking again would not help; the message is the reason in words."""


class TryAgainError(Exception):
    """Asking again may help; the message is the reason in words.

    Args:
        after: seconds that the server asks to wait; 0.0 where it says nothing.
    """

    def __init__(self, reason: str, after: float = 0.0):
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True)
class Downloader:
    """Fetches pictures; may be used by several threads.

    Attributes:
        attempts: for each URL.
        silence: seconds without a byte that end an attempt.
        seconds: that an attempt may take in all, however steadily the bytes drip.
        pause: seconds before the second attempt; twice as many before each further one, and up to half as many again by
            chance. A server may ask for `longest_pause` at most.
        stop: set from outside, it ends all that is under way.
    """

    network: Network = field(default_factory=Network)
    attempts: int = 4
    silence: float = 15.0
    seconds: float = 120.0
    pause: float = 1.0
    longest_pause: float = 60.0
    stop: threading.Event = field(default_factory=threading.Event)

    def fetch(self, url: str, file: Path) -> int:
        """Fetch a picture; it stands under its name once it is whole and can be read as a picture.

        Returns:
            Its bytes.

        Raises:
            RefusedError: there is none to have, for the reason that it says.
            OSError: it cannot be written.
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
                decode_picture(part, 8)  # all of it, at an eighth of its size where it is a JPEG
            except PictureError as error:
                raise RefusedError(str(error)) from error
            os.fchmod(descriptor, 0o644)
            part.replace(file)
        return size

    def _follow(self, url: str, descriptor: int, end: float) -> int:
        """Write what a URL, or the URL that it redirects to, yields until the moment `end` (time.monotonic)."""
        for _ in range(1 + MAX_REDIRECTS):
            try:
                with self._answer(url, end) as answer:
                    if answer.status in REDIRECTS and (place := answer.getheader("Location")):
                        url = urljoin(url, place)
                        continue
                    return self._body(answer, descriptor)
            except ssl.SSLCertVerificationError as error:
                raise RefusedError(f"its certificate is not valid: {error.verify_message}") from error
            except ValueError as error:  # no URL, or none that is connected to
                raise RefusedError(str(error)) from error
            except TimeoutError as error:
                late = time.monotonic() >= end
                reason = f"not done after {self.seconds:g} s" if late else f"no answer for {self.silence:g} s"
                raise TryAgainError(reason) from error
            except (OSError, http.client.HTTPException) as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                raise TryAgainError(f"the connection failed: {reason}") from error
        raise RefusedError(f"more than {MAX_REDIRECTS} redirects")

    @contextmanager
    def _answer(self, url: str, end: float) -> Iterator[http.client.HTTPResponse]:
        """The head of an answer. When the time is over, or all has to stop, its connection breaks under the reader."""
        connection = connect(url, self.network, self.silence, end)
        handle = socket.socket(fileno=os.dup(connection.sock.fileno()))  # of our own: TLS takes the first one over
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
                raise TryAgainError(f"not done after {self.seconds:g} s") from error
            raise
        finally:
            watch.cancel()
            connection.close()
            handle.close()
        if over.is_set():
            raise TryAgainError(f"not done after {self.seconds:g} s")

    def _body(self, answer: http.client.HTTPResponse, descriptor: int) -> int:
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
            put(descriptor, piece, size)
            size += len(piece)
        if max(size, announced or 0) > MAX_BYTES:
            raise RefusedError(f"more than {MAX_BYTES // 2**20} MB")
        if announced is not None and size < announced:
            raise TryAgainError(f"truncated: {size} of {announced} bytes")
        return size


@contextmanager
def _part_of(file: Path) -> Iterator[tuple[Path, int]]:
    """A file beside the wanted one, held alone. What a crash has left there is used again; at the end it is gone."""
    part = file.with_name(f"{file.name}.part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError("another process is fetching it") from error
        if not is_at(descriptor, part):  # it has got its name, or was given up, before we held it
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
    with suppress(OSError):  # closed already
        handle.shutdown(socket.SHUT_RDWR)


def _seconds(value: str | None) -> float:
    """To wait, of a Retry-After: a count of seconds or a date; 0.0 where it is neither, or past."""
    if not value:
        return 0.0
    if value.isascii() and value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
