"""Live prices for ``/ws/prices``: all stocks every ten seconds, changes of the subscribed ones as they come.

A price stream is state, not history: what a client missed is the present value of every stock that changed since the
number it last saw. That makes resuming exact without keeping a past, and lets a slow client catch up in one message.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import orjson

from bot.services import Services
from bot.web.sockets import Outbox
from engine.broker import BrokerError, NotOffered
from engine.clock import monotonic, new_secret, wall_sleep
from engine.market import Code, Quote, Tick, Won

logger = logging.getLogger(__name__)

CHANGES_SECONDS = 0.25
BROADCAST_SECONDS = 10.0
WATCH_SECONDS = 3.0
CODES_PER_CALL = 30
CALLS_PER_BROADCAST = 30
"""The sweep may take this share of the broker's rate and no more; a larger market is swept in turns."""
SUBSCRIPTIONS = 100
SLICE = 10
SLICE_PAUSE = 0.002
"""Long enough for trading to take its turn between two slices."""
COLUMNS = ("code", "price", "change", "change_percent", "volume", "at")


class LivePrices(Protocol):
    """``engine.live_market.LiveMarket``."""

    def tick(self, code: Code) -> Tick | None: ...
    def quote(self, code: Code) -> Quote | None: ...


@dataclass(frozen=True, slots=True)
class PriceRow:
    price: Won
    change: Won
    volume: int
    at: datetime

    @property
    def change_percent(self) -> float:
        before = self.price - self.change
        return 100.0 * self.change / before if before else 0.0

    def fragment(self, code: Code) -> bytes:
        return orjson.dumps(
            [code, self.price, self.change, round(self.change_percent, 2), self.volume, round(self.at.timestamp(), 1)]
        )


@dataclass(eq=False)
class PriceClient:
    box: Outbox
    codes: set[Code] = field(default_factory=set)
    everything: bool = True
    base: int = 0
    """The number up to which everything has left for this client."""
    tip: int = 0
    """The number that the waiting message reaches."""


class PriceHub:
    def __init__(self, services: Services, live: LivePrices | None) -> None:
        self._services = services
        self._live = live
        self._rows: dict[Code, PriceRow] = {}
        self._fragments: dict[Code, bytes] = {}
        self._changed: dict[Code, int] = {}
        self._clients: set[PriceClient] = set()
        self._turn = 0
        self._note = ""
        self.epoch = new_secret(6)
        self.sequence = 0
        self._swept = -BROADCAST_SECONDS
        self.broadcasts = 0
        self.broadcast_seconds = 0.0

    def row(self, code: Code) -> PriceRow | None:
        """The last known price of a stock, from memory."""
        self._look([code])
        return self._rows.get(code)

    def recent(self) -> bool:
        """Whether all prices were asked for a moment ago, so that nobody needs to ask again."""
        return not self._note and monotonic() - self._swept < 1.5 * BROADCAST_SECONDS

    def __len__(self) -> int:
        return len(self._clients)

    # -- clients

    def join(self, client: PriceClient, *, epoch: str = "", after: int | None = None) -> None:
        """Greets with what the client lacks: the changes since ``after``, else a snapshot of everything."""
        self._look_at_all()
        resumed = epoch == self.epoch and after is not None and 0 <= after <= self.sequence
        since = after if resumed and after is not None else 0
        kind = "resumed" if resumed else "snapshot"
        client.box.put(self._message(kind, [c for c in self._fragments if self._changed[c] > since], hello=True))
        client.base = client.tip = self.sequence
        self._clients.add(client)

    def leave(self, client: PriceClient) -> None:
        self._clients.discard(client)

    def subscribe(self, client: PriceClient, codes: Iterable[Code]) -> str:
        """Adds stocks; a Korean line where some were refused."""
        listed = [code for code in codes if self._services.listing.get(code) is not None]
        room = SUBSCRIPTIONS - len(client.codes)
        client.codes.update(listed[:room])
        return "" if len(listed) <= room else f"한 번에 {SUBSCRIPTIONS}종목까지 구독합니다"

    # -- the loops

    async def run_changes(self) -> None:
        """Pick up what the stream brought for subscribed stocks, until cancelled."""
        while True:
            await wall_sleep(CHANGES_SECONDS)
            watched = self.watched()
            if watched:
                self._look(watched)
                self._send_changes()

    async def run_watch(self) -> None:
        """Ask for subscribed stocks that the stream does not carry."""
        while True:
            await wall_sleep(WATCH_SECONDS)
            await self._fetch(sorted(self.watched())[: 2 * CODES_PER_CALL])

    async def run_broadcast(self) -> None:
        """Every ten seconds of wall time: everything to everybody. Without clients nothing is asked."""
        while True:
            await wall_sleep(BROADCAST_SECONDS)
            if self._clients:
                await self._sweep()
                await self.broadcast()

    def watched(self) -> set[Code]:
        return set().union(*(client.codes for client in self._clients))

    async def broadcast(self) -> None:
        """Serialised once; handed out in slices, so that a thousand clients do not hold up the loop."""
        started = monotonic()
        self._look_at_all()
        message = self._message("all", list(self._fragments))
        for number, client in enumerate(list(self._clients)):
            if client.everything:
                client.box.put(message, "all")
            if number % SLICE == SLICE - 1:
                await wall_sleep(SLICE_PAUSE)
        self.broadcasts += 1
        self.broadcast_seconds = monotonic() - started

    def _send_changes(self) -> None:
        for client in self._clients:
            if not client.codes or client.tip >= self.sequence:
                continue
            if not client.box.holds("delta"):
                client.base = client.tip
            codes = [code for code in client.codes if self._changed.get(code, 0) > client.base]
            client.tip = self.sequence
            if codes:
                client.box.put(self._message("delta", codes), "delta")

    def _message(self, kind: str, codes: Sequence[Code], *, hello: bool = False) -> str:
        head: dict[str, object] = {
            "type": kind,
            "epoch": self.epoch,
            "seq": self.sequence,
            "at": self._services.clock.now().isoformat(),
        }
        if hello:
            head |= {
                "columns": COLUMNS,
                "source": self._services.source,
                "environment": self._services.environment.value,
            }
        if self._note:
            head["note"] = self._note
        rows = b",".join(self._fragments[code] for code in codes)
        return (orjson.dumps(head)[:-1] + b',"rows":[' + rows + b"]}").decode()

    # -- where prices come from

    def _look_at_all(self) -> None:
        self._look(stock.code for stock in self._services.listing.stocks())

    def _look(self, codes: Iterable[Code]) -> None:
        """Take over what the live market knows."""
        if self._live is None:
            return
        for code in codes:
            tick, quote = self._live.tick(code), self._live.quote(code)
            if tick is not None and (quote is None or tick.at >= quote.at):
                self._set(code, PriceRow(tick.price, tick.change, tick.cumulative_volume, tick.at))
            elif quote is not None:
                self._take(quote)

    def _take(self, quote: Quote) -> None:
        if quote.price > 0:
            self._set(quote.code, PriceRow(quote.price, quote.change, quote.volume, quote.at))

    def _set(self, code: Code, row: PriceRow) -> None:
        known = self._rows.get(code)
        if known == row or (known is not None and known.at > row.at):
            return
        self._rows[code] = row
        self._fragments[code] = row.fragment(code)
        self.sequence += 1
        self._changed[code] = self.sequence

    async def _sweep(self) -> None:
        codes = [stock.code for stock in self._services.listing.stocks()]
        limit = CALLS_PER_BROADCAST * CODES_PER_CALL
        if len(codes) > limit:
            start = self._turn % len(codes)
            codes = (codes[start:] + codes[:start])[:limit]
            self._turn += limit
        await self._fetch(codes)
        self._swept = monotonic()

    async def _fetch(self, codes: Sequence[Code]) -> None:
        for start in range(0, len(codes), CODES_PER_CALL):
            chunk = codes[start : start + CODES_PER_CALL]
            try:
                for quote in (await self._services.quotes.quotes(chunk)).values():
                    self._take(quote)
            except NotOffered:
                self._note = "모의투자는 여러 종목을 한 번에 조회할 수 없어, 실시간으로 받는 종목만 새 가격입니다"
                return
            except BrokerError as problem:
                self._note = f"시세 조회 실패: {problem}"
                return
        self._note = ""
