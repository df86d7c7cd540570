"""Where the broker is and who we are to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from engine.market import Environment


@dataclass(frozen=True, slots=True)
class KisCredentials:
    """Keys of one account. Neither secrets nor the account number appear in its repr."""

    app_key: str = field(repr=False)
    app_secret: str = field(repr=False)
    account: str = field(repr=False)
    """The first eight digits of the account number."""
    product: str = "01"
    hts_id: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name, value in (("app_key", self.app_key), ("app_secret", self.app_secret)):
            if not value or not value.isascii() or not value.isprintable() or " " in value:
                raise ValueError(f"{name}: 앱키와 시크릿은 공백 없는 영문·숫자·기호여야 합니다")
        if not (self.account.isascii() and self.account.isdigit() and len(self.account) == 8):
            raise ValueError("account: 계좌번호 앞자리는 숫자 8자리여야 합니다")
        if not (self.product.isascii() and self.product.isdigit() and len(self.product) == 2):
            raise ValueError("product: 계좌 상품코드는 숫자 2자리여야 합니다")
        if not self.hts_id.isascii() or not self.hts_id.isprintable():
            raise ValueError("hts_id: HTS 아이디는 영문·숫자여야 합니다")


@dataclass(frozen=True, slots=True)
class KisAddresses:
    """Base URLs, without a path."""

    rest_url: str
    ws_url: str


REAL_ADDRESSES = KisAddresses("https://openapi.koreainvestment.com:9443", "ws://ops.koreainvestment.com:21000")
MOCK_ADDRESSES = KisAddresses("https://openapivts.koreainvestment.com:29443", "ws://ops.koreainvestment.com:31000")


def binding(credentials: KisCredentials, addresses: KisAddresses, environment: Environment) -> str:
    """A hash that a cached token belongs to: same key, same secret, same host, same environment."""
    parts = (credentials.app_key, credentials.app_secret, addresses.rest_url.rstrip("/"), environment.value)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
