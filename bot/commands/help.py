"""도움말: every command this person may use, or one in detail. Written by the registry itself."""

from __future__ import annotations

from bot.access import Permission
from bot.commands.arguments import TextArgument
from bot.commands.registry import Command, Group, UnknownCommand, command
from bot.context import Context, Declined
from bot.inputs import printable
from bot.reply import Reply


def detail(context: Context, found: Command) -> str:
    say, language = context.say, context.language
    lines = [
        say("help_names", ko=found.name_ko, en=found.name_en, role=say(f"role_{found.permission.name.lower()}")),
        found.description(language),
        say("help_usage", usage=found.usage(language)),
    ]
    lines += [f"· {argument.label(language)}: {argument.description(language)}" for argument in found.arguments]
    if found.examples:
        lines.append(say("help_examples", examples=" / ".join(found.examples)))
    return "\n".join(lines)


@command(
    "도움말",
    "help",
    description_ko="쓸 수 있는 명령 목록 또는 한 명령의 설명",
    description_en="Commands you may use, or one of them in detail",
    permission=Permission.VIEWER,
    group=Group.SYSTEM,
    arguments=(
        TextArgument(
            name="about",
            name_ko="명령",
            description_ko="명령 이름 (비우면 전체)",
            description_en="A command's name; empty lists all",
            required=False,
            maximum=32,
        ),
    ),
    ephemeral=True,
)
async def help_command(context: Context, about: str | None) -> Reply:
    registry, say = context.plane.registry, context.say
    if about is not None:
        try:
            found = registry.find(about)
        except UnknownCommand:
            raise Declined("unknown_command", text=printable(about)) from None
        if not context.user.may(found.permission):
            raise Declined("refused_role")
        return await context.answer(detail(context, found))
    lines = [say("help_title", environment=context.environment)]
    for group in Group:
        commands = [c for c in registry.commands() if c.group is group and context.user.may(c.permission)]
        if commands:
            lines.append(say("help_group", group=say(f"group_{group.value}")))
            lines += [f"{c.name_ko} ({c.name_en}) – {c.description(context.language)}" for c in commands]
    lines.append(say("help_more"))
    lines.append(say("disclaimer"))
    return await context.answer("\n".join(lines))
