"""The order book: asks above, bids below, prices in the middle, as Korean trading screens show it."""

from __future__ import annotations

import numpy as np

from charts import Picture
from charts.canvas import MARGIN, SHORT, SMALL, TALL, WIDTH, Canvas, Plot
from charts.formatting import number, percent, shares
from charts.lettering import first_fitting, text_width
from charts.parts import HEADER, stock_header
from charts.theme import DARK, Theme, blend
from engine.market import BookLevel, Side, Won
from engine.results import BookChart, OrderLine

LEVELS = 10
ROW = 49.0
PRICE_LEFT, PRICE_RIGHT = 360.0, 722.0
_SIZE = 35


def render_book(chart: BookChart, theme: Theme = DARK) -> Picture:
    return build_book(chart, theme).picture()


def imbalance(chart: BookChart) -> float | None:
    """Bid share of everything on the book, 0..1; None for an empty book."""
    bid = chart.book.total_bid or sum(level.quantity for level in chart.book.bids)
    ask = chart.book.total_ask or sum(level.quantity for level in chart.book.asks)
    return bid / (bid + ask) if bid + ask else None


def build_book(chart: BookChart, theme: Theme = DARK) -> Canvas:
    quote, book = chart.quote, chart.book
    share = imbalance(chart)
    canvas = Canvas(theme, SHORT if share is None else TALL)
    badge = "거래정지" if quote.halted else "VI 발동" if quote.vi_active else ""
    if quote.price and quote.price == quote.upper_limit:
        badge = "상한가"
    elif quote.price and quote.price == quote.lower_limit:
        badge = "하한가"
    stock_header(canvas, chart.stock, quote.price or None, quote.previous_close or None, "호가", badge)
    canvas.footer(chart.stamp)
    if share is None:
        reason = "거래가 정지되어 호가가 없습니다." if quote.halted else "지금은 접수된 호가가 없습니다."
        canvas.message(400, "호가 없음", reason)
        canvas.alt = f"{chart.stock.name} 호가 없음. {reason}"
        return canvas
    top = HEADER + 4
    middle = top + LEVELS * ROW
    largest = max((level.quantity for level in (*book.asks[:LEVELS], *book.bids[:LEVELS])), default=1)
    canvas.panel(MARGIN, top, PRICE_RIGHT, middle, blend(theme.background, theme.down, 0.10), name="ask side")
    canvas.panel(
        PRICE_LEFT,
        middle,
        WIDTH - MARGIN,
        middle + LEVELS * ROW,
        blend(theme.background, theme.up, 0.10),
        name="bid side",
    )
    canvas.plots["quantity"] = Plot(0, 0, PRICE_LEFT - MARGIN, 1, 0, 1, max(largest, 1))
    own: dict[tuple[Side, Won], list[OrderLine]] = {}
    for order in chart.own_orders:
        own.setdefault((order.side, order.price), []).append(order)
    for side, levels in ((Side.SELL, book.asks), (Side.BUY, book.bids)):
        for rank, level in enumerate(levels[:LEVELS]):
            centre = middle - (rank + 0.5) * ROW if side is Side.SELL else middle + (rank + 0.5) * ROW
            _row(canvas, chart, side, level, centre, largest, own.pop((side, level.price), []))
    canvas.segments(np.array([[[MARGIN, middle], [WIDTH - MARGIN, middle]]]), theme.secondary, 2.5, zorder=6)
    _figures(canvas, chart, top)
    _below(canvas, chart, middle, [order for orders in own.values() for order in orders])
    _totals(canvas, chart, share, middle + LEVELS * ROW)
    spread = book.best_ask - book.best_bid if book.best_ask and book.best_bid else 0
    expected = f", 예상 체결가 {number(book.expected_price)}원" if book.expected_price else ""
    canvas.alt = (
        f"{chart.stock.name} 호가: 현재가 {number(quote.price)}원 {percent(quote.change_percent)}, "
        f"매도1 {number(book.best_ask) if book.asks else '없음'} 매수1 {number(book.best_bid) if book.bids else '없음'}"
        f"{f' (차이 {number(spread)}원)' if spread else ''}, "
        f"매수 잔량 {100 * share:.0f}%{expected}. {badge}"
    ).strip()
    return canvas


def _row(
    canvas: Canvas, chart: BookChart, side: Side, level: BookLevel, centre: float, largest: int, own: list[OrderLine]
) -> None:
    theme, quote = canvas.theme, chart.quote
    ask = side is Side.SELL
    colour = theme.down if ask else theme.up
    length = (PRICE_LEFT - MARGIN) * level.quantity / max(largest, 1)
    box = (
        (PRICE_LEFT - length, centre - ROW / 2 + 3, PRICE_LEFT, centre + ROW / 2 - 3)
        if ask
        else (PRICE_RIGHT, centre - ROW / 2 + 3, PRICE_RIGHT + length, centre + ROW / 2 - 3)
    )
    fill = blend(theme.background, colour, 0.30 if theme.background < "#8" else 0.22)
    canvas.boxes(np.array([box]), fill, f"bar {side.value} {level.price}", 2)
    text_x = PRICE_LEFT - 12 if ask else WIDTH - MARGIN - 12
    room = PRICE_LEFT - MARGIN - (110 if own else 16)
    quantity = first_fitting((number(level.quantity), shares(level.quantity)), _SIZE, room)
    canvas.centred(text_x, centre, quantity, _SIZE, align="right", name=f"quantity {side.value}", on=fill)
    move = level.price - quote.previous_close if quote.previous_close else 0
    tone = theme.signed(move)
    last = level.price == quote.price
    ground = blend(theme.background, colour, 0.10)
    if last:
        ground = theme.background
        canvas.panel(
            PRICE_LEFT + 3,
            centre - ROW / 2 + 1,
            PRICE_RIGHT - 3,
            centre + ROW / 2 - 1,
            ground,
            6,
            theme.accent,
            3,
            width=4,
            name="last",
        )
    canvas.centred(
        PRICE_LEFT + 198,
        centre,
        number(level.price),
        _SIZE,
        colour=tone,
        weight="extra" if last else "bold",
        align="right",
        name=f"price {side.value}",
        on=ground,
    )
    if quote.previous_close:
        rate = 100.0 * move / quote.previous_close
        canvas.centred(
            PRICE_RIGHT - 12, centre, percent(rate), SMALL, colour=tone, align="right", name="rate", on=ground
        )
    if own:
        left = sum(order.quantity - order.filled for order in own)
        x = MARGIN + 6 if ask else PRICE_RIGHT + 12
        room = PRICE_LEFT - MARGIN - text_width(quantity, _SIZE) - 56
        label = first_fitting((f"내 {shares(left)}주", "내 주문", "내"), SMALL, room, "bold")
        canvas.tag(x + 8, centre, label, theme.background, theme.accent, name="own order")


def _figures(canvas: Canvas, chart: BookChart, top: float) -> None:
    """The empty corner beside the asks holds the day's figures."""
    theme, quote = canvas.theme, chart.quote
    rows = [
        ("상한", quote.upper_limit, theme.up),
        ("고가", quote.high, theme.signed(quote.high - quote.previous_close)),
        ("시가", quote.open, theme.signed(quote.open - quote.previous_close)),
        ("저가", quote.low, theme.signed(quote.low - quote.previous_close)),
        ("하한", quote.lower_limit, theme.down),
        ("전일", quote.previous_close, theme.text),
    ]
    y = top + 44
    for word, value, colour in rows:
        canvas.text(PRICE_RIGHT + 22, y, word, SMALL + 2, theme.secondary, name="figure word")
        shown = number(value) if value else "-"
        canvas.text(
            WIDTH - MARGIN, y, shown, 34, colour if value else theme.secondary, align="right", name=f"figure {word}"
        )
        y += 62
    canvas.text(PRICE_RIGHT + 22, y, "거래량", SMALL + 2, theme.secondary, name="figure word")
    canvas.text(WIDTH - MARGIN, y, shares(quote.volume), 34, align="right", name="figure 거래량")


def _below(canvas: Canvas, chart: BookChart, middle: float, elsewhere: list[OrderLine]) -> None:
    """The empty corner beside the bids: auction price, spread, own orders outside the ten levels."""
    theme, book = canvas.theme, chart.book
    left, right = MARGIN, PRICE_LEFT - 20
    y = middle + 48
    if book.expected_price:
        move = book.expected_price - chart.quote.previous_close
        colour = theme.signed(move) if chart.quote.previous_close else theme.text
        canvas.text(left, y, "예상 체결가", 32, theme.secondary, name="figure word")
        canvas.text(left, y + 58, number(book.expected_price), 52, colour, "extra", name="expected price")
        y += 104
        if chart.quote.previous_close:
            rate = percent(100 * move / chart.quote.previous_close)
            canvas.text(
                left,
                y,
                f"{rate} · {shares(book.expected_volume)}주",
                32,
                colour,
                name="expected change",
                width=right - left,
            )
            y += 56
    elif book.best_ask and book.best_bid:
        canvas.text(left, y, "호가 차이", 32, theme.secondary, name="figure word")
        canvas.text(right, y, f"{number(book.best_ask - book.best_bid)}원", 34, align="right", name="spread")
        y += 60
    end = middle + LEVELS * ROW
    for position, order in enumerate(elsewhere):
        rest = len(elsewhere) - position
        if y + (42 if rest == 1 else 136) > end - 8:  # the last one needs no room for the count
            canvas.text(left, y, f"외 내 주문 {rest}건", 32, theme.secondary, name="own more", width=right - left)
            break
        open_quantity = order.quantity - order.filled
        price = f"{number(order.price)}원" if order.price else "시장가"
        colour = theme.up if order.side is Side.BUY else theme.down
        canvas.text(
            left,
            y,
            f"내 {order.side.label} {shares(open_quantity)}주",
            32,
            colour,
            "bold",
            name="own elsewhere",
            width=right - left,
        )
        canvas.text(left, y + 42, price, 32, name="own elsewhere price", width=right - left)
        y += 94


def _totals(canvas: Canvas, chart: BookChart, share: float, top: float) -> None:
    theme, book = canvas.theme, chart.book
    total_ask = book.total_ask or sum(level.quantity for level in book.asks)
    total_bid = book.total_bid or sum(level.quantity for level in book.bids)
    y = top + 44
    canvas.text(MARGIN, y, f"매도 {shares(total_ask)}", 34, theme.down, "bold", name="total ask")
    canvas.text(WIDTH - MARGIN, y, f"매수 {shares(total_bid)}", 34, theme.up, "bold", align="right", name="total bid")
    canvas.text(WIDTH / 2, y, f"매수 잔량 {100 * share:.0f}%", 34, align="center", name="imbalance")
    left, right = MARGIN, WIDTH - MARGIN
    cut = left + (right - left) * (1 - share)
    bottom = top + 74
    canvas.boxes(np.array([[left, y + 14, cut, bottom]]), theme.down, "imbalance ask", 3)
    canvas.boxes(np.array([[cut, y + 14, right, bottom]]), theme.up, "imbalance bid", 3)
