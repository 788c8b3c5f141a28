"""Where a URL may lead: to public addresses over http or https, and to the very address that was looked at.

A name is resolved once for a connection, which is made to what was resolved: a name server that answers differently
the second time gains nothing by it. Proxies are not used, because they would resolve it again.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
SCHEMES = {"http": 80, "https": 443}
USER_AGENT = "automm (https://pypi.org/project/automm)"
# What may stand in a URL as it is; the percent sign too, because most URLs are quoted already.
SAFE = "%/:=&?~#+!$,;'@()*[]-._|"


class AddressError(ValueError):
    """A URL that is not connected to; the message is the reason in words."""


def is_public(address: Address) -> bool:
    """Whether it belongs to the open internet: not loopback, private, link-local, shared, multicast, reserved."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None or address.is_site_local:  # fec0::/10 is global to Python 3.11
            return False
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as texts. Raises OSError."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@dataclass(frozen=True)
class Network:
    """How names are resolved and what may be connected to. The defaults are the only ones outside of tests."""

    resolve: Callable[[str, int], list[str]] = resolve
    allowed: Callable[[Address], bool] = is_public
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)


def split_url(url: str) -> SplitResult:
    """A URL in its parts.

    Raises:
        AddressError: it is none of http or https with a host.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressError(f"not a URL: {error}") from error
    if parts.scheme not in SCHEMES:
        raise AddressError(f"{parts.scheme or 'no scheme'}: only http and https are fetched")
    if not parts.hostname or port == 0:
        raise AddressError("not a URL: no host in it")
    if parts.username is not None:
        raise AddressError("a URL with a user name in it is not fetched")
    return parts


def connect(url: str, network: Network, seconds: float, end: float) -> http.client.HTTPConnection:
    """A connection to the host of a URL, not yet encrypted.

    Args:
        seconds: for each single operation.
        end: for all of them, by time.monotonic.

    Raises:
        AddressError: the URL leads nowhere, or to an address that is not allowed.
        OSError: no answer.
    """
    parts = split_url(url)
    host = str(parts.hostname)
    port = parts.port or SCHEMES[parts.scheme]
    try:
        found = [ipaddress.ip_address(one.partition("%")[0]) for one in network.resolve(host, port)]
    except (OSError, UnicodeError) as error:
        raise OSError(f"the name {host} cannot be resolved") from error
    for address in found:
        if not network.allowed(address):
            raise AddressError(f"{host} is {address}, which is no public address")
    connection = (
        http.client.HTTPSConnection(host, port, timeout=seconds, context=network.context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=seconds)
    )
    connection.sock = _first_answering(found, port, seconds, end)
    return connection


def encrypt(connection: http.client.HTTPConnection, network: Network) -> None:
    """Begin TLS where the connection is for https; the certificate must be of the URL's host.

    Raises:
        OSError: it is not, or the handshake fails.
    """
    if isinstance(connection, http.client.HTTPSConnection):
        connection.sock = network.context.wrap_socket(connection.sock, server_hostname=connection.host)


def target_of(url: str) -> str:
    """What is asked of the server: path and query, quoted."""
    parts = split_url(url)
    return quote(parts.path or "/", safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")


def _first_answering(addresses: list[Address], port: int, seconds: float, end: float) -> socket.socket:
    problem: OSError = OSError("the name has no address")
    for address in addresses:
        left = min(seconds, end - time.monotonic())
        if left <= 0:
            raise TimeoutError
        try:
            connection = socket.create_connection((str(address), port), timeout=left)
        except OSError as error:
            problem = error
            continue
        connection.settimeout(seconds)
        return connection
    raise problem
