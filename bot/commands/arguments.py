"""Typed arguments: one strict parser for what people type, in every front end, with autocomplete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from bot.inputs import MARKET_WORDS, SHARE_UNIT, BadArgument, parse_count, parse_price
from engine.market import Stock

MAXIMUM_CHOICES = 25


@dataclass(frozen=True, slots=True)
class Choice:
    """``value`` is what the handler gets and what goes over the wire: ASCII."""

    value: str
    label_ko: str
    label_en: str
    aliases: tuple[str, ...] = ()

    def label(self, language: str) -> str:
        return self.label_ko if language == "ko" else self.label_en

    def matches(self, text: str) -> bool:
        return text.casefold() in {self.value.casefold(), self.label_ko, self.label_en.casefold(), *self.aliases}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line of autocomplete: what is shown, what is filled in."""

    label: str
    value: str


class StockLookup(Protocol):
    """Finds stocks by code, name, part of a name, or initial consonants."""

    def find(self, text: str) -> Stock:
        """The one stock meant. Raises BadArgument where none or several fit."""

    def search(self, text: str, limit: int = MAXIMUM_CHOICES) -> Sequence[Stock]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """``name`` is the handler's keyword and the ASCII option name; ``name_ko`` is what Korean users see."""

    name: str
    name_ko: str
    description_ko: str
    description_en: str
    required: bool = True
    default: object = None
    rest: bool = False
    """In a typed line it takes all that is left."""
    autocompleted: ClassVar[bool] = False

    def parse(self, text: str, stocks: StockLookup) -> object:
        raise NotImplementedError

    def suggest(self, text: str, stocks: StockLookup, language: str) -> list[Suggestion]:
        """At most 25, from memory."""
        return []

    def fits(self, text: str, stocks: StockLookup) -> bool:
        """Whether a word of a typed line can be this argument; optional arguments that do not fit are skipped."""
        try:
            self.parse(text, stocks)
        except BadArgument:
            return False
        return True

    def label(self, language: str) -> str:
        return self.name_ko if language == "ko" else self.name

    def description(self, language: str) -> str:
        return self.description_ko if language == "ko" else self.description_en


@dataclass(frozen=True, slots=True, kw_only=True)
class StockArgument(Argument):
    """Gives a Stock. Names may hold blanks: a typed line gives it as many words as still name one stock."""

    name: str = "stock"
    name_ko: str = "종목"
    description_ko: str = "종목코드, 이름, 이름 일부 또는 초성(ㅅㅅㅈㅈ)"
    description_en: str = "Stock code, name, part of it, or initial consonants"
    autocompleted: ClassVar[bool] = True

    def parse(self, text: str, stocks: StockLookup) -> Stock:
        return stocks.find(text)

    def suggest(self, text: str, stocks: StockLookup, language: str) -> list[Suggestion]:
        return [Suggestion(f"{stock.name} ({stock.code})", stock.code) for stock in stocks.search(text)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceArgument(Argument):
    """Gives the value (text) of one of ``choices``."""

    choices: tuple[Choice, ...]

    def parse(self, text: str, stocks: StockLookup) -> str:
        wanted = text.strip()
        for choice in self.choices:
            if choice.matches(wanted):
                return choice.value
        raise BadArgument("bad_choice", text=wanted, choices=", ".join(choice.label_ko for choice in self.choices))

    def suggest(self, text: str, stocks: StockLookup, language: str) -> list[Suggestion]:
        wanted = text.strip().casefold()
        return [
            Suggestion(choice.label(language), choice.value)
            for choice in self.choices
            if wanted in choice.label(language).casefold() or wanted in choice.value
        ][:MAXIMUM_CHOICES]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerArgument(Argument):
    minimum: int = 1
    maximum: int = 1_000_000

    def parse(self, text: str, stocks: StockLookup) -> int:
        return parse_count(text, minimum=self.minimum, maximum=self.maximum)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityArgument(Argument):
    """Shares: "10", "10주", "1,000"."""

    name: str = "quantity"
    name_ko: str = "수량"
    description_ko: str = "주식 수 (예: 10)"
    description_en: str = "Number of shares"

    def parse(self, text: str, stocks: StockLookup) -> int:
        return parse_count(text, unit=SHARE_UNIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceArgument(Argument):
    """Won: "71900", "71,900", "71,900원". Gives 0 for 시장가 where ``market`` is allowed."""

    name: str = "price"
    name_ko: str = "가격"
    description_ko: str = "지정가(원). 비우면 시장가"
    description_en: str = "Limit price in won; empty for a market order"
    market: bool = True

    def parse(self, text: str, stocks: StockLookup) -> int:
        if self.market and text.strip().casefold() in MARKET_WORDS:
            return 0
        return parse_price(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextArgument(Argument):
    """Free text of bounded length, control characters refused."""

    maximum: int = 100
    secret: bool = False
    examples: tuple[str, ...] = field(default=())

    def parse(self, text: str, stocks: StockLookup) -> str:
        cleaned = text.strip()
        if not cleaned or len(cleaned) > self.maximum or not cleaned.isprintable():
            raise BadArgument("bad_text", maximum=self.maximum)
        return cleaned
