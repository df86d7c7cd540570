"""The event loop: the decisions of the live service on past bars, in the order of time, over one or many stocks.

Within a bar the price goes open → low → high → close, so where stop and target both lie inside it the stop counts.
Bars in which ``decide`` cannot act are skipped (``skip=True``); a test holds that against looking at every bar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.backtest.fills import FillRules, ask_at_open, locked_down, most_shares, sell_price
from engine.backtest.portfolio import OpenPosition, Portfolio
from engine.backtest.scorer import DecisionSource
from engine.backtest.timeline import BARS_PER_SESSION, session_of
from engine.krx import CostModel, floor_to_tick
from engine.market import KST, Phase, Won
from engine.results import ExitReason, Trade
from engine.strategy import (
    Decision,
    Enter,
    EntrySituation,
    Exit,
    ExitSituation,
    RaiseStop,
    StrategySettings,
    decide,
    target_price,
)

Times = NDArray[np.datetime64]
Floats = NDArray[np.float64]
Tell = Callable[[float], None]
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Conditions:
    """Everything a run depends on besides its bars."""

    settings: StrategySettings = field(default_factory=StrategySettings)
    costs: CostModel = field(default_factory=CostModel)
    fills: FillRules = field(default_factory=FillRules)
    cash: Won = 10_000_000


@dataclass(frozen=True, eq=False)
class Outcome:
    """``times`` are bar ends; ``equity`` is marked at the last price of every held stock at each of them."""

    times: Times
    equity: Floats
    invested: Floats
    """Value at each time of what was held during the bar before it, sold in it or not."""
    session_ends: NDArray[np.bool_]
    trades: tuple[Trade, ...]
    open_positions: tuple[OpenPosition, ...]
    fees: Won
    taxes: Won
    traded_value: Won
    considered: int
    """Decisions at or above the entry score."""
    refusals: dict[str, int]
    """Why those were not entered, with how often."""


def simulate(
    sources: Sequence[DecisionSource], conditions: Conditions, *, skip: bool = True, tell: Tell | None = None
) -> Outcome:
    """Run the strategy. Deterministic: equal bars, equal outcome."""
    return _Run(sources, conditions, skip).run(tell)


class _Run:
    def __init__(self, sources: Sequence[DecisionSource], conditions: Conditions, skip: bool) -> None:
        self.sources = sources
        self.settings, self.costs, self.fills = conditions.settings, conditions.costs, conditions.fills
        self.skip = skip
        self.start_cash = conditions.cash
        self.book = Portfolio(conditions.cash, conditions.costs)
        starts = [source.timeline.bars.start for source in sources]
        self.times = starts[0] if len(starts) == 1 else _union(starts)
        self.places = [np.searchsorted(self.times, start) for start in starts]
        self.closing = self.settings.close_out and not self.settings.overnight
        self.considered = 0
        self.refusals: dict[str, int] = {}

    def run(self, tell: Tell | None) -> Outcome:
        place, source, row = self._candidates()
        positions = self.book.positions
        cursor, count, told = 0, len(place), 0
        while True:
            due = min(map(self._place, positions.values()), default=len(self.times))
            if self.skip and len(positions) >= self.settings.maximum_positions and cursor < count:
                cursor += int(np.searchsorted(place[cursor:], due))  # no room: decide would only say so
            now = min(due, int(place[cursor]) if cursor < count else len(self.times))
            if now >= len(self.times):
                break
            selling = self._score_sales(now)
            while cursor < count and place[cursor] == now:
                self._consider(int(source[cursor]), int(row[cursor]), now)
                cursor += 1
            for position, reason in selling:
                self._fill_open(position, now, reason)
            for position in sorted(positions.values(), key=lambda held: held.stock.code):
                if self._place(position) == now:
                    self._walk(position, now)
            if tell is not None and now - told > len(self.times) // 100:
                told = now
                tell(now / len(self.times))
        return self._outcome()

    # -- entries

    def _candidates(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Decisions that may enter, by time, then score, then traded value, as live ranks them."""
        rows = []
        for number, source in enumerate(self.sources):
            line = source.timeline
            wanted = line.enterable & (source.totals >= self.settings.entry_score) if self.skip else line.enterable
            found = np.flatnonzero(wanted)
            value = np.r_[0.0, line.bars.close[:-1] * line.bars.volume[:-1]] if len(line) else np.empty(0)
            rows.append(
                np.stack(
                    (
                        self.places[number][found].astype(float),
                        -source.totals[found],
                        -value[found],
                        np.full(len(found), float(number)),
                        found.astype(float),
                    )
                )
            )
        if not rows:
            empty = np.empty(0, np.int64)
            return empty, empty, empty
        joined = np.concatenate(rows, axis=1)
        order = np.lexsort((joined[3], joined[2], joined[1], joined[0]))
        picked = joined[:, order].astype(np.int64)
        return picked[0], picked[3], picked[4]

    def _consider(self, number: int, row: int, now: int) -> None:
        source = self.sources[number]
        line = source.timeline
        if number in self.book.positions:
            return
        score = source.score(row)
        if score.total >= self.settings.entry_score:
            self.considered += 1
        session = int(line.session[row])
        limits, kind = line.limits[session], line.history.stock.kind
        at = _aware(line.decided_at[row])
        ask = ask_at_open(self.fills, float(line.bars.open[row]), limits, kind)
        fifteen, daily = source.evidence(row)
        situation = EntrySituation(
            line.history.code,
            at,
            session_of(at.date()).phase(at),
            score,
            ask,
            kind,
            self.book.cash,
            len(self.book.positions),
            fifteen,
            daily,
            limits.upper if limits else 0,
            exited_today=self.book.exited.get(number) == session,
        )
        decision = decide(self.settings, situation, self.costs)
        if not isinstance(decision, Enter):
            if score.total >= self.settings.entry_score:
                self._refuse(getattr(decision, "why", ""))
            return
        cap = most_shares(self.fills, int(line.bars.volume[row]), known=line.history.volume_known)
        if cap < decision.quantity:
            if cap == 0:
                self._refuse("거래량이 적어 체결되지 않음")
                return
            decision = Enter(cap, decision.limit_price, decision.stop, decision.target_price)
        position = self.book.buy(
            line.history.stock, number, row, now, at, ask, decision, score, float(line.factor[session])
        )
        # As live: the stop and the target are fixed from the price that was really paid.
        if position.stop_reason is ExitReason.FIXED_STOP:
            fixed = floor_to_tick(int(position.entry_price * (1.0 - self.settings.fixed_stop)), kind)
            position.stop_price = max(position.stop_price, fixed)
        position.target_price = target_price(self.settings, position.entry_price, kind)
        self._schedule(position, row)

    def _refuse(self, why: str) -> None:
        # Numbers differ from time to time; the kind of refusal is what counts.
        kind = "".join(letter for letter in why.split("(")[0] if not letter.isdigit()).strip()
        self.refusals[kind] = self.refusals.get(kind, 0) + 1

    # -- exits

    def _schedule(self, position: OpenPosition, row: int) -> None:
        """Set the next bar, ``row`` or later, in which something can happen to the position."""
        source = self.sources[position.source]
        line = source.timeline
        position.next_row = row
        if not self.skip or position.pending is not None:
            return
        step, begin, count = _CHUNK, row, len(line)
        while begin < count:
            end = min(count, begin + step)
            hit = (line.bars.low[begin:end] <= position.stop_price) | (
                line.bars.high[begin:end] >= position.target_price
            )
            hit |= source.sells(self.settings.exit_score, position.row, begin, end)
            hit |= self._held(position, begin, end) >= self.settings.holding_bars
            hit |= line.factor[line.session[begin:end]] != position.factor
            if self.closing:
                hit |= line.last[begin:end]
            first = int(hit.argmax())
            if hit[first]:
                position.next_row = begin + first
                return
            begin, step = end, step * 4
        position.next_row = count

    def _held(self, position: OpenPosition, begin: int, end: int) -> NDArray[np.int64]:
        """Holding bars known while each row is traded: those at the close of the row before."""
        line = self.sources[position.source].timeline
        rows = np.maximum(np.arange(begin, end) - 1, position.row)
        sessions = line.session[rows] - line.session[position.row]
        inside = line.slot[rows] - line.slot[position.row]
        across = line.slot[rows] + 1 + BARS_PER_SESSION * sessions
        return np.asarray(np.where(sessions == 0, inside, across))

    def _place(self, position: OpenPosition) -> int:
        places = self.places[position.source]
        return int(places[position.next_row]) if position.next_row < len(places) else len(self.times)

    def _score_sales(self, now: int) -> list[tuple[OpenPosition, ExitReason]]:
        """Held stocks whose score says sell: decided before the bar, filled at its open."""
        found = []
        for position in sorted(self.book.positions.values(), key=lambda held: held.stock.code):
            if self._place(position) != now:
                continue
            source, row = self.sources[position.source], position.next_row
            line = source.timeline
            self._split(position, row, now)
            if position.pending is not None or row <= position.row:
                continue
            factor = float(line.factor[line.session[row]] / line.factor[line.session[row - 1]])
            self._see(position, row)
            before = round(float(line.bars.close[row - 1]) * factor)
            decision = self._decide_exit(
                position, before, line.held(position.row, row - 1), _aware(line.decided_at[row]),
                score=source.sell_total(row, position.row),
            )  # fmt: skip
            if isinstance(decision, Exit):
                found.append((position, decision.reason))
            elif isinstance(decision, RaiseStop):
                position.stop_price = decision.stop_price
        return found

    def _split(self, position: OpenPosition, row: int, now: int) -> None:
        line = self.sources[position.source].timeline
        factor = float(line.factor[line.session[row]])
        if factor != position.factor:
            self.book.split(position, now, factor / position.factor, round(float(line.bars.open[row])))
            position.seen = row

    def _see(self, position: OpenPosition, row: int) -> None:
        """Take the highs of the bars before ``row`` into the position's highest price."""
        if row > position.seen:
            highs = self.sources[position.source].timeline.bars.high[position.seen : row]
            position.highest = max(position.highest, round(float(highs.max())))
            position.seen = row

    def _decide_exit(
        self,
        position: OpenPosition,
        price: Won,
        bars: int,
        at: datetime,
        *,
        score: float | None = None,
        closing: bool = False,
    ) -> Decision:
        situation = ExitSituation(
            position.stock.code,
            at,
            Phase.CLOSING_AUCTION if closing else Phase.CONTINUOUS,
            price,
            position.held(bars, price),
            closing,
            position.stock.kind,
            score,
        )
        return decide(self.settings, situation, self.costs)

    def _walk(self, position: OpenPosition, now: int) -> None:
        """The bar ``next_row`` from its open to its close, and the closing auction where it ends the session."""
        line, row = self.sources[position.source].timeline, position.next_row
        if position.pending is not None:
            self._fill_open(position, now, position.pending)
            return
        limits = line.limits[int(line.session[row])]
        self._see(position, row)
        bars = 0 if row == position.row else line.held(position.row, row - 1)
        end = _aware(line.end[row])
        for step in ("open", "low", "high", "close"):
            if step == "open" and row == position.row:
                continue
            price = round(float(getattr(line.bars, step)[row]))
            position.highest = max(position.highest, price)
            decision = self._decide_exit(position, price, bars, end)
            if isinstance(decision, RaiseStop):
                position.stop_price = decision.stop_price
            elif isinstance(decision, Exit):
                if locked_down(float(line.bars.high[row]), limits):
                    break
                at_open = step == "open"
                trigger = price if at_open else decision.trigger_price
                at = self._opened_at(position, row) if at_open else end
                self._fill(position, now, row, at, trigger, decision.reason)
                return
        if self.closing and line.last[row]:
            price = round(float(line.bars.close[row]))
            decision = self._decide_exit(position, price, bars, end, closing=True)
            if isinstance(decision, Exit) and not locked_down(float(line.bars.high[row]), limits):
                self._fill(position, now, row, end, price, decision.reason, auction=True)
                return
        position.seen = row + 1
        self._schedule(position, row + 1)

    def _opened_at(self, position: OpenPosition, row: int) -> datetime:
        line = self.sources[position.source].timeline
        return _aware(line.decided_at[row] if line.daily_only else line.bars.start[row])

    def _fill_open(self, position: OpenPosition, now: int, reason: ExitReason) -> None:
        line, row = self.sources[position.source].timeline, position.next_row
        if locked_down(float(line.bars.high[row]), line.limits[int(line.session[row])]):
            position.pending, position.next_row = reason, row + 1
            return
        self._fill(position, now, row, self._opened_at(position, row), float(line.bars.open[row]), reason)

    def _fill(
        self,
        position: OpenPosition,
        now: int,
        row: int,
        at: datetime,
        trigger: float,
        reason: ExitReason,
        *,
        auction: bool = False,
    ) -> None:
        """Sell what the bar can take; the rest is sold at the open of the bars that follow."""
        line = self.sources[position.source].timeline
        session = int(line.session[row])
        price = sell_price(self.fills, trigger, line.limits[session], position.stock.kind, auction=auction)
        cap = most_shares(self.fills, int(line.bars.volume[row]), known=line.history.volume_known)
        quantity = min(position.quantity, cap)
        if quantity:
            self.book.exited[position.source] = session
            if self.book.sell(position, now, at, price, quantity, reason):
                return
        position.pending, position.next_row = reason, row + 1

    # -- what came of it

    def _outcome(self) -> Outcome:
        count = len(self.times)
        cash = np.zeros(count)
        shares: dict[int, Floats] = {}
        sold: dict[int, Floats] = {}
        traded = 0
        for flow in self.book.flows:
            cash[flow.place] += flow.cash
            shares.setdefault(flow.source, np.zeros(count))[flow.place] += flow.shares
            sold.setdefault(flow.source, np.zeros(count))[flow.place] -= min(flow.shares, 0)
            traded += flow.value
        value, during = np.zeros(count), np.zeros(count)
        ends = np.array(self.times)
        for number, source in enumerate(self.sources):
            ends[self.places[number]] = source.timeline.end
        for number, change in shares.items():
            line = self.sources[number].timeline
            rows = np.searchsorted(line.bars.start, self.times, side="right") - 1
            prices, held = line.bars.close[np.maximum(rows, 0)], np.cumsum(change)
            value += held * prices
            during += (held + sold[number]) * prices
        days = self.times.astype("datetime64[D]")
        session_ends = np.r_[days[1:] != days[:-1], True] if count else np.empty(0, bool)
        return Outcome(
            ends,
            self.start_cash + np.cumsum(cash) + value,
            during,
            session_ends,
            tuple(sorted(self.book.trades, key=lambda trade: (trade.exit_at, trade.code))),
            tuple(self.book.positions.values()),
            self.book.fees,
            self.book.taxes,
            traded,
            self.considered,
            dict(self.refusals),
        )


def _union(starts: Sequence[Times]) -> Times:
    return np.unique(np.concatenate(starts)) if starts else np.empty(0, "datetime64[s]")


def _aware(moment: np.datetime64) -> datetime:
    wall: Any = moment.item()
    assert isinstance(wall, datetime)
    return wall.replace(tzinfo=KST)
