"""Gemini through the official google-genai SDK: one question, one answer of a given shape, or ModelUnavailable.

The SDK is imported with the first question, off the loop. Only what ``ask`` is handed leaves the machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from engine.analysis.quota import Quota, QuotaSpent
from engine.clock import monotonic, seeded, wall_sleep, wall_timeout

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 3
RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
SHORTEST_TIMEOUT_MS: Final = 10_000
"""The service refuses shorter deadlines; our own limit around the call may be shorter."""
LONGEST_ANSWER: Final = 60_000
CACHED_ANSWERS: Final = 256
PUBLIC_URL: Final = "https://generativelanguage.googleapis.com/"
Answer = TypeVar("Answer", bound=BaseModel)


class ModelUnavailable(Exception):
    """No usable answer; the message says why, in Korean, and holds nothing the model wrote."""


@dataclass(frozen=True, slots=True)
class GeminiSettings:
    api_key: str = field(repr=False)
    model: str
    base_url: str = ""
    """Only for tests; empty means the public service."""
    wall_seconds: float = 40.0
    """For one answer, retries included."""
    requests_per_day: int = 20
    requests_per_minute: int = 5
    first_wait_seconds: float = 1.0


class GeminiModel:
    """``quota_path``: where the day's count is kept."""

    def __init__(self, settings: GeminiSettings, quota_path: Path) -> None:
        self.name = settings.model
        self._settings = settings
        self._quota = Quota(quota_path, settings.requests_per_day, settings.requests_per_minute)
        self._client: Any = None
        self._transport: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()
        self._kept: OrderedDict[str, BaseModel] = OrderedDict()
        self._asked = 0

    @property
    def requests_left(self) -> int:
        return self._quota.left_today

    async def ask(self, instruction: str, data: str, shape: type[Answer]) -> Answer:
        """Equal questions are answered from memory. Raises ModelUnavailable and nothing else."""
        text = "\x1f".join((self.name, shape.__name__, instruction, data))
        key = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        kept = self._kept.get(key)
        if isinstance(kept, shape):
            self._kept.move_to_end(key)
            return kept
        try:
            async with wall_timeout(self._settings.wall_seconds):
                answer = await self._with_retries(instruction, data, shape)
        except TimeoutError:
            raise ModelUnavailable(f"{self._settings.wall_seconds:g}초 안에 답이 없습니다") from None
        except QuotaSpent as error:
            raise ModelUnavailable(str(error)) from None
        except OSError as error:
            raise ModelUnavailable(f"요청 횟수를 기록하지 못했습니다 ({type(error).__name__})") from error
        self._kept[key] = answer
        while len(self._kept) > CACHED_ANSWERS:
            self._kept.popitem(last=False)
        return answer

    async def close(self) -> None:
        self._client = None
        if self._transport is not None:
            await self._transport.aclose()

    async def _with_retries(self, instruction: str, data: str, shape: type[Answer]) -> Answer:
        client, transport_errors, api_error = await self._open()
        deadline = monotonic() + self._settings.wall_seconds
        for attempt in range(1, ATTEMPTS + 1):
            await asyncio.to_thread(self._quota.spend)
            hint: float | None = None
            try:
                response = await client.aio.models.generate_content(
                    model=self.name, contents=data, config=self._config(instruction, shape)
                )
            except api_error as error:
                status = int(getattr(error, "code", 0) or 0)
                hint = retry_hint(error)
                if status == 429 and says_daily(error):
                    await asyncio.to_thread(self._quota.exhaust)
                    raise ModelUnavailable("AI 제공자의 하루 한도를 다 썼습니다") from None
                if status not in RETRIED:
                    raise ModelUnavailable(f"AI 서비스가 거절했습니다 (HTTP {status})") from None
                problem = f"AI 서비스 오류 (HTTP {status})"
            except transport_errors as error:
                problem = f"AI 서비스에 닿지 못했습니다 ({type(error).__name__})"
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                # What the SDK raises on an answer that is no JSON or has another shape.
                raise ModelUnavailable(f"AI 답의 형식이 잘못되었습니다 ({type(error).__name__})") from None
            except Exception as error:
                # The SDK is not ours and its errors are not all documented: whatever it is, the rules answer.
                logger.exception("google-genai raised something unknown")
                raise ModelUnavailable(f"AI 도구의 알 수 없는 오류 ({type(error).__name__})") from None
            else:
                return checked(response, shape)
            self._asked += 1
            jitter = float(seeded("gemini", self._asked, attempt, data[:64]).uniform(0.5, 1.5))
            wait = max(hint or 0.0, self._settings.first_wait_seconds * 2 ** (attempt - 1) * jitter)
            if attempt == ATTEMPTS or monotonic() + wait >= deadline:
                raise ModelUnavailable(problem)
            logger.info("AI 요청을 %.1f초 뒤 다시 합니다: %s", wait, problem)
            await wall_sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _config(self, instruction: str, shape: type[BaseModel]) -> Any:
        from google.genai import types

        return types.GenerateContentConfig(
            system_instruction=instruction,
            response_mime_type="application/json",
            response_schema=shape,
            temperature=0.2,
            max_output_tokens=4096,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )

    async def _open(self) -> tuple[Any, tuple[type[Exception], ...], type[Exception]]:
        """(client, transport errors, the SDK's own error)."""
        async with self._opening:
            try:
                transport, api_error = await asyncio.to_thread(_sdk_errors)
            except ImportError as error:
                raise ModelUnavailable("google-genai 가 설치되어 있지 않습니다") from error
            if self._client is None:
                self._client = await asyncio.to_thread(self._make_client)
            return self._client, transport, api_error

    def _make_client(self) -> Any:
        import httpx
        from google import genai
        from google.genai import types

        timeout = max(SHORTEST_TIMEOUT_MS, round(1_000 * self._settings.wall_seconds))
        # The address is always given: an environment variable must not lead headlines elsewhere.
        # A client of ours: left alone the SDK takes whatever transport is installed.
        self._transport = httpx.AsyncClient(timeout=timeout / 1_000, follow_redirects=False)
        options = types.HttpOptions(
            base_url=self._settings.base_url or PUBLIC_URL, timeout=timeout, httpx_async_client=self._transport
        )
        return genai.Client(vertexai=False, api_key=self._settings.api_key, http_options=options)


def _sdk_errors() -> tuple[tuple[type[Exception], ...], type[Exception]]:
    import httpx
    from google.genai import errors

    return (httpx.HTTPError, httpx.StreamError, OSError), errors.APIError


def checked(response: Any, shape: type[Answer]) -> Answer:
    """The validated answer. Raises ModelUnavailable for a block, a cut or an answer of another shape."""
    feedback = getattr(response, "prompt_feedback", None)
    if feedback is not None and feedback.block_reason:
        raise ModelUnavailable("AI 서비스가 안전 정책으로 막았습니다")
    candidates = response.candidates or []
    if not candidates:
        raise ModelUnavailable("AI 답이 비어 있습니다")
    reason = str(getattr(candidates[0].finish_reason, "value", candidates[0].finish_reason) or "STOP")
    if reason in ("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION"):
        raise ModelUnavailable("AI 서비스가 안전 정책으로 막았습니다")
    if reason != "STOP":
        raise ModelUnavailable(f"AI 답이 끝까지 오지 않았습니다 ({reason[:30]})")
    parts = (candidates[0].content.parts if candidates[0].content else None) or []
    text = "".join(part.text for part in parts if part.text and not part.thought)
    if not text or len(text) > LONGEST_ANSWER:
        raise ModelUnavailable("AI 답이 비었거나 너무 깁니다")
    try:
        return shape.model_validate_json(text)
    except ValidationError as error:
        raise ModelUnavailable(f"AI 답의 형식이 잘못되었습니다 (오류 {error.error_count()}곳)") from None


def _details(error: Exception) -> list[Any]:
    body = getattr(error, "details", None)
    inner = body.get("error", body) if isinstance(body, dict) else {}
    found = inner.get("details") if isinstance(inner, dict) else None
    return found if isinstance(found, list) else []


def retry_hint(error: Exception) -> float | None:
    """Seconds that the provider asks us to wait (RetryInfo), if it does."""
    for detail in _details(error):
        if isinstance(detail, dict) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)s", str(detail.get("retryDelay", "")))):
            return float(match[1])
    return None


def says_daily(error: Exception) -> bool:
    """Whether a 429 is about the day's quota, for which waiting is no use."""
    return any(
        "perday" in str(violation.get("quotaId", "")).lower()
        for detail in _details(error)
        if isinstance(detail, dict)
        for violation in detail.get("violations") or []
        if isinstance(violation, dict)
    )
