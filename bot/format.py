"""Figures as people read them: thousands, signs and ▲▼ beside every change, times in Korean market time."""

from __future__ import annotations

import math
from datetime import datetime

from engine.market import Won


def won(amount: float) -> str:
    """``71,900원``; fractions (average prices) are rounded to the won."""
    return f"{round(amount):,}원"


def signed_won(amount: float) -> str:
    rounded = round(amount)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded):,}원"


def percent(value: float) -> str:
    """``+1.84%``, ``−0.50%``, ``0.00%``; a value that is no number is "–"."""
    if not math.isfinite(value):
        return "–"
    rounded = round(value, 2)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded):.2f}%"


def arrow(change: float) -> str:
    return "▲" if change > 0 else "▼" if change < 0 else "–"


def change(amount: Won, share: float) -> str:
    """``▲1,300 (+1.84%)``."""
    return f"{arrow(amount)}{abs(amount):,} ({percent(share)})"


def index_change(amount: float, share: float) -> str:
    return f"{arrow(amount)}{abs(amount):,.2f} ({percent(share)})"


def points(value: float) -> str:
    """A score: ``+67.0``."""
    rounded = round(value, 1)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded):.1f}"


def short_won(amount: float) -> str:
    """``1.2조``, ``3,450억``, ``120만`` for values that only need their size."""
    size = abs(amount)
    sign = "−" if amount < 0 else ""
    for unit, name in ((10**12, "조"), (10**8, "억"), (10**4, "만")):
        if size >= unit:
            scaled = size / unit
            return f"{sign}{scaled:,.1f}{name}" if scaled < 100 else f"{sign}{scaled:,.0f}{name}"
    return f"{sign}{size:,.0f}"


def clock_time(at: datetime) -> str:
    return f"{at:%H:%M:%S}"


def day_time(at: datetime) -> str:
    return f"{at:%m-%d %H:%M}"
