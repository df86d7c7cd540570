"""The REST side of the local Discord server (v10): what the bot calls, answered and refused as Discord does."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from engine.clock import monotonic, wall_sleep
from tests.servers.discord_server_limits import (
    EPHEMERAL,
    LOADING,
    REQUEST_LIMIT,
    DiscordError,
    already_acknowledged,
    check_choices,
    check_commands,
    check_message,
    check_modal,
    invalid,
    too_large,
    unknown_interaction,
    unknown_message,
)
from tests.servers.discord_server_state import Interaction, Message, State, User

Files = dict[int, tuple[str, bytes]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON_TYPE = "application/json"
PONG, MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, CHOICES, MODAL = 1, 4, 5, 6, 7, 8, 9


@dataclass(slots=True)
class Fault:
    """What the server does instead of answering, ``times`` times, to requests that match."""

    method: str
    pattern: re.Pattern[str]
    status: int
    times: int
    retry_after: float = 0.0
    delay: float = 0.0
    code: int = 0
    via: bool = True
    scope_global: bool = False


def answer(body: Any, status: int = 200) -> web.Response:
    # discord.py takes a JSON body for text when the type carries a charset.
    return web.Response(body=orjson.dumps(body), status=status, headers={"Content-Type": JSON_TYPE})


async def read_body(request: web.Request) -> tuple[dict[str, Any], Files]:
    """The JSON body and the files, from plain JSON or multipart with ``payload_json``."""
    files: Files = {}
    if not request.content_type.startswith("multipart/"):
        text = await request.read()
        return (orjson.loads(text) if text else {}), files
    payload: dict[str, Any] = {}
    total = 0
    async for part in await request.multipart():
        data = await part.read()  # type: ignore[union-attr]
        total += len(data)
        if total > REQUEST_LIMIT + 64 * 1024:
            raise too_large()
        if part.name == "payload_json":  # type: ignore[union-attr]
            payload = orjson.loads(data)
        elif (found := re.fullmatch(r"files\[(\d+)\]", part.name or "")) is not None:  # type: ignore[union-attr]
            files[int(found[1])] = (part.filename or "file", bytes(data))  # type: ignore[union-attr]
    return payload, files


class Rest:
    """The routes. Bot calls need the ``Authorization`` header; interaction and webhook calls need none."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.channel_rate: tuple[int, float] | None = None
        self._sent: dict[int, deque[float]] = {}

    def routes(self) -> list[web.RouteDef]:
        base, hook = "/api/v10", "/api/v10/webhooks/{application:\\d+}/{token}"
        return [
            web.get(f"{base}/users/@me", self._guard(self._me)),
            web.get(f"{base}/oauth2/applications/@me", self._guard(self._application)),
            web.get(f"{base}/gateway/bot", self._guard(self._gateway_bot)),
            web.put(f"{base}/applications/{{application}}/commands", self._guard(self._sync)),
            web.put(f"{base}/applications/{{application}}/guilds/{{guild}}/commands", self._guard(self._sync)),
            web.get(f"{base}/applications/{{application}}/commands", self._guard(self._commands)),
            web.post(f"{base}/interactions/{{interaction}}/{{token}}/callback", self._guard(self._callback, bot=False)),
            web.post(hook, self._guard(self._follow_up, bot=False)),
            web.post(hook.replace("/v10", ""), self._guard(self._follow_up, bot=False)),
            web.get(hook + "/messages/{message}", self._guard(self._read_original, bot=False)),
            web.patch(hook + "/messages/{message}", self._guard(self._edit_original, bot=False)),
            web.delete(hook + "/messages/{message}", self._guard(self._delete_original, bot=False)),
            web.post(f"{base}/channels/{{channel}}/messages", self._guard(self._send)),
            web.patch(f"{base}/channels/{{channel}}/messages/{{message}}", self._guard(self._edit)),
            web.delete(f"{base}/channels/{{channel}}/messages/{{message}}", self._guard(self._delete)),
            web.get(f"{base}/channels/{{channel}}", self._guard(self._channel)),
            web.get(f"{base}/users/{{user}}", self._guard(self._user)),
            web.post(f"{base}/users/@me/channels", self._guard(self._open_private)),
            web.get("/attachments/{id}/{name}", self._attachment),
        ]

    def _guard(self, handler: Handler, *, bot: bool = True) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            self.requests.append(f"{request.method} {request.path}")
            try:
                fault = await self._fault(request)
                if fault is not None:
                    return fault
                if bot and request.headers.get("Authorization") != f"Bot {self.state.token}":
                    raise DiscordError(401, 0, "401: Unauthorized")
                return await handler(request)
            except DiscordError as refused:
                return answer(refused.body(), refused.status)

        return guarded

    async def _fault(self, request: web.Request) -> web.StreamResponse | None:
        for fault in self.faults:
            if fault.times <= 0 or fault.method not in ("*", request.method) or not fault.pattern.search(request.path):
                continue
            fault.times -= 1
            await request.read()
            if fault.delay:
                await wall_sleep(fault.delay)
            if fault.status == 0:
                return None  # only slow
            if fault.status == 429:
                return self._too_many(fault.retry_after, via=fault.via, scope_global=fault.scope_global)
            return answer({"code": fault.code, "message": f"{fault.status}: injected"}, fault.status)
        return None

    @staticmethod
    def _too_many(retry_after: float, *, via: bool = True, scope_global: bool = False) -> web.Response:
        body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": scope_global}
        response = answer(body, 429)
        response.headers["Retry-After"] = str(int(retry_after) + 1)
        response.headers["X-RateLimit-Scope"] = "global" if scope_global else "user"
        if via:
            response.headers["Via"] = "1.1 google"
        return response

    # --- the application -------------------------------------------------------------------------------------------

    async def _me(self, request: web.Request) -> web.Response:
        return answer(self.state.bot.payload())

    async def _application(self, request: web.Request) -> web.Response:
        owner = next(iter(self.state.users.values())).payload()
        return answer(
            {
                "id": str(self.state.application_id),
                "name": self.state.bot.name,
                "icon": None,
                "description": "",
                "bot_public": False,
                "bot_require_code_grant": False,
                "verify_key": "0" * 64,
                "flags": 0,
                "owner": owner,
                "team": None,
            }
        )

    async def _gateway_bot(self, request: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return answer(
            {"url": self.state.base_url.replace("http", "ws") + "/", "shards": 1, "session_start_limit": limit}
        )

    async def _sync(self, request: web.Request) -> web.Response:
        commands = orjson.loads(await request.read())
        check_commands(commands)
        guild = int(request.match_info["guild"]) if "guild" in request.match_info else None
        made = [
            {
                "default_member_permissions": None,
                **command,
                "id": str(self.state.snowflakes.next()),
                "application_id": str(self.state.application_id),
                "version": str(self.state.snowflakes.next()),
                **({"guild_id": str(guild)} if guild else {}),
            }
            for command in commands
        ]
        self.state.commands[guild] = made
        self.state.syncs += 1
        return answer(made)

    async def _commands(self, request: web.Request) -> web.Response:
        return answer(self.state.commands.get(None, []))

    async def _user(self, request: web.Request) -> web.Response:
        user = self.state.users.get(int(request.match_info["user"]))
        if user is None:
            raise DiscordError(404, 10013, "Unknown User")
        return answer(user.payload())

    async def _channel(self, request: web.Request) -> web.Response:
        channel = self._known_channel(request)
        owner = self._private_owner(channel)
        return answer(self.state.channel_payload(channel) if owner is None else self.state.private_payload(owner))

    # --- interactions ----------------------------------------------------------------------------------------------

    async def _callback(self, request: web.Request) -> web.StreamResponse:
        payload, files = await read_body(request)
        interaction = self.state.interactions.get(int(request.match_info["interaction"]))
        try:
            if interaction is None or interaction.token != request.match_info["token"]:
                raise unknown_interaction()
            if interaction.callback_type is not None:
                raise already_acknowledged()
            if monotonic() - interaction.sent_at > self.state.first_answer_seconds:
                raise unknown_interaction()
            self._apply_callback(interaction, int(payload["type"]), payload.get("data") or {}, files)
        except DiscordError as refused:
            if interaction is not None:
                interaction.refusals.append(refused.code)
                self.state.note(f"  ✗ {refused.code} {refused.message}")
            raise
        interaction.callback_type = int(payload["type"])
        interaction.answered_at = monotonic()
        interaction.answered.set()
        self._note_answer(interaction)
        if request.query.get("with_response") not in ("1", "true"):
            return web.Response(status=204)
        return answer(self._callback_answer(interaction))

    def _apply_callback(self, interaction: Interaction, kind: int, data: dict[str, Any], files: Files) -> None:
        component = interaction.type in (3, 5) and interaction.source is not None
        if kind in (DEFERRED_UPDATE, UPDATE) and not component:
            raise invalid("type", "Value is not allowed for this interaction", "BASE_TYPE_CHOICES")
        if (kind == CHOICES) != (interaction.type == 4) or (kind == MODAL and interaction.type == 5):
            raise invalid("type", "Value is not allowed for this interaction", "BASE_TYPE_CHOICES")
        if kind == CHOICES:
            check_choices(data.get("choices") or [])
            interaction.choices = data.get("choices") or []
        elif kind == MODAL:
            check_modal(data)
            interaction.modal = data
        elif kind == DEFERRED:
            if set(data) - {"flags"}:
                raise invalid("data", "Only flags may be set")
            interaction.message = self._new_message(
                interaction, {}, {}, flags=LOADING | (int(data.get("flags") or 0) & EPHEMERAL)
            )
        elif kind == MESSAGE:
            check_message(data, files)
            interaction.message = self._new_message(interaction, data, files, flags=int(data.get("flags") or 0))
        elif kind in (DEFERRED_UPDATE, UPDATE):
            interaction.message = interaction.source
            if kind == UPDATE and interaction.source is not None:
                check_message(data, files, editing=True)
                interaction.source.edits += 1
                self.state.apply(interaction.source, data, files)
        else:
            raise invalid("type", "Value must be one of {1, 4, 5, 6, 7, 8, 9}.", "BASE_TYPE_CHOICES")

    def _new_message(self, interaction: Interaction, data: Mapping[str, Any], files: Files, *, flags: int) -> Message:
        state = self.state
        message = Message(
            state.snowflakes.next(), interaction.channel_id, state.bot, flags=flags, interaction=interaction
        )
        if flags & EPHEMERAL:
            message.visible_to = interaction.user.id
        state.apply(message, {key: value for key, value in data.items() if key != "flags"}, files)
        message.flags = flags
        state.messages[message.id] = message
        return message

    def _callback_answer(self, interaction: Interaction) -> dict[str, Any]:
        body: dict[str, Any] = {"interaction": {"id": str(interaction.id), "type": interaction.type}}
        if interaction.message is not None and interaction.callback_type in (MESSAGE, DEFERRED, UPDATE):
            body["interaction"]["response_message_id"] = str(interaction.message.id)
            body["interaction"]["response_message_ephemeral"] = interaction.message.ephemeral
            body["interaction"]["response_message_loading"] = interaction.message.loading
            body["resource"] = {"type": interaction.callback_type, "message": interaction.message.payload()}
        return body

    def _of_token(self, request: web.Request) -> Interaction:
        interaction = self.state.tokens.get(request.match_info["token"])
        if interaction is None or int(request.match_info["application"]) != self.state.application_id:
            raise DiscordError(404, 10015, "Unknown Webhook")
        if monotonic() - interaction.sent_at > self.state.token_seconds:
            raise DiscordError(401, 50027, "Invalid Webhook Token")
        if interaction.callback_type is None:
            raise DiscordError(404, 10015, "Unknown Webhook")
        return interaction

    async def _follow_up(self, request: web.Request) -> web.StreamResponse:
        hook = self.state.webhooks.get(int(request.match_info["application"]))
        if hook is not None:
            return await self._webhook(request, *hook)
        payload, files = await read_body(request)
        interaction = self._of_token(request)
        check_message(payload, files)
        original = interaction.message
        if original is not None and original.loading:
            self._fill(original, payload, files)
            message = original
        else:
            message = self._new_message(interaction, payload, files, flags=int(payload.get("flags") or 0))
            interaction.followups.append(message)
            self._note_message(message, "↳")
        return answer(message.payload())

    async def _webhook(self, request: web.Request, token: str, channel: int) -> web.StreamResponse:
        """An incoming webhook: an address alone, without a bot."""
        payload, files = await read_body(request)
        if request.match_info["token"] != token:
            raise DiscordError(401, 50027, "Invalid Webhook Token")
        check_message(payload, files)
        author = User(int(request.match_info["application"]), str(payload.get("username") or "webhook"), bot=True)
        message = Message(self.state.snowflakes.next(), channel, author)
        self.state.apply(message, payload, files)
        self.state.messages[message.id] = message
        self._note_message(message, "⇒")
        if request.query.get("wait") not in ("1", "true"):
            return web.Response(status=204)
        return answer({**message.payload(), "webhook_id": str(author.id)})

    def _fill(self, message: Message, payload: Mapping[str, Any], files: Files) -> None:
        message.flags &= ~LOADING
        self.state.apply(message, payload, files)
        self._note_message(message, "→")

    def _message_of(self, request: web.Request, interaction: Interaction) -> Message:
        wanted = request.match_info["message"]
        known = [interaction.message, *interaction.followups]
        found = (
            interaction.message
            if wanted == "@original"
            else next((m for m in known if m and str(m.id) == wanted), None)
        )
        if found is None or found.deleted:
            raise unknown_message()
        return found

    async def _read_original(self, request: web.Request) -> web.Response:
        return answer(self._message_of(request, self._of_token(request)).payload())

    async def _edit_original(self, request: web.Request) -> web.Response:
        payload, files = await read_body(request)
        interaction = self._of_token(request)
        message = self._message_of(request, interaction)
        check_message(payload, files, editing=True)
        if message.loading:
            self._fill(message, payload, files)
        else:
            message.edits += 1
            self.state.apply(message, payload, files)
            self._note_message(message, "✎")
        return answer(message.payload())

    async def _delete_original(self, request: web.Request) -> web.Response:
        message = self._message_of(request, self._of_token(request))
        message.deleted = True
        message.touch()
        self.state.note(f"  🗑 {message.id}")
        return web.Response(status=204)

    # --- channel messages ------------------------------------------------------------------------------------------

    def _private_owner(self, channel: int) -> int | None:
        return next((user for user, private in self.state.private_channels.items() if private == channel), None)

    def _known_channel(self, request: web.Request) -> int:
        channel = int(request.match_info["channel"])
        if self.state.guild_of(channel) is None and self._private_owner(channel) is None:
            raise DiscordError(404, 10003, "Unknown Channel")
        if channel in self.state.forbidden_channels:
            raise DiscordError(403, 50001, "Missing Access")
        if self._private_owner(channel) in self.state.closed_private:
            raise DiscordError(403, 50007, "Cannot send messages to this user")
        return channel

    async def _send(self, request: web.Request) -> web.StreamResponse:
        payload, files = await read_body(request)
        channel = self._known_channel(request)
        if (waiting := self._over_rate(channel)) > 0:
            return self._too_many(waiting)
        check_message(payload, files)
        nonce = payload.get("nonce")
        if nonce is not None and payload.get("enforce_nonce") and str(nonce) in self.state.nonces:
            return answer(self.state.nonces[str(nonce)].payload())
        message = Message(
            self.state.snowflakes.next(), channel, self.state.bot, nonce=str(nonce) if nonce is not None else None
        )
        self.state.apply(message, payload, files)
        message.flags = int(payload.get("flags") or 0)
        self.state.messages[message.id] = message
        if nonce is not None:
            self.state.nonces[str(nonce)] = message
        self._note_message(message, "⇒")
        return answer(message.payload())

    def _over_rate(self, channel: int) -> float:
        if self.channel_rate is None:
            return 0.0
        count, seconds = self.channel_rate
        sent = self._sent.setdefault(channel, deque())
        now = monotonic()
        while sent and sent[0] <= now - seconds:
            sent.popleft()
        if len(sent) >= count:
            return round(sent[0] + seconds - now + 0.001, 3)
        sent.append(now)
        return 0.0

    def _own_message(self, request: web.Request) -> Message:
        message = self.state.messages.get(int(request.match_info["message"]))
        if (
            message is None
            or message.deleted
            or message.ephemeral
            or message.channel_id != self._known_channel(request)
        ):
            raise unknown_message()
        return message

    async def _edit(self, request: web.Request) -> web.Response:
        payload, files = await read_body(request)
        message = self._own_message(request)
        check_message(payload, files, editing=True)
        message.edits += 1
        self.state.apply(message, payload, files)
        self._note_message(message, "✎")
        return answer(message.payload())

    async def _delete(self, request: web.Request) -> web.Response:
        message = self._own_message(request)
        message.deleted = True
        message.touch()
        self.state.note(f"  🗑 {message.id}")
        return web.Response(status=204)

    async def _open_private(self, request: web.Request) -> web.Response:
        payload, _ = await read_body(request)
        user = int(payload["recipient_id"])
        if user not in self.state.users:
            raise DiscordError(400, 50033, "Invalid Recipient(s)")
        return answer(self.state.private_payload(user))

    async def _attachment(self, request: web.Request) -> web.Response:
        for message in self.state.messages.values():
            for item in message.attachments:
                if str(item.id) == request.match_info["id"]:
                    return web.Response(body=item.data, content_type="application/octet-stream")
        return web.Response(status=404)

    # --- transcript ------------------------------------------------------------------------------------------------

    def _note_answer(self, interaction: Interaction) -> None:
        if interaction.callback_type in (MESSAGE, UPDATE) and interaction.message is not None:
            self._note_message(interaction.message, "→")
        elif interaction.callback_type == MODAL and interaction.modal is not None:
            self.state.note(f"  → [창] {interaction.modal['title']}")
        else:
            self.state.note(
                {DEFERRED: "  … 생각 중", DEFERRED_UPDATE: "  … 갱신 중", CHOICES: "  → 자동완성"}.get(
                    interaction.callback_type or 0, "  →"
                )
            )

    def _note_message(self, message: Message, mark: str) -> None:
        text = message.text.replace("\n", "\n      ")
        pictures = "".join(f" [그림 {item.name} {len(item.data) // 1024}kB]" for item in message.attachments)
        buttons = " ".join(f"⟨{label}⟩" for label in message.buttons())
        private = " (나만 보임)" if message.ephemeral else ""
        self.state.note(f"  {mark}{private}{pictures} {text}" + (f"\n      {buttons}" if buttons else ""))
