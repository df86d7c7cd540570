"""The FastAPI application: routers, static page, error answers, OpenAPI, and the guard around all of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response

from bot.texts import Texts
from bot.web import (
    backtest_routes,
    console,
    market_routes,
    problems,
    streams,
    system_routes,
    trading_routes,
)
from bot.web.fonts import for_browsers, korean_font
from bot.web.guard import Guard
from bot.web.models import ProblemModel
from bot.web.problems import Problem
from bot.web.security import RateLimiter
from bot.web.state import WebState
from engine.market import Environment

STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_STATUSES = (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 502, 503, 504)


def create_app(state: WebState) -> FastAPI:
    """The bare application. ``guarded`` puts the gate around it; nothing may serve it without."""
    real = state.services.environment is Environment.REAL
    app = FastAPI(
        title="개미 API",
        version="1",
        description="한국 주식 자동매매 서비스. 개인용 도구이며 투자 권유가 아닙니다. 손실 책임은 이용자에게 있습니다.",
        openapi_url=None if real else "/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses={
            status: {
                "description": problems.TITLES[status],
                "content": {problems.MEDIA_TYPE: {"schema": ProblemModel.model_json_schema()}},
            }
            for status in _STATUSES
        },
    )
    app.state.web = state
    problems.install(app, Texts(state.plane.language))
    for routes in (market_routes, trading_routes, backtest_routes, console, system_routes, streams):
        app.include_router(routes.router)
    _add_page(app)
    return app


def guarded(app: FastAPI, state: WebState, token: str, rates: RateLimiter, body_seconds: float) -> Guard:
    return Guard(
        app,
        policy=state.policy,
        token=token,
        sessions=state.sessions,
        rates=rates,
        failures=state.failures,
        counters=state.counters,
        body_seconds=body_seconds,
    )


def _add_page(app: FastAPI) -> None:
    files = {path.name: path for path in STATIC.iterdir() if path.suffix in _TYPES}

    async def index() -> Response:
        return FileResponse(files["index.html"], media_type=_TYPES[".html"], headers={"Cache-Control": "no-cache"})

    async def static(name: str) -> Response:
        path = files.get(name)  # a name out of a fixed list: no path is ever built from what was asked
        if path is None:
            raise Problem(404, "그런 파일이 없습니다")
        return FileResponse(path, media_type=_TYPES[path.suffix], headers={"Cache-Control": "no-cache"})

    async def font() -> Response:
        path = korean_font()
        if path is None:
            raise Problem(404, "글꼴이 설치되어 있지 않습니다")
        data = for_browsers(await asyncio.to_thread(path.read_bytes))
        return Response(data, media_type="font/ttf", headers={"Cache-Control": "public, max-age=604800"})

    app.add_api_route("/", index, include_in_schema=False, methods=["GET"])
    app.add_api_route("/static/korean.ttf", font, include_in_schema=False, methods=["GET"])
    app.add_api_route("/static/{name}", static, include_in_schema=False, methods=["GET"])
