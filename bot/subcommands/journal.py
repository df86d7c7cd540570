"""``gaemi journal``: what was decided, ordered, filled and commanded on a day, from the order journal."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bot.journal_files import JournalFile, ReadOnlyStore, days, journal_files, reader
from bot.settings import load_settings
from bot.subcommands import UserError, add_home, add_json
from bot.subcommands.run import parse_day, trade_json
from engine.orders import JournalUnavailable, OrderRecord, OrderState
from engine.results import Trade
from engine.store import Row

NAME = "journal"
HELP = "하루의 판단, 주문과 그 단계, 체결, 거래, 명령 기록을 보여 줍니다 (읽기만)"
EPILOG = """예:
  gaemi journal                                      가장 최근에 쓴 기록의 마지막 거래일
  gaemi journal --market simulator/seed-7 --date 2026-11-23 --json

실행 중인 개미를 방해하지 않습니다. 어느 파일을 읽었는지 첫 줄에 적습니다.
JSON: {"database", "market", "day", "days": [날짜…], "others": [이름…], "decisions": [{"at", "code", "kind", "score",
  "input_digest", "detail"}…], "orders": [{…, "steps": [{"at", "state", "detail"}…], "fills": [{"at", "quantity",
  "value"}…]}…], "trades": […], "audit": [{"wall", "market", "actor", "platform", "verb", "arguments", "decision",
  "reason"}…], "equity": {"start", "last"} 또는 null, "hash"}
종료 코드: 0 보여 줌, 2 기록이 없거나 읽을 수 없음, 130 사용자 중단"""

AUDIT = ("wall", "market", "actor", "platform", "verb", "arguments", "decision", "reason")

KINDS = {"enter": "진입", "stay": "보류"}


@dataclass(frozen=True, slots=True)
class Day:
    file: JournalFile
    day: date
    days: tuple[date, ...]
    decisions: tuple[Row, ...]
    orders: tuple[OrderRecord, ...]
    steps: dict[str, list[tuple[str, str, str]]]
    """Order number → (market time, state, detail) of each step."""
    fills: dict[str, list[tuple[str, int, int]]]
    """Order number → (market time, shares, won) of each fill."""
    trades: tuple[Trade, ...]
    audit: tuple[Row, ...]
    equity: tuple[int, int] | None
    digest: str


def add_market_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--market", metavar="이름", help="자료 폴더 안의 이름 (예: simulator/seed-7, 기본: 마지막에 쓴 것)"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", type=parse_day, dest="day", metavar="날짜", help="거래일 (기본: 기록의 마지막 날)")
    add_market_name(parser)
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    file, others = choose_file(load_settings(gaemi_home=arguments.home).gaemi_home.resolve(), arguments.market)
    try:
        found = asyncio.run(_read(file, arguments.day))
    except JournalUnavailable as error:
        raise UserError(str(error)) from error
    print("\n".join(_lines(found, others)))
    if arguments.json:
        print(json.dumps(_json(found, others), ensure_ascii=False))
    return 0


def choose_file(home: Path, market: str | None) -> tuple[JournalFile, list[str]]:
    """The journal meant and the names of the others. Raises UserError."""
    files = journal_files(home)
    if not files:
        raise UserError(f"주문 기록이 없습니다: {home} (gaemi run 을 먼저 실행하거나 --home 으로 폴더를 고르세요)")
    chosen = files[0] if market is None else next((file for file in files if file.name == market), None)
    if chosen is None:
        raise UserError(f"그런 기록이 없습니다: {market}. 있는 것: {', '.join(file.name for file in files)}")
    return chosen, [file.name for file in files if file is not chosen]


async def _read(file: JournalFile, day: date | None) -> Day:
    store = ReadOnlyStore(file.path)
    try:
        known = await days(store)
        if not known:
            raise UserError(f"주문 기록이 비어 있습니다: {file.path}")
        chosen = day or known[0]
        if chosen not in known:
            shown = ", ".join(map(str, known[:5])) + (" …" if len(known) > 5 else "")
            raise UserError(f"{chosen}의 기록이 없습니다. 있는 날: {shown}")
        journal = reader(store)
        orders = await journal.orders(chosen)
        fills: dict[str, list[tuple[str, int, int]]] = {}
        for order_id, at, quantity, value in await store.rows(
            "SELECT order_id, at, quantity, value FROM fills WHERE day = ? ORDER BY at, cumulative",
            (chosen.isoformat(),),
        ):
            fills.setdefault(order_id, []).append((at, quantity, value))
        equity = await journal.equity_curve(chosen, chosen)
        return Day(
            file,
            chosen,
            tuple(known),
            tuple(await journal.decisions(chosen)),
            orders,
            {
                order.order_id: [(at.isoformat(), state, why) for at, state, why in await journal.steps(order.order_id)]
                for order in orders
            },
            fills,
            await journal.trades(chosen),
            tuple(await journal.audit(chosen)),
            (equity[0][1], equity[0][2]) if equity else None,
            await journal.digest(chosen),
        )
    finally:
        await store.close()


def _order_json(order: OrderRecord, found: Day) -> dict[str, object]:
    intent = order.intent
    return {
        "order_id": order.order_id,
        "code": intent.code,
        "side": intent.side.value,
        "type": intent.type.value,
        "quantity": intent.quantity,
        "price": order.price,
        "origin": intent.origin.value,
        "purpose": intent.purpose.value,
        "actor": intent.actor,
        "exit_reason": intent.exit_reason.value if intent.exit_reason else None,
        "stop_price": intent.stop_price,
        "target_price": intent.target_price,
        "score": intent.score,
        "input_digest": intent.input_digest,
        "reasons": list(intent.reasons),
        "state": order.state.value,
        "reason": order.reason,
        "filled": order.filled,
        "filled_value": order.filled_value,
        "fees": order.fees,
        "taxes": order.taxes,
        "broker_number": order.key.number if order.key else None,
        "created_at": order.created_at.isoformat(),
        "updated_at": order.updated_at.isoformat(),
        "steps": [{"at": at, "state": state, "detail": detail} for at, state, detail in found.steps[order.order_id]],
        "fills": [
            {"at": at, "quantity": quantity, "value": value}
            for at, quantity, value in found.fills.get(order.order_id, [])
        ],
    }


def _json(found: Day, others: list[str]) -> dict[str, Any]:
    return {
        "database": str(found.file.path),
        "market": found.file.name,
        "day": found.day.isoformat(),
        "days": [day.isoformat() for day in found.days],
        "others": others,
        "decisions": [
            {"at": at, "code": code, "kind": kind, "score": score, "input_digest": digest, "detail": json.loads(detail)}
            for at, code, kind, score, digest, detail in found.decisions
        ],
        "orders": [_order_json(order, found) for order in found.orders],
        "trades": [trade_json(trade) for trade in found.trades],
        "audit": [
            {name: json.loads(value) if name == "arguments" else value for name, value in zip(AUDIT, row, strict=True)}
            for row in found.audit
        ],
        "equity": {"start": found.equity[0], "last": found.equity[1]} if found.equity else None,
        "hash": found.digest,
    }


def _clock(at: str) -> str:
    return at[11:19]


def _lines(found: Day, others: list[str]) -> list[str]:
    lines = [
        f"■ {found.day} · {found.file.name} · {found.file.path}",
        f"  판단 {len(found.decisions)} · 주문 {len(found.orders)} · 거래 {len(found.trades)} · 명령 {len(found.audit)}"
        + (f" · 평가금액 {found.equity[0]:,} → {found.equity[1]:,}원" if found.equity else ""),
    ]
    if found.decisions:
        lines.append("판단")
    for at, code, kind, score, _, detail in found.decisions:
        why = json.loads(detail).get("why", "")
        shown = f"{score:+.1f}점 " if score is not None else ""
        lines.append(f"  {_clock(at)} {code} {shown}{KINDS.get(kind, kind)}{f': {why}' if why else ''}")
    if found.orders:
        lines.append("주문")
    for order in found.orders:
        intent = order.intent
        price = f"{order.price:,}원" if order.price else "시장가"
        lines.append(
            f"  {order.created_at:%H:%M:%S} {order.order_id} {intent.code} {intent.side.label} {intent.quantity:,}주 {price} "
            f"· {intent.origin.label} · {order.state.label}{f' ({order.reason})' if order.reason else ''}"
        )
        lines += [
            f"      {_clock(at)} {OrderState(state).label}{f': {detail}' if detail else ''}"
            for at, state, detail in found.steps[order.order_id]
        ]
        lines += [
            f"      {_clock(at)} 체결 {quantity:,}주 {value:,}원"
            for at, quantity, value in found.fills.get(order.order_id, [])
        ]
    if found.trades:
        lines.append("거래")
    lines += [
        f"  {trade.name} ({trade.code}) {trade.quantity:,}주 {trade.entry_price:,.0f} → {trade.exit_price:,.0f} "
        f"({trade.reason.label}, {trade.profit:+,}원 {trade.profit_percent:+.2f}%)"
        for trade in found.trades
    ]
    if found.audit:
        lines.append("명령")
    lines += [
        f"  {_clock(market)} {platform}/{actor} {verb} {arguments} → {decision}{f' ({reason})' if reason else ''}"
        for _, market, actor, platform, verb, arguments, decision, reason in found.audit
    ]
    if others:
        lines.append(f"  다른 기록: {', '.join(others)} (--market 으로 고름)")
    return lines
