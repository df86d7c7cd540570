"""What went wrong, as one clear line for the person; what is our own fault is logged as well."""

from __future__ import annotations

import logging

from bot.context import Declined, PartOff
from bot.inputs import BadArgument, printable
from bot.reply import Reply
from bot.services import ArmingRefused, RenderFailed
from bot.texts import Texts
from engine.broker import AuthenticationError, BrokerError, NotOffered
from engine.ports import HistoryUnavailable, NewsUnavailable

logger = logging.getLogger(__name__)


def problem_text(problem: Exception, say: Texts) -> str | None:
    """None for a problem that only a defect of ours explains."""
    match problem:
        case BadArgument() | Declined():
            return say(problem.key, **problem.values)
        case PartOff():
            return say("part_off", part=say(f"part_{problem.part}"), reason=problem.reason or say("part_off_default"))
        case NotOffered():
            return say("not_offered")
        case AuthenticationError():
            return say("broker_login", reason=printable(str(problem), 200))
        case BrokerError():
            return say("broker_failed", reason=printable(str(problem), 200))
        case HistoryUnavailable() | NewsUnavailable() | ArmingRefused() | RenderFailed():
            return say("refused_with_reason", reason=printable(str(problem), 200))
        case TimeoutError():
            return say("timed_out")
        case _:
            return None


def problem_reply(problem: Exception, say: Texts, *, pressed: bool = False) -> Reply:
    """For a pressed button the line is a notice, so that the message it is on stays as it is."""
    text = problem_text(problem, say)
    if text is None:
        logger.error("a handler failed", exc_info=problem)
        text = say("unexpected", kind=type(problem).__name__)
    return Reply(notice=text, error=True) if pressed else Reply(text=text, error=True)
