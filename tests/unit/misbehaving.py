"""A local server that does what servers of pictures do on bad days; nothing here leaves the machine."""

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

from PIL import Image

from automm.data.download.addresses import Network

LOCAL = ip_address("127.0.0.1")
# Only this one address of the local machine may be connected to, so that all others are refused as in earnest.
NETWORK = Network(allowed=lambda address: address == LOCAL)


def picture(form: str = "PNG", size: int = 32) -> bytes:
    out = io.BytesIO()
    Image.radial_gradient("L").resize((size, size)).convert("RGB").save(out, form)
    return out.getvalue()


class Server(ThreadingHTTPServer):
    """Attributes: asked: how often each path was asked for; heads: what each request said."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.heads: list[dict[str, str]] = []
        self.lock = threading.Lock()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.asked[self.path] += 1
            self.server.heads.append(dict(self.headers))
        with suppress(ConnectionError):
            getattr(self, self.path.split("/")[1].split("?")[0].split(".")[0])()

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self, status: int, body: bytes, kind: str = "image/png", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def good(self) -> None:
        self.answer(200, picture())

    def absent(self) -> None:
        self.answer(404, b"no", "text/plain")

    def steering(self) -> None:
        self.wfile.write(b"HTTP/1.1 404 \x1b]0;title\x07\x9b31m\r\n\r\n")

    def page(self) -> None:
        self.answer(200, b"<html>log in</html>", "text/html")

    def liar(self) -> None:
        self.answer(200, b"<html>log in</html>", "image/png")

    def generic(self) -> None:
        self.answer(200, picture("JPEG"), "application/octet-stream")

    def empty(self) -> None:
        self.answer(200, b"")

    def once500(self) -> None:
        self.answer(500, b"") if self.server.asked[self.path] == 1 else self.good()

    def always503(self) -> None:
        self.answer(503, b"", Retry_After="3600")

    def truncated(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(picture()) + 100))
        self.end_headers()
        self.wfile.write(picture())

    def cut(self) -> None:
        """Without a length: only the picture itself tells that it is not whole."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(picture("JPEG", 300)[:900])

    def closed(self) -> None:
        self.connection.close()

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"\0" * 2**16)

    def huge(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(10**12))
        self.end_headers()
        self.wfile.write(picture())

    def silent(self) -> None:
        time.sleep(2)

    def drip(self) -> None:
        """A byte every so often: never silent for long, and never done."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def dripping_head(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(100):
            self.wfile.write(b"X-%d: y\r\n" % number)
            time.sleep(0.05)

    def redirect(self) -> None:
        """To what stands in the query."""
        self.answer(302, b"", Location=self.path.partition("?")[2])

    def loop(self) -> None:
        self.answer(301, b"", Location=self.path)

    def odd_head(self) -> None:
        self.wfile.write(b"\0\xff not http\r\n\r\n")


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
