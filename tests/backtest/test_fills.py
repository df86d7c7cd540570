"""Each numbered rule of docs/fills.md."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from engine.backtest.fills import FillRules, ask_at_open, sell_price
from engine.backtest.timeline import StockHistory
from engine.krx import CostModel, PriceLimits, price_limits, sell_tax
from engine.market import Bars, Market, SecurityKind
from engine.results import ExitReason
from engine.strategy import StrategySettings
from tests.backtest.made import DAY, daily, fifteen, play, stock

FLAT = (10_000, 10_000, 10_000, 10_000)
NIGHT = StrategySettings(overnight=True)


def test_every_rule_of_the_page_has_a_test() -> None:
    page = (Path(__file__).parents[2] / "docs" / "fills.md").read_text(encoding="utf-8")
    numbers = {int(line.split(".")[0]) for line in page.splitlines() if line[:1].isdigit() and ". " in line[:4]}
    tested = {int(name.split("_")[2]) for name in globals() if name.startswith("test_rule_")}
    assert numbers == tested


def test_rule_1_an_entry_is_filled_at_the_open_of_the_next_bar() -> None:
    found = play(fifteen([FLAT, FLAT, (10_050, 10_100, 10_040, 10_060), FLAT]), {2: 60.0})
    (trade,) = found.trades
    assert (trade.entry_price, trade.entry_at.hour, trade.entry_at.minute) == (10_050, 9, 30)


def test_rule_1_a_gap_in_the_grid_leaves_the_order_unfilled() -> None:
    found = play(fifteen([FLAT, FLAT, None, FLAT, FLAT]), {2: 60.0})
    assert not found.trades
    assert not found.open_positions


def test_rule_2_a_gap_through_the_stop_is_filled_at_the_open() -> None:
    found = play(fifteen([FLAT, FLAT, (9_400, 9_450, 9_300, 9_350), FLAT]), {1: 60.0})
    (trade,) = found.trades
    assert trade.reason is ExitReason.FIXED_STOP
    assert trade.exit_price == 9_400  # not 9,700


def test_rule_2_a_touch_of_the_stop_is_filled_at_the_stop() -> None:
    (trade,) = play(fifteen([FLAT, FLAT, (9_900, 9_950, 9_600, 9_650), FLAT]), {1: 60.0}).trades
    assert trade.exit_price == 9_700


def test_rule_2_a_gap_over_the_target_is_filled_at_the_open() -> None:
    (trade,) = play(fifteen([FLAT, FLAT, (10_700, 10_800, 10_650, 10_700), FLAT]), {1: 60.0}).trades
    assert (trade.reason, trade.exit_price) == (ExitReason.TAKE_PROFIT, 10_700)


def test_rule_3_stop_and_target_in_one_bar_count_as_stopped() -> None:
    (trade,) = play(fifteen([FLAT, FLAT, (10_000, 10_600, 9_600, 10_100), FLAT]), {1: 60.0}).trades
    assert (trade.reason, trade.exit_price) == (ExitReason.FIXED_STOP, 9_700)


def test_rule_3_the_bar_of_entry_counts_too() -> None:
    (trade,) = play(fifteen([FLAT, (10_000, 10_600, 9_600, 10_100), FLAT]), {1: 60.0}).trades
    assert (trade.reason, trade.exit_price) == (ExitReason.FIXED_STOP, 9_700)


def test_rule_4_stop_and_target_lie_on_the_grid() -> None:
    odd = (10_330, 10_330, 10_330, 10_330)
    (trade,) = play(fifteen([odd, odd, (10_330, 10_900, 10_320, 10_850)]), {1: 60.0}).trades
    assert trade.exit_price == 10_850  # 10,846.5 up to the tick of 10
    (trade,) = play(fifteen([odd, odd, (10_300, 10_300, 9_900, 9_950)]), {1: 60.0}).trades
    assert trade.exit_price == 10_030  # 10,020.1 towards the entry


def test_rule_5_a_stock_locked_at_its_upper_limit_cannot_be_bought() -> None:
    locked = (13_000, 13_000, 13_000, 13_000)
    found = play(fifteen([(12_900, 13_000, 12_900, 13_000), locked, locked]), {1: 60.0})
    assert not found.trades
    assert "매도 호가가 없음" in next(iter(found.refusals))


def test_rule_5_a_stock_locked_at_its_lower_limit_cannot_be_sold() -> None:
    locked = (7_000, 7_000, 7_000, 7_000)
    found = play(fifteen([FLAT, FLAT, locked, locked, (7_000, 7_200, 7_000, 7_150), FLAT]), {1: 60.0})
    (trade,) = found.trades
    assert (trade.exit_price, trade.exit_at.hour, trade.exit_at.minute) == (7_000, 10, 0)


def test_rule_6_a_halt_holds_the_position_until_the_first_trade_after_it() -> None:
    night = fifteen([FLAT, FLAT, FLAT])
    after = fifteen([(8_000, 8_100, 7_900, 8_050), FLAT], date(2024, 6, 12))
    bars = night.joined(after)
    days = daily((10_000.0,) * 5).joined(daily((10_000.0,) * 5, date(2024, 6, 12)))
    found = play(bars, {1: 60.0}, settings=NIGHT, history=StockHistory(stock(), days, bars))
    (trade,) = found.trades
    assert (trade.exit_price, trade.exit_at.date()) == (8_000, date(2024, 6, 12))


def test_rule_7_an_order_takes_a_share_of_the_volume_at_most() -> None:
    thin = (10_000, 10_000, 10_000, 10_000, 500)
    found = play(fifteen([FLAT, thin, FLAT, FLAT]), {1: 60.0}, volume_share=0.1)
    assert found.trades[0].quantity == 50


def test_rule_7_the_rest_of_a_sale_waits_for_the_next_bars() -> None:
    thin = (9_500, 9_500, 9_400, 9_450, 1_000)
    found = play(fifteen([FLAT, FLAT, thin, (9_200, 9_200, 9_100, 9_150)]), {1: 60.0}, volume_share=0.1)
    (trade,) = found.trades
    bought = trade.quantity
    assert trade.exit_price == pytest.approx((100 * 9_500 + (bought - 100) * 9_200) / bought)


def test_rule_7_no_volume_at_all_means_no_entry() -> None:
    thin = (10_000, 10_000, 10_000, 10_000, 5)
    found = play(fifteen([FLAT, thin, FLAT]), {1: 60.0}, volume_share=0.1)
    assert not found.trades
    assert found.refusals


def test_rule_8_slippage_is_paid_in_ticks_both_ways() -> None:
    (trade,) = play(fifteen([FLAT, FLAT, FLAT, (9_900, 9_950, 9_600, 9_650)]), {1: 60.0}, slippage=2).trades
    assert trade.entry_price == 10_020
    stop = 9_720  # of 10,020
    assert trade.exit_price == stop - 20


def test_rule_8_slippage_stops_at_the_daily_limits() -> None:
    limits = PriceLimits(13_000, 7_000)
    rules = FillRules(slippage_ticks=3)
    assert ask_at_open(rules, 12_990, limits, SecurityKind.STOCK) == 13_000
    assert sell_price(rules, 7_010, limits, SecurityKind.STOCK) == 7_000
    assert sell_price(rules, 5, None, SecurityKind.STOCK) >= 1


def test_rule_9_the_close_out_gets_the_closing_price_without_slippage() -> None:
    rows = [FLAT] * 25 + [(10_000, 10_100, 9_950, 10_080)]
    (trade,) = play(fifteen(rows), {1: 60.0}, slippage=2).trades
    assert (trade.reason, trade.exit_price) == (ExitReason.CLOSE_OUT, 10_080)
    assert (trade.exit_at.hour, trade.exit_at.minute) == (15, 30)


def test_rule_9_without_close_out_the_position_stays() -> None:
    found = play(fifteen([FLAT] * 26), {1: 60.0}, settings=NIGHT)
    assert not found.trades
    assert len(found.open_positions) == 1


@pytest.mark.parametrize(("day", "rate"), [(date(2024, 6, 4), 180), (date(2025, 6, 4), 150), (date(2026, 6, 4), 200)])
def test_rule_10_fees_and_taxes_follow_the_date(day: date, rate: int) -> None:
    bars = fifteen([FLAT, FLAT, (10_000, 10_600, 9_990, 10_500)], day)
    (trade,) = play(bars, {1: 60.0}, costs=CostModel(), until=day).trades
    bought, sold = trade.quantity * 10_000, trade.quantity * 10_500
    assert trade.fees == bought * 1_405 // 10_000_000 + sold * 1_405 // 10_000_000
    assert trade.taxes == sell_tax(sold, day, Market.KOSPI)
    assert abs(trade.taxes - sold * rate / 100_000) < 2


def test_rule_10_funds_pay_no_tax() -> None:
    bars = fifteen([FLAT, FLAT, (10_000, 10_600, 9_990, 10_500)])
    (trade,) = play(bars, {1: 60.0}, costs=CostModel(), name=stock(kind=SecurityKind.ETF)).trades
    assert trade.taxes == 0


def test_rule_11_whole_shares_within_the_cash_and_every_won_accounted_for() -> None:
    bars = fifteen([FLAT, FLAT, (9_900, 9_950, 9_600, 9_650), FLAT])
    found = play(bars, {1: 60.0}, costs=CostModel(), cash=1_000_007)
    (trade,) = found.trades
    assert trade.quantity == 29  # 300,002 won at 10,020 (two ticks above the ask)
    assert found.equity[-1] == 1_000_007 + trade.profit
    assert not play(bars, {1: 60.0}, cash=20_000).trades


def test_rule_12_a_split_changes_shares_and_prices_alike() -> None:
    """5:1 overnight: as-traded bars fall to a fifth, adjusted daily bars do not move."""
    before, after = DAY, date(2024, 6, 5)
    low = (2_000, 2_000, 2_000, 2_000)
    bars = fifteen([FLAT] * 3, before).joined(fifteen([low, low, (2_000, 2_120, 1_995, 2_100)], after))
    adjusted = daily((2_000.0,) * 5).joined(
        Bars(
            np.array([before, after], "datetime64[s]"),
            np.array([2_000.0, 2_000.0]),
            np.array([2_000.0, 2_120.0]),
            np.array([2_000.0, 1_995.0]),
            np.array([2_000.0, 2_100.0]),
            np.array([1_000, 1_000]),
        )
    )
    found = play(bars, {1: 60.0}, settings=NIGHT, history=StockHistory(stock(), adjusted, bars))
    (trade,) = found.trades
    assert trade.reason is ExitReason.TAKE_PROFIT
    assert trade.quantity % 5 == 0
    assert (trade.entry_price, trade.exit_price) == (2_000, 2_100)
    assert found.equity[3] == found.equity[2]


def test_rule_13_an_open_position_is_marked_at_the_last_price() -> None:
    found = play(fifteen([FLAT, FLAT, (9_900, 10_200, 9_880, 10_150)]), {1: 60.0}, settings=NIGHT)
    (position,) = found.open_positions
    assert found.equity[-1] == 10_000_000 + position.quantity * 150


def test_rule_14_a_sell_score_is_filled_at_the_next_open() -> None:
    bars = fifteen([FLAT, FLAT, FLAT, (9_960, 9_980, 9_950, 9_970), FLAT])
    (trade,) = play(bars, {1: 60.0, 3: -45.0}).trades
    assert (trade.reason, trade.exit_price) == (ExitReason.SCORE, 9_960)


def test_rule_15_after_the_holding_limit_the_stop_follows_the_high() -> None:
    rows = [FLAT, FLAT, FLAT, FLAT, (10_000, 10_300, 10_000, 10_290), (10_250, 10_260, 10_050, 10_060), FLAT]
    (trade,) = play(fifteen(rows), {1: 60.0}, settings=replace(NIGHT, holding_bars=2)).trades
    assert (trade.reason, trade.exit_price) == (ExitReason.TRAILING, 10_090)  # 2 % under 10,300


def test_rule_16_no_entry_after_fifteen_and_none_twice_a_day() -> None:
    late = play(fifteen([FLAT] * 26), {25: 60.0})
    assert not late.trades
    again = play(fifteen([FLAT, FLAT, (9_900, 9_900, 9_600, 9_700), FLAT, FLAT, FLAT]), {1: 60.0, 4: 60.0})
    assert len(again.trades) == 1
    assert any("오늘 이미 청산" in why for why in again.refusals)


def test_rule_17_a_volatility_interruption_shows_only_as_its_bars_do() -> None:
    """Two minutes without trades inside a quarter of an hour leave a bar like any other: the gap rule is all there is."""
    (trade,) = play(fifteen([FLAT, FLAT, (9_300, 9_350, 9_200, 9_250), FLAT]), {1: 60.0}).trades
    assert trade.exit_price == 9_300


def test_limits_come_from_the_close_before() -> None:
    assert price_limits(10_000).upper == 13_000
