"""알림: what is pushed, what comes silently, what not at all - per person and kind."""

from __future__ import annotations

from bot.access import Permission
from bot.alerts import LEVELS, AlertKind, Level, alert_levels, level_preference
from bot.commands.arguments import Choice, ChoiceArgument
from bot.commands.registry import Group, command
from bot.context import Context
from bot.reply import Button, Reply, grid
from bot.texts import CATALOGUES

KINDS = tuple(
    Choice(kind.value, CATALOGUES["ko"][f"alert_kind_{kind.value}"], CATALOGUES["en"][f"alert_kind_{kind.value}"])
    for kind in AlertKind
)
LEVEL_CHOICES = tuple(
    Choice(level.value, CATALOGUES["ko"][f"alert_level_{level.value}"], CATALOGUES["en"][f"alert_level_{level.value}"])
    for level in Level
)


@command(
    "알림",
    "alerts",
    description_ko="알림 종류별로 켜기, 조용히, 끄기",
    description_en="Per kind of alert: on, silent or off",
    permission=Permission.TRADER,
    group=Group.SYSTEM,
    arguments=(
        ChoiceArgument(
            name="kind",
            name_ko="종류",
            description_ko="알림 종류 (비우면 전체 보기)",
            description_en="Kind of alert; empty shows all",
            choices=KINDS,
            required=False,
        ),
        ChoiceArgument(
            name="level",
            name_ko="수준",
            description_ko="켬, 조용히, 끔",
            description_en="on, silent, off",
            choices=LEVEL_CHOICES,
            required=False,
        ),
    ),
    ephemeral=True,
    examples=("알림", "알림 접수 끔"),
)
async def alerts(context: Context, kind: str | None, level: str | None) -> Reply:
    store, say = context.plane.store, context.say
    note = ""
    if kind is not None:
        levels = await alert_levels(store, context.user.key)
        present = levels[AlertKind(kind)]
        chosen = Level(level) if level else LEVELS[(LEVELS.index(present) + 1) % len(LEVELS)]
        await store.prefer(context.user.key, level_preference(AlertKind(kind)), chosen.value)
        note = say("alert_changed", kind=say(f"alert_kind_{kind}"), level=say(f"alert_level_{chosen.value}"))
    levels = await alert_levels(store, context.user.key)
    lines = [note] if note else []
    lines.append(say("alerts_title"))
    lines += [
        say("alert_line", kind=say(f"alert_kind_{name.value}"), level=say(f"alert_level_{chosen.value}"))
        for name, chosen in levels.items()
    ]
    buttons = [
        Button(
            say("alert_line", kind=say(f"alert_kind_{name.value}"), level=say(f"alert_level_{chosen.value}")),
            f"c:alerts:{name.value}",
        )
        for name, chosen in levels.items()
    ]
    return await context.answer("\n".join(lines), rows=grid(buttons, 3))
