"""Which event is told how. "체결" stands only in texts of fills that the broker confirmed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.alerts import AlertCenter, AlertKind
from bot.format import clock_time, percent, points, signed_won, won
from bot.inputs import printable
from bot.reply import Button, Row
from bot.texts import Texts
from engine import events as happened
from engine.market import Code, Environment, Side, Won
from engine.results import DaySummary

logger = logging.getLogger(__name__)

REPEATED_ERROR_SECONDS = 600.0
"""The same error is told once in ten minutes of wall time."""
QUEUE = 10_000


@dataclass
class AlertWriter:
    """Keeps what a text needs from earlier events: the score an entry was made on."""

    say: Texts
    environment: Environment
    monotonic: Callable[[], float]
    _scores: dict[Code, float] = field(default_factory=dict)
    _errors: dict[str, float] = field(default_factory=dict)

    def text_of(self, event: happened.Event) -> tuple[AlertKind, str] | None:
        """None for what nobody needs to be told."""
        told = self._told(event)
        if told is None:
            return None
        kind, text = told
        return kind, self.say(
            "alert_head", at=clock_time(event.at), environment=self.say(f"environment_{self.environment.value}")
        ) + text

    def _told(self, event: happened.Event) -> tuple[AlertKind, str] | None:
        say = self.say
        match event:
            case happened.EntryDecided():
                self._scores[event.code] = event.score.total
                return None
            case happened.OrderFilled():
                return self._filled(event)
            case happened.PositionClosed():
                trade = event.trade
                return AlertKind.SELL, say(
                    "alert_closed",
                    name=trade.name,
                    reason=trade.reason.label,
                    percent=percent(trade.profit_percent),
                    profit=signed_won(trade.profit),
                    quantity=f"{trade.quantity:,}",
                    entry=f"{trade.entry_price:,.0f}",
                    exit=f"{trade.exit_price:,.0f}",
                )
            case happened.OrderAccepted():
                return AlertKind.ACCEPTED, say("alert_accepted", what=self._order(event))
            case happened.OrderCancelled():
                return AlertKind.ACCEPTED, say(
                    "alert_cancelled", what=self._order(event), cancelled=f"{event.cancelled:,}"
                )
            case happened.OrderDenied():
                return AlertKind.REJECTED, say("alert_denied", what=self._order(event), reason=_line(event.reason))
            case happened.OrderRejected():
                return AlertKind.REJECTED, say(
                    "alert_rejected", what=self._order(event), reason=_line(event.broker_message)
                )
            case happened.OrderUnknown():
                return AlertKind.UNKNOWN, say("alert_unknown", what=self._order(event), reason=_line(event.reason))
            case happened.OrderResolved():
                key = "alert_resolved_exists" if event.exists else "alert_resolved_absent"
                return AlertKind.UNKNOWN, say(key, what=self._order(event))
            case _:
                return self._other(event)

    def _other(self, event: happened.Event) -> tuple[AlertKind, str] | None:
        say = self.say
        match event:
            case happened.StopRaised():
                why = say("alert_because", reason=_line(event.reason)) if event.reason else ""
                if event.old <= 0:
                    return AlertKind.STOP_RAISED, say("alert_stop_set", name=event.name, new=won(event.new)) + why
                raised = say("alert_stop_raised", name=event.name, old=won(event.old), new=won(event.new))
                return AlertKind.STOP_RAISED, raised + why
            case happened.ExitPending():
                return AlertKind.EXIT_PENDING, say(
                    "alert_exit_pending",
                    name=event.name,
                    reason=event.exit_reason.label,
                    obstacle=_line(event.obstacle),
                )
            case happened.ProtectionLatched():
                return AlertKind.LATCHED, say("alert_latched", message=_line(event.message))
            case happened.PositionDiffers():
                return AlertKind.LATCHED, say(
                    "alert_differs", name=event.name, journal=f"{event.journal:,}", broker=f"{event.broker:,}"
                )
            case happened.ConnectionLost():
                return AlertKind.CONNECTION, say("alert_lost", what=_line(event.what), reason=_line(event.reason))
            case happened.ConnectionRestored():
                return AlertKind.CONNECTION, say("alert_restored", what=_line(event.what))
            case happened.ErrorRaised():
                return self._error(event)
            case happened.BotStarted():
                key = "alert_bot_resumed" if event.resumed else "alert_bot_started"
                return AlertKind.BOT, say(key, by=event.by)
            case happened.BotStopped():
                return AlertKind.BOT, say("alert_bot_stopped", by=event.by, reason=_line(event.reason) or "–")
            case happened.DayEnded():
                return AlertKind.DAY, day_text(say, event.summary)
            case happened.ReportReady():
                report = event.report
                return AlertKind.REPORT, say("alert_report", day=f"{report.day}", text=report.market_text)
            case _:
                return None

    def _filled(self, event: happened.OrderFilled) -> tuple[AlertKind, str]:
        say = self.say
        part = "" if event.complete else say("alert_part", filled=f"{event.filled_total:,}")
        if event.side is Side.BUY:
            score = self._scores.get(event.code)
            text = say(
                "alert_bought",
                name=event.name,
                score=say("alert_score", score=points(score)) if score is not None else "",
                quantity=f"{event.quantity:,}",
                price=f"{event.price:,}",
            )
            if event.complete:
                self._scores.pop(event.code, None)
            return AlertKind.BUY, text + part
        reason = say("alert_because", reason=_line(event.reason)) if event.reason else ""
        text = say("alert_sold", name=event.name, quantity=f"{event.quantity:,}", price=f"{event.price:,}")
        return AlertKind.SELL, text + reason + part

    def _error(self, event: happened.ErrorRaised) -> tuple[AlertKind, str] | None:
        key = f"{event.where}\0{event.message}"
        now = self.monotonic()
        if now - self._errors.get(key, -REPEATED_ERROR_SECONDS) < REPEATED_ERROR_SECONDS:
            return None
        if len(self._errors) > 500:
            self._errors = {k: at for k, at in self._errors.items() if now - at < REPEATED_ERROR_SECONDS}
        self._errors[key] = now
        return AlertKind.ERROR, self.say("alert_error", where=_line(event.where), message=_line(event.message))

    def _order(self, event: happened.OrderEvent) -> str:
        return self.say(
            "order_what",
            name=event.name,
            side=self.say(f"side_{event.side.value}"),
            price=won(event.price) if event.price else self.say("type_market"),
            quantity=f"{event.quantity:,}",
        )


def _line(text: str) -> str:
    return printable(text, 200)


def day_text(say: Texts, summary: DaySummary) -> str:
    """The day in a few lines; every figure is the journal's."""
    result: Won = summary.equity_end - summary.equity_start
    share = 100.0 * result / summary.equity_start if summary.equity_start else 0.0
    lines = [
        say(
            "alert_day",
            day=f"{summary.day}",
            buys=summary.buys,
            sells=summary.sells,
            realised=signed_won(summary.realised),
            fees=won(summary.fees),
            taxes=won(summary.taxes),
        ),
        say("alert_day_equity", equity=won(summary.equity_end), result=signed_won(result), percent=percent(share)),
        say(
            "alert_day_scores",
            evaluated=f"{summary.evaluated:,}",
            reached=f"{summary.evaluations_at_entry:,}",
            highest=points(summary.highest_score),
        ),
    ]
    lines += [
        f"· {trade.name} {percent(trade.profit_percent)} {trade.reason.label}"
        for trade in sorted(summary.trades, key=lambda trade: trade.exit_at)[:10]
    ]
    if summary.open_positions:
        lines.append(say("alert_day_left", names=", ".join(p.stock.name for p in summary.open_positions[:5])))
    return "\n".join(lines)


def stock_buttons(say: Texts) -> Callable[[str], tuple[Row, ...]]:
    """What a person wants next after an alert about a stock."""

    def rows(code: str) -> tuple[Row, ...]:
        if not code.isascii() or not code.isalnum():
            return ()
        pairs = (
            ("button_chart", f"c:chart:{code}:15m"),
            ("button_ticket", f"c:ticket:{code}"),
            ("button_orders", "c:orders"),
        )
        return (tuple(Button(say(key), pressed) for key, pressed in pairs),)

    return rows


async def follow(bus: happened.EventBus, center: AlertCenter, writer: AlertWriter) -> None:
    """Turn events into alerts until cancelled. An event that cannot be told is logged; the next ones still are."""
    lost = 0
    with bus.subscribe(size=QUEUE) as arriving:
        async for event in arriving:
            code = getattr(event, "code", "")
            if isinstance(event, happened.PositionClosed):
                code = event.trade.code
            try:
                if arriving.lost > lost:
                    text = writer.say("alert_missed", count=arriving.lost - lost)
                    lost = arriving.lost
                    await center.push(AlertKind.ERROR, event.at, text, critical=True)
                told = writer.text_of(event)
                if told is not None:
                    await center.push(told[0], event.at, told[1], critical=event.critical, code=code)
            except asyncio.CancelledError:
                raise
            except Exception:
                logger.exception("alert for %s could not be queued", type(event).__name__)
