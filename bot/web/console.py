"""What the console page talks to: login, command lines, buttons, forms, pictures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from bot.dispatch import ProgressSink
from bot.reply import Reply
from bot.web.cards import CardDesk
from bot.web.guard import CALLER, COOKIE
from bot.web.models import (
    ActionRequest,
    Card,
    CommandModel,
    FormModel,
    LineRequest,
    LoggedIn,
    LoginLink,
    LoginRequest,
    RefreshRequest,
    SessionModel,
    SuggestionModel,
)
from bot.web.problems import Problem
from bot.web.security import LOGIN_SECONDS, Caller
from bot.web.state import WebState, web_state
from bot.web.suggestions import suggest_line

router = APIRouter()
State = Annotated[WebState, Depends(web_state)]
RequestId = Annotated[str, Header(alias="Idempotency-Key", max_length=100, pattern=r"^[A-Za-z0-9_.:-]*$")]


async def caller_of(request: Request) -> Caller:
    caller: Caller | None = request.scope.get(CALLER)
    if caller is None:
        raise Problem(401, "로그인 링크나 API 토큰이 필요합니다", headers={"WWW-Authenticate": "Bearer"})
    return caller


Known = Annotated[Caller, Depends(caller_of)]


# -- login


@router.post("/api/session", tags=["콘솔"], summary="일회용 코드로 로그인", response_model=LoggedIn)
async def log_in(body: LoginRequest, request: Request, response: Response, state: State) -> LoggedIn:
    """주소의 `#code=` 뒤에 있는 코드를 한 번만 받습니다. 쿠키와 CSRF 토큰을 돌려줍니다."""
    address = request.client.host if request.client else ""
    wait = state.failures.wait(f"login:{address}")
    if wait > 0:
        raise Problem(429, "로그인 시도가 너무 많습니다", headers={"Retry-After": str(int(wait) + 1)})
    found = state.sessions.log_in(body.code)
    if found is None:
        raise Problem(401, "로그인 링크가 이미 쓰였거나 2분이 지났습니다. 새 링크를 만드세요")
    secret, session = found
    response.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=state.policy().encrypted, path="/")
    return LoggedIn(**_session(state, logged_in=True).model_dump(), csrf=session.csrf)


@router.get("/api/session", tags=["콘솔"], summary="로그인 상태")
async def session(request: Request, state: State) -> SessionModel:
    return _session(state, logged_in=request.scope.get(CALLER) is not None)


@router.delete("/api/session", tags=["콘솔"], summary="로그아웃", status_code=204)
async def log_out(caller: Known, state: State) -> Response:
    state.sessions.log_out(caller.id.removeprefix("session:"))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response


@router.post("/api/login-link", tags=["콘솔"], summary="새 로그인 링크 (API 토큰으로만)")
async def login_link(caller: Known, state: State) -> LoginLink:
    if caller.kind != "token":
        raise Problem(403, "로그인 링크는 API 토큰으로만 만듭니다")
    return LoginLink(link=state.login_link(), seconds=int(LOGIN_SECONDS))


def _session(state: WebState, *, logged_in: bool) -> SessionModel:
    services = state.services
    return SessionModel(
        logged_in=logged_in,
        environment=services.environment.label,
        simulated=services.clock.simulated,
        source=services.source,
        account_tail=services.account_tail if logged_in else "",
    )


# -- commands


@router.post("/api/command", tags=["콘솔"], summary="명령 한 줄", response_model=Card)
async def command(body: LineRequest, caller: Known, state: State, key: RequestId = "") -> Card:
    """채팅에 입력한 것과 같은 답, 그림, 단추를 돌려줍니다."""
    return await state.cards.line(caller, body.line, key, _progress(state, caller, body.tag))


@router.post("/api/action", tags=["콘솔"], summary="단추 누르기", response_model=Card)
async def action(body: ActionRequest, caller: Known, state: State, key: RequestId = "") -> Card:
    _own(state.cards, caller, body.message)
    progress = _progress(state, caller, body.tag)
    return await state.cards.press(caller, body.action, body.message, body.answers, key, progress)


@router.post("/api/refresh", tags=["콘솔"], summary="스스로 새로 고치는 답의 다음 모습", response_model=Card)
async def refresh(body: RefreshRequest, caller: Known, state: State) -> Card:
    _own(state.cards, caller, body.message)
    return await state.cards.refresh(caller, body.action, body.message)


@router.post("/api/form", tags=["콘솔"], summary="단추가 먼저 묻는 입력란", response_model=FormModel | None)
async def form(body: RefreshRequest, caller: Known, state: State) -> FormModel | None:
    _own(state.cards, caller, body.message)
    return await state.cards.form(caller, body.action, body.message)


@router.get("/api/suggest", tags=["콘솔"], summary="입력 중인 줄의 자동완성")
async def suggest(
    caller: Known, state: State, line: Annotated[str, Query(max_length=100, examples=["차트 삼성"])] = ""
) -> list[SuggestionModel]:
    return await suggest_line(state, caller, line)


@router.get("/api/commands", tags=["콘솔"], summary="쓸 수 있는 명령")
async def commands(caller: Known, state: State) -> list[CommandModel]:
    language = state.plane.language
    return [
        CommandModel(
            name=found.name(language),
            name_en=found.name_en,
            description=found.description(language),
            usage=found.usage(language),
            group=found.group.value,
            examples=list(found.examples),
        )
        for found in state.plane.registry.commands()
    ]


@router.get(
    "/api/images/{identity}",
    tags=["그림"],
    summary="답에 딸린 그림이나 파일",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def image(
    caller: Known, state: State, identity: Annotated[str, Path(max_length=40, pattern=r"^[A-Za-z0-9_-]+$")]
) -> Response:
    kept = state.shelf.get(identity)
    if kept is None:
        raise Problem(404, "그림이 남아 있지 않습니다. 다시 조회하세요")
    headers = {"Cache-Control": "private, max-age=600"}
    if not kept.media_type.startswith("image/"):
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{_quoted(kept.name)}"
    return Response(kept.data, headers=headers, media_type=kept.media_type)


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _own(cards: CardDesk, caller: Caller, message: str) -> None:
    if message and not cards.knows(caller, message):
        raise Problem(409, "그 답은 더 남아 있지 않습니다. 명령을 다시 내리세요")


def _progress(state: WebState, caller: Caller, tag: str) -> ProgressSink:
    async def show(reply: Reply) -> None:
        card = state.cards.card(reply, "")
        state.events.tell(caller.id, {"type": "progress", "tag": tag, "card": card.model_dump()})

    return show
