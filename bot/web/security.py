"""Who calls: the API token, one-time login codes, sessions with their CSRF token, rate limits. No HTTP in here."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bot.walltime import WallTime
from engine.clock import new_secret

TOKEN_FILE = "api-token"
SECRET_BYTES = 32
LOGIN_SECONDS = 120.0
LOGIN_CODES = 16
SESSION_IDLE_SECONDS = 12 * 3600.0
SESSIONS = 32


def read_or_make_token(home: Path) -> str:
    """The API token of ``home``: 256 random bits, made at the first run, readable by its owner alone. Raises OSError."""
    path = home / TOKEN_FILE
    home.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        token = path.read_text(encoding="ascii").strip()
        if len(token) >= 32:
            return token
        # Cut off while it was first written, or emptied by hand: a short token would be guessable.
        token = new_secret(SECRET_BYTES)
        path.write_text(token + "\n", encoding="ascii")
        return token
    token = new_secret(SECRET_BYTES)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def same_secret(given: str, expected: str) -> bool:
    """Equal, in a time that tells nothing about where they differ, nor about their lengths."""
    return hmac.compare_digest(hashlib.sha256(given.encode()).digest(), hashlib.sha256(expected.encode()).digest())


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was authenticated, by which way. ``id`` keys rate limits and the ownership of cards and jobs."""

    kind: Literal["token", "session"]
    id: str


@dataclass(slots=True)
class Session:
    id: str
    csrf: str
    used: float


class Sessions:
    """Logins of the console, in memory: a restart logs everyone out."""

    def __init__(self, wall: WallTime) -> None:
        self._wall = wall
        self._codes: OrderedDict[str, float] = OrderedDict()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def new_code(self) -> str:
        """A one-time code, good for two minutes."""
        code = new_secret(SECRET_BYTES)
        self._codes[_digest(code)] = self._wall.monotonic() + LOGIN_SECONDS
        while len(self._codes) > LOGIN_CODES:
            self._codes.popitem(last=False)
        return code

    def log_in(self, code: str) -> tuple[str, Session] | None:
        """(cookie value, session) for a code that was not used and has not expired; the code is spent."""
        deadline = self._codes.pop(_digest(code), None)
        if deadline is None or self._wall.monotonic() > deadline:
            return None
        secret = new_secret(SECRET_BYTES)
        session = Session(new_secret(8), new_secret(SECRET_BYTES), self._wall.monotonic())
        self._sessions[_digest(secret)] = session
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return secret, session

    def find(self, cookie: str) -> Session | None:
        """The live session of a cookie. Only digests are kept, so a lookup compares nothing secret byte by byte."""
        key = _digest(cookie)
        session = self._sessions.get(key)
        if session is None:
            return None
        now = self._wall.monotonic()
        if now - session.used > SESSION_IDLE_SECONDS:
            del self._sessions[key]
            return None
        session.used = now
        self._sessions.move_to_end(key)
        return session

    def log_out(self, identity: str) -> None:
        self._sessions = OrderedDict((key, s) for key, s in self._sessions.items() if s.id != identity)

    def alive(self, identity: str) -> bool:
        return any(session.id == identity for session in self._sessions.values())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Rate:
    per_second: float
    burst: float


@dataclass(slots=True)
class RateLimiter:
    """A token bucket for each key; keys that rest are forgotten."""

    wall: WallTime
    rate: Rate
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def wait(self, key: str, cost: float = 1.0) -> float:
        """0 when the call may pass (it is counted then), else the seconds after which it may."""
        now = self.wall.monotonic()
        left, at = self._buckets.get(key, (self.rate.burst, now))
        left = min(self.rate.burst, left + (now - at) * self.rate.per_second)
        if left < cost:
            self._buckets[key] = (left, now)
            return (cost - left) / self.rate.per_second
        self._buckets[key] = (left - cost, now)
        if len(self._buckets) > 4096:
            full = self.rate.burst / self.rate.per_second
            self._buckets = {k: v for k, v in self._buckets.items() if now - v[1] < full}
        return 0.0
