"""The gate: each rule alone, then generated orders against an independent reading of the limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from engine.broker import OrderType
from engine.clock import seeded
from engine.krx import PriceLimits, floor_to_tick, on_tick, price_limits
from engine.market import KST, Environment, Phase, SecurityKind, Side, StockFlag
from engine.orders import risk
from engine.orders.risk import Allow, Deny, Resting, RiskLimits, RiskState, Sent
from engine.orders.values import OrderIntent, Origin, Purpose

NOW = datetime(2026, 3, 10, 10, 0, tzinfo=KST)
LIMITS = RiskLimits()
CODE, OTHER = "005930", "247540"

STATE = RiskState(
    now=NOW,
    environment_matches=True,
    environment=Environment.MOCK,
    armed=False,
    writer=True,
    ready=True,
    stop_file=False,
    latches={},
    phase=Phase.CONTINUOUS,
    equity=10_000_000,
    cash=10_000_000,
    holdings={},
    holding_values={},
    resting=(),
    sent=(),
    known_signals=frozenset(),
    frozen=frozenset(),
    code_rejects=0,
    unknown_codes=frozenset(),
    unknown_count=0,
    consecutive_losses=0,
    quote=(70_000, NOW),
    band=price_limits(70_000),
    flags=frozenset(),
    vi_active=False,
    halted=False,
    kind=SecurityKind.STOCK,
    known_stock=True,
)
BUY = OrderIntent("e1", CODE, Side.BUY, OrderType.LIMIT, 10, 70_000, Origin.BOT, Purpose.ENTRY, "bot")
SELL = OrderIntent("x1", CODE, Side.SELL, OrderType.LIMIT, 10, 70_000, Origin.BOT, Purpose.EXIT, "bot")
HELD = replace(STATE, holdings={CODE: 10}, holding_values={CODE: 700_000})


def rule(state: RiskState, intent: OrderIntent) -> str:
    decision = risk.evaluate(LIMITS, state, intent)
    return decision.rule if isinstance(decision, Deny) else ""


def sent(seconds: float, code: str = OTHER, origin: Origin = Origin.MANUAL, purpose: Purpose = Purpose.ENTRY) -> Sent:
    return Sent(NOW - timedelta(seconds=seconds), code, origin, purpose)


def test_a_plain_entry_and_a_plain_exit_pass() -> None:
    assert risk.evaluate(LIMITS, STATE, BUY) == Allow(70_000)
    assert risk.evaluate(LIMITS, HELD, SELL) == Allow(0)


MARKET_BUY = replace(BUY, type=OrderType.MARKET, price=0, origin=Origin.MANUAL)

BLOCKED_ENTRIES: list[tuple[str, RiskState, OrderIntent]] = [
    ("R14", replace(STATE, writer=False), BUY),
    ("R16", replace(STATE, ready=False), BUY),
    ("R13", replace(STATE, environment_matches=False), BUY),
    ("R13", replace(STATE, environment=Environment.REAL), BUY),
    ("R17", STATE, replace(BUY, purpose=Purpose.EXIT)),
    ("R17", STATE, replace(BUY, quantity=0)),
    ("R17", STATE, replace(BUY, quantity=-3)),
    ("R17", STATE, replace(BUY, price=0)),
    ("R17", STATE, replace(BUY, price=-100)),
    ("R17", STATE, replace(BUY, type=OrderType.MARKET)),
    ("R17", STATE, replace(BUY, signal_key="")),
    ("R17", STATE, replace(BUY, actor="")),
    ("R17", STATE, replace(BUY, origin=Origin.EXTERNAL)),
    ("R5", replace(STATE, known_signals=frozenset({"e1"})), BUY),
    ("R9", replace(STATE, resting=(Resting(CODE, Side.BUY, 70_000, 1, 70_000, settled=False),)), BUY),
    ("R12", replace(STATE, halted=True), BUY),
    ("R3", STATE, replace(BUY, price=70_050)),
    ("R3", replace(STATE, band=PriceLimits(69_900, 50_000)), BUY),
    ("R3", STATE, replace(BUY, price=72_200)),
    ("R3", STATE, replace(BUY, price=67_800)),
    ("R7", replace(STATE, resting=(Resting(CODE, Side.SELL, 70_000, 5, 0),)), BUY),
    ("R7", replace(STATE, resting=(Resting(CODE, Side.SELL, 0, 5, 0),)), BUY),
    ("R7", replace(STATE, resting=(Resting(CODE, Side.SELL, 69_000, 5, 0, external=True),)), BUY),
    ("R15", replace(STATE, stop_file=True), BUY),
    ("R8", replace(STATE, latches={"daily_loss": "일일 손실 한도"}), BUY),
    ("R12", replace(STATE, phase=Phase.OPENING_AUCTION), BUY),
    ("R12", replace(STATE, phase=Phase.AFTER_CLOSE), replace(BUY, origin=Origin.MANUAL)),
    ("R12", replace(STATE, known_stock=False), BUY),
    ("R12", replace(STATE, vi_active=True), BUY),
    ("R9", replace(STATE, frozen=frozenset({CODE})), BUY),
    ("R9", replace(STATE, unknown_codes=frozenset({CODE})), BUY),
    ("R9", replace(STATE, unknown_count=2), BUY),
    ("R9", replace(STATE, code_rejects=3), BUY),
    ("R9", replace(STATE, consecutive_losses=6), BUY),
    ("R4", replace(STATE, quote=None), BUY),
    ("R4", replace(STATE, quote=(0, NOW)), BUY),
    ("R4", replace(STATE, band=None), BUY),
    ("R4", replace(STATE, quote=(70_000, NOW - timedelta(seconds=5.1))), BUY),
    ("R1", STATE, replace(MARKET_BUY, origin=Origin.BOT)),
    ("R1", STATE, replace(BUY, quantity=51)),
    ("R1", replace(STATE, equity=100_000_000, cash=100_000_000), replace(BUY, quantity=143)),
    (
        "R1",
        replace(STATE, equity=10**12, cash=10**12, quote=(90, NOW), band=price_limits(90)),
        replace(BUY, quantity=100_001, price=90),
    ),
    ("R2", replace(HELD, holding_values={CODE: 3_400_000}), BUY),
    ("R2", replace(STATE, holding_values={OTHER: 9_000_000}, holdings={OTHER: 90}), BUY),
    ("R2", replace(STATE, resting=(Resting(OTHER, Side.BUY, 9_000_000, 1, 9_000_000),), cash=10**9), BUY),
    ("R2", replace(STATE, holdings={"000001": 1, "000002": 1, "000003": 1}), BUY),
    (
        "R2",
        replace(STATE, holdings={"000001": 1, "000002": 1}, resting=(Resting(OTHER, Side.BUY, 100, 1, 100),)),
        BUY,
    ),
    ("R10", replace(STATE, cash=700_000), BUY),
    ("R10", replace(STATE, cash=1_400_000, resting=(Resting(OTHER, Side.BUY, 700, 1_000, 700),)), BUY),
    ("R10", replace(STATE, cash=850_000), MARKET_BUY),
    ("R6", replace(STATE, sent=tuple(sent(3600 + n) for n in range(100))), BUY),
    ("R6", replace(STATE, sent=tuple(sent(n) for n in range(5))), BUY),
    ("R6", replace(STATE, sent=(sent(9.9, CODE),)), BUY),
    ("R7", replace(STATE, sent=tuple(sent(60 + n, origin=Origin.BOT) for n in range(6))), BUY),
]
BLOCKED_ENTRIES += [
    ("R12", replace(STATE, flags=frozenset({flag})), BUY) for flag in StockFlag if flag is not StockFlag.CAUTION
]


@pytest.mark.parametrize(("expected", "state", "intent"), BLOCKED_ENTRIES)
def test_each_rule_blocks_an_entry(expected: str, state: RiskState, intent: OrderIntent) -> None:
    decision = risk.evaluate(LIMITS, state, intent)
    assert isinstance(decision, Deny)
    assert decision.rule == expected
    assert any("가" <= letter <= "힣" for letter in decision.reason_ko)


JUST_INSIDE: list[tuple[RiskState, OrderIntent]] = [
    (STATE, replace(BUY, price=72_100)),
    (STATE, replace(BUY, price=67_900)),
    (STATE, replace(BUY, quantity=50)),
    (replace(STATE, quote=(70_000, NOW - timedelta(seconds=5))), BUY),
    (replace(STATE, cash=700_700), BUY),
    (replace(STATE, unknown_count=1), BUY),
    (replace(STATE, code_rejects=2), BUY),
    (replace(STATE, consecutive_losses=6), replace(BUY, origin=Origin.MANUAL)),
    (replace(STATE, sent=(sent(10.0, CODE), *(sent(n) for n in range(4)))), BUY),
    (replace(STATE, sent=tuple(sent(60 + n, origin=Origin.BOT) for n in range(5))), BUY),
    (replace(STATE, sent=tuple(sent(60 + n, origin=Origin.BOT) for n in range(6))), replace(BUY, origin=Origin.MANUAL)),
    (replace(STATE, holdings={"000001": 1, "000002": 1}), BUY),
    (replace(STATE, holdings={"000001": 1, "000002": 1, "000003": 1}), replace(BUY, origin=Origin.MANUAL)),
    (replace(STATE, resting=(Resting(CODE, Side.SELL, 70_100, 5, 0),)), BUY),
    (replace(STATE, flags=frozenset({StockFlag.CAUTION})), BUY),
    (replace(STATE, environment=Environment.REAL, armed=True), BUY),
    (replace(STATE, phase=Phase.CLOSING_AUCTION), replace(BUY, origin=Origin.MANUAL)),
    (STATE, MARKET_BUY),
]


@pytest.mark.parametrize(("state", "intent"), JUST_INSIDE)
def test_just_inside_each_limit_passes(state: RiskState, intent: OrderIntent) -> None:
    assert isinstance(risk.evaluate(LIMITS, state, intent), Allow)


BLOCKED_EXITS: list[tuple[str, RiskState, OrderIntent]] = [
    ("R14", replace(HELD, writer=False), SELL),
    ("R16", replace(HELD, ready=False), SELL),
    ("R13", replace(HELD, environment_matches=False), SELL),
    ("R17", HELD, replace(SELL, purpose=Purpose.ENTRY)),
    ("R5", replace(HELD, known_signals=frozenset({"x1"})), SELL),
    ("R9", replace(HELD, resting=(Resting(CODE, Side.SELL, 70_000, 1, 0, settled=False),)), SELL),
    ("R12", replace(HELD, halted=True), SELL),
    ("R12", replace(HELD, phase=Phase.CLOSED), SELL),
    ("R3", HELD, replace(SELL, price=70_050)),
    ("R3", HELD, replace(SELL, price=91_100)),
    ("R3", HELD, replace(SELL, price=67_800, origin=Origin.MANUAL)),
    ("R7", replace(HELD, resting=(Resting(CODE, Side.BUY, 70_000, 1, 70_000),)), SELL),
    ("R11", STATE, SELL),
    ("R11", HELD, replace(SELL, quantity=11)),
    ("R11", replace(HELD, resting=(Resting(CODE, Side.SELL, 75_000, 1, 0),)), SELL),
    ("R6", replace(HELD, sent=tuple(sent(n, CODE, Origin.BOT, Purpose.EXIT) for n in range(12))), SELL),
]


@pytest.mark.parametrize(("expected", "state", "intent"), BLOCKED_EXITS)
def test_rules_that_hold_for_exits_too(expected: str, state: RiskState, intent: OrderIntent) -> None:
    assert rule(state, intent) == expected


UNBLOCKED_EXITS: list[Callable[[RiskState], RiskState]] = [
    lambda s: replace(s, stop_file=True),
    lambda s: replace(s, latches={"panic": "비상", "daily_loss": "손실"}),
    lambda s: replace(s, environment=Environment.REAL, armed=False),
    lambda s: replace(s, quote=None),
    lambda s: replace(s, quote=(70_000, NOW - timedelta(hours=1))),
    lambda s: replace(s, band=None),
    lambda s: replace(s, flags=frozenset(StockFlag)),
    lambda s: replace(s, vi_active=True),
    lambda s: replace(s, known_stock=False),
    lambda s: replace(s, frozen=frozenset({CODE}), unknown_codes=frozenset({CODE}), unknown_count=9),
    lambda s: replace(s, code_rejects=50, consecutive_losses=50),
    lambda s: replace(s, cash=-5, equity=0),
    lambda s: replace(s, sent=tuple(sent(n, CODE) for n in range(200))),
    lambda s: replace(s, phase=Phase.OPENING_AUCTION),
    lambda s: replace(s, phase=Phase.CLOSING_AUCTION),
    lambda s: replace(s, resting=(Resting(CODE, Side.BUY, 70_000, 1, 70_000, external=True),)),
    lambda s: replace(s, holdings={CODE: 10**6}, holding_values={CODE: 7 * 10**10}),
]


@pytest.mark.parametrize("hurdle", UNBLOCKED_EXITS)
def test_entry_rules_never_block_an_exit(hurdle: Callable[[RiskState], RiskState]) -> None:
    assert rule(hurdle(HELD), SELL) == ""
    assert rule(hurdle(HELD), replace(SELL, type=OrderType.MARKET, price=0)) in ("", "R7")


def test_a_manual_sale_near_or_above_the_market_passes() -> None:
    for price in (67_900, 70_000, 85_000):
        assert rule(HELD, replace(SELL, origin=Origin.MANUAL, price=price)) == ""
    assert rule(HELD, replace(SELL, price=60_000)) == "", "a stop of the rules sells at any price"


def test_a_panic_sale_has_no_rate_limit() -> None:
    busy = replace(HELD, sent=tuple(sent(n, CODE, Origin.BOT, Purpose.EXIT) for n in range(50)))
    assert rule(busy, replace(SELL, origin=Origin.PANIC)) == ""


@pytest.mark.parametrize("name", [field.name for field in fields(RiskLimits)])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_no_limit_can_be_switched_off(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        RiskLimits(**{name: value})


@pytest.mark.parametrize("name", ["order_share", "code_share", "exposure_share", "collar", "daily_loss", "drawdown"])
def test_shares_are_at_most_everything(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        RiskLimits(**{name: 1.01})


def test_loss_limits() -> None:
    assert risk.losses(LIMITS, 9_700_001, 10_000_000, 10_000_000) == ()
    assert [name for name, _ in risk.losses(LIMITS, 9_700_000, 10_000_000, 10_000_000)] == ["daily_loss"]
    assert [name for name, _ in risk.losses(LIMITS, 9_000_000, 9_100_000, 10_000_000)] == ["drawdown"]
    assert len(risk.losses(LIMITS, 1, 10_000_000, 10_000_000)) == 2
    assert risk.losses(LIMITS, 0, 0, 0) == ()


# ---------------------------------------------------------------- generated orders


def _pick(random: np.random.Generator, *choices: Any) -> Any:
    return choices[int(random.integers(len(choices)))]


def generated(random: np.random.Generator) -> tuple[RiskState, OrderIntent]:
    """Mostly plausible, so that a good part passes; every field also takes bad values."""
    price = int(random.integers(100, 900_000))
    price = floor_to_tick(price)
    rare = random.random
    codes = (CODE, OTHER, "000660", "035720")
    holdings = {code: int(random.integers(0, 200)) for code in codes if rare() < 0.4}
    equity = int(random.integers(1_000_000, 200_000_000))
    resting = tuple(
        Resting(
            _pick(random, *codes),
            _pick(random, Side.BUY, Side.SELL),
            _pick(random, price, floor_to_tick(int(price * 1.02)), 0),
            int(random.integers(1, 50)),
            price,
            external=rare() < 0.2,
            settled=rare() < 0.9,
        )
        for _ in range(int(random.integers(0, 3)))
    )
    state = replace(
        STATE,
        environment=_pick(random, *Environment),
        armed=rare() < 0.5,
        environment_matches=rare() < 0.98,
        writer=rare() < 0.98,
        ready=rare() < 0.98,
        stop_file=rare() < 0.03,
        latches={"panic": "비상"} if rare() < 0.03 else {},
        phase=_pick(random, *Phase) if rare() < 0.1 else Phase.CONTINUOUS,
        equity=equity,
        cash=int(equity * random.uniform(0, 1)),
        holdings=holdings,
        holding_values={code: quantity * price for code, quantity in holdings.items()},
        resting=resting,
        sent=tuple(
            sent(float(random.uniform(0, 900)), _pick(random, *codes), _pick(random, *Origin), _pick(random, *Purpose))
            for _ in range(int(random.integers(0, 8)))
        ),
        known_signals=frozenset({"s1"}) if rare() < 0.03 else frozenset(),
        frozen=frozenset({CODE}) if rare() < 0.03 else frozenset(),
        code_rejects=int(random.integers(0, 5)) if rare() < 0.1 else 0,
        unknown_count=int(random.integers(0, 4)) if rare() < 0.1 else 0,
        unknown_codes=frozenset({CODE}) if rare() < 0.03 else frozenset(),
        quote=None if rare() < 0.03 else (price, NOW - timedelta(seconds=float(random.uniform(0, 6)))),
        band=None if rare() < 0.02 else price_limits(price),
        flags=frozenset({_pick(random, *StockFlag)}) if rare() < 0.05 else frozenset(),
        vi_active=rare() < 0.03,
        halted=rare() < 0.03,
        known_stock=rare() < 0.98,
    )
    buying = rare() < 0.6
    market = rare() < 0.2
    wanted = floor_to_tick(int(price * random.uniform(0.95, 1.05))) if rare() < 0.9 else int(random.integers(-5, 10**6))
    intent = OrderIntent(
        "s1",
        CODE,
        Side.BUY if buying else Side.SELL,
        OrderType.MARKET if market else OrderType.LIMIT,
        int(random.integers(-1, max(3, 2 * equity // (3 * price)))),
        0 if market else wanted,
        _pick(random, Origin.BOT, Origin.MANUAL, Origin.PANIC),
        (Purpose.ENTRY if buying else Purpose.EXIT) if rare() < 0.97 else _pick(random, *Purpose),
        "bot",
    )
    return state, intent


def breaks(state: RiskState, intent: OrderIntent) -> list[str]:
    """The limits that ``intent`` would break, read off the rules' text and not off the gate's code."""
    broken = []
    mine = [r for r in state.resting if r.code == intent.code]
    if not (state.writer and state.ready and state.environment_matches) or state.halted or intent.quantity < 1:
        broken.append("basic")
    if "s1" in state.known_signals:
        broken.append("duplicate")
    if intent.price and not (on_tick(intent.price) and (state.band is None or intent.price in state.band)):
        broken.append("price")
    if state.phase in (Phase.CLOSED, Phase.AFTER_CLOSE):
        broken.append("session")
    if intent.side is Side.SELL:
        selling = sum(r.remaining for r in mine if r.side is Side.SELL)
        if intent.quantity + selling > state.holdings.get(intent.code, 0):
            broken.append("oversell")
        return broken
    last = state.quote[0] if state.quote else 0
    worth = (intent.price or last * 1.03) * intent.quantity
    pending = [r for r in state.resting if r.side is Side.BUY]
    if worth > min(10_000_000, 0.35 * state.equity) + 1:
        broken.append("size")
    stocks = sum(state.holding_values.values()) + sum(r.remaining * r.reserve_price for r in pending)
    if stocks + worth > 0.95 * state.equity + 1:
        broken.append("exposure")
    if not state.quote or (state.now - state.quote[1]).total_seconds() > 5:
        broken.append("stale")
    if intent.price and last and abs(intent.price / last - 1) > 0.03 + 1e-9:
        broken.append("collar")
    if state.latches or state.stop_file or state.vi_active or intent.code in state.frozen | state.unknown_codes:
        broken.append("stopped")
    if state.environment is Environment.REAL and not state.armed:
        broken.append("unarmed")
    dearest = intent.price or (state.band.upper if state.band else 10**12)
    if dearest * intent.quantity + sum(r.remaining * r.reserve_price for r in pending) > state.cash:
        broken.append("cash")
    if any(s.code == intent.code and (state.now - s.at).total_seconds() < 10 for s in state.sent):
        broken.append("rate")
    names = {code for code, quantity in state.holdings.items() if quantity}
    names |= {r.code for r in pending if not r.external} | {intent.code}
    if intent.origin is Origin.BOT and len(names) > 3:
        broken.append("positions")
    if intent.origin is Origin.BOT and intent.type is OrderType.MARKET:
        broken.append("market entry")
    if any(r.side is Side.SELL and (not r.price or not intent.price or r.price <= intent.price) for r in mine):
        broken.append("self trade")
    return broken


def check_generated(count: int, seed: int) -> int:
    random = seeded("risk gate", seed)
    allowed = 0
    for _ in range(count):
        state, intent = generated(random)
        decision = risk.evaluate(LIMITS, state, intent)
        if isinstance(decision, Allow):
            allowed += 1
            assert not breaks(state, intent), (breaks(state, intent), state, intent)
    return allowed


def test_of_20000_generated_orders_none_passes_a_limit() -> None:
    allowed = check_generated(20_000, seed=1)
    assert allowed > 500, f"only {allowed} passed: the generator proves nothing"
