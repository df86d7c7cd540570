"""Orders: journal, risk gate, the one door, resolution of unknown outcomes, reconciliation."""

from engine.orders.desk import OrderDesk
from engine.orders.journal import Journal, WrongAccount
from engine.orders.lease import LeaseHeld
from engine.orders.risk import Allow, Deny, RiskLimits, RiskState, evaluate
from engine.orders.values import (
    Difference,
    Latch,
    MarketView,
    OrderIntent,
    OrderRecord,
    OrderState,
    Origin,
    PanicReport,
    Position,
    Purpose,
    ReconcileReport,
)
from engine.store import JournalUnavailable

__all__ = [
    "Allow",
    "Deny",
    "Difference",
    "Journal",
    "JournalUnavailable",
    "Latch",
    "LeaseHeld",
    "MarketView",
    "OrderDesk",
    "OrderIntent",
    "OrderRecord",
    "OrderState",
    "Origin",
    "PanicReport",
    "Position",
    "Purpose",
    "ReconcileReport",
    "RiskLimits",
    "RiskState",
    "WrongAccount",
    "evaluate",
]
