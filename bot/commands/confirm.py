"""The two buttons under every question that must be confirmed: yes, once, in time, by the same person; or no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.access import Permission
from bot.commands.registry import action, registry
from bot.confirmations import CONFIRM_SECONDS, Refusal
from bot.context import Context, Declined
from bot.reply import Button, ButtonKind, ButtonStyle, Form, FormField, Reply

YES, YES_WITH_CODE, NO = "y", "yc", "n"


async def ask(
    context: Context,
    kind: str,
    payload: Mapping[str, str],
    text: str,
    *,
    button: str,
    seconds: float = CONFIRM_SECONDS,
    style: ButtonStyle = ButtonStyle.DANGER,
) -> Reply:
    """A question with its two buttons. What is done later is what is kept now."""
    confirmation = await context.plane.confirmations.ask(
        kind, context.user.key, payload, message=context.incoming.message, seconds=seconds
    )
    coded = registry.confirmed(kind).second_factor
    prefix = YES_WITH_CODE if coded else YES
    yes = Button(button, f"{prefix}:{confirmation.id}", style, ButtonKind.FORM if coded else ButtonKind.ACTION)
    no = Button(context.say("button_no"), f"{NO}:{confirmation.id}")
    return Reply(
        text=f"{text}\n{context.say('confirm_within', seconds=round(seconds))}",
        rows=((yes, no),),
        edit=bool(context.incoming.message),
        ephemeral=True,
        binding=confirmation.binding,
    )


def _code_form(parts: Sequence[str], context: Context) -> Form | None:
    field = FormField("code", context.say("field_code"), context.say("field_code_hint"), secret=True)
    return Form(context.say("form_code"), (field,), f"{YES_WITH_CODE}:{parts[0]}") if parts else None


async def _confirm(context: Context, parts: Sequence[str], answers: Mapping[str, str], *, coded: bool) -> Reply:
    identity = parts[0] if parts else ""
    kept = await context.plane.confirmations.peek(identity)
    if kept is None:
        raise Declined("confirm_gone")
    kind = registry.confirmed(kept.kind)
    if not context.user.may(kind.permission):
        raise Declined("refused_role")
    if kind.second_factor:
        if not coded:
            raise Declined("code_needed")
        arming = context.services.arming
        if arming is None:
            raise Declined("code_not_set_up")
        await arming.check_code(answers.get("code", ""), context.user.key)
    result = await context.plane.confirmations.consume(identity, context.user.key, context.incoming.message)
    if isinstance(result, Refusal):
        return Reply(text=context.say(f"confirm_{result.value}"), edit=result in (Refusal.EXPIRED, Refusal.GONE))
    return await kind.handler(context, result.payload)


@action(YES, permission=Permission.VIEWER, ephemeral=True)
async def yes(context: Context, parts: Sequence[str], answers: Mapping[str, str]) -> Reply:
    return await _confirm(context, parts, answers, coded=False)


@action(YES_WITH_CODE, permission=Permission.VIEWER, ephemeral=True, form=_code_form)
async def yes_with_code(context: Context, parts: Sequence[str], answers: Mapping[str, str]) -> Reply:
    return await _confirm(context, parts, answers, coded=True)


@action(NO, permission=Permission.VIEWER, ephemeral=True)
async def no(context: Context, parts: Sequence[str], answers: Mapping[str, str]) -> Reply:
    kept = await context.plane.confirmations.peek(parts[0] if parts else "")
    if kept is None:
        raise Declined("confirm_gone")
    result = await context.plane.confirmations.consume(kept.id, context.user.key, context.incoming.message)
    if isinstance(result, Refusal):
        return Reply(text=context.say(f"confirm_{result.value}"), edit=result is Refusal.EXPIRED)
    return Reply(text=context.say("confirm_cancelled"), edit=True)
