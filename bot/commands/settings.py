"""설정: strategy and risk settings. Loosening one on real money needs the second factor; tightening does not."""

from __future__ import annotations

from collections.abc import Mapping

from bot.access import Permission
from bot.commands.arguments import TextArgument
from bot.commands.confirm import ask
from bot.commands.registry import Group, command, confirmed
from bot.context import Context, Declined
from bot.inputs import printable
from bot.reply import Reply
from bot.services import Setting
from engine.market import Environment

PLAIN, CODED = "setting", "setting_code"


def number(text: str) -> float:
    """A plain decimal ("5", "-3", "0.5", "5%"). Raises Declined."""
    digits = text.strip().removesuffix("%").replace(",", "")
    unsigned = digits.removeprefix("-")
    whole, point, fraction = unsigned.partition(".")
    plain = unsigned.isascii() and whole.isdigit() and (not point or fraction.isdigit()) and len(unsigned) <= 15
    if not plain:
        raise Declined("bad_number", text=printable(text))
    return float(digits)


def loosens(setting: Setting, value: float) -> bool:
    present = float(setting.value)
    return value > present if setting.higher_is_riskier else value < present


@command(
    "설정",
    "settings",
    description_ko="전략·위험 설정 보기와 바꾸기",
    description_en="Show and change strategy and risk settings",
    permission=Permission.ADMIN,
    group=Group.SYSTEM,
    arguments=(
        TextArgument(
            name="name",
            name_ko="이름",
            description_ko="설정 이름 (비우면 전체 보기)",
            description_en="Name of the setting; empty shows all",
            required=False,
            maximum=40,
        ),
        TextArgument(
            name="value",
            name_ko="값",
            description_ko="새 값",
            description_en="New value",
            required=False,
            maximum=20,
        ),
    ),
    ephemeral=True,
    examples=("설정", "설정 max_positions 2"),
)
async def settings(context: Context, name: str | None, value: str | None) -> Reply:
    desk = context.required(context.services.settings, "settings")
    say = context.say
    listed = list(desk.list())
    if name is None:
        lines = [say("settings_title"), *(_line(context, setting) for setting in listed)]
        return await context.answer("\n".join(lines), stamp=context.stamp())
    setting = next((s for s in listed if name.casefold() in (s.name.casefold(), s.label.casefold())), None)
    if setting is None:
        raise Declined("setting_unknown", name=printable(name))
    if value is None:
        return await context.answer(_line(context, setting), stamp=context.stamp())
    if not setting.adjustable:
        raise Declined("setting_fixed", label=setting.label)
    wanted = number(value)
    if not setting.minimum <= wanted <= setting.maximum:
        raise Declined("setting_range", label=setting.label, low=f"{setting.minimum:g}", high=f"{setting.maximum:g}")
    loose = loosens(setting, wanted)
    kind = CODED if loose and context.services.environment is Environment.REAL else PLAIN
    key = "setting_question_loose" if loose else "setting_question"
    text = say(key, label=setting.label, old=setting.value, new=f"{wanted:g}", unit=setting.unit)
    payload = {"name": setting.name, "value": f"{wanted:g}", "old": setting.value}
    return await ask(context, kind, payload, text, button=say("setting_button"))


def _line(context: Context, setting: Setting) -> str:
    return context.say(
        "setting_line",
        name=setting.name,
        label=setting.label,
        value=setting.value,
        unit=setting.unit,
        low=f"{setting.minimum:g}",
        high=f"{setting.maximum:g}",
    )


async def _change(context: Context, payload: Mapping[str, str]) -> Reply:
    desk = context.required(context.services.settings, "settings")
    present = next((s for s in desk.list() if s.name == payload["name"]), None)
    if present is None or present.value != payload["old"]:
        raise Declined("setting_changed_meanwhile")
    try:
        changed = await desk.change(payload["name"], payload["value"], context.user.key)
    except ValueError as problem:
        raise Declined("refused_with_reason", reason=printable(str(problem), 200)) from problem
    text = context.say("setting_done", label=changed.label, value=changed.value, unit=changed.unit)
    return await context.answer(text, stamp=context.stamp())


confirmed(PLAIN, permission=Permission.ADMIN)(_change)
confirmed(CODED, permission=Permission.ADMIN, second_factor=True)(_change)
