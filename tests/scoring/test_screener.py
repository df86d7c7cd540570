"""The screen: stages, exclusions, partial failures, caches, both kinds of broker limits."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.cache import TimedCache
from engine.daily_store import BrokerHistory, DailyStore, _Kept
from engine.market import Bars, Environment, SecurityKind, StockFlag
from engine.ports import HistoryUnavailable
from engine.results import ScreeningReport
from engine.scorer import DAILY_BARS, Scorer
from engine.screener import Screener, ScreenerSettings, excluded_counts

from .market import CALENDAR, TODAY, SmallCandles, SmallForecasts, SmallListing, SmallMarket, running_clock, stocks_of


def screener_of(market: SmallMarket, folder: Path, **changes: object) -> tuple[Screener, SmallCandles, SmallForecasts]:
    candles, forecasts = SmallCandles(market), SmallForecasts(market.clock)
    stocks = stocks_of(market)
    store = DailyStore(folder, [BrokerHistory(market, market.clock)], market.clock, CALENDAR)
    settings = ScreenerSettings(live_candidates=12, slow_candidates=6, forecast_candidates=8, shown=5)
    screener = Screener(
        market_data=market,
        listing=SmallListing([replace(stock, **changes.get(stock.code, {})) for stock in stocks]),  # type: ignore[arg-type]
        history=store,
        candles=candles,
        forecasts=forecasts,
        clock=market.clock,
        scorer=Scorer(),
        settings=settings,
    )
    return screener, candles, forecasts


async def test_stages_exclusions_and_failures(tmp_path: Path) -> None:
    async with running_clock() as clock:
        market = SmallMarket(clock, 60)
        halted, spac, torn, etf, silent, held = (market.codes[i] for i in (3, 4, 5, 6, 7, 8))
        market.flags[halted] = frozenset({StockFlag.HALTED})
        market.broken.add(silent)
        jump = market.bars[torn]
        half = np.where(np.arange(len(jump)) < 300, 5.0, 1.0)
        market.bars[torn] = Bars(
            jump.start, jump.open * half, jump.high * half, jump.low * half, jump.close * half, jump.volume
        )
        screener, candles, forecasts = screener_of(
            market,
            tmp_path,
            **{spac: {"flags": frozenset({StockFlag.ADMINISTRATIVE})}, etf: {"kind": SecurityKind.ETF}},
        )
        steps: list[tuple[str, int, int]] = []
        report = await screener.screen([held], [market.codes[9]], lambda *step: steps.append(step))
        assert report.excluded[halted] == "거래정지"
        assert report.excluded[spac] == "관리종목"
        assert "수정되지 않은 주가" in report.excluded[torn]
        assert excluded_counts(report) == {"거래정지": 1, "관리종목": 1, "자료 이상": 1}
        assert report.failed == {silent: "일봉: KIS: 응답 없음"}
        assert report.evaluated == 60 - 5
        assert {etf, halted, spac, torn, silent}.isdisjoint(candles.asked)
        assert held in candles.asked
        assert market.codes[9] in candles.asked
        assert 12 <= len(set(candles.asked)) <= 14
        assert forecasts.asked == 8
        assert forecasts.most == 2
        totals = [r.score.total for r in report.recommendations]
        assert totals == sorted(totals, reverse=True)
        assert len(totals) == 5
        assert all(part.defined for r in report.recommendations for part in r.score.factors)
        assert "멀티 시세" in report.price_source
        assert {step[0] for step in steps} >= {"일봉", "현재가", "15분봉", "예측"}
        best = report.recommendations[0]
        assert screener.inputs(best.stock.code).digest == best.score.input_digest
        assert len(best.closes) == 60


async def screened(folder: Path, count: int = 60) -> tuple[ScreeningReport, SmallMarket]:
    async with running_clock() as clock:
        market = SmallMarket(clock, count)
        screener, _, _ = screener_of(market, folder)
        return await screener.screen(), market


async def test_same_market_same_report(tmp_path: Path) -> None:
    first, _ = await screened(tmp_path / "a")
    second, _ = await screened(tmp_path / "b")
    assert replace(first, seconds=0) == replace(second, seconds=0)


async def test_mock_says_which_prices_it_used(tmp_path: Path) -> None:
    async with running_clock() as clock:
        market = SmallMarket(clock, 30, environment=Environment.MOCK)
        screener, candles, _ = screener_of(market, tmp_path)
        report = await screener.screen([market.codes[0]], [])
        asked = market.calls["quote"]
        assert re.fullmatch(rf"개별 시세 {asked}종목 \d\d:\d\d:\d\d, 나머지 일봉 종가 2024-06-03", report.price_source)
        assert 6 <= market.calls["quote"] <= 7
        assert 6 <= len(candles.asked) <= 7
        assert report.evaluated == 30


async def test_daily_bars_are_kept_on_disk_and_extended(tmp_path: Path) -> None:
    _, market = await screened(tmp_path, 20)
    assert market.calls["daily_bars"] == 20
    async with running_clock() as clock:
        again = SmallMarket(clock, 20)
        store = DailyStore(tmp_path, [BrokerHistory(again, clock)], clock, CALENDAR)
        assert await store.open() == 20
        code = again.codes[0]
        answer = await store.daily(code, DAILY_BARS)
        assert answer.bars == again.bars[code][-DAILY_BARS:]
        assert "daily_bars" not in again.calls
    async with running_clock(time(15, 45)) as clock:
        evening = SmallMarket(clock, 20)
        store = DailyStore(tmp_path, [BrokerHistory(evening, clock)], clock, CALENDAR)
        await store.open()
        quotes = await evening.quotes(evening.codes)
        assert await store.absorb_day(TODAY, quotes) == 20
        assert store.known(code) == answer.bars
    async with running_clock() as clock:
        clock.restart(clock.now() + timedelta(days=1))
        morning = SmallMarket(clock, 20)
        store = DailyStore(tmp_path, [BrokerHistory(morning, clock)], clock, CALENDAR)
        await store.open()
        bars = (await store.daily(code, DAILY_BARS)).bars
        assert "daily_bars" not in morning.calls
        assert bars.start[-1] == np.datetime64(TODAY, "s")
        assert bars.close[-1] == quotes[code].price


async def test_broken_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await screened(tmp_path, 3)
    victim = tmp_path / "000010.npz"
    victim.write_bytes(victim.read_bytes()[:100])
    async with running_clock() as clock:
        market = SmallMarket(clock, 3)
        store = DailyStore(tmp_path, [BrokerHistory(market, clock)], clock, CALENDAR)
        assert await store.open() == 2
        assert "깨져" in caplog.text
        assert len((await store.daily("000010", DAILY_BARS)).bars) == DAILY_BARS


async def test_split_refetches_the_history(tmp_path: Path) -> None:
    _, old = await screened(tmp_path, 5)
    code = old.codes[2]
    async with running_clock() as clock:
        market = SmallMarket(clock, 5)
        whole = market.bars[code]
        market.bars[code] = Bars(
            whole.start, whole.open / 5, whole.high / 5, whole.low / 5, whole.close / 5, whole.volume
        )
        screener, _, _ = screener_of(market, tmp_path)
        await screener._history.open()
        report = await screener.screen()
        assert market.calls["daily_bars"] == 1
        assert code not in report.excluded
        assert (await screener._history.daily(code, 10)).bars.close[-1] == whole.close[-1] / 5


async def test_real_limits_leave_time(tmp_path: Path) -> None:
    """With stored histories a pass of 2,700 stocks fits 12 seconds of market time at 18 calls a second."""
    async with running_clock() as clock:
        market = SmallMarket(clock, 2_700)
        store = DailyStore(tmp_path, [BrokerHistory(market, clock)], clock, CALENDAR)
        for code in market.codes:
            store._kept[code] = _Kept(market.bars[code], "시험", clock.now(), DAILY_BARS)
        screener = Screener(
            market_data=market,
            listing=SmallListing(stocks_of(market)),
            history=store,
            candles=SmallCandles(market),
            forecasts=SmallForecasts(clock),
            clock=clock,
            scorer=Scorer(),
        )
        report = await screener.screen()
        assert report.evaluated == 2_700
        assert market.calls == {"quotes": 90, "minute_bars": 80}
        assert report.market_seconds <= 12.0
        assert len(report.recommendations) == 10


async def test_score_one_and_recommended(tmp_path: Path) -> None:
    async with running_clock() as clock:
        market = SmallMarket(clock, 15)
        screener, _, forecasts = screener_of(market, tmp_path)
        code = market.codes[0]
        one, two = await asyncio.gather(screener.score_one(code), screener.score_one(code))
        assert one.factors == two.factors
        assert market.calls["quote"] == 1
        assert forecasts.asked == 1
        market.broken.add(market.codes[1])
        with pytest.raises(HistoryUnavailable, match="응답 없음"):
            await screener.score_one(market.codes[1])
        first, second = await asyncio.gather(screener.recommended(), screener.recommended())
        assert first.value is second.value
        await clock.sleep(599)
        kept = await screener.recommended()
        assert kept.value is first.value
        assert kept.age(clock.now()).total_seconds() == pytest.approx(599, abs=0.01)
        await clock.sleep(2)
        assert (await screener.recommended()).value is not first.value


async def test_cache_shares_one_load_and_forgets_errors() -> None:
    async with running_clock() as clock:
        cache: TimedCache[str, int] = TimedCache(clock, 5)
        loads = 0

        async def load() -> int:
            nonlocal loads
            loads += 1
            await clock.sleep(1)
            if loads == 1:
                raise TemporaryErrorForTest
            return loads

        answers = await asyncio.gather(*(cache.get("a", load) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(answer, TemporaryErrorForTest) for answer in answers)
        assert loads == 1
        impatient = asyncio.create_task(cache.get("a", load))
        await clock.sleep(0.5)
        patient = asyncio.create_task(cache.get("a", load))
        await clock.sleep(0.1)
        impatient.cancel()
        assert (await patient).value == 2
        await clock.sleep(4.9)
        assert (await cache.get("a", load)).value == 2
        await clock.sleep(0.2)
        assert (await cache.get("a", load)).value == 3


class TemporaryErrorForTest(Exception):
    pass
