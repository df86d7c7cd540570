"""``KIS``: the only client of Korea Investment & Securities' OpenAPI."""

from __future__ import annotations

import logging
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from engine.broker import Broker, MarketData, Stream, TemporaryError
from engine.clock import MarketClock
from engine.kis.account import AccountReads
from engine.kis.auth import Access
from engine.kis.bars import BarReads
from engine.kis.limits import MOCK_LIMITS, REAL_LIMITS, CallLimits, KisLimits
from engine.kis.orders import OrderCommands
from engine.kis.quotes import QuoteReads
from engine.kis.rest import Rest
from engine.kis.settings import KisAddresses, KisCredentials, binding
from engine.kis.stream import KisStream
from engine.kis.transport import new_client
from engine.kis.wire import Wire
from engine.market import Environment

logger = logging.getLogger(__name__)


class KIS(QuoteReads, BarReads, AccountReads, OrderCommands):
    """Fulfils MarketData and Broker; ``stream()`` fulfils Stream.

    ``wire`` is the family of TR ids; it follows from ``environment`` except for the embedded simulator, which speaks
    either. Everything else about the environment is in the addresses. Use within one event loop.
    """

    def __init__(
        self,
        credentials: KisCredentials,
        addresses: KisAddresses,
        environment: Environment,
        clock: MarketClock,
        home: Path,
        limits: KisLimits | None = None,
        *,
        wire: Wire | None = None,
    ) -> None:
        spoken = _wire(environment, wire)
        self.environment = environment
        self.limits = limits or (REAL_LIMITS if spoken == "real" else MOCK_LIMITS)
        self._credentials = credentials
        self._addresses = addresses
        self._clock = clock
        self._wire = spoken
        self._clients = (new_client(addresses.rest_url), new_client(addresses.rest_url))
        self._limiter = CallLimits(clock, self.limits)
        self._access = Access(
            self._clients[0],
            clock,
            credentials,
            bound_to=binding(credentials, addresses, environment),
            home=home,
            time_out=self.limits.time_out,
        )
        self._rest = Rest(self._clients, clock, self._access, self._limiter, self.limits, credentials, spoken)
        self._stream: KisStream | None = None

    def __repr__(self) -> str:
        return f"KIS({self.environment.value}, {self._wire})"

    async def start(self) -> None:
        """Get a token, so that wrong keys show at once. Raises AuthenticationError.

        A broker that cannot be reached now is not an error here: every call tries again and says so itself.
        """
        try:
            await self._access.token()
        except TemporaryError as problem:
            logger.warning("한국투자증권에 아직 연결되지 않았습니다: %s", problem)

    async def close(self) -> None:
        """Close the stream with its handshake, then the connections."""
        if self._stream is not None:
            await self._stream.close()
        await self._limiter.close()
        for client in self._clients:
            await client.aclose()

    async def __aenter__(self) -> KIS:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def stream(self) -> KisStream:
        """The one session of this app key; every call gives the same."""
        if self._stream is None:
            self._stream = KisStream(
                self._access, self._clock, self._addresses, self._credentials, self._wire, self.limits
            )
        return self._stream


def _wire(environment: Environment, wire: Wire | None) -> Wire:
    if environment is Environment.SIMULATOR:
        return wire or "real"
    expected: Wire = "real" if environment is Environment.REAL else "mock"
    if wire not in (None, expected):
        raise ValueError(f"wire was {wire!r} for the environment {environment.value!r}")
    return expected


if TYPE_CHECKING:

    def _fulfils(client: KIS) -> tuple[MarketData, Broker, Stream]:
        return client, client, client.stream()
