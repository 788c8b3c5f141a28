import socket
from ipaddress import ip_address
from math import inf

import pytest

from automm.data.download import addresses
from automm.data.download.addresses import AddressError, Network, connect, is_public, split_url, target_of


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
        ),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1"),
        *("ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::"),
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "fec0::1"),
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "64:ff9b::808:808"])
def test_public_addresses(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://a.example/b.jpg", "expected http or https"),
        ("file:///etc/hostname", "expected http or https"),
        ("http://", "no host"),
        ("http:///b.jpg", "no host"),
        ("http://[::1/b.jpg", "not a URL"),
        ("http://a.example:99999/", "not a URL"),
        ("http://a.example:0/", "no host"),
        ("http://user:word@a.example/", "user name"),
    ],
)
def test_urls_that_are_refused(url, reason):
    with pytest.raises(AddressError, match=reason):
        split_url(url)


def test_the_target_is_quoted_once():
    assert target_of("http://a.example") == "/"
    assert target_of("http://a.example/b%20c d/é.jpg?x=1&y=ü#z") == "/b%20c%20d/%C3%A9.jpg?x=1&y=%C3%BC"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "169.254.169.254"],
)
def test_private_addresses_are_refused_in_every_notation(host, monkeypatch):
    monkeypatch.setattr(addresses.socket, "create_connection", lambda *of, **how: pytest.fail("connected"))
    with pytest.raises((AddressError, OSError), match=r"not a public address|cannot be resolved"):
        connect(f"http://{host}/a.jpg", Network(), 1.0, inf)


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    monkeypatch.setattr(addresses.socket, "create_connection", lambda *of, **how: pytest.fail("connected"))
    with pytest.raises(AddressError, match=r"a\.example resolves to 10\.0\.0\.1"):
        connect("http://a.example/", Network(resolve=lambda host, port: ["8.8.8.8", "10.0.0.1"]), 1.0, inf)


def test_the_checked_address_is_connected_to(monkeypatch):
    """A host name is resolved once: a name server that answers differently later has no effect."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    connected, made = [], socket.socket()
    monkeypatch.setattr(addresses.socket, "create_connection", lambda place, timeout: connected.append(place) or made)
    connect("http://rebinding.example/", Network(resolve=lambda host, port: next(answers)), 1.0, inf)
    assert connected == [("8.8.8.8", 80)]
    assert made.gettimeout() == 1.0
    made.close()


def test_many_silent_addresses_share_one_time_limit(monkeypatch):
    asked, ticks = [], iter(range(9))

    def silent(place, timeout):
        asked.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(addresses.socket, "create_connection", silent)
    monkeypatch.setattr(addresses.time, "monotonic", lambda: next(ticks))
    with pytest.raises(TimeoutError):
        connect("http://a.example/", Network(resolve=lambda host, port: [f"8.8.8.{n}" for n in range(9)]), 2.0, 3.0)
    assert asked == [2.0, 2.0, 1.0]
