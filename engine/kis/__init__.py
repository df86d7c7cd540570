"""Client of Korea Investment & Securities' OpenAPI."""

from engine.kis.client import KIS
from engine.kis.errors import (
    AnswerLost,
    MalformedAnswer,
    NotDelivered,
    RateLimited,
    TokenRefused,
    TokenUnavailable,
)
from engine.kis.limits import MOCK_LIMITS, NEW_CUSTOMER_LIMITS, REAL_LIMITS, KisLimits
from engine.kis.quotes import UnknownCode
from engine.kis.settings import MOCK_ADDRESSES, REAL_ADDRESSES, KisAddresses, KisCredentials
from engine.kis.stream import KisStream
from engine.kis.wire import Wire

__all__ = [
    "KIS",
    "MOCK_ADDRESSES",
    "MOCK_LIMITS",
    "NEW_CUSTOMER_LIMITS",
    "REAL_ADDRESSES",
    "REAL_LIMITS",
    "AnswerLost",
    "KisAddresses",
    "KisCredentials",
    "KisLimits",
    "KisStream",
    "MalformedAnswer",
    "NotDelivered",
    "RateLimited",
    "TokenRefused",
    "TokenUnavailable",
    "UnknownCode",
    "Wire",
]
