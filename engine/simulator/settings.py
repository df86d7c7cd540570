"""What can be set about a simulated broker; the defaults are the newest rules known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from engine.krx import CostModel

WireEpoch: TypeAlias = Literal["2024", "2025", "2026-09"]
WIRE_EPOCHS: tuple[WireEpoch, ...] = ("2024", "2025", "2026-09")


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Limits and habits of the broker. Times in seconds: service time for limits, market time for notices."""

    wire_epoch: WireEpoch = "2026-09"
    real_calls_per_second: int = 18
    mock_calls_per_second: int = 1
    ledger_calls_per_second: int = 10
    """Account and order calls of a real key beyond this meet EGW00215."""
    registrations: int = 41
    token_life: float = 86_400.0
    token_reuse: float = 21_600.0
    """Within this time of an issue the same token is answered."""
    token_interval: float = 60.0
    pingpong_interval: float = 30.0
    slot_linger: float = 0.0
    """How long an app key stays taken after a session that ended without a close handshake."""
    notice_delay: float = 0.05
    """Market seconds from an order's acceptance to its receipt notice, and as much again to a fill."""
    auction_interval: float = 10.0
    """Market seconds between expected-price frames in a call auction."""
    volatility_interruptions: bool = True
    queue_position: bool = True
    """Limits of real accounts wait behind the quantity shown at their price; mock accounts never do."""
    repeat_minute_volume: bool = True
    """A minute without a trade yet repeats the volume of the one before, as documented."""
    records_per_frame: int = 12
    costs: CostModel = field(default_factory=CostModel)

    def calls_per_second(self, mock: bool) -> int:
        return self.mock_calls_per_second if mock else self.real_calls_per_second
