"""Every REST call the simulator answers: path, TR ids of both generations and both environments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.simulator.account_views import AccountViews
from engine.simulator.bars import BarCalls
from engine.simulator.elsewhere import ElsewhereCalls
from engine.simulator.envelope import Answer, Call
from engine.simulator.indices import IndexCalls
from engine.simulator.matching import Exchange
from engine.simulator.profits import ProfitViews
from engine.simulator.quotes import Quotes
from engine.simulator.ranks import RankCalls
from engine.simulator.records import Records
from engine.simulator.reference import ReferenceCalls
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
    name: str,
    real: tuple[str, ...],
    handler: Callable[[Call], Answer],
    *,
    mock: bool = True,
    method: str = "GET",
    path: str = _TRADING,
) -> Endpoint:
    mirrored = tuple("V" + tr_id[1:] for tr_id in real) if mock else ()
    return Endpoint(name, path + name, method, real, mirrored, handler, ledger=True)


_OVERSEAS = "/uapi/overseas-stock/v1/trading/"
_BONDS = "/uapi/domestic-bond/v1/trading/"
_FINANCE = "/uapi/domestic-stock/v1/finance/"
_RANKING = "/uapi/domestic-stock/v1/ranking/"
_FINANCE_TR_IDS = {
    "balance-sheet": "FHKST66430100",
    "income-statement": "FHKST66430200",
    "financial-ratio": "FHKST66430300",
    "profit-ratio": "FHKST66430400",
    "other-major-ratios": "FHKST66430500",
    "stability-ratio": "FHKST66430600",
    "growth-ratio": "FHKST66430800",
}


def endpoints(exchange: Exchange, records: Records, desk: OrderDesk, views: AccountViews) -> list[Endpoint]:
    """Every call and what answers it. ``mock=False`` calls meet EGW02006 on a mock key."""
    quotes = Quotes(exchange)
    bars, ranks, reference = BarCalls(quotes), RankCalls(quotes), ReferenceCalls(quotes)
    indices, profits, elsewhere = IndexCalls(exchange.floor, records), ProfitViews(views), ElsewhereCalls(desk)
    return [
        _quotation("inquire-price", "FHKST01010100", quotes.price),
        _quotation("inquire-price-2", "FHPST01010000", quotes.price, mock=False),
        _quotation("inquire-asking-price-exp-ccn", "FHKST01010200", quotes.book),
        _quotation("inquire-ccnl", "FHKST01010300", quotes.executions),
        _quotation("inquire-time-itemconclusion", "FHPST01060000", quotes.executions_by_time),
        _quotation("inquire-daily-price", "FHKST01010400", bars.recent),
        _quotation("inquire-daily-itemchartprice", "FHKST03010100", bars.period),
        _quotation("inquire-time-itemchartprice", "FHKST03010200", bars.minutes_today),
        _quotation("inquire-time-dailychartprice", "FHKST03010230", bars.minutes_past, mock=False),
        _quotation("intstock-multprice", "FHKST11300006", quotes.many, mock=False),
        _quotation("inquire-index-price", "FHPUP02100000", indices.price, mock=False),
        _quotation("inquire-daily-indexchartprice", "FHKUP03500100", indices.bars),
        _quotation("inquire-index-daily-price", "FHPUP02120000", indices.daily, mock=False),
        _quotation("inquire-investor", "FHKST01010900", reference.investors),
        _quotation("inquire-member", "FHKST01010600", reference.members),
        _quotation("inquire-overtime-price", "FHPST02300000", reference.overtime_price, mock=False),
        _quotation("chk-holiday", "CTCA0903R", reference.holidays, mock=False),
        _quotation("news-title", "FHKST01011800", reference.news_titles, mock=False),
        _quotation("search-info", "CTPF1604R", reference.search_info, mock=False),
        _quotation("search-stock-info", "CTPF1002R", reference.search_stock_info, mock=False),
        _quotation("volume-rank", "FHPST01710000", ranks.volume, mock=False),
        _quotation("market-cap", "FHPST01740000", ranks.market_cap, mock=False, path=_RANKING),
        *(
            _quotation(name, tr_id, reference.finance, mock=False, path=_FINANCE)
            for name, tr_id in _FINANCE_TR_IDS.items()
        ),
        _account("order-cash", ("TTTC0012U", "TTTC0802U"), desk.buy, method="POST"),
        _account("order-cash", ("TTTC0011U", "TTTC0801U"), desk.sell, method="POST"),
        _account("order-rvsecncl", ("TTTC0013U", "TTTC0803U"), desk.revise, method="POST"),
        _account("inquire-psbl-rvsecncl", ("TTTC0084R", "TTTC8036R"), views.open_orders, mock=False),
        _account("inquire-psbl-order", ("TTTC8908R",), views.buyable),
        _account("inquire-psbl-sell", ("TTTC8408R",), views.sellable, mock=False),
        _account("inquire-balance", ("TTTC8434R",), views.balance),
        _account("inquire-daily-ccld", ("TTTC0081R", "TTTC8001R", "CTSC9215R", "CTSC9115R"), views.daily_fills),
        _account("inquire-balance-rlz-pl", ("TTTC8494R",), profits.balance_with_profit, mock=False),
        _account("inquire-period-profit", ("TTTC8708R",), profits.per_day, mock=False),
        _account("inquire-period-trade-profit", ("TTTC8715R",), profits.per_stock, mock=False),
        _account("inquire-account-balance", ("CTRP6548R",), profits.assets, mock=False),
        _account("intgr-margin", ("TTTC0869R",), profits.margin, mock=False),
        _account("order-credit", ("TTTC0051U", "TTTC0052U"), profits.not_held, mock=False, method="POST"),
        _account("order-credit", ("TTTC0851U", "TTTC0852U"), profits.not_held, mock=False, method="POST"),
        _account("order-resv", ("CTSC0008U",), profits.not_held, mock=False, method="POST"),
        _account("order-resv-rvsecncl", ("CTSC0009U", "CTSC0013U"), profits.not_held, mock=False, method="POST"),
        _account("order-resv-ccnl", ("CTSC0004R",), profits.no_reservations, mock=False),
        _account("inquire-present-balance", ("CTRP6504R",), elsewhere.present_balance, path=_OVERSEAS),
        _account("inquire-balance", ("TTTS3012R",), elsewhere.balance, path=_OVERSEAS),
        _account("inquire-nccs", ("TTTS3018R",), elsewhere.orders, path=_OVERSEAS),
        _account("inquire-ccnl", ("TTTS3035R",), elsewhere.orders, path=_OVERSEAS),
        _account("inquire-period-profit", ("TTTS3039R",), elsewhere.period_profit, mock=False, path=_OVERSEAS),
        _account("inquire-balance", ("CTSC8407R",), elsewhere.orders, mock=False, path=_BONDS),
    ]
