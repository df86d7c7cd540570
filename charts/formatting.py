"""Numbers, times and texts as Korean readers expect them. The minus is ASCII: the font has no U+2212."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from engine.market import KST

_REPLACED = str.maketrans({"\u2212": "-", "\u2011": "-", "\u2010": "-", "\u00a0": " ", "\t": " ", "\n": " ", "\r": " "})


def number(value: float, digits: int = 0) -> str:
    """``1234567`` → ``1,234,567``; a rounded zero has no sign."""
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text


def signed(value: float, digits: int = 0) -> str:
    text = number(value, digits)
    return text if text.startswith("-") or not text.strip("0.,") else f"+{text}"


def percent(value: float, digits: int = 2) -> str:
    return f"{signed(value, digits)}%"


def shown_sign(value: float, digits: int) -> int:
    """The sign of ``value`` as printed with ``digits``: what rounds to zero is flat."""
    rounded = round(value, digits)
    return (rounded > 0) - (rounded < 0)


def arrow(value: float) -> str:
    return "▲" if value > 0 else "▼" if value < 0 else "-"


def change(value: float, percentage: float, digits: int = 0) -> str:
    """``▲1,200 +1.69%``; flat is ``- 0 0.00%``."""
    amount = number(abs(value), digits)
    return f"{arrow(value)}{amount} {percent(percentage)}" if value else f"보합 {percent(0.0)}"


def amount(value: float) -> str:
    """Big won amounts in 조, 억 or 만, three to four figures; small ones in full."""
    sign, size = ("-" if value < 0 else ""), abs(value)
    if size >= 1e12:
        return f"{sign}{size / 1e12:,.2f}조" if size < 1e14 else f"{sign}{size / 1e12:,.0f}조"
    if size >= 1e8:
        return f"{sign}{size / 1e8:,.1f}억" if size < 1e10 else f"{sign}{size / 1e8:,.0f}억"
    if size >= 1e6:
        return f"{sign}{size / 1e4:,.0f}만"
    return f"{sign}{size:,.0f}"


def shares(value: float) -> str:
    """Quantities on axes and in narrow columns."""
    if abs(value) >= 1e8:
        return f"{value / 1e8:,.1f}억"
    if abs(value) >= 1e5:
        return f"{value / 1e4:,.0f}만"
    return f"{value:,.0f}"


def stamp_time(at: datetime) -> str:
    return f"{at.astimezone(KST):%Y-%m-%d %H:%M:%S} KST"


def clean(text: str, known: frozenset[int]) -> str:
    """``text`` with what the font cannot draw replaced, never dropped silently (``□``)."""
    if text.isascii() and text.isprintable():
        return text
    text = unicodedata.normalize("NFC", text).translate(_REPLACED)
    kept = []
    for character in text:
        if ord(character) in known:
            kept.append(character)
        elif unicodedata.category(character) not in ("Cf", "Mn", "Cc"):  # joiners and variation marks draw nothing
            kept.append("□")
    return "".join(kept)
