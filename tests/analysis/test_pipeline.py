"""AIPipeline without a key: every part answers by rules, says so, and its figures are the record's."""

from __future__ import annotations

import asyncio
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from engine.analysis.keeping import ReportShelf
from engine.analysis.pipeline import ReportUnavailable, UnknownStock
from engine.analysis.sentiment import RULES
from engine.analysis.words import NEWS_POINTS, news_points
from engine.ports import NewsUnavailable
from engine.results import DayReport, Sentiment, Verdict
from tests.analysis.world import DAY, EVENING, NOON, TRADE, World, headline, summary_of


async def test_a_signal_has_three_reasons_risks_and_its_author(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.items = [headline("삼성전자 급등"), headline("삼성전자, 소송 피소", 20)]
    signal = await world.pipeline.signal("005930")
    assert signal.verdict is Verdict.HOLD
    assert len(signal.reasons) == 3
    assert any("MACD" in risk for risk in signal.risks)
    assert any("피소" in risk for risk in signal.risks)
    assert signal.by == RULES
    assert 0 < signal.confidence < 1
    assert any("점수 +" in fact for fact in signal.facts)


@pytest.mark.parametrize(("scale", "verdict"), [(1.0, Verdict.BUY), (-1.0, Verdict.SELL), (0.0, Verdict.HOLD)])
async def test_the_verdict_follows_the_score(tmp_path: Path, scale: float, verdict: Verdict) -> None:
    world = World(tmp_path)
    world.scale = scale
    signal = await world.pipeline.signal("247540")
    assert signal.verdict is verdict
    assert len(signal.reasons) == 3


async def test_without_a_score_there_is_no_opinion_but_an_explanation(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.score_fails = world.news_fails = True
    signal = await world.pipeline.signal("005930")
    assert (signal.verdict, signal.confidence, signal.score) == (Verdict.HOLD, 0.0, None)
    assert any("점수를 계산하지 못했습니다" in risk for risk in signal.risks)
    assert any("뉴스를 읽지 못했습니다" in risk for risk in signal.risks)


async def test_an_unknown_code_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownStock):
        await World(tmp_path).pipeline.signal("999999")


def test_news_move_an_opinion_a_little_and_fade() -> None:
    from engine.analysis.sentiment import label_news

    fresh = label_news([headline("급등", n) for n in range(100)])
    assert 0 < news_points(fresh, NOON) <= NEWS_POINTS
    old = label_news([headline("급등", 60 * 24 * 7)])
    assert news_points(old, NOON) < 0.05


async def test_headlines_of_the_future_are_not_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.items = [headline("삼성전자 급락", -5), headline("삼성전자 급등", 5)]
    found = await world.pipeline.news("005930")
    assert [row.sentiment for row in found] == [Sentiment.POSITIVE]
    world.news_fails = True
    with pytest.raises(NewsUnavailable):
        await world.pipeline.news("005930")


async def test_the_report_states_the_record_exactly(tmp_path: Path) -> None:
    world = World(tmp_path, now=EVENING)
    report = await world.pipeline.report(DAY)
    summary = summary_of()
    for figure in (
        f"실현손익 {summary.realised:+,}원",
        f"수수료 {summary.fees:,}원",
        f"세금 {summary.taxes:,}원",
        f"평가금액 {summary.equity_end:,}원 (+0.54%)",
        "매수 2건, 매도 1건, 거부 1건",
        f"{TRADE.profit:+,}원",
        "RSI가 28로 눌려 있습니다",
        "SKC 3주",
    ):
        assert figure in report.account_text
    assert "코스피 2,512.50 (+0.50%)" in report.market_text
    assert report.sector_returns[0][1] == pytest.approx(1.4)
    assert [name for name, _ in report.sector_returns] == ["반도체", "이차전지"], "one stock is no sector"
    assert "삼성전자" in report.plan_text
    assert report.by == RULES


async def test_a_final_report_is_kept_and_read_back(tmp_path: Path) -> None:
    world = World(tmp_path, now=EVENING)
    first = await world.pipeline.after_close(summary_of())
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".md"}
    world.market_fails = True
    assert await world.pipeline.report(DAY) == first
    world.summaries.clear()
    assert await World(tmp_path, now=EVENING).pipeline.report(DAY) == first
    # The same date played again with other deeds is another day.
    world.summaries[DAY] = summary_of(journal_hash="hash-2")
    assert (await world.pipeline.report(DAY)).summary.journal_hash == "hash-2"


async def test_before_the_close_the_report_is_provisional_and_not_kept(tmp_path: Path) -> None:
    report = await World(tmp_path).pipeline.report(DAY)
    assert report.market_text.startswith("장중 잠정")
    assert not list(tmp_path.iterdir())


async def test_a_day_without_records_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(ReportUnavailable, match="2026-03-02"):
        await World(tmp_path).pipeline.report(DAY - timedelta(days=1))


async def test_a_past_day_is_not_given_the_prices_of_today(tmp_path: Path) -> None:
    world = World(tmp_path)
    yesterday = DAY - timedelta(days=1)
    world.summaries[yesterday] = summary_of(yesterday)
    report = await world.pipeline.report(yesterday)
    assert "남아 있지 않아" in report.market_text
    assert not report.sector_returns


async def test_what_could_not_be_read_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, now=EVENING)
    world.market_fails = world.news_fails = True
    report = await world.pipeline.report(DAY)
    for word in ("코스피 지수", "업종 등락", "시장 뉴스"):
        assert word in report.market_text


async def test_a_damaged_kept_report_is_written_anew(tmp_path: Path) -> None:
    world = World(tmp_path, now=EVENING)
    first = await world.pipeline.report(DAY)
    next(tmp_path.glob("*.json")).write_text("{broken")
    assert await world.pipeline.report(DAY) == first


async def test_a_simulated_night_waits_until_the_days_prices_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is asked for while the clock is free to leap to the next morning."""
    world = World(tmp_path, now=EVENING)
    read = ReportShelf._read

    def slow_disk(shelf: ReportShelf, day: date) -> DayReport | None:
        time.sleep(0.05)
        return read(shelf, day)

    monkeypatch.setattr(ReportShelf, "_read", slow_disk)
    driving = asyncio.create_task(world.clock.run())
    morning = asyncio.create_task(world.clock.sleep(17 * 3600))
    try:
        report = await world.pipeline.report(DAY)
        await morning
    finally:
        driving.cancel()
    assert "코스피" in report.market_text
    assert world.clock.today() > DAY
