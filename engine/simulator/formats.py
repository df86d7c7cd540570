"""Value formats of the wire: every value is text."""

from __future__ import annotations

from datetime import date, datetime

from engine.krx import PriceLimits
from engine.market import Won


def names(text: str) -> tuple[str, ...]:
    """Field names written with blanks between."""
    return tuple(text.split())


def rate(value: float) -> str:
    """Two decimals, signed, never "-0.00"."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def percent(part: float, whole: float) -> str:
    """100 × part / whole with two decimals; "0.00" where there is no whole."""
    return rate(100.0 * part / whole) if whole else "0.00"


def sign(change: float, price: Won = 0, limits: PriceLimits | None = None) -> str:
    """1 upper limit, 2 up, 3 flat, 4 lower limit, 5 down."""
    if limits is not None and change > 0 and price >= limits.upper:
        return "1"
    if limits is not None and change < 0 and price <= limits.lower:
        return "4"
    return "2" if change > 0 else "5" if change < 0 else "3"


def day_text(day: date) -> str:
    return f"{day:%Y%m%d}"


def time_text(at: datetime) -> str:
    return f"{at:%H%M%S}"


def clock_text(second: int) -> str:
    """HHMMSS of a second of the day."""
    return f"{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"


def second_of(text: str) -> int:
    """Seconds of the day of HHMMSS (a leading zero may be missing). Raises ValueError."""
    padded = text.strip().zfill(6)
    if len(padded) != 6 or not padded.isdigit():
        raise ValueError(text)
    return int(padded[:2]) * 3600 + int(padded[2:4]) * 60 + int(padded[4:])


def second_of_day(at: datetime) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def day_bound(text: str) -> str:
    """YYYYMMDD as a bound to compare texts with: it need not be a real date (00000101 is seen). Raises ValueError."""
    cleaned = text.strip()
    if len(cleaned) != 8 or not cleaned.isdigit():
        raise ValueError(text)
    return cleaned


def parse_day(text: str) -> date:
    """YYYYMMDD. Raises ValueError."""
    cleaned = text.strip()
    if len(cleaned) != 8 or not cleaned.isdigit():
        raise ValueError(text)
    return date(int(cleaned[:4]), int(cleaned[4:6]), int(cleaned[6:]))
