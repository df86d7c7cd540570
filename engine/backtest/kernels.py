"""Compiled passes over whole histories. Importing this module imports numba: do it lazily.

They call the curves of the score and hold no formula of their own.
"""

from __future__ import annotations

import numpy as np

from engine.scoring.curves import FIFTEEN_FACTS, breakout_share, fifteen_facts
from engine.scoring.kernels import Floats, Integers, compiled


@compiled
def session_facts(
    high: Floats, low: Floats, close: Floats, session: Integers, begins: Integers, firsts: Integers, ends: Integers
) -> Floats:
    """Facts after each bar of each session firsts[s]:ends[s], from the window that begins at begins[s]."""
    out = np.full((len(close), FIFTEEN_FACTS), np.nan)
    for s in range(len(begins)):
        a, first, b = begins[s], firsts[s], ends[s]
        if b > first:
            facts = fifteen_facts(high[a:b], low[a:b], close[a:b], session[a:b], first - a)
            for t in range(first, b):
                out[t] = facts[t - a]
    return out


@compiled
def breakout_rows(progress: Floats, band: Floats, maximum: float) -> Floats:
    out = np.full(len(progress), np.nan)
    for i in range(len(progress)):
        out[i] = maximum * breakout_share(progress[i], band[i])
    return out
