"""Time the backtester and hold its trades against backtesting.py: ``python -m tests.benchmarks.backtest [--json]``.

One run, same bars and rule for all: RSI(14) < 30 at a close buys the next open, −3 % / +5 % within the bars, at most 48
bars, no costs, through the very event loop of ``gaemi backtest``. backtesting.py (AGPL, an outside yardstick, no
dependency) is used where it can be imported. Then the nine-factor strategy on fifteen-minute bars, and a whole market
of daily bars.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import warnings
from collections import Counter
from typing import Any

import numpy as np

from engine.backtest.engine import Conditions, simulate
from engine.backtest.rule import RuleSource, rsi_below, rule_conditions
from engine.backtest.scorer import BacktestScorer
from engine.backtest.timeline import StockHistory, Timeline, make_timeline, scaled
from engine.clock import cpu_seconds, monotonic
from engine.krx import ceil_to_tick
from engine.market import Bars, Market, Stock
from engine.scorer import Scorer, warm
from engine.scoring.panel import replay_daily, sessions_of
from engine.scoring.quality import defect
from engine.strategy import StrategySettings, target_price
from tests.scoring.helpers import random_fifteen, random_walk
from tests.shared_data import SHARED

HOLD = 48
STOCKS = 50
Row = tuple[int, float, int, float]


def stock(code: str) -> Stock:
    return Stock(code, code, Market.KOSPI)


def real_lines(count: int) -> list[Timeline]:
    """Daily timelines of ``count`` real stocks, else random walks."""
    if not SHARED.is_dir():
        return [make_timeline(StockHistory(stock("005930"), random_walk(1_500, "rule", n))) for n in range(count)]
    found = []
    for code, bars in replay_daily(SHARED)[0].items():
        if len(bars) > 400 and not defect(bars):
            found.append(make_timeline(StockHistory(stock(code), bars)))
    step = max(1, len(found) // count)
    return found[::step][:count]


def ours(line: Timeline) -> list[Row]:
    found = simulate([RuleSource(line, rsi_below(line), HOLD)], rule_conditions())
    ends = {moment.item(): row for row, moment in enumerate(line.end)}
    opens = {moment.item(): row for row, moment in enumerate(line.decided_at)}
    rows = []
    for trade in found.trades:
        left = trade.exit_at.replace(tzinfo=None)
        out = opens[left] if left in opens else ends[left]
        rows.append((opens[trade.entry_at.replace(tzinfo=None)], trade.entry_price, out, trade.exit_price))
    return rows


def yardstick(line: Timeline, *, rounded: bool) -> list[Row]:
    """backtesting.py with the same rule. ``rounded``: stop and target on the exchange's grid, as rule 4 has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas
        from backtesting import Backtest, Strategy

        bars, kind = line.bars, line.history.stock.kind
        signal, following = rsi_below(line), np.r_[bars.open[1:], np.nan]
        settings = rule_conditions().settings

        def stop_of(price: float) -> float:
            whole = -(-int(price) * round(10_000 * (1 - settings.fixed_stop)) // 10_000)
            return float(ceil_to_tick(whole, kind))

        class Rule(Strategy):  # type: ignore[misc, no-any-unimported]
            def init(self) -> None:
                pass

            def next(self) -> None:
                row = len(self.data) - 1
                for trade in self.trades:
                    if row + 1 - trade.entry_bar >= HOLD:
                        trade.close()
                if not self.position and signal[row] and np.isfinite(following[row]):
                    price = following[
                        row
                    ]  # it wants stop and target before the fill: the next open, not used otherwise
                    stop = stop_of(price) if rounded else price * (1 - settings.fixed_stop)
                    target = target_price(settings, price, kind) if rounded else price * (1 + settings.take_profit)
                    # A market order is refused where the close is outside stop and target; a limit at the open is the same.
                    inside = stop < float(self.data.Close[-1]) < target
                    self.buy(size=1, limit=None if inside else price, sl=stop, tp=target)

        frame = pandas.DataFrame(
            {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume},
            index=pandas.DatetimeIndex(bars.start),
        )
        stats = Backtest(frame, Rule, cash=100_000_000, commission=0.0, exclusive_orders=False).run()
        trades = stats["_trades"]
    return [
        (int(a), float(p), int(b), float(q))
        for a, p, b, q in zip(trades.EntryBar, trades.EntryPrice, trades.ExitBar, trades.ExitPrice, strict=True)
    ]


def explain(mine: list[Row], theirs: list[Row], line: Timeline) -> Counter[str]:
    """Why trades differ, by the number of the fill rule."""
    found: Counter[str] = Counter()
    other = {row[0]: row for row in theirs}
    for row in mine:
        twin = other.pop(row[0], None)
        if twin is None:
            found["후속: 앞 거래의 차이로 진입이 달라짐"] += 1
        elif twin == row:
            found["같음"] += 1
        elif twin[2] == row[2] == row[0]:
            found["3번: 산 봉 안의 손절·익절, 다른 값"] += 1
        elif row[2] == row[0]:
            found["3번: 산 봉 안에서 청산 (상대의 지정가 진입은 다음 봉부터 봄)"] += 1
        elif twin[2] == row[2] and row[2] == len(line) - 1:
            found["13번: 마지막 봉"] += 1
        elif twin[2] == row[2]:
            found["2·4번: 같은 봉, 다른 값"] += 1
        else:
            found["4번: 호가 단위 때문에 다른 봉"] += 1
    found["13번: 끝까지 보유 (우리는 평가, 상대는 청산)"] += sum(row[2] >= len(line) - 1 for row in other.values())
    found["상대에만 있음"] += sum(row[2] < len(line) - 1 for row in other.values())
    return +found


def compare(lines: list[Timeline]) -> dict[str, Any]:
    totals: dict[str, Counter[str]] = {"rounded": Counter(), "raw": Counter()}
    for line in lines:
        mine = ours(line)
        for name, rounded in (("rounded", True), ("raw", False)):
            totals[name] += explain(mine, yardstick(line, rounded=rounded), line)
    return {name: dict(counts) for name, counts in totals.items()}


def timed(act: Any) -> tuple[float, float, Any]:
    wall, cpu = monotonic(), cpu_seconds()
    result = act()
    return monotonic() - wall, cpu_seconds() - cpu, result


def rule_speed(bars: int) -> dict[str, Any]:
    long = make_timeline(StockHistory(stock("005930"), random_walk(bars, "speed", spread=0.004)))
    signal = rsi_below(long)
    simulate([RuleSource(long, signal, HOLD)], rule_conditions())
    wall, cpu, outcome = timed(lambda: simulate([RuleSource(long, signal, HOLD)], rule_conditions()))
    found = {
        "bars": bars,
        "trades": len(outcome.trades),
        "ours_bars_per_s": bars / wall,
        "ours_bars_per_cpu_s": bars / cpu,
    }
    if importlib.util.find_spec("backtesting"):
        yardstick(long, rounded=False)
        wall, cpu, theirs = timed(lambda: yardstick(long, rounded=False))
        found |= {
            "backtesting_trades": len(theirs),
            "backtesting_bars_per_s": bars / wall,
            "backtesting_bars_per_cpu_s": bars / cpu,
            "ratio_wall": found["ours_bars_per_s"] * wall / bars,
            "ratio_cpu": found["ours_bars_per_cpu_s"] * cpu / bars,
        }
    return found


def minute_history(number: int, sessions: int) -> StockHistory:
    fifteen = random_fifteen(26 * sessions, "nine", number)
    from engine.calendar import TradingCalendar

    days = TradingCalendar().last_days(fifteen.start[-1].item().date(), sessions + 280)
    move = np.array(days, "datetime64[s]")
    begin = move[-sessions:][np.arange(len(fifteen)) // 26] + np.tile(
        np.arange(26) * np.timedelta64(900, "s") + np.timedelta64(9 * 3600, "s"), sessions
    )
    shifted = Bars(begin, fifteen.open, fifteen.high, fifteen.low, fifteen.close, 10_000 * fifteen.volume)
    walk = random_walk(280, "nine", number)
    before = scaled(walk, float(shifted.open[0] / walk.close[-1]))
    daily = Bars(move[:280], before.open, before.high, before.low, before.close, before.volume)
    return StockHistory(stock(f"{100_000 + number}"), daily.joined(sessions_of(shifted)), shifted)


def nine_factors(stocks: int, sessions: int) -> dict[str, Any]:
    histories = [minute_history(number, sessions) for number in range(stocks)]

    def whole() -> Any:
        scorer = Scorer()
        sources = [BacktestScorer(make_timeline(history), scorer=scorer) for history in histories]
        return simulate(sources, Conditions(StrategySettings(entry_score=45.0)))

    whole()
    wall, cpu, outcome = timed(whole)
    bars = stocks * sessions * 26
    return {"bars": bars, "trades": len(outcome.trades), "bars_per_s": bars / wall, "bars_per_cpu_s": bars / cpu}


def market(stocks: int, days: int) -> dict[str, Any]:
    histories = [
        StockHistory(stock(f"{100_000 + number}"), random_walk(days + 100, "market", number))
        for number in range(stocks)
    ]

    def whole() -> Any:
        first = histories[0].daily.start[-days].item().date()
        scorer = Scorer()
        sources = [BacktestScorer(make_timeline(history, first), scorer=scorer) for history in histories]
        return simulate(sources, Conditions(StrategySettings(entry_score=35.0)))

    wall, cpu, outcome = timed(whole)
    return {"stocks": stocks, "days": days, "seconds": wall, "cpu_seconds": cpu, "trades": len(outcome.trades)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--stocks", type=int, default=2_600)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warm()
    found: dict[str, Any] = {"rule": rule_speed(options.bars)}
    found["nine_factors"] = nine_factors(20, 120)
    found["market"] = market(options.stocks, 250)
    if importlib.util.find_spec("backtesting"):
        found["same_trades"] = compare(real_lines(STOCKS))
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for name, figures in found.items():
        print(name)
        for key, value in figures.items():
            print(f"  {key:<28} {value:,.1f}" if isinstance(value, float) else f"  {key:<28} {value}")


if __name__ == "__main__":
    main()
