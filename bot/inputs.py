"""What people type for quantities and prices, read strictly: an order must never come from a guess.

Accepted are plain ASCII digits ("10"), correct thousands ("1,000") and the unit ("10주", "71,900원"). Refused are
signs, exponents, decimals, other scripts' digits, zero and what lies outside the bounds.
"""

from __future__ import annotations

import re
from typing import Final

MAXIMUM_SHARES: Final = 10_000_000
MAXIMUM_PRICE: Final = 100_000_000
SHARE_UNIT: Final = "주"
WON_UNIT: Final = "원"
MARKET_WORDS: Final = frozenset({"시장가", "market"})
"""What may be typed in place of a price."""

_PLAIN = re.compile(r"[0-9]{1,12}")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){1,3}")


class BadArgument(ValueError):
    """What was typed cannot be used. ``key`` and ``values`` name the catalogue text that says why."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


def _whole(text: str, unit: str, key: str) -> int:
    cleaned = text.strip()
    if unit and cleaned.endswith(unit):
        cleaned = cleaned[: -len(unit)].rstrip()
    if not (_PLAIN.fullmatch(cleaned) or _GROUPED.fullmatch(cleaned)):
        raise BadArgument(key, text=printable(text))
    return int(cleaned.replace(",", ""))


def parse_count(text: str, *, unit: str = "", minimum: int = 1, maximum: int = MAXIMUM_SHARES) -> int:
    """A whole number in minimum..maximum. Raises BadArgument."""
    number = _whole(text, unit, "bad_count")
    if not minimum <= number <= maximum:
        raise BadArgument("count_range", minimum=f"{minimum:,}", maximum=f"{maximum:,}")
    return number


def parse_price(text: str) -> int:
    """A price in won, 1 or more. Raises BadArgument."""
    number = _whole(text, WON_UNIT, "bad_price")
    if not 1 <= number <= MAXIMUM_PRICE:
        raise BadArgument("count_range", minimum="1", maximum=f"{MAXIMUM_PRICE:,}")
    return number


def printable(text: str, limit: int = 40) -> str:
    """``text`` as it may be shown again or logged: one line, no control characters, short."""
    cleaned = "".join(character if character.isprintable() else "�" for character in text)
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"
