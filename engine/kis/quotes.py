"""Quotes, order books, indices, holidays and news titles: parsers, and the calls around them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from engine.broker import BrokerError, NewsTitle
from engine.kis import wire
from engine.kis.errors import MalformedAnswer
from engine.kis.rest import Rest
from engine.kis.values import Row, only, rows
from engine.market import BookLevel, Code, Index, IndexQuote, InvalidCode, OrderBook, Quote, StockFlag, parse_code

logger = logging.getLogger(__name__)

SWEEP = 30
"""Codes per multi-price call."""
HUNDRED_MILLION = 100_000_000

_STATUS_FLAGS = {
    "51": StockFlag.ADMINISTRATIVE,
    "52": StockFlag.RISK,
    "53": StockFlag.WARNING,
    "54": StockFlag.CAUTION,
    "58": StockFlag.HALTED,
    "59": StockFlag.OVERHEATED,
}
_WARNING_FLAGS = {"01": StockFlag.CAUTION, "02": StockFlag.WARNING, "03": StockFlag.RISK}


class UnknownCode(BrokerError):
    """The broker answers an unknown code with success and zeros."""


def _previous_close(row: Row, price: int, base: int, change: int) -> int:
    previous = price - change if price else base
    if previous <= 0:
        raise row.bad("prdy_vrss")
    return previous


def _flags(row: Row) -> frozenset[StockFlag]:
    found = set()
    if (flag := _STATUS_FLAGS.get(row.text("iscd_stat_cls_code"))) is not None:
        found.add(flag)
    if (flag := _WARNING_FLAGS.get(row.text("mrkt_warn_cls_code"))) is not None:
        found.add(flag)
    for key, flag in (
        ("temp_stop_yn", StockFlag.HALTED),
        ("sltr_yn", StockFlag.LIQUIDATION),
        ("mang_issu_cls_code", StockFlag.ADMINISTRATIVE),
        ("short_over_yn", StockFlag.OVERHEATED),
    ):
        if row.text(key) == "Y":
            found.add(flag)
    return frozenset(found)


def parse_quote(body: Mapping[str, Any], code: Code, at: datetime) -> Quote:
    """inquire-price. Raises UnknownCode, MalformedAnswer."""
    row = only(body, "output", "output1", where="현재가")
    price, base = row.count("stck_prpr", blank=None), row.count("stck_sdpr")
    if not price and not base:
        raise UnknownCode(f"없는 종목입니다: {code}")
    flags = _flags(row)
    return Quote(
        code=code,
        at=at,
        price=price,
        previous_close=_previous_close(row, price, base, row.signed("prdy_vrss", "prdy_vrss_sign")),
        open=row.count("stck_oprc"),
        high=row.count("stck_hgpr"),
        low=row.count("stck_lwpr"),
        volume=row.count("acml_vol"),
        value=row.count("acml_tr_pbmn"),
        upper_limit=row.count("stck_mxpr", blank=None),
        lower_limit=row.count("stck_llam", blank=None),
        base_price=row.price("stck_sdpr"),
        name=row.text("hts_kor_isnm"),
        halted=StockFlag.HALTED in flags,
        vi_active=row.text("vi_cls_code") not in ("", "N", "0"),
        flags=flags,
        per=row.ratio("per"),
        pbr=row.ratio("pbr"),
        market_cap=row.count("hts_avls") * HUNDRED_MILLION,
    )


def parse_many(body: Mapping[str, Any], at: datetime) -> dict[Code, Quote]:
    """intstock-multprice. Left out: codes that the broker does not know (zeros), and rows that cannot be trusted.

    One damaged row must not cost the other 29 of its sweep, nor the screening of the whole market.
    """
    found: dict[Code, Quote] = {}
    for row in rows(body, "output", "output1", where="복수 종목 시세"):
        try:
            quote = _one_of_many(row, at)
        except MalformedAnswer as problem:
            logger.warning("%s", problem)
            continue
        if quote is not None:
            found[quote.code] = quote
    return found


def _one_of_many(row: Row, at: datetime) -> Quote | None:
    price, base = row.count("inter2_prpr"), row.count("inter2_sdpr")
    if not row.has("inter_shrn_iscd") or (not price and not base):
        return None
    previous = row.count("inter2_prdy_clpr")
    return Quote(
        code=row.code("inter_shrn_iscd"),
        at=at,
        price=price,
        previous_close=previous or _previous_close(row, price, base, row.signed("inter2_prdy_vrss", "prdy_vrss_sign")),
        open=row.count("inter2_oprc"),
        high=row.count("inter2_hgpr"),
        low=row.count("inter2_lwpr"),
        volume=row.count("acml_vol"),
        value=row.count("acml_tr_pbmn"),
        upper_limit=row.count("inter2_mxpr", blank=None),
        lower_limit=row.count("inter2_llam", blank=None),
        base_price=row.price("inter2_sdpr"),
        name=row.text("inter_kor_isnm"),
        best_ask=row.count("inter2_askp"),
        best_bid=row.count("inter2_bidp"),
    )


def parse_book(body: Mapping[str, Any], code: Code, day: date) -> OrderBook:
    """inquire-asking-price-exp-ccn. Empty levels are left out."""
    row = only(body, "output1", where="호가")
    expected = rows(body, "output2", where="호가") if body.get("output2") else []

    def levels(side: str) -> tuple[BookLevel, ...]:
        found = (BookLevel(row.count(f"{side}{n}"), row.count(f"{side}_rsqn{n}")) for n in range(1, 11))
        return tuple(level for level in found if level.price)

    return OrderBook(
        code=code,
        at=row.moment(day, "aspr_acpt_hour"),
        asks=levels("askp"),
        bids=levels("bidp"),
        total_ask=row.count("total_askp_rsqn"),
        total_bid=row.count("total_bidp_rsqn"),
        expected_price=expected[0].count("antc_cnpr") if expected else 0,
        expected_volume=expected[0].count("antc_vol") if expected else 0,
    )


def parse_index(body: Mapping[str, Any], index: Index, at: datetime) -> IndexQuote:
    row = only(body, "output", "output1", where="지수")
    value, change = row.number("bstp_nmix_prpr"), row.number("bstp_nmix_prdy_vrss", blank=0.0)
    if change > 0 and row.text("prdy_vrss_sign") in ("4", "5"):
        change = -change
    if value <= 0 or value - change <= 0:
        raise row.bad("bstp_nmix_prpr")
    return IndexQuote(
        index=index,
        at=at,
        value=value,
        previous_close=round(value - change, 2),
        open=row.number("bstp_nmix_oprc", blank=0.0),
        high=row.number("bstp_nmix_hgpr", blank=0.0),
        low=row.number("bstp_nmix_lwpr", blank=0.0),
        rising=row.count("ascn_issu_cnt"),
        falling=row.count("down_issu_cnt"),
        unchanged=row.count("stnr_issu_cnt"),
    )


def parse_open_days(body: Mapping[str, Any]) -> dict[date, bool]:
    found = {}
    for row in rows(body, "output", "output1", where="휴장일"):
        flag = row.text("opnd_yn")
        if flag not in ("Y", "N"):
            raise row.bad("opnd_yn")
        found[row.day("bass_dt")] = flag == "Y"
    return found


def parse_news(body: Mapping[str, Any]) -> list[NewsTitle]:
    """Titles newest first. A title whose date cannot be read is left out: it could not be shown dated."""
    found = []
    for row in rows(body, "output", "output1", where="뉴스"):
        title = row.text("hts_pbnt_titl_cntt")
        try:
            at = row.moment(row.day("data_dt"), "data_tm")
        except MalformedAnswer:
            continue
        codes = []
        for n in range(1, 11):
            try:
                codes.append(parse_code(row.text(f"iscd{n}")))
            except InvalidCode:
                continue
        if title:
            found.append(NewsTitle(at, title, row.text("dorg"), tuple(dict.fromkeys(codes))))
    return found


class QuoteReads:
    """The quote half of MarketData."""

    _rest: Rest

    async def quote(self, code: Code) -> Quote:
        body, _ = await self._rest.read(wire.PRICE, {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": code})
        return parse_quote(body, code, self._rest.clock.now())

    async def quotes(self, codes: Sequence[Code]) -> Mapping[Code, Quote]:
        """Many quotes in sweeps of 30; an unknown code is absent. Raises NotOffered on 모의."""
        wire.MANY.tr_id(self._rest.wire)
        wanted = list(dict.fromkeys(codes))
        sweeps = [wanted[start : start + SWEEP] for start in range(0, len(wanted), SWEEP)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._sweep(sweep)) for sweep in sweeps]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        found: dict[Code, Quote] = {}
        for task in tasks:
            found.update(task.result())
        return {code: found[code] for code in wanted if code in found}

    async def _sweep(self, codes: Sequence[Code]) -> dict[Code, Quote]:
        # Unused slots are left out: the broker refuses blank ones.
        query = {}
        for n, code in enumerate(codes, 1):
            query[f"FID_COND_MRKT_DIV_CODE_{n}"] = "J"
            query[f"FID_INPUT_ISCD_{n}"] = code
        body, _ = await self._rest.read(wire.MANY, query)
        return parse_many(body, self._rest.clock.now())

    async def order_book(self, code: Code) -> OrderBook:
        body, _ = await self._rest.read(wire.BOOK, {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": code})
        return parse_book(body, code, self._rest.clock.today())

    async def index_quote(self, index: Index) -> IndexQuote:
        body, _ = await self._rest.read(wire.INDEX, {"FID_COND_MRKT_DIV_CODE": "U", "FID_INPUT_ISCD": index.value})
        return parse_index(body, index, self._rest.clock.now())

    async def open_days(self, first: date) -> Mapping[date, bool]:
        """Whether the exchange opens, from ``first`` forward (about 25 days). Ask once a day."""
        body, _ = await self._rest.read(
            wire.HOLIDAYS, {"BASS_DT": f"{first:%Y%m%d}", "CTX_AREA_FK": "", "CTX_AREA_NK": ""}
        )
        return {day: opens for day, opens in parse_open_days(body).items() if day >= first - timedelta(days=1)}

    async def news_titles(self, code: Code | None = None) -> Sequence[NewsTitle]:
        query = dict.fromkeys(
            (
                "FID_NEWS_OFER_ENTP_CODE",
                "FID_COND_MRKT_CLS_CODE",
                "FID_TITL_CNTT",
                "FID_INPUT_DATE_1",
                "FID_INPUT_HOUR_1",
                "FID_RANK_SORT_CLS_CODE",
                "FID_INPUT_SRNO",
            ),
            "",
        )
        body, _ = await self._rest.read(wire.NEWS, {**query, "FID_INPUT_ISCD": code or ""})
        return parse_news(body)
