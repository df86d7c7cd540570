"""Logging with secrets masked: every record, its arguments and its traceback pass one filter."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable

MASK = "•••"
_SHAPES = (
    re.compile(r"bot\d+:[A-Za-z0-9_-]{30,}"),
    re.compile(r"\b\d{6,12}:[A-Za-z0-9_-]{30,}"),
    re.compile(r"Bearer\s+[A-Za-z0-9._~+/=-]+", re.I),
    re.compile(
        r"(?i)(appkey|appsecret|secretkey|approval_key|access_token|authorization)[\"'\s:=]+[A-Za-z0-9._~+/=-]{8,}"
    ),
    re.compile(r"\b[MNO][A-Za-z\d_-]{23,28}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,}"),
    re.compile(r"https://(?:\w+\.)?discord(?:app)?\.com/api/(?:v\d+/)?(?:webhooks|interactions)/[^\s\"']+"),
    re.compile(r"\bAIza[A-Za-z0-9_-]{30,}"),
    re.compile(r"\b\d{8}-?\d{2}\b(?=.*계좌)|(?<=CANO=)\d{8}"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class RedactingFormatter(logging.Formatter):
    """Formats a record and then masks secrets, so that arguments and tracebacks are covered too."""

    def __init__(self, fmt: str, known: Iterable[str] = ()) -> None:
        super().__init__(fmt, datefmt="%H:%M:%S")
        self._known = sorted({text for text in known if len(text) >= 6}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        return self.redact(super().format(record))

    def redact(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, MASK)
        for shape in _SHAPES:
            text = shape.sub(MASK, text)
        return _CONTROL.sub("?", text)


def set_up_logging(level: int, known_secrets: Iterable[str]) -> None:
    """Log to stderr. ``known_secrets`` are masked wherever they occur."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s", known_secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "aiosqlite", "matplotlib", "aiohttp.access", "websockets", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
