"""The score study: its parts against plain loops, and the measured tables on the shared data."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.clock import seeded
from engine.market import Bars, Market
from engine.scoring.bootstrap import daily_rank_correlation, day_clustered, demeaned, shuffled
from engine.scoring.panel import (
    COMMISSION,
    DailyPanel,
    daily_panel,
    fifteen_of,
    minute_panel,
    replay_daily,
    stop_share,
    tax_rate,
    with_exits,
)
from engine.scoring.points import daily_states
from engine.study import STRONG, study_scores
from tests.shared_data import SHARED, needs_shared_data

from .helpers import random_walk

NAMES, DAYS = 24, 170


def write_folder(folder: Path, names: int = NAMES, days: int = DAYS) -> dict[str, Bars]:
    """A replay folder of random walks with minutes of two codes on the last twelve days."""
    import pandas

    all_bars: dict[str, Bars] = {}
    rows: list[Any] = []
    minutes: list[Any] = []
    for n in range(names):
        code = f"{n:05d}0"
        bars = random_walk(days, "study", n)
        all_bars[code] = bars
        rows.append(
            pandas.DataFrame(
                {
                    "code": code,
                    "date": bars.start,
                    "open": bars.open.astype(int),
                    "high": bars.high.astype(int),
                    "low": bars.low.astype(int),
                    "close": bars.close.astype(int),
                    "volume": bars.volume,
                }
            )
        )
        minutes += [minute_rows(code, bars, day) for day in range(days - 12, days) if n < 2]
    pandas.concat(rows).to_parquet(folder / "krx_daily.parquet")
    pandas.concat(minutes).to_parquet(folder / "krx_minute.parquet")
    return all_bars


def minute_rows(code: str, bars: Bars, day: int) -> Any:
    import pandas

    rng = seeded("minutes", code, day)
    path = bars.open[day] * np.exp(np.concatenate(([0.0], rng.normal(0, 0.002, 78).cumsum())))
    start = bars.start[day] + np.timedelta64(9, "h") + np.arange(78) * np.timedelta64(5, "m")
    ends = np.array([path[:-1], path[1:]])
    return pandas.DataFrame(
        {"code": code, "source": "S", "ts_start": start, "open": path[:-1], "high": ends.max(axis=0),
         "low": ends.min(axis=0), "close": path[1:], "volume": 10}
    )  # fmt: skip


def test_study_of_a_folder(tmp_path: Path) -> None:
    write_folder(tmp_path)
    stages: list[str] = []
    study = study_scores(tmp_path, stages.append)
    again = study_scores(tmp_path)
    assert json.dumps(study.json(), sort_keys=True) == json.dumps(again.json(), sort_keys=True)
    assert study.names == NAMES
    assert study.stock_days == NAMES * (DAYS - 60)
    assert stages[0] == "일봉 점수"
    period = study.periods[-1]
    assert period.cells[0].share == 1.0
    assert sum(cell.share for cell in period.cells[1:-1]) == pytest.approx(1.0, abs=1e-9)
    assert study.minutes is not None
    assert study.minutes.stock_days == 24
    assert sum(share for _, share in study.histogram) == pytest.approx(1.0)


def test_rows_match_plain_loops(tmp_path: Path) -> None:
    """Points come from the bars before the day; returns, exits and costs from the day on."""
    all_bars = write_folder(tmp_path, names=3)
    panel = daily_panel(tmp_path)
    rows = np.flatnonzero(panel.code == 1)
    bars = all_bars[panel.codes[1]]
    for row, t in zip(rows[::7], range(60, DAYS, 7), strict=False):
        entry = bars.open[t]
        assert panel.dates[panel.day[row]] == bars.dates()[t]
        np.testing.assert_allclose(panel.points[row], daily_states([bars[:t]])[0].points)
        assert panel.after["same_day"][row] == pytest.approx(bars.close[t] / entry - 1)
        five = bars.close[t + 4] / entry - 1 if t + 4 < DAYS else np.nan
        np.testing.assert_allclose(panel.after["5"][row], five)
        year = 2024 if bars.dates()[t] >= np.datetime64("2024-01-01") else 2023
        assert panel.cost[row] == pytest.approx(tax_rate(date(year, 6, 1), Market.KOSPI) + 2 * COMMISSION)


def test_exits_take_the_worse_side() -> None:
    entry, stop = 100.0, 97.0

    def run(*bars: tuple[float, float, float, float]) -> float:
        columns = np.array(bars).T
        return with_exits(entry, stop, columns[1], columns[2], columns[3], columns[0])

    assert run((100, 106, 96, 104)) == pytest.approx(-0.03)  # both touched: stopped
    assert run((100, 106, 98, 104)) == pytest.approx(0.05)
    assert run((100, 101, 98, 99), (95, 96, 94, 95)) == pytest.approx(-0.05)  # a gap through the stop fills there
    assert run((100, 101, 98, 99), (99, 100, 98, 98)) == pytest.approx(-0.02)
    far = np.array([99.9, 99.0, 90.0, np.nan])
    np.testing.assert_allclose(stop_share(np.full(4, 100.0), far), [0.97, 0.99, 0.97, 0.97])


def test_intervals_draw_days_not_rows() -> None:
    """Values that share a daily shock: the interval must be as wide as the shock, however many names there are."""
    rng = seeded("shock")
    day = np.repeat(np.arange(200), 50)
    shock = rng.normal(0, 100, 200)
    found = day_clustered(shock[day] + rng.normal(0, 10, len(day)), day, 200)
    assert found.low < found.mean < found.high
    width = (found.high - found.low) / 2
    assert width == pytest.approx(1.96 * 100 / np.sqrt(200), rel=0.35)
    assert abs(demeaned(shock[day], day, 200)).max() < 1e-9


def test_blind_draws_find_no_edge_and_a_planted_one_stands_out() -> None:
    rng = seeded("planted")
    day = np.repeat(np.arange(300), 40)
    values = rng.normal(0, 100, len(day))
    chosen = rng.random(len(day)) < 0.05
    values[chosen] += 30
    excess = demeaned(values, day, 300)
    mean, deviation = shuffled(chosen, excess, day)
    assert abs(mean) < 2.0
    assert excess[chosen].mean() > mean + 4 * deviation


def test_rank_correlation_with_ties() -> None:
    score = np.array([1.0, 2.0, 2.0, 3.0, 3.0, 3.0])
    outcome = np.array([10.0, 20.0, 20.0, 30.0, 30.0, 30.0])
    day = np.zeros(6, int)
    assert daily_rank_correlation(score, outcome, day, 1, block=1, least=2).mean == pytest.approx(1.0)
    assert daily_rank_correlation(score, -outcome, day, 1, block=1, least=2).mean == pytest.approx(-1.0)
    # Spearman by hand: ranks of (1, 2, 2, 3) are 1, 2.5, 2.5, 4 against 2, 1, 4, 3.
    by_hand = np.corrcoef([1, 2.5, 2.5, 4], [2, 1, 4, 3])[0, 1]
    found = daily_rank_correlation(
        np.array([1.0, 2, 2, 3]), np.array([2.0, 1, 4, 3]), np.zeros(4, int), 1, block=1, least=2
    )
    assert found.mean == pytest.approx(by_hand)


def test_minutes_become_fifteen_minute_bars() -> None:
    import pandas

    start = pandas.to_datetime(
        ["2024-01-02 09:00", "2024-01-02 09:05", "2024-01-02 09:10", "2024-01-02 09:15", "2024-01-02 15:30"]
    )
    rows = pandas.DataFrame(
        {"ts_start": start, "open": [1, 2, 3, 4, 5], "high": [9, 2, 3, 4, 5], "low": [1, 1, 3, 4, 5],
         "close": [2, 3, 3, 4, 5], "volume": [1, 0, 2, 3, 4]}
    )  # fmt: skip
    bars = fifteen_of(rows)
    assert [str(moment)[11:16] for moment in bars.start] == ["09:00", "09:15", "15:15"]
    assert bars.open.tolist() == [1, 4, 5]
    assert bars.high.tolist() == [9, 4, 5]
    assert bars.volume.tolist() == [3, 3, 4]


# ---------------------------------------------------------------- the measured tables


@cache
def real_panel() -> DailyPanel:
    return daily_panel(SHARED)


@needs_shared_data
@pytest.mark.shared_data
def test_measured_distribution_and_order() -> None:
    """Without a forecast: daily part >= 28 in about 3 % of stock-days, same-day excess about +15 bps in both periods."""
    panel = real_panel()
    total = panel.total
    assert len(total) == pytest.approx(424_950, rel=0.002)
    assert np.mean(total >= STRONG) == pytest.approx(0.0298, abs=0.006)
    assert np.mean(total >= 20) == pytest.approx(0.129, abs=0.01)
    assert total.max() < 55
    early = panel.dates[panel.day] < np.datetime64("2024-01-01")
    for mask in (early & ~panel.kosdaq, ~early):
        days = len(panel.dates)
        net = 1e4 * (panel.after["same_day"][mask] - panel.cost[mask])
        day = panel.day[mask]
        strong = total[mask] >= STRONG
        excess = demeaned(net, day, days)
        found = day_clustered(excess[strong], day[strong], days)
        assert found.low < 15 < found.high
        assert found.low > 0
        assert net[strong].mean() < 5  # and it does not pay for a same-day trade
        assert net.mean() == pytest.approx(-25.5, abs=3)
        for column, expected in ((0, 33.0 if mask[0] else 24.0), (2, 33.0 if mask[0] else 28.0)):
            correlation = daily_rank_correlation(
                panel.points[mask][:, column], panel.after["same_day"][mask], day, days
            )
            assert 1e3 * correlation.mean == pytest.approx(expected, abs=3)


@needs_shared_data
@pytest.mark.shared_data
def test_measured_minutes() -> None:
    """About 4 of 875 stock-days reach 55 (95 %: 0.1 to 1.2 %); the quantiles are those measured."""
    daily, markets = replay_daily(SHARED)
    panel = minute_panel(SHARED, daily, markets)
    assert panel is not None
    total = panel.total
    stock_days = int(panel.stock_day.max()) + 1
    assert stock_days == pytest.approx(875, abs=10)
    reached = len(np.unique(panel.stock_day[total >= 55]))
    assert 0.001 <= reached / stock_days <= 0.012
    measured = [-40, -26, -5, 10, 22, 37, 47, 54]
    np.testing.assert_allclose(np.percentile(total, [1, 5, 25, 50, 75, 95, 99, 99.9]), measured, atol=1.5)
    assert total.max() == pytest.approx(58.5, abs=0.5)
    assert np.mean(total <= -40) == pytest.approx(0.0097, abs=0.001)
