"""The embedded broker outlives its process: accounts, orders and market time in one JSON file, replaced atomically.

A real broker is still there after our crash; so must this one be, or a restart would prove nothing. The file is written
before an order is answered, so the broker never forgets what a client was told.
"""

from __future__ import annotations

import json
import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.market import Side
from engine.simulator.accounts import Account, Execution, Position
from engine.simulator.matching import _Queue
from engine.simulator.orders import DIVISIONS, Fill, Order, RequestKind

if TYPE_CHECKING:
    from engine.simulator.app import Simulator

FORMAT = 1
TIME_STEP = timedelta(seconds=20)
"""How far the saved market time may lag behind when nothing else happens."""


class SnapshotError(Exception):
    """The file cannot be used; one Korean line."""


def read_snapshot(path: Path) -> dict[str, Any] | None:
    """The saved state, or None where there is none. Raises SnapshotError."""
    if not path.exists():
        return None
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        datetime.fromisoformat(state["at"])
        if state["format"] != FORMAT:
            raise ValueError(f"format {state['format']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotError(
            f"시뮬레이터 상태 파일을 읽을 수 없습니다: {path} ({error}). 옮겨 두거나 --home 으로 새 폴더를 쓰세요"
        ) from error
    return state  # type: ignore[no-any-return]


class StateKeeper:
    """Saves when something changed, and the time now and then."""

    def __init__(self, simulator: Simulator, path: Path) -> None:
        self._simulator = simulator
        self._path = path
        self._saved_at: datetime | None = None
        self._saved_mark: tuple[int, ...] = ()

    def changed(self) -> None:
        """Called after each request and each step of the market: saves if there is anything new."""
        now = self._simulator.clock.now()
        mark = self._mark()
        if mark == self._saved_mark and self._saved_at is not None and now - self._saved_at < TIME_STEP:
            return
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._state(now), ensure_ascii=False), encoding="utf-8")
        temporary.chmod(0o600)
        os.replace(temporary, self._path)
        self._saved_at, self._saved_mark = now, mark

    def _mark(self) -> tuple[int, ...]:
        """Cheap figures that change with every order, fill, cancel and settlement."""
        marks: list[int] = []
        for account in self._simulator.ledger.accounts.values():
            marks += [len(account.orders), len(account.executions), account.deposit, account.reserved_cash]
            marks.append(sum(order.cancelled + order.rejected for order in account.orders))
        return tuple(marks)

    # -- out

    def _state(self, now: datetime) -> dict[str, Any]:
        ledger, exchange = self._simulator.ledger, self._simulator.exchange
        return {
            "format": FORMAT,
            "at": now.isoformat(),
            "number": exchange._number,
            "numbered": exchange._numbered.isoformat() if exchange._numbered else None,
            "market_cash": ledger.market_cash,
            "market_shares": ledger.market_shares,
            "commissions": ledger.commissions,
            "taxes": ledger.taxes,
            "accounts": {"|".join(key): _account_out(account) for key, account in ledger.accounts.items()},
            "queues": {
                code: {
                    "cursor": queue.cursor,
                    "taken": [[side.value, price, shares] for (side, price), shares in queue.taken.items()],
                    "orders": [_reference(order, ledger.accounts) for order in queue.orders],
                }
                for code, queue in exchange._queues.items()
            },
        }

    # -- in

    def restore(self, state: dict[str, Any]) -> None:
        """Put a saved state into the fresh simulator. Raises SnapshotError."""
        ledger, exchange = self._simulator.ledger, self._simulator.exchange
        try:
            for key, account in ledger.accounts.items():
                if (saved := state["accounts"].get("|".join(key))) is not None:
                    self._account_in(account, saved)
            ledger.market_cash = state["market_cash"]
            ledger.market_shares = dict(state["market_shares"])
            ledger.commissions, ledger.taxes = state["commissions"], state["taxes"]
            exchange._number = state["number"]
            exchange._numbered = date.fromisoformat(state["numbered"]) if state["numbered"] else None
            same_day = datetime.fromisoformat(state["at"]).date() == self._simulator.timetable.today()
            accounts = {"|".join(key): account for key, account in ledger.accounts.items()}
            for code, queue in state["queues"].items():
                exchange._queues[code] = _Queue(
                    queue["cursor"],
                    [accounts[key].orders[index] for key, index in queue["orders"]],
                    {(Side(side), price): shares for side, price, shares in queue["taken"]},
                )
            if not same_day:
                exchange.expire()
            ledger.check()
        except (KeyError, ValueError, TypeError, IndexError, AssertionError) as error:
            raise SnapshotError(f"시뮬레이터 상태 파일이 앞뒤가 맞지 않습니다: {self._path} ({error})") from error

    def _account_in(self, account: Account, saved: dict[str, Any]) -> None:
        stock = self._simulator.floor.stock
        account.deposit = saved["deposit"]
        account.settling = {date.fromisoformat(day): won for day, won in saved["settling"].items()}
        account.opening_equity = {date.fromisoformat(day): won for day, won in saved["opening_equity"].items()}
        account.positions = {}
        for code, (quantity, cost, reserved, touched) in saved["positions"].items():
            known = stock(code)
            if known is None:
                raise ValueError(f"{code} is not in this market")
            day = date.fromisoformat(touched) if touched else None
            account.positions[code] = Position(known, quantity, cost, reserved, day)
        account.executions = [_execution_in(row, stock) for row in saved["executions"]]
        account.orders = []
        for row in saved["orders"]:
            account.orders.append(_order_in(row, account, stock))


def _reference(order: Order, accounts: dict[Any, Account]) -> tuple[str, int]:
    for key, account in accounts.items():
        if account is order.account:
            return "|".join(key), next(i for i, other in enumerate(account.orders) if other is order)
    raise ValueError("an order without an account")


def _account_out(account: Account) -> dict[str, Any]:
    return {
        "deposit": account.deposit,
        "settling": {day.isoformat(): won for day, won in account.settling.items()},
        "opening_equity": {day.isoformat(): won for day, won in account.opening_equity.items()},
        "positions": {
            code: (p.quantity, p.cost, p.reserved, p.touched.isoformat() if p.touched else None)
            for code, p in account.positions.items()
        },
        "executions": [
            (
                e.day.isoformat(),
                e.at.isoformat(),
                e.order_number,
                e.stock.code,
                e.side.value,
                e.quantity,
                e.price,
                e.commission,
                e.tax,
                e.realised,
                e.cost,
            )
            for e in account.executions
        ],
        "orders": [_order_out(order, account) for order in account.orders],
    }


def _execution_in(row: list[Any], stock: Any) -> Execution:
    day, at, number, code, side, quantity, price, commission, tax, realised, cost = row
    return Execution(
        date.fromisoformat(day),
        datetime.fromisoformat(at),
        number,
        stock(code),
        Side(side),
        quantity,
        price,
        commission,
        tax,
        realised,
        cost,
    )


_PLAIN = (
    "number",
    "quantity",
    "price",
    "stop_price",
    "exchange",
    "limit",
    "filled",
    "filled_value",
    "cancelled",
    "rejected",
    "queue_ahead",
    "waiting_stop",
    "reserve_price",
    "reserved_cash",
    "charged_commission",
    "charged_tax",
)


def _order_out(order: Order, account: Account) -> dict[str, Any]:
    original = next((i for i, other in enumerate(account.orders) if other is order.original), None)
    return {
        **{name: getattr(order, name) for name in _PLAIN},
        "day": order.day.isoformat(),
        "at": order.at.isoformat(),
        "code": order.code,
        "side": order.side.value,
        "division": order.division.code,
        "kind": order.kind.value,
        "original": original,
        "fills": [(fill.at.isoformat(), fill.price, fill.quantity) for fill in order.fills],
        "visible_at": order.visible_at.isoformat() if order.visible_at else None,
    }


def _order_in(row: dict[str, Any], account: Account, stock: Any) -> Order:
    order = Order(
        row["number"],
        date.fromisoformat(row["day"]),
        datetime.fromisoformat(row["at"]),
        account,
        stock(row["code"]),
        Side(row["side"]),
        DIVISIONS[row["division"]],
        row["quantity"],
        row["price"],
        RequestKind(row["kind"]),
        account.orders[row["original"]] if row["original"] is not None else None,
    )
    for name in _PLAIN:
        setattr(order, name, row[name])
    order.fills = [Fill(datetime.fromisoformat(at), price, quantity) for at, price, quantity in row["fills"]]
    order.visible_at = datetime.fromisoformat(row["visible_at"]) if row["visible_at"] else None
    return order
