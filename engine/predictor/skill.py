"""What a walk-forward has shown: rank IC raw and residual against a null, directions, calibration, coverage, error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.predictor.conformal import (
    CONFORMAL_DAYS,
    MAXIMUM_PROBABILITY_DAYS,
    Logistic,
    conformal_offsets,
    corrected,
)
from engine.predictor.features import HORIZON, VOLATILITY
from engine.predictor.gate import Gate, decide
from engine.predictor.ranks import MINIMUM_DAY_NAMES, control_ranks, correlations, ranked, residual_ranks
from engine.predictor.walkforward import WalkForward

CLUSTER_DAYS: Final = 10
"""Days of one cluster: neighbouring days share outcomes, so the interval counts clusters, not stock-days."""
MODELS: Final = ("model", "ridge", "encoder", "linear", "low_volatility")
_BINS: Final = 10


@dataclass(frozen=True)
class Daily:
    """One value a day: rank IC raw and residual of each model (M, d), of each null draw (draws, d), and shares."""

    days: NDArray[np.int64]
    raw: NDArray[np.float64]
    residual: NDArray[np.float64]
    null_raw: NDArray[np.float64]
    null_residual: NDArray[np.float64]
    relative: NDArray[np.float64]
    """Share of names on the right side of the day's median."""
    absolute: NDArray[np.float64]
    rising: NDArray[np.float64]


@dataclass(frozen=True)
class Skill:
    window: str
    days: int
    cells: int
    names: int
    raw: dict[str, float]
    residual: dict[str, float]
    null_raw: tuple[float, float]
    null_residual: tuple[float, float]
    """Mean and standard deviation over the draws."""
    largest_null: float
    halves: tuple[float, float]
    relative: tuple[float, float, float]
    """Share, and its 95 % interval, clustered by ten days."""
    extremes: tuple[float, float, float]
    """The same for the best and the worst decile of each day alone."""
    absolute: tuple[float, float, float]
    constant: float
    brier: float
    brier_constant: float
    calibration: tuple[tuple[float, float, int], ...]
    """(mean probability, share that won, cells) by tenth of the probability."""
    coverage: float
    coverage_served: float
    """With the corrections of the refit, as a service uses them, instead of those renewed every day."""
    coverage_by_year: dict[str, float]
    error_ratio: float
    """Mean absolute error of the median forecast over that of "price unchanged"."""
    by_year: dict[str, tuple[float, float, float]]
    """Raw, residual, low volatility."""
    by_market: dict[str, tuple[float, float, float]]
    deciles: tuple[float, ...]
    """Mean 5-day return of each score decile against the day's mean, in basis points, worst first."""
    gate: Gate = field(default_factory=lambda: Gate(False, 0.0, ""))

    def card(self) -> dict[str, Any]:
        """The part that a checkpoint's card carries."""
        return {
            "rank_ic": round(self.raw["model"], 4),
            "residual_rank_ic": round(self.residual["model"], 4),
            "null_deviation": round(self.null_residual[1], 4),
            "low_volatility_rank_ic": round(self.raw["low_volatility"], 4),
            "coverage": round(self.coverage, 4),
            "coverage_target": 0.8,
            "window": self.window,
            "gate": round(self.gate.strength, 3),
            "open": self.gate.open,
            "verdict": self.gate.verdict,
            "relative_accuracy": round(self.relative[0], 4),
            "relative_interval": [round(x, 4) for x in self.relative[1:]],
            "absolute_accuracy": round(self.absolute[0], 4),
            "constant_accuracy": round(self.constant, 4),
        }


def measure(walk: WalkForward, first: int, *, was_open: bool = False) -> Skill:
    """Skill on the days from index ``first`` on whose outcome is known. Earlier forecasts only serve calibration."""
    panel = walk.panel
    cells = panel.known & np.isfinite(walk.rank)
    cells[:, :first] = False
    cells &= (cells.sum(axis=0) >= MINIMUM_DAY_NAMES)[None, :]
    if not cells.any():
        raise ValueError("no day with enough stocks whose outcome is known")
    daily = _daily(walk, cells)
    middle = len(daily.days) // 2
    residual = {name: float(row.mean()) for name, row in zip(MODELS, daily.residual, strict=True)}
    null_means = daily.null_residual.mean(axis=1)
    spread = float(null_means.std(ddof=1)) if len(null_means) > 1 else 0.0
    halves = (float(daily.residual[0, :middle].mean()), float(daily.residual[0, middle:].mean()))
    inside, inside_served, error = _band_figures(walk, cells)
    brier, brier_constant, calibration = _probabilities(walk, cells)
    years = panel.days[daily.days].astype("datetime64[Y]").astype(str)
    raw_means = daily.null_raw.mean(axis=1)
    return Skill(
        window=f"{panel.days[daily.days[0]]}~{panel.days[daily.days[-1]]}",
        days=len(daily.days),
        cells=int(cells.sum()),
        names=int(cells.any(axis=1).sum()),
        raw={name: float(row.mean()) for name, row in zip(MODELS, daily.raw, strict=True)},
        residual=residual,
        null_raw=(float(raw_means.mean()), float(raw_means.std(ddof=1)) if len(raw_means) > 1 else 0.0),
        null_residual=(float(null_means.mean()) if len(null_means) else 0.0, spread),
        largest_null=float(np.abs(null_means).max()) if len(null_means) else 0.0,
        halves=halves,
        relative=clustered(daily.relative),
        extremes=clustered(_extremes(walk, cells, daily.days)),
        absolute=clustered(daily.absolute),
        constant=float(max(daily.rising.mean(), 1.0 - daily.rising.mean())),
        brier=brier,
        brier_constant=brier_constant,
        calibration=calibration,
        coverage=float(inside[cells].mean()),
        coverage_served=float(inside_served[cells].mean()),
        coverage_by_year=_share_by_year(walk, inside, cells),
        error_ratio=error,
        by_year={
            str(year): (
                float(daily.raw[0, years == year].mean()),
                float(daily.residual[0, years == year].mean()),
                float(daily.raw[-1, years == year].mean()),
            )
            for year in np.unique(years)
        },
        by_market=_by_market(walk, cells),
        deciles=_deciles(walk, cells, daily.days),
        gate=decide(residual["model"], spread, halves, was_open=was_open),
    )


def clustered(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean of daily values (d,) with its 95 % interval over clusters of ten days."""
    mean = float(values.mean())
    clusters = [values[i : i + CLUSTER_DAYS].mean() for i in range(0, len(values), CLUSTER_DAYS)]
    if len(clusters) < 3:
        return mean, 0.0, 1.0
    half = 1.96 * float(np.std(clusters, ddof=1)) / len(clusters) ** 0.5
    return mean, mean - half, mean + half


def _daily(walk: WalkForward, cells: NDArray[np.bool_]) -> Daily:
    panel = walk.panel
    days = np.flatnonzero(cells.any(axis=0))
    count = len(MODELS)
    rows: list[NDArray[np.float64]] = []
    left: list[NDArray[np.float64]] = []
    shares = np.empty((3, len(days)))
    for i, day in enumerate(days):
        mine = np.flatnonzero(cells[:, day])
        outcome = panel.forward[mine, day]
        place = ranked(outcome)
        score_rows = (walk.rank, walk.ridge, walk.encoder, walk.linear, -panel.features[:, :, VOLATILITY])
        scores = np.stack(
            [ranked(s[mine, day]) for s in score_rows] + [ranked(draw) for draw in walk.null[day, mine].T]
        )
        rows.append(correlations(scores, place))
        left.append(correlations(residual_ranks(scores, control_ranks(panel, mine, int(day))), place))
        shares[0, i] = ((scores[0] > 0) == (place > 0)).mean()
        rising = outcome > 0
        shares[1, i] = ((walk.quantiles[mine, day, 2] > 0) == rising).mean()
        shares[2, i] = rising.mean()
    raw, residual = np.stack(rows, axis=1), np.stack(left, axis=1)
    residual[count - 1] = 0.0  # low volatility is one of the controls: nothing is left of it by definition
    return Daily(days, raw[:count], residual[:count], raw[count:], residual[count:], *shares)


def _extremes(walk: WalkForward, cells: NDArray[np.bool_], days: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.empty(len(days))
    for i, day in enumerate(days):
        mine = np.flatnonzero(cells[:, day])
        score, place = ranked(walk.rank[mine, day]), ranked(walk.panel.forward[mine, day])
        far = np.abs(score) > 0.4
        out[i] = ((score[far] > 0) == (place[far] > 0)).mean()
    return out


def _deciles(walk: WalkForward, cells: NDArray[np.bool_], days: NDArray[np.int64]) -> tuple[float, ...]:
    sums = np.zeros((len(days), _BINS))
    for i, day in enumerate(days):
        mine = np.flatnonzero(cells[:, day])
        bins = np.minimum(((ranked(walk.rank[mine, day]) + 0.5) * _BINS).astype(int), _BINS - 1)
        outcome = walk.panel.forward[mine, day]
        excess = outcome - outcome.mean()
        sums[i] = [excess[bins == b].mean() for b in range(_BINS)]
    return tuple(float(x) for x in 1e4 * sums.mean(axis=0))


def _by_market(walk: WalkForward, cells: NDArray[np.bool_]) -> dict[str, tuple[float, float, float]]:
    markets = np.array(walk.panel.markets)
    out: dict[str, tuple[float, float, float]] = {}
    for market in sorted(set(walk.panel.markets) - {""}):
        mine = cells & (markets == market)[:, None]
        mine &= (mine.sum(axis=0) >= MINIMUM_DAY_NAMES)[None, :]
        if mine.any():
            daily = _daily(_without_null(walk), mine)
            out[market] = (float(daily.raw[0].mean()), float(daily.residual[0].mean()), float(daily.raw[-1].mean()))
    return out


def _without_null(walk: WalkForward) -> WalkForward:
    from dataclasses import replace

    return replace(walk, null=walk.null[:, :, :0])


def scaled_outcomes(walk: WalkForward) -> NDArray[np.float32]:
    """Outcomes in the unit of the quantiles, (N, D)."""
    with np.errstate(all="ignore"):
        out: NDArray[np.float32] = walk.panel.forward / walk.scale
    return np.where(np.isfinite(out), out, np.nan)


def calibration_cells(walk: WalkForward, day: int, days: int) -> NDArray[np.bool_]:
    """Out-of-sample cells of the last ``days`` days whose outcome was known when ``day`` began; (N, D)."""
    mask = np.zeros(walk.panel.usable.shape, bool)
    first, last = max(walk.first, day - HORIZON - days), max(walk.first, day - HORIZON)
    mask[:, first:last] = (walk.panel.known & np.isfinite(walk.rank))[:, first:last]
    return mask


def offsets_at(walk: WalkForward, outcomes: NDArray[np.float32], day: int) -> NDArray[np.float32]:
    first, last = max(walk.first, day - HORIZON - CONFORMAL_DAYS), max(walk.first, day - HORIZON)
    window = (slice(None), slice(first, last))
    known = np.isfinite(outcomes[window]) & walk.panel.known[window]
    return conformal_offsets(outcomes[window][known], walk.quantiles[window][known])


def _band_figures(walk: WalkForward, cells: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float]:
    outcomes = scaled_outcomes(walk)
    block = walk.block
    inside = np.zeros(cells.shape, bool)
    served = np.zeros(cells.shape, bool)
    offsets_of_block: dict[int, NDArray[np.float32]] = {}
    error = still = 0.0
    for day in np.flatnonzero(cells.any(axis=0)):
        mine = np.flatnonzero(cells[:, day])
        outcome = outcomes[mine, day]
        number = int(block[day])
        if number not in offsets_of_block:
            offsets_of_block[number] = offsets_at(walk, outcomes, walk.starts[number])
        for target, offsets in ((inside, offsets_at(walk, outcomes, int(day))), (served, offsets_of_block[number])):
            quantiles = corrected(walk.quantiles[mine, day], offsets)
            target[mine, day] = (outcome >= quantiles[:, 0]) & (outcome <= quantiles[:, 4])
        scale = walk.scale[mine, day]
        error += float(np.abs((outcome - walk.quantiles[mine, day, 2]) * scale).sum())
        still += float(np.abs(outcome * scale).sum())
    return inside, served, error / still if still else 1.0


def _share_by_year(walk: WalkForward, inside: NDArray[np.bool_], cells: NDArray[np.bool_]) -> dict[str, float]:
    years = walk.panel.days.astype("datetime64[Y]").astype(str)
    out: dict[str, float] = {}
    for year in np.unique(years[cells.any(axis=0)]):
        mine = cells & (years == year)[None, :]
        out[str(year)] = float(inside[mine].mean())
    return out


def logistic_at(walk: WalkForward, day: int) -> Logistic:
    """Fitted on at most 504 days that were known when ``day`` began."""
    mask = calibration_cells(walk, day, MAXIMUM_PROBABILITY_DAYS) & np.isfinite(walk.targets)
    return Logistic.fit(walk.rank[mask].astype(np.float64), walk.targets[mask] > 0)


def _probabilities(
    walk: WalkForward, cells: NDArray[np.bool_]
) -> tuple[float, float, tuple[tuple[float, float, int], ...]]:
    block = walk.block
    chances: list[NDArray[np.float64]] = []
    won: list[NDArray[np.bool_]] = []
    for number, start in enumerate(walk.starts):
        mine = cells & (block == number)[None, :]
        if mine.any():
            chances.append(logistic_at(walk, start).probability(walk.rank[mine].astype(np.float64)))
            won.append(walk.targets[mine] > 0)
    chance, result = np.concatenate(chances), np.concatenate(won)
    order = np.argsort(chance, kind="stable")
    tenths = tuple(
        (float(chance[rows].mean()), float(result[rows].mean()), len(rows))
        for rows in np.array_split(order, _BINS)
        if len(rows)
    )
    return float(((chance - result) ** 2).mean()), float(((0.5 - result) ** 2).mean()), tenths
