from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.krx import (
    CostModel,
    PriceLimits,
    ceil_to_tick,
    floor_to_tick,
    never_worse,
    on_tick,
    price_limits,
    sell_tax,
    step_ticks,
    tick_size,
)
from engine.market import Market, SecurityKind, Side

prices = st.integers(min_value=1, max_value=3_000_000)


@pytest.mark.parametrize(
    ("base", "upper", "lower"),
    [
        (1_234, 1_604, 864),
        (1_999, 2_595, 1_400),
        (4_995, 6_490, 3_500),
        (9_980, 12_970, 6_990),
        (49_950, 64_900, 35_000),
        (199_900, 259_500, 140_000),
        (3_333, 4_325, 2_340),
    ],
)
def test_price_limits_match_the_exchange(base: int, upper: int, lower: int) -> None:
    assert price_limits(base) == PriceLimits(upper, lower)


def test_walking_across_a_band_edge() -> None:
    assert step_ticks(1_999, 1) == 2_000
    assert step_ticks(1_999, 2) == 2_005
    assert step_ticks(200_000, -1) == 199_900
    assert step_ticks(2_000, -1, SecurityKind.ETF) == 1_999


@given(prices, st.integers(min_value=-30, max_value=30))
def test_walking_up_and_down_returns_to_the_grid_point(price: int, ticks: int) -> None:
    start = ceil_to_tick(price)
    there = step_ticks(start, ticks)
    assert on_tick(there)
    if there > 50:
        assert step_ticks(there, -ticks) == start


@given(prices)
def test_rounding_is_never_worse_and_stays_within_a_tick(price: int) -> None:
    assert floor_to_tick(price) <= price <= ceil_to_tick(price)
    assert ceil_to_tick(price) - floor_to_tick(price) in (0, tick_size(price))
    assert never_worse(price, Side.BUY) <= price <= never_worse(price, Side.SELL)


@given(st.integers(min_value=10, max_value=3_000_000))
def test_limits_are_on_the_grid_and_inside_thirty_percent(base: int) -> None:
    limits = price_limits(base)
    assert on_tick(limits.upper)
    assert on_tick(limits.lower)
    assert limits.lower >= base * 7 / 10 - tick_size(base)
    assert limits.upper <= base * 13 / 10


@pytest.mark.parametrize(
    ("day", "market", "tax"),
    [
        (date(2024, 6, 3), Market.KOSPI, 1_800),
        (date(2024, 12, 26), Market.KOSDAQ, 1_800),
        (date(2024, 12, 27), Market.KOSPI, 1_500),
        (date(2025, 6, 2), Market.KOSDAQ, 1_500),
        (date(2026, 3, 3), Market.KOSPI, 2_000),
        (date(2026, 3, 3), Market.KONEX, 1_000),
    ],
)
def test_sell_tax_follows_the_settlement_year(day: date, market: Market, tax: int) -> None:
    assert sell_tax(1_000_000, day, market) == tax
    assert sell_tax(1_000_000, day, market, SecurityKind.ETF) == 0


@given(st.integers(min_value=0, max_value=10**10), prices)
def test_affordable_is_the_most_that_cash_buys(cash: int, price: int) -> None:
    costs = CostModel()
    quantity = costs.affordable(cash, price)
    assert quantity == 0 or costs.buy_cost(price, quantity) <= cash
    assert costs.buy_cost(price, quantity + 1) > cash
