"""Which stock does a person mean: code, name, part of a name, or initial consonants (ㅅㅅㅈㅈ → 삼성전자).

Answers come from memory: 2,700 names take about a millisecond.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.inputs import BadArgument, printable
from engine.market import InvalidCode, Stock, parse_code
from engine.ports import Listing

INITIALS: Final = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_SYLLABLES: Final = range(0xAC00, 0xD7A4)
_PER_INITIAL: Final = 588
DOMINANT: Final = 10
"""Initials that fit several stocks mean the one whose market value is this many times the next one's."""
LONGEST_QUERY: Final = 40


def initials(text: str) -> str:
    """``삼성전자`` → ``ㅅㅅㅈㅈ``; anything but Hangul syllables stays as it is."""
    return "".join(
        INITIALS[(ord(character) - _SYLLABLES.start) // _PER_INITIAL] if ord(character) in _SYLLABLES else character
        for character in text
    )


def folded(text: str) -> str:
    """Lower case, composed, without blanks: how names are compared."""
    return "".join(unicodedata.normalize("NFC", text).casefold().split())


def _all_initials(text: str) -> bool:
    return bool(text) and all(character in INITIALS for character in text)


@dataclass(frozen=True, slots=True)
class _Entry:
    stock: Stock
    code: str
    name: str
    initials: str


class StockSearch:
    """Over a listing; built again when the listing's age changes."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._built: tuple[object, int] | None = None
        self._entries: list[_Entry] = []

    def _current(self) -> list[_Entry]:
        stocks = self._listing.stocks()
        built = (self._listing.as_of, len(stocks))
        if built != self._built:
            ordered = sorted(stocks, key=lambda stock: (-stock.market_cap, stock.code))
            self._entries = [
                _Entry(stock, stock.code.casefold(), name := folded(stock.name), initials(name)) for stock in ordered
            ]
            self._built = built
        return self._entries

    def _tiers(self, text: str) -> list[list[Stock]]:
        """Matches from best to worst kind, each by market value."""
        wanted = folded(text)
        tiers: list[list[Stock]] = [[] for _ in range(6)]
        if not wanted:
            return tiers
        by_initials = _all_initials(wanted)
        for entry in self._current():
            if wanted in (entry.code, entry.name):
                tier = 0
            elif by_initials:
                if entry.initials == wanted:
                    tier = 1
                elif entry.initials.startswith(wanted):
                    tier = 2
                elif wanted in entry.initials:
                    tier = 5
                else:
                    continue
            elif entry.name.startswith(wanted):
                tier = 2
            elif entry.code.startswith(wanted):
                tier = 3
            elif wanted in entry.name:
                tier = 4
            else:
                continue
            tiers[tier].append(entry.stock)
        return tiers

    def search(self, text: str, limit: int = 25) -> Sequence[Stock]:
        """The best ``limit`` matches; for an empty text the largest stocks."""
        if len(text) > LONGEST_QUERY:
            return []
        if not text.strip():
            return [entry.stock for entry in self._current()[:limit]]
        return [stock for tier in self._tiers(text) for stock in tier][:limit]

    def find(self, text: str) -> Stock:
        """The one stock meant. Raises BadArgument (``no_stock``, or ``ambiguous_stock`` with ``options``)."""
        shown = printable(text.strip())
        if not text.strip() or len(text) > LONGEST_QUERY:
            raise BadArgument("no_stock", text=shown)
        try:
            listed = self._listing.get(parse_code(text))
        except InvalidCode:
            listed = None
        if listed is not None:
            return listed
        tiers = self._tiers(text)
        for number, tier in enumerate(tiers):
            if len(tier) == 1:
                return tier[0]
            if number == 1 and tier and tier[0].market_cap >= DOMINANT * max(1, tier[1].market_cap):
                return tier[0]
            if tier:
                break
        candidates = [stock for tier in tiers for stock in tier]
        if not candidates:
            raise BadArgument("no_stock", text=shown)
        names = ", ".join(f"{stock.name}({stock.code})" for stock in candidates[:5])
        raise BadArgument("ambiguous_stock", text=shown, names=names, options=tuple(candidates[:5]))
