"""The registry: complete, consistent, within the platforms' limits, and the source of the docs page."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.access import Permission
from bot.commands.arguments import Choice, ChoiceArgument, StockArgument, TextArgument
from bot.commands.registry import Command, Group, Registry, UnknownCommand, load
from bot.commands_page import commands_page
from bot.reply import Reply
from bot.stock_search import StockSearch
from tests.bot.fakes import FakeListing

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = load()
STOCKS = StockSearch(FakeListing())

CONTRACT = """시세 price V · 지수 indices V · 차트 chart V · 호가 book V · 종목 stocks V · 추천 recommend V · 점수 score V ·
예측 predict V · 모델 model V · 분석 analyze V · 뉴스 news V · 리포트 report V · 매수 buy T · 매도 sell T · 주문 ticket T ·
취소 cancel T · 주문내역 orders T · 잔고 balance T · 포트폴리오 portfolio T · 히트맵 heatmap V · 성과 performance T ·
백테스트 backtest V · 관심 watch T · 알림 alerts T · 봇시작 start T · 봇중지 stop T · 일시정지 pause T · 진입승인 approve T ·
비상 panic T · 상태 status V · 점검 health V · 설정 settings A · 도움말 help V"""


def test_exactly_the_agreed_commands_exist() -> None:
    agreed = {tuple(entry.split()) for entry in CONTRACT.replace("\n", " ").split("·")}
    present = {(c.name_ko, c.name_en, c.permission.name[0]) for c in REGISTRY.commands()}
    assert present == agreed


def test_every_command_fits_discord_and_telegram() -> None:
    for command in REGISTRY.commands():
        assert len(command.arguments) <= 25
        names = [argument.name for argument in command.arguments]
        assert len(set(names)) == len(names)
        for argument in command.arguments:
            assert argument.name.isascii()
            if isinstance(argument, ChoiceArgument):
                assert len(argument.choices) <= 25
                assert all(choice.value.isascii() for choice in argument.choices)
        size = sum(
            len(text)
            for text in (
                command.name_ko,
                command.description_ko,
                *(a.name_ko + a.description_ko for a in command.arguments),
                *(
                    choice.label_ko + choice.value
                    for a in command.arguments
                    if isinstance(a, ChoiceArgument)
                    for choice in a.choices
                ),
            )
        )
        assert size <= 8_000


def test_only_the_kill_switch_ignores_age() -> None:
    assert [c.name_en for c in REGISTRY.commands() if c.any_age] == ["panic"]
    assert not [action.prefix for action in REGISTRY.actions() if action.any_age]


def test_what_touches_the_account_is_for_the_asker_alone() -> None:
    for command in REGISTRY.commands():
        if command.permission >= Permission.TRADER:
            assert command.ephemeral, command.name_en


def test_the_docs_page_is_current() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert page == commands_page(REGISTRY), "python -m bot.commands_page > docs/commands.md"


def test_each_command_module_is_found_by_itself() -> None:
    modules = {command.module for command in REGISTRY.commands()}
    files = {path.stem for path in (ROOT / "bot" / "commands").glob("*.py")}
    used = {module.rpartition(".")[2] for module in modules}
    assert files - used == {"__init__", "registry", "arguments", "confirm"}


async def _nothing(context: object) -> Reply:
    return Reply()


def _command(**more: object) -> Command:
    values: dict[str, object] = {
        "name_ko": "시험",
        "name_en": "trial",
        "description_ko": "설명",
        "description_en": "text",
        "permission": Permission.VIEWER,
        "group": Group.SYSTEM,
        "handler": _nothing,
    }
    return Command(**{**values, **more})  # type: ignore[arg-type]


def test_impossible_commands_are_refused_at_registration() -> None:
    registry = Registry()
    registry.add(_command())
    optional = TextArgument(name="a", name_ko="가", description_ko="가", description_en="a", required=False)
    for bad in (
        {},
        {"name_en": "차트", "name_ko": "하나"},
        {"name_en": "Chart", "name_ko": "하나"},
        {"name_en": "one", "name_ko": "하나 둘"},
        {"name_en": "one", "name_ko": "하나", "description_ko": "가" * 101},
        {"name_en": "one", "name_ko": "하나", "aliases": ("trial",)},
        {"name_en": "one", "name_ko": "하나", "arguments": (optional, StockArgument())},
    ):
        with pytest.raises(ValueError):
            registry.add(_command(**bad))
    assert [c.name_en for c in registry.commands()] == ["trial"]


@pytest.mark.parametrize("word", ["차트", "/차트", "chart", "/chart", "/CHART", "/chart@gaemi_bot", " chart "])
def test_a_command_is_found_by_any_of_its_names(word: str) -> None:
    assert REGISTRY.find(word).name_en == "chart"


@pytest.mark.parametrize("word", ["", "/", "//chart", "차", "chart;", "@chart"])
def test_anything_else_is_no_command(word: str) -> None:
    with pytest.raises(UnknownCommand):
        REGISTRY.find(word)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("차트 삼성전자 15분", {"stock": "삼성전자", "interval": "15분"}),
        ("차트  삼성 전자  60m", {"stock": "삼성 전자", "interval": "60m"}),
        ("시세 삼성 전자", {"stock": "삼성 전자"}),
        ("관심 삼성전자", {"stock": "삼성전자"}),
        ("관심 추가 삼성전자", {"what": "추가", "stock": "삼성전자"}),
        ("종목 에코 프로", {"text": "에코 프로"}),
        ("종목 검색 에코 프로", {"mode": "검색", "text": "에코 프로"}),
        ("매수 삼성전자 10 시장가", {"stock": "삼성전자", "quantity": "10", "price": "시장가"}),
    ],
)
def test_typed_lines_come_apart(line: str, expected: dict[str, str]) -> None:
    assert REGISTRY.parse_line(line, STOCKS).arguments == expected


def test_choices_match_their_labels_in_both_languages() -> None:
    choice = Choice("15m", "15분", "15m", ("15",))
    assert all(choice.matches(text) for text in ("15m", "15M", "15분", "15"))
    assert not choice.matches("1")
