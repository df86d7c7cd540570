"""The replay tape: real bars come back exactly from the trades made of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.calendar import Session, TradingCalendar
from engine.clock import seeded
from engine.market import Index
from engine.simulator.replay import ReplayTape
from engine.simulator.replay_files import MinuteColumns
from engine.simulator.replay_prints import needed_trades, prints_of_bars
from engine.simulator.tape import Prints, TapeError
from engine.simulator.tape_bars import bars_of_prints
from tests.shared_data import SHARED, needs_shared_data

CALENDAR = TradingCalendar()
DAY = date(2020, 3, 24)
FIELDS = ("open", "high", "low", "close")


def session_of(day: date) -> Session:
    session = CALENDAR.session(day)
    assert session is not None
    return session


def without_added_close(prints: Prints) -> Prints:
    if not prints.synthetic_close:
        return prints
    return Prints(prints.second[:-1], prints.price[:-1], prints.volume[:-1], prints.side[:-1])


@st.composite
def bars_of_a_day(draw: st.DrawFn) -> MinuteColumns:
    minutes = draw(st.sampled_from([1, 5]))
    slots = sorted(draw(st.sets(st.integers(0, 380 // minutes - 1), min_size=1, max_size=12)))
    rows, volumes = [], []
    for _ in slots:
        ticks = draw(st.tuples(*[st.integers(1, 40)] * 4))
        open_, close = ticks[0], ticks[1]
        rows.append((open_, max(ticks), min(ticks), close))
        volumes.append(draw(st.one_of(st.integers(1, 6), st.integers(1, 10**9))))
    second = np.array([9 * 3600 + slot * minutes * 60 for slot in slots], dtype=np.int64)
    return MinuteColumns(
        second,
        np.full(len(slots), minutes * 60, dtype=np.int64),
        np.array(rows, dtype=np.int64) * 50,
        np.array(volumes, dtype=np.int64),
    )


@given(bars_of_a_day(), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_any_bar_comes_back_exactly(bars: MinuteColumns, seed: int) -> None:
    prints, left_out = prints_of_bars(bars, session_of(DAY), seeded(seed))
    possible = bars.volume >= needed_trades(bars.price)
    assert left_out["가격 수보다 거래량이 적은 분봉"] == (~possible).sum()
    assert (prints.volume >= 1).all()
    assert (np.diff(prints.second) >= 0).all()
    assert (prints.price % 50 == 0).all()
    again = bars_of_prints(prints, session_of(DAY), int(bars.length[0]) // 60)
    assert len(again) == possible.sum()
    assert np.array_equal(again.volume, bars.volume[possible])
    for column, field in enumerate(FIELDS):
        assert np.array_equal(getattr(again, field), bars.price[possible, column])


def write(folder: Path, minute: pd.DataFrame, daily: pd.DataFrame) -> Path:
    minute.to_parquet(folder / "krx_minute.parquet")
    daily.to_parquet(folder / "krx_daily.parquet")
    return folder


def minute_frame(rows: list[tuple[str, str, int, int, int, int, int]], interval: int = 5) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["code", "ts_start", *FIELDS, "volume"])
    return frame.assign(ts_start=pd.to_datetime(frame.ts_start), interval_min=interval)


def daily_frame(rows: list[tuple[str, str, int, int, int, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["code", "date", *FIELDS, "volume"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stock that splits 5:1 between two days, one with an auction bar, one with daily rows only."""
    minute = minute_frame(
        [
            ("000100", "2020-03-23 09:00", 50_000, 50_500, 49_500, 50_100, 900),
            ("000100", "2020-03-23 09:05", 50_100, 50_100, 50_000, 50_000, 0),
            ("000100", "2020-03-24 09:05", 10_100, 10_300, 10_000, 10_200, 700),
            ("000100", "2020-03-24 14:55", 10_200, 10_200, 10_150, 10_150, 60),
            ("078340", "2020-03-24 09:00", 7_000, 7_010, 6_990, 7_010, 40),
            ("078340", "2020-03-24 15:20", 7_030, 7_030, 7_030, 7_030, 25),
        ]
    )
    daily = daily_frame(
        [
            ("000100", "2020-03-20", 9_900, 10_000, 9_800, 9_900, 5_000),
            ("000100", "2020-03-23", 10_000, 10_100, 9_900, 10_050, 6_000),
            ("000100", "2020-03-24", 10_100, 10_300, 10_000, 10_250, 1_000),
            ("005930", "2020-03-20", 45_000, 45_500, 44_000, 45_400, 10_000),
            ("005930", "2020-03-23", 42_000, 43_000, 41_000, 42_500, 10_000),
            ("005930", "2020-03-24", 43_850, 46_950, 43_050, 46_950, 10_000),
        ]
    )
    return write(tmp_path, minute, daily)


def test_the_last_print_is_the_daily_close_and_says_so(folder: Path) -> None:
    tape = ReplayTape(folder, DAY, CALENDAR)
    prints = tape.prints("000100", DAY)
    assert prints.synthetic_close
    assert (prints.price[-1], prints.second[-1], prints.side[-1]) == (10_250, 15 * 3600 + 1800, 0)
    assert prints.volume[-1] == 76  # 240 shares are missing, at most a tenth of the 760 printed
    own_auction = tape.prints("078340", DAY)
    assert not own_auction.synthetic_close
    assert (own_auction.price[-1], own_auction.volume[-1], own_auction.side[-1]) == (7_030, 25, 0)
    assert own_auction.second[-1] == 15 * 3600 + 1800
    assert own_auction.side[0] == 0  # the opening auction
    assert (own_auction.second < 15 * 3600 + 1200).sum() == len(own_auction) - 1


def test_history_is_shown_in_the_scale_of_the_day(folder: Path) -> None:
    before = ReplayTape(folder, date(2020, 3, 23), CALENDAR)
    assert before.scale("000100", date(2020, 3, 23)) == pytest.approx(5.0)
    assert before.previous_close("000100", date(2020, 3, 23)) == 49_500
    assert before.daily("000100", date(2020, 3, 23)).volume.tolist() == [1_000]
    tape = ReplayTape(folder, DAY, CALENDAR)
    assert tape.scale("000100", DAY) == 1.0
    assert tape.previous_close("000100", DAY) == 10_050
    # Minute bars of the day before the split come in today's scale.
    assert tape.minute_bars("000100", date(2020, 3, 23)).open[0] == 10_000
    assert before.minute_bars("000100", date(2020, 3, 23)).open[0] == 50_000
    assert before.minute_bars("000100", date(2020, 3, 23), as_of=DAY).open[0] == 10_000


def test_stocks_without_minute_bars_stand_still(folder: Path) -> None:
    tape = ReplayTape(folder, DAY, CALENDAR)
    assert [stock.code for stock in tape.stocks] == ["000100", "005930", "078340"]
    assert len(tape.prints("005930", DAY)) == 0
    assert tape.previous_close("005930", DAY) == 42_500
    assert tape.previous_close("078340", DAY) == 7_000  # its first day: no yesterday
    earlier = ReplayTape(folder, date(2020, 3, 23), CALENDAR)
    assert set(earlier.excluded(date(2020, 3, 23))) == {"078340"}


def test_what_was_left_out_is_told(folder: Path) -> None:
    notes = "\n".join(ReplayTape(folder, DAY, CALENDAR).notes())
    assert "krx_minute.parquet: 거래량 0 1개 제외" in notes
    assert "분봉이 있는 종목 2개, 일봉만 있어 전일 종가에 머무는 종목 1개" in notes
    assert "지수는 표시하지 않음" in notes


def test_a_bar_that_cannot_be_is_left_out_and_counted(folder: Path) -> None:
    frame = minute_frame([("078340", "2020-03-24 09:10", 7_000, 6_000, 6_990, 7_010, 40)])
    pd.concat([pd.read_parquet(folder / "krx_minute.parquet"), frame]).to_parquet(folder / "krx_minute.parquet")
    tape = ReplayTape(folder, DAY, CALENDAR)
    assert "krx_minute.parquet: 값이 어긋난 봉 1개 제외" in tape.notes()
    assert tape.prints("078340", DAY).volume.sum() == 65


def broken(folder: Path) -> Iterator[tuple[str, Any]]:
    yield "broken", lambda: (folder / "krx_minute.parquet").write_bytes(b"PAR1 not a parquet file")
    yield "cut", lambda: (folder / "krx_daily.parquet").write_bytes((folder / "krx_daily.parquet").read_bytes()[:200])
    yield "missing", lambda: (folder / "krx_daily.parquet").unlink()
    yield "column", lambda: pd.DataFrame({"code": ["005930"]}).to_parquet(folder / "krx_daily.parquet")


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("broken", "깨진"),
        ("cut", "깨진"),
        ("missing", "krx_daily.parquet 파일이 없습니다"),
        ("column", "열이 없습니다"),
    ],
)
def test_bad_files_are_refused_in_korean(folder: Path, which: str, words: str) -> None:
    dict(broken(folder))[which]()
    with pytest.raises(TapeError, match=words):
        ReplayTape(folder, DAY, CALENDAR)


def test_bad_folders_and_days_are_refused_in_korean(folder: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "empty"
    with pytest.raises(TapeError, match="폴더가 없습니다"):
        ReplayTape(nothing, DAY, CALENDAR)
    nothing.mkdir()
    with pytest.raises(TapeError, match="비어 있습니다"):
        ReplayTape(nothing, DAY, CALENDAR)
    with pytest.raises(TapeError, match=r"2020-03-25의 분봉이 없습니다.*2020-03-23~2020-03-24"):
        ReplayTape(folder, date(2020, 3, 25), CALENDAR)
    wrong_code = minute_frame([("12345", "2020-03-24 09:00", 1_000, 1_000, 1_000, 1_000, 1)])
    wrong_code.to_parquet(folder / "krx_minute.parquet")
    with pytest.raises(TapeError, match="12345"):
        ReplayTape(folder, DAY, CALENDAR)


@pytest.fixture(scope="module")
def real() -> ReplayTape:
    return ReplayTape(SHARED, DAY, CALENDAR)


@pytest.mark.shared_data
@needs_shared_data
def test_every_quarter_hour_of_the_real_file_comes_back(real: ReplayTape) -> None:
    frame = pd.read_parquet(SHARED / "krx_minute.parquet")
    frame = frame[frame.volume > 0].sort_values(["code", "ts_start"])
    frame["day"] = frame.ts_start.dt.date
    checked = 0
    for _, bars in frame.groupby(["code", "day"]):
        code, day = str(bars.code.iloc[0]), bars.day.iloc[0]
        grid = [
            session_of(day).bar_start(ts.to_pydatetime().replace(tzinfo=session_of(day).open.tzinfo), 15)
            for ts in bars.ts_start
        ]
        source = bars.groupby(grid).agg(
            {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
        )
        again = bars_of_prints(without_added_close(real.prints(code, day)), session_of(day), 15)
        assert [start.replace(tzinfo=None) for start in source.index] == again.start.tolist(), (code, day)
        for field in (*FIELDS, "volume"):
            assert np.array_equal(getattr(again, field), source[field].to_numpy()), (code, day, field)
        checked += 1
    assert checked == frame.groupby(["code", "day"]).ngroups >= 900


@pytest.mark.shared_data
@needs_shared_data
@pytest.mark.parametrize("day", [date(2020, 3, 24), date(2021, 1, 4), date(2021, 1, 5), date(2020, 4, 8)])
def test_real_days_play_from_yesterdays_close_to_the_daily_close(day: date) -> None:
    tape = ReplayTape(SHARED, day, CALENDAR)
    daily = pd.read_parquet(SHARED / "krx_daily.parquet").set_index(["code", "date"])
    playing = [stock for stock in tape.stocks if len(tape.prints(stock.code, day))]
    assert playing
    for stock in playing:
        prints, before = tape.prints(stock.code, day), tape.previous_close(stock.code, day)
        assert 0.69 * before < prints.price.min() <= prints.price.max() < 1.31 * before
        if prints.synthetic_close:
            close = daily.close[(stock.code, pd.Timestamp(day))] * tape.scale(stock.code, day)
            assert prints.price[-1] == pytest.approx(close, rel=0.003)
        assert int(prints.second[0]) >= (10 if day == date(2021, 1, 4) else 9) * 3600


@pytest.mark.shared_data
@needs_shared_data
def test_the_real_index_day_is_bridged(real: ReplayTape) -> None:
    bar = real.index_daily(Index.KOSPI, date(2020, 3, 25))[-1:]
    prints = real.index_prints(Index.KOSPI, DAY)
    assert bar.dates()[0].item() == DAY
    path = (prints.value[0], prints.value.max(), prints.value.min(), prints.value[-1])
    assert path == tuple(getattr(bar, field)[0] for field in FIELDS)
    assert len(np.unique(np.diff(prints.value).round(3))) > 200
