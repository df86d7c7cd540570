"""Listing and outside histories: order of sources, last good copy, hanging and dying children."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from datetime import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from data import listing as listing_module
from data import masters
from data.fetcher import Fetcher, FetchFailed
from data.history import market_histories
from data.listing import ListingUnavailable, StockListing, load_sectors
from data.masters import _WIDTHS, parse_master
from engine.daily_store import DailyStore
from engine.market import Market, SecurityKind, StockFlag
from engine.ports import HistoryUnavailable

from .market import CALENDAR, running_clock

CHILD = """
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(answer(request)), flush=True)
"""


def child_of(body: str) -> Fetcher:
    return Fetcher([sys.executable, "-c", f"def answer(request):\n    import os, time\n    {body}\n{CHILD}"], 5.0)


def rows(count: int) -> str:
    return (
        "{'result': [{'code': f'{n:05d}0', 'name': f'종목{n}', 'market': 'KOSDAQ GLOBAL', 'sector': '제약', "
        f"'dept': '관리종목(소속부없음)' if n == 3 else '', 'shares': 10, 'marcap': 20}} for n in range({count})]}}"
    )


async def no_masters() -> list[object]:
    raise httpx.ConnectError("no network")


async def test_listing_is_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "fetch_masters", no_masters)
    fetcher = child_of(f"return {rows(2500)}")
    first = await StockListing.open(tmp_path, fetcher)
    assert first.stocks() == ()
    assert await first.ready()
    await fetcher.close()
    assert len(first.stocks()) == 2500
    assert first.source == "FinanceDataReader"
    stock = first.get("000030")
    assert stock is not None
    assert (stock.market, stock.sector, stock.flags) == (Market.KOSDAQ, "제약", frozenset({StockFlag.ADMINISTRATIVE}))
    again = await StockListing.open(tmp_path)
    assert again.get("000030") == stock
    assert again.source == "FinanceDataReader (저장분)"
    assert again.as_of == first.as_of
    assert again._renewal is None


async def test_old_copy_stays_when_no_source_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "fetch_masters", no_masters)
    stored = {
        "source": "KIS 종목 마스터",
        "as_of": "2024-01-02T08:00:00+09:00",
        "stocks": [
            {"code": "0126Z0", "name": "새종목", "market": "KOSPI", "sector": "", "kind": "stock", "shares": 1,
             "marcap": 2, "flags": ["스팩"]}
        ],
    }  # fmt: skip
    (tmp_path / "listing.json").write_text(json.dumps(stored), "utf-8")
    fetcher = child_of(f"return {rows(7)}")
    listing = await StockListing.open(tmp_path, fetcher)
    assert await listing.ready()
    await fetcher.close()
    assert [stock.code for stock in listing.stocks()] == ["0126Z0"]
    assert listing.age is not None
    assert listing.age.days > 300
    assert "7종목뿐" in listing.problem
    assert "no network" in listing.problem


async def test_no_source_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_module, "fetch_masters", no_masters)
    fetcher = child_of("os._exit(1)")
    with pytest.raises(ListingUnavailable, match="수집 프로세스가 끝났습니다"):
        await load_sectors(fetcher)
    await fetcher.close()


async def test_hanging_child_is_replaced() -> None:
    fetcher = Fetcher(
        child_of("time.sleep(60) if request['what'] == 'slow' else None; return {'result': 1}")._command, 0.6
    )
    with pytest.raises(FetchFailed, match="초 안에"):
        await fetcher.ask("slow")
    fetcher._seconds = 5.0
    assert await fetcher.ask("quick") == 1
    await fetcher.close()


async def test_second_source_answers_when_the_first_has_bad_bars(tmp_path: Path) -> None:
    bars = "[[f'2024-05-{n:02d}', 100.0, 110.0, 90.0, 105.0, 5] for n in range(1, 31)]"
    fetcher = child_of(
        "if request['code'] == '000020': return {'error': 'HTTPError: 404'}\n"
        f"    good = {bars}\n"
        "    torn = [row[:4] + [700.0, 5] if n == 9 else row for n, row in enumerate(good)]\n"
        "    return {'result': torn if request['what'] == 'fdr' else good}"
    )
    async with running_clock(time(8, 0)) as clock:
        store = DailyStore(tmp_path, market_histories(clock, fetcher), clock, CALENDAR)
        answer = await store.daily("000010", 20)
        assert answer.source == "yfinance"
        assert len(answer.bars) == 20
        assert np.all(answer.bars.close == 105.0)
        with pytest.raises(HistoryUnavailable, match=r"FinanceDataReader: HTTPError: 404; yfinance"):
            await store.daily("000020", 20)
    await fetcher.close()


def master_line(market: Market, code: str, name: str, values: dict[int, str]) -> str:
    fields = [values.get(n, "").rjust(width) for n, width in enumerate(_WIDTHS[market])]
    return f"{code:<9}KR7000000000{name:<20}" + "".join(fields)


@pytest.mark.parametrize(("market", "length", "base"), [(Market.KOSPI, 227, 31), (Market.KOSDAQ, 221, 26)])
def test_master_files(market: Market, length: int, base: int) -> None:
    assert sum(_WIDTHS[market]) == length
    sector = "0009" if market is Market.KOSPI else "1024"
    plain = {
        0: "ST",
        3: sector,
        base + 6: "00",
        base + 19: "27931470".rjust(15, "0"),
        len(_WIDTHS[market]) - 5: "000001759",
    }
    lines = [
        master_line(market, "000020", "동화약품", plain),
        master_line(market, "0126Z0", "새 종목", plain | {base + 3: "Y", base + 5: "Y", base + 6: "02"}),
        master_line(market, "069500", "KODEX 200", plain | {0: "EF"}),
        master_line(market, "F70100026", "신주인수권", plain | {0: "SR"}),
        "short",
    ]
    first, second, fund = parse_master("\n".join(lines).encode("cp949"), market)
    assert (first.code, first.name, first.sector, first.flags) == ("000020", "동화약품", "제약", frozenset())
    assert (first.listed_shares, first.market_cap) == (27_931_470_000, 175_900_000_000)
    assert second.code == "0126Z0"
    assert second.flags == {StockFlag.HALTED, StockFlag.ADMINISTRATIVE, StockFlag.WARNING}
    assert fund.kind is SecurityKind.ETF


async def test_masters_are_downloaded_and_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        market = Market.KOSPI if "kospi" in request.url.path else Market.KOSDAQ
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("x.mst", master_line(market, "000020", "동화약품", {0: "ST"}).encode("cp949"))
        return httpx.Response(200, content=packed.getvalue())

    real = httpx.AsyncClient
    monkeypatch.setattr(
        httpx, "AsyncClient", lambda timeout: real(transport=httpx.MockTransport(answer), timeout=timeout)
    )
    stocks = await masters.fetch_masters()
    assert [stock.market for stock in stocks] == [Market.KOSPI, Market.KOSDAQ]
    assert asked == ["/common/master/kospi_code.mst.zip", "/common/master/kosdaq_code.mst.zip"]
