"""Starting, stopping, arming real money, releasing protections, and the kill switch."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.reply import ButtonKind, Reply
from bot.services import Latch
from engine.market import Environment
from tests.bot.conftest import ADMIN, TRADER, VIEWER, Desk, Opener, button
from tests.bot.fakes import NOW, FakeArming, FakeSettings, FakeTrader, order_line, services


async def confirm(desk: Desk, reply: Reply, label: str, **more: object) -> Reply:
    return await desk.press(button(reply, label), desk.shown[reply.binding], **more)  # type: ignore[arg-type]


# ---------------------------------------------------------------- panic


async def test_panic_acts_at_once_and_asks_only_for_the_sale(desk: Desk) -> None:
    desk.orders.open = [order_line("A1"), order_line("A2")]
    reply = await desk.say("비상")
    assert desk.orders.calls == ["panic"]
    assert desk.trader.calls == ["stop discord:2"]
    assert "미체결 2건" in reply.text
    assert "에코프로비엠 30" in reply.text
    sold = await confirm(desk, reply, "전량 매도")
    assert desk.orders.calls == ["panic", "flatten"]
    assert "매도 주문 1건" in sold.text
    assert "체결은 알림으로" in sold.text


async def test_selling_everything_happens_once_however_often_it_is_pressed(desk: Desk) -> None:
    reply = await desk.say("비상")
    replies = await asyncio.gather(*(confirm(desk, reply, "전량 매도") for _ in range(6)))
    assert desk.orders.calls.count("flatten") == 1
    assert sum("매도 주문" in r.text for r in replies) == 1
    assert {r.text for r in replies if "매도 주문" not in r.text} == {"이미 처리한 확인입니다."}


async def test_saying_no_sells_nothing(desk: Desk) -> None:
    reply = await desk.say("비상")
    no = await confirm(desk, reply, "그만두기")
    assert "아무 일도 하지 않았습니다" in no.text
    assert "이미 처리한" in (await confirm(desk, reply, "전량 매도")).text
    assert desk.orders.calls == ["panic"]


async def test_the_sale_question_expires_and_does_not_survive_a_restart(open_desk: Opener) -> None:
    before = await open_desk()
    reply = await before.say("비상")
    before.wall.pass_(61)
    assert "확인 시간이 지났습니다" in (await confirm(before, reply, "전량 매도")).text
    reply = await before.say("비상")
    after = await open_desk(before.services, before.wall)
    late = await after.press(button(reply, "전량 매도"), before.shown[reply.binding])
    assert "확인할 것이 없습니다" in late.text + late.notice
    assert after.orders.calls == ["panic", "panic"]


async def test_panic_needs_no_database(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    async def broken(*_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    for name in ("change", "insert", "rows"):
        monkeypatch.setattr(desk.plane.store, name, broken)
    reply = await desk.say("비상")
    assert desk.orders.calls == ["panic"]
    assert "진입을 막고" in reply.text
    assert "전량 매도를 물을 수 없습니다" in reply.text


async def test_a_panic_that_fails_says_what_to_do(desk: Desk) -> None:
    desk.orders.fails = RuntimeError("journal gone")
    reply = await desk.say("비상")
    assert reply.error
    assert "증권사 앱에서" in reply.text


async def test_panic_is_not_delayed_by_slow_work(desk: Desk) -> None:
    blocked = asyncio.Event()
    render = desk.pictures.render

    async def slow(view: object) -> object:
        await blocked.wait()
        return await render(view)  # type: ignore[arg-type]

    desk.pictures.render = slow  # type: ignore[method-assign,assignment]
    charts = [asyncio.create_task(desk.say("차트 삼성전자", VIEWER)) for _ in range(20)]
    async with asyncio.timeout(5):
        reply = await desk.say("비상")
    assert "진입을 막고" in reply.text
    assert not any(task.done() for task in charts)
    blocked.set()
    await asyncio.gather(*charts)


# ---------------------------------------------------------------- real money


@pytest.fixture
async def real(open_desk: Opener) -> Desk:
    return await open_desk(services(Environment.REAL))


async def test_real_money_asks_consent_account_and_code_in_this_order(real: Desk) -> None:
    consent = await real.say("봇시작")
    assert "투자 권유가 아닙니다" in consent.text
    assert "켜져 있을 때만" in consent.text
    assert real.trader.calls == []
    account = await confirm(real, consent, "읽고 동의합니다")
    digits = button(account, "계좌 끝자리 입력")
    assert digits.kind is ButtonKind.FORM
    form = await real.dispatcher.form_of(real.incoming(message="c1/1"), digits.action)
    assert form is not None
    assert form.fields[0].secret
    wrong = await real.press(form.action, "c1/1", answers={"digits": "0000"})
    assert "계좌 끝자리가 다릅니다" in wrong.notice
    code = await real.press(form.action, "c1/1", answers={"digits": "5678"})
    assert "일회용 코드" in code.text
    bad = await real.press(button(code, "일회용 코드 입력"), "c1/1", answers={"code": "000000"})
    assert "코드가 틀렸거나" in bad.notice
    assert real.trader.calls == []
    started = await real.press(button(code, "일회용 코드 입력"), "c1/1", answers={"code": "123456"})
    assert "자동매매를 시작했습니다 (실전)" in started.text
    assert real.trader.calls == ["start discord:2"]


async def test_consent_and_account_are_asked_once_but_the_code_daily(open_desk: Opener) -> None:
    whole = services(Environment.REAL)
    desk = await open_desk(whole)
    await confirm(desk, await desk.say("봇시작"), "읽고 동의합니다")
    await desk.press("a:digits", "c1/1", answers={"digits": "5678"})
    again = await open_desk(whole, desk.wall)
    reply = await again.say("봇시작")
    assert "일회용 코드가 필요합니다" in reply.text
    await again.press("a:code", "c1/1", answers={"code": "123456"})
    assert again.trader.calls == ["start discord:2"]
    trader = again.fake(FakeTrader)
    trader.armed_until = NOW - timedelta(minutes=1)
    assert "일회용 코드가 필요합니다" in (await again.say("봇시작")).text


async def test_a_code_alone_does_not_arm_without_consent(real: Desk) -> None:
    reply = await real.press("a:code", "c1/1", answers={"code": "123456"})
    assert "동의와 계좌 확인을 먼저" in reply.notice
    assert real.trader.armed_until is None
    assert real.fake(FakeArming).used == []


async def test_without_a_code_set_up_real_money_stays_shut(open_desk: Opener) -> None:
    desk = await open_desk(services(Environment.REAL, arming=None))
    await confirm(desk, await desk.say("봇시작"), "읽고 동의합니다")
    assert "GAEMI_TOTP_SECRET" in (await desk.say("봇시작")).text
    assert desk.trader.calls == []


async def test_real_buys_need_the_code_of_the_day_and_sells_do_not(real: Desk) -> None:
    refused = await real.say("매수 삼성전자 10 71900")
    assert "실전 매수는" in refused.text
    assert real.orders.sent == []
    preview = await real.say("매도 에코프로비엠 10 71900")
    await confirm(real, preview, "매도 확정")
    real.trader.armed_until = NOW + timedelta(hours=1)
    preview = await real.say("매수 삼성전자 10 71900")
    assert preview.text.startswith("[실전]")
    real.trader.armed_until = NOW - timedelta(minutes=1)
    assert "실전 매수는" in (await real.say("매수 삼성전자 10 71900")).text
    assert len(real.orders.sent) == 1


@pytest.mark.parametrize("environment", [Environment.SIMULATOR, Environment.MOCK])
async def test_play_money_starts_at_once(open_desk: Opener, environment: Environment) -> None:
    desk = await open_desk(services(environment))
    assert "자동매매를 시작했습니다" in (await desk.say("봇시작")).text


# ---------------------------------------------------------------- entries


async def test_pause_and_approve(desk: Desk) -> None:
    await desk.say("일시정지")
    question = await desk.say("진입승인")
    assert "진입이 막혀 있습니다: 일시정지" in question.text
    opened = await confirm(desk, question, "진입 열기")
    assert "자동매매는 꺼져 있으니" in opened.text
    assert desk.orders.calls == ["allow_entries"]
    assert desk.trader.calls == ["pause", "resume"]


async def test_a_latch_is_released_one_by_one(desk: Desk) -> None:
    desk.orders.latched = [Latch("daily_loss", "일일 손실 −3%", NOW), Latch("drawdown", "낙폭 −10%", NOW)]
    question = await desk.say("진입승인")
    assert "보호 장치 2개" in question.text
    left = await confirm(desk, question, "보호 장치 풀기")
    assert "남은 보호 장치 1개" in left.text
    assert desk.orders.calls == ["unlatch daily_loss discord:2"]


async def test_releasing_a_latch_on_real_money_needs_the_code(real: Desk) -> None:
    await confirm(real, await real.say("봇시작"), "읽고 동의합니다")
    await real.press("a:digits", "c1/1", answers={"digits": "5678"})
    real.trader.armed_until = NOW + timedelta(hours=1)
    real.orders.latched = [Latch("daily_loss", "일일 손실 −3%", NOW)]
    question = await real.say("진입승인")
    yes = button(question, "보호 장치 풀기")
    assert yes.kind is ButtonKind.FORM
    plain = await real.press(yes.action.replace("yc:", "y:"), real.shown[question.binding])
    assert "일회용 코드가 필요합니다" in plain.notice
    wrong = await confirm(real, question, "보호 장치 풀기", answers={"code": "1"})
    assert "코드가 틀렸거나" in wrong.notice
    assert real.orders.calls == []
    released = await confirm(real, question, "보호 장치 풀기", answers={"code": "123456"})
    assert "모두 풀었습니다" in released.text


async def test_a_difference_is_adopted_only_as_it_was_shown(desk: Desk) -> None:
    desk.orders.differing = [("005930", 10, 7)]
    question = await desk.say("진입승인")
    assert "일지 10주, 증권사 7주" in question.text
    desk.orders.differing = [("005930", 10, 5)]
    changed = await confirm(desk, question, "증권사 수량으로")
    assert "수량이 바뀌었습니다" in changed.notice
    assert desk.orders.calls == []
    question = await desk.say("진입승인")
    await confirm(desk, question, "증권사 수량으로")
    assert desk.orders.calls == ["adopt 005930"]


async def test_entries_do_not_open_over_a_latch_that_came_meanwhile(desk: Desk) -> None:
    await desk.say("일시정지")
    question = await desk.say("진입승인")
    desk.orders.latched = [Latch("daily_loss", "일일 손실 −3%", NOW)]
    assert "보호 장치가 걸리거나" in (await confirm(desk, question, "진입 열기")).notice
    assert "allow_entries" not in desk.orders.calls


# ---------------------------------------------------------------- orders and settings


async def test_cancelling_one_and_all(desk: Desk) -> None:
    desk.orders.open = [order_line("A1"), order_line("A2"), order_line("B1", code="247540")]
    reply = await desk.say("취소 삼성전자")
    one = await desk.press(reply.buttons()[0], desk.shown[reply.binding])
    assert desk.orders.cancelled == ["A1"]
    assert "취소 접수" in one.text
    everything = await desk.say("취소")
    done = await confirm(desk, everything, "2건 모두 취소")
    assert desk.orders.cancelled == ["A1", "A2", "B1"]
    assert done.text.count("취소 접수") == 2
    assert "취소할 수 있는 주문이 아닙니다" in (await desk.press("o:A1", "c1/1")).notice


async def test_a_setting_changes_only_after_confirmation_and_as_shown(desk: Desk) -> None:
    question = await desk.say("설정 max_positions 2", ADMIN)
    assert "최대 보유: 3종목 → 2종목" in question.text
    assert "⚠" not in question.text
    await confirm(desk, question, "바꾸기", user=ADMIN)
    assert desk.fake(FakeSettings).values["max_positions"] == "2"
    question = await desk.say("설정 max_positions 5", ADMIN)
    assert "위험을 키우는" in question.text
    desk.fake(FakeSettings).values["max_positions"] = "4"
    assert "그사이 설정이 바뀌었습니다" in (await confirm(desk, question, "바꾸기", user=ADMIN)).notice


async def test_loosening_on_real_money_needs_the_code_and_tightening_does_not(real: Desk) -> None:
    loose = await real.say("설정 max_positions 5", ADMIN)
    assert button(loose, "바꾸기").kind is ButtonKind.FORM
    tight = await real.say("설정 max_positions 1", ADMIN)
    assert button(tight, "바꾸기").kind is ButtonKind.ACTION
    await confirm(real, loose, "바꾸기", user=ADMIN, answers={"code": "123456"})
    assert real.fake(FakeSettings).values["max_positions"] == "5"


async def test_scenario_b_from_search_to_order(desk: Desk) -> None:
    """Look at the stock, its forecast, the opinion, then buy with the calculator."""
    found = await desk.say("종목 에코프로비엠")
    price = await desk.press(button(found, "에코프로비엠"), "c1/1")
    score = await desk.press(button(price, "점수"), "c1/1")
    forecast = await desk.press(button(score, "예측"), "c1/1")
    assert "+1.53%" in forecast.text
    opinion = await desk.press(button(forecast, "분석"), "c1/1")
    assert "의견 매수" in opinion.text
    ticket = await desk.press(button(opinion, "주문"), "c1/1")
    assert "주문표 에코프로비엠" in ticket.text
    assert ticket.edit
    target = await desk.press(button(ticket, "목표가 계산"), "c1/1", answers={"target": "75000"})
    assert "수수료·세금 뒤" in target.text
    sized = await desk.press(button(target, "10%"), "c1/1")
    preview = await desk.press(button(sized, "주문 확인"), "c1/1")
    sent = await desk.press(button(preview, "매수 확정"), "c1/1", user=TRADER)
    assert "접수: 에코프로비엠 매수 13주 71,900원" in sent.text
