import json
import os
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate

import pytest
from misbehaving import NETWORK, picture, serving
from typer.testing import CliRunner

from automm.cli import app
from automm.data.download import client as download
from automm.data.download import job as fetch
from automm.data.download.addresses import Network
from automm.data.download.client import Downloader, RefusedError
from automm.data.download.job import fetch_pictures
from automm.data.download.urls import local_name
from automm.data.images.decode import decode_picture
from automm.errors import DataError


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


QUICK = Downloader(NETWORK, attempts=2, silence=0.5, seconds=0.4, pause=0.01, longest_pause=0.02)
PATIENT = replace(QUICK, silence=10.0, seconds=30.0)  # for servers that answer at once, also on a busy machine


def reason(server, path, tmp_path, downloader=PATIENT):
    with pytest.raises(RefusedError) as caught:
        downloader.fetch(server.url(path), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []  # neither the picture nor its part file
    return str(caught.value)


@pytest.mark.parametrize("path", ["good.png", "generic", "once500", "redirect?/good.png", "redirect?good.png"])
def test_a_picture_appears_only_when_complete(server, path, tmp_path):
    size = PATIENT.fetch(server.url(f"{path}#{tmp_path.name}"), tmp_path / "a.png")
    assert decode_picture(tmp_path / "a.png", 8).shape == (8, 8, 3)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert size == (tmp_path / "a.png").stat().st_size
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("path", "expected", "asked"),
    [
        ("absent", "HTTP 404 Not Found", 1),
        ("page", "text/html, not a picture", 1),
        ("liar", "not a picture of a known format", 1),
        ("empty", "zero bytes", 1),
        ("huge", "larger than the limit of 50 MB", 1),
        ("always503", "HTTP 503 Service Unavailable (2 attempts)", 2),
        ("truncated", "bytes (2 attempts)", 2),
        ("closed", "connection failed", 2),
        ("odd_head", "connection failed", 2),
        ("loop", "more than 5 redirects", 6),
        ("cut", "truncated", 1),
    ],
)
def test_failures_have_a_reason_and_temporary_ones_are_retried(server, tmp_path, path, expected, asked):
    server.asked.clear()
    assert expected in reason(server, path, tmp_path)
    assert server.asked.total() == asked


def test_endless_responses_are_aborted(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 2**20)
    assert "larger than the limit of 1 MB" in reason(server, "endless", tmp_path)


@pytest.mark.parametrize("path", ["silent", "drip", "dripping_head"])
def test_slow_servers_are_aborted(server, tmp_path, path):
    began = time.monotonic()
    assert "not complete after 0.4 s (1 attempts)" in reason(
        server, path, tmp_path, replace(QUICK, attempts=1, silence=5.0)
    )
    assert time.monotonic() - began < 3


def test_a_slow_handshake_is_aborted(tmp_path):
    """Each byte of TLS arrives in time, but the handshake never ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip():
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                for byte in b"\x16\x03\x03\x40\x00" + bytes(100):  # the header of a record of 16 KB
                    connection.sendall(bytes([byte]))
                    time.sleep(0.05)

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/a.png"
        with pytest.raises(RefusedError, match=r"not complete after 0\.4 s"):
            replace(QUICK, attempts=1, silence=5.0).fetch(url, tmp_path / "a.png")
        assert time.monotonic() - began < 3
        thread.join()


def test_proxies_of_the_environment_are_not_used(server, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    assert PATIENT.fetch(server.url("good"), tmp_path / "a.png")


@pytest.mark.parametrize(
    "value", [None, "0", "-1", "1.5", "soon", "Mon, 31 Dec 0001 23:59:59 -2300", "Fri, 99 Dec 2999"]
)
def test_an_invalid_retry_after_means_no_wait(value):
    assert download._seconds(value) == 0.0


def test_retry_after_is_seconds_or_a_date():
    assert download._seconds("120") == 120.0
    assert 60 < download._seconds(formatdate(time.time() + 120, usegmt=True)) <= 120
    assert download._seconds(formatdate(time.time() - 120, usegmt=True)) == 0.0


def test_a_date_without_a_zone_is_in_utc(monkeypatch):
    """A date in the format of C's asctime, which HTTP allows, in any time zone of the client."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EAST-5")
        time.tzset()
        waited = download._seconds(time.asctime(time.gmtime(time.time() + 120)))
    time.tzset()
    assert 60 < waited <= 120


def test_stop_interrupts_a_silent_download(server, tmp_path):
    impatient = replace(QUICK, attempts=1, silence=0.2, seconds=20.0)
    assert "no answer for 0.2 s" in reason(server, "silent", tmp_path, impatient)


@pytest.mark.parametrize(
    "place",
    ["http://127.0.0.2/a.png", "http://169.254.169.254/latest/meta-data", "//10.0.0.1/a.png", "http://[::1]/a.png"],
)
def test_no_redirect_to_a_private_address(server, tmp_path, place):
    assert "which is not a public address" in reason(server, f"redirect?{place}", tmp_path)


@pytest.mark.parametrize("place", ["file:///etc/hostname", "ftp://127.0.0.1/a.png", "data:image/png;base64,AAAA"])
def test_no_redirect_to_another_scheme(server, tmp_path, place):
    assert "expected http or https" in reason(server, f"redirect?{place}", tmp_path)


def test_the_defaults_do_not_connect_to_this_machine(server, tmp_path):
    server.asked.clear()
    assert "127.0.0.1, which is not a public address" in reason(server, "good.png", tmp_path, Downloader())
    assert not server.asked


def test_the_request_has_a_host_and_refuses_compression(server, tmp_path):
    names = replace(NETWORK, resolve=lambda host, port: ["127.0.0.1"])
    replace(PATIENT, network=names).fetch(f"http://pictures.example:{server.server_port}/good", tmp_path / "a.png")
    head = server.heads[-1]
    assert head["Host"] == f"pictures.example:{server.server_port}"
    assert head["Accept-Encoding"] == "identity"


def test_a_part_file_is_locked_and_reused_after_a_crash(server, tmp_path):
    import fcntl

    (tmp_path / "a.png.part").write_bytes(b"x" * 10**5)  # longer than the picture
    PATIENT.fetch(server.url("good"), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == picture()
    with (tmp_path / "b.png.part").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RefusedError, match="another process"):
            PATIENT.fetch(server.url("good"), tmp_path / "b.png")
    assert (tmp_path / "b.png.part").exists()


def certificate(folder):
    """A self-signed certificate for localhost."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now.replace(year=now.year + 1)
    )
    signed = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False).sign(
        key, hashes.SHA256()
    )
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "pem").write_bytes(key.private_bytes(*private) + signed.public_bytes(serialization.Encoding.PEM))
    return folder / "pem"


def test_https_needs_a_certificate_of_the_host(tmp_path):
    pem = certificate(tmp_path)
    with serving() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        places = {"resolve": lambda host, port: ["127.0.0.1"], "allowed": NETWORK.allowed}
        trusting = Network(**places, context=ssl.create_default_context(cafile=pem))
        wanted = tmp_path / "a.png"
        url = f"https://localhost:{server.server_port}/good"
        replace(PATIENT, network=trusting).fetch(url, wanted)
        assert wanted.read_bytes() == picture()
        for network, address in ((Network(**places), url), (trusting, url.replace("localhost", "other.example"))):
            with pytest.raises(RefusedError, match="invalid certificate"):
                replace(PATIENT, network=network).fetch(address, wanted)


@pytest.fixture
def manifest(server, tmp_path):
    """Records that name several URLs at once, one of them twice, and one file."""

    def write(*paths):
        urls = [server.url(path) for path in paths]
        rows = [{"id": 1, "text": "t", "photos": [*urls, "local.png"]}, {"id": 2, "text": "u", "photos": urls[:1]}]
        (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (tmp_path / "manifest.yaml").write_text(
            "name: x\nrecords: r.jsonl\nimage_root: images\nfields: {id: id, text: text, images: photos}\n"
        )
        return tmp_path / "manifest.yaml"

    return write


def test_pictures_are_fetched_once_and_missing_ones_reported(server, manifest, tmp_path):
    server.asked.clear()
    told = []
    path = manifest("good.png?1", "absent", "good.png?2", "liar")
    done = fetch_pictures(path, lambda *progress: told.append(progress), downloader=PATIENT)
    assert (done.urls, done.there, done.fetched, done.bytes) == (4, 0, 2, 2 * len(picture()))
    assert [(one.url, one.where) for one in done.missing] == [
        (server.url("absent"), "r.jsonl:1"),
        (server.url("liar"), "r.jsonl:1"),
    ]
    assert (tmp_path / "images" / local_name(server.url("good.png?1"))).read_bytes() == picture()
    assert told[-1] == ("pictures fetched", 4, 4)
    lines = [json.loads(line) for line in done.report.read_text().splitlines()]
    assert lines[0] == {"url": server.url("absent"), "where": "r.jsonl:1", "reason": "HTTP 404 Not Found"}
    again = fetch_pictures(path, downloader=PATIENT)
    assert (again.there, again.fetched, len(again.missing)) == (2, 0, 2)
    assert server.asked["/good.png?1"] == 1
    whole = fetch_pictures(manifest("good.png?1"), downloader=PATIENT)
    assert (whole.there, whole.missing) == (1, ())
    assert not whole.report.exists()


def test_the_number_of_connections_is_limited(manifest):
    lock, under_way, most = threading.Lock(), 0, 0

    class Counting(Downloader):
        def fetch(self, url, file):
            nonlocal under_way, most
            with lock:
                under_way += 1
                most = max(most, under_way)
            time.sleep(0.02)
            with lock:
                under_way -= 1
            return 1

    done = fetch_pictures(manifest(*(f"good?{n}" for n in range(12))), downloader=Counting(NETWORK), at_once=3)
    assert done.fetched == 12
    assert most == 3


def test_a_slow_picture_does_not_block_others(server, manifest):
    server.asked.clear()
    slow = replace(PATIENT, attempts=1, silence=1.5)
    order = []
    real = fetch._finished

    def finished(under_way):
        for url, result in real(under_way):
            order.append(url.rpartition("/")[2])
            yield url, result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch, "_finished", finished)
        fetch_pictures(manifest("silent", *(f"good?{n}" for n in range(8))), downloader=slow, at_once=2)
    assert order[-1] == "silent"


def test_a_stopped_download_ends_soon_and_continues_later(server, manifest):
    path = manifest("good?1", *(f"silent?{n}" for n in range(6)))
    stopping = replace(PATIENT, silence=0.3, attempts=9, stop=threading.Event())

    def interrupt(what, done, total):
        if done:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch_pictures(path, interrupt, downloader=stopping, at_once=2)
    assert time.monotonic() - began < 5
    assert fetch_pictures(manifest("good?1"), downloader=PATIENT).there == 1


def test_a_broken_link_in_place_of_the_folder_is_reported(server, manifest, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "fetched").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"fetched' is not a folder\. Remove it"):
        fetch_pictures(manifest("good.png"), downloader=PATIENT)


def test_a_folder_in_place_of_a_picture_does_not_stop_others(server, manifest, tmp_path):
    path = manifest("good.png", "good?1")
    (tmp_path / "images" / local_name(server.url("good.png"))).mkdir(parents=True)
    done = fetch_pictures(path, downloader=PATIENT)
    assert done.fetched == 1
    assert "cannot be written: Is a directory" in done.missing[0].reason


def test_a_folder_outside_the_root_is_not_written_to(server, manifest, tmp_path):
    path = manifest("good.png")
    (tmp_path / "images").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "images" / "fetched").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="is a link to a place outside image_root"):
        fetch_pictures(path, downloader=PATIENT)
    (tmp_path / "images" / "fetched").unlink()
    (tmp_path / "images" / "fetched").mkdir()
    link = tmp_path / "images" / local_name(server.url("good.png"))
    (tmp_path / "victim").write_text("mine")
    link.symlink_to(tmp_path / "victim")
    assert fetch_pictures(path, downloader=PATIENT).fetched == 1
    assert (tmp_path / "victim").read_text() == "mine"
    assert not link.is_symlink()


def test_unreadable_records_are_reported_before_fetching(server, tmp_path, manifest):
    server.asked.clear()
    path = manifest("good")
    with (tmp_path / "r.jsonl").open("a") as file:
        file.write('{"photos": {"a": 1}}\nnot json\n')
    with pytest.raises(DataError) as caught:
        fetch_pictures(path, downloader=PATIENT)
    assert [line.split(": ")[0] for line in caught.value.lines] == ["r.jsonl:3", "r.jsonl:4"]
    assert not server.asked


def command(monkeypatch, path, *more):
    monkeypatch.setattr(fetch, "Downloader", lambda: PATIENT)  # the command has no option for it
    return CliRunner().invoke(app, ["fetch-images", str(path), *more], catch_exceptions=False)


def test_the_command(server, manifest, monkeypatch):
    done = command(monkeypatch, manifest("good.png", "absent"), "--format", "json")
    assert done.exit_code == 3
    content = json.loads(done.stdout)
    assert (content["urls"], content["fetched"], content["missing"][0]["reason"]) == (2, 1, "HTTP 404 Not Found")
    done = command(monkeypatch, manifest("good.png", "absent"))
    assert "2 pictures by URL: 1 already there, 0 fetched (0 bytes), 1 missing" in done.stdout
    assert "HTTP 404 Not Found" in done.stdout
    done = command(monkeypatch, manifest("good.png"))
    assert (done.exit_code, done.stdout) == (0, "1 pictures by URL: 1 already there, 0 fetched (0 bytes), 0 missing\n")


def test_the_command_fetches_nothing_from_this_machine(server, manifest):
    server.asked.clear()
    done = CliRunner().invoke(app, ["fetch-images", str(manifest("good.png"))], env=dict(os.environ))
    assert done.exit_code == 3
    assert "not a public address" in done.stdout
    assert not server.asked


def test_a_host_that_cannot_be_resolved_is_tried_once(tmp_path):
    asked = []

    def resolve(host, port):
        asked.append(host)
        raise OSError("no such host")

    downloader = Downloader(network=Network(resolve=resolve), attempts=4, pause=5.0)
    began = time.monotonic()
    for number in range(20):
        with pytest.raises(RefusedError, match=r"^host name gone.example cannot be resolved$"):
            downloader.fetch(f"https://gone.example/{number}.png", tmp_path / "a.png")
    assert asked == ["gone.example"]
    assert time.monotonic() - began < 5
