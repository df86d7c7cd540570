"""What a person is about to confirm: the order, its cost, the position after it, and the limits it uses up."""

from __future__ import annotations

import numpy as np

from charts import Picture
from charts.canvas import FOOTER, MARGIN, WIDTH, Canvas
from charts.formatting import number, percent, signed
from charts.theme import DARK, Theme
from engine.market import Side
from engine.results import TicketPreview

_ROW = 62.0
MAXIMUM_LIMITS = 4


def render_ticket(ticket: TicketPreview, theme: Theme = DARK) -> Picture:
    return build_ticket(ticket, theme).picture()


def build_ticket(ticket: TicketPreview, theme: Theme = DARK) -> Canvas:
    # The fullest ones: a limit that would be broken is never among those left out.
    limits = sorted(ticket.limits, key=lambda limit: -limit[1])[:MAXIMUM_LIMITS]
    exits = bool(ticket.target_price) + bool(ticket.stop_price)
    height = int(min(1350, max(810, 640 + FOOTER + exits * _ROW + (60 + 84 * len(limits) if limits else 0))))
    canvas = Canvas(theme, height)
    canvas.footer(ticket.stamp)
    buy = ticket.side is Side.BUY
    fill = theme.cell_up if buy else theme.cell_down
    canvas.panel(0, 0, WIDTH, 196, fill, name="side")
    canvas.text(MARGIN, 76, f"{ticket.side.label} 주문 확인", 52, theme.cell_text, "extra", name="title", on=fill)
    canvas.text(WIDTH - MARGIN, 74, ticket.stock.code, 36, theme.cell_text, align="right", name="code", on=fill)
    canvas.text(
        MARGIN,
        160,
        ticket.stock.name,
        64,
        theme.cell_text,
        "extra",
        width=WIDTH - 2 * MARGIN,
        name="stock name",
        on=fill,
    )
    price = f"{number(ticket.price)}원" if ticket.price else "시장가"
    canvas.text(MARGIN, 290, price, 72, weight="extra", name="price")
    canvas.text(WIDTH - MARGIN, 290, f"{number(ticket.quantity)}주", 72, weight="extra", align="right", name="quantity")
    rows: list[tuple[str, str, str]] = [
        ("예상 금액" if ticket.price else "예상 금액(현재가 기준)", f"{number(ticket.estimated_cost)}원", theme.text),
        ("수수료 · 세금", f"{number(ticket.fees)} · {number(ticket.taxes)}원", theme.text),
        ("주문 가능 현금", f"{number(ticket.orderable_cash)}원", theme.text),
        ("체결 뒤 보유", f"{number(ticket.position_after)}주", theme.text),
    ]
    for word, level, gain in (
        ("목표가", ticket.target_price, ticket.target_profit),
        ("손절가", ticket.stop_price, ticket.stop_loss),
    ):
        if level:
            rows.append((word, f"{number(level)}원 ({signed(gain)}원)", theme.signed(gain)))
    y = 370.0
    for word, value, colour in rows:
        canvas.text(MARGIN, y, word, 38, theme.secondary, name="word")
        canvas.text(WIDTH - MARGIN, y, value, 40, colour, "bold", "right", name=f"value {word}")
        canvas.rule(y + 18)
        y += _ROW
    if limits:
        y += 22
        canvas.text(MARGIN, y, "한도 사용", 36, weight="bold", name="limits")
        y += 16
        for name, share in limits:
            _limit(canvas, name, share, y)
            y += 84
    over = [name for name, share in ticket.limits if share > 1]
    canvas.alt = (
        f"{ticket.side.label} 주문 확인: {ticket.stock.name} {number(ticket.quantity)}주, {price}, "
        f"예상 {number(ticket.estimated_cost)}원. {'한도 초과: ' + ', '.join(over) + '.' if over else ''}"
    ).strip()
    return canvas


def _limit(canvas: Canvas, name: str, share: float, top: float) -> None:
    theme = canvas.theme
    colour = theme.up if share > 1 else theme.warning if share > 0.8 else theme.averages[1]
    text = f"{percent(100 * share, 0).lstrip('+')}{' 초과' if share > 1 else ''}"
    canvas.text(MARGIN, top + 36, name, 34, theme.secondary, width=WIDTH - 2 * MARGIN - 260, name="limit")
    canvas.text(WIDTH - MARGIN, top + 36, text, 36, colour, "bold", "right", name=f"limit {name}")
    right = WIDTH - MARGIN
    canvas.boxes(np.array([[MARGIN, top + 50, right, top + 66]]), theme.grid, "limit reach", 2)
    end = MARGIN + (right - MARGIN) * min(max(share, 0.0), 1.0)
    if end > MARGIN:
        canvas.boxes(np.array([[MARGIN, top + 50, end, top + 66]]), colour, f"limit bar {name}", 3)
