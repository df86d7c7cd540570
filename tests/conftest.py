"""Shared set-up of all tests."""

from __future__ import annotations

from hypothesis import settings

# Machines are noisy: pytest's own time-out guards against hanging, not a per-example deadline.
settings.register_profile("gaemi", deadline=None, print_blob=True)
settings.load_profile("gaemi")
