"""Refusals and failures as RFC 9457 ``application/problem+json``, each with one Korean line."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bot.context import Declined, PartOff
from bot.inputs import BadArgument
from bot.problems import problem_text
from bot.services import ArmingRefused, RenderFailed
from bot.texts import Texts
from engine.broker import BrokerError, NotOffered
from engine.ports import HistoryUnavailable, NewsUnavailable

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "잘못된 요청",
    401: "인증 필요",
    403: "허용되지 않음",
    404: "없음",
    405: "허용되지 않은 방법",
    408: "요청 시간 초과",
    409: "상태 충돌",
    413: "요청이 너무 큼",
    415: "지원하지 않는 형식",
    422: "값이 올바르지 않음",
    431: "머리말이 너무 큼",
    429: "요청이 너무 많음",
    500: "내부 오류",
    502: "증권사 응답 오류",
    503: "지금 쓸 수 없음",
    504: "시간 초과",
}


class Problem(Exception):
    """An answer other than success; ``detail`` is one Korean line for the caller."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.members = members

    def body(self) -> bytes:
        title = TITLES.get(self.status) or HTTPStatus(self.status).phrase
        return orjson.dumps(
            {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.members}
        )

    def response(self) -> Response:
        return Response(self.body(), self.status, self.headers, MEDIA_TYPE)


def as_problem(error: Exception, say: Texts) -> Problem:
    """What a handler raised, as the answer the caller gets; a defect of ours is logged and says nothing inside."""
    status = _status(error)
    text = problem_text(error, say)
    if status is not None and text is not None:
        return Problem(status, text)
    if isinstance(error, ValueError) and str(error):
        return Problem(422, str(error)[:300])
    logger.error("an API handler failed", exc_info=error)
    return Problem(500, say("unexpected", kind=type(error).__name__))


def _status(error: Exception) -> int | None:
    match error:
        case BadArgument():
            return 404 if error.key == "no_stock" else 422
        case Declined():
            return 422
        case PartOff() | NotOffered() | HistoryUnavailable() | NewsUnavailable() | RenderFailed():
            return 503
        case ArmingRefused():
            return 403
        case BrokerError():
            return 502
        case TimeoutError():
            return 504
        case _:
            return None


def install(app: FastAPI, say: Texts) -> None:
    """Every error answer of the application becomes problem+json."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return error.response()

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        details = {404: "그런 주소가 없습니다", 405: "이 주소에 쓸 수 없는 방법입니다"}
        detail = details.get(error.status_code, str(error.detail))
        return Problem(error.status_code, detail, headers=dict(error.headers or {})).response()

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = [
            {"where": ".".join(str(part) for part in item["loc"]), "message": str(item["msg"])}
            for item in error.errors()[:20]
        ]
        status = 400 if any(item["type"] == "json_invalid" for item in error.errors()) else 422
        return Problem(status, "요청의 값이 올바르지 않습니다", errors=found).response()

    async def on_other(request: Request, error: Exception) -> Response:
        return as_problem(error, say).response()

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    for kind in (
        BadArgument,
        Declined,
        PartOff,
        ArmingRefused,
        RenderFailed,
        BrokerError,
        HistoryUnavailable,
        NewsUnavailable,
        TimeoutError,
        ValueError,
    ):
        app.add_exception_handler(kind, on_other)
