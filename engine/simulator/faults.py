"""Faults on demand: scripted ones (the third order call loses its answer) and seeded ones (5 % of calls time out).

A FaultPlan is a list of rules. Every REST call, data frame, execution notice and accepted order asks the plan; a rule
that matches and whose turn it is acts. The same plan, seed and client messages give the same faults.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum

import numpy as np

from engine.clock import seeded
from engine.market import Code
from engine.simulator.day import HaltWindow


class FaultKind(StrEnum):
    # REST calls
    DELAY = "delay"
    """The call is acted on at once, its answer comes ``seconds`` later."""
    DELAY_ACTION = "delay_action"
    """The call is acted on and answered ``seconds`` later, even if the client has gone by then."""
    DROP_REQUEST = "drop_request"
    """Nothing is done and nothing is answered; after ``seconds`` the connection is cut."""
    DROP_REPLY = "drop_reply"
    """The call is acted on; its answer never comes; after ``seconds`` the connection is cut."""
    RESET_BEFORE = "reset_before"
    """The connection is reset at once, nothing is done."""
    RESET_AFTER = "reset_after"
    """The call is acted on, then the connection is reset."""
    GATEWAY_ERROR = "gateway_error"
    """HTTP 500 with the envelope of ``code`` (EGW00201, EGW00215, EGW00300, …); nothing is done."""
    GATEWAY_ERROR_AFTER = "gateway_error_after"
    """The same, after the call was acted on (a gateway time-out)."""
    BAD_GATEWAY = "bad_gateway"
    """HTTP 502 with an HTML page."""
    HTML = "html"
    """HTTP 200 with an HTML page."""
    EMPTY = "empty"
    """HTTP 200 without a body, after the call was acted on."""
    CUT_JSON = "cut_json"
    """The answer's body ends in its middle, after the call was acted on."""
    EXTRA_FIELDS = "extra_fields"
    """Unknown keys beside the documented ones."""
    TOKEN_EXPIRED = "token_expired"
    """The token runs out just before this call."""
    TOKEN_UNKNOWN = "token_unknown"
    """The token is no longer known (issued elsewhere), just before this call."""
    CLOCK_SKEW = "clock_skew"
    """Date header and order time are ``seconds`` off."""
    # orders
    HIDE_ORDER = "hide_order"
    """The order shows in lists only ``seconds`` after it was accepted."""
    REJECT_ORDER = "reject_order"
    """Accepted by the gateway, then refused by the exchange with a notice."""
    # notices
    DUPLICATE_NOTICE = "duplicate_notice"
    LOSE_NOTICE = "lose_notice"
    DELAY_NOTICE = "delay_notice"
    """The notice comes ``seconds`` late, behind later ones."""
    EARLY_NOTICE = "early_notice"
    """The notice comes before the answer of the order call."""
    # data frames
    LOSE_FRAME = "lose_frame"
    DUPLICATE_FRAME = "duplicate_frame"
    SPLIT_FRAME = "split_frame"
    """One frame arrives as two messages."""
    MERGE_FRAME = "merge_frame"
    """The frame is kept back and sent in one message with the next."""
    EXTRA_RECORD_FIELD = "extra_record_field"
    INVALID_UTF8 = "invalid_utf8"
    SILENCE = "silence"
    """Nothing more is written to this socket, which stays open."""
    CLOSE_ABNORMALLY = "close_abnormally"
    """The socket drops without a close frame; the key's slot stays taken for ``seconds`` (OPSP8996)."""


_REST = frozenset(
    {
        FaultKind.DELAY,
        FaultKind.DELAY_ACTION,
        FaultKind.DROP_REQUEST,
        FaultKind.DROP_REPLY,
        FaultKind.RESET_BEFORE,
        FaultKind.RESET_AFTER,
        FaultKind.GATEWAY_ERROR,
        FaultKind.GATEWAY_ERROR_AFTER,
        FaultKind.BAD_GATEWAY,
        FaultKind.HTML,
        FaultKind.EMPTY,
        FaultKind.CUT_JSON,
        FaultKind.EXTRA_FIELDS,
        FaultKind.TOKEN_EXPIRED,
        FaultKind.TOKEN_UNKNOWN,
        FaultKind.CLOCK_SKEW,
    }
)
_ORDER = frozenset({FaultKind.HIDE_ORDER, FaultKind.REJECT_ORDER})
_NOTICE = frozenset({FaultKind.DUPLICATE_NOTICE, FaultKind.LOSE_NOTICE, FaultKind.DELAY_NOTICE, FaultKind.EARLY_NOTICE})
_FRAME = frozenset(FaultKind) - _REST - _ORDER - _NOTICE


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. ``call`` is a call's name (``order-cash``, ``token``; for frames the stream's TR id; "" any).

    ``skip`` matching occasions are left alone first, then at most ``count`` are hit (None: all), each with
    ``probability``.
    """

    kind: FaultKind
    call: str = ""
    tr_id: str = ""
    count: int | None = 1
    skip: int = 0
    probability: float = 1.0
    seconds: float = 0.0
    code: str = "EGW00201"


@dataclass(frozen=True, slots=True)
class Halt:
    """Trading of a stock stands from ``start`` to ``end`` every day played."""

    code: Code
    start: time
    end: time

    @property
    def window(self) -> HaltWindow:
        first, last = self.start, self.end
        return HaltWindow(
            first.hour * 3600 + first.minute * 60 + first.second, last.hour * 3600 + last.minute * 60 + last.second
        )


@dataclass(slots=True)
class _Turn:
    seen: int = 0
    hit: int = 0


@dataclass
class FaultPlan:
    """Which faults happen when. ``happened`` counts them by kind."""

    faults: Sequence[Fault] = ()
    halts: Sequence[Halt] = ()
    seed: int = 0
    happened: dict[FaultKind, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._turns = [_Turn() for _ in self.faults]
        self._chances: list[np.random.Generator] = [
            seeded("fault", self.seed, number) for number in range(len(self.faults))
        ]

    def for_call(self, name: str, tr_id: str) -> list[Fault]:
        """The faults of one REST call."""
        return self._due(_REST, name, tr_id)

    def for_order(self, name: str, tr_id: str) -> list[Fault]:
        """The faults of one accepted order."""
        return self._due(_ORDER, name, tr_id)

    def for_notice(self, tr_id: str) -> list[Fault]:
        return self._due(_NOTICE, tr_id, tr_id)

    def for_frame(self, tr_id: str) -> list[Fault]:
        return self._due(_FRAME, tr_id, tr_id)

    def halts_of(self, code: Code) -> tuple[HaltWindow, ...]:
        return tuple(halt.window for halt in self.halts if halt.code == code)

    def add(self, *faults: Fault) -> None:
        """Script more faults while the simulator runs."""
        for fault in faults:
            self.faults = (*self.faults, fault)
            self._turns.append(_Turn())
            self._chances.append(seeded("fault", self.seed, len(self._turns)))

    def _due(self, kinds: Iterable[FaultKind], name: str, tr_id: str) -> list[Fault]:
        due = []
        for fault, turn, chance in zip(self.faults, self._turns, self._chances, strict=True):
            if fault.kind not in kinds or (fault.call and fault.call != name) or (fault.tr_id and fault.tr_id != tr_id):
                continue
            turn.seen += 1
            if turn.seen <= fault.skip or (fault.count is not None and turn.hit >= fault.count):
                continue
            if fault.probability < 1.0 and chance.random() >= fault.probability:
                continue
            turn.hit += 1
            self.happened[fault.kind] = self.happened.get(fault.kind, 0) + 1
            due.append(fault)
        return due


def weather(seed: int, intensity: float = 0.02) -> FaultPlan:
    """Seeded bad weather: every kind of fault now and then; ``intensity`` is the chance per call."""
    rare, rarer = intensity, intensity / 4
    rules = [
        Fault(FaultKind.DELAY, count=None, probability=rare, seconds=3.0),
        Fault(FaultKind.DELAY_ACTION, count=None, probability=rarer, seconds=5.0),
        Fault(FaultKind.DROP_REQUEST, count=None, probability=rarer, seconds=60.0),
        Fault(FaultKind.DROP_REPLY, count=None, probability=rarer, seconds=60.0),
        Fault(FaultKind.RESET_BEFORE, count=None, probability=rarer),
        Fault(FaultKind.RESET_AFTER, count=None, probability=rarer),
        Fault(FaultKind.GATEWAY_ERROR, count=None, probability=rare, code="EGW00201"),
        Fault(FaultKind.GATEWAY_ERROR_AFTER, count=None, probability=rarer, code="EGW00300"),
        Fault(FaultKind.BAD_GATEWAY, count=None, probability=rarer),
        Fault(FaultKind.HTML, count=None, probability=rarer),
        Fault(FaultKind.EMPTY, count=None, probability=rarer),
        Fault(FaultKind.CUT_JSON, count=None, probability=rarer),
        Fault(FaultKind.EXTRA_FIELDS, count=None, probability=rare),
        Fault(FaultKind.TOKEN_EXPIRED, count=None, probability=rarer / 4),
        Fault(FaultKind.HIDE_ORDER, count=None, probability=0.3, seconds=15.0),
        Fault(FaultKind.REJECT_ORDER, count=None, probability=rare),
        Fault(FaultKind.DUPLICATE_NOTICE, count=None, probability=0.1),
        Fault(FaultKind.LOSE_NOTICE, count=None, probability=0.1),
        Fault(FaultKind.DELAY_NOTICE, count=None, probability=0.1, seconds=8.0),
        Fault(FaultKind.LOSE_FRAME, count=None, probability=rarer / 4),
        Fault(FaultKind.DUPLICATE_FRAME, count=None, probability=rarer / 4),
        Fault(FaultKind.SPLIT_FRAME, count=None, probability=rarer / 8),
        Fault(FaultKind.MERGE_FRAME, count=None, probability=rarer / 8),
        Fault(FaultKind.EXTRA_RECORD_FIELD, count=None, probability=rarer / 4),
        Fault(FaultKind.INVALID_UTF8, count=None, probability=rarer / 8),
        Fault(FaultKind.CLOSE_ABNORMALLY, count=None, probability=intensity / 400, seconds=20.0),
    ]
    return FaultPlan(rules, seed=seed)
