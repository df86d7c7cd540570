"""Real daily bars of many stocks: the layout holds on prices nobody made up."""

from __future__ import annotations

import pandas as pd
import pytest

from charts import samples as one
from charts.registry import build
from engine.market import Bars, Interval, Market, Stock
from engine.results import CandleChart
from tests.charts.reading import check_layout
from tests.shared_data import SHARED, needs_shared_data


@needs_shared_data
@pytest.mark.shared_data
def test_daily_candles_of_real_stocks() -> None:
    frame = pd.read_parquet(SHARED / "krx_daily.parquet")
    names = {column.lower(): column for column in frame.columns}
    code = names.get("code") or names["ticker"]
    drawn = 0
    for ticker, rows in list(frame.groupby(code))[::16]:
        rows = rows.sort_values(names["date"]).tail(160)
        rows = rows[rows[names["volume"]] > 0]
        if len(rows) < 2:
            continue
        columns = [rows[names[name]].to_numpy() for name in ("open", "high", "low", "close", "volume")]
        bars = Bars(rows[names["date"]].to_numpy().astype("datetime64[s]"), *columns)
        stock = Stock(str(ticker), f"종목 {ticker}", Market.KOSPI)
        zones = one.gaps(bars)
        for overlays in ("moving_averages", "bollinger"):
            chart = CandleChart(
                stock,
                Interval.DAY,
                bars,
                one.STAMP,
                overlays=overlays,
                zones=zones,
                events=one.breaks(bars),
            )
            check_layout(build(chart))
            drawn += 1
    assert drawn > 20
