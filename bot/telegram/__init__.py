"""The Telegram front end."""

import os

# PTB's durations as timedelta: without this choice it warns inside the library at every flood answer.
os.environ.setdefault("PTB_TIMEDELTA", "1")
