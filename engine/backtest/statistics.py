"""How far a result can be believed: resampled intervals, deflated Sharpe, and what blind entries would have earned."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.clock import seeded

Floats = NDArray[np.float64]
BLOCK = 5
DRAWS = 1_000
SESSIONS_PER_YEAR = 245


def block_rows(count: int, draws: int, *seed: object) -> NDArray[np.int64]:
    """(draws, count) row numbers made of blocks of five consecutive rows (Künsch 1989), wrapped at the end."""
    rng = seeded("backtest", *seed)
    blocks = -(-count // BLOCK)
    starts = rng.integers(0, count, (draws, blocks))
    rows = (starts[:, :, None] + np.arange(BLOCK)) % count
    return np.asarray(rows.reshape(draws, -1)[:, :count])


def interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if not len(values):
        return (math.nan, math.nan)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def sharpe(returns: Floats) -> float:
    """Annual, of daily returns, no riskless rate; 0 where nothing moved."""
    if len(returns) < 2:
        return 0.0
    deviation = float(returns.std(ddof=1))
    return float(returns.mean()) / deviation * math.sqrt(SESSIONS_PER_YEAR) if deviation > 0 else 0.0


def sortino(returns: Floats) -> float:
    if len(returns) < 2:
        return 0.0
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return float(returns.mean()) / downside * math.sqrt(SESSIONS_PER_YEAR) if downside > 0 else 0.0


def return_intervals(returns: Floats) -> dict[str, tuple[float, float]]:
    """95 % intervals of total return and Sharpe from blocks of days."""
    if len(returns) < 2 * BLOCK or not returns.any():
        return {}
    drawn = returns[block_rows(len(returns), DRAWS, "days", len(returns))]
    total = np.prod(1.0 + drawn, axis=1) - 1.0
    deviation = drawn.std(axis=1, ddof=1)
    ratio = np.where(deviation > 0, drawn.mean(axis=1) / np.where(deviation > 0, deviation, 1.0), 0.0)
    return {"total_return": interval(total), "sharpe": interval(ratio * math.sqrt(SESSIONS_PER_YEAR))}


def trade_intervals(percents: Floats) -> dict[str, tuple[float, float]]:
    """95 % intervals of the win rate and of the mean trade, as fractions, drawing trades."""
    if len(percents) < 5:
        return {}
    rng = seeded("backtest", "trades", len(percents))
    drawn = percents[rng.integers(0, len(percents), (DRAWS, len(percents)))]
    return {"win_rate": interval((drawn > 0).mean(axis=1)), "mean_trade": interval(drawn.mean(axis=1) / 100.0)}


def normal_share(value: float) -> float:
    return 0.5 * (1.0 + math.erf(value / math.sqrt(2.0)))


def expected_best(trials: int, deviation: float) -> float:
    """Sharpe that the best of ``trials`` worthless settings shows (Bailey and López de Prado 2014); same unit."""
    if trials <= 1:
        return 0.0
    euler = 0.5772156649015329
    return deviation * (
        (1 - euler) * _normal_quantile(1 - 1 / trials) + euler * _normal_quantile(1 - 1 / (trials * math.e))
    )


def deflated_sharpe(returns: Floats, trials: int, deviation: float) -> float:
    """Probability that the true Sharpe is above zero, given ``trials`` settings whose daily Sharpes spread by ``deviation``.

    Skew and fat tails of the returns count.
    """
    count = len(returns)
    spread = float(returns.std(ddof=1)) if count > 2 else 0.0
    if spread <= 0:
        return 0.0
    observed = float(returns.mean()) / spread
    z = (returns - returns.mean()) / spread
    skew, kurtosis = float(np.mean(z**3)), float(np.mean(z**4))
    variance = 1.0 - skew * observed + (kurtosis - 1.0) / 4.0 * observed**2
    return normal_share(
        (observed - expected_best(trials, deviation)) * math.sqrt(count - 1) / math.sqrt(max(variance, 1e-12))
    )


def _normal_quantile(share: float) -> float:
    low, high = -10.0, 10.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        if normal_share(middle) < share:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def luck(own: float, blind: Callable[[int], float], draws: int) -> tuple[float, float, float]:
    """(share of blind draws at least as good, their mean, their deviation)."""
    found = np.array([blind(number) for number in range(draws)])
    return (1.0 + float(np.sum(found >= own))) / (draws + 1.0), float(found.mean()), float(found.std())
