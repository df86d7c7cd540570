"""Order calls: cash orders, modify and cancel, with the checks of the gateway and the order desk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from engine.krx import on_tick
from engine.market import InvalidCode, Phase, Side, Stock, StockFlag, Won, parse_code
from engine.simulator.accounts import Account, Ledger
from engine.simulator.day import StockDay
from engine.simulator.envelope import Answer, Call, Refusal
from engine.simulator.formats import time_text
from engine.simulator.matching import Exchange, resolve_price
from engine.simulator.orders import DIVISIONS, OTHER_SESSIONS, Division, Order, RequestKind

# name: (real msg_cd, real text, mock msg_cd, mock text)
_REASONS: Final[dict[str, tuple[str, str, str, str]]] = {
    "money": ("APBK0952", "주문가능금액을 초과 했습니다", "40250000", "모의투자 주문가능금액이 부족합니다."),
    "shares": ("APBK0400", "주문 가능한 수량을 초과했습니다.", "40240000", "모의투자 주문가능수량이 부족합니다."),
    "before": ("APBK0918", "장운영시간이 아닙니다.", "40570000", "모의투자 장시작전 입니다."),
    "after": ("APBK0918", "장운영시간이 아닙니다.", "40580000", "모의투자 장종료 입니다."),
    "holiday": ("APBK0919", "장운영일자가 주문일과 상이합니다", "40100000", "모의투자 영업일이 아닙니다."),
    "tick": ("APBK0506", "주식주문호가단위 오류입니다.", "40030000", "모의투자 주문단가의 호가단위 오류입니다."),
    "limit": (
        "APBK0507",
        "주문단가가 상하한가를 벗어났습니다.",
        "40040000",
        "모의투자 주문단가가 상하한가를 벗어났습니다.",
    ),
    "price": ("APBK0508", "주문단가를 확인해주세요.", "40050000", "모의투자 주문단가를 확인해주세요."),
    "quantity": ("APBK0509", "주문 수량을 확인해주세요.", "40060000", "모의투자 주문 수량을 확인해주세요."),
    "unknown": ("APBK0656", "해당종목정보가 없습니다.", "40070000", "모의투자 주문처리가 안되었습니다(매매불가 종목)"),
    "halted": ("APBK0910", "거래정지 종목입니다.", "40070000", "모의투자 주문처리가 안되었습니다(매매불가 종목)"),
    "auction": (
        "APBK1943",
        "단일가매매 시간에는 해당 주문유형을 사용할 수 없습니다.",
        "40080000",
        "모의투자 단일가매매 시간에는 해당 주문유형을 사용할 수 없습니다.",
    ),
    "session": (
        "APBK3013",
        "애프터마켓은 지정가/최유리/최우선 주문만 가능하며 현재 거래시간이 아닙니다.",
        "90000000",
        "모의투자에서는 해당업무가 제공되지 않습니다.",
    ),
    "type": ("APBK0511", "주문구분을 확인해주세요.", "90000000", "모의투자에서는 해당업무가 제공되지 않습니다."),
    "venue": (
        "APBK0512",
        "해당 종목은 선택한 거래소에서 거래할 수 없습니다.",
        "90000000",
        "모의투자에서는 해당업무가 제공되지 않습니다.",
    ),
    "rest": ("APBK0556", "정정/취소할 수량이 없습니다.", "40330000", "모의투자 정정/취소할 수량이 없습니다."),
    "original": ("APBK0513", "원주문정보가 존재하지 않습니다.", "40320000", "모의투자 원주문번호가 존재하지 않습니다."),
    "empty": ("APBK0514", "상대호가가 없어 주문할 수 없습니다.", "40090000", "모의투자 상대호가가 없습니다."),
}
_DONE: Final = {
    (Side.BUY, RequestKind.NEW): ("40600000", "모의투자 매수주문이 완료 되었습니다."),
    (Side.SELL, RequestKind.NEW): ("40590000", "모의투자 매도주문이 완료 되었습니다."),
    (Side.BUY, RequestKind.MODIFY): ("40620000", "모의투자 정정주문이 완료 되었습니다."),
    (Side.SELL, RequestKind.MODIFY): ("40620000", "모의투자 정정주문이 완료 되었습니다."),
    (Side.BUY, RequestKind.CANCEL): ("40630000", "모의투자 취소주문이 완료 되었습니다."),
    (Side.SELL, RequestKind.CANCEL): ("40630000", "모의투자 취소주문이 완료 되었습니다."),
}


def refuse(account: Account, reason: str) -> Refusal:
    real_code, real_text, mock_code, mock_text = _REASONS[reason]
    return Refusal("1", mock_code, mock_text) if account.mock else Refusal("7", real_code, real_text)


@dataclass(frozen=True, slots=True)
class OrderFault:
    """What happens to the next accepted order (scripted faults)."""

    hidden_seconds: float = 0.0
    rejected: bool = False


class OrderDesk:
    """Checks and books orders. ``fault`` is asked once per accepted new order."""

    def __init__(
        self, exchange: Exchange, ledger: Ledger, fault: Callable[[Call], OrderFault] = lambda call: OrderFault()
    ) -> None:
        self.exchange = exchange
        self.floor = exchange.floor
        self.ledger = ledger
        self._fault = fault

    def account(self, call: Call) -> Account:
        """The account that the call names. Raises Refusal where it does not belong to the key."""
        number, product = call.needed("CANO"), call.needed("ACNT_PRDT_CD")
        account = self.ledger.account(call.key)
        if (number, product) != (account.spec.number, account.spec.product):
            raise Refusal("2", "OPSQ2000", "ERROR : INPUT INVALID_CHECK_ACNO")
        return account

    # -- new orders

    def buy(self, call: Call) -> Answer:
        return self._place(call, Side.BUY)

    def sell(self, call: Call) -> Answer:
        return self._place(call, Side.SELL)

    def _place(self, call: Call, side: Side) -> Answer:
        account = self.account(call)
        order = self._drafted(call, account, side)
        self._check_price(order)
        self._check_means(order)
        return self._send(call, order)

    def _drafted(self, call: Call, account: Account, side: Side) -> Order:
        division = self._division(call, account)
        stock = self._stock(call.needed("PDNO"), account)
        phase = self._phase(account)
        quantity, price = call.number("ORD_QTY"), call.number("ORD_UNPR")
        if quantity <= 0:
            raise refuse(account, "quantity")
        self._check_phase(account, division, phase, self._day(stock, account))
        now = self.floor.timetable.now()
        return Order(
            0,
            now.date(),
            now,
            account,
            stock,
            side,
            division,
            quantity,
            price if division.needs_price or division.pricing == "midpoint" else 0,
            stop_price=call.number("CNDT_PRIC") if division.pricing == "stop" else 0,
        )

    def _division(self, call: Call, account: Account) -> Division:
        code = call.needed("ORD_DVSN")
        venue = call.text("EXCG_ID_DVSN_CD") or "KRX"
        if venue != "KRX" and (account.mock or venue not in ("NXT", "SOR")):
            raise refuse(account, "venue")
        if venue == "NXT":
            raise refuse(account, "venue")
        if code in OTHER_SESSIONS:
            raise refuse(account, "session")
        division = DIVISIONS.get(code)
        if division is None or (account.mock and not division.on_mock):
            raise refuse(account, "type")
        return division

    def _stock(self, text: str, account: Account) -> Stock:
        try:
            stock = self.floor.stock(parse_code(text))
        except InvalidCode:
            stock = None
        if stock is None:
            raise refuse(account, "unknown")
        return stock

    def _phase(self, account: Account) -> Phase:
        timetable = self.floor.timetable
        session = timetable.session()
        if session is None:
            raise refuse(account, "holiday")
        phase = timetable.phase()
        if phase is Phase.CLOSED:
            raise refuse(account, "before")
        if phase is Phase.AFTER_CLOSE:
            raise refuse(account, "after")
        return phase

    def _day(self, stock: Stock, account: Account) -> StockDay:
        day = self.floor.day(stock.code)
        if day is None:
            raise refuse(account, "unknown")
        return day

    def _check_phase(self, account: Account, division: Division, phase: Phase, day: StockDay) -> None:
        second = self.floor.second()
        if StockFlag.HALTED in day.stock.flags or day.halted(second):
            raise refuse(account, "halted")
        auction = phase is not Phase.CONTINUOUS or day.interruption(second) is not None
        if auction and not division.in_auction:
            raise refuse(account, "auction")
        if phase is Phase.CLOSING_AUCTION and division.pricing == "conditional":
            raise refuse(account, "auction")

    def _check_price(self, order: Order) -> None:
        day = self._day(order.stock, order.account)
        if order.division.needs_price:
            prices = [order.price] + ([order.stop_price] if order.division.pricing == "stop" else [])
            for price in prices:
                if price <= 0:
                    raise refuse(order.account, "price")
                if not on_tick(price, order.stock.kind):
                    raise refuse(order.account, "tick")
                if price not in day.limits:
                    raise refuse(order.account, "limit")
        order.limit = resolve_price(order, self.exchange.book(day), day, day.at(self.floor.second()))
        if order.limit == 0:
            raise refuse(order.account, "empty")
        fixed = order.division.pricing in ("limit", "stop")
        order.reserve_price = order.price if fixed else day.limits.upper

    def _check_means(self, order: Order, *, freed_cash: Won = 0, freed_shares: int = 0) -> None:
        account = order.account
        if order.side is Side.SELL:
            if order.quantity > account.sellable(order.code) + freed_shares:
                raise refuse(account, "shares")
            return
        needed = self.ledger.needed(order.stock, order.reserve_price, order.quantity)
        if needed > account.buying_power + freed_cash:
            raise refuse(account, "money")

    def _send(self, call: Call, order: Order) -> Answer:
        fault = self._fault(call)
        order.number = self.exchange.next_number(order.day)
        if fault.hidden_seconds:
            order.visible_at = order.at + timedelta(seconds=fault.hidden_seconds)
        if fault.rejected:
            self.exchange.reject(order)
        else:
            self.exchange.submit(order, self.floor.timetable.phase())
        return self._done(order)

    def _done(self, order: Order) -> Answer:
        message = _DONE[(order.side, order.kind)] if order.account.mock else ("APBK0013", "주문 전송 완료 되었습니다.")
        return Answer(
            {
                "rt_cd": "0",
                "msg_cd": message[0],
                "msg1": message[1],
                "output": {
                    "KRX_FWDG_ORD_ORGNO": order.account.spec.branch,
                    "ODNO": f"{order.number:010d}",
                    "ORD_TMD": time_text(order.at),
                },
            }
        )

    # -- modify and cancel

    def revise(self, call: Call) -> Answer:
        account = self.account(call)
        self._phase(account)
        original = self._original(call, account)
        self.exchange.catch_up(original.code)
        if original.remaining <= 0:
            raise refuse(account, "rest")
        quantity = original.remaining if call.text("QTY_ALL_ORD_YN").upper() == "Y" else call.number("ORD_QTY")
        if not 0 < quantity <= original.remaining:
            raise refuse(account, "rest" if quantity > original.remaining else "quantity")
        kind = call.needed("RVSE_CNCL_DVSN_CD")
        if kind == "02":
            return self._cancel(original, quantity)
        if kind != "01":
            raise Refusal("2", "OPSQ2001", "ERROR : INPUT INVALID_CHECK_RVSE_CNCL_DVSN_CD")
        return self._modify(call, original, quantity)

    def _original(self, call: Call, account: Account) -> Order:
        wanted = call.needed("ORGN_ODNO").lstrip("0")
        today = self.floor.timetable.today()
        for order in account.orders:
            if order.day == today and str(order.number) == wanted and order.kind is not RequestKind.CANCEL:
                return order
        raise refuse(account, "original")

    def _request(self, original: Order, kind: RequestKind, quantity: int) -> Order:
        now = self.floor.timetable.now()
        return Order(
            0,
            now.date(),
            now,
            original.account,
            original.stock,
            original.side,
            original.division,
            quantity,
            original.price,
            kind,
            original,
        )

    def _cancel(self, original: Order, quantity: int) -> Answer:
        request = self._request(original, RequestKind.CANCEL, quantity)
        request.number = self.exchange.next_number(request.day)
        self.exchange.cancel(original, request)
        return self._done(request)

    def _modify(self, call: Call, original: Order, quantity: int) -> Answer:
        account = original.account
        request = self._request(original, RequestKind.MODIFY, quantity)
        request.division = self._division(call, account)
        request.price = call.number("ORD_UNPR") if request.division.needs_price else 0
        request.stop_price = call.number("CNDT_PRIC") if request.division.pricing == "stop" else 0
        self._check_phase(account, request.division, self._phase(account), self._day(original.stock, account))
        self._check_price(request)
        freed = original.reserved_cash - self.ledger.reservation(original, original.remaining - quantity)
        self._check_means(request, freed_cash=freed, freed_shares=quantity)
        request.number = self.exchange.next_number(request.day)
        self.exchange.modify(original, request, self.floor.timetable.phase())
        return self._done(request)
