"""A small control plane for adapter tests: the real dispatcher, access and store, with a handful of commands."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bot.access import AccessControl, AccessList, Permission, Platform
from bot.commands.arguments import Choice, ChoiceArgument, QuantityArgument, StockArgument, TextArgument
from bot.commands.registry import Action, Command, Group, Registry
from bot.confirmations import Confirmations
from bot.context import Context
from bot.control import ControlPlane
from bot.dispatch import Dispatcher
from bot.reply import Button, ButtonKind, ButtonStyle, Document, Form, FormField, LiveView, Picture, Reply
from bot.stock_search import StockSearch
from bot.store import ControlStore
from bot.tickets import Tickets
from bot.walltime import HostTime
from engine.market import Code, Market, Stock
from tests.servers.discord_server import CHANNEL_ID, GUILD_ID, OWNER_ID
from tests.servers.telegram_server import OWNER_ID as TELEGRAM_OWNER

SECRET = "JBSWY3DPEHPK3PXP"
STOCKS = (
    Stock(Code("005930"), "삼성전자", Market.KOSPI, market_cap=400_000_000_000_000),
    Stock(Code("247540"), "에코프로비엠", Market.KOSDAQ, market_cap=10_000_000_000_000),
    Stock(Code("011790"), "SKC", Market.KOSPI, market_cap=3_000_000_000_000),
)
INTERVALS = (Choice("1d", "일봉", "day"), Choice("15m", "15분", "15m"))


def png(width: int = 64, height: int = 48, *, shade: int = 0, padding: int = 0) -> bytes:
    """A real picture; ``padding`` bytes of incompressible chunk make it as large as wanted."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compress((b"\0" + bytes([shade % 256]) * width) * height)
    extra = chunk(b"teXt", b"\x5a" * padding) if padding else b""
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def picture(shade: int = 0, padding: int = 0) -> Picture:
    return Picture(png(shade=shade, padding=padding), "삼성전자 일봉 차트, 71,900원", "chart.png", 64, 48)


class _Listing:
    source = "시험"
    as_of: datetime | None = None

    def stocks(self) -> Sequence[Stock]:
        return STOCKS

    def get(self, code: Code) -> Stock | None:
        return next((stock for stock in STOCKS if stock.code == code), None)


@dataclass
class Desk:
    """What the commands did, and the doors through which adapters reach them."""

    registry: Registry = field(default_factory=Registry)
    done: list[str] = field(default_factory=list)
    slow_release: asyncio.Event = field(default_factory=asyncio.Event)
    refreshes: int = 0
    padding: int = 0
    roles: dict[int, Permission] = field(default_factory=dict)
    access: AccessControl = field(init=False)
    dispatcher: Dispatcher = field(init=False)
    bound: list[tuple[str, str]] = field(default_factory=list)

    # -- handlers

    async def chart(self, context: Context, stock: Stock, interval: str) -> Reply:
        self.done.append(f"chart {stock.code} {interval}")
        buttons = tuple(Button(c.label_ko, f"ch:{stock.code}:{c.value}") for c in INTERVALS)
        text = f"{stock.name} 71,900원 ▲1.84% <b>&\n{interval}"
        return Reply(
            text=text, picture=picture(padding=self.padding), rows=(buttons,), edit=bool(context.incoming.message)
        )

    async def chart_pressed(self, context: Context, parts: Sequence[str], answers: Mapping[str, str]) -> Reply:
        self.done.append(f"pressed {':'.join(parts)}")
        stock = _Listing().get(Code(parts[0]))
        assert stock is not None
        buttons = tuple(Button(c.label_ko, f"ch:{stock.code}:{c.value}") for c in INTERVALS)
        return Reply(text=f"{stock.name} {parts[1]}", picture=picture(shade=7), rows=(buttons,), edit=True)

    async def slow(self, context: Context) -> Reply:
        self.done.append("slow began")
        await self.slow_release.wait()
        self.done.append("slow")
        return Reply(text="느린 답", picture=picture())

    async def panic(self, context: Context) -> Reply:
        self.done.append("panic")
        return Reply(text="비상 정지했습니다. 취소한 주문 0건")

    async def balance(self, context: Context) -> Reply:
        self.done.append("balance")
        return Reply(text="주문가능 10,000,000원", document=Document("balance.csv", b"code,quantity\n"))

    async def long(self, context: Context) -> Reply:
        return Reply(text="\n".join(f"{n:04d} 줄입니다" for n in range(400)))

    async def broken(self, context: Context) -> Reply:
        raise RuntimeError("고장")

    async def order(self, context: Context, stock: Stock, quantity: int | None) -> Reply:
        self.done.append(f"order {stock.code} {quantity}")
        row = (
            Button("수량 입력", "tk:abc:q", kind=ButtonKind.FORM),
            Button("주문", "tk:abc:go", ButtonStyle.DANGER),
            Button("호가", "bk:abc"),
        )
        return Reply(text=f"{stock.name} 주문", rows=(row,), binding="abc", ephemeral=True)

    async def ticket(self, context: Context, parts: Sequence[str], answers: Mapping[str, str]) -> Reply:
        self.done.append(f"ticket {':'.join(parts)} {dict(answers)} on {context.incoming.message}")
        if parts[1] == "go":
            return Reply(notice="주문이 접수되었습니다")
        return Reply(text=f"수량 {answers.get('quantity')}", edit=True)

    def ticket_form(self, parts: Sequence[str], context: Context) -> Form | None:
        if parts[1] != "q":
            return None
        return Form("주문 수량", (FormField("quantity", "수량(주)", "예: 10"),), "tk:abc:q")

    async def book(self, context: Context, parts: Sequence[str], answers: Mapping[str, str]) -> Reply:
        self.refreshes += 1
        live = LiveView("bk:abc", seconds=0.05, times=3)
        return Reply(text=f"호가 {self.refreshes}", picture=picture(shade=self.refreshes), edit=True, live=live)

    async def arm(self, context: Context) -> Reply:
        self.done.append("arm asked")
        fields = (FormField("code", "일회용 코드", "6자리", secret=True),)
        return Reply(text="무장하려면 코드를 입력하세요", form=Form("무장", fields, "am:go"), ephemeral=True)

    async def armed(self, context: Context, parts: Sequence[str], answers: Mapping[str, str]) -> Reply:
        self.done.append(f"armed with {len(answers.get('code', ''))}")
        return Reply(text="무장했습니다", ephemeral=True)

    def fill(self) -> None:
        viewer, trader = Permission.VIEWER, Permission.TRADER
        stock = StockArgument()
        interval = ChoiceArgument(
            name="interval",
            name_ko="간격",
            description_ko="봉 간격",
            description_en="Bar interval",
            required=False,
            default="1d",
            choices=INTERVALS,
        )
        quantity = QuantityArgument(required=False)
        note = TextArgument(
            name="note", name_ko="메모", description_ko="메모", description_en="note", required=False, rest=True
        )

        async def noted(context: Context, note: str | None) -> Reply:
            self.done.append(f"note {note}")
            return Reply(text=f"메모 {note}")

        def add(ko: str, en: str, permission: Permission, handler: Any, *arguments: Any, **more: Any) -> None:
            self.registry.add(
                Command(ko, en, f"{ko} 명령", f"The {en} command", permission, Group.QUOTES, handler, arguments, **more)
            )

        add("차트", "chart", viewer, self.chart, stock, interval)
        add("느림", "slow", viewer, self.slow)
        add("긴글", "long", viewer, self.long)
        add("고장", "broken", viewer, self.broken)
        add("메모", "note", viewer, noted, note)
        add("비상", "panic", trader, self.panic, any_age=True)
        add("잔고", "balance", trader, self.balance, ephemeral=True)
        add("주문", "ticket", trader, self.order, stock, quantity)
        add("무장", "arm", trader, self.arm, ephemeral=True, answers_with_form=True)
        self.registry.add_action(Action("ch", viewer, self.chart_pressed))
        self.registry.add_action(Action("tk", trader, self.ticket, form=self.ticket_form))
        self.registry.add_action(Action("bk", viewer, self.book))
        self.registry.add_action(Action("am", trader, self.armed))

    def set_roles(self, role: Permission | None, *, guilds: Sequence[int] = (GUILD_ID,)) -> None:
        """The owner's role on both platforms; None takes it away."""
        discord = {OWNER_ID: role} if role is not None else {}
        telegram = {TELEGRAM_OWNER: role} if role is not None else {}
        self.access.replace(Platform.DISCORD, AccessList(discord, guilds, (str(CHANNEL_ID),), public=self.public))
        self.access.replace(Platform.TELEGRAM, AccessList(telegram))

    public: bool = True


@asynccontextmanager
async def open_desk(home: Path, *, public: bool = True) -> AsyncIterator[Desk]:
    desk = Desk(public=public)
    desk.fill()
    desk.access = AccessControl({})
    desk.set_roles(Permission.ADMIN)
    store = await ControlStore.open(home / "control.db")
    wall = HostTime()
    services: Any = SimpleNamespace(listing=_Listing())
    plane = ControlPlane(
        services,
        desk.access,
        store,
        desk.registry,
        wall,
        StockSearch(services.listing),
        Confirmations(store, wall),
        Tickets(store, wall),
    )
    desk.dispatcher = Dispatcher(plane)
    bind = desk.dispatcher.delivered

    async def delivered(binding: str, message: str) -> None:
        desk.bound.append((binding, message))
        await bind(binding, message)

    desk.dispatcher.delivered = delivered  # type: ignore[method-assign]
    try:
        yield desk
    finally:
        await store.close()
