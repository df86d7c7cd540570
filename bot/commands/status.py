"""상태, 점검: what the service is doing, and whether its parts are well."""

from __future__ import annotations

from bot.access import Permission
from bot.commands.registry import Group, command
from bot.context import Context
from bot.format import clock_time, day_time
from bot.reply import Reply


@command(
    "상태",
    "status",
    description_ko="봇, 진입 가능 여부, 연결, 마지막 선별",
    description_en="Bot, entries, connection, last screening",
    permission=Permission.VIEWER,
    group=Group.SYSTEM,
)
async def status(context: Context) -> Reply:
    services, say = context.services, context.say
    found = services.trader.status()
    now = context.now()
    phase = services.calendar.phase(now)
    lines = [
        say("status_bot_running", by=found.started_by, at=day_time(found.started_at))
        if found.running and found.started_at is not None
        else say("status_bot_stopped"),
        say("status_entries_open")
        if found.entries_allowed
        else say("status_entries_shut", reason=found.entries_reason),
        say("status_market", phase=say(f"phase_{phase.value}"), at=clock_time(now)),
        say("status_stream_on" if found.stream_connected else "status_stream_off")
        + (say("status_last_tick", at=clock_time(found.last_tick)) if found.last_tick is not None else ""),
        say("status_positions", count=found.positions, maximum=found.maximum_positions),
    ]
    if found.last_screening is not None:
        lines.append(
            say(
                "status_screening",
                at=clock_time(found.last_screening),
                evaluated=f"{found.stocks_evaluated:,}",
                reached=f"{found.reached_entry:,}",
                threshold=f"{services.entry_threshold:g}",
            )
        )
    if found.armed_until is not None:
        lines.append(say("armed_until", until=day_time(found.armed_until)))
    if context.user.may(Permission.TRADER):
        lines += [say("status_latch", message=latch.message) for latch in await services.orders.latches()]
    lines += [f"· {note}" for note in found.notes]
    lines += [say("part_off", part=say(f"part_{part}"), reason=reason) for part, reason in services.off.items()]
    rows = (
        (
            context.again("button_stop", "stop") if found.running else context.again("button_start", "start"),
            context.again("button_approve", "approve")
            if not found.entries_allowed
            else context.again("button_pause", "pause"),
            context.again("button_health", "health"),
            context.again("button_refresh", "status"),
        ),
    )
    return await context.answer("\n".join(lines), stamp=context.stamp(), rows=rows if _trader(context) else ())


def _trader(context: Context) -> bool:
    return context.user.may(Permission.TRADER)


@command(
    "점검",
    "health",
    description_ko="디스크, 시계, 연결, 일지, 예측 등 부품 점검",
    description_en="Check disk, clock, connections, journal and other parts",
    permission=Permission.VIEWER,
    group=Group.SYSTEM,
    slow=True,
)
async def health(context: Context) -> Reply:
    say = context.say
    checker = context.required(context.services.health, "health")
    checks = await checker.checks()
    bad = [check for check in checks if not check.well]
    lines = [say("health_well", count=len(checks)) if not bad else say("health_bad", count=len(bad), all=len(checks))]
    for check in [*bad, *(check for check in checks if check.well)]:
        mark = "✓" if check.well else "✗"
        lines.append(f"{mark} {check.name}: {check.detail}")
        if not check.well and check.advice:
            lines.append(f"   → {check.advice}")
    rows = ((context.again("button_refresh", "health"), context.again("button_status", "status")),)
    return await context.answer("\n".join(lines), stamp=context.stamp(), rows=rows)
