"""What is written on candles: zones, structure breaks, own trades, volatility interruptions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from charts.canvas import MARGIN, SMALL, WIDTH, Box, Canvas, Plot
from charts.lettering import text_width
from engine.market import KST, Bars
from engine.results import CandleChart, Zone


def slot_of(bars: Bars, at: datetime) -> int | None:
    """The bar that holds ``at``; None where it lies before the first one."""
    moment = np.datetime64(at.astimezone(KST).replace(tzinfo=None), "s")
    found = int(np.searchsorted(bars.start, moment, side="right")) - 1
    return found if found >= 0 else None


class Room:
    """Where a label hides neither text nor, if possible, a candle."""

    def __init__(self, canvas: Canvas, plot: Plot, bars: Bars) -> None:
        self.canvas, self.plot, self.bars = canvas, plot, bars
        self._tops, self._bottoms = plot.ys(bars.high), plot.ys(bars.low)
        self._inside: Box = (plot.left, plot.top, plot.right, plot.bottom)

    def covers_candles(self, box: Box) -> bool:
        first = max(0, int((box[0] - self.plot.left) / self.plot.slot))
        last = int((box[2] - self.plot.left) / self.plot.slot) + 1
        tops, bottoms = self._tops[first:last], self._bottoms[first:last]
        return bool(((tops < box[3]) & (bottoms > box[1])).any())

    def place(
        self,
        spots: Sequence[tuple[float, float]],
        text: str,
        colour: str,
        fill: str,
        name: str,
        last_resort: bool = True,
    ) -> bool:
        """Write at the first of ``spots`` (centre, middle) that is clear, else where only candles are in the way."""
        half = text_width(text, SMALL, "bold") / 2 + 0.28 * SMALL
        fitted = [(min(max(x, self.plot.left + half), self.plot.right - half), y) for x, y in spots]
        clear = [(x, y) for x, y in fitted if not self.covers_candles((x - half, y - 19, x + half, y + 19))]
        for x, y in (*clear, *(fitted if last_resort else ())):
            if self.canvas.tag(x, y, text, colour, fill, align="center", inside=self._inside, force=False, name=name):
                return True
        return False


def zones(room: Room, chart: CandleChart) -> set[str]:
    """Draw them, newest label first; returns the kinds seen: ``fvg▲``, ``fvg▼``, ``order_block``."""
    canvas, plot, shown = room.canvas, room.plot, room.bars
    theme = canvas.theme
    seen: set[str] = set()
    for zone in reversed(chart.zones):
        born = slot_of(shown, zone.born)
        ended = slot_of(shown, zone.ended) if zone.ended else len(shown) - 1
        if ended is None or zone.top < plot.low or zone.bottom > plot.high:
            continue
        left = plot.x((born or 0) - 0.5)
        right = plot.x(ended + 0.5) if zone.ended else plot.right
        if right - left < 3:
            continue
        colour = zone_colour(canvas, zone)
        is_open = zone.fill != "filled"
        top, bottom = plot.y(min(zone.top, plot.high)), plot.y(max(zone.bottom, plot.low))
        canvas.panel(left, top, right, bottom, colour, alpha=0.26 if is_open else 0.10, name=f"zone {zone.kind}")
        canvas.panel(
            left, top, right, bottom, "none", edge=colour, dash=not is_open, zorder=2, alpha=0.9 if is_open else 0.45
        )
        seen.add("order_block" if zone.kind == "order_block" else f"fvg{'▲' if zone.bullish else '▼'}")
        if is_open:
            label = f"{'FVG' if zone.kind == 'fvg' else 'OB'}{'▲' if zone.bullish else '▼'}"
            middle = (top + bottom) / 2
            spots = [(plot.right - 60, y) for y in (middle, bottom + 24, top - 24)]
            room.place(spots, label, colour, theme.background, "zone label", last_resort=False)
    return seen


def zone_colour(canvas: Canvas, zone: Zone) -> str:
    theme = canvas.theme
    if zone.kind == "order_block":
        return theme.zone
    return theme.up if zone.bullish else theme.down


def zone_legend(canvas: Canvas, seen: set[str], y: float) -> None:
    """Swatches at the right of the legend line, where it has room."""
    theme = canvas.theme
    fvg = [colour for kind, colour in (("fvg▲", theme.up), ("fvg▼", theme.down)) if kind in seen]
    groups = [("OB", [theme.zone])] if "order_block" in seen else []
    groups += [("FVG", fvg)] if fvg else []
    right = float(WIDTH - MARGIN)
    for word, colours in groups:
        wide = text_width(word, SMALL) + 8 + 26 * len(colours)
        if not canvas.free((right - wide - 12, y - SMALL, right, y + 8)):
            return
        canvas.text(right, y, word, SMALL, theme.secondary, align="right", name="zone legend")
        edge = right - text_width(word, SMALL) - 8
        for colour in colours:
            canvas.boxes(np.array([[edge - 22, y - 22, edge, y]]), colour, "zone swatch", 3)
            edge -= 26
        right -= wide + 26


def marks(room: Room, chart: CandleChart) -> None:
    """Own trades as triangles with their text; volatility interruptions as lines."""
    canvas, plot, shown = room.canvas, room.plot, room.bars
    theme = canvas.theme
    for at, price, side, text in chart.marks:
        slot = slot_of(shown, at)
        if slot is None:
            continue
        x, y = plot.x(slot), plot.y(price)
        buy = side == "buy"
        edge = plot.y(float(shown.low[slot])) + 10 if buy else plot.y(float(shown.high[slot])) - 10
        tip = max(y, edge) if buy else min(y, edge)
        base = tip + 26 if buy else tip - 26
        colour = theme.up if buy else theme.down
        canvas.polygons(
            [np.array([[x, tip], [x - 17, base], [x + 17, base]])], colour, f"mark {side}", 8, edge=theme.text
        )
        label = text or ("매수" if buy else "매도")
        half = text_width(label, SMALL, "bold") / 2 + 42
        step = 44 if buy else -44
        spots = [(x, base + step * share) for share in (0.6, 1.2, 1.8)]
        spots += [(x + half, (tip + base) / 2), (x - half, (tip + base) / 2)]
        spots += [(x, base + step * share) for share in (2.6, 3.4, 4.2)]
        room.place(spots, label, theme.background, colour, "mark label")
    for at in chart.vi_times:
        slot = slot_of(shown, at)
        if slot is None:
            continue
        x = plot.x(slot)
        canvas.segments(np.array([[[x, plot.top], [x, plot.bottom]]]), theme.warning, 2.5, "vi", 6, dash=True)
        centre = min(x, plot.right - 30)
        canvas.tag(
            centre, plot.top + 22, "VI", theme.background, theme.warning, align="center", force=False, name="vi label"
        )


def events(room: Room, chart: CandleChart) -> None:
    """The broken swing level from its pivot to the break."""
    canvas, plot, shown = room.canvas, room.plot, room.bars
    theme = canvas.theme
    for event in reversed(chart.events):  # the newest gets its label first
        end = slot_of(shown, event.at)
        if end is None or not plot.low <= event.level <= plot.high:
            continue
        start = slot_of(shown, event.pivot_at) or 0
        colour = theme.up if event.up else theme.down
        y = plot.y(event.level)
        x0, x1 = plot.x(start), plot.x(end)
        canvas.segments(np.array([[[x0, y], [x1, y]]]), colour, 3.5, f"structure {event.kind}", 6)
        label = f"{event.kind}{'▲' if event.up else '▼'}"
        away = -1 if event.up else 1
        centres = ((x0 + x1) / 2, x0, x0 - 50, x1 + 40)
        spots = [(x, y + away * distance) for distance in (24, 60, 96) for x in centres]
        room.place(spots, label, colour, theme.panel, "structure label")
