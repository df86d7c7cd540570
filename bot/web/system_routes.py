"""Is it alive, and how is it doing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from bot.web.figures import exposition
from bot.web.models import HealthModel
from bot.web.problems import Problem
from bot.web.state import WebState, web_state

router = APIRouter()
State = Annotated[WebState, Depends(web_state)]
LONGEST_BEAT_SECONDS = 10.0


@router.get("/healthz", tags=["상태"], summary="살아 있는가")
async def health(state: State) -> HealthModel:
    """이벤트 루프가 10초 안에 뛰었고 기록을 쓸 수 있으면 200, 아니면 503."""
    beat = state.figures().beat_age
    if beat is not None and beat > LONGEST_BEAT_SECONDS:
        raise Problem(503, f"이벤트 루프가 {beat:.0f}초째 멈춰 있습니다")
    if not await state.plane.store.rows("SELECT 1"):
        raise Problem(503, "기록을 읽을 수 없습니다")
    return HealthModel(status="ok", environment=state.services.environment.label, beat_seconds=beat)


@router.get(
    "/metrics",
    tags=["상태"],
    summary="프로메테우스 지표",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(state: State) -> Response:
    return Response(exposition(state), media_type="text/plain; version=0.0.4; charset=utf-8")
