"""The catalogue of everything people read, one module per language. A missing key is an error, never a blank."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

from bot.texts.en import TEXTS as ENGLISH
from bot.texts.ko import TEXTS as KOREAN

DEFAULT_LANGUAGE = "ko"
CATALOGUES: Mapping[str, Mapping[str, str]] = {"ko": KOREAN, "en": ENGLISH}


class Texts:
    """One language. Called with a key and its values."""

    def __init__(self, language: str = DEFAULT_LANGUAGE) -> None:
        self.language = language if language in CATALOGUES else DEFAULT_LANGUAGE
        self._texts = CATALOGUES[self.language]

    def __call__(self, key: str, **values: object) -> str:
        """Raises KeyError for an unknown key or a missing value."""
        text = self._texts[key].format_map(values)
        return with_particles(text) if self.language == "ko" else text

    def has(self, key: str) -> bool:
        return key in self._texts


_PARTICLE = re.compile(r"(?P<before>[가-힣0-9])(?P<closed>['\"”’)]*)(?P<pair>을\(를\)|은\(는\)|이\(가\)|\(으\)로)")
_CLOSED_DIGITS = "013678"
"""Digits whose Korean reading ends in a consonant (영 일 삼 육 칠 팔); of these 1, 7 and 8 end in ㄹ."""


def with_particles(text: str) -> str:
    """Choose 을/를, 은/는, 이/가 and 으로/로 by the sound before; after Latin letters both forms stay."""

    def chosen(match: re.Match[str]) -> str:
        before, pair = match["before"], match["pair"]
        if before.isdigit():
            final = before in _CLOSED_DIGITS
            liquid = before in "178"
        else:
            number = (ord(before) - 0xAC00) % 28
            final, liquid = number != 0, number == 8
        kept = before + match["closed"]
        if pair == "(으)로":
            return kept + ("으로" if final and not liquid else "로")
        return kept + (pair[0] if final else pair[2])

    return _PARTICLE.sub(chosen, text)


def placeholders(text: str) -> frozenset[str]:
    """Names of the values that a catalogue text needs."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)
