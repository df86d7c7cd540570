"""The catalogue: both languages whole, every used key present, no text for people outside it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bot.access import Decision, Permission
from bot.alerts import AlertKind, Level
from bot.commands.registry import Group
from bot.confirmations import Refusal
from bot.texts import CATALOGUES, Texts, placeholders, with_particles
from engine.broker import OrderType
from engine.market import Environment, Phase, Side
from engine.results import Sentiment, Verdict

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    *sorted((ROOT / "bot" / "commands").glob("*.py")),
    *(
        ROOT / "bot" / f"{name}.py"
        for name in (
            "context",
            "dispatch",
            "problems",
            "ticket_orders",
            "ticket_view",
            "works",
            "alert_texts",
            "inputs",
            "stock_search",
            "commands_page",
        )
    ),
]
KEYED = {"say", "Declined", "BadArgument", "again", "press", "typed", "_form_reply"}
HANGUL = re.compile("[가-힣]")


def families() -> set[str]:
    """Keys that are put together from a value."""
    made = {f"side_{side.value}" for side in Side} | {f"type_{kind.value}" for kind in OrderType}
    made |= {f"phase_{phase.value}" for phase in Phase} | {f"role_{role.name.lower()}" for role in Permission}
    made |= {f"environment_{environment.value}" for environment in Environment}
    made |= {f"group_{group.value}" for group in Group} | {f"confirm_{why.value}" for why in Refusal}
    made |= {f"refused_{why.value}" for why in Decision if why is not Decision.ALLOWED}
    made |= {f"verdict_{verdict.value}" for verdict in Verdict} | {f"sentiment_{s.value}" for s in Sentiment}
    made |= {f"direction_{name}" for name in ("stronger", "weaker", "neutral")}
    made |= {f"alert_kind_{kind.value}" for kind in AlertKind} | {f"alert_level_{level.value}" for level in Level}
    for outcome in ("accepted", "denied", "rejected", "not_sent", "unknown"):
        made |= {f"order_{outcome}", f"cancel_{outcome}"}
    for field in ("price", "quantity", "target", "code", "digits"):
        made |= {f"form_{field}", f"field_{field}", f"field_{field}_hint"}
    parts = (
        "screener",
        "forecasts",
        "analysis",
        "backtest",
        "model",
        "health",
        "settings",
        "structure",
        "indices",
        "charts",
    )
    return made | {f"part_{part}" for part in parts}


def strings(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    return strings(node.body) + strings(node.orelse) if isinstance(node, ast.IfExp) else []


def used_keys(path: Path) -> dict[str, set[str] | None]:
    """Key → the names of its values at that call (None where they are passed on)."""
    found: dict[str, set[str] | None] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in KEYED:
            continue
        position = 1 if name == "_form_reply" else 0
        for key in strings(node.args[position]):
            names = {keyword.arg for keyword in node.keywords}
            direct = name == "say" and None not in names
            found[key] = {n for n in names if n is not None} if direct else None
    return found


def test_both_languages_have_the_same_keys_and_values() -> None:
    korean, english = CATALOGUES["ko"], CATALOGUES["en"]
    assert set(korean) == set(english)
    assert {key: placeholders(text) for key, text in korean.items()} == {
        key: placeholders(text) for key, text in english.items()
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_key_that_is_used_exists_with_its_values(path: Path) -> None:
    korean = CATALOGUES["ko"]
    for key, names in used_keys(path).items():
        assert key in korean, f"{path.name}: {key}"
        if names is not None:
            assert placeholders(korean[key]) <= names, f"{path.name}: {key}"


def test_every_family_is_complete() -> None:
    missing = families() - set(CATALOGUES["ko"])
    assert not missing


def test_no_key_is_left_over() -> None:
    used = families()
    for path in SOURCES:
        used |= set(used_keys(path))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)
    assert not set(CATALOGUES["ko"]) - used


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parent.name == "commands"], ids=lambda path: path.name)
def test_handlers_hold_no_text_for_people(path: Path) -> None:
    found = []
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        documented = ast.get_docstring(function, clean=False)
        for part in function.body:
            for node in ast.walk(part):
                text = node.value if isinstance(node, ast.Constant) else None
                if isinstance(text, str) and text != documented and HANGUL.search(text):
                    found.append(f"{function.name}: {text!r}")
    assert not found


def test_english_texts_hold_no_hangul_and_korean_ones_do() -> None:
    assert not {key for key, text in CATALOGUES["en"].items() if HANGUL.search(text)}
    words = {key for key, text in CATALOGUES["ko"].items() if re.sub(r"\{\w+\}|[^A-Za-z가-힣]", "", text)}
    assert {key for key in words if not HANGUL.search(CATALOGUES["ko"][key])} <= {"price_title"}


def test_a_missing_key_or_value_is_an_error_not_a_blank() -> None:
    say = Texts("ko")
    with pytest.raises(KeyError):
        say("there_is_no_such_key")
    with pytest.raises(KeyError):
        say("and_more")


def test_values_with_braces_are_shown_as_they_are() -> None:
    assert Texts("ko")("no_stock", text="{x} {0} %s") == "'{x} {0} %s'에 맞는 종목이 없습니다."


def test_only_confirmed_fills_are_called_fills() -> None:
    fills = {"alert_bought", "alert_sold", "alert_part"}
    named = {key for key, text in CATALOGUES["ko"].items() if key.startswith(("alert_", "order_")) and "체결" in text}
    assert named - fills == {"order_accepted"}  # "체결되면 알려 드립니다"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("삼성전자을(를)", "삼성전자를"),
        ("삼성물산을(를)", "삼성물산을"),
        ("'종목'이(가)", "'종목'이"),
        ("'없는회사'은(는)", "'없는회사'는"),
        ("3종목(으)로", "3종목으로"),
        ("73,000(으)로", "73,000으로"),
        ("서울(으)로", "서울로"),
        ("바다(으)로", "바다로"),
        ("8(으)로", "8로"),
        ("72이(가)", "72가"),
        ("SKC을(를)", "SKC을(를)"),
    ],
)
def test_particles_follow_the_sound_before(text: str, expected: str) -> None:
    assert with_particles(text) == expected
