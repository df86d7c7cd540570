"""Operating figures for ``/metrics``, in Prometheus' text format. What the engine does not measure is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.health import resident_megabytes

if TYPE_CHECKING:
    from bot.app import Engine
    from bot.web.state import WebState

SHARES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading of the engine. Quantiles map a share (0.5 …) to seconds of wall time."""

    loop_lag: Mapping[float, float] = field(default_factory=dict)
    tick_to_decision: Mapping[float, float] = field(default_factory=dict)
    decision_to_acknowledgement: Mapping[float, float] = field(default_factory=dict)
    queue_depth: int | None = None
    queue_deepest: int | None = None
    ticks_received: int | None = None
    ticks_lost: int | None = None
    bars_repaired: int | None = None
    last_reconcile_age: float | None = None
    """Seconds of market time since broker and journal were last compared."""
    reconcile_clean: bool | None = None
    open_orders: int | None = None
    unknown_orders: int | None = None
    beat_age: float | None = None


def engine_figures(engine: Engine) -> Figures:
    from engine.clock import monotonic

    statistics = engine.feed.queue.statistics
    report = engine.desk.last_report()
    now = engine.venue.clock.now()
    latency = getattr(engine.trader, "latency", None)
    return Figures(
        loop_lag={share: engine.lag.percentile(share) / 1_000.0 for share in SHARES},
        tick_to_decision=_quantiles(latency, "tick_to_decision"),
        decision_to_acknowledgement=_quantiles(latency, "decision_to_acknowledgement"),
        queue_depth=len(engine.feed.queue),
        queue_deepest=statistics.deepest,
        ticks_received=statistics.received,
        ticks_lost=statistics.lost.total(),
        bars_repaired=engine.candle_store.repaired,
        last_reconcile_age=(now - report.at).total_seconds() if report else None,
        reconcile_clean=report.clean if report else None,
        open_orders=len(engine.desk.open_orders()),
        unknown_orders=len(engine.desk.unknown_orders()),
        beat_age=monotonic() - engine.lag.beat_at,
    )


def _quantiles(latency: object, name: str) -> dict[float, float]:
    measure = getattr(latency, name, None)
    return {share: float(measure(share)) for share in SHARES} if callable(measure) else {}


@dataclass
class Counters:
    """What the front end itself counts."""

    requests: Counter[str] = field(default_factory=Counter)
    """By status code."""


class _Reading(Collector):
    def __init__(self, state: WebState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        found = self._state.figures()
        for name, words, quantiles in (
            ("gaemi_loop_lag_seconds", "How late the event loop wakes a sleeper", found.loop_lag),
            ("gaemi_tick_to_decision_seconds", "From a tick to the decision on it", found.tick_to_decision),
            (
                "gaemi_decision_to_acknowledgement_seconds",
                "From a decision to the broker's answer",
                found.decision_to_acknowledgement,
            ),
        ):
            if quantiles:
                family = GaugeMetricFamily(name, words, labels=["quantile"])
                for share, value in quantiles.items():
                    family.add_metric([f"{share:g}"], value)
                yield family
        gauges: tuple[tuple[str, str, float | None], ...] = (
            ("gaemi_tick_queue_depth", "Ticks waiting", found.queue_depth),
            ("gaemi_tick_queue_deepest", "Most ticks that ever waited", found.queue_deepest),
            ("gaemi_last_reconcile_age_seconds", "Market time since the last reconciliation", found.last_reconcile_age),
            ("gaemi_reconcile_clean", "1 when broker and journal agreed", found.reconcile_clean),
            ("gaemi_open_orders", "Orders open at the broker", found.open_orders),
            ("gaemi_unknown_orders", "Orders whose outcome is not known", found.unknown_orders),
            ("gaemi_loop_beat_age_seconds", "Wall time since the event loop last beat", found.beat_age),
        )
        for name, words, reading in gauges:
            if reading is not None:
                yield GaugeMetricFamily(name, words, value=float(reading))
        for name, words, count in (
            ("gaemi_ticks_received", "Ticks received", found.ticks_received),
            ("gaemi_ticks_lost", "Ticks dropped by the full queue", found.ticks_lost),
            ("gaemi_bars_repaired", "Bars repaired from the broker's minute bars", found.bars_repaired),
            ("gaemi_price_broadcasts", "Broadcasts of all prices", self._state.prices.broadcasts),
        ):
            if count is not None:
                yield CounterMetricFamily(name, words, value=float(count))
        yield GaugeMetricFamily("gaemi_resident_megabytes", "Memory of the process", value=resident_megabytes())
        yield GaugeMetricFamily(
            "gaemi_price_broadcast_seconds", "Last broadcast", value=self._state.prices.broadcast_seconds
        )
        sockets = GaugeMetricFamily("gaemi_sockets", "Open WebSockets", labels=["stream"])
        sockets.add_metric(["prices"], len(self._state.prices))
        sockets.add_metric(["events"], len(self._state.events))
        yield sockets
        requests = CounterMetricFamily("gaemi_http_requests", "HTTP answers", labels=["status"])
        for status, count in sorted(self._state.counters.requests.items()):
            requests.add_metric([status], float(count))
        yield requests


def exposition(state: WebState) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reading(state))
    return generate_latest(registry)
