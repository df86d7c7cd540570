"""The score: golden examples, data contract, words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from engine.market import KST, Bars
from engine.results import Factor
from engine.scorer import DAILY_BARS, DirectionInput, LookAhead, ScoreInput, Scorer
from engine.scoring import curves, reasons
from engine.scoring.inputs import last_sessions
from engine.scoring.points import FACTORS, direction_points, points_of

from .helpers import random_input, random_walk

NOTHING = float("nan")


def gap_columns(distance: float, touch: float, birth: float) -> np.ndarray:
    return np.array([distance, NOTHING, touch, birth, NOTHING, NOTHING, NOTHING, NOTHING])


# Each row of the worked example in docs/factors: arguments of the curve, maximum, unrounded points.
WORKED: dict[Factor, tuple[Callable[[], float], int, float]] = {
    Factor.RSI: (lambda: curves.rsi_share(np.array([41.0, 38, 33, 36, 44])), 15, 15 * 0.6 * 0.68),
    Factor.MACD: (lambda: curves.macd_share(-420.0, 35.0, 800.0), 15, 15 * 0.4375 * 0.70),
    Factor.BOLLINGER: (lambda: curves.band_share(np.array([-0.30, -0.70, -0.95, -0.65, -0.20])), 10, 10 * 0.6 * 0.76),
    Factor.BREAKOUT: (lambda: curves.breakout_share(550 / 1250, -0.1), 12, 12 * 0.76 * 0.90),
    Factor.DAILY_FVG: (lambda: curves.zone_share((50_190 - 49_950) / 800, NOTHING, 800.0), 8, 5.0),
    Factor.ORDER_BLOCK: (lambda: curves.zone_share((50_190 - 50_030) / 800, NOTHING, 800.0), 7, 5.25),
    Factor.FIFTEEN_FVG: (lambda: curves.retest_share(gap_columns(0.45, 2, 9), 100.0), 15, 15 * 0.75 * 0.85),
    Factor.STRUCTURE: (lambda: curves.event_share(2.0, 6.0), 8, 8 * 20 / 26),
    Factor.DIRECTION: (lambda: direction_points(DirectionInput(0.90, 1.0, "m")) / 10, 10, 2.5),
}


@pytest.mark.parametrize("factor", list(WORKED))
def test_worked_example(factor: Factor) -> None:
    share, maximum, points = WORKED[factor]
    assert factor.maximum == maximum
    assert maximum * share() == pytest.approx(points, abs=1e-9)


def test_worked_example_total_is_51_9() -> None:
    exact = [factor.maximum * share() for factor, (share, _, _) in WORKED.items()]
    assert sum(exact) == pytest.approx(51.95, abs=0.01)


def test_maxima_add_up() -> None:
    assert sum(f.maximum for f in Factor) == 100
    assert sum(f.maximum for f in Factor if f.daily) == 65


@pytest.mark.parametrize(
    ("rank", "points"),
    [(0, -10), (0.05, -10), (0.10, -7), (0.15, -4), (0.30, -2), (0.40, 0), (0.7, 0), (0.8, 2), (1, 3), (0.9, 2.5)],
)
def test_direction_curve(rank: float, points: float) -> None:
    assert direction_points(DirectionInput(rank, 1.0, "m")) == pytest.approx(points)
    assert direction_points(DirectionInput(rank, 0.5, "m")) == pytest.approx(points / 2)
    assert direction_points(DirectionInput(rank, 0.0, "m")) == 0


@pytest.mark.parametrize(
    ("share", "long"),
    [
        (curves.rsi_share(np.array([25.0, 50, 50, 50, 50])), 1.0),
        (curves.rsi_share(np.array([75.0, 50, 50, 50, 50])), -1.0),
        (curves.rsi_share(np.array([50.0, 50, 50, 50, 25])), 0.2),
        (curves.macd_share(60.0, 10.0, 100.0), 0.0),  # a golden cross above zero is 0, not minus
        (curves.macd_share(-75.0, 10.0, 100.0), 1.0),
        (curves.macd_share(75.0, -10.0, 100.0), -1.0),
        (curves.band_share(np.array([1.25, 0, 0, 0, 0])), -1.0),
        (curves.zone_share(-0.5, NOTHING, 1.0), 1.0),
        (curves.zone_share(NOTHING, 0.4, 1.0), -0.5),
        (curves.zone_share(NOTHING, NOTHING, 1.0), 0.0),
        (curves.breakout_share(0.5, -0.2), 1.0),
        (curves.breakout_share(0.5, 0.8), 0.0),
        (curves.breakout_share(-0.5, 0.2), -1.0),
        (curves.event_share(1.0, 0.0), 0.4),
        (curves.event_share(2.0, 26.0), 0.0),
    ],
)
def test_curve_corners(share: float, long: float) -> None:
    assert share == pytest.approx(long)


def test_words_of_the_worked_example() -> None:
    assert (
        reasons.rsi(np.array([41.0, 38, 33, 36, 44]), 6.1)[0]
        == "RSI가 최근 5일 안에 33까지 눌렸다가 41입니다 (과매도 기억)"
    )
    assert reasons.macd(-420, 35, 800, 4.6)[0].startswith("0선 아래에서 골든크로스가 났습니다")
    band = reasons.bollinger(np.array([-0.30, -0.70, -0.95, -0.65, -0.20]), 4.6)[0]
    assert band.startswith("이틀 전 하단 밴드 가까이 갔다가 되돌아오는 중입니다")
    assert reasons.breakout(51_450, 50_900, 1_250, -0.1, 8.2)[0] == "오늘 목표가 51,525원의 88%까지 올라왔습니다"
    assert reasons.zone("fvg", 0.30, NOTHING, 5.0)[0] == "메워지지 않은 일봉 상승 갭 0.3 ATR 위에 있습니다"
    assert reasons.zone("order_block", 0.20, NOTHING, 5.3)[0] == "일봉 매수 오더블록 0.2 ATR 위에 있습니다"
    assert reasons.retest(gap_columns(0.45, 2, 9), 9.6)[0].startswith("30분 전 15분봉 상승 갭을 되짚고 지켰습니다")
    assert reasons.structure((2, 6), (NOTHING, NOTHING), 6.2)[0] == "15분봉 추세가 6봉 전 상승으로 바뀌었습니다 (CHoCH)"
    assert reasons.direction(DirectionInput(0.9, 1, "m"), 2.5)[0] == "5일 예측이 시장 상위 10%입니다"


def test_score_has_nine_factors_within_their_maxima() -> None:
    scorer = Scorer()
    for seed in range(40):
        score = scorer.score(random_input(seed))
        assert [f.factor for f in score.factors] == list(Factor)
        for part in score.factors:
            assert abs(part.points) <= part.factor.maximum + 1e-9
            assert part.defined
            assert part.reason
            assert part.reason_en.isascii()
        assert score.total == pytest.approx(score.daily_points + score.live_points)


def test_batch_equals_one_by_one() -> None:
    inputs = [random_input(seed, daily=40 + 9 * seed, fifteen=1 + 4 * seed) for seed in range(33)]
    together = points_of(inputs)
    alone = np.array([Scorer().points(given) for given in inputs])
    np.testing.assert_array_equal(together, alone)
    assert np.isnan(together).any()
    assert together.shape == (33, len(FACTORS))


def test_memory_of_daily_part_changes_nothing() -> None:
    scorer = Scorer()
    first, second = random_input(1), random_input(2)
    before = scorer.score(first)
    scorer.score(second)
    assert scorer.score(first) == before == Scorer().score(first)


def test_longer_history_changes_nothing() -> None:
    given = random_input(5, daily=900)
    assert Scorer().points(given).tolist() == Scorer().points(replace(given, daily=given.daily[-DAILY_BARS:])).tolist()


def test_digest_depends_on_every_part() -> None:
    given = random_input(3)
    others = [
        replace(given, code="000660"),
        replace(given, at=given.at + timedelta(seconds=1)),
        replace(given, daily=given.daily[1:]),
        replace(given, today_open=None),
        replace(given, fifteen=given.fifteen[1:]),
        replace(given, fifteen_origin="stream"),
        replace(given, direction=None),
        replace(given, direction=DirectionInput(0.1, 1, "test")),
    ]
    assert replace(given).digest == given.digest
    assert len({given.digest, *(o.digest for o in others)}) == len(others) + 1


def test_unfinished_bars_are_refused() -> None:
    given = random_input(4)
    with pytest.raises(LookAhead):
        replace(given, at=given.at - timedelta(minutes=1))
    today = np.array([np.datetime64(given.wall.date(), "s")])
    one = np.array([1.0])
    daily = given.daily.joined(Bars(today, one, one, one, one, np.array([1])))
    with pytest.raises(LookAhead):
        replace(given, daily=daily)


def undefined(given: ScoreInput) -> dict[Factor, str]:
    return {f.factor: f.reason for f in Scorer().score(given).factors if not f.defined}


def test_missing_inputs_are_named() -> None:
    given = random_input(6)
    daily_six = {Factor.RSI, Factor.MACD, Factor.BOLLINGER, Factor.BREAKOUT, Factor.DAILY_FVG, Factor.ORDER_BLOCK}
    short = undefined(replace(given, daily=given.daily[-59:]))
    assert set(short) == daily_six
    assert all(reason == "자료 부족 (일봉 59개, 60개 필요)" for reason in short.values())
    assert undefined(replace(given, daily=given.daily[-60:])) == {}
    live = undefined(replace(given, fifteen=Bars.empty(), fifteen_origin="none"))
    assert live == dict.fromkeys((Factor.BREAKOUT, Factor.FIFTEEN_FVG, Factor.STRUCTURE), "자료 부족 (15분봉 없음)")
    assert undefined(replace(given, today_open=None)) == {Factor.BREAKOUT: "자료 부족 (오늘 시가 없음)"}
    yesterday = given.fifteen[given.fifteen.dates() < given.fifteen.dates()[-1]]
    assert undefined(replace(given, fifteen=yesterday)) == {Factor.BREAKOUT: "자료 부족 (오늘 완성된 15분봉 없음)"}
    absent = DirectionInput(0.9, 1.0, "m", absent="일봉이 모자랍니다")
    assert undefined(replace(given, direction=absent)) == {Factor.DIRECTION: "예측이 없습니다 (일봉이 모자랍니다)"}
    assert Factor.DIRECTION in undefined(replace(given, direction=None))


@pytest.mark.parametrize("volume", [0, 7])
def test_flat_prices_are_undefined_not_zero(volume: int) -> None:
    walk = random_walk(100, "flat")
    flat = np.full(100, 10_000.0)
    bars = Bars(walk.start, flat, flat, flat, flat, np.full(100, volume))
    at = datetime(2024, 6, 4, 10, tzinfo=KST)
    points = Scorer().points(ScoreInput("005930", at, bars, 10_000, Bars.empty(), "none", None))
    assert np.isnan(points).all()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda b: (b.start, b.open, b.high, b.low, np.where(np.arange(320) == 300, np.nan, b.close)), "NaN"),
        (lambda b: (b.start, b.open, b.high, np.where(np.arange(320) == 300, 0.0, b.low), b.close), "0 이하의 가격"),
        (lambda b: (b.start[::-1], b.open, b.high, b.low, b.close), "순서"),
        (lambda b: (np.where(np.arange(320) == 300, b.start[299], b.start), b.open, b.high, b.low, b.close), "겹침"),
        (lambda b: (b.start, b.open, b.low, b.high, b.close), "벗어남"),
        (
            lambda b: (
                b.start,
                *(np.where(np.arange(320) < 200, 5.0 * x, x) for x in (b.open, b.high, b.low, b.close)),
            ),
            "수정되지 않은 주가",
        ),
    ],
)
def test_bad_daily_bars_are_named_and_never_scored(damage: Callable[[Bars], tuple[np.ndarray, ...]], says: str) -> None:
    given = random_input(7)
    start, opens, high, low, close = damage(given.daily)
    broken = Bars(start, opens, high, low, close, given.daily.volume)
    score = Scorer().score(replace(given, daily=broken))
    for part in score.factors[:6]:
        assert not part.defined
        assert part.points == 0
        assert says in part.reason


def test_halted_days_are_left_out() -> None:
    given = random_input(8)
    daily = given.daily
    without = daily[:200].joined(daily[201:])
    nothing, close = np.zeros(1), daily.close[199:200]
    halt = Bars(daily.start[200:201], nothing, nothing, nothing, close, np.zeros(1, np.int64))
    with_halt = daily[:200].joined(halt).joined(daily[201:])
    expected = Scorer().points(replace(given, daily=without))
    assert Scorer().points(replace(given, daily=with_halt)).tolist() == expected.tolist()


def test_torn_price_after_a_halt_is_named() -> None:
    """A stock that comes back from a halt at another price level: the carried close shows it."""
    given = random_input(8)
    daily = given.daily
    rows = np.arange(len(daily)) < 250
    idle = (np.arange(len(daily)) >= 250) & (np.arange(len(daily)) < 270)
    open_, high, low = (np.where(idle, 0.0, np.where(rows, 3.0 * x, x)) for x in (daily.open, daily.high, daily.low))
    close = np.where(idle, 3.0 * daily.close[249], np.where(rows, 3.0 * daily.close, daily.close))
    volume = np.where(idle, 0, daily.volume)
    score = Scorer().score(replace(given, daily=Bars(daily.start, open_, high, low, close, volume)))
    assert "수정되지 않은 주가" in score.factors[0].reason


def test_last_sessions_by_date_not_by_count() -> None:
    bars = random_input(9, fifteen=7 * 26 + 3).fifteen
    kept = last_sessions(bars)
    assert len(kept) == 4 * 26 + 3
    assert len(np.unique(kept.dates())) == 5
    assert last_sessions(kept) is kept
    assert len(last_sessions(Bars.empty())) == 0
