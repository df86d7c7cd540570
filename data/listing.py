"""Every stock of the exchange with market and sector: FinanceDataReader, then the broker's master files, then the
last good copy with its age. Reading never waits; fetching runs beside the start.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import zipfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from data.fetcher import Fetcher, FetchFailed
from data.masters import fetch_masters
from engine.clock import wall_now
from engine.market import Code, InvalidCode, Market, SecurityKind, Stock, StockFlag, parse_code

logger = logging.getLogger(__name__)

LEAST_STOCKS: Final = 2_000
"""A list shorter than this is a broken answer: the exchange lists about 2,700."""
FRESH: Final = timedelta(hours=12)


class ListingUnavailable(Exception):
    """No source had a whole list; the message says why, in Korean."""


def _of_row(row: dict[str, Any]) -> Stock | None:
    """A stock of a FinanceDataReader row; None for markets and codes that we do not trade."""
    name, dept = row["name"], row["dept"]
    market = next((market for market in Market if row["market"].upper().startswith(market.value)), None)
    if market is None:
        return None
    flags = set()
    if "관리종목" in dept:
        flags.add(StockFlag.ADMINISTRATIVE)
    if "투자주의환기" in dept:
        flags.add(StockFlag.CAUTION)
    if "SPAC" in dept or "스팩" in name:
        flags.add(StockFlag.SPAC)
    try:
        code = parse_code(row["code"])
    except InvalidCode:
        return None
    return Stock(code, name, market, row["sector"], SecurityKind.STOCK, row["shares"], row["marcap"], frozenset(flags))


async def load_sectors(fetcher: Fetcher | None = None) -> tuple[list[Stock], str]:
    """The whole list and where it comes from. Raises ListingUnavailable; takes a minute at most."""
    reasons = []
    source = fetcher or Fetcher()
    try:
        rows = await source.ask("listing")
        stocks = [stock for row in rows if (stock := _of_row(row)) is not None]
        if len(stocks) >= LEAST_STOCKS:
            return _sorted(stocks), "FinanceDataReader"
        reasons.append(f"FinanceDataReader: {len(stocks)}종목뿐")
    except (FetchFailed, KeyError, TypeError, ValueError) as error:
        reasons.append(f"FinanceDataReader: {error}")
    finally:
        if fetcher is None:
            await source.close()
    try:
        stocks = await fetch_masters()
        if len(stocks) >= LEAST_STOCKS:
            return _sorted(stocks), "KIS 종목 마스터"
        reasons.append(f"KIS 종목 마스터: {len(stocks)}종목뿐")
    except (httpx.HTTPError, TimeoutError, zipfile.BadZipFile, OSError) as error:
        reasons.append(f"KIS 종목 마스터: {type(error).__name__} {error}".strip())
    raise ListingUnavailable("; ".join(reasons))


def _sorted(stocks: list[Stock]) -> list[Stock]:
    return sorted({stock.code: stock for stock in stocks}.values(), key=lambda stock: stock.code)


class StockListing:
    """Implements ports.Listing over a copy on disk that is renewed in the background."""

    def __init__(self, folder: Path, fetcher: Fetcher | None = None) -> None:
        self._path = folder / "listing.json"
        self._fetcher = fetcher
        self._stocks: dict[Code, Stock] = {}
        self.source = "없음"
        self.as_of: datetime | None = None
        self.problem = ""
        """Why the last renewal failed; empty after a good one."""
        self._renewal: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, folder: Path, fetcher: Fetcher | None = None) -> StockListing:
        """The last good copy at once; an old one is renewed beside the start, and so is a missing one."""
        listing = cls(folder, fetcher)
        await asyncio.to_thread(listing._read)
        if listing.as_of is None or wall_now() - listing.as_of > FRESH:
            listing._renewal = asyncio.create_task(listing.renew(), name="listing")
        return listing

    def stocks(self) -> Sequence[Stock]:
        return tuple(self._stocks.values())

    def get(self, code: Code) -> Stock | None:
        return self._stocks.get(code)

    @property
    def age(self) -> timedelta | None:
        return wall_now() - self.as_of if self.as_of else None

    async def renew(self) -> None:
        """Fetch the list; on failure keep what is there and say why in ``problem``."""
        try:
            stocks, source = await load_sectors(self._fetcher)
        except ListingUnavailable as error:
            self.problem = str(error)
            logger.warning("종목 목록을 새로 받지 못했습니다 (%s): %s", self._described(), error)
            return
        self._stocks = {stock.code: stock for stock in stocks}
        self.source, self.as_of, self.problem = source, wall_now(), ""
        await asyncio.to_thread(self._write)

    async def ready(self) -> bool:
        """Wait for a renewal under way; whether there is any stock."""
        if self._renewal is not None:
            await asyncio.shield(self._renewal)
        return bool(self._stocks)

    def _described(self) -> str:
        return (
            f"{len(self._stocks)}종목, {self.as_of:%Y-%m-%d %H:%M} 저장분 사용" if self.as_of else "저장된 목록도 없음"
        )

    def _read(self) -> None:
        try:
            stored = json.loads(self._path.read_text("utf-8"))
            stocks = [
                Stock(
                    row["code"],
                    row["name"],
                    Market(row["market"]),
                    row["sector"],
                    SecurityKind(row["kind"]),
                    row["shares"],
                    row["marcap"],
                    frozenset(StockFlag(flag) for flag in row["flags"]),
                )
                for row in stored["stocks"]
            ]
            as_of = datetime.fromisoformat(stored["as_of"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("저장된 종목 목록이 깨져 있습니다: %s (%s)", self._path, error)
            return
        self._stocks = {stock.code: stock for stock in stocks}
        self.source, self.as_of = f"{stored['source']} (저장분)", as_of

    def _write(self) -> None:
        assert self.as_of is not None
        rows = [
            {
                "code": stock.code,
                "name": stock.name,
                "market": stock.market.value,
                "sector": stock.sector,
                "kind": stock.kind.value,
                "shares": stock.listed_shares,
                "marcap": stock.market_cap,
                "flags": sorted(flag.value for flag in stock.flags),
            }
            for stock in self._stocks.values()
        ]
        stored = {"source": self.source, "as_of": self.as_of.isoformat(), "stocks": rows}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(stored, ensure_ascii=False), "utf-8")
        os.replace(temporary, self._path)
