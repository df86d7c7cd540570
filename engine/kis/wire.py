"""Names of the wire: paths, TR ids per environment, and the field numbers of stream records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from engine.broker import NotOffered

Wire: TypeAlias = Literal["real", "mock"]
"""Which family of TR ids is spoken; the embedded simulator speaks either."""

_QUOTES: Final = "/uapi/domestic-stock/v1/quotations/"
_TRADING: Final = "/uapi/domestic-stock/v1/trading/"


@dataclass(frozen=True, slots=True)
class Call:
    """One REST call. ``mock`` is None where 모의 does not have it."""

    label: str
    path: str
    real: str
    mock: str | None

    def tr_id(self, wire: Wire) -> str:
        """Raises NotOffered."""
        if wire == "real":
            return self.real
        if self.mock is None:
            raise NotOffered(f"모의투자에는 없는 조회입니다: {self.label}")
        return self.mock


def _both(label: str, name: str, tr_id: str) -> Call:
    return Call(label, _QUOTES + name, tr_id, tr_id)


PRICE: Final = _both("현재가", "inquire-price", "FHKST01010100")
BOOK: Final = _both("호가", "inquire-asking-price-exp-ccn", "FHKST01010200")
DAILY: Final = _both("기간별 시세", "inquire-daily-itemchartprice", "FHKST03010100")
MINUTES_TODAY: Final = _both("당일 분봉", "inquire-time-itemchartprice", "FHKST03010200")
MINUTES_PAST: Final = Call("과거 분봉", _QUOTES + "inquire-time-dailychartprice", "FHKST03010230", None)
MANY: Final = Call("복수 종목 시세", _QUOTES + "intstock-multprice", "FHKST11300006", None)
INDEX: Final = Call("지수 현재가", _QUOTES + "inquire-index-price", "FHPUP02100000", None)
INDEX_DAILY: Final = _both("지수 기간별 시세", "inquire-daily-indexchartprice", "FHKUP03500100")
HOLIDAYS: Final = Call("휴장일", _QUOTES + "chk-holiday", "CTCA0903R", None)
NEWS: Final = _both("뉴스 제목", "news-title", "FHKST01011800")

BUY: Final = Call("매수 주문", _TRADING + "order-cash", "TTTC0012U", "VTTC0012U")
SELL: Final = Call("매도 주문", _TRADING + "order-cash", "TTTC0011U", "VTTC0011U")
AMEND_OR_CANCEL: Final = Call("정정·취소 주문", _TRADING + "order-rvsecncl", "TTTC0013U", "VTTC0013U")
BUYABLE: Final = Call("매수 가능", _TRADING + "inquire-psbl-order", "TTTC8908R", "VTTC8908R")
BALANCE: Final = Call("잔고", _TRADING + "inquire-balance", "TTTC8434R", "VTTC8434R")
ORDERS: Final = Call("주문 체결", _TRADING + "inquire-daily-ccld", "TTTC0081R", "VTTC0081R")
OLD_ORDERS: Final = Call("지난 주문 체결", _TRADING + "inquire-daily-ccld", "CTSC9215R", "VTSC9215R")

TRADE_TR: Final = "H0STCNT0"
BOOK_TR: Final = "H0STASP0"
INDEX_TR: Final = "H0UPCNT0"
NOTICE_TRS: Final[dict[Wire, str]] = {"real": "H0STCNI0", "mock": "H0STCNI9"}


class Trade:
    """H0STCNT0. 46 fields to 2026-09, 47 since; new ones are appended."""

    LEAST: Final = 46
    CODE: Final = 0
    TIME: Final = 1
    PRICE: Final = 2
    SIGN: Final = 3
    CHANGE: Final = 4
    CHANGE_PERCENT: Final = 5
    AVERAGE: Final = 6
    OPEN: Final = 7
    HIGH: Final = 8
    LOW: Final = 9
    ASK: Final = 10
    BID: Final = 11
    VOLUME: Final = 12
    CUMULATIVE_VOLUME: Final = 13
    CUMULATIVE_VALUE: Final = 14
    SIDE: Final = 21
    FROM_OPEN: Final = 26
    FROM_HIGH: Final = 29
    FROM_LOW: Final = 32
    DAY: Final = 33
    HALTED: Final = 35
    VI_REFERENCE: Final = 45


class Book:
    """H0STASP0. 59 fields to 2026-05, then 62, 63 since 2026-09."""

    LEAST: Final = 59
    CODE: Final = 0
    TIME: Final = 1
    SESSION: Final = 2
    ASKS: Final = slice(3, 13)
    BIDS: Final = slice(13, 23)
    ASK_QUANTITIES: Final = slice(23, 33)
    BID_QUANTITIES: Final = slice(33, 43)
    TOTAL_ASK: Final = 43
    TOTAL_BID: Final = 44
    EXPECTED_PRICE: Final = 47
    EXPECTED_VOLUME: Final = 48


class Notice:
    """H0STCNI0 / H0STCNI9, decrypted. 23 fields to 2025-03, 26 since; the first 18 agree."""

    OLD_LENGTH: Final = 23
    LEAST: Final = 26
    ACCOUNT: Final = 1
    NUMBER: Final = 2
    ORIGINAL: Final = 3
    SIDE: Final = 4
    CHANGE_KIND: Final = 5
    CODE: Final = 8
    QUANTITY: Final = 9
    PRICE: Final = 10
    TIME: Final = 11
    REFUSED: Final = 12
    FILLED: Final = 13
    STATE: Final = 14
    BRANCH: Final = 15
    ORDER_QUANTITY: Final = 16


class IndexRecord:
    """H0UPCNT0, 30 fields."""

    LEAST: Final = 30
    INDEX: Final = 0
    TIME: Final = 1
    VALUE: Final = 2
    SIGN: Final = 3
    CHANGE: Final = 4
    CHANGE_PERCENT: Final = 9
