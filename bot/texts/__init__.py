"""The catalogue of everything people read, one module per language. A missing key is an error, never a blank."""

from __future__ import annotations

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
        return self._texts[key].format_map(values)

    def has(self, key: str) -> bool:
        return key in self._texts


def placeholders(text: str) -> frozenset[str]:
    """Names of the values that a catalogue text needs."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)
