"""Stream frames into market values. A record is delivered whole and plausible, or counted and dropped.

A frame is ``flag|TR|count|fields``: ``count`` records back to back in one ``^`` list. Records grew three times since
2024 by appended fields, so their length is what the frame says, never a constant.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from engine.broker import ExecutionNotice, IndexTick, NoticeKind, OrderKey
from engine.kis.values import FALLING_SIGNS, decimal, order_number, time_of, whole
from engine.kis.wire import BOOK_TR, INDEX_TR, NOTICE_TRS, TRADE_TR, Book, IndexRecord, Notice, Trade
from engine.market import KST, BookLevel, Index, OrderBook, Side, Tick, parse_code

FrameEvent: TypeAlias = Tick | OrderBook | IndexTick | ExecutionNotice

CLOCK_TOLERANCE = timedelta(minutes=10)
"""A record may be this far ahead of our clock; a later one has a damaged time."""
PERCENT_TOLERANCE = 0.02
AVERAGE_TOLERANCE = 0.005
WIDEST_DAY = 4.5
"""Prices of one day stay within ±30 % of the base price, except in liquidation trading and on first days (×4)."""


@dataclass(frozen=True, slots=True)
class SessionKey:
    """AES key and initial vector of one session."""

    key: bytes
    vector: bytes

    def __repr__(self) -> str:
        return "SessionKey()"

    def decrypt(self, payload: str) -> str:
        """Raises ValueError: wrong key, cut or damaged payload, or text that is not UTF-8."""
        try:
            sealed = base64.b64decode(payload, validate=True)
        except binascii.Error as error:
            raise ValueError("base64") from error
        if not sealed or len(sealed) % 16:
            raise ValueError("length")
        decryptor = Cipher(algorithms.AES(self.key), modes.CBC(self.vector)).decryptor()
        padded = decryptor.update(sealed) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode("utf-8")


def session_key(key: str, vector: str) -> SessionKey:
    """Raises ValueError."""
    if len(key) != 32 or len(vector) != 16 or not (key + vector).isascii():
        raise ValueError("key")
    return SessionKey(key.encode(), vector.encode())


class _Dropped(Exception):
    """A record that is not delivered; its text is the reason it is counted under."""


class FrameParser:
    """Parses data frames of one session. ``dropped`` counts refused frames and records by reason.

    ``subscribed`` gives the codes (or index codes) registered for a TR: a record for another one is damaged.
    """

    def __init__(self, account: str, now: Callable[[], datetime], subscribed: Callable[[str], Collection[str]]) -> None:
        self._account = account
        self._now = now
        self._subscribed = subscribed
        self.key: SessionKey | None = None
        self.dropped: Counter[str] = Counter()
        self._last_text, self._last_moment = "", now()

    def parse(self, frame: str) -> list[FrameEvent]:
        """The records of a frame in their order; what cannot be trusted is left out."""
        try:
            return self._frame(frame)
        except _Dropped as reason:
            self.dropped[str(reason)] += 1
            return []

    def _frame(self, frame: str) -> list[FrameEvent]:
        parts = frame.split("|", 3)
        if len(parts) != 4 or parts[0] not in ("0", "1"):
            raise _Dropped("not a data frame")
        flag, tr_id, count_text, payload = parts
        if not (count_text.isascii() and count_text.isdigit() and 0 < int(count_text) < 1000):
            raise _Dropped("count")
        is_notice = tr_id in NOTICE_TRS.values()
        if is_notice != (flag == "1"):
            raise _Dropped("encryption flag")
        if is_notice:
            if self.key is None:
                raise _Dropped("no key yet")
            try:
                payload = self.key.decrypt(payload)
            except ValueError:
                raise _Dropped("decryption") from None
        fields = payload.split("^")
        count = int(count_text)
        length, rest = divmod(len(fields), count)
        reader, least = self._reader(tr_id)
        # Twice the least length means several records under a damaged count.
        if rest or not (least <= length < 2 * least or (is_notice and length == Notice.OLD_LENGTH)):
            raise _Dropped(f"{tr_id} record length")
        events: list[FrameEvent] = []
        for start in range(0, len(fields), length):
            try:
                event = reader(fields[start : start + length])
            except _Dropped as reason:
                self.dropped[f"{tr_id} {reason}"] += 1
            except (ValueError, OverflowError):  # what int, time and date say about a field that is none
                self.dropped[f"{tr_id} field"] += 1
            else:
                if event is not None:
                    events.append(event)
        return events

    def _reader(self, tr_id: str) -> tuple[Callable[[list[str]], FrameEvent | None], int]:
        if tr_id == TRADE_TR:
            return self._trade, Trade.LEAST
        if tr_id == BOOK_TR:
            return self._book, Book.LEAST
        if tr_id == INDEX_TR:
            return self._index, IndexRecord.LEAST
        if tr_id in NOTICE_TRS.values():
            return self._notice, Notice.LEAST
        raise _Dropped("unknown TR")

    def _moment(self, text: str) -> datetime:
        """That time of today. Records of one second follow each other: the last one is remembered."""
        now = self._now()
        if (text, now.date()) != (self._last_text, self._last_moment.date()):
            self._last_moment = datetime.combine(now.date(), time_of(text), KST)
            self._last_text = text
        if self._last_moment > now + CLOCK_TOLERANCE:
            raise _Dropped("time ahead")
        return self._last_moment

    def _known(self, tr_id: str, code: str) -> str:
        if code not in self._subscribed(tr_id):
            raise _Dropped("not subscribed")
        return code

    def _trade(self, fields: list[str]) -> Tick:
        code = self._known(TRADE_TR, fields[Trade.CODE])
        if fields[Trade.DAY] != _day_text(self._now().date()):
            raise _Dropped("another day")
        price, volume = _count(fields[Trade.PRICE]), _count(fields[Trade.VOLUME])
        total, value = _count(fields[Trade.CUMULATIVE_VOLUME]), _count(fields[Trade.CUMULATIVE_VALUE])
        opened, high, low = _count(fields[Trade.OPEN]), _count(fields[Trade.HIGH]), _count(fields[Trade.LOW])
        ask, bid = _count(fields[Trade.ASK]), _count(fields[Trade.BID])
        change = whole(fields[Trade.CHANGE])
        if change > 0 and fields[Trade.SIGN] in FALLING_SIGNS:
            change = -change
        reference = _count(fields[Trade.VI_REFERENCE] or "0")
        halted = fields[Trade.HALTED]
        previous = price - change
        if price <= 0 or previous <= 0 or volume <= 0 or total < volume:
            raise _Dropped("price or volume")
        if halted not in ("Y", "N", "", " "):
            raise _Dropped("halt flag")
        if abs(100.0 * change / previous - decimal(fields[Trade.CHANGE_PERCENT])) > PERCENT_TOLERANCE:
            raise _Dropped("change")
        if not _plausible((ask, bid, opened, high, low, reference), price) or not low <= high:
            raise _Dropped("range")
        # A midpoint trade may lie half a tick outside the day's range.
        if low and high and (price < low * 0.99 or price > high * 1.01 or not low * 0.99 <= opened <= high * 1.01):
            raise _Dropped("range")
        # The record says its prices twice: a digit that changed on the way shows here.
        for other, distance in ((opened, Trade.FROM_OPEN), (high, Trade.FROM_HIGH), (low, Trade.FROM_LOW)):
            if other and abs(whole(fields[distance])) != abs(price - other):
                raise _Dropped("distances")
        average = decimal(fields[Trade.AVERAGE] or "0")
        if average and value and abs(value / total - average) > AVERAGE_TOLERANCE * average:
            raise _Dropped("value")
        return Tick(
            code=code,
            at=self._moment(fields[Trade.TIME]),
            price=price,
            volume=volume,
            cumulative_volume=total,
            cumulative_value=value,
            side={"1": Side.BUY, "5": Side.SELL}.get(fields[Trade.SIDE]),
            ask=ask,
            bid=bid,
            open=opened,
            high=high,
            low=low,
            change=change,
            vi_reference=reference,
            halted=halted == "Y",
        )

    def _book(self, fields: list[str]) -> OrderBook:
        code = self._known(BOOK_TR, fields[Book.CODE])
        if len(fields[Book.SESSION]) != 1 or fields[Book.SESSION] not in "0ABCD":
            raise _Dropped("session")
        asks = _levels(fields[Book.ASKS], fields[Book.ASK_QUANTITIES], rising=True)
        bids = _levels(fields[Book.BIDS], fields[Book.BID_QUANTITIES], rising=False)
        total_ask, total_bid = _count(fields[Book.TOTAL_ASK]), _count(fields[Book.TOTAL_BID])
        if total_ask < sum(level.quantity for level in asks) or total_bid < sum(level.quantity for level in bids):
            raise _Dropped("totals")
        expected, expected_volume = _count(fields[Book.EXPECTED_PRICE]), _count(fields[Book.EXPECTED_VOLUME])
        middle = asks[0].price if asks else bids[0].price if bids else 0
        if middle and not _plausible([level.price for level in asks + bids] + [expected], middle):
            raise _Dropped("prices")
        if asks and bids and fields[Book.SESSION] == "0" and not expected and asks[0].price <= bids[0].price:
            raise _Dropped("crossed")
        return OrderBook(
            code, self._moment(fields[Book.TIME]), asks, bids, total_ask, total_bid, expected, expected_volume
        )

    def _index(self, fields: list[str]) -> IndexTick:
        index = Index(self._known(INDEX_TR, fields[IndexRecord.INDEX]))
        value, change = decimal(fields[IndexRecord.VALUE]), decimal(fields[IndexRecord.CHANGE])
        percent = decimal(fields[IndexRecord.CHANGE_PERCENT])
        if fields[IndexRecord.SIGN] in FALLING_SIGNS:
            change, percent = -abs(change), -abs(percent)
        previous = value - change
        if value <= 0 or previous <= 0 or abs(100.0 * change / previous - percent) > PERCENT_TOLERANCE:
            raise _Dropped("value")
        return IndexTick(index, self._moment(fields[IndexRecord.TIME]), value, change, percent)

    def _notice(self, fields: list[str]) -> ExecutionNotice | None:
        if fields[Notice.ACCOUNT][:8] != self._account:
            raise _Dropped("another account")
        number, original = order_number(fields[Notice.NUMBER]), fields[Notice.ORIGINAL].strip().lstrip("0")
        side = {"01": Side.SELL, "02": Side.BUY}.get(fields[Notice.SIDE])
        quantity, price = _count(fields[Notice.QUANTITY]), _count(fields[Notice.PRICE])
        ordered = _count(fields[Notice.ORDER_QUANTITY] or "0")
        kind = _kind(fields)
        if side is None or kind is None:
            raise _Dropped("kind")
        if kind is NoticeKind.FILL and (quantity <= 0 or price <= 0 or (ordered and quantity > ordered)):
            raise _Dropped("fill")
        at = self._moment(fields[Notice.TIME])
        branch = fields[Notice.BRANCH].strip()
        if not (branch.isascii() and (branch.isalnum() or not branch)):
            raise _Dropped("branch")
        return ExecutionNotice(
            key=OrderKey(at.date(), branch, number),
            original=OrderKey(at.date(), branch, order_number(original)) if original else None,
            kind=kind,
            code=parse_code(fields[Notice.CODE]),
            side=side,
            quantity=quantity,
            price=price,
            order_quantity=ordered,
            at=at,
            account=self._account,
        )


def _kind(fields: list[str]) -> NoticeKind | None:
    refused, filled, state = fields[Notice.REFUSED], fields[Notice.FILLED], fields[Notice.STATE]
    if refused not in ("0", "1", "Y", "N", "") or filled not in ("1", "2") or state not in ("1", "2", "3", ""):
        return None
    if refused in ("1", "Y"):
        return NoticeKind.REJECTED
    if filled == "2":
        return NoticeKind.FILL
    if state == "3" or (state == "2" and fields[Notice.CHANGE_KIND] == "2"):
        return NoticeKind.CANCELLED
    return NoticeKind.CONFIRMED if state == "2" else NoticeKind.RECEIVED


def _count(text: str) -> int:
    """A number that is never negative: digits only. Raises ValueError."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise ValueError(text)
    return int(text)


def _counts(texts: list[str]) -> list[int]:
    """Many numbers checked at once. Raises ValueError."""
    joined = "".join(texts)
    if not (joined.isascii() and joined.isdigit()) or not 0 < min(map(len, texts)) <= max(map(len, texts)) <= 18:
        raise ValueError
    return [int(text) for text in texts]


@lru_cache(maxsize=4)
def _day_text(day: date) -> str:
    return f"{day:%Y%m%d}"


def _plausible(prices: Collection[int], price: int) -> bool:
    """Every given price (0 = none) could be one of the same day."""
    known = [other for other in prices if other]
    return not known or (price <= min(known) * WIDEST_DAY and max(known) <= price * WIDEST_DAY)


def _levels(prices: list[str], quantities: list[str], *, rising: bool) -> tuple[BookLevel, ...]:
    """Levels best first; empty ones are left out. Prices must move away from the middle."""
    found: list[BookLevel] = []
    ended = False
    for price, quantity in zip(_counts(prices), _counts(quantities), strict=True):
        if not price:
            if quantity:
                raise _Dropped("level")
            ended = True
            continue
        if ended or (found and (price <= found[-1].price if rising else price >= found[-1].price)):
            raise _Dropped("level order")
        found.append(BookLevel(price, quantity))
    return tuple(found)
