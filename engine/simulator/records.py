"""The records of the WebSocket: trades, books, expected matches, market state, indices, execution notices."""

from __future__ import annotations

from datetime import datetime

from engine.market import Index, Phase, Side
from engine.simulator import wire
from engine.simulator.book import LEVELS, DrawnBook, best_prices
from engine.simulator.day import StockDay, mix
from engine.simulator.formats import clock_text, day_text, percent, rate, sign, time_text
from engine.simulator.matching import Exchange
from engine.simulator.orders import EventKind, OrderEvent, RequestKind
from engine.simulator.quotes import flag
from engine.simulator.settings import WireEpoch

_DIVISION_CONDITION = {"": "0", "IOC": "1", "FOK": "2"}


class Records:
    """Builds records of the epoch's length; each is a ``^``-joined text."""

    def __init__(self, exchange: Exchange, epoch: WireEpoch) -> None:
        self.exchange = exchange
        self.floor = exchange.floor
        self.epoch: WireEpoch = epoch
        self._trade_length = len(wire.layout(wire.TRADE, epoch))
        self._book_length = len(wire.layout(wire.BOOK, epoch))

    def trades(self, day: StockDay, first: int, last: int, book: DrawnBook) -> list[str]:
        """Records of prints first..last inclusive; ``book`` stands after the last."""
        return [self._trade(day, index, book, index == last) for index in range(first, last + 1)]

    def _trade(self, day: StockDay, index: int, book: DrawnBook, newest: bool) -> str:
        second, price, side = int(day.second[index]), int(day.price[index]), int(day.side[index])
        volume, value = int(day.cumulative_volume[index]), int(day.cumulative_value[index])
        opening, high, low = int(day.price[0]), int(day.high[index]), int(day.low[index])
        totals = day.sides
        sells, buys = int(totals.sell_count[index]), int(totals.buy_count[index])
        sold, bought = int(totals.sell_volume[index]), int(totals.buy_volume[index])
        ask, bid = book.best_ask, book.best_bid
        if not newest:
            ask, bid = best_prices(price, side, day.limits, day.stock.kind, mix(day.seed, index))
        change = price - day.base
        closing = second >= day.close_out_second
        fields = [
            day.code,
            clock_text(second),
            str(price),
            sign(change, price, day.limits),
            str(change),
            percent(change, day.base),
            rate(value / volume if volume else 0.0),
            str(opening),
            str(high),
            str(low),
            str(ask),
            str(bid),
            str(int(day.volume[index])),
            str(volume),
            str(value),
            str(sells),
            str(buys),
            str(buys - sells),
            percent(bought, sold),
            str(sold),
            str(bought),
            "1" if side > 0 else "5" if side < 0 else "3",
            rate(bought / volume if volume else 0.0),
            percent(volume, day.previous_volume),
            clock_text(int(day.second[0])),
            sign(price - opening),
            str(price - opening),
            clock_text(int(day.high_second[index])),
            sign(price - high),
            str(price - high),
            clock_text(int(day.low_second[index])),
            sign(price - low),
            str(price - low),
            day_text(day.session.day),
            "21" if closing else "20",
            flag(day.halted(second)),
            str(book.asks[0].quantity if book.asks else 0),
            str(book.bids[0].quantity if book.bids else 0),
            str(book.total_ask),
            str(book.total_bid),
            percent(volume, day.stock.listed_shares),
            str(day.previous_volume),
            percent(volume, day.previous_volume),
            "0",
            "",
            str(day.interruption_reference(second)),
            "2",
        ]
        return "^".join(fields[: self._trade_length])

    def book(self, day: StockDay, second: int, book: DrawnBook) -> str:
        expected, expected_volume = day.expected(second)
        change = expected - day.base
        middle = book.middle if not expected else 0
        fields = [day.code, clock_text(second), self._hour_code(day, second)]
        for levels in (book.asks, book.bids):
            fields += [str(levels[n].price) if n < len(levels) else "0" for n in range(LEVELS)]
        for levels in (book.asks, book.bids):
            fields += [str(levels[n].quantity) if n < len(levels) else "0" for n in range(LEVELS)]
        fields += [
            str(book.total_ask),
            str(book.total_bid),
            "0",
            "0",
            str(expected),
            str(expected_volume),
            str(expected_volume),
            str(change),
            sign(change, expected, day.limits) if expected else "5",
            percent(change, day.base),
            str(day.volume_until(day.at(second))),
            "0",
            "0",
            "0",
            "0",
            "0",
            str(middle),
            str(day.level_volume // 10 if middle else 0),
            "1" if middle else "0",
            "2",
        ]
        return "^".join(fields[: self._book_length])

    def _hour_code(self, day: StockDay, second: int) -> str:
        if second < day.open_second:
            return "B"
        if day.interruption(second) is not None:
            return "C"
        return "A" if day.close_out_second <= second < day.close_second else "0"

    def expected(self, day: StockDay, second: int, book: DrawnBook) -> str:
        """H0STANC0: laid out like a trade, with the expected price and volume."""
        price, volume = day.expected(second)
        change = price - day.base
        index = day.at(second)
        values = {
            "MKSC_SHRN_ISCD": day.code,
            "STCK_CNTG_HOUR": clock_text(second),
            "STCK_PRPR": str(price),
            "PRDY_VRSS_SIGN": sign(change, price, day.limits),
            "PRDY_VRSS": str(change),
            "PRDY_CTRT": percent(change, day.base),
            "WGHN_AVRG_STCK_PRC": str(price),
            "STCK_OPRC": str(day.open_price(index)),
            "STCK_HGPR": str(day.high_price(index)),
            "STCK_LWPR": str(day.low_price(index)),
            "ASKP1": str(book.best_ask),
            "BIDP1": str(book.best_bid),
            "CNTG_VOL": str(volume),
            "ACML_VOL": str(day.volume_until(index)),
            "ACML_TR_PBMN": str(day.value_until(index)),
            "BSOP_DATE": day_text(day.session.day),
            "NEW_MKOP_CLS_CODE": "10" if second < day.open_second else "21",
            "TRHT_YN": flag(day.halted(second)),
            "TOTAL_ASKP_RSQN": str(book.total_ask),
            "TOTAL_BIDP_RSQN": str(book.total_bid),
            "HOUR_CLS_CODE": self._hour_code(day, second),
            "MRKT_TRTM_CLS_CODE": "",
        }
        return "^".join(values.get(name, "0") for name in wire.layout(wire.EXPECTED, self.epoch))

    def market_state(self, day: StockDay, second: int) -> str:
        """H0STMKO0: sent when an interruption or a halt starts or ends."""
        phase = self.floor.timetable.phase()
        halted = day.halted(second)
        fields = [
            day.code,
            flag(halted),
            "거래정지" if halted else "",
            "110" if phase is Phase.OPENING_AUCTION else "112" if phase is Phase.CONTINUOUS else "120",
            "",
            "",
            "0",
            "58" if halted else "55",
            flag(day.interruption(second) is not None),
            "N",
            "1",
        ]
        return "^".join(fields)

    def index(self, index: Index, position: int) -> str:
        day = self.floor.index(index)
        value, before = float(day.value[position]), day.previous_close
        opening, high, low = float(day.value[0]), float(day.high[position]), float(day.low[position])
        change = value - before
        volume = day.volume_until(position)
        earlier = day.volume_until(position - 1)
        money = round(volume * value / 100)
        tick = value - (float(day.value[position - 1]) if position else before)
        fields = [
            index.value,
            clock_text(int(day.second[position])),
            rate(value),
            sign(change),
            rate(change),
            str(volume),
            str(money),
            str(volume - earlier),
            str(money - round(earlier * value / 100)),
            percent(change, before),
            rate(opening),
            rate(high),
            rate(low),
        ]
        for reference in (opening, high, low):
            fields += [rate(value - reference), sign(round(value - reference, 2))]
        fields += [percent(reference - before, before) for reference in (opening, high, low)]
        fields += [*self.breadth(index), "0", "0", rate(tick)]
        return "^".join(fields)

    def breadth(self, index: Index) -> list[str]:
        """Counts at the upper limit, rising, unchanged, falling, at the lower limit, of 1,000 stocks: invented from the
        index's own change, since counting would build every stock's day."""
        day = self.floor.index(index)
        position = day.at(self.floor.second())
        value = float(day.value[position]) if position >= 0 else day.previous_close
        moved = 100.0 * (value - day.previous_close) / day.previous_close if day.previous_close else 0.0
        rising = min(900, max(50, round(470 + 230 * moved)))
        return ["0", str(rising), "60", str(940 - rising), "0"]

    # -- execution notices

    def notice(self, event: OrderEvent) -> str:
        """The plain text of an execution notice."""
        order = event.order
        filled = event.kind is EventKind.FILLED
        original = order.original
        accepted = {EventKind.RECEIVED: "1", EventKind.REJECTED: "1", EventKind.CANCELLED: "3"}.get(event.kind, "2")
        if order.kind is RequestKind.CANCEL and event.kind is EventKind.CONFIRMED:
            accepted = "2"
        request = {RequestKind.NEW: "0", RequestKind.MODIFY: "1", RequestKind.CANCEL: "2"}[order.kind]
        spec = order.account.spec
        values = {
            "CUST_ID": spec.hts_id,
            "ACNT_NO": spec.number + spec.product,
            "ODER_NO": f"{order.number:010d}",
            "OODER_NO": f"{original.number:010d}" if original else "",
            "SELN_BYOV_CLS": "01" if order.side is Side.SELL else "02",
            "RCTF_CLS": request,
            "ODER_KIND": order.division.code,
            "ODER_COND": _DIVISION_CONDITION[order.division.condition],
            "STCK_SHRN_ISCD": order.code,
            "CNTG_QTY": f"{event.quantity:010d}",
            "CNTG_UNPR": f"{event.price if filled else 0:09d}",
            "STCK_CNTG_HOUR": time_text(event.at),
            "RFUS_YN": "1" if event.kind is EventKind.REJECTED else "0",
            "CNTG_YN": "2" if filled else "1",
            "ACPT_YN": accepted,
            "BRNC_NO": spec.branch,
            "ODER_QTY": f"{order.quantity:09d}",
            "ACNT_NAME": spec.owner,
            "ORD_COND_PRC": f"{order.stop_price:09d}",
            "ORD_EXG_GB": "3" if order.exchange == "SOR" else "1",
            "POPUP_YN": "Y",
            "FILLER": "",
            "CRDT_CLS": "10",
            "CRDT_LOAN_DATE": "",
            "CNTG_ISNM": order.stock.name,
            "CNTG_ISNM40": order.stock.name,
            "ODER_PRC": f"{order.price:09d}",
        }
        return "^".join(values[name] for name in wire.layout(wire.NOTICE_REAL, self.epoch))


def pingpong(at: datetime) -> str:
    return '{"header":{"tr_id":"PINGPONG","datetime":"' + f"{at:%Y%m%d%H%M%S}" + '"}}'
