"""비상: entries stop and open orders go at once, without a question; selling everything takes one confirmation."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from bot.access import Permission
from bot.commands.confirm import ask
from bot.commands.registry import Group, command, confirmed
from bot.context import Context
from bot.reply import Reply

logger = logging.getLogger(__name__)


@command(
    "비상",
    "panic",
    description_ko="지금 진입을 막고 미체결을 모두 취소합니다. 전량 매도는 한 번 더 묻습니다",
    description_en="Stop entries and cancel all open orders now; selling all is asked once",
    permission=Permission.TRADER,
    group=Group.BOT,
    aliases=("halt",),
    ephemeral=True,
    any_age=True,
)
async def panic(context: Context) -> Reply:
    say = context.say
    try:
        cancelled = await context.services.orders.panic(context.user.key)
    except Exception:
        # The person must know that nothing is sure now, whatever the reason.
        logger.exception("panic failed")
        return Reply(text=say("panic_failed"), error=True)
    done = say("panic_done", cancelled=cancelled)
    try:
        await context.services.trader.stop(context.user.key)
        positions = await context.services.orders.positions()
        if not positions:
            return await context.answer(f"{done}\n{say('panic_nothing')}", stamp=context.stamp(account=True))
        names = ", ".join(f"{p.stock.name} {p.quantity:,}" for p in positions[:8])
        question = say("panic_question", count=len(positions), names=names)
        reply = await ask(context, "flatten", {}, f"{done}\n{question}", button=say("panic_button"))
        # A panic is always a new message: an old one may not be editable any more.
        return replace(reply, edit=False)
    except Exception:
        logger.exception("panic: the question could not be asked")
        return Reply(text=f"{done}\n{say('panic_no_question')}", error=True)


@confirmed("flatten", permission=Permission.TRADER)
async def flatten(context: Context, payload: Mapping[str, str]) -> Reply:
    sent = await context.services.orders.flatten(context.user.key)
    rows = ((context.again("button_orders", "orders"), context.again("button_balance", "balance")),)
    return await context.answer(context.say("panic_selling", count=sent), stamp=context.stamp(account=True), rows=rows)
