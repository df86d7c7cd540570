"""The broker's public stock master files (``kospi_code.mst``, ``kosdaq_code.mst``): fixed width, cp949.

Format: the field lists that the broker publishes beside the files. No key is needed to download them.
"""

from __future__ import annotations

import io
import zipfile
from typing import Final

import httpx

from engine.clock import wall_timeout
from engine.market import InvalidCode, Market, SecurityKind, Stock, StockFlag, parse_code

ADDRESS: Final = "https://new.real.download.dws.co.kr/common/master/{name}.mst.zip"
FILES: Final = {Market.KOSPI: "kospi_code", Market.KOSDAQ: "kosdaq_code"}
DOWNLOAD_SECONDS: Final = 30.0

# Widths of the part after the name; the two markets differ in their index flags only.
_COMMON = (9, 5, 5, 1, 1, 1, 2, 1, 1, 1, 2, 2, 2, 3, 1, 3, 12, 12, 8, 15, 21, 2, 7)
_WIDTHS: Final = {
    Market.KOSPI: (2, 1, 4, 4, 4, *(1,) * 26, *_COMMON, 1, 1, 1, 1, 1, 9, 9, 9, 5, 9, 8, 9, 3, 1, 1, 1),
    Market.KOSDAQ: (2, 1, 4, 4, 4, *(1,) * 21, *_COMMON, 1, 1, 1, 1, 9, 9, 9, 5, 9, 8, 9, 3, 1, 1, 1),
}
_FLAGS_AT: Final = {Market.KOSPI: 31, Market.KOSDAQ: 26}
"""Index of the reference price, the first field after the index flags."""
_SPAC_AT: Final = {Market.KOSPI: 19, Market.KOSDAQ: 14}
_OVERHEATED_AT: Final = {Market.KOSPI: 22, Market.KOSDAQ: 17}
_ATTENTION_AT: Final = {Market.KOSDAQ: 20}
_SHARES_AFTER, _MARCAP_FROM_END = 19, 5
_KINDS: Final = {
    "ST": SecurityKind.STOCK,
    "RT": SecurityKind.STOCK,
    "FS": SecurityKind.STOCK,
    "DR": SecurityKind.STOCK,
    "IF": SecurityKind.STOCK,
    "EF": SecurityKind.ETF,
    "EN": SecurityKind.ETN,
}
_WARNINGS: Final = {"01": StockFlag.CAUTION, "02": StockFlag.WARNING, "03": StockFlag.RISK}

# Middle classes of the index sectors.
SECTORS: Final = {
    "0005": "음식료·담배", "0006": "섬유·의류", "0007": "종이·목재", "0008": "화학", "0009": "제약", "0010": "비금속",
    "0011": "금속", "0012": "기계·장비", "0013": "전기전자", "0014": "의료·정밀기기", "0015": "운송장비·부품",
    "0016": "유통", "0017": "전기·가스", "0018": "건설", "0019": "운송·창고", "0020": "통신", "0021": "금융",
    "0024": "증권", "0025": "보험", "0026": "일반서비스", "0027": "제조", "0028": "부동산", "0029": "IT 서비스",
    "0030": "오락·문화",
    "1006": "일반서비스", "1010": "건설", "1011": "유통", "1013": "운송·창고", "1014": "금융", "1015": "오락·문화",
    "1019": "음식료·담배", "1020": "섬유·의류", "1021": "종이·목재", "1022": "출판·매체복제", "1023": "화학",
    "1024": "제약", "1025": "비금속", "1026": "금속", "1027": "기계·장비", "1028": "전기전자", "1029": "의료·정밀기기",
    "1030": "운송장비·부품", "1031": "기타제조",
}  # fmt: skip


def _cut(text: str, widths: tuple[int, ...]) -> list[str]:
    fields, at = [], 0
    for width in widths:
        fields.append(text[at : at + width].strip())
        at += width
    return fields


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def parse_master(content: bytes, market: Market) -> list[Stock]:
    """Stocks, ETFs and ETNs of one master file; other kinds (warrants, subscription rights) are left out."""
    widths = _WIDTHS[market]
    found = []
    for line in content.decode("cp949", errors="replace").splitlines():
        if len(line) <= sum(widths) + 21:
            continue
        head, tail = line[: -sum(widths)], line[-sum(widths) :]
        fields = _cut(tail, widths)
        kind = _KINDS.get(fields[0])
        if kind is None:
            continue
        try:
            code = parse_code(head[:9])
        except InvalidCode:
            continue
        base = _FLAGS_AT[market]
        halted, liquidated, administrative, warning = fields[base + 3 : base + 7]
        flags: set[StockFlag] = set()
        if halted == "Y":
            flags.add(StockFlag.HALTED)
        if liquidated == "Y":
            flags.add(StockFlag.LIQUIDATION)
        if administrative == "Y":
            flags.add(StockFlag.ADMINISTRATIVE)
        if warning in _WARNINGS:
            flags.add(_WARNINGS[warning])
        if fields[_SPAC_AT[market]] == "Y":
            flags.add(StockFlag.SPAC)
        if fields[_OVERHEATED_AT[market]] not in ("", "0", "N"):
            flags.add(StockFlag.OVERHEATED)
        if market in _ATTENTION_AT and fields[_ATTENTION_AT[market]] == "Y":
            flags.add(StockFlag.CAUTION)
        found.append(
            Stock(
                code,
                head[21:].strip(),
                market,
                SECTORS.get(fields[3]) or SECTORS.get(fields[2], ""),
                kind,
                1_000 * _number(fields[base + _SHARES_AFTER]),
                100_000_000 * _number(fields[-_MARCAP_FROM_END]),
                frozenset(flags),
            )
        )
    return found


async def fetch_masters() -> list[Stock]:
    """Both markets. Raises httpx.HTTPError, TimeoutError, zipfile.BadZipFile."""
    found: list[Stock] = []
    async with wall_timeout(DOWNLOAD_SECONDS), httpx.AsyncClient(timeout=DOWNLOAD_SECONDS) as client:
        for market, name in FILES.items():
            answer = await client.get(ADDRESS.format(name=name))
            answer.raise_for_status()
            with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
                found += parse_master(archive.read(archive.namelist()[0]), market)
    return found
