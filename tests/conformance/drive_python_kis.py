"""python-kis 2.1.6, unmodified, against the simulator: only its addresses are changed.

Usage: drive_python_kis.py real|virtual
"""

import os
import sys
import tempfile
import threading

import pykis.__env__
import pykis.client.websocket
import pykis.kis
from pykis import KisAuth, PyKis

REST, SOCKET = os.environ["SIM_REST"], os.environ["SIM_WS"]
for module in (pykis.__env__, pykis.kis):
    module.REAL_DOMAIN = module.VIRTUAL_DOMAIN = REST
for module in (pykis.__env__, pykis.client.websocket):
    module.WEBSOCKET_REAL_DOMAIN = module.WEBSOCKET_VIRTUAL_DOMAIN = SOCKET


def step(name, value):
    print(f"  {name}: {str(value)[:110]}", flush=True)
    return value


def main(kind: str) -> None:
    os.chdir(tempfile.mkdtemp())
    real = KisAuth(id="hts1", account="12345678-01", appkey="A" * 36, secretkey="S" * 180, virtual=False)
    mock = KisAuth(id="hts1", account="12345678-01", appkey="V" * 36, secretkey="W" * 180, virtual=True)
    kis = PyKis(real, keep_token=False) if kind == "real" else PyKis(real, mock, keep_token=False)
    stock = kis.stock("005930")
    quote = step("price", stock.quote())
    assert quote.price > 0
    book = step("book", stock.orderbook())
    assert book.asks[0].price > book.bids[0].price
    chart = stock.chart("30d")
    step("daily chart", f"{len(chart.bars)} bars")
    assert len(chart.bars) > 10
    account = kis.account()
    before = step("balance", account.balance())
    assert before.deposits["KRW"].amount == 10_000_000

    filled = {"buy": threading.Event(), "sell": threading.Event()}
    seen, ticked = [], threading.Event()

    def on_execution(sender, event):
        execution = event.response
        seen.append(execution)
        if execution.executed_quantity:
            filled[str(execution.type)].set()

    kept = [account.on("execution", on_execution), stock.on("price", lambda sender, event: ticked.set())]
    kis.websocket.ensure_connected(timeout=20)
    assert ticked.wait(30), "no tick"
    order = step("market buy", stock.buy(qty=3))
    assert filled["buy"].wait(20), "no notice of the buy"
    step("fill notice", seen[-1])
    after = step("balance", account.balance())
    assert [int(s.qty) for s in after.stocks if s.symbol == "005930"] == [3]
    step("daily orders", account.daily_orders(start=order.time_kst.date()))
    resting = step("limit sell", stock.sell(qty=1, price=int(quote.high_limit)))
    step("pending", account.pending_orders())
    step("cancel", resting.cancel())
    step("market sell", stock.sell(qty=3))
    assert filled["sell"].wait(20), "no notice of the sale"
    assert not [s for s in account.balance().stocks if s.symbol == "005930" and s.qty]
    for ticket in kept:
        ticket.unsubscribe()
    kis.websocket.disconnect()


if __name__ == "__main__":
    main(sys.argv[1])
    print(f"python-kis {sys.argv[1]}: ok")
