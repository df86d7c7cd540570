"""Numbers, dates and codes out of the broker's strings: valid or a typed error, never 0 by accident."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time

from engine.kis.errors import MalformedAnswer
from engine.market import KST, Code, InvalidCode, parse_code

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(?:\.0{1,8})?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,12})?", re.ASCII)
_DAY = re.compile(r"[0-9]{8}", re.ASCII)
_TIME = re.compile(r"[0-9]{5,6}", re.ASCII)
FALLING_SIGNS = frozenset({"4", "5"})


def whole(text: str) -> int:
    """A whole number as the broker writes it: digits, perhaps a sign, perhaps ``.00``. Raises ValueError."""
    text = text.strip()
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text.partition(".")[0])


def decimal(text: str) -> float:
    """A plain decimal; no exponent, no "nan". Raises ValueError."""
    text = text.strip()
    if not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    return float(text)


def day_of(text: str) -> date:
    """YYYYMMDD. Raises ValueError."""
    text = text.strip()
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def time_of(text: str) -> time:
    """HHMMSS; the broker sometimes drops the leading zero. Raises ValueError."""
    text = text.strip()
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    text = text.zfill(6)
    return time(int(text[:2]), int(text[2:4]), int(text[4:]))


def order_number(text: str) -> str:
    """An order number without its padding. Raises ValueError."""
    text = text.strip()
    if not text.isascii() or not text.isalnum():
        raise ValueError(text)
    return text.lstrip("0") or "0"


class Row:
    """One object of an answer, read by field name (any case). Every getter raises MalformedAnswer."""

    __slots__ = ("_fields", "_where")

    def __init__(self, fields: Mapping[str, object], where: str) -> None:
        self._fields = {key.lower(): value for key, value in fields.items()}
        self._where = where

    def _raw(self, key: str) -> str:
        value = self._fields.get(key)
        if value is None:
            return ""
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise self.bad(key)

    def bad(self, key: str) -> MalformedAnswer:
        # The value may be anything, also an account number: name the field only.
        return MalformedAnswer(f"응답의 {key} 값이 올바르지 않습니다 ({self._where})")

    def has(self, key: str) -> bool:
        return self._raw(key) != ""

    def text(self, key: str) -> str:
        return self._raw(key)

    def integer(self, key: str, *, blank: int | None = None, least: int | None = None) -> int:
        """A whole number; ``blank`` is what an absent or empty field means, None where it may not be empty."""
        raw = self._raw(key)
        if not raw:
            if blank is None:
                raise self.bad(key)
            return blank
        try:
            value = whole(raw)
        except ValueError:
            raise self.bad(key) from None
        if least is not None and value < least:
            raise self.bad(key)
        return value

    def price(self, key: str) -> int:
        return self.integer(key, least=1)

    def count(self, key: str, *, blank: int | None = 0) -> int:
        """Shares or won, not negative."""
        return self.integer(key, blank=blank, least=0)

    def number(self, key: str, *, blank: float | None = None) -> float:
        raw = self._raw(key)
        if not raw:
            if blank is None:
                raise self.bad(key)
            return blank
        try:
            return decimal(raw)
        except ValueError:
            raise self.bad(key) from None

    def ratio(self, key: str) -> float | None:
        """A valuation ratio; None where the broker has none."""
        return self.number(key) if self.has(key) else None

    def signed(self, key: str, sign_key: str) -> int:
        """A change whose direction also stands in a sign code; some answers leave the minus out."""
        value = self.integer(key, blank=0)
        return -value if value > 0 and self._raw(sign_key) in FALLING_SIGNS else value

    def day(self, key: str) -> date:
        try:
            return day_of(self._raw(key))
        except ValueError:
            raise self.bad(key) from None

    def moment(self, day: date, key: str) -> datetime:
        try:
            return datetime.combine(day, time_of(self._raw(key)), KST)
        except ValueError:
            raise self.bad(key) from None

    def code(self, key: str) -> Code:
        """A stock code, also in its 12-character form ``00000A005930``."""
        raw = self._raw(key)
        try:
            return parse_code(raw[-6:] if len(raw) == 12 else raw)
        except InvalidCode:
            raise self.bad(key) from None


def rows(body: Mapping[str, object], *keys: str, where: str) -> list[Row]:
    """The objects under the first of ``keys`` that is there; one object counts as a list of one, empty ones go."""
    for key in keys:
        value = body.get(key)
        if value is None:
            continue
        found: list[Row] = []
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, dict):
                raise MalformedAnswer(f"응답의 {key} 모양이 올바르지 않습니다 ({where})")
            if item:
                found.append(Row(item, where))
        return found
    raise MalformedAnswer(f"응답에 {keys[0]} 항목이 없습니다 ({where})")


def only(body: Mapping[str, object], *keys: str, where: str) -> Row:
    """The one object under ``keys``."""
    found = rows(body, *keys, where=where)
    if not found:
        raise MalformedAnswer(f"응답이 비어 있습니다 ({where})")
    return found[0]
