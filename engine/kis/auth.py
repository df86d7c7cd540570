"""The access token: cached on disk, asked for by one caller at a time, and at most once a minute.

Asking again within six hours gives the same token, and every issue sends the customer a message; so a token is used
until it is refused or nearly over.
"""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import orjson

from engine.broker import AuthenticationError, BrokerError, TemporaryError
from engine.clock import MarketClock
from engine.kis.errors import TOKEN_TOO_SOON, AnswerLost, NotDelivered, TokenUnavailable, read_error
from engine.kis.settings import KisCredentials
from engine.kis.transport import RawAnswer, exchange
from engine.market import KST

logger = logging.getLogger(__name__)

ISSUE_SPACING = timedelta(seconds=61)
"""One issue a minute; an issue whose answer was lost counts."""
REFUSED_SPACING = timedelta(seconds=5)
UNREACHED_SPACING = timedelta(seconds=1)
RENEW_BEFORE = timedelta(minutes=30)
FILE_NAME = "kis-access.json"


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    issued: datetime
    expires: datetime

    def __repr__(self) -> str:
        return f"_Token(expires={self.expires:%m-%d %H:%M})"


class Access:
    """Tokens and approval keys of one app key."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        clock: MarketClock,
        credentials: KisCredentials,
        *,
        bound_to: str,
        home: Path,
        time_out: float,
    ) -> None:
        self._client = client
        self._clock = clock
        self._credentials = credentials
        self._bound_to = bound_to
        self._path = home / FILE_NAME
        self._time_out = time_out
        self._lock = asyncio.Lock()
        self._refused = ""
        self._ask_after = clock.now()
        self._token = self._load()
        self.issues = 0
        """How often a token was asked for."""

    async def token(self) -> str:
        """A token to use now. Raises TokenUnavailable, AuthenticationError or TemporaryError.

        Never call it inside a hold: it may wait for another caller's exchange.
        """
        if (token := self._good()) is not None:
            return token.text
        async with self._lock:
            if (token := self._good()) is not None:
                return token.text
            return await self._renew()

    def refuse(self, text: str) -> None:
        """Note that the gateway did not take this token."""
        if self._token is not None and self._token.text == text:
            self._refused = text

    def refused(self, text: str) -> bool:
        """True where this token was refused and no new one was issued since."""
        return bool(self._refused) and self._refused == text

    @property
    def seconds_to_issue(self) -> float:
        """How long no new token may be asked for."""
        return max(0.0, (self._ask_after - self._clock.now()).total_seconds())

    def _good(self) -> _Token | None:
        token = self._token
        if token is None or token.text == self._refused or self._clock.now() >= token.expires - RENEW_BEFORE:
            return None
        return token

    def _fallback(self, problem: BrokerError) -> str:
        """An old token that may still work is better than none: refusals happen to live tokens too."""
        token = self._token
        if token is None or self._clock.now() >= token.expires:
            raise problem
        return token.text

    async def _renew(self) -> str:
        now = self._clock.now()
        if now < self._ask_after:
            wait = (self._ask_after - now).total_seconds()
            return self._fallback(
                TokenUnavailable(
                    f"접근토큰을 {wait:.0f}초 뒤에 다시 요청합니다", code=TOKEN_TOO_SOON, retry_after=round(wait, 3)
                )
            )
        self._ask_after = now + ISSUE_SPACING
        self.issues += 1
        try:
            answer = await self._post(
                "/oauth2/tokenP",
                {
                    "grant_type": "client_credentials",
                    "appkey": self._credentials.app_key,
                    "appsecret": self._credentials.app_secret,
                },
                label="접근토큰",
            )
        except NotDelivered as problem:
            self._ask_after = self._clock.now() + UNREACHED_SPACING
            return self._fallback(problem)
        except TemporaryError as problem:
            return self._fallback(problem)
        try:
            token = self._parse(answer)
        except AuthenticationError:
            raise
        except BrokerError as problem:
            if not isinstance(problem, TokenUnavailable | AnswerLost):
                self._ask_after = self._clock.now() + REFUSED_SPACING
            return self._fallback(problem)
        # The six-hour rule may hand back the very token that was refused: it deserves one more try.
        self._refused = ""
        self._token = token
        self._save(token)
        return token.text

    async def approval_key(self) -> str:
        """A new key for the WebSocket session. Raises BrokerError."""
        answer = await self._post(
            "/oauth2/Approval",
            {
                "grant_type": "client_credentials",
                "appkey": self._credentials.app_key,
                "secretkey": self._credentials.app_secret,
            },
            label="실시간 접속키",
        )
        body = answer.body()
        key = body.get("approval_key") if body else None
        if answer.status != 200 or not isinstance(key, str) or not _header_safe(key):
            raise _oauth_error(answer, "실시간 접속키")
        return key

    async def _post(self, path: str, content: dict[str, str], *, label: str) -> RawAnswer:
        return await exchange(
            self._client, self._clock, "POST", path, headers={}, label=label, time_out=self._time_out, content=content
        )

    def _parse(self, answer: RawAnswer) -> _Token:
        body = answer.body()
        text = body.get("access_token") if body else None
        if body is None or answer.status != 200 or not isinstance(text, str) or not _header_safe(text):
            raise _oauth_error(answer, "접근토큰")
        now = self._clock.now()
        lasts = body.get("expires_in")
        if isinstance(lasts, str) and lasts.isascii() and lasts.isdigit():
            lasts = int(lasts)
        if isinstance(lasts, bool) or not isinstance(lasts, int | float) or not 0 < lasts <= 400 * 86400:
            raise TemporaryError("접근토큰 응답의 expires_in 값이 올바르지 않습니다")
        expires = now + timedelta(seconds=lasts)
        written = body.get("access_token_token_expired")
        if isinstance(written, str):
            # A token handed back within six hours keeps its first expiry; only this text says so.
            try:
                stated = datetime.strptime(written.strip(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=KST)
            except ValueError:
                stated = expires
            if now < stated < expires:
                expires = stated
        return _Token(text, now, expires)

    def _load(self) -> _Token | None:
        try:
            stored = orjson.loads(self._path.read_bytes())
            if stored["bound_to"] != self._bound_to:
                return None
            token = _Token(
                stored["access"], datetime.fromisoformat(stored["issued"]), datetime.fromisoformat(stored["expires"])
            )
            if not _header_safe(token.text):
                return None
            # Issued later than now: the file is of another simulated day, or the host's clock was set back.
            return token if token.issued <= self._clock.now() < token.expires else None
        except FileNotFoundError:
            return None
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            logger.warning("접근토큰 파일을 읽지 못해 새로 받습니다: %s", self._path.name)
            return None

    def _save(self, token: _Token) -> None:
        content = orjson.dumps(
            {
                "bound_to": self._bound_to,
                "access": token.text,
                "issued": token.issued.isoformat(),
                "expires": token.expires.isoformat(),
            }
        )
        partial = self._path.with_name(f".{FILE_NAME}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.unlink(missing_ok=True)
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            logger.warning("접근토큰을 저장하지 못했습니다(이번 실행에서는 계속 사용): %s", error.strerror)


def _header_safe(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _oauth_error(answer: RawAnswer, label: str) -> BrokerError:
    body = answer.body()
    if body is None:
        return AnswerLost(f"{label}: 응답을 읽을 수 없습니다 (HTTP {answer.status})")
    code = str(body.get("error_code") or body.get("msg_cd") or "").strip()
    message = str(body.get("error_description") or body.get("msg1") or label)
    if code == TOKEN_TOO_SOON:
        return TokenUnavailable(f"{message} ({code})", code=code, retry_after=ISSUE_SPACING.total_seconds())
    if not code:
        return TemporaryError(f"{label}: 응답이 올바르지 않습니다 (HTTP {answer.status})")
    return read_error(answer.status, code, message)
