"""What the model sees of one stock: 31 numbers and a window of 60 days, from its own completed bars alone.

One function serves training and prediction. Nothing here depends on other stocks: a forecast is a function of the
stock's bars and of the checkpoint, so it is the same whichever stocks are asked for beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

HORIZON: Final = 5
READ_BARS: Final = 241
"""Traded bars that a forecast reads: enough for a return over 240 days, and no more, so a longer history is equal."""
MINIMUM_BARS: Final = 61
PATCH_DAYS: Final = 60
CHANNELS: Final = 5
_CLIP: Final = 6.0

NAMES: Final[tuple[str, ...]] = (
    *(f"return_{n}" for n in (1, 2, 3, 5, 10, 20, 60, 120, 240)),
    "momentum_240_20",
    "volatility_5",
    "volatility_20",
    "volatility_60",
    "volatility_5_to_60",
    "volatility_20_to_60",
    "volume_5_to_20",
    "volume_20_to_60",
    *(f"to_{side}_{n}" for n in (20, 60, 240) for side in ("high", "low")),
    "range_20",
    "gaps_20",
    "close_location_5",
    "value_20",
    "amihud_20",
    "rsi_14",
    "largest_return_20",
    "skew_60",
)
VOLATILITY: Final = NAMES.index("volatility_60")
LIQUIDITY: Final = NAMES.index("value_20")


@dataclass(frozen=True)
class Columns:
    """Prices in won and shares of traded days, oldest first, each (..., T); NaN where a history is shorter."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    @classmethod
    def stacked(cls, rows: NDArray[np.float64]) -> Columns:
        """From (5, ..., T)."""
        return cls(*(rows[i] for i in range(5)))

    def padded(self, length: int) -> Columns:
        """Left-padded with NaN to at least ``length`` days."""
        missing = length - self.close.shape[-1]
        if missing <= 0:
            return self
        widths = [(0, 0)] * (self.close.ndim - 1) + [(missing, 0)]
        return Columns(
            *(
                np.pad(x, widths, constant_values=np.nan)
                for x in (self.open, self.high, self.low, self.close, self.volume)
            )
        )


def returns(close: Floats) -> Floats:
    """Simple one-day returns, (..., T); the first is NaN."""
    out = np.full(close.shape, np.nan)
    out[..., 1:] = close[..., 1:] / close[..., :-1] - 1.0
    return out


def raw_features(bars: Columns, rows: int) -> Floats:
    """The 31 numbers of the last ``rows`` days, (..., rows, 31), in the order of NAMES.

    NaN where the history is too short for a number.
    """
    bars = bars.padded(READ_BARS - 1 + rows)

    def tail(x: Floats, width: int) -> Floats:
        return sliding_window_view(x, width, axis=-1)[..., -rows:, :]

    def at(x: Floats, ago: int = 0) -> Floats:
        end = x.shape[-1] - ago
        return x[..., end - rows : end]

    close, volume = bars.close, bars.volume
    now = at(close)
    change = returns(close)
    before = np.full(close.shape, np.nan)
    before[..., 1:] = close[..., :-1]
    with np.errstate(all="ignore"):
        out = [now / at(close, n) - 1.0 for n in (1, 2, 3, 5, 10, 20, 60, 120, 240)]
        out.append(at(close, 20) / at(close, 240) - 1.0)
        deviations = {n: tail(change, n).std(axis=-1) for n in (5, 20, 60)}
        out += [deviations[5], deviations[20], deviations[60]]
        out += [deviations[5] / deviations[60], deviations[20] / deviations[60]]
        volumes = {n: tail(volume, n).mean(axis=-1) for n in (5, 20, 60)}
        out += [volumes[5] / volumes[20], volumes[20] / volumes[60]]
        for n in (20, 60, 240):
            out += [now / tail(bars.high, n).max(axis=-1) - 1.0, now / tail(bars.low, n).min(axis=-1) - 1.0]
        spread = bars.high - bars.low
        out.append(tail(spread / close, 20).mean(axis=-1))
        out.append(tail(bars.open / before - 1.0, 20).sum(axis=-1))
        location = np.where(spread > 0, (close - bars.low) / np.where(spread > 0, spread, 1.0), 0.5)
        location = np.where(np.isnan(close), np.nan, location)
        out.append(tail(location, 5).mean(axis=-1))
        value = close * volume
        out.append(np.log1p(tail(value, 20).mean(axis=-1)))
        out.append(np.log(tail(np.abs(change) / np.maximum(value, 1.0), 20).mean(axis=-1) + 1e-15))
        gains = tail(np.maximum(change, 0.0), 14).sum(axis=-1)
        moves = tail(np.abs(change), 14).sum(axis=-1)
        out.append(np.where(moves > 0, gains / np.where(moves > 0, moves, 1.0), np.where(np.isnan(moves), np.nan, 0.5)))
        out.append(tail(change, 20).max(axis=-1))
        window = tail(change, 60)
        centred = window - window.mean(axis=-1, keepdims=True)
        out.append((centred**3).mean(axis=-1) / deviations[60] ** 3)
    features: Floats = np.stack(out, axis=-1)
    return np.where(np.isfinite(features), features, np.nan)


def raw_channels(bars: Columns) -> NDArray[np.float32]:
    """Unscaled daily channels (..., T, 5): return, gap, high/close, low/close, log volume."""
    close = bars.close
    before = np.full(close.shape, np.nan)
    before[..., 1:] = close[..., :-1]
    with np.errstate(all="ignore"):
        parts = (
            close / before - 1.0,
            bars.open / before - 1.0,
            bars.high / close - 1.0,
            bars.low / close - 1.0,
            np.log1p(bars.volume),
        )
    return np.stack(parts, axis=-1).astype(np.float32)


def scale_windows(windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Channels (n, 60, 5) made scale-free, and the 60-day volatility (n,) they were divided by.

    A stock whose price never moved has volatility 0; its window is all zeros then.
    """
    volatility = windows[:, :, 0].std(axis=1)
    safe = np.where(volatility > 0, volatility, 1.0)[:, None, None]
    scaled = np.empty_like(windows)
    scaled[:, :, :4] = windows[:, :, :4] / safe
    scaled[:, :, 4] = windows[:, :, 4] - windows[:, :, 4].mean(axis=1, keepdims=True)
    return np.clip(np.nan_to_num(scaled, nan=0.0), -_CLIP, _CLIP).astype(np.float32), volatility


@dataclass(frozen=True)
class QuantileTable:
    """Percentiles of every feature over the training pool, (31, 101): ranks without the live cross-section."""

    points: NDArray[np.float32]

    @classmethod
    def fit(cls, features: NDArray[np.float32]) -> QuantileTable:
        """From samples (n, 31); NaN are left out."""
        return cls(np.nanpercentile(features, np.arange(101.0), axis=0).T.astype(np.float32))

    def ranks(self, features: Floats | NDArray[np.float32]) -> NDArray[np.float32]:
        """Ranks in [−.5, .5], shape kept; a missing number is the middle, 0."""
        grid = np.linspace(-0.5, 0.5, self.points.shape[1])
        out = np.empty(features.shape, np.float32)
        for i, points in enumerate(self.points):
            out[..., i] = np.interp(features[..., i].astype(np.float32), points, grid)
        return np.where(np.isnan(features), np.float32(0.0), out)
