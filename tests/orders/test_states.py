"""The order's life as a table, in Python and in the file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.orders import states
from engine.orders.values import OrderState
from engine.store import prepare


def test_the_table_covers_every_state() -> None:
    assert set(states.TRANSITIONS) == set(OrderState)


def test_only_these_states_are_final() -> None:
    final = {state for state, after in states.TRANSITIONS.items() if not after}
    assert final == {OrderState.FILLED, OrderState.REJECTED, OrderState.DENIED}


@pytest.mark.parametrize("before", OrderState)
@pytest.mark.parametrize("after", OrderState)
def test_what_is_not_in_the_table_raises(before: OrderState, after: OrderState) -> None:
    if before is after or after in states.TRANSITIONS[before]:
        assert states.check(before, after) is after
    else:
        with pytest.raises(states.ImpossibleTransition):
            states.check(before, after)


def test_an_unknown_order_is_never_sent_again() -> None:
    assert OrderState.SENDING not in states.reachable(OrderState.UNKNOWN)
    assert OrderState.PREPARED not in states.reachable(OrderState.UNKNOWN)
    assert OrderState.SENDING not in states.reachable(OrderState.NOT_SENT)


def test_the_file_knows_the_same_table(tmp_path: Path) -> None:
    prepare(tmp_path / "journal.db")
    connection = sqlite3.connect(tmp_path / "journal.db")
    stored = set(connection.execute("SELECT before, after FROM transitions"))
    connection.close()
    assert stored == {(before.value, after.value) for before in OrderState for after in states.TRANSITIONS[before]}


def _row(connection: sqlite3.Connection, state: OrderState) -> None:
    connection.execute("DELETE FROM orders")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(orders)")]
    values = {name: "" for name in columns} | {
        name: 0
        for name in ("quantity", "intent_price", "stop_price", "target_price", "price", "reserve_price", "filled")
    }
    values |= {name: 0 for name in ("filled_value", "cancelled", "fees", "taxes", "needs_person")}
    values |= {"order_id": "o", "side": "buy", "type": "limit", "purpose": "entry", "state": state.value}
    values["quantity"] = 10
    marks = ", ".join("?" for _ in columns)
    connection.execute(f"INSERT INTO orders VALUES ({marks})", [values[name] for name in columns])


@given(walk=st.lists(st.sampled_from(list(OrderState)), max_size=8))
def test_the_file_refuses_what_python_refuses(walk: list[OrderState], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "states.db"
    if not path.exists():
        prepare(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    try:
        present = OrderState.PREPARED
        _row(connection, present)
        for wanted in walk:
            try:
                connection.execute("UPDATE orders SET state = ? WHERE order_id = 'o'", (wanted.value,))
                wrote = True
            except sqlite3.IntegrityError:
                wrote = False
            assert wrote == (wanted is present or wanted in states.TRANSITIONS[present])
            present = wanted if wrote else present
    finally:
        connection.close()
