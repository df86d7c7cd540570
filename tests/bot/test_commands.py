"""Every command as a new user types it, in both languages, and everything that can be off or down."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.access import Incoming
from bot.reply import DISCORD_TEXT, Reply
from engine.market import Environment
from engine.results import (
    BookChart,
    CandleChart,
    Heatmap,
    IntradayChart,
    PortfolioView,
    RecommendationTable,
    ScoreCard,
)
from tests.bot.conftest import ADMIN, TRADER, VIEWER, Desk, Opener, button
from tests.bot.fakes import FakeAnalysis, FakeBacktests, FakeCandles, FakeForecasts, FakeQuotes, order_line, services

# line, who, what the answer must hold, the picture's input
LINES = [
    ("시세 삼성전자", VIEWER, "71,900원 ▲1,300 (+1.84%)", None),
    ("/price 005930", VIEWER, "삼성전자 (005930 · KOSPI)", None),
    ("시세 ㅅㅅㅈㅈ", VIEWER, "삼성전자 (005930", None),
    ("시세 0126z0", VIEWER, "삼성에피스홀딩스", None),
    ("지수", VIEWER, "코스피 2,650.25 ▲10.25 (+0.39%)", "IndexPanel"),
    ("차트 삼성전자", VIEWER, "삼성전자 일봉", "CandleChart"),
    ("차트 삼성전자 15분", VIEWER, "삼성전자 15분", "CandleChart"),
    ("/chart@gaemi_bot 005930 60m", VIEWER, "60분", "CandleChart"),
    ("차트 삼성전자 당일", VIEWER, "당일", "IntradayChart"),
    ("호가 에코프로비엠", VIEWER, "매도1 71,900원", "BookChart"),
    ("종목", VIEWER, "전 종목 8개", None),
    ("종목 2", VIEWER, "전 종목 8개", None),
    ("종목 상승", VIEWER, "1. ", None),
    ("종목 거래대금", VIEWER, "거래대금 순위", None),
    ("종목 검색 에코", VIEWER, "에코프로비엠", None),
    ("종목 ㅇㅋㅍㄹ", VIEWER, "에코프로", None),
    ("추천", VIEWER, "2,700종목 평가, 55점 이상 3종목", "RecommendationTable"),
    ("점수 삼성전자", VIEWER, "+54.0점 · 관망", "ScoreCard"),
    ("예측 에코프로비엠", VIEWER, "80% 구간 66,000원 ~ 80,000원", "PredictionChart"),
    ("모델", VIEWER, "실력이 증명되지 않았습니다.", None),
    ("분석 에코프로비엠", VIEWER, "의견 매수 · 확신 72%", "SignalCard"),
    ("뉴스 삼성전자", VIEWER, "[긍정] [가상] 삼성전자, 실적 개선 기대", "NewsCard"),
    ("리포트", VIEWER, "시장은 올랐습니다.", None),
    ("리포트 2026-03-02", TRADER, "계좌: 현금 1원", "ReportCard"),
    ("백테스트 삼성전자 60", VIEWER, "누적 +12.00%", "BacktestReport"),
    ("주문 삼성전자", TRADER, "주문표 삼성전자 (005930)", "BookChart"),
    ("매수 삼성전자", TRADER, "매수 · 지정가 · 가격 71,900원", "BookChart"),
    ("매수 삼성전자 10 71900", TRADER, "드는 돈 약 719,", "TicketPreview"),
    ("매수 삼성전자 10주 71,900원", TRADER, "매수 10주 · 71,900원", "TicketPreview"),
    ("매수 삼성전자 10 시장가", TRADER, "매수 10주 · 시장가", "TicketPreview"),
    ("매도 에코프로비엠 10 71900", TRADER, "주문 뒤 보유 20주", "TicketPreview"),
    ("취소", TRADER, "취소할 미체결 주문이 없습니다.", None),
    ("주문내역", TRADER, "주문이 없습니다.", None),
    ("잔고", TRADER, "평가금액 15,700,000원", None),
    ("포트폴리오", TRADER, "손절 175,000원 · 목표 189,000원", "PortfolioView"),
    ("히트맵", TRADER, "내 보유 종목 1종목 +1.06%", "Heatmap"),
    ("히트맵 시장", VIEWER, "시장 전체", "Heatmap"),
    ("성과", TRADER, "승률 100%", "PortfolioView"),
    ("관심 추가 삼성전자", TRADER, "삼성전자를 관심 종목에 넣었습니다.", None),
    ("관심", TRADER, "관심 종목 0개", None),
    ("알림", TRADER, "접수: 조용히", None),
    ("알림 접수 끔", TRADER, "접수 알림을 '끔'", None),
    ("봇시작", TRADER, "자동매매를 시작했습니다 (시뮬레이터).", None),
    ("봇중지", TRADER, "자동매매를 멈췄습니다.", None),
    ("일시정지", TRADER, "새 진입을 멈췄습니다.", None),
    ("진입승인", TRADER, "진입은 이미 열려 있습니다.", None),
    ("비상", TRADER, "진입을 막고 미체결 0건", None),
    ("halt", TRADER, "비상", None),
    ("상태", VIEWER, "○ 자동매매 꺼짐", None),
    ("점검", VIEWER, "점검 2가지 모두 정상입니다.", None),
    ("설정", ADMIN, "최대 보유 [max_positions] = 3종목 (1 ~ 10)", None),
    ("도움말", VIEWER, "시세 (price)", None),
    ("도움말 차트", VIEWER, "사용법: 차트 <종목> [간격]", None),
]


@pytest.mark.parametrize(("line", "user", "expected", "picture"), LINES, ids=[line for line, *_ in LINES])
async def test_a_command_answers_with_its_figures_and_picture(
    desk: Desk, line: str, user: int, expected: str, picture: str | None
) -> None:
    reply = await desk.say(line, user)
    assert expected in reply.text, reply.text
    assert not reply.error
    drawn = reply.picture.alternative if reply.picture else None
    assert drawn == picture
    assert all(len(part) <= DISCORD_TEXT for part in [reply.text]) or line == "도움말"


async def test_every_command_is_driven_above(desk: Desk) -> None:
    driven = {desk.plane.registry.find(line.split()[0]).name_en for line, *_ in LINES}
    assert driven == {command.name_en for command in desk.plane.registry.commands()}


@pytest.mark.parametrize("line", [line for line, *_ in LINES])
async def test_every_command_answers_in_english_too(desk: Desk, line: str) -> None:
    reply = await desk.dispatcher.run_line(desk.incoming(ADMIN, language="en-US"), line)
    assert reply.text
    assert "{" not in reply.text


@pytest.mark.parametrize(
    "line", [line for line, *_ in LINES if line.split()[0] not in ("도움말", "알림", "비상", "halt", "봇시작")]
)
async def test_what_shows_data_is_dated_and_says_where_it_comes_from(desk: Desk, line: str) -> None:
    reply = await desk.say(line, ADMIN)
    assert "기준 03-0" in reply.text
    assert "시뮬레이터(가상)" in reply.text


@pytest.mark.parametrize("line", ["추천", "점수 삼성전자", "예측 삼성전자", "백테스트 삼성전자", "분석 삼성전자"])
async def test_opinions_carry_the_disclaimer(desk: Desk, line: str) -> None:
    reply = await desk.say(line, VIEWER)
    assert "투자 권유가 아닙니다" in reply.text


WRONG = [
    ("", "모르는 명령입니다"),
    ("사줘 삼성전자", "모르는 명령입니다"),
    ("시세", "'종목'이 빠졌습니다. 사용법: 시세 <종목>"),
    ("시세 없는회사", "맞는 종목이 없습니다"),
    ("시세 삼성", "여럿입니다"),
    ("시세 '; DROP TABLE ticket;--", "맞는 종목이 없습니다"),
    ("시세 " + "ㅅ" * 500, "맞는 종목이 없습니다"),
    ("시세 999999", "맞는 종목이 없습니다"),
    ("시세 \uff10\uff10\uff15\uff19\uff13\uff10", "맞는 종목이 없습니다"),
    ("차트 삼성전자 3분", "고를 수 없습니다"),
    ("차트 SKC 15분", "완성된 분봉이 아직 없습니다"),
    ("지수 코스피", "남는 말이 있습니다"),
    ("매수 삼성전자 1e9 71900", "수량이 아닙니다"),
    ("매수 삼성전자 -1 71900", "수량이 아닙니다"),
    ("매수 삼성전자 0 71900", "1 이상"),
    ("매수 삼성전자 ٣ 71900", "수량이 아닙니다"),
    ("매수 삼성전자 1.5 71900", "수량이 아닙니다"),
    ("매수 삼성전자 1,00 71900", "수량이 아닙니다"),
    ("매수 삼성전자 10 71950", "호가 단위(100원)에 맞지 않습니다"),
    ("매수 삼성전자 10 99900", "49,500원 ~ 91,700원 안이어야"),
    ("매수 삼성전자 10 공짜", "가격이 아닙니다"),
    ("매도 삼성전자 10 71900", "매도할 수 있는 수량은 0주"),
    ("백테스트 삼성전자 1", "5 이상"),
    ("백테스트 삼성전자 60 -5%", "쓸 수 없습니다"),
    ("백테스트 삼성전자 60 nan", "쓸 수 없습니다"),
    ("리포트 2030-01-01", "날짜가 아니거나 미래"),
    ("리포트 어제", "날짜가 아니거나"),
    ("관심 추가", "종목을 함께 보내세요"),
    ("알림 접수 크게", "고를 수 없습니다"),
    ("종목 검색", "검색어를 함께"),
    ("설정 없는것 3", "설정이 없습니다"),
    ("설정 max_positions 99", "1 ~ 10 안이어야"),
    ("설정 max_positions 1e1", "숫자가 아닙니다"),
    ("설정 account 1", "대화에서 바꿀 수 없습니다"),
    ("도움말 없는명령", "모르는 명령입니다"),
]


@pytest.mark.parametrize(("line", "expected"), WRONG)
async def test_wrong_input_gets_one_clear_line_and_changes_nothing(desk: Desk, line: str, expected: str) -> None:
    reply = await desk.say(line, ADMIN)
    assert expected in reply.text
    assert reply.error
    assert reply.picture is None
    assert "\n" not in reply.text
    assert desk.orders.sent == []
    assert desk.trader.calls == []


async def test_several_matches_offer_a_button_each_that_carries_the_command_on(desk: Desk) -> None:
    reply = await desk.say("차트 삼성 15분", VIEWER)
    pressed = await desk.press(button(reply, "삼성전자"), "c1/1", VIEWER)
    assert "삼성전자 15분" in pressed.text
    assert pressed.edit


@pytest.mark.parametrize(
    ("part", "line", "word"),
    [
        ("research", "추천", "선별·점수"),
        ("research", "점수 삼성전자", "선별·점수"),
        ("forecasts", "예측 삼성전자", "예측"),
        ("model", "모델", "모델"),
        ("analysis", "분석 삼성전자", "분석·뉴스"),
        ("analysis", "리포트", "분석·뉴스"),
        ("backtests", "백테스트 삼성전자", "백테스트"),
        ("health", "점검", "점검"),
        ("settings", "설정", "설정"),
    ],
)
async def test_a_part_that_is_off_says_so_and_why(open_desk: Opener, part: str, line: str, word: str) -> None:
    off = {name: "설정이 없습니다" for name in ("screener", "forecasts", "model", "analysis", "backtest")}
    parts: dict[str, Any] = {part: None, "off": off}
    desk = await open_desk(services(**parts))
    reply = await desk.say(line, ADMIN)
    assert reply.error
    assert f"{word} 기능이 꺼져 있습니다" in reply.text


async def test_a_broker_that_is_down_is_told_in_one_line(desk: Desk) -> None:
    desk.fake(FakeQuotes).down = True
    reply = await desk.say("시세 삼성전자", VIEWER)
    assert reply.error
    assert "응답 없음" in reply.text


async def test_a_defect_is_one_line_without_its_insides(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(code: str) -> None:
        raise RuntimeError("secret-canary")

    desk.services.quotes.quote = broken  # type: ignore[method-assign,assignment]
    reply = await desk.say("시세 삼성전자", VIEWER)
    assert reply.error
    assert "secret-canary" not in reply.text
    assert "RuntimeError" in reply.text
    assert "a handler failed" in caplog.text


async def test_without_a_picture_the_text_stands_alone_and_says_so(desk: Desk) -> None:
    desk.pictures.broken = True
    reply = await desk.say("차트 삼성전자", VIEWER)
    assert reply.picture is None
    assert "그림을 만들지 못해" in reply.text
    assert "71,900원" in reply.text


async def test_the_mock_environment_says_what_it_does_not_offer(open_desk: Opener) -> None:
    desk = await open_desk(services(Environment.MOCK))
    desk.fake(FakeQuotes).multi = False
    for line in ("종목 상승", "히트맵 시장"):
        reply = await desk.say(line, VIEWER)
        assert "모의투자에서는" in reply.text


async def test_a_forecast_that_is_absent_says_why(open_desk: Opener) -> None:
    desk = await open_desk(services(forecasts=FakeForecasts(absent="상장한 지 1년이 안 되었습니다")))
    reply = await desk.say("예측 삼성전자", VIEWER)
    assert "상장한 지 1년이 안 되었습니다" in reply.text
    assert reply.picture is None


async def test_ai_text_is_marked_with_its_model(open_desk: Opener) -> None:
    desk = await open_desk(services(analysis=FakeAnalysis(by="gemini-x")))
    assert "AI 생성 · gemini-x" in (await desk.say("분석 삼성전자", VIEWER)).text
    assert "규칙으로 작성" in (await desk.say("뉴스 삼성전자", VIEWER)).text


async def test_a_viewer_never_sees_the_account(desk: Desk) -> None:
    desk.orders.open = [order_line()]
    for line in ("호가 에코프로비엠", "차트 에코프로비엠", "차트 에코프로비엠 15분", "리포트", "히트맵", "상태"):
        reply = await desk.say(line, VIEWER)
        assert "5678" not in reply.text, line
        assert "계좌:" not in reply.text
    for view in desk.pictures.drawn:
        assert getattr(view, "own_orders", ()) == ()
        assert getattr(view, "marks", ()) == ()
        assert getattr(view, "stop_price", None) is None
        assert not isinstance(view, PortfolioView)
        assert view.stamp.account_tail == ""
    kinds = {type(view) for view in desk.pictures.drawn}
    assert kinds == {BookChart, CandleChart, Heatmap}


async def test_a_trader_sees_own_orders_and_stops_in_pictures(desk: Desk) -> None:
    desk.orders.open = [order_line(code="247540")]
    await desk.say("호가 에코프로비엠")
    await desk.say("차트 에코프로비엠 15분")
    book, chart = desk.pictures.drawn
    assert isinstance(book, BookChart)
    assert [line.order_id for line in book.own_orders] == ["A1"]
    assert isinstance(chart, CandleChart)
    assert chart.stop_price == 175_000.0


async def test_missing_minute_bars_are_fetched_once_asked_for(open_desk: Opener) -> None:
    candles = FakeCandles(can=True)
    desk = await open_desk(services(candles=candles))
    assert "SKC 15분" in (await desk.say("차트 SKC 15분", VIEWER)).text
    assert candles.asked == ["011790"]


async def test_views_switch_in_place(desk: Desk) -> None:
    first = await desk.say("차트 삼성전자", VIEWER)
    second = await desk.press(button(first, "당일"), "c1/5", VIEWER)
    assert second.edit
    before: object = desk.pictures.drawn[-1]
    assert isinstance(before, IntradayChart)
    third = await desk.press(button(second, "점수"), "c1/5", VIEWER)
    assert third.edit
    after: object = desk.pictures.drawn[-1]
    assert isinstance(after, ScoreCard)


async def test_long_work_shows_progress_and_can_be_cancelled_by_its_owner_only(open_desk: Opener) -> None:
    backtests = FakeBacktests(wait=asyncio.Event())
    desk = await open_desk(services(backtests=backtests))
    shown: list[Reply] = []

    async def show(reply: Reply) -> None:
        shown.append(reply)

    running = asyncio.create_task(
        desk.dispatcher.run(desk.incoming(VIEWER), "백테스트", {"종목": "삼성전자", "기간": "60"}, show)
    )
    while not shown:
        await asyncio.sleep(0)
    stop = shown[0].buttons()[0]
    assert "백테스트 중" in shown[0].text
    foreign = await desk.press(stop, "c1/1", TRADER)
    assert foreign.notice == "이미 끝난 작업입니다."
    assert not running.done()
    assert (await desk.press(stop, "c1/1", VIEWER)).notice == "작업을 취소합니다."
    assert (await running).text == "작업을 취소했습니다."
    assert (await desk.press(stop, "c1/1", VIEWER)).notice == "이미 끝난 작업입니다."


async def test_a_person_has_a_few_works_at_a_time(open_desk: Opener) -> None:
    backtests = FakeBacktests(wait=asyncio.Event())
    desk = await open_desk(services(backtests=backtests))

    async def show(reply: Reply) -> None: ...

    async def run() -> Reply:
        return await desk.dispatcher.run(desk.incoming(VIEWER), "backtest", {"stock": "삼성전자"}, show)

    running = [asyncio.create_task(run()) for _ in range(4)]
    while not any(task.done() for task in running):
        await asyncio.sleep(0)
    assert "진행 중인 작업이 3개" in next(task.result().text for task in running if task.done())
    backtests.wait.set()
    await asyncio.gather(*running)
    assert len(backtests.asked) == 3


async def test_progress_that_cannot_be_shown_does_not_stop_the_work(desk: Desk) -> None:
    async def show(reply: Reply) -> None:
        raise ConnectionError("chat is down")

    reply = await desk.dispatcher.run(desk.incoming(VIEWER), "추천", {}, show)
    assert "2,700종목 평가" in reply.text
    assert isinstance(desk.pictures.drawn[-1], RecommendationTable)


async def test_the_watch_list_is_per_person_and_bounded(desk: Desk) -> None:
    await desk.say("관심 추가 삼성전자")
    assert "이미 관심 종목" in (await desk.say("관심 삼성전자")).text
    assert "관심 종목 0개" in (await desk.say("관심", ADMIN)).text
    reply = await desk.say("관심")
    removed = await desk.press(button(reply, "✕ 삼성전자"), "c1/9")
    assert "뺐습니다" in removed.text
    assert await desk.plane.store.all_watched() == []


async def test_named_arguments_in_either_language(desk: Desk) -> None:
    for names in ({"stock": "삼성전자", "interval": "15m"}, {"종목": "005930", "간격": "15분"}):
        reply = await desk.dispatcher.run(desk.incoming(VIEWER), "chart", names)
        assert "15분" in reply.text
    wrong = await desk.dispatcher.run(desk.incoming(VIEWER), "chart", {"stock": "삼성전자", "color": "red"})
    assert "모르는 인자입니다: color" in wrong.text


async def test_the_console_has_no_interaction_ids_and_still_works(desk: Desk) -> None:
    from bot.access import Platform

    incoming = Incoming(desk.sender(1, Platform.CONSOLE), "", desk.wall.now())
    for _ in range(2):
        assert "71,900원" in (await desk.dispatcher.run_line(incoming, "시세 삼성전자")).text
