from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.krx import CostModel, on_tick, step_ticks
from engine.market import KST, Bars, Candle, Phase, SecurityKind
from engine.results import ExitReason, Factor, FactorScore, Score
from engine.strategy import (
    Enter,
    EntrySituation,
    Exit,
    ExitSituation,
    HeldPosition,
    RaiseStop,
    Stay,
    StrategySettings,
    decide,
)

AT = datetime(2026, 3, 3, 10, 0, tzinfo=KST)
SETTINGS, COSTS = StrategySettings(), CostModel()


def score(total: float) -> Score:
    return Score("005930", AT, (FactorScore(Factor.RSI, total, "", ""),), "x")


def entry(total: float = 60.0, **changes: object) -> EntrySituation:
    situation = EntrySituation(
        "005930",
        AT,
        Phase.CONTINUOUS,
        score(total),
        70_000,
        SecurityKind.STOCK,
        10_000_000,
        0,
        Bars.empty(),
        Bars.empty(),
    )
    return replace(situation, **changes)  # type: ignore[arg-type]


def position(**changes: object) -> HeldPosition:
    held = HeldPosition(10, 70_000.0, 67_900, ExitReason.FIXED_STOP, 73_500, 70_000, 3)
    return replace(held, **changes)  # type: ignore[arg-type]


def exit_at(price: int, **changes: object) -> ExitSituation:
    situation = ExitSituation("005930", AT, Phase.CONTINUOUS, price, position(), False)
    return replace(situation, **changes)  # type: ignore[arg-type]


def test_buys_at_55_with_thirty_percent_two_ticks_above_the_ask() -> None:
    decision = decide(SETTINGS, entry(55.0), COSTS)
    assert isinstance(decision, Enter)
    assert decision.limit_price == 70_200
    assert decision.quantity == COSTS.affordable(3_000_000, 70_200) == 42
    assert decision.target_price == 73_500
    assert (decision.stop.price, decision.stop.reason) == (67_900, ExitReason.FIXED_STOP)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"score": score(54.99)}, "미만"),
        ({"phase": Phase.OPENING_AUCTION}, "단일가"),
        ({"phase": Phase.CLOSING_AUCTION}, "단일가"),
        ({"positions_open": 3}, "한도"),
        ({"ask": 0}, "호가"),
        ({"orderable_cash": 100_000}, "살 수 없음"),
        ({"at": AT.replace(hour=15, minute=1)}, "신규 진입"),
        ({"exited_today": True}, "이미"),
    ],
)
def test_stays_out_and_says_why(changes: dict[str, object], word: str) -> None:
    decision = decide(SETTINGS, entry(**changes) if "score" not in changes else replace(entry(), **changes), COSTS)
    assert isinstance(decision, Stay)
    assert word in decision.why


def test_the_limit_never_exceeds_the_upper_limit_price() -> None:
    decision = decide(SETTINGS, entry(upper_limit=70_100), COSTS)
    assert isinstance(decision, Enter)
    assert decision.limit_price == 70_100


def test_the_stop_rests_under_an_unfilled_gap() -> None:
    start = datetime(2026, 3, 3, 9, 0, tzinfo=KST)
    prices = [(68_000, 68_500, 67_900, 68_400), (68_400, 69_600, 68_400, 69_500), (69_500, 70_200, 69_200, 70_000)]
    before = [
        Candle(start - timedelta(days=1) + timedelta(minutes=15 * i), 68_000, 68_300, 67_800, 68_000, 100)
        for i in range(26)
    ]
    bars = Bars.of([*before, *(Candle(start + timedelta(minutes=15 * i), *p, 100) for i, p in enumerate(prices))])
    decision = decide(SETTINGS, entry(fifteen=bars), COSTS)
    assert isinstance(decision, Enter)
    assert decision.stop.reason is ExitReason.STRUCTURE_STOP
    assert decision.stop.price == step_ticks(68_500, -1)


def test_exits_in_order_of_priority() -> None:
    both = exit_at(67_900, close_out_due=True, score=-50.0)
    assert decide(SETTINGS, both, COSTS) == Exit(ExitReason.FIXED_STOP, 67_900)
    assert decide(SETTINGS, exit_at(73_500, score=-50.0), COSTS) == Exit(ExitReason.TAKE_PROFIT, 73_500)
    assert decide(SETTINGS, exit_at(70_000, score=-40.0, close_out_due=True), COSTS) == Exit(ExitReason.SCORE, 70_000)
    assert decide(SETTINGS, exit_at(70_000, close_out_due=True), COSTS) == Exit(ExitReason.CLOSE_OUT, 70_000)
    assert isinstance(decide(SETTINGS, exit_at(70_000, score=-39.9), COSTS), Stay)


def test_after_the_holding_limit_the_stop_follows_the_high_and_never_falls() -> None:
    late = position(bars_held=52, highest_price=72_000)
    raised = decide(SETTINGS, exit_at(72_000, position=late), COSTS)
    assert raised == RaiseStop(70_500)
    held = replace(late, stop_price=70_500)
    assert decide(SETTINGS, exit_at(70_500, position=held), COSTS) == Exit(ExitReason.TRAILING, 70_500)
    assert isinstance(decide(SETTINGS, exit_at(70_600, position=held), COSTS), Stay)


def test_close_out_can_be_switched_off() -> None:
    settings = StrategySettings(overnight=True)
    assert isinstance(decide(settings, exit_at(70_000, close_out_due=True), COSTS), Stay)


def test_a_position_without_stop_and_target_waits_for_the_close() -> None:
    bare = position(stop_price=0, target_price=0)
    assert isinstance(decide(SETTINGS, exit_at(10_000, position=bare), COSTS), Stay)


@given(
    st.integers(min_value=1_000, max_value=2_000_000),
    st.integers(min_value=0, max_value=100_000_000),
    st.booleans(),
)
def test_no_entry_spends_more_than_its_share_or_leaves_the_grid(ask: int, cash: int, sizing: bool) -> None:
    settings = StrategySettings(volatility_sizing=sizing)
    decision = decide(settings, entry(ask=ask, orderable_cash=cash), COSTS)
    if isinstance(decision, Enter):
        assert COSTS.buy_cost(decision.limit_price, decision.quantity) <= cash * settings.cash_share + 1
        assert on_tick(decision.limit_price)
        assert decision.stop.price < ask < decision.target_price
        assert on_tick(decision.stop.price)
        assert on_tick(decision.target_price)
        assert decision.target_price >= ask * 1.05


@pytest.mark.parametrize("name", ["cash_share", "take_profit", "fixed_stop", "trail"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    for value in (0.0, -0.1, 1.5):
        with pytest.raises(ValueError, match=name):
            StrategySettings(**{name: value})
