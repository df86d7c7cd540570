"""A language model's words in place of the rules': bounded, fact-checked, marked, and given up at the first trouble."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from pydantic import BaseModel

from engine.analysis import prompts
from engine.analysis.factcheck import Checked, FactChecker, Names
from engine.analysis.facts import MarketFacts, market_lines, plan_lines, score_lines
from engine.analysis.gemini import ModelUnavailable
from engine.analysis.schemas import DayWords, HeadlineLabels, Opinion
from engine.analysis.sentiment import label_news
from engine.market import Index, Quote
from engine.ports import Listing
from engine.results import DayReport, LabelledNews, NewsItem, ScreeningReport, Signal, Verdict

logger = logging.getLogger(__name__)

BATCH = 30
LONGEST_TITLE = 160
REASONS = 3
RISKS = 3
HIGHEST_CONFIDENCE = 0.9
REMEMBERED = 4_000
_ORDER = (Verdict.SELL, Verdict.HOLD, Verdict.BUY)
Answer = TypeVar("Answer", bound=BaseModel)


class LanguageModel(Protocol):
    name: str

    async def ask(self, instruction: str, data: str, shape: type[Answer]) -> Answer:
        """Raises ModelUnavailable."""


class ModelWriter:
    """Fulfils ``writer.Writer``."""

    def __init__(self, model: LanguageModel, listing: Listing) -> None:
        self._model = model
        self._listing = listing
        self._names: tuple[object, Names] | None = None
        self._labels: OrderedDict[str, LabelledNews] = OrderedDict()
        self.dropped_sentences = 0
        """Since the start."""

    # -- headlines

    async def label(self, items: Sequence[NewsItem]) -> tuple[LabelledNews, ...]:
        unknown = list({item.title: item for item in items if item.title not in self._labels}.values())
        note = ""
        for start in range(0, len(unknown), BATCH):
            batch = unknown[start : start + BATCH]
            try:
                answer = await self._model.ask(
                    prompts.LABELS, prompts.headlines([item.title[:LONGEST_TITLE] for item in batch]), HeadlineLabels
                )
            except ModelUnavailable as error:
                note = f"AI 없이: {error}"
                break
            self._remember(batch, answer)
        by_rules = {row.item.title: row for row in label_news(items, note)}
        labelled = []
        for item in items:
            known = self._labels.get(item.title)
            labelled.append(replace(known, item=item) if known else replace(by_rules[item.title], item=item))
        while len(self._labels) > REMEMBERED:
            self._labels.popitem(last=False)
        return tuple(labelled)

    def _remember(self, batch: Sequence[NewsItem], answer: HeadlineLabels) -> None:
        """Of an id that is answered twice, or was never given, nothing is taken."""
        ids = [row.id for row in answer.labels]
        for row in answer.labels:
            if not 1 <= row.id <= len(batch) or ids.count(row.id) > 1:
                continue
            item = batch[row.id - 1]
            reason = self._checker([item.title]).check(row.reason)
            self.dropped_sentences += reason.dropped
            text = reason.text[:60] or f"AI 판정: {row.label.label}"
            self._labels[item.title] = LabelledNews(item, row.label, text, self._model.name)

    # -- one stock

    async def improve_signal(self, signal: Signal, quote: Quote | None) -> Signal:
        lines = score_lines(signal.stock, signal.score, quote)
        titles = [row.item.title[:LONGEST_TITLE] for row in signal.news]
        try:
            answer = await self._model.ask(prompts.OPINION, prompts.facts(lines, titles), Opinion)
        except ModelUnavailable as error:
            return replace(signal, risks=(f"AI 없이 규칙으로 답했습니다: {error}", *signal.risks))
        checker = self._checker([*lines, *titles])
        reasons = [checker.check(text) for text in answer.reasons]
        risks = [checker.check(text) for text in answer.risks]
        dropped = sum(part.dropped for part in (*reasons, *risks))
        self.dropped_sentences += dropped
        kept = [part.text for part in reasons if part.sentences][:REASONS]
        if not kept:
            note = f"AI 없이 규칙으로 답했습니다: 근거 없는 문장 {dropped}개뿐이었습니다"
            return replace(signal, risks=(note, *signal.risks), dropped_sentences=dropped)
        rules = [f"{reason} (규칙)" for reason in signal.reasons]
        kept += rules[: max(0, REASONS - len(kept))]
        warned = [part.text for part in risks if part.sentences][:RISKS]
        return replace(
            signal,
            verdict=_near(answer.value, signal.verdict),
            confidence=round(min(HIGHEST_CONFIDENCE, answer.confidence), 2),
            reasons=tuple(kept),
            risks=tuple(warned) or tuple(f"{risk} (규칙)" for risk in signal.risks[:RISKS]),
            by=self._model.name,
            dropped_sentences=dropped,
            facts=tuple(lines),
        )

    # -- the day

    async def improve_report(
        self, report: DayReport, facts: MarketFacts, plan: ScreeningReport | None, entry: float
    ) -> DayReport:
        """The figures stay as the rules wrote them; the model's sentences follow, marked."""
        lines = [*market_lines(facts), *plan_lines(plan, entry)]
        titles = [row.item.title[:LONGEST_TITLE] for row in facts.news]
        try:
            answer = await self._model.ask(prompts.DAY, prompts.facts(lines, titles), DayWords)
        except ModelUnavailable as error:
            return replace(report, market_text=f"{report.market_text}\nAI 없이 규칙으로 썼습니다: {error}")
        subjects = [*(index.label for index in Index), *(name for name, _ in facts.sectors)]
        checker = self._checker([*lines, *titles], subjects)
        mood, ahead = checker.check(answer.mood), checker.check(answer.plan)
        dropped = mood.dropped + ahead.dropped
        self.dropped_sentences += dropped
        if not mood.sentences and not ahead.sentences:
            note = f"AI 없이 규칙으로 썼습니다: 근거 없는 문장 {dropped}개뿐이었습니다"
            return replace(report, market_text=f"{report.market_text}\n{note}", dropped_sentences=dropped)
        return replace(
            report,
            market_text=self._marked(report.market_text, mood),
            plan_text=self._marked(report.plan_text, ahead),
            by=self._model.name,
            dropped_sentences=dropped,
        )

    def _marked(self, own: str, added: Checked) -> str:
        return f"{own}\n[AI 생성 · {self._model.name}] {added.text}" if added.sentences else own

    def _checker(self, lines: Sequence[str], subjects: Sequence[str] = ()) -> FactChecker:
        version = (self._listing.as_of, len(self._listing.stocks()))
        if self._names is None or self._names[0] != version:
            self._names = (version, Names(stock.name for stock in self._listing.stocks()))
        return FactChecker(lines, self._names[1], subjects)


def _near(wanted: Verdict, rules: Verdict) -> Verdict:
    """A model may lean one step from the rules' opinion, not turn it round."""
    place, anchor = _ORDER.index(wanted), _ORDER.index(rules)
    return _ORDER[max(anchor - 1, min(anchor + 1, place))]
