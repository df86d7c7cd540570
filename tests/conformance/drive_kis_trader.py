"""kis-trader 0.12.2, unmodified, against the simulator: only its addresses are changed.

Usage: drive_kis_trader.py real|paper
"""

import os
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

home = Path(tempfile.mkdtemp())
for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
    os.environ[name] = str(home / name)

from kis_trader import KISClient  # noqa: E402
from kis_trader._internal import _endpoints  # noqa: E402

for known in ("real", "paper"):
    _endpoints._BASE_URL_BY_ENVIRONMENT[known] = os.environ["SIM_REST"]
    _endpoints._WEBSOCKET_URL_BY_ENVIRONMENT[known] = os.environ["SIM_WS"]


def step(name, value):
    print(f"  {name}: {str(value)[:110]}", flush=True)
    return value


def main(kind: str) -> None:
    key, secret = ("A" * 36, "S" * 180) if kind == "real" else ("V" * 36, "W" * 180)
    with KISClient(app_key=key, app_secret=secret, account="12345678-01", environment=kind, hts_id="hts1") as kis:
        stock = kis.domestic.stock("005930")
        quote = step("price", stock.quote())
        assert quote.current_price > 0
        step("book", stock.order_book())
        today = datetime.now().astimezone().date()
        bars = stock.bars(start=today - timedelta(days=60), end=today)
        step("daily chart", f"{len(bars)} bars")
        assert len(bars) > 10
        step("balance", kis.account.domestic.balance())
        filled = {"buy": threading.Event(), "sell": threading.Event()}
        ticked = threading.Event()

        def on_notice(notice):
            step("notice", notice)
            if notice.fill_status == "2":
                filled["buy" if notice.sell_buy == "02" else "sell"].set()

        stream = kis.realtime()
        with stream:
            trades = stream.domestic.stock("005930").trades(on=lambda tick: ticked.set())
            notices = stream.domestic.execution_notices.stock("hts1", on=on_notice)
            assert ticked.wait(30), "no tick"
            report = step("market buy", stock.buy(quantity=3, client_order_id=f"b{time.time_ns()}"))
            assert filled["buy"].wait(20), "no notice of the buy"
            time.sleep(2)
            step("reconciled", kis.orders.reconcile(report.client_order_id, refresh=True))
            step("balance", kis.account.domestic.balance())
            step("market sell", stock.sell(quantity=3, client_order_id=f"s{time.time_ns()}"))
            assert filled["sell"].wait(20), "no notice of the sale"
            trades.close()
            notices.close()


if __name__ == "__main__":
    main(sys.argv[1])
    print(f"kis-trader {sys.argv[1]}: ok")
