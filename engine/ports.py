"""What the engine needs from outside, as Protocols. Implemented in ``data``, joined in ``bot.app``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from engine.market import Bars, Code, Stock
from engine.results import NewsItem, Prediction


@dataclass(frozen=True, slots=True)
class HistoryAnswer:
    """Daily bars with where they come from and how old they are."""

    code: Code
    bars: Bars
    source: str
    as_of: datetime


class HistoryUnavailable(Exception):
    """No source had usable daily bars; the message says why, in Korean."""


class DailyHistory(Protocol):
    async def daily(self, code: Code, count: int) -> HistoryAnswer:
        """The last ``count`` completed, adjusted daily bars. Raises HistoryUnavailable."""


class Listing(Protocol):
    """Every stock with market and sector. Reading never blocks; ``as_of`` tells the age of the copy."""

    source: str
    as_of: datetime | None

    def stocks(self) -> Sequence[Stock]: ...
    def get(self, code: Code) -> Stock | None: ...


class NewsSource(Protocol):
    name: str

    async def headlines(self, stock: Stock | None, limit: int) -> Sequence[NewsItem]:
        """Newest first; ``stock`` None asks for the market. Raises NewsUnavailable."""


class NewsUnavailable(Exception):
    """The source did not answer, or changed its answer; the message says why, in Korean."""


class Forecasts(Protocol):
    """What the scorer and the chat ask of the predictor."""

    async def predict(self, code: Code) -> Prediction:
        """The forecast made after the last completed day. Without usable data ``Prediction.absent`` says why."""

    async def predict_many(self, codes: Sequence[Code]) -> dict[Code, Prediction]: ...
