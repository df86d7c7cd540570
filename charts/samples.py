"""Made-up inputs for the gallery and the tests: seeded, so every run draws the same."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.clock import seeded
from engine.krx import floor_to_tick, price_limits, tick_size
from engine.market import (
    KST,
    Bars,
    BookLevel,
    Environment,
    Interval,
    Market,
    OrderBook,
    Quote,
    Side,
    Stock,
    StockFlag,
)
from engine.results import (
    BookChart,
    CandleChart,
    Factor,
    FactorScore,
    IntradayChart,
    Mark,
    OrderLine,
    Score,
    ScoreCard,
    Stamp,
    StructureEvent,
    Zone,
)

DAY = date(2026, 3, 5)
NOW = datetime(2026, 3, 5, 10, 42, 17, tzinfo=KST)
AFTERNOON = datetime(2026, 3, 5, 14, 42, 5, tzinfo=KST)
STAMP = Stamp(NOW, "내장 시뮬레이터", Environment.SIMULATOR)
MOCK = Stamp(NOW, "한국투자증권", Environment.MOCK, "12")
REAL = Stamp(NOW, "한국투자증권", Environment.REAL, "34")
SAMSUNG = Stock("005930", "삼성전자", Market.KOSPI, "전기·전자")
LONG = Stock("0126Z0", "한국미래에너지솔루션테크놀로지홀딩스3우선주", Market.KOSDAQ, "전기·전자")
HALTED = Stock("247540", "에코프로비엠", Market.KOSDAQ, "전기·전자", flags=frozenset({StockFlag.HALTED}))


def session_days(count: int, last: date = DAY) -> list[date]:
    """``count`` weekdays up to ``last``."""
    days: list[date] = []
    day = last
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day -= timedelta(days=1)
    return days[::-1]


def bars(
    count: int, interval: Interval = Interval.DAY, base: int = 71_000, seed: str = "a", drift: float = 0.0004
) -> Bars:
    """A seeded walk on the tick grid."""
    random = seeded("chart samples", seed, interval.value)
    if interval is Interval.DAY:
        starts = [np.datetime64(day, "s") for day in session_days(count)]
        deviation = 0.017
    else:
        per_day = 390 // interval.value
        days = session_days(count // per_day + 2)
        starts = [
            np.datetime64(datetime.combine(day, time(9)) + i * interval.length, "s")
            for day in days
            for i in range(per_day)
        ]
        starts = [start for start in starts if start <= np.datetime64(NOW.replace(tzinfo=None), "s")][-count:]
        deviation = 0.004 * (interval.value / 15) ** 0.5
    shocks = random.standard_t(4, count) * deviation / 1.4 + drift
    close = base * np.exp(np.cumsum(shocks) - np.sum(shocks))
    open_ = np.concatenate((close[:1], close[:-1])) * (1 + random.normal(0, deviation / 3, count))
    high = np.maximum(open_, close) * (1 + np.abs(random.normal(0, deviation / 2, count)))
    low = np.minimum(open_, close) * (1 - np.abs(random.normal(0, deviation / 2, count)))
    volume = (np.exp(random.normal(0, 0.45, count)) * 9e6 * (1 + 18 * np.abs(shocks))).astype(np.int64)

    def grid(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([floor_to_tick(int(value)) for value in values], dtype=np.float64)

    return Bars(np.array(starts), grid(open_), grid(high), grid(low), grid(close), volume)


def at(chart: Bars, index: int) -> datetime:
    moment: datetime = chart.start[index].item()
    return moment.replace(tzinfo=KST)


def gaps(chart: Bars) -> tuple[Zone, ...]:
    """Three-bar gaps of the sample with their fill state, newest six."""
    zones = []
    for i in range(2, len(chart)):
        for bullish in (True, False):
            bottom, top = (chart.high[i - 2], chart.low[i]) if bullish else (chart.high[i], chart.low[i - 2])
            if top - bottom < 0.004 * chart.close[i]:
                continue
            later = chart.low[i + 1 :] if bullish else chart.high[i + 1 :]
            filled = np.flatnonzero(later < bottom if bullish else later > top)
            ended = at(chart, i + 1 + int(filled[0])) if len(filled) else None
            zones.append(
                Zone("fvg", bullish, float(bottom), float(top), at(chart, i - 1), ended, "filled" if ended else "open")
            )
    return tuple(zones[-6:])


def breaks(chart: Bars, newest: int = 4) -> tuple[StructureEvent, ...]:
    """Closes beyond the last swing (three bars a side): BOS with the trend, CHoCH against it."""
    events: list[StructureEvent] = []
    high = low = -1
    trend = 0
    for t in range(6, len(chart)):
        pivot = t - 3
        around = slice(pivot - 3, pivot + 4)
        if chart.high[pivot] == chart.high[around].max():
            high = pivot
        if chart.low[pivot] == chart.low[around].min():
            low = pivot
        for up, swing in ((True, high), (False, low)):
            level = float((chart.high if up else chart.low)[swing])
            if swing < 0 or (chart.close[t] <= level if up else chart.close[t] >= level):
                continue
            kind: Literal["BOS", "CHoCH"] = "CHoCH" if trend == (-1 if up else 1) else "BOS"
            events.append(StructureEvent(kind, up, at(chart, t), at(chart, swing), level))
            trend = 1 if up else -1
            high, low = (-1, low) if up else (high, -1)
    return tuple(events[-newest:])


def block(chart: Bars, event: StructureEvent) -> Zone:
    """The bar of the opposite extreme between the swing and its break."""
    first, last = (int(np.searchsorted(chart.start, _plain(moment))) for moment in (event.pivot_at, event.at))
    part = chart.low[first:last] if event.up else -chart.high[first:last]
    bar = first + int(np.argmin(part))
    return Zone("order_block", event.up, float(chart.low[bar]), float(chart.high[bar]), at(chart, bar))


def _plain(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.replace(tzinfo=None), "s")


def daily_candles() -> CandleChart:
    chart = bars(160, seed="daily-0")
    last = float(chart.close[-1])
    events = breaks(chart)
    marks: tuple[Mark, ...] = (
        (at(chart, -34), float(chart.close[-34]), "buy", "매수 10"),
        (at(chart, -16), float(chart.close[-16]), "sell", "매도 10"),
    )
    return CandleChart(
        SAMSUNG,
        Interval.DAY,
        chart,
        STAMP,
        float(chart.close[-2]),
        zones=(*gaps(chart), block(chart, events[-1])),
        events=events,
        marks=marks,
        stop_price=floor_to_tick(int(last * 0.97)),
        target_price=floor_to_tick(int(last * 1.05)),
    )


def fifteen_candles() -> CandleChart:
    chart = bars(90, Interval.FIFTEEN, seed="b")
    events = breaks(chart)
    return CandleChart(
        SAMSUNG,
        Interval.FIFTEEN,
        chart,
        MOCK,
        float(chart.close[-8]),
        overlays="bollinger",
        zones=(*gaps(chart), block(chart, events[-1])),
        events=events,
        marks=((at(chart, -20), float(chart.close[-20]), "buy", "매수 14"),),
        stop_price=floor_to_tick(int(chart.close[-20] * 0.985)),
        target_price=floor_to_tick(int(chart.close[-20] * 1.02)),
    )


def limit_up_candles() -> CandleChart:
    chart = bars(60, Interval.FIFTEEN, base=12_000, seed="limit")
    previous = int(chart.close[-1])
    limits = price_limits(previous)
    rise = np.minimum(np.linspace(1.01, 1.36, 7) * previous, limits.upper)
    grid = np.array([floor_to_tick(int(v)) for v in rise], dtype=np.float64)
    grid[-2:] = limits.upper
    start = chart.start.copy()
    before = chart[: len(chart) - 7]
    opens = np.concatenate(([previous], grid[:-1]))
    joined = Bars(
        start,
        np.concatenate((before.open, opens)),
        np.concatenate((before.high, np.maximum(opens, grid))),
        np.concatenate((before.low, np.minimum(opens, grid))),
        np.concatenate((before.close, grid)),
        np.concatenate((before.volume, np.full(7, 40_000_000))),
    )
    return CandleChart(
        Stock("011790", "SKC", Market.KOSPI, "화학"),
        Interval.FIFTEEN,
        joined,
        STAMP,
        float(previous),
        upper_limit=float(limits.upper),
        lower_limit=float(limits.lower),
        vi_times=(at(joined, -5),),
    )


def quote_of(stock: Stock, price: int, previous: int, **changes: object) -> Quote:
    limits = price_limits(previous)
    values: dict[str, object] = {
        "open": floor_to_tick(int(previous * 1.004)),
        "high": max(price, floor_to_tick(int(previous * 1.021))),
        "low": min(price, floor_to_tick(int(previous * 0.994))),
        "volume": 12_345_678,
        "value": 12_345_678 * price,
        **changes,
    }
    return Quote(
        code=stock.code,
        at=NOW,
        price=price,
        previous_close=previous,
        upper_limit=limits.upper,
        lower_limit=limits.lower,
        base_price=previous,
        name=stock.name,
        **values,  # type: ignore[arg-type]
    )


def book_of(stock: Stock, price: int, seed: str = "book", **changes: object) -> OrderBook:
    random = seeded("chart samples", seed)
    tick = tick_size(price)
    amounts = [int(v) for v in np.exp(random.normal(10.3, 0.7, 20))]
    asks = tuple(BookLevel(price + (i + 1) * tick, amounts[i]) for i in range(10))
    bids = tuple(BookLevel(price - i * tick, amounts[10 + i]) for i in range(10))
    values: dict[str, object] = {
        "asks": asks,
        "bids": bids,
        "total_ask": sum(level.quantity for level in asks),
        "total_bid": sum(level.quantity for level in bids),
        **changes,
    }
    return OrderBook(stock.code, NOW, **values)  # type: ignore[arg-type]


def order(stock: Stock, side: Side, price: int, quantity: int, filled: int = 0) -> OrderLine:
    return OrderLine("0001", stock.code, stock.name, side, price, quantity, filled, "접수", NOW, True)


def order_book() -> BookChart:
    own = (order(SAMSUNG, Side.BUY, 71_700, 14), order(SAMSUNG, Side.SELL, 75_400, 10))
    return BookChart(SAMSUNG, book_of(SAMSUNG, 71_900), quote_of(SAMSUNG, 71_900, 70_700), MOCK, own)


_REASONS: dict[Factor, tuple[float, str]] = {
    Factor.RSI: (6.1, "RSI가 최근 5일 안에 33까지 눌렸다가 41입니다 (과매도 기억)"),
    Factor.MACD: (4.6, "0선 아래에서 골든크로스가 났습니다"),
    Factor.BOLLINGER: (4.6, "이틀 전 하단 밴드 가까이 갔다가 되돌아오는 중입니다"),
    Factor.BREAKOUT: (8.2, "오늘 목표가 51,525원의 88 %까지 올라왔습니다"),
    Factor.DAILY_FVG: (5.0, "메워지지 않은 일봉 상승 갭 0.3 ATR 위에 있습니다"),
    Factor.ORDER_BLOCK: (5.3, "일봉 매수 오더블록 0.2 ATR 위에 있습니다"),
    Factor.FIFTEEN_FVG: (9.6, "30분 전 15분봉 상승 갭을 되짚고 지켰습니다"),
    Factor.STRUCTURE: (6.2, "15분봉 추세가 6봉 전 상승으로 바뀌었습니다"),
    Factor.DIRECTION: (2.5, "5일 예측이 시장 상위 10 %입니다"),
}


def score_of(stock: Stock, scale: float = 1.0, missing: frozenset[Factor] = frozenset()) -> Score:
    parts = []
    for factor, (points, reason) in _REASONS.items():
        gone = factor in missing
        value = 0.0 if gone else max(-factor.maximum, min(factor.maximum, points * scale))
        parts.append(FactorScore(factor, value, "자료 부족: 15분봉 없음" if gone else reason, "sample", not gone))
    return Score(stock.code, NOW, tuple(parts), "0" * 16)


def score_card() -> ScoreCard:
    stock = Stock("247540", "에코프로비엠", Market.KOSDAQ, "전기·전자")
    return ScoreCard(stock, score_of(stock, 1.15), STAMP, quote_of(stock, 51_450, 50_190))


def intraday(base: int = 70_700, seed: str = "line", end: datetime = AFTERNOON) -> IntradayChart:
    random = seeded("chart samples", seed)
    start = datetime.combine(end.date(), time(9), KST)
    count = max(1, int((end - start) / timedelta(minutes=1)))
    walk = base * np.exp(np.cumsum(random.normal(0.00004, 0.0014, count)))
    points = tuple(
        (start + timedelta(minutes=i), float(floor_to_tick(int(v))), int(abs(random.normal(0, 60_000))))
        for i, v in enumerate(walk)
    )
    return IntradayChart(SAMSUNG, points, float(base), Stamp(end, STAMP.source, STAMP.environment))


MISSING_LIVE = frozenset({Factor.BREAKOUT, Factor.FIFTEEN_FVG, Factor.STRUCTURE})
