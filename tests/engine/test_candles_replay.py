"""Real bars → ticks → CandleStore → the same bars, for every code and day of the shared file."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.calendar import TradingCalendar
from engine.candles import CandleStore, aggregate
from engine.market import KST, Tick
from engine.simulator.replay import ReplayTape
from tests.shared_data import SHARED, needs_shared_data


@needs_shared_data
@pytest.mark.shared_data
@pytest.mark.timeout(240)
def test_every_code_and_day_comes_back(tmp_path: Path) -> None:
    calendar = TradingCalendar()
    tape = ReplayTape(SHARED, None, calendar)
    minutes = pd.read_parquet(SHARED / "krx_minute.parquet", columns=["code", "ts_start", "volume"])
    pairs = minutes[minutes.volume > 0].assign(day=minutes.ts_start.dt.date)[["code", "day"]].drop_duplicates()
    compared = bars_compared = 0
    for day in tape.days():
        session = calendar.session(day)
        assert session is not None
        midnight = datetime(day.year, day.month, day.day, tzinfo=KST)
        store = CandleStore(tmp_path / day.isoformat(), calendar)
        codes = sorted(pairs.loc[pairs.day == day, "code"])
        store.subscribed(codes, session.order_start)
        traded: dict[str, int] = {}
        for code in codes:
            prints = tape.prints(code, day)
            cumulative = 0
            for second, price, volume in zip(
                prints.second.tolist(), prints.price.tolist(), prints.volume.tolist(), strict=True
            ):
                cumulative += volume
                store.on_tick(Tick(code, midnight + timedelta(seconds=second), price, volume, cumulative))
            traded[code] = cumulative
        store.complete(session.close)
        assert store.gaps == store.duplicates == 0
        for code in codes:
            built, origin = store.fifteen(code, session.close)
            source = aggregate(tape.minute_bars(code, day), session)
            assert origin == ("stream" if source else "none")
            assert built.candles() == source, (code, day)
            assert int(np.sum(built.volume)) == traded[code]
            compared += 1
            bars_compared += len(source)
    assert compared == len(pairs) >= 900
    assert bars_compared >= 20_000
