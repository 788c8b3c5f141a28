"""Connect to URLs: only over http or https, and only to public addresses.

A host name is resolved once, and the connection is made to the address that was checked: a name server that answers
differently the second time gains nothing. Proxies are not used, because they would resolve the name again.
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
# Characters of a URL that are not quoted; the percent sign is one, because most URLs are quoted already.
SAFE = "%/:=&?~#+!$,;'@()*[]-._|"


class AddressError(ValueError):
    """A URL that is refused before connecting; the message is the reason."""


class UnknownHostError(OSError):
    """A host name that cannot be resolved; the message is the reason.

    Args:
        host: the name.
    """

    def __init__(self, host: str):
        super().__init__(f"host name {host} cannot be resolved")
        self.host = host


def is_public(address: Address) -> bool:
    """Return whether an address is public: not loopback, private, link-local, shared, multicast or reserved."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None or address.is_site_local:  # Python 3.11 takes fec0::/10 for global
            return False
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as text. Raises OSError."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@dataclass(frozen=True)
class Network:
    """How names are resolved, and which addresses are allowed. Only tests change the defaults."""

    resolve: Callable[[str, int], list[str]] = resolve
    allowed: Callable[[Address], bool] = is_public
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)


def split_url(url: str) -> SplitResult:
    """Split a URL into its parts.

    Raises:
        AddressError: the URL is not http or https with a host, or contains a user name.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressError(f"not a URL: {error}") from error
    if parts.scheme not in SCHEMES:
        scheme = f"scheme {parts.scheme!r}" if parts.scheme else "no scheme"
        raise AddressError(f"{scheme}, expected http or https")
    if not parts.hostname or port == 0:
        raise AddressError("not a URL: no host in it")
    if parts.username is not None:
        raise AddressError("URLs with a user name are not fetched")
    return parts


def connect(url: str, network: Network, seconds: float, end: float) -> http.client.HTTPConnection:
    """Connect to the host of a URL; the connection is not yet encrypted.

    Args:
        url: http or https.
        network: resolves the host and allows its addresses.
        seconds: time limit of each operation.
        end: time limit of connecting, by time.monotonic.

    Raises:
        AddressError: the URL is malformed, or an address of the host is not allowed.
        UnknownHostError: the host name cannot be resolved.
        OSError: the host does not answer.
    """
    parts = split_url(url)
    host = str(parts.hostname)
    port = parts.port or SCHEMES[parts.scheme]
    try:
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in network.resolve(host, port)]
    except (OSError, UnicodeError) as error:
        raise UnknownHostError(host) from error
    for address in addresses:
        if not network.allowed(address):
            raise AddressError(f"{host} resolves to {address}, which is not a public address")
    connection = (
        http.client.HTTPSConnection(host, port, timeout=seconds, context=network.context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=seconds)
    )
    connection.sock = _first_answering(addresses, port, seconds, end)
    return connection


def encrypt(connection: http.client.HTTPConnection, network: Network) -> None:
    """Start TLS if the connection is for https; the certificate must match the URL's host.

    Raises:
        OSError: the certificate does not match, or the handshake fails.
    """
    if isinstance(connection, http.client.HTTPSConnection):
        connection.sock = network.context.wrap_socket(connection.sock, server_hostname=connection.host)


def target_of(url: str) -> str:
    """Return the target of the request: path and query, quoted."""
    parts = split_url(url)
    return quote(parts.path or "/", safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")


def _first_answering(addresses: list[Address], port: int, seconds: float, end: float) -> socket.socket:
    problem: OSError = OSError("the host name has no address")
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
