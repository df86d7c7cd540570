"""Values to journal rows and back. Statements are made here, run by the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime

from engine.broker import BrokerOrder, OrderKey, OrderType
from engine.clock import wall_now
from engine.market import Code, Side
from engine.orders.values import (
    CommandKind,
    CommandState,
    Difference,
    Latch,
    OrderCommand,
    OrderIntent,
    OrderRecord,
    OrderState,
    Origin,
    Position,
    Purpose,
)
from engine.results import ExitReason, Trade
from engine.store import Row, Statement, Value


def _upsert(table: str, keys: tuple[str, ...], values: Mapping[str, Value]) -> Statement:
    columns = ", ".join(values)
    marks = ", ".join("?" for _ in values)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values if name not in keys)
    sql = f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"
    return sql, tuple(values.values())


def _insert(table: str, values: Mapping[str, Value]) -> Statement:
    sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' for _ in values)})"
    return sql, tuple(values.values())


def _text(values: object) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


# ---------------------------------------------------------------- orders

ORDER_COLUMNS = (
    "order_id, signal_key, code, side, type, quantity, intent_price, origin, purpose, actor, exit_reason, stop_price, "
    "target_price, score, input_digest, reasons, note, state, price, reserve_price, filled, filled_value, cancelled, "
    "fees, taxes, reason, created_at, updated_at, sent_at, unknown_at, fence, needs_person"
)


def save_order(order: OrderRecord) -> Statement:
    intent = order.intent
    return _upsert(
        "orders",
        ("order_id",),
        {
            "order_id": order.order_id,
            "day": order.day.isoformat(),
            "signal_key": intent.signal_key,
            "code": intent.code,
            "side": intent.side,
            "type": intent.type,
            "quantity": intent.quantity,
            "intent_price": intent.price,
            "origin": intent.origin,
            "purpose": intent.purpose,
            "actor": intent.actor,
            "exit_reason": intent.exit_reason,
            "stop_price": intent.stop_price,
            "target_price": intent.target_price,
            "score": intent.score,
            "input_digest": intent.input_digest,
            "reasons": _text(intent.reasons),
            "note": intent.note,
            "state": order.state,
            "price": order.price,
            "reserve_price": order.reserve_price,
            "filled": order.filled,
            "filled_value": order.filled_value,
            "cancelled": order.cancelled,
            "fees": order.fees,
            "taxes": order.taxes,
            "reason": order.reason,
            "created_at": order.created_at.isoformat(),
            "updated_at": order.updated_at.isoformat(),
            "sent_at": order.sent_at.isoformat() if order.sent_at else None,
            "unknown_at": order.unknown_at.isoformat() if order.unknown_at else None,
            "fence": _text(sorted(order.fence)),
            "needs_person": int(order.needs_person),
        },
    )


def read_order(row: Row) -> OrderRecord:
    """A record from ORDER_COLUMNS, without its broker key."""
    intent = OrderIntent(
        signal_key=row[1],
        code=row[2],
        side=Side(row[3]),
        type=OrderType(row[4]),
        quantity=row[5],
        price=row[6],
        origin=Origin(row[7]),
        purpose=Purpose(row[8]),
        actor=row[9],
        exit_reason=ExitReason(row[10]) if row[10] else None,
        stop_price=row[11],
        target_price=row[12],
        score=row[13],
        input_digest=row[14],
        reasons=tuple(json.loads(row[15])),
        note=row[16],
    )
    return OrderRecord(
        order_id=row[0],
        intent=intent,
        state=OrderState(row[17]),
        price=row[18],
        reserve_price=row[19],
        filled=row[20],
        filled_value=row[21],
        cancelled=row[22],
        fees=row[23],
        taxes=row[24],
        reason=row[25],
        created_at=datetime.fromisoformat(row[26]),
        updated_at=datetime.fromisoformat(row[27]),
        sent_at=_instant(row[28]),
        unknown_at=_instant(row[29]),
        fence=frozenset(json.loads(row[30])),
        needs_person=bool(row[31]),
    )


def add_step(order: OrderRecord, detail: str = "") -> Statement:
    return _insert(
        "order_steps",
        {
            "order_id": order.order_id,
            "at": order.updated_at.isoformat(),
            "wall": wall_now().isoformat(timespec="milliseconds"),
            "state": order.state,
            "detail": detail or order.reason,
        },
    )


KEY_COLUMNS = "day, branch, number, order_id, leg, filled, filled_value"


def save_key(order_id: str, leg: int, key: OrderKey, filled: int, filled_value: int) -> Statement:
    # A plain insert for a new key: a key that is already bound to another order must fail, not move.
    return (
        f"INSERT INTO order_keys ({KEY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (order_id, leg) DO UPDATE "
        "SET filled = excluded.filled, filled_value = excluded.filled_value",
        (key.day.isoformat(), key.branch, key.number, order_id, leg, filled, filled_value),
    )


def read_key(row: Row) -> OrderKey:
    return OrderKey(date.fromisoformat(row[0]), row[1], row[2])


def add_fill(order_id: str, key: OrderKey, cumulative: int, quantity: int, value: int, at: datetime) -> Statement:
    return _insert(
        "fills",
        {
            "day": key.day.isoformat(),
            "branch": key.branch,
            "number": key.number,
            "cumulative": cumulative,
            "order_id": order_id,
            "quantity": quantity,
            "value": value,
            "at": at.isoformat(),
        },
    )


COMMAND_COLUMNS = "command_id, order_id, kind, state, price, actor, sent_at, unknown_at, fence, reason"


def save_command(command: OrderCommand) -> Statement:
    return _upsert(
        "commands",
        ("command_id",),
        {
            "command_id": command.command_id,
            "order_id": command.order_id,
            "kind": command.kind,
            "state": command.state,
            "price": command.price,
            "actor": command.actor,
            "sent_at": command.sent_at.isoformat(),
            "unknown_at": command.unknown_at.isoformat() if command.unknown_at else None,
            "fence": _text(sorted(command.fence)),
            "reason": command.reason,
        },
    )


def read_command(row: Row) -> OrderCommand:
    return OrderCommand(
        command_id=row[0],
        order_id=row[1],
        kind=CommandKind(row[2]),
        state=CommandState(row[3]),
        price=row[4],
        actor=row[5],
        sent_at=datetime.fromisoformat(row[6]),
        unknown_at=_instant(row[7]),
        fence=frozenset(json.loads(row[8])),
        reason=row[9],
    )


# ---------------------------------------------------------------- positions

POSITION_COLUMNS = (
    "position_id, code, name, quantity, average_price, opened_at, stop_price, target_price, highest_price, "
    "stop_reason, entry_score, entry_reasons, origin, bars_held, fees, taxes, entry_order_id, bought, "
    "bought_value, sold, sold_value, adopted, exit_reason, closed_at"
)


def save_position(position: Position, closed_at: datetime | None = None) -> Statement:
    return _upsert(
        "positions",
        ("position_id",),
        {
            "position_id": position.position_id,
            "code": position.code,
            "name": position.name,
            "quantity": position.quantity,
            "average_price": position.average_price,
            "opened_at": position.opened_at.isoformat(),
            "closed_at": closed_at.isoformat() if closed_at else None,
            "stop_price": position.stop_price,
            "target_price": position.target_price,
            "highest_price": position.highest_price,
            "stop_reason": position.stop_reason,
            "entry_score": position.entry_score,
            "entry_reasons": _text(position.entry_reasons),
            "origin": position.origin,
            "bars_held": position.bars_held,
            "fees": position.fees,
            "taxes": position.taxes,
            "entry_order_id": position.entry_order_id,
            "bought": position.bought,
            "bought_value": position.bought_value,
            "sold": position.sold,
            "sold_value": position.sold_value,
            "adopted": int(position.adopted),
            "exit_reason": position.exit_reason,
        },
    )


def read_position(row: Row) -> Position:
    return Position(
        position_id=row[0],
        code=row[1],
        name=row[2],
        quantity=row[3],
        average_price=row[4],
        opened_at=datetime.fromisoformat(row[5]),
        stop_price=row[6],
        target_price=row[7],
        highest_price=row[8],
        stop_reason=ExitReason(row[9]),
        entry_score=row[10],
        entry_reasons=tuple(json.loads(row[11])),
        origin=Origin(row[12]),
        bars_held=row[13],
        fees=row[14],
        taxes=row[15],
        entry_order_id=row[16],
        bought=row[17],
        bought_value=row[18],
        sold=row[19],
        sold_value=row[20],
        adopted=bool(row[21]),
        exit_reason=ExitReason(row[22]) if row[22] else None,
    )


def trade_of(position: Position, closed_at: datetime) -> Trade:
    """The round trip of a closed position; several exits give their average."""
    return Trade(
        code=position.code,
        name=position.name,
        quantity=position.sold,
        entry_at=position.opened_at,
        entry_price=position.bought_value / position.bought if position.bought else 0.0,
        exit_at=closed_at,
        exit_price=position.sold_value / position.sold if position.sold else 0.0,
        fees=position.fees,
        taxes=position.taxes,
        reason=position.exit_reason or ExitReason.MANUAL,
        entry_score=position.entry_score,
        entry_reasons=position.entry_reasons,
    )


def add_adjustment(at: datetime, code: Code, before: int, after: int, actor: str) -> Statement:
    return _insert(
        "adjustments", {"at": at.isoformat(), "code": code, "before": before, "after": after, "actor": actor}
    )


# ---------------------------------------------------------------- the rest


def save_external(order: BrokerOrder) -> Statement:
    return _upsert(
        "external_orders",
        ("day", "branch", "number"),
        {
            "day": order.key.day.isoformat(),
            "branch": order.key.branch,
            "number": order.key.number,
            "code": order.code,
            "side": order.side,
            "type": order.type,
            "quantity": order.quantity,
            "price": order.price,
            "at": order.at.isoformat(),
            "filled": order.filled,
            "filled_value": order.filled_value,
            "cancelled": order.cancelled + order.rejected,
            "remaining": order.remaining,
        },
    )


EXTERNAL_COLUMNS = (
    "day, branch, number, code, side, type, quantity, price, at, filled, filled_value, cancelled, remaining"
)


def read_external(row: Row) -> BrokerOrder:
    return BrokerOrder(
        key=read_key(row),
        original=None,
        code=row[3],
        side=Side(row[4]),
        type=OrderType(row[5]),
        quantity=row[6],
        price=row[7],
        at=datetime.fromisoformat(row[8]),
        filled=row[9],
        average_fill_price=row[10] / row[9] if row[9] else 0.0,
        filled_value=row[10],
        cancelled=row[11],
        rejected=0,
        remaining=row[12],
    )


def save_latch(latch: Latch) -> Statement:
    values: dict[str, Value] = {
        "name": latch.name,
        "reason": latch.reason,
        "since": latch.since.isoformat(),
        "actor": latch.actor,
    }
    return _upsert("latches", ("name",), values)


def drop_latch(name: str) -> Statement:
    return "DELETE FROM latches WHERE name = ?", (name,)


def save_frozen(difference: Difference, since: datetime) -> Statement:
    return _upsert(
        "frozen_codes",
        ("code",),
        {
            "code": difference.code,
            "journal": difference.journal,
            "broker": difference.broker,
            "since": since.isoformat(),
        },
    )


def drop_frozen(code: Code) -> Statement:
    return "DELETE FROM frozen_codes WHERE code = ?", (code,)


def save_equity(day: date, start: int, last: int, peak: int) -> Statement:
    return _upsert("equity", ("day",), {"day": day.isoformat(), "start": start, "last": last, "peak": peak})


def add_decision(
    at: datetime, code: Code, kind: str, score: float | None, input_digest: str, detail: Mapping[str, object]
) -> Statement:
    return _insert(
        "decisions",
        {
            "at": at.isoformat(),
            "code": code,
            "kind": kind,
            "score": score,
            "input_digest": input_digest,
            "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True, default=str),
        },
    )


def add_audit(
    at: datetime, actor: str, platform: str, verb: str, arguments: Mapping[str, object], decision: str, reason: str
) -> Statement:
    return _insert(
        "audit",
        {
            "wall": wall_now().isoformat(timespec="milliseconds"),
            "market": at.isoformat(),
            "actor": actor,
            "platform": platform,
            "verb": verb,
            "arguments": json.dumps(arguments, ensure_ascii=False, sort_keys=True, default=str),
            "decision": decision,
            "reason": reason,
        },
    )
