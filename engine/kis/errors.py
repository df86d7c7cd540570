"""What the broker's refusals mean: one typed error per class, judged by the body before the status.

Sources: the gateway's code table and recorded answers. An unknown code never counts as a success, and never as proof
that an order was refused.
"""

from __future__ import annotations

from typing import Final

from engine.broker import AuthenticationError, BrokerError, NotOffered, TemporaryError


class RateLimited(TemporaryError):
    """The gateway counted too many calls. It refuses before anything is done."""


class TokenRefused(TemporaryError):
    """The gateway did not take the access token. It refuses before anything is done."""


class TokenUnavailable(TemporaryError):
    """No usable token, and a new one may not be asked for yet (one a minute)."""

    def __init__(self, message: str, *, code: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class NotDelivered(TemporaryError):
    """The call failed before its first byte was written."""


class AnswerLost(TemporaryError):
    """Bytes were written and no whole answer came back: what the broker did is not known."""


class MalformedAnswer(BrokerError):
    """The answer came, and a field of it cannot be what it should be."""


RATE_CODES: Final = frozenset({"EGW00201", "EGW00215"})
TOKEN_CODES: Final = frozenset({"EGW00121", "EGW00122", "EGW00123"})
TOKEN_TOO_SOON: Final = "EGW00133"
_CREDENTIAL_CODES: Final = frozenset(
    {
        "EGW00101", "EGW00102", "EGW00103", "EGW00104", "EGW00105", "EGW00115", "EGW00116", "EGW00130",
        "EGW00205", "EGW00206", "EGW00207", "EGW00208", "EGW00210", "EGW02004", "EGW02007", "OPSQ2000", "IGW00002",
        "40910000",
    }
)  # fmt: skip
_NOT_OFFERED_CODES: Final = frozenset({"EGW02006", "90000000", "OPSQ0002"})
_TEMPORARY_CODES: Final = frozenset(
    {
        "EGW00001", "EGW00002", "EGW00003", "EGW00202", "EGW00203", "EGW00300", "EGW00301", "EGW00302", "OPSQ0003",
        "90020000",
    }
)  # fmt: skip

BUSINESS_REFUSALS: Final = frozenset(
    {
        "APBK0400", "APBK0656", "APBK0918", "APBK0919", "APBK0952", "APBK1664", "APBK1744", "APBK1943", "APBK3013",
        "40030000", "40100000", "40150000", "40240000", "40250000", "40570000", "40580000", "40910000", "90000000",
    }
)  # fmt: skip
"""The order desk looked at the order and refused it."""

INPUT_REFUSALS: Final = frozenset(
    {
        "EGW00101", "EGW00130", "EGW00131", "EGW00132", "EGW00206", "EGW00207", "EGW00208", "EGW00209", "EGW00210",
        "EGW00310", "EGW02004", "EGW02006", "EGW02007", "IGW00002", "OPSQ0002", "OPSQ2000", "OPSQ2001", "OPSQ2002",
    }
)  # fmt: skip
"""Refused for its form, key or account: definite, and sending it again would be refused again."""

REFUSAL_TEXTS: Final = (
    "호가단위 오류",
    "정정/취소할 수량이 없습니다",
    "정정취소할 수량이 없습니다",
    "주문 수량을 확인",
    "주문수량을 확인",
    "주문가능금액을 초과",
    "주문가능수량을 초과",
    "주문가능금액이 부족",
    "주문가능수량이 부족",
    "주문 가능한 수량을 초과",
    "상하한가를 벗어",
    "주문단가를 확인",
    "주문구분을 확인",
    "거래정지 종목",
    "장운영시간이 아닙니다",
    "상대호가가 없",
    "원주문정보가 존재하지",
    "원주문번호가 존재하지",
    "해당 주문유형을 사용할 수 없",
    "거래할 수 없습니다",
    "모의투자 주문처리가 안되었습니다",
    "거래소 미접수",
)
"""Refusals of the order desk that were reported by their text only."""


def read_error(status: int, code: str, message: str) -> BrokerError:
    """The error of a read that the broker answered with something else than success."""
    text = f"{message.strip() or '한국투자증권이 이유 없이 거절했습니다'} ({code.strip() or f'HTTP {status}'})"
    if code in RATE_CODES:
        return RateLimited(text, code=code)
    if code in TOKEN_CODES:
        return TokenRefused(text, code=code)
    if code in _NOT_OFFERED_CODES:
        return NotOffered(text, code=code)
    if code in _CREDENTIAL_CODES:
        return AuthenticationError(text, code=code)
    if code in _TEMPORARY_CODES or status >= 500:
        return TemporaryError(text, code=code)
    return BrokerError(text, code=code)
