"""A day at the desk as a script, and its transcript. Front ends can run the same script and compare.

A step is a typed line, ``>label`` (press the button of the last answer), or ``>label=text`` (press a form button and
fill its one field).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.alert_texts import AlertWriter
from bot.reply import Reply
from engine import events as e
from engine.market import Side
from tests.bot.conftest import Desk, button
from tests.bot.fakes import NOW, order_line, score, summary, trade

SCRIPT = (
    "봇시작",
    "추천",
    "점수 에코프로비엠",
    ">예측",
    ">분석",
    ">주문",
    ">호가 선택",
    ">71,800",
    ">25%",
    ">목표가 계산=75,000",
    ">주문 확인",
    ">매수 확정",
    "주문내역",
    "히트맵",
    "백테스트 삼성전자 60",
    "알림 접수 켬",
    "상태",
    "비상",
    ">전량 매도",
    "진입승인",
    "리포트",
)

_ORDER = {"at": NOW, "order_id": "A1", "code": "005930", "name": "삼성전자", "quantity": 100, "price": 93_000}

EVENTS: tuple[e.Event, ...] = (
    e.BotStarted(at=NOW, by="discord:2"),
    e.EntryDecided(at=NOW, code="005930", name="삼성전자", score=score(points=67 / 9), price=93_000, quantity=100),
    e.OrderAccepted(**_ORDER, side=Side.BUY),  # type: ignore[arg-type]
    e.OrderFilled(
        **_ORDER,  # type: ignore[arg-type]
        side=Side.BUY,
        filled_total=100,
        average_price=93_000.0,
        complete=True,
    ),
    e.StopRaised(at=NOW, code="005930", name="삼성전자", old=90_200, new=91_500, reason="15분봉 FVG"),
    e.ConnectionLost(at=NOW, what="실시간 시세", reason="응답 없음"),
    e.ConnectionRestored(at=NOW, what="실시간 시세"),
    e.PositionClosed(at=NOW, trade=trade(4_836)),
    e.DayEnded(at=NOW, summary=summary()),
)


def rendered(reply: Reply) -> list[str]:
    lines = [f"  {line}" for line in reply.text.splitlines()]
    if reply.notice:
        lines.append(f"  (알림줄) {reply.notice}")
    if reply.picture is not None:
        lines.append(f"  [그림 {reply.picture.alternative}]")
    if reply.document is not None:
        lines.append(f"  [파일 {reply.document.name}]")
    lines += ["  " + " ".join(f"<{one.label}>" for one in row) for row in reply.rows]
    return lines


async def transcript(desk: Desk, steps: Sequence[str] = SCRIPT) -> str:
    """What the person typed and saw, line by line; free of ids and of the wall clock."""
    lines: list[str] = []
    last, message = Reply(), ""
    for number, step in enumerate(steps):
        if step == "비상":
            desk.orders.open = [order_line("A9")]
        if step.startswith(">"):
            label, _, text = step[1:].partition("=")
            pressed = button(last, label)
            answers = None
            if text:
                form = await desk.dispatcher.form_of(desk.incoming(message=message), pressed.action)
                assert form is not None
                answers = {form.fields[0].name: text}
            reply = await desk.press(pressed, message, answers=answers)
        else:
            reply = await desk.say(step)
            message = desk.shown.get(reply.binding, f"c1/s{number}")
        if reply.text:
            last = reply
        lines += [f"> {step}", *rendered(reply), ""]
    return "\n".join(lines)


def alert_lines(writer: AlertWriter, events: Sequence[e.Event] = EVENTS) -> str:
    told: Callable[[e.Event], object] = writer.text_of
    lines = []
    for event in events:
        answer = told(event)
        if isinstance(answer, tuple):
            lines.append(f"{'!' if event.critical else '-'} {answer[0].value}: {answer[1]}")
    return "\n".join(lines) + "\n"
