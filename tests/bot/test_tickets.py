"""The order ticket: what is shown is what is sent, once, by the same person, on the same message, in time."""

from __future__ import annotations

import asyncio
import re

import pytest

from bot.reply import ButtonKind, Reply
from bot.services import Checked, OrderAnswer
from bot.tickets import TICKET_SECONDS
from engine.broker import OrderType
from engine.market import Holding, Side
from engine.results import BookChart, TicketPreview
from tests.bot.conftest import ADMIN, TRADER, VIEWER, Desk, Opener, button
from tests.bot.fakes import FakeAccount, FakeQuotes, order_line

M = "c1/100"
PREVIEW = "매수 삼성전자 10 71900"


async def opened(desk: Desk, line: str = "주문 삼성전자") -> tuple[Reply, str]:
    """A ticket and the message it was delivered as."""
    reply = await desk.say(line)
    return reply, desk.shown[reply.binding]


async def press(desk: Desk, reply: Reply, label: str, message: str, **more: object) -> Reply:
    return await desk.press(button(reply, label), message, **more)  # type: ignore[arg-type]


async def test_a_whole_ticket_by_buttons(desk: Desk) -> None:
    ticket, message = await opened(desk)
    assert ticket.live is not None
    assert (ticket.live.seconds, ticket.live.times) == (3.0, 100)
    assert desk.trader.books == {"005930"}
    prices = await press(desk, ticket, "호가 선택", message)
    levels = [b for b in prices.buttons() if ":lv:" in b.action]
    assert [b.label for b in levels[8:12]] == ["72,000", "71,900", "71,800", "71,700"]
    assert len(levels) == 20
    picked = await desk.press(levels[11], message)
    assert "가격 71,700원" in picked.text
    filled = await press(desk, picked, "25%", message)
    assert "수량 34주" in filled.text  # 2,500,000 won at 71,700 with commission
    calculator = button(filled, "목표가 계산")
    assert calculator.kind is ButtonKind.FORM
    form = await desk.dispatcher.form_of(desk.incoming(message=message), calculator.action)
    assert form is not None
    assert form.fields[0].name == "target"
    target = await desk.press(form.action, message, answers={"target": "75,000"})
    # 34 x (75,000 - 71,700) = 112,200 less 342 + 358 commission and 1,275 + 3,825 tax
    assert "+106,400원" in target.text
    preview = await press(desk, target, "주문 확인", message)
    assert "[시뮬레이터] 삼성전자 (005930) 매수 34주 · 71,700원" in preview.text
    assert "한도 사용: 주문 한도 21%" in preview.text
    view = desk.pictures.drawn[-1]
    assert isinstance(view, TicketPreview)
    assert (view.position_after, view.target_profit) == (34, 106_400)
    sent = await press(desk, preview, "매수 확정", message)
    assert sent.text.startswith("접수: 삼성전자 매수 34주 71,700원")
    assert "체결되면" in sent.text
    (order,) = desk.orders.sent
    assert (order.code, order.side, order.type, order.quantity, order.price, order.by) == (
        "005930",
        Side.BUY,
        OrderType.LIMIT,
        34,
        71_700,
        "discord:2",
    )
    assert desk.trader.books == set()


async def test_a_market_order_by_percent_reserves_the_upper_limit(desk: Desk) -> None:
    ticket, message = await opened(desk)
    market = await press(desk, ticket, "시장가로", message)
    full = await press(desk, market, "100%", message)
    assert "수량 109주" in full.text  # 10,000,000 // 91,700
    preview = await press(desk, full, "주문 확인", message)
    await press(desk, preview, "매수 확정", message)
    assert (desk.orders.sent[0].type, desk.orders.sent[0].price) == (OrderType.MARKET, 0)


async def test_percent_of_a_holding_when_selling(desk: Desk) -> None:
    ticket, message = await opened(desk, "매도 에코프로비엠")
    half = await press(desk, ticket, "50%", message)
    assert "매도 · 지정가" in half.text
    assert "수량 15주" in half.text
    desk.fake(FakeAccount).holdings = (Holding("247540", "에코프로비엠", 3, 3, 180_000.0, 190_000),)
    few = await press(desk, ticket, "10%", message)
    assert few.notice == "10%로는 1주도 되지 않습니다."
    assert few.text == ""


async def test_two_parallel_confirms_send_one_order(desk: Desk) -> None:
    preview, message = await opened(desk, PREVIEW)
    yes = button(preview, "매수 확정")
    replies = await asyncio.gather(*(desk.press(yes, message) for _ in range(8)))
    assert len(desk.orders.sent) == 1
    assert sum("접수" in reply.text for reply in replies) == 1
    others = [reply for reply in replies if "접수" not in reply.text]
    # Whoever comes second finds the confirmation consumed, or the ticket closed already.
    assert {reply.notice or reply.text for reply in others} <= {
        "이미 처리한 확인입니다.",
        "주문표가 닫혔거나 시간이 지났습니다. '주문'으로 다시 여세요.",
    }


async def test_the_same_interaction_twice_is_one(desk: Desk) -> None:
    preview, message = await opened(desk, PREVIEW)
    yes = button(preview, "매수 확정")
    first = await desk.press(yes, message, identity="same")
    second = await desk.press(yes, message, identity="same")
    assert "접수" in first.text
    assert second.notice == "이미 처리한 요청입니다."
    assert len(desk.orders.sent) == 1


async def test_a_confirmation_expires_after_sixty_seconds(desk: Desk) -> None:
    preview, message = await opened(desk, PREVIEW)
    desk.wall.pass_(60.5)
    late = await press(desk, preview, "매수 확정", message)
    assert "확인 시간이 지났습니다" in late.text
    assert desk.orders.sent == []
    # The ticket still lives: it can be corrected and confirmed anew.
    book = await press(desk, late, "고치기", message)
    again = await press(desk, book, "주문 확인", message)
    await press(desk, again, "매수 확정", message)
    assert len(desk.orders.sent) == 1


async def test_a_ticket_ends_before_its_message_can_no_longer_be_edited(desk: Desk) -> None:
    assert TICKET_SECONDS < 15 * 60
    ticket, message = await opened(desk)
    desk.wall.pass_(TICKET_SECONDS + 1)
    gone = await press(desk, ticket, "25%", message)
    assert "시간이 지났습니다" in gone.text
    assert gone.edit
    assert gone.rows == ()
    refreshed = await desk.dispatcher.refresh(desk.incoming(message=message), ticket.live.action if ticket.live else "")
    assert refreshed.live is None


async def test_after_a_restart_a_ticket_goes_on_and_an_old_confirmation_does_not(open_desk: Opener) -> None:
    before = await open_desk()
    preview, message = await opened(before, PREVIEW)
    after = await open_desk(before.services, before.wall)
    late = await press(after, preview, "매수 확정", message)
    assert after.orders.sent == []
    assert "확인 시간이 지났습니다" in late.text or "확인할 것이 없습니다" in (late.notice + late.text)
    book = await press(after, preview, "고치기", message)
    assert "수량 10주" in book.text
    again = await press(after, book, "주문 확인", message)
    await press(after, again, "매수 확정", message)
    assert len(after.orders.sent) == 1


async def test_a_handled_interaction_is_remembered_over_a_restart(open_desk: Opener) -> None:
    before = await open_desk()
    await before.say("관심 추가 삼성전자", identity="update-1")
    after = await open_desk(before.services, before.wall)
    assert (await after.say("관심 삭제 삼성전자", identity="update-1")).notice == "이미 처리한 요청입니다."
    assert await after.plane.store.all_watched() == ["005930"]


@pytest.mark.parametrize("user", [ADMIN, 22])
async def test_only_the_person_who_asked_can_confirm(desk: Desk, user: int) -> None:
    preview, message = await opened(desk, PREVIEW)
    foreign = await press(desk, preview, "매수 확정", message, user=user)
    assert foreign.notice == "다른 사람의 요청입니다."
    assert desk.orders.sent == []
    await press(desk, preview, "매수 확정", message)
    assert len(desk.orders.sent) == 1


async def test_a_forwarded_or_copied_message_confirms_nothing(desk: Desk) -> None:
    preview, message = await opened(desk, PREVIEW)
    assert message != "c9/1"
    assert (await press(desk, preview, "매수 확정", "c9/1")).notice == "다른 메시지의 요청입니다."
    assert desk.orders.sent == []


async def test_a_role_taken_away_between_preview_and_confirm(desk: Desk) -> None:
    from bot.access import AccessList, Permission, Platform

    preview, message = await opened(desk, PREVIEW)
    desk.plane.access.replace(Platform.DISCORD, AccessList({TRADER: Permission.VIEWER}))
    reply = await press(desk, preview, "매수 확정", message)
    assert "권한이 없습니다" in reply.text
    assert desk.orders.sent == []


async def test_a_price_that_moved_asks_again(desk: Desk) -> None:
    preview, message = await opened(desk, PREVIEW)
    desk.fake(FakeQuotes).prices["005930"] = 73_000
    again = await press(desk, preview, "매수 확정", message)
    assert "71,900원에서 73,000원" in again.text
    assert desk.orders.sent == []
    await press(desk, again, "매수 확정", message)
    assert len(desk.orders.sent) == 1


async def test_a_limit_reached_meanwhile_refuses(desk: Desk) -> None:
    preview, message = await opened(desk, PREVIEW)
    desk.orders.allowed = Checked(False, "일일 손실 한도", ())
    refused = await press(desk, preview, "매수 확정", message)
    assert "주문하지 않았습니다: 일일 손실 한도" in refused.text
    assert desk.orders.sent == []


async def test_changing_the_ticket_voids_what_was_about_to_be_confirmed(desk: Desk) -> None:
    preview, message = await opened(desk, PREVIEW)
    yes = button(preview, "매수 확정")
    book = await press(desk, preview, "고치기", message)
    await press(desk, book, "25%", message)
    late = await desk.press(yes, message)
    assert "확인 시간이 지났습니다" in late.text
    assert desk.orders.sent == []


async def test_a_forged_confirmation_id_does_nothing(desk: Desk) -> None:
    preview, message = await opened(desk, PREVIEW)
    other, other_message = await opened(desk, "매도 에코프로비엠 10 71900")
    mixed = re.sub(
        r"(?<=:ok:).*", button(other, "매도 확정").action.rpartition(":")[2], button(preview, "매수 확정").action
    )
    for action in (
        f"t:{'x' * 16}:ok:{'y' * 22}",
        mixed,
        button(preview, "매수 확정").action + "a",
        "t:",
        "t",
        "t:a:b:c:d",
    ):
        await desk.press(action, message)
        await desk.press(action, other_message)
    assert desk.orders.sent == []


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("rejected", "거부됨: 삼성전자 매수 10주 71,900원\n증권사: 주문가능금액 초과"),
        ("denied", "주문하지 않았습니다: 주문가능금액 초과"),
        ("unknown", "다시 누르지 마세요"),
        ("not_sent", "보내지 못했습니다"),
    ],
)
async def test_each_outcome_is_told_truthfully(desk: Desk, state: str, expected: str) -> None:
    preview, message = await opened(desk, PREVIEW)
    desk.orders.answer = OrderAnswer(state, "A1", "주문가능금액 초과")  # type: ignore[arg-type]
    reply = await press(desk, preview, "매수 확정", message)
    assert expected in reply.text
    assert "체결" not in reply.text
    assert reply.error


async def test_an_order_desk_that_breaks_never_invites_a_second_press(desk: Desk) -> None:
    preview, message = await opened(desk, PREVIEW)
    desk.orders.fails = RuntimeError("boom")
    reply = await press(desk, preview, "매수 확정", message)
    assert "결과를 아직 모릅니다" in reply.text
    desk.orders.fails = None
    await desk.press(button(preview, "매수 확정"), message)
    assert desk.orders.sent == []


async def test_lists_and_cancel_inside_the_ticket(desk: Desk) -> None:
    desk.orders.open = [order_line("A7"), order_line("B1", code="247540")]
    desk.orders.today = [order_line("A6", filled=10)]
    ticket, message = await opened(desk)
    fills = await press(desk, ticket, "체결", message)
    assert "10주 중 10주" in fills.text
    assert fills.live is None
    waiting = await press(desk, fills, "미체결", message)
    cancelled = await press(desk, waiting, "취소 매수 71,900원", message)
    assert desk.orders.cancelled == ["A7"]
    assert "취소 접수" in cancelled.notice
    assert "미체결 주문이 없습니다." in cancelled.text
    gone = await desk.press(f"{ticket.live.action.rpartition(':')[0]}:x:B1" if ticket.live else "", message)
    assert "취소할 수 있는 주문이 아닙니다" in gone.notice
    assert desk.orders.cancelled == ["A7"]


async def test_a_refresh_draws_the_book_anew_and_keeps_the_choices(desk: Desk) -> None:
    ticket, message = await opened(desk)
    await press(desk, ticket, "25%", message)
    desk.fake(FakeQuotes).prices["005930"] = 72_500
    assert ticket.live is not None
    fresh = await desk.dispatcher.refresh(desk.incoming(message=message), ticket.live.action)
    assert "현재가 72,500원" in fresh.text
    assert "수량 34주" in fresh.text
    assert fresh.live is not None
    view = desk.pictures.drawn[-1]
    assert isinstance(view, BookChart)
    assert view.book.best_ask == 72_500


async def test_a_refresh_under_way_neither_covers_a_preview_nor_undoes_a_press(desk: Desk) -> None:
    ticket, message = await opened(desk)
    assert ticket.live is not None
    refresh = asyncio.create_task(desk.dispatcher.refresh(desk.incoming(message=message), ticket.live.action))
    pressed = await press(desk, ticket, "100%", message)
    await refresh
    assert "수량 139주" in pressed.text
    preview = await press(desk, pressed, "주문 확인", message)
    assert "139주" in preview.text
    assert await desk.dispatcher.refresh(desk.incoming(message=message), ticket.live.action) == Reply()


async def test_a_broker_that_stumbles_does_not_end_the_live_view(desk: Desk) -> None:
    ticket, message = await opened(desk)
    assert ticket.live is not None
    desk.fake(FakeQuotes).down = True
    missed = await desk.dispatcher.refresh(desk.incoming(message=message), ticket.live.action)
    assert missed == Reply(live=ticket.live)
    desk.fake(FakeQuotes).down = False
    fresh = await desk.dispatcher.refresh(desk.incoming(message=message), ticket.live.action)
    assert "현재가" in fresh.text
    assert fresh.live == ticket.live


async def test_a_pressed_level_is_the_price_that_was_on_the_button(desk: Desk) -> None:
    ticket, message = await opened(desk)
    prices = await press(desk, ticket, "호가 선택", message)
    old = next(b for b in prices.buttons() if b.label == "71,500")
    desk.fake(FakeQuotes).prices["005930"] = 75_000
    await desk.dispatcher.refresh(desk.incoming(message=message), prices.live.action if prices.live else "")
    picked = await desk.press(old, message)
    assert "가격 71,500원" in picked.text


@pytest.mark.parametrize("field", ["price", "quantity", "target"])
@pytest.mark.parametrize(
    "text", ["1e9", "-1", "0", "\u0663", "1.5", "", "10; rm -rf", "1,00", "\uff11\uff10", "9" * 30]
)
async def test_typed_numbers_are_read_strictly(desk: Desk, field: str, text: str) -> None:
    ticket, message = await opened(desk)
    action = button(ticket, {"price": "가격 입력", "quantity": "수량 입력", "target": "목표가 계산"}[field]).action
    reply = await desk.press(action, message, answers={field: text})
    assert reply.error
    assert reply.notice
    assert reply.text == ""


async def test_viewers_and_strangers_never_open_or_press_a_ticket(desk: Desk) -> None:
    ticket, message = await opened(desk)
    for user in (VIEWER, 99):
        assert "권한이 없습니다" in (await desk.say("주문 삼성전자", user)).text
        reply = await press(desk, ticket, "25%", message, user=user)
        assert "권한이 없습니다" in reply.text
        assert await desk.dispatcher.form_of(desk.incoming(user, message), button(ticket, "가격 입력").action) is None
        assert (
            await desk.dispatcher.refresh(desk.incoming(user, message), ticket.live.action if ticket.live else "")
            == Reply()
        )


async def test_every_button_fits_the_platforms(desk: Desk) -> None:
    desk.orders.open = [order_line("order-0123456789abcdef0123456789")]
    ticket, message = await opened(desk)
    for label in ("호가 선택", "미체결", "체결"):
        reply = await press(desk, ticket, label, message)
        for one in reply.buttons():
            assert len(one.action.encode()) <= 64
            assert one.action.isascii()
        assert len(reply.rows) <= 5


async def test_without_a_record_no_order_is_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    preview, message = await opened(desk, PREVIEW)

    async def full(*_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(desk.plane.store, "change", full)
    reply = await press(desk, preview, "매수 확정", message)
    assert "기록을 남길 수 없어" in reply.text
    assert desk.orders.sent == []


async def test_a_broker_without_balance_still_shows_the_book(desk: Desk) -> None:
    desk.fake(FakeAccount).down = True
    ticket, message = await opened(desk)
    assert "잔고를 읽지 못했습니다" in ticket.text
    sell = await press(desk, ticket, "매도", message)
    assert "잔고 응답 없음" in (await press(desk, sell, "50%", message)).notice
