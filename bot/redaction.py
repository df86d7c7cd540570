"""No secret reaches a log: bot tokens, interaction tokens and webhook addresses are struck out of every record."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable

STRUCK = "***"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"), STRUCK),  # a Discord bot token
    (re.compile(r"\b\d{6,12}:[\w-]{35}\b"), STRUCK),  # a Telegram bot token
    (re.compile(r"(/(?:file/)?bot)[^/\s'\"]+(/)"), rf"\1{STRUCK}\2"),  # its address
    (re.compile(r"((?:/interactions|/webhooks)/\d+/)[^/\s?'\"]+"), rf"\1{STRUCK}"),
    (re.compile(r"(['\"](?:token|webhook_token)['\"]\s*:\s*['\"])[^'\"]+"), rf"\1{STRUCK}"),
    (re.compile(r"(?<=webhook_token=)\S+|aW50ZXJhY3Rpb2[\w:+/=-]+"), STRUCK),  # an interaction token
)


class Redactor:
    """Strikes out what looks like a secret, and the secrets it was told."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, secrets: Iterable[str]) -> None:
        self._secrets.update(secret for secret in secrets if len(secret) >= 8)

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, STRUCK)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def clean_record(self, record: logging.LogRecord) -> logging.LogRecord:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            return record  # a wrong format string: the handler reports it, without our having read the arguments
        cleaned = self.clean(text)
        if cleaned != text:
            record.msg, record.args = cleaned, ()
        if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
            trace = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
            if (cleaned := self.clean(trace)) != trace:
                # A formatter prints exc_text as it is; the exception itself would be formatted anew.
                record.exc_text, record.exc_info = cleaned, None
        return record


redactor = Redactor()
_installed = False


def install(secrets: Iterable[str] = ()) -> None:
    """Have every log record of the process cleaned, and quiet the HTTP libraries that print full addresses."""
    global _installed
    redactor.add(secrets)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if _installed:
        return
    make = logging.getLogRecordFactory()

    def cleaned(*args: object, **kwargs: object) -> logging.LogRecord:
        return redactor.clean_record(make(*args, **kwargs))

    logging.setLogRecordFactory(cleaned)
    _installed = True
