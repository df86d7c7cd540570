"""A local Gemini: ``generateContent`` with every way of answering badly that a client must survive.

Behaviours are queued with ``play``; the last one stays. Requests are kept for inspection.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

Answerer = Callable[[dict[str, Any]], Any]
"""From the request's JSON to the object that the model answers."""


def candidate(text: str, finish: str = "STOP") -> dict[str, Any]:
    return {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish, "index": 0},
        ],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 10, "totalTokenCount": 20},
        "modelVersion": "test",
    }


def refusal(status: int, state: str, details: list[dict[str, Any]] | None = None) -> web.Response:
    body = {"error": {"code": status, "message": "test refusal", "status": state, "details": details or []}}
    return web.json_response(body, status=status)


def prompt_data(request: dict[str, Any]) -> dict[str, Any]:
    """The JSON between the fences of the user's part."""
    text = "".join(part["text"] for content in request["contents"] for part in content["parts"])
    match = re.search(r"<data>\n(.*)\n</data>", text, re.DOTALL)
    assert match is not None, "the data stands between fences"
    found = json.loads(match[1])
    assert isinstance(found, dict)
    return found


class GeminiServer:
    """``async with GeminiServer() as server``: ``server.url`` is the base address for the SDK."""

    def __init__(self, answer: Answerer | None = None) -> None:
        self.answer: Answerer = answer or (lambda request: {})
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._behaviours: list[str] = ["success"]
        self.slow_seconds = 5.0
        self._runner: web.AppRunner | None = None
        self.url = ""

    def play(self, *behaviours: str) -> None:
        self._behaviours = list(behaviours)

    async def __aenter__(self) -> GeminiServer:
        app = web.Application()
        for version in ("v1", "v1beta"):
            app.router.add_post(f"/{version}/models/{{model}}", self._generate)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{port}/"
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        if not request.match_info["model"].endswith(":generateContent"):
            return refusal(404, "NOT_FOUND")
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        self.paths.append(request.path)
        behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
        return await self._behave(behaviour, request, body)

    async def _behave(self, behaviour: str, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        text = json.dumps(self.answer(body), ensure_ascii=False)
        match behaviour:
            case "success":
                return web.json_response(candidate(text))
            case "schema violation":
                return web.json_response(candidate('{"labels": "everything", "verdict": "all in", "mood": 7}'))
            case "wrong json":
                return web.json_response(candidate(text[: len(text) // 2] + "]]"))
            case "no json at all":
                return web.Response(text="<html>gateway</html>", content_type="text/html")
            case "other shape":
                return web.json_response({"candidates": "none"})
            case "empty":
                return web.json_response({"candidates": []})
            case "cut":
                return web.json_response(candidate(text, finish="MAX_TOKENS"))
            case "safety block":
                return web.json_response({"promptFeedback": {"blockReason": "SAFETY"}, "candidates": []})
            case "safety stop":
                return web.json_response({"candidates": [{"finishReason": "SAFETY", "index": 0}]})
            case "429":
                hint = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}
                return refusal(429, "RESOURCE_EXHAUSTED", [hint])
            case "429 long":
                hint = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3600s"}
                return refusal(429, "RESOURCE_EXHAUSTED", [hint])
            case "429 day":
                violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}
                failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}
                return refusal(429, "RESOURCE_EXHAUSTED", [failure])
            case "500":
                return refusal(500, "INTERNAL")
            case "403":
                return refusal(403, "PERMISSION_DENIED")
            case "slow":
                await asyncio.sleep(self.slow_seconds)
                return web.json_response(candidate(text))
            case "cut stream":
                response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "100000"})
                await response.prepare(request)
                await response.write(b'{"candidates": [')
                assert request.transport is not None
                request.transport.close()
                return response
        raise AssertionError(f"unknown behaviour {behaviour}")
