"""Every REST call the simulator answers: path, TR ids of both generations and both environments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.simulator.account_views import AccountViews
from engine.simulator.bars import BarCalls
from engine.simulator.envelope import Answer, Call
from engine.simulator.quotes import Quotes
from engine.simulator.trading import OrderDesk

_QUOTATIONS = "/uapi/domestic-stock/v1/quotations/"
_TRADING = "/uapi/domestic-stock/v1/trading/"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call. ``ledger`` calls go through to the account system and have a limit of their own."""

    name: str
    path: str
    method: str
    real: tuple[str, ...]
    mock: tuple[str, ...]
    handler: Callable[[Call], Answer]
    ledger: bool = False


def _quotation(
    name: str, tr_id: str, handler: Callable[[Call], Answer], *, mock: bool = True, path: str = _QUOTATIONS
) -> Endpoint:
    return Endpoint(name, path + name, "GET", (tr_id,), (tr_id,) if mock else (), handler)


def _account(
    name: str, real: tuple[str, ...], handler: Callable[[Call], Answer], *, mock: bool = True, method: str = "GET"
) -> Endpoint:
    mirrored = tuple("V" + tr_id[1:] for tr_id in real) if mock else ()
    return Endpoint(name, _TRADING + name, method, real, mirrored, handler, ledger=True)


def endpoints(quotes: Quotes, bars: BarCalls, desk: OrderDesk, views: AccountViews) -> list[Endpoint]:
    return [
        _quotation("inquire-price", "FHKST01010100", quotes.price),
        _quotation("inquire-asking-price-exp-ccn", "FHKST01010200", quotes.book),
        _quotation("inquire-ccnl", "FHKST01010300", quotes.executions),
        _quotation("inquire-time-itemconclusion", "FHPST01060000", quotes.executions_by_time),
        _quotation("inquire-daily-price", "FHKST01010400", bars.recent),
        _quotation("inquire-daily-itemchartprice", "FHKST03010100", bars.period),
        _quotation("inquire-time-itemchartprice", "FHKST03010200", bars.minutes_today),
        _quotation("inquire-time-dailychartprice", "FHKST03010230", bars.minutes_past, mock=False),
        _quotation("intstock-multprice", "FHKST11300006", quotes.many, mock=False),
        _account("order-cash", ("TTTC0012U", "TTTC0802U"), desk.buy, method="POST"),
        _account("order-cash", ("TTTC0011U", "TTTC0801U"), desk.sell, method="POST"),
        _account("order-rvsecncl", ("TTTC0013U", "TTTC0803U"), desk.revise, method="POST"),
        _account("inquire-psbl-rvsecncl", ("TTTC0084R", "TTTC8036R"), views.open_orders, mock=False),
        _account("inquire-psbl-order", ("TTTC8908R",), views.buyable),
        _account("inquire-psbl-sell", ("TTTC8408R",), views.sellable, mock=False),
        _account("inquire-balance", ("TTTC8434R",), views.balance),
        _account("inquire-daily-ccld", ("TTTC0081R", "TTTC8001R", "CTSC9215R", "CTSC9115R"), views.daily_fills),
    ]
