"""docs/commands.md, written from the registry: it can be out of date only until the tests run."""

from __future__ import annotations

from bot.access import Permission
from bot.commands.arguments import ChoiceArgument
from bot.commands.registry import Command, Group, Registry
from bot.texts import Texts

_WHO = {Permission.VIEWER: "V", Permission.TRADER: "T", Permission.ADMIN: "A"}


def commands_page(registry: Registry) -> str:
    """The whole page as Markdown."""
    say = Texts("ko")
    lines = [
        "# 명령",
        "",
        "이 문서는 명령 등록부에서 만들어집니다: `python -m bot.commands_page > docs/commands.md`",
        "",
        "디스코드에서는 `/차트`, 텔레그램에서는 `/chart`, 콘솔과 대화창에서는 `차트 삼성전자 15분`처럼 씁니다. 종목은 코드, 이름,",
        "이름 일부, 초성(ㅅㅅㅈㅈ)으로 찾습니다. 권한: V 보기, T 거래, A 관리. 위 권한은 아래 권한을 포함합니다.",
        "",
        "All commands come from one registry; the English name is also the Telegram command.",
    ]
    for group in Group:
        found = [command for command in registry.commands() if command.group is group]
        lines += [
            "",
            f"## {say(f'group_{group.value}')}",
            "",
            "| 명령 | English | 권한 | 설명 |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            f"| {command.name_ko} | `{command.name_en}` | {_WHO[command.permission]} | {command.description_ko} |"
            for command in found
        ]
        for command in found:
            lines += _detail(command)
    return "\n".join(lines) + "\n"


def _detail(command: Command) -> list[str]:
    if not command.arguments and not command.aliases:
        return []
    usage = command.usage().replace("<", "&lt;").replace(">", "&gt;")
    lines = ["", f"### {usage}", "", f"{command.description_en}.", ""]
    for argument in command.arguments:
        choices = ""
        if isinstance(argument, ChoiceArgument):
            choices = " – " + ", ".join(f"{choice.label_ko} (`{choice.value}`)" for choice in argument.choices)
        need = "필수" if argument.required else "선택"
        lines.append(f"- **{argument.name_ko}** (`{argument.name}`, {need}): {argument.description_ko}{choices}")
    if command.aliases:
        lines.append(f"- 다른 이름: {', '.join(f'`{alias}`' for alias in command.aliases)}")
    if command.examples:
        lines.append(f"- 예: {', '.join(f'`{example}`' for example in command.examples)}")
    return lines


if __name__ == "__main__":
    import sys

    from bot.commands.registry import load

    sys.stdout.write(commands_page(load()))
