"""Which request may reach which path, decided before any handler runs. Deny by default."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

BODY_LIMIT = 64 * 1024
BODY_SECONDS = 10.0
ANSWER_SECONDS = 60.0
SLOW_ANSWER_SECONDS = 600.0

_PAGE = re.compile(r"^/(?:|static/[a-z0-9_.-]+|favicon\.ico|healthz)$")
_MARKET_READS = re.compile(
    r"^/(?:api/(?:stocks(?:/recommend|/[^/]+(?:/(?:price|daily|orderbook))?)?|indices|predict/[^/]+"
    r"|ai/(?:signal|news)/[^/]+|openapi\.json)|docs|metrics|ws/prices)$"
)
_SLOW = re.compile(r"^/api/(?:command|action|ai/|predict/|stocks/recommend)")
_LOGIN = "/api/session"


@dataclass(frozen=True)
class Policy:
    """``port`` is the one really bound. ``names`` are further host names under which the service is reached."""

    port: int
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    encrypted: bool = False
    hosts: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        names = {"127.0.0.1", "localhost", "[::1]", *(name.lower() for name in self.names)}
        default = 443 if self.encrypted else 80
        bare = names if self.port == default else set()
        object.__setattr__(self, "hosts", frozenset({f"{name}:{self.port}" for name in names} | bare))

    @property
    def local(self) -> bool:
        return is_loopback(self.host)

    def host_allowed(self, host: str) -> bool:
        """Names are checked against the list, so that a foreign name that points here (DNS rebinding) gets nothing.
        An address cannot be rebound: on a public bind any literal address will do."""
        lowered = host.lower()
        if lowered in self.hosts:
            return True
        return not self.local and _is_address(lowered, self.port)

    def origin_allowed(self, origin: str, host: str) -> bool:
        """Only our own pages: the same scheme, name and port as the request went to."""
        scheme = "https" if self.encrypted else "http"
        return self.host_allowed(host) and origin.lower() == f"{scheme}://{host.lower()}"

    @staticmethod
    def is_page(path: str) -> bool:
        """The console's own files: no data in them."""
        return _PAGE.match(path) is not None

    def open_to_all(self, method: str, path: str) -> bool:
        """Without a token: the page, the login itself and, while only this machine can reach us, market data."""
        if _PAGE.match(path):
            return method in ("GET", "HEAD")
        if path == _LOGIN:
            return method in ("GET", "POST")
        return self.local and method == "GET" and _MARKET_READS.match(path) is not None

    @staticmethod
    def answer_seconds(path: str) -> float:
        return SLOW_ANSWER_SECONDS if _SLOW.match(path) else ANSWER_SECONDS


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_address(host: str, port: int) -> bool:
    name, _, given = host.rpartition(":")
    if given != str(port):
        return False
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def single(values: Iterable[str]) -> str | None:
    """The one value; None when there is none. Several count as forged: an empty text, which nothing allows."""
    found = list(values)
    return None if not found else found[0] if len(found) == 1 else ""


SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        b"font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=()"),
)
