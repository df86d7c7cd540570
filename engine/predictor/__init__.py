"""The forecast of the next five trading days: one Transformer for the market, ridge beside it, and a skill gate.

torch is only imported in the worker process. See docs/predictor.md.
"""

from engine.predictor.service import Predictor, Retrained, RetrainRefused

__all__ = ["Predictor", "RetrainRefused", "Retrained"]
