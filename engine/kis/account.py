"""The account: orders of a day, balance, buying power."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from engine.broker import BrokerError, BrokerOrder, Buyable, OrderKey, OrderList, OrderType
from engine.kis import wire
from engine.kis.errors import MalformedAnswer
from engine.kis.limits import Priority
from engine.kis.rest import Rest
from engine.kis.values import Row, only, order_number, rows
from engine.market import Balance, Code, Holding, Side, Won

RECENT = timedelta(days=90)
"""Older orders are listed by another TR id."""


@dataclass(frozen=True, slots=True)
class _OrderRow:
    order: BrokerOrder
    unexplained: int
    """Shares that are neither filled, cancelled, rejected nor remaining by the row itself."""


def _number(row: Row, key: str) -> str:
    try:
        return order_number(row.text(key))
    except ValueError:
        raise row.bad(key) from None


def _order_row(row: Row) -> _OrderRow:
    day = row.day("ord_dt")
    branch = row.text("ord_gno_brno")
    key = OrderKey(day, branch, _number(row, "odno"))
    original = row.text("orgn_odno").lstrip("0")
    side = {"01": Side.SELL, "02": Side.BUY}.get(row.text("sll_buy_dvsn_cd"))
    if side is None:
        raise row.bad("sll_buy_dvsn_cd")
    quantity = row.count("ord_qty", blank=None)
    filled = row.count("tot_ccld_qty", blank=None)
    rejected = row.count("rjct_qty")
    cancelled = row.count("cnc_cfrm_qty" if row.has("cnc_cfrm_qty") else "cncl_cfrm_qty")
    remaining = row.count("rmn_qty", blank=max(0, quantity - filled - rejected - cancelled))
    unexplained = quantity - filled - rejected - cancelled - remaining
    if filled + rejected > quantity:
        raise row.bad("tot_ccld_qty")
    if unexplained < 0:  # a row caught between two updates: what is filled is certain, the rest follows from it
        cancelled = min(cancelled, quantity - filled - rejected)
        remaining = quantity - filled - rejected - cancelled
        unexplained = 0
    return _OrderRow(
        BrokerOrder(
            key=key,
            original=OrderKey(day, branch, original) if original else None,
            code=row.code("pdno"),
            side=side,
            type=OrderType.MARKET if row.text("ord_dvsn_cd") == "01" else OrderType.LIMIT,
            quantity=quantity,
            price=row.count("ord_unpr"),
            at=row.moment(day, "ord_tmd"),
            filled=filled,
            average_fill_price=row.number("avg_prvs", blank=0.0),
            filled_value=row.count("tot_ccld_amt"),
            cancelled=cancelled,
            rejected=rejected,
            remaining=remaining,
            is_cancel="취소" in row.text("sll_buy_dvsn_cd_name") and bool(original),
        ),
        unexplained,
    )


def _later(one: _OrderRow, other: _OrderRow) -> _OrderRow:
    """Of two rows of one order the one that is further on: quantities only grow, the rest only shrinks."""

    def progress(row: _OrderRow) -> tuple[int, int, int]:
        order = row.order
        return order.filled, order.cancelled + order.rejected, -order.remaining

    return max(one, other, key=progress)


def merged(pages: Iterable[Row]) -> tuple[BrokerOrder, ...]:
    """One order per number, by time. Raises MalformedAnswer.

    Shares an amend or cancel took over stay unexplained in the original's row; they count as cancelled. Shares that
    nothing explains count as remaining: an order must not look dead by a gap in a list.
    """
    found: dict[OrderKey, _OrderRow] = {}
    for row in pages:
        parsed = _order_row(row)
        key = parsed.order.key
        found[key] = _later(found[key], parsed) if key in found else parsed
    taken_over: dict[tuple[date, str], int] = defaultdict(int)
    for entry in found.values():
        if entry.order.original is not None:
            taken_over[entry.order.original.day, entry.order.original.number] += (
                entry.order.quantity - entry.order.rejected
            )
    orders = []
    for entry in found.values():
        order, gap = entry.order, entry.unexplained
        moved = gap if order.is_cancel else min(gap, taken_over[order.key.day, order.key.number])
        orders.append(replace(order, cancelled=order.cancelled + moved, remaining=order.remaining + gap - moved))
    return tuple(sorted(orders, key=lambda order: (order.at, order.key.number.zfill(10))))


def parse_holdings(pages: Iterable[Row]) -> tuple[Holding, ...]:
    """Positions by code. Rows of one code (cash and loans) are added up; what was sold out is left out."""
    grouped: dict[Code, list[Holding]] = defaultdict(list)
    for row in pages:
        quantity = row.count("hldg_qty", blank=None)
        if not quantity:
            continue
        code = row.code("pdno")
        price = row.count("prpr")
        if not price:
            # Before the open the price is 0 and the "change since yesterday" is minus yesterday's close.
            price = -min(0, row.integer("bfdy_cprs_icdc", blank=0))
        average = row.number("pchs_avg_pric")
        if average < 0:
            raise row.bad("pchs_avg_pric")
        sellable = 0 if row.has("loan_dt") else min(quantity, row.count("ord_psbl_qty"))
        grouped[code].append(Holding(code, row.text("prdt_name"), quantity, sellable, average, price))
    return tuple(_together(parts) for parts in grouped.values())


def _together(parts: list[Holding]) -> Holding:
    quantity = sum(part.quantity for part in parts)
    return replace(
        parts[0],
        quantity=quantity,
        sellable=sum(part.sellable for part in parts),
        average_price=sum(part.quantity * part.average_price for part in parts) / quantity,
        price=max(part.price for part in parts),
    )


def parse_buyable(body: Mapping[str, Any]) -> Buyable:
    row = only(body, "output", "output1", where="매수 가능")
    return Buyable(
        cash=max(0, row.integer("nrcvb_buy_amt")),
        quantity=max(0, row.integer("nrcvb_buy_qty")),
        unit_price=row.count("psbl_qty_calc_unpr"),
    )


class AccountReads:
    """The reading half of Broker."""

    _rest: Rest

    async def orders(self, day: date, code: Code | None = None) -> OrderList:
        """Every order of ``day``. Raises BrokerError when not even the first page came."""
        rest = self._rest
        call = wire.ORDERS if rest.clock.today() - day <= RECENT else wire.OLD_ORDERS
        query = {
            **rest.account,
            "INQR_STRT_DT": f"{day:%Y%m%d}",
            "INQR_END_DT": f"{day:%Y%m%d}",
            "SLL_BUY_DVSN_CD": "00",
            "INQR_DVSN": "01",
            "PDNO": code or "",
            "CCLD_DVSN": "00",
            "ORD_GNO_BRNO": "",
            "ODNO": "",
            "INQR_DVSN_3": "00",
            "INQR_DVSN_1": "",
            # Without it the list hides fills on the other exchange.
            "EXCG_ID_DVSN_CD": "ALL" if rest.wire == "real" else "KRX",
        }
        found: list[Row] = []
        complete = False
        pages = 0
        try:
            async for body in rest.pages(call, query, cursor="100"):
                found += rows(body, "output1", "output", where=call.label)
                pages += 1
            complete = True
        except BrokerError as problem:
            if not pages or isinstance(problem, MalformedAnswer):
                raise
        orders = merged(found)
        if code is not None:
            orders = tuple(order for order in orders if order.code == code)
        return OrderList(orders, complete, rest.clock.now())

    async def balance(self) -> Balance:
        """Cash and positions. Raises BrokerError, also when a later page fails: half a balance is none."""
        rest = self._rest
        query = {
            **rest.account,
            "AFHR_FLPR_YN": "N",
            "OFL_YN": "",
            "INQR_DVSN": "02",
            "UNPR_DVSN": "01",
            "FUND_STTL_ICLD_YN": "N",
            "FNCG_AMT_AUTO_RDPT_YN": "N",
            "PRCS_DVSN": "00",
        }
        found: list[Row] = []
        cash: Row | None = None
        async for body in rest.pages(wire.BALANCE, query, cursor="100"):
            found += rows(body, "output1", where="잔고")
            cash = cash or only(body, "output2", where="잔고")
        if cash is None:
            raise MalformedAnswer("잔고 응답이 비어 있습니다")
        return Balance(
            at=rest.clock.now(),
            deposit=cash.integer("dnca_tot_amt"),
            settled_cash=cash.integer("prvs_rcdl_excc_amt"),
            holdings=parse_holdings(found),
        )

    async def buyable(self, code: Code, price: Won | None) -> Buyable:
        """Buying power for one stock; ``price`` None asks for a market order."""
        body, _ = await self._rest.read(
            wire.BUYABLE,
            {
                **self._rest.account,
                "PDNO": code,
                "ORD_UNPR": str(price or 0),
                "ORD_DVSN": "01" if price is None else "00",
                "CMA_EVLU_AMT_ICLD_YN": "N",
                "OVRS_ICLD_YN": "N",
            },
            priority=Priority.ACCOUNT,
        )
        return parse_buyable(body)
