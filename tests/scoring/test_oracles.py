"""Our indicators against independent ones: TA-Lib, smartmoneyconcepts, recorded vectors, worked examples."""

from __future__ import annotations

import json
import os
import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest

from engine.indicators import average_true_range, bollinger, breakout_target, macd, rsi
from engine.market import Bars
from engine.scoring import kernels
from engine.scoring.quality import defect
from tests.shared_data import SHARED, needs_shared_data

from .helpers import random_walk

VECTORS = SHARED.parent / "oracle-vectors.json"
needs_vectors = pytest.mark.skipif(not VECTORS.is_file(), reason=f"no vectors at {VECTORS}")


@cache
def vectors() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(VECTORS.read_text())
    return found


def column(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)


def prices(name: str) -> np.ndarray:
    return column(vectors()["ohlcv"][name])


# ---------------------------------------------------------------- worked examples and edges

CLOSES = [49850, 49850, 50000, 50100, 49950, 50100, 50100, 49900, 49650, 49600, 49750, 49550, 49700, 50100, 49850]


def test_worked_rsi() -> None:
    values = rsi([*CLOSES, 49950, 50200, 50200])
    assert np.isnan(values[:14]).all()
    assert values[14:].round(8).tolist() == [50.0, 52.33333333, 57.65375854, 57.65375854]


def test_worked_breakout_target() -> None:
    assert breakout_target(50_900, 50_800, 49_550) == 51_525
    assert np.isnan(breakout_target(50_900, 50_000, 50_000))


def test_monotone_series() -> None:
    up = np.arange(1.0, 60.0)
    assert rsi(up)[-1] == 100.0
    assert rsi(up[::-1])[-1] == 0.0


def test_flat_series_is_undefined() -> None:
    """TA-Lib says 0 here, which reads as extremely oversold."""
    assert np.isnan(rsi(np.full(40, 10_000.0))).all()
    upper, middle, lower = bollinger(np.full(40, 0.1))
    assert upper[-1] == middle[-1] == lower[-1] == 0.1


def test_one_missing_value_leaves_no_number_behind() -> None:
    """TA-Lib's RSI says 0 for ever after; ours is undefined, and bars with a hole are refused before."""
    close = np.array(random_walk(60, "hole").close)
    close[30] = np.nan
    assert np.isnan(rsi(close)[30:]).all()
    assert all(np.isnan(series[30:]).all() for series in macd(close))
    assert np.isnan(average_true_range(close, close, close)[30:]).all()
    assert all(np.isnan(series[30:50]).all() for series in bollinger(close))
    bars = random_walk(60, "hole")
    assert "NaN" in defect(Bars(bars.start, bars.open, bars.high, bars.low, close, bars.volume))


# ---------------------------------------------------------------- recorded vectors


@needs_vectors
def test_recorded_indicators() -> None:
    close = prices("close")
    np.testing.assert_allclose(rsi(close), column(vectors()["rsi14"]), atol=1e-8)
    line, signal, histogram = macd(close)
    expected = [column(values) for values in vectors()["macd_12_26_9"]["talib"]]
    for ours, theirs in zip((line, signal, histogram), expected, strict=True):
        np.testing.assert_allclose(ours[33:], theirs[33:], atol=1e-7)
    upper, middle, lower = bollinger(close)
    band = vectors()["bb_20_2_population"]
    for ours, name in ((upper, "upper"), (middle, "middle"), (lower, "lower")):
        np.testing.assert_allclose(ours, column(band[name]), atol=1e-7)


@needs_vectors
def test_recorded_gaps_and_structure() -> None:
    high, low, close = prices("high"), prices("low"), prices("close")
    marks, edges = kernels.gap_list(high, low, np.full(160, np.nan), np.zeros(160, np.int64), 0.0)
    ours = [(int(m[0]), int(m[1]), e[0], e[1]) for m, e in zip(marks, edges, strict=True)]
    assert sorted(ours) == sorted((g["known_at"], g["dir"], g["bottom"], g["top"]) for g in vectors()["fvg"])
    sessions = np.arange(160) // 26
    inside, _ = kernels.gap_list(high, low, np.full(160, np.nan), sessions, 0.0)
    assert {int(m[0]) for m in marks} - {int(m[0]) for m in inside} >= {26, 78, 79}
    assert len(marks) - len(inside) == 5
    events = [
        (int(e[0]), "CHOCH" if e[2] == 2 else "BOS", int(e[1]), int(e[3]))
        for e in kernels.structure(high, low, close, 3)
    ]
    assert events == [
        (e["at"], e["kind"], e["dir"], e["broken_pivot"]) for e in vectors()["structure_n3_own_reference"]
    ]
    for side, name, sign in ((high, "high", 1.0), (low, "low", -1.0)):
        swings = [[p + 3, p] for p in range(160) if kernels.swing_at(side, p, 3, sign)]
        assert swings == vectors()["swings_n3"][name]


# ---------------------------------------------------------------- TA-Lib on every code of the shared file


@needs_shared_data
@pytest.mark.shared_data
def test_equal_to_talib_on_every_code() -> None:
    talib = pytest.importorskip("talib")
    import pandas

    daily = pandas.read_parquet(SHARED / "krx_daily.parquet")
    codes = undefined_there = 0
    for _, rows in daily[~daily.halted].groupby("code", sort=True):
        high, low, close = (rows[name].to_numpy(float) for name in ("high", "low", "close"))
        if len(close) < 60:
            continue
        codes += 1
        scale = close.max()
        pairs = [
            (rsi(close), talib.RSI(close, 14)),
            (average_true_range(high, low, close), talib.ATR(high, low, close, 14)),
        ]
        pairs += zip(macd(close), talib.MACD(close, 12, 26, 9), strict=True)
        pairs += zip(bollinger(close), talib.BBANDS(close, 20, 2.0, 2.0, 0), strict=True)
        for ours, theirs in pairs:
            defined = np.isfinite(ours)
            extra = np.isfinite(theirs) & ~defined
            assert (defined <= np.isfinite(theirs)).all()
            assert (theirs[extra] == 0.0).all()  # a stock that has not moved yet: "0" to them, undefined to us
            undefined_there += int(extra.sum())
            np.testing.assert_allclose(ours[defined], theirs[defined], rtol=1e-9, atol=1e-9 * scale)
    assert codes == 400
    assert undefined_there < 100


@needs_shared_data
@pytest.mark.shared_data
def test_anomalies_are_named() -> None:
    """Every window with a move that no stock can make is refused; the rest of the file's rows are not."""
    import pandas

    rows = pandas.read_csv(SHARED / "krx_daily_anomalies.csv", dtype={"code": str}, parse_dates=["date"])
    for _, window in rows.groupby(["code", "event_date"]):
        ordered = window.sort_values("date").drop_duplicates("date")
        columns = [ordered[name].to_numpy(float) for name in ("open", "high", "low", "close")]
        bars = Bars(ordered.date.to_numpy("datetime64[s]"), columns[0], columns[1], columns[2], columns[3],
                    ordered.volume.to_numpy(np.int64))  # fmt: skip
        assert defect(bars), window.code.iloc[0]


# ---------------------------------------------------------------- smartmoneyconcepts


def published_gaps(bars: Bars) -> list[tuple[int, int, float, float, int]]:
    """(known at, direction, bottom, top, first touch or -1) as smartmoneyconcepts has them."""
    os.environ["SMC_CREDIT"] = "0"  # else it prints a banner
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        smc = pytest.importorskip("smartmoneyconcepts").smc
        import pandas

        frame = pandas.DataFrame(
            {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close, "volume": bars.volume}
        )
        found = smc.fvg(frame)
    return [
        # It dates a gap on its middle candle, a bar before it is known.
        (row + 1, int(side), float(bottom), float(top), int(touch) if touch > 0 else -1)
        for row, (side, top, bottom, touch) in enumerate(found.to_numpy())
        if side == side
    ]


@pytest.mark.parametrize("seed", range(6))
def test_gaps_equal_smartmoneyconcepts_where_it_is_causal(seed: int) -> None:
    """Three differences, each stated: it dates gaps a bar early, it wants the middle body in the gap's direction, and
    it knows no sessions. With those taken away both lists are the same, first touches included."""
    bars = random_walk(400, "published", seed, tick=100.0)
    marks, edges = kernels.gap_list(bars.high, bars.low, np.full(400, np.nan), np.zeros(400, np.int64), 0.0)
    body = np.sign(bars.close - bars.open)
    ours = [
        (int(t), int(side), float(b), float(top), int(touch))
        for (t, side, touch, _, _), (b, top) in zip(marks, edges, strict=True)
    ]
    with_body = [gap for gap in ours if body[gap[0] - 1] == gap[1]]
    assert published_gaps(bars) == sorted(with_body)
    assert len(ours) > len(with_body) > 10


def test_one_price_days_keep_their_gap() -> None:
    """A limit-up lock has no body: smartmoneyconcepts drops its gap, ours counts."""
    bars = random_walk(60, "lock")
    columns = [np.array(getattr(bars, name)) for name in ("open", "high", "low", "close")]
    for row, factor in ((40, 1.3), (41, 1.69), (42, 2.2)):
        for values in columns:
            values[row] = round(columns[3][39] * factor, -2)
    locked = Bars(bars.start, columns[0], columns[1], columns[2], columns[3], bars.volume)
    marks, _ = kernels.gap_list(locked.high, locked.low, np.full(60, np.nan), np.zeros(60, np.int64), 0.0)
    assert 42 in marks[marks[:, 1] > 0][:, 0]
    assert 42 not in [gap[0] for gap in published_gaps(locked)]
