"""Who may replace the rules' words with better ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.analysis.facts import MarketFacts
from engine.market import Quote
from engine.results import DayReport, LabelledNews, NewsItem, ScreeningReport, Signal


class Writer(Protocol):
    """Never raises for what the model does: then the rules' answer comes back, saying so."""

    async def label(self, items: Sequence[NewsItem]) -> tuple[LabelledNews, ...]: ...
    async def improve_signal(self, signal: Signal, quote: Quote | None) -> Signal: ...
    async def improve_report(
        self, report: DayReport, facts: MarketFacts, plan: ScreeningReport | None, entry: float
    ) -> DayReport:
        """Only ``facts`` and ``plan`` may leave the machine; the account's part stays as it is."""
