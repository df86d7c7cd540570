"""Everything the control plane keeps, put together once; handlers reach it through their Context."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.access import AccessControl
from bot.commands import registry as commands
from bot.confirmations import Confirmations
from bot.services import Services
from bot.stock_search import StockSearch
from bot.store import ControlStore
from bot.texts import DEFAULT_LANGUAGE
from bot.tickets import Tickets
from bot.walltime import HostTime, WallTime
from engine.market import Balance


@dataclass
class ControlPlane:
    services: Services
    access: AccessControl
    store: ControlStore
    registry: commands.Registry
    wall: WallTime
    stocks: StockSearch
    confirmations: Confirmations
    tickets: Tickets
    language: str = DEFAULT_LANGUAGE
    _balance: tuple[float, Balance] | None = None

    @classmethod
    async def open(
        cls,
        services: Services,
        access: AccessControl,
        home: Path,
        *,
        wall: WallTime | None = None,
        language: str = DEFAULT_LANGUAGE,
    ) -> ControlPlane:
        """Open HOME/control.db. Raises bot.store.StoreProblem."""
        store = await ControlStore.open(home / "control.db")
        clock = wall or HostTime()
        confirmations = Confirmations(store, clock)
        await confirmations.prune()
        tickets = Tickets(store, clock)
        await tickets.prune()
        return cls(
            services,
            access,
            store,
            commands.load(),
            clock,
            StockSearch(services.listing),
            confirmations,
            tickets,
            language,
        )

    async def balance(self, age: float = 0.0) -> Balance:
        """The account's balance, at most ``age`` wall seconds old. Raises BrokerError."""
        if self._balance is not None and self.wall.monotonic() - self._balance[0] < age:
            return self._balance[1]
        balance = await self.services.account.balance()
        self._balance = (self.wall.monotonic(), balance)
        return balance

    async def close(self) -> None:
        await self.store.close()
