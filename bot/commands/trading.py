"""봇시작, 봇중지, 일시정지, 진입승인: automatic trading, and the intent that real money needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.access import Permission
from bot.commands.confirm import ask
from bot.commands.registry import Group, action, command, confirmed
from bot.context import Context, Declined
from bot.format import day_time
from bot.inputs import printable
from bot.reply import Button, ButtonKind, ButtonStyle, Form, FormField, Reply, Row
from engine.market import Environment

CONSENT = "consent.real"
CONSENT_SECONDS = 300.0
LATCH, ADOPT, ALLOW = "unlatch", "adopt", "allow"


@command(
    "봇시작",
    "start",
    description_ko="자동매매를 시작합니다 (실전은 동의·계좌 확인·일회용 코드)",
    description_en="Start automatic trading (real money asks for consent and a code)",
    permission=Permission.TRADER,
    group=Group.BOT,
    ephemeral=True,
)
async def start(context: Context) -> Reply:
    step = await _next_arming_step(context)
    return step if step is not None else await _started(context)


async def _started(context: Context) -> Reply:
    try:
        note = await context.services.trader.start(context.user.key)
    except ValueError as problem:
        raise Declined("refused_with_reason", reason=printable(str(problem), 200)) from problem
    lines = [context.say("bot_started", environment=context.environment)]
    if note:
        lines.append(note)
    lines.append(context.say("bot_started_how", threshold=f"{context.services.entry_threshold:g}"))
    return await context.answer("\n".join(lines), stamp=context.stamp(account=True), rows=_bot_rows(context))


def _bot_rows(context: Context) -> tuple[Row, ...]:
    return (
        (
            context.again("button_status", "status"),
            context.again("button_pause", "pause"),
            context.again("button_stop", "stop"),
        ),
    )


async def _next_arming_step(context: Context) -> Reply | None:
    """What 실전 still needs before entries: consent once, account digits once, a code for the day. None: nothing."""
    if context.services.environment is not Environment.REAL:
        return None
    say = context.say
    if not await context.plane.store.preference(context.user.key, CONSENT):
        text = f"{say('consent_question')}\n{say('disclaimer')}"
        return await ask(
            context,
            "consent",
            {},
            text,
            button=say("consent_button"),
            seconds=CONSENT_SECONDS,
            style=ButtonStyle.PRIMARY,
        )
    arming = context.services.arming
    if arming is None:
        raise Declined("code_not_set_up")
    if not arming.account_confirmed:
        return _form_reply(context, "arm_account", "arm_account_button", "a:digits")
    until = context.services.trader.status().armed_until
    if until is None or until <= context.now():
        return _form_reply(context, "arm_code", "arm_code_button", "a:code")
    return None


def _form_reply(context: Context, text: str, label: str, pressed: str) -> Reply:
    button = Button(context.say(label), pressed, ButtonStyle.DANGER, ButtonKind.FORM)
    return Reply(text=context.say(text), rows=((button,),), edit=bool(context.incoming.message), ephemeral=True)


@confirmed("consent", permission=Permission.TRADER)
async def consented(context: Context, payload: Mapping[str, str]) -> Reply:
    await context.plane.store.prefer(context.user.key, CONSENT, context.plane.wall.now().isoformat())
    step = await _next_arming_step(context)
    return step if step is not None else await _started(context)


def arming_form(parts: Sequence[str], context: Context) -> Form | None:
    verb = parts[0] if parts else ""
    if verb not in ("digits", "code"):
        return None
    field = FormField(verb, context.say(f"field_{verb}"), context.say(f"field_{verb}_hint"), secret=True)
    return Form(context.say(f"form_{verb}"), (field,), f"a:{verb}")


@action("a", permission=Permission.TRADER, ephemeral=True, form=arming_form)
async def arm(context: Context, parts: Sequence[str], answers: Mapping[str, str]) -> Reply:
    arming = context.services.arming
    if arming is None:
        raise Declined("code_not_set_up")
    verb = parts[0] if parts else ""
    if verb == "digits":
        await arming.confirm_account(answers.get("digits", "").strip(), context.user.key)
    elif verb == "code":
        if not await context.plane.store.preference(context.user.key, CONSENT) or not arming.account_confirmed:
            raise Declined("arm_order")
        await arming.arm(answers.get("code", "").strip(), context.user.key)
    else:
        raise Declined("unknown_button")
    step = await _next_arming_step(context)
    return step if step is not None else await _started(context)


@command(
    "봇중지",
    "stop",
    description_ko="자동매매를 멈춥니다. 보유 종목의 손절·익절 감시는 계속됩니다",
    description_en="Stop automatic entries; exits of what is held stay watched",
    permission=Permission.TRADER,
    group=Group.BOT,
    ephemeral=True,
)
async def stop(context: Context) -> Reply:
    await context.services.trader.stop(context.user.key)
    rows = ((context.again("button_start", "start"), context.again("button_status", "status")),)
    return await context.answer(context.say("bot_stopped"), stamp=context.stamp(account=True), rows=rows)


@command(
    "일시정지",
    "pause",
    description_ko="새 진입만 멈춥니다. 진입승인으로 다시 엽니다",
    description_en="Stop new entries only; approve opens them again",
    permission=Permission.TRADER,
    group=Group.BOT,
    ephemeral=True,
)
async def pause(context: Context) -> Reply:
    await context.services.trader.pause(context.user.key)
    rows = ((context.again("button_approve", "approve"), context.again("button_status", "status")),)
    return await context.answer(context.say("bot_paused"), stamp=context.stamp(account=True), rows=rows)


@command(
    "진입승인",
    "approve",
    description_ko="멈춘 진입을 다시 엽니다: 일시정지, 보호 장치, 잔고 차이, 실전 일회용 코드",
    description_en="Open entries again: pause, latches, differences, the code of the day",
    permission=Permission.TRADER,
    group=Group.BOT,
    ephemeral=True,
)
async def approve(context: Context) -> Reply:
    step = await _next_arming_step(context)
    if step is not None:
        return step
    services, say = context.services, context.say
    latches = await services.orders.latches()
    if latches:
        first = latches[0]
        lines = [say("latch_title", count=len(latches)), *(f"· {printable(latch.message, 200)}" for latch in latches)]
        lines.append(say("latch_question", message=printable(first.message, 120)))
        kind = LATCH if services.environment is not Environment.REAL else f"{LATCH}_code"
        return await ask(context, kind, {"rule": first.rule}, "\n".join(lines), button=say("latch_button"))
    differences = await services.orders.differences()
    if differences:
        code, journal, broker = differences[0]
        name = context.stock(code).name
        text = say(
            "difference_question", name=name, journal=f"{journal:,}", broker=f"{broker:,}", count=len(differences)
        )
        payload = {"code": code, "broker": str(broker)}
        return await ask(context, ADOPT, payload, text, button=say("difference_button"))
    if services.trader.status().entries_allowed:
        return await context.answer(say("entries_open"), stamp=context.stamp(account=True), rows=_bot_rows(context))
    why = services.trader.status().entries_reason or "–"
    return await ask(context, ALLOW, {}, say("allow_question", reason=why), button=say("allow_button"))


async def _unlatch(context: Context, payload: Mapping[str, str]) -> Reply:
    await context.services.orders.unlatch(payload["rule"], context.user.key)
    left = await context.services.orders.latches()
    text = context.say("latch_released") if not left else context.say("latch_left", count=len(left))
    rows = ((context.again("button_approve", "approve"),),)
    return await context.answer(text, stamp=context.stamp(account=True), rows=rows)


confirmed(LATCH, permission=Permission.TRADER)(_unlatch)
confirmed(f"{LATCH}_code", permission=Permission.TRADER, second_factor=True)(_unlatch)


@confirmed(ADOPT, permission=Permission.TRADER)
async def adopt(context: Context, payload: Mapping[str, str]) -> Reply:
    code = payload["code"]
    now = {code: broker for code, _, broker in await context.services.orders.differences()}
    if now.get(code) != int(payload["broker"]):
        raise Declined("difference_changed")
    await context.services.orders.adopt(code, context.user.key)
    text = context.say("difference_adopted", name=context.stock(code).name, broker=f"{now[code]:,}")
    rows = ((context.again("button_approve", "approve"),),)
    return await context.answer(text, stamp=context.stamp(account=True), rows=rows)


@confirmed(ALLOW, permission=Permission.TRADER)
async def allow(context: Context, payload: Mapping[str, str]) -> Reply:
    if await context.services.orders.latches() or await context.services.orders.differences():
        raise Declined("allow_changed")
    await context.services.orders.allow_entries(context.user.key)
    await context.services.trader.resume(context.user.key)
    status = context.services.trader.status()
    key = "entries_opened" if status.running else "entries_opened_stopped"
    text = context.say(key)
    if context.services.environment is Environment.REAL and status.armed_until is not None:
        text += "\n" + context.say("armed_until", until=day_time(status.armed_until))
    return await context.answer(text, stamp=context.stamp(account=True), rows=_bot_rows(context))
