"""Is every number and every name of a text in the facts? A sentence that fails is dropped and counted.

The check errs on the side of dropping: a figure must be found with its unit, its sign and the subject it is said of.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

_NUMBER: Final = re.compile(
    r"(?P<sign>(?<![0-9A-Za-z가-힣)])[+\-−–▲▼△▽])?\s?(?P<digits>\d[\d,]*(?:\.\d+)?)(?P<scale>\s?(?:조|억|천만|백만|십만|만|천))?"
    r"\s?(?P<unit>%p|%|퍼센트|프로(?!그)|원|점|달러|배|엔|위안|유로)?"
)
_SCALES: Final = {"조": 10**12, "억": 10**8, "천만": 10**7, "백만": 10**6, "십만": 10**5, "만": 10**4, "천": 10**3}
_UNITS: Final = {"%p": "%", "퍼센트": "%", "프로": "%"}
_CODE: Final = re.compile(r"(?<![0-9A-Za-z])[0-9][0-9A-Z]{5}(?![0-9A-Za-z])")
_LATIN: Final = re.compile(r"[A-Za-z][A-Za-z&.\-]*[A-Za-z]|[A-Za-z]")
_KNOWN_LATIN: Final = frozenset(
    [
        "rsi",
        "macd",
        "fvg",
        "bos",
        "choch",
        "atr",
        "etf",
        "etn",
        "ai",
        "kospi",
        "kosdaq",
        "krx",
        "per",
        "pbr",
        "ipo",
        "it",
        "vs",
        "m&a",
        "cpi",
        "gdp",
        "esg",
        "sk",
        "lg",
        "kb",
        "nh",
    ]
) - {"sk", "lg", "kb", "nh"}
_SPELLED: Final = re.compile(
    r"(?<![0-9영일이삼사오육칠팔구십백천만억조])(?:[영일이삼사오육칠팔구십백천만억조]{2,}\s?|[일이삼사오육칠팔구십백천만억조])(?:원|퍼센트|프로(?!그)|포인트|%|배(?![가-힣]))"
    r"|(?:하나|한|두|세|네|다섯|여섯|일곱|여덟|아홉|열|스무|서른|마흔|쉰|몇|여러|수)\s?(?:십|백|천|만|억|배|곱절|퍼센트|프로(?!그))"
    r"|절반|반토막|반 토막|갑절|곱절|두 자릿수|한 자릿수|세 자릿수|과반|사분의|삼분의|이분의"
)
_FOREIGN: Final = re.compile(
    r"테슬라|엔비디아|애플|구글|알파벳|마이크로소프트|아마존|메타(?=[은는이가의 ])|넷플릭스|인텔|퀄컴|TSMC|알리바바|텐센트|비트코인|이더리움|도지"
)
_FORBIDDEN: Final = re.compile(
    r"https?:|www\.|[@`<>{}\\|]|t\.me|무조건|반드시 (?:오|상승|수익)|확실(?:히|한) (?:오|수익|상승)|원금 ?보장|수익 ?보장|(?:송금|입금|비밀번호|계좌번호|앱키|토큰|API)"
    r"|주문(?:을|하|해|이) ?(?:넣|내|실행|했|완료|하세요|하십)|(?:지금|당장|전량|시장가로?) ?(?:매수|매도|사세요|파세요|사라|팔아)|체결(?:됐|되었|했|완료)"
)
_UP: Final = re.compile(r"^[^0-9]{0,4}(?:상승|올라|올랐|오른|오르|강세|급등|뛰|증가|늘)")
_DOWN: Final = re.compile(r"^[^0-9]{0,4}(?:하락|내려|내렸|내린|내리|약세|급락|떨어|밀려|밀렸|빠졌|감소|줄)")
_SENTENCE: Final = re.compile(r"(?<=[.!?。])\s+|\n+")
_PARTICLE: Final = r"(?:은|는|이|가|을|를|의|와|과|도|에|로|으로|에서|에게|부터|까지|보다|만|이나|나|랑|이랑|처럼)?(?![0-9A-Za-z가-힣])"
_EMOJI: Final = {"So", "Sk", "Cs", "Co", "Cn", "Cf", "Cc"}
LONGEST_TEXT: Final = 4_000
LONGEST_SENTENCE: Final = 300


@dataclass(frozen=True, slots=True)
class Figure:
    value: Decimal
    unit: str
    signed: bool
    decimals: int
    scale: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Checked:
    sentences: tuple[str, ...]
    dropped: int

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


def plain(text: str) -> str:
    """Compatibility forms made ordinary (full-width digits become digits), symbols and control characters removed."""
    folded = unicodedata.normalize("NFKC", text[:LONGEST_TEXT])
    return "".join(
        c if c in "\n" or unicodedata.category(c) not in _EMOJI else (" " if c in "\t\r" else "") for c in folded
    )


def figures(text: str) -> list[Figure]:
    found = []
    for match in _NUMBER.finditer(text):
        digits = match["digits"].rstrip(",").replace(",", "")
        scale = _SCALES.get((match["scale"] or "").strip(), 1)
        value = Decimal(digits) * scale
        sign = match["sign"] or ""
        if sign in "-−–▼▽" and sign:
            value = -value
        unit = match["unit"] or ""
        found.append(
            Figure(
                value,
                _UNITS.get(unit, unit),
                bool(sign),
                len(digits.partition(".")[2]),
                scale,
                match.start(),
                match.end(),
            )
        )
    return found


def _odd_numerals(text: str) -> bool:
    """Numerals that are not ASCII digits: circled, Roman, Chinese, other scripts."""
    return any(not c.isascii() and unicodedata.numeric(c, None) is not None for c in text)


class Names:
    """Finds stock names in text, longest first; short names only as whole words."""

    def __init__(self, names: Iterable[str]) -> None:
        ordered = sorted({name for name in names if len(name) >= 2}, key=lambda name: (-len(name), name))
        parts = [
            rf"(?<![0-9A-Za-z가-힣]){re.escape(name)}(?={_PARTICLE})" if len(name) <= 2 else re.escape(name)
            for name in ordered
        ]
        self._pattern = re.compile("|".join(parts), re.IGNORECASE) if parts else None

    def places(self, text: str) -> list[tuple[int, int, str]]:
        if self._pattern is None:
            return []
        return [(m.start(), m.end(), m.group().casefold()) for m in self._pattern.finditer(text)]


class FactChecker:
    """``lines`` are the facts, one a line; ``names`` every stock name there is; ``subjects`` other things that have
    figures of their own (indices, sectors)."""

    def __init__(self, lines: Sequence[str], names: Names, subjects: Iterable[str] = ()) -> None:
        self._names = names
        self._subjects = Names(subjects)
        self._figures: list[tuple[Figure, frozenset[str]]] = []
        self._known: set[str] = set()
        self._codes: set[str] = set()
        self._latin: set[str] = set(_KNOWN_LATIN)
        for raw in lines:
            line = plain(raw)
            stocks = {name for _, _, name in names.places(line)}
            self._known |= stocks
            owners = frozenset(stocks | {name for _, _, name in self._subjects.places(line)})
            without = self._without_names(line)
            self._codes |= set(_CODE.findall(line))
            self._latin |= {word.casefold() for word in _LATIN.findall(line)}
            self._figures += [(figure, owners) for figure in figures(_CODE.sub(_blank, without))]

    def check(self, text: str) -> Checked:
        kept, dropped = [], 0
        if len(text) > LONGEST_TEXT:
            dropped += 1
        for sentence in _SENTENCE.split(plain(text)):
            trimmed = " ".join(sentence.split())
            if not trimmed or not any(c.isalnum() for c in trimmed):
                continue
            if self.supported(trimmed):
                kept.append(trimmed)
            else:
                dropped += 1
        return Checked(tuple(kept), dropped)

    def supported(self, sentence: str) -> bool:
        if len(sentence) > LONGEST_SENTENCE or _FORBIDDEN.search(sentence) or _odd_numerals(sentence):
            return False
        if _SPELLED.search(sentence) or _FOREIGN.search(sentence):
            return False
        stocks = self._names.places(sentence)
        if any(name not in self._known for _, _, name in stocks):
            return False
        if any(code not in self._codes for code in _CODE.findall(sentence)):
            return False
        without = self._without_names(sentence)
        if any(word.casefold() not in self._latin for word in _LATIN.findall(_CODE.sub(_blank, without))):
            return False
        places = sorted([*stocks, *self._subjects.places(sentence)])
        return all(
            self._found(figure, _owner(places, figure), sentence[figure.end :])
            for figure in figures(_CODE.sub(_blank, without))
        )

    def _without_names(self, text: str) -> str:
        """Names (코스피200, 3S) hold digits that are no figures; blanks keep the positions."""
        for start, end, _ in [*self._names.places(text), *self._subjects.places(text)]:
            text = text[:start] + " " * (end - start) + text[end:]
        return text

    def _found(self, claim: Figure, owner: str | None, after: str) -> bool:
        rising, falling = bool(_UP.match(after)), bool(_DOWN.match(after))
        for fact, owners in self._figures:
            if fact.unit != claim.unit or (owner is not None and owners and owner not in owners):
                continue
            if claim.signed and fact.signed and (claim.value < 0) != (fact.value < 0):
                continue
            if claim.signed and not fact.signed and claim.value < 0:
                continue
            if fact.signed and fact.unit == "%" and ((rising and fact.value < 0) or (falling and fact.value > 0)):
                continue
            if _same(abs(claim.value), abs(fact.value), claim):
                return True
        return False


def _same(claim: Decimal, fact: Decimal, figure: Figure) -> bool:
    """Equal, or the fact rounded to the decimals shown (never to whole numbers below a hundred)."""
    if claim == fact:
        return True
    if figure.scale != 1 or (figure.decimals == 0 and fact < 100):
        return False
    step = Decimal(1).scaleb(-figure.decimals)
    return fact.quantize(step, ROUND_HALF_UP) == claim


def _owner(places: Sequence[tuple[int, int, str]], figure: Figure) -> str | None:
    """What a figure is said of: the last subject before it, else the first one after it."""
    before = [name for start, _, name in places if start <= figure.start]
    return before[-1] if before else (places[0][2] if places else None)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())
