"""What the score has been worth: its distribution and what followed it, on a folder of real bars.

Entry at the next open, costs of commission and the sell tax of the year, no spread unless said. Intervals draw days, not
rows; "초과" is minus the same day's mean of all names; the null draws as many names blindly on each day. The direction
factor needs a forecast per day and is 0 here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.results import Factor
from engine.scoring.bootstrap import Estimate, daily_rank_correlation, day_clustered, demeaned, shuffled
from engine.scoring.panel import (
    COMMISSION,
    DailyPanel,
    MinutePanel,
    daily_panel,
    delisted_rows,
    minute_panel,
    replay_daily,
)

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

BUCKETS: Final = (
    ("전체", -np.inf, np.inf),
    ("≤ -40", -np.inf, -40.0),
    ("-40 ~ -20", -40.0, -20.0),
    ("-20 ~ 0", -20.0, 0.0),
    ("0 ~ 20", 0.0, 20.0),
    ("20 ~ 28", 20.0, 28.0),
    ("28 이상", 28.0, np.inf),
    ("35 이상", 35.0, np.inf),
)
LEVELS: Final = (-np.inf, 35.0, 45.0, 50.0, 55.0)
OUTCOMES: Final = (("same_day", "당일 종가", 5), ("exits", "당일 + 손절·익절", 5), ("5", "5일", 5), ("20", "20일", 20))
DAILY_FACTORS: Final = (Factor.RSI, Factor.MACD, Factor.BOLLINGER, Factor.DAILY_FVG, Factor.ORDER_BLOCK)
STRONG: Final = 28.0
DELISTED_COST: Final = 0.0020 + 2 * COMMISSION
TUNE_UNTIL: Final = np.datetime64("2024-01-01")
QUANTILES: Final = (1, 5, 25, 50, 75, 95, 99, 99.9)
THINGS_TRIED: Final = (
    "곡선·매개변수 설정 약 45가지, 단일 인자 형태 약 55가지, 15분 갭 형태 7가지, 구조 설정 12가지(곡선을 고를 때), "
    "이 연구에서 변형 7가지. 곡선은 2023년까지의 자료로 골랐고 2024–2025년은 고르는 동안 보였으므로 두 번째 눈이지 처음 보는 시험이 아닙니다."
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One bucket of one period: its share of stock-days and net and excess returns by outcome, bps."""

    bucket: str
    share: float
    net: dict[str, Estimate]
    excess: dict[str, Estimate]
    null: tuple[float, float] = (float("nan"), float("nan"))
    """(mean, deviation) of the same-day excess of blind draws."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A rule on top of the strong bucket: same-day net and excess, bps."""

    name: str
    share: float
    net: Estimate
    excess: Estimate


@dataclass(frozen=True, slots=True)
class Period:
    name: str
    stock_days: int
    cells: tuple[Cell, ...]
    correlations: dict[str, tuple[Estimate, Estimate]]
    """Factor → rank correlation × 1,000 with the same-day and the 5-day return."""
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class LevelRow:
    """First fifteen-minute bar of a stock-day at or above a level, entry at the next bar's open, bps."""

    level: float
    rows: int
    to_close: Estimate
    exits: Estimate
    excess: Estimate


@dataclass(frozen=True, slots=True)
class MinuteStudy:
    bars: int
    stock_days: int
    quantiles: tuple[float, ...]
    highest: float
    bars_at_entry: float
    bars_at_exit: float
    stock_days_at_entry: int
    stock_days_at_exit: int
    rows: tuple[LevelRow, ...]


@dataclass(frozen=True, slots=True)
class DelistedStudy:
    """Companies that were delisted later: what the survivors' file cannot show."""

    share_near_end: float
    """Share of stock-days with the daily part ≥ 28 within the last 60 bars."""
    share_before: float
    rows: int
    mean_bps: float
    """Same-day return of the strong bucket after the costs of 2023."""
    median_bps: float


@dataclass(frozen=True, slots=True)
class ScoreStudy:
    folder: str
    names: int
    stock_days: int
    first: str
    last: str
    quantiles: tuple[float, ...]
    highest: float
    lowest: float
    shares: dict[str, float]
    """Share of stock-days with the daily part ≥ 20, ≥ 28, ≤ −40."""
    names_a_day: float
    """Names with a daily part ≥ 28 a day, per 2,700."""
    periods: tuple[Period, ...]
    by_year: tuple[tuple[int, Estimate, Estimate], ...]
    """(year, same-day excess, 5-day excess) of the strong bucket, bps."""
    minutes: MinuteStudy | None
    delisted: DelistedStudy | None
    quarantined: dict[str, str]
    histogram: tuple[tuple[float, float], ...]
    """(lower edge of daily points, share), 4-point bins."""

    def json(self) -> dict[str, Any]:
        """The document of ``gaemi study scores --json``."""
        return {
            "folder": self.folder,
            "names": self.names,
            "stock_days": self.stock_days,
            "first": self.first,
            "last": self.last,
            "daily": {
                "quantiles": dict(zip(map(str, QUANTILES), self.quantiles, strict=True)),
                "highest": self.highest,
                "lowest": self.lowest,
                "shares": self.shares,
                "names_a_day": self.names_a_day,
            },
            "periods": [_period_json(period) for period in self.periods],
            "by_year": [
                {"year": y, "same_day_excess": a.json(), "five_day_excess": b.json()} for y, a, b in self.by_year
            ],
            "minutes": _minutes_json(self.minutes),
            "delisted": asdict(self.delisted) if self.delisted else None,
            "quarantined": self.quarantined,
        }


def study_scores(folder: Path, progress: Callable[[str], None] | None = None) -> ScoreStudy:
    """Study a replay folder (``krx_daily.parquet``, optional ``krx_minute.parquet``). Raises ValueError, OSError.

    CPU-bound for about half a minute on 400 names and six years: run it off the loop.
    """
    tell = progress or (lambda _: None)
    tell("일봉 점수")
    panel = daily_panel(folder)
    total = panel.total
    periods = []
    for name, mask in _periods(panel):
        if mask.any():
            tell(f"수익률 {name}")
            periods.append(_period(name, panel, mask))
    tell("15분봉 점수")
    daily, markets = replay_daily(folder)
    minutes = minute_panel(folder, daily, markets)
    counts, edges = np.histogram(total, np.arange(-64, 68, 4))
    strong = total >= STRONG
    return ScoreStudy(
        folder=folder.name,
        names=len(panel.codes),
        stock_days=len(total),
        first=str(panel.dates[0]),
        last=str(panel.dates[-1]),
        quantiles=tuple(float(value) for value in np.percentile(total, QUANTILES)),
        highest=float(total.max()),
        lowest=float(total.min()),
        shares={
            ">=20": float(np.mean(total >= 20)),
            ">=28": float(np.mean(strong)),
            "<=-40": float(np.mean(total <= -40)),
        },
        names_a_day=2_700.0 * float(np.mean(strong)),
        periods=tuple(periods),
        by_year=_by_year(panel, strong),
        minutes=_minutes(minutes) if minutes is not None else None,
        delisted=_delisted(folder),
        quarantined=dict(panel.quarantined),
        histogram=tuple((float(edge), float(count / len(total))) for edge, count in zip(edges, counts, strict=False)),
    )


# ---------------------------------------------------------------- daily part


def _periods(panel: DailyPanel) -> list[tuple[str, Mask]]:
    early = panel.dates[panel.day] < TUNE_UNTIL
    return [("2023년까지 (코스피)", early & ~panel.kosdaq), ("2024년부터", ~early)]


def _period(name: str, panel: DailyPanel, mask: Mask) -> Period:
    total, day, days = panel.total[mask], panel.day[mask], len(panel.dates)
    net = {key: 1e4 * (panel.after[key][mask] - panel.cost[mask]) for key, _, _ in OUTCOMES}
    excess = {key: demeaned(values, day, days) for key, values in net.items()}
    cells = []
    for bucket, low, high in BUCKETS:
        chosen = _within(total, low, high)
        cells.append(
            Cell(
                bucket,
                float(chosen.mean()),
                {key: _estimate(values, chosen, day, days, block) for (key, _, block), values in _each(net)},
                {key: _estimate(values, chosen, day, days, block) for (key, _, block), values in _each(excess)},
                shuffled(chosen, excess["same_day"], day) if low >= STRONG else (float("nan"), float("nan")),
            )
        )
    correlations = {}
    columns = [(factor.value, panel.points[mask][:, n]) for n, factor in enumerate(DAILY_FACTORS)]
    for label, score in [*columns, ("daily", total)]:
        correlations[label] = (
            _scaled(daily_rank_correlation(score, panel.after["same_day"][mask], day, days)),
            _scaled(daily_rank_correlation(score, panel.after["5"][mask], day, days)),
        )
    return Period(name, int(mask.sum()), tuple(cells), correlations, _variants(panel, mask, excess["same_day"]))


def _each(values: dict[str, Floats]) -> list[tuple[tuple[str, str, int], Floats]]:
    return [(outcome, values[outcome[0]]) for outcome in OUTCOMES]


def _within(total: Floats, low: float, high: float) -> Mask:
    return (total <= high) if low == -np.inf else (total >= low) & (total < high)


def _estimate(values: Floats, chosen: Mask, day: NDArray[np.int64], days: int, block: int = 5) -> Estimate:
    present = np.unique(day)
    return day_clustered(values[chosen], np.searchsorted(present, day[chosen]), len(present), block=block)


def _scaled(found: Estimate) -> Estimate:
    return Estimate(1e3 * found.mean, 1e3 * found.low, 1e3 * found.high, found.rows, found.days)


def _variants(panel: DailyPanel, mask: Mask, excess: Floats) -> tuple[Variant, ...]:
    """Ideas on top of the strong bucket; each is one thing tried."""
    day, days = panel.day[mask], len(panel.dates)
    strong = panel.total[mask] >= STRONG
    same_day = 1e4 * (panel.after["same_day"][mask] - panel.cost[mask])
    night = 1e4 * (panel.after["night"][mask] - panel.cost[mask])
    tick = 1e4 * panel.tick[mask]
    # Yesterday's breadth of the file's names stands in for the market: the median of their last five daily moves.
    market = np.array([np.median(panel.after["same_day"][panel.day == n]) for n in range(days)])
    trend = np.convolve(np.r_[np.zeros(6), market], np.ones(5) / 5, "valid")[1 : days + 1]
    calm = panel.points[mask][:, 1] >= 0
    rows = (
        ("기준: 당일 종가에 청산", strong, same_day, excess),
        ("한 틱 스프레드까지 비용으로", strong, same_day - tick, excess),
        ("틱이 가격의 0.1% 미만인 종목만", strong & (tick < 10), same_day - tick, excess),
        ("하룻밤 보유(다음 날 시가)", strong, night, demeaned(night, day, days)),
        ("시장 약세(최근 5일 중앙값 < 0)에는 쉼", strong & (trend[day] >= 0), same_day, excess),
        ("시장 강세에는 쉼", strong & (trend[day] < 0), same_day, excess),
        ("MACD가 반대하면 쉼", strong & calm, same_day, excess),
    )
    return tuple(
        Variant(
            name,
            float(chosen.mean()),
            _estimate(values, chosen, day, days),
            _estimate(other, chosen, day, days),
        )
        for name, chosen, values, other in rows
    )


def _by_year(panel: DailyPanel, strong: Mask) -> tuple[tuple[int, Estimate, Estimate], ...]:
    days = len(panel.dates)
    excess = [demeaned(1e4 * (panel.after[key] - panel.cost), panel.day, days) for key in ("same_day", "5")]
    years = panel.dates[panel.day].astype("datetime64[Y]").astype(int) + 1970
    return tuple(
        (
            int(year),
            _estimate(excess[0][years == year], strong[years == year], panel.day[years == year], days),
            _estimate(excess[1][years == year], strong[years == year], panel.day[years == year], days),
        )
        for year in np.unique(years)
    )


def _delisted(folder: Path) -> DelistedStudy | None:
    found = delisted_rows(folder)
    if found is None:
        return None
    points, after, near_end = found
    strong = points >= STRONG
    net = 1e4 * (after[strong] - DELISTED_COST)
    return DelistedStudy(
        float(strong[near_end].mean()),
        float(strong[~near_end].mean()),
        int(strong.sum()),
        float(net.mean()) if len(net) else float("nan"),
        float(np.median(net)) if len(net) else float("nan"),
    )


# ---------------------------------------------------------------- minutes


def _minutes(panel: MinutePanel) -> MinuteStudy:
    total = panel.total
    stock_days = int(panel.stock_day.max()) + 1
    best, worst = np.full(stock_days, -np.inf), np.full(stock_days, np.inf)
    np.maximum.at(best, panel.stock_day, total)
    np.minimum.at(worst, panel.stock_day, total)
    net = {"close": 1e4 * (panel.to_close - panel.cost), "exits": 1e4 * (panel.exits - panel.cost)}
    slot = panel.day * 64 + panel.bar
    slots, same = np.unique(slot, return_inverse=True)
    excess = demeaned(net["exits"], same, len(slots))
    rows = []
    for level in LEVELS:
        chosen = total >= level
        if level != -np.inf:
            reached = np.flatnonzero(chosen & np.isfinite(net["exits"]))
            _, first = np.unique(panel.stock_day[reached], return_index=True)
            chosen = np.zeros(len(total), bool)
            chosen[reached[first]] = True
        estimates = [
            day_clustered(v[chosen], panel.day[chosen], panel.days) for v in (net["close"], net["exits"], excess)
        ]
        rows.append(LevelRow(level, int(chosen.sum()), *estimates))
    return MinuteStudy(
        len(total),
        stock_days,
        tuple(float(value) for value in np.percentile(total, QUANTILES)),
        float(total.max()),
        float(np.mean(total >= 55)),
        float(np.mean(total <= -40)),
        int(np.count_nonzero(best >= 55)),
        int(np.count_nonzero(worst <= -40)),
        tuple(rows),
    )


# ---------------------------------------------------------------- documents


def _period_json(period: Period) -> dict[str, Any]:
    return {
        "name": period.name,
        "stock_days": period.stock_days,
        "buckets": [
            {
                "bucket": cell.bucket,
                "share": cell.share,
                "net_bps": {key: found.json() for key, found in cell.net.items()},
                "excess_bps": {key: found.json() for key, found in cell.excess.items()},
                "null_same_day": None if cell.null[1] != cell.null[1] else {"mean": cell.null[0], "sd": cell.null[1]},
            }
            for cell in period.cells
        ],
        "rank_correlation_x1000": {
            key: {"same_day": one.json(), "five_day": five.json()} for key, (one, five) in period.correlations.items()
        },
        "variants": [
            {"name": v.name, "share": v.share, "net_bps": v.net.json(), "excess_bps": v.excess.json()}
            for v in period.variants
        ],
    }


def _minutes_json(study: MinuteStudy | None) -> dict[str, Any] | None:
    if study is None:
        return None
    return {
        "bars": study.bars,
        "stock_days": study.stock_days,
        "quantiles": dict(zip(map(str, QUANTILES), study.quantiles, strict=True)),
        "highest": study.highest,
        "share_of_bars_at_55": study.bars_at_entry,
        "share_of_bars_at_-40": study.bars_at_exit,
        "stock_days_at_55": study.stock_days_at_entry,
        "stock_days_at_-40": study.stock_days_at_exit,
        "levels": [
            {
                "level": None if row.level == -np.inf else row.level,
                "rows": row.rows,
                "to_close_bps": row.to_close.json(),
                "with_exits_bps": row.exits.json(),
                "excess_bps": row.excess.json(),
            }
            for row in study.rows
        ],
    }


def cost_words() -> str:
    return f"수수료 왕복 {2 * COMMISSION * 1e4:.1f}bp와 그해의 매도세, 스프레드는 따로 적은 곳에만"
