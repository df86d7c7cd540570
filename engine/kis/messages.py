"""Control messages of the stream: what we send, and how answers read."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from engine.broker import Channel, ChannelKind
from engine.kis.frames import SessionKey, session_key
from engine.kis.wire import BOOK_TR, INDEX_TR, NOTICE_TRS, TRADE_TR, Wire

SUBSCRIBED, UNSUBSCRIBED = "OPSP0000", "OPSP0001"
ALREADY_SUBSCRIBED, NOT_SUBSCRIBED = "OPSP0002", "OPSP0003"
TOO_MANY = "OPSP0008"
KEY_IN_USE = "OPSP8996"
BAD_APPROVAL = frozenset({"OPSP0010", "OPSP0011", "OPSP9994"})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a registration, or an error of the whole session."""

    tr_id: str
    key: str
    code: str
    message: str
    session_key: SessionKey | None = field(default=None, repr=False)

    @property
    def registered(self) -> bool:
        return self.code in (SUBSCRIBED, ALREADY_SUBSCRIBED)

    @property
    def removed(self) -> bool:
        return self.code in (UNSUBSCRIBED, NOT_SUBSCRIBED)


class Ping:
    """The server's PINGPONG: to be sent back as it came."""


def read_control(frame: str) -> Answer | Ping | None:
    """A control message; None for anything that is none."""
    try:
        message = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return None
    header = message.get("header") if isinstance(message, dict) else None
    if not isinstance(header, dict):
        return None
    if header.get("tr_id") == "PINGPONG":
        return Ping()
    body = message.get("body")
    if not isinstance(body, dict):
        return None
    output = body.get("output")
    found = None
    # Key and vector come in every answer; only an encrypted channel uses them.
    if isinstance(output, dict) and header.get("encrypt") == "Y":
        try:
            found = session_key(str(output.get("key", "")), str(output.get("iv", "")))
        except ValueError:
            found = None
    return Answer(
        tr_id=str(header.get("tr_id", "")),
        key=str(header.get("tr_key", "")),
        code=str(body.get("msg_cd", "")).strip(),
        message=str(body.get("msg1", "")).strip(),
        session_key=found,
    )


def wire_name(channel: Channel, wire: Wire, hts_id: str) -> tuple[str, str]:
    """TR id and key of a channel."""
    if channel.kind is ChannelKind.NOTICE:
        return NOTICE_TRS[wire], hts_id
    return {ChannelKind.TRADE: TRADE_TR, ChannelKind.BOOK: BOOK_TR, ChannelKind.INDEX: INDEX_TR}[
        channel.kind
    ], channel.key


def registration(approval_key: str, tr_id: str, key: str, *, subscribe: bool) -> str:
    return orjson.dumps(
        {
            "header": {
                "approval_key": approval_key,
                "custtype": "P",
                "tr_type": "1" if subscribe else "2",
                "content-type": "utf-8",
            },
            "body": {"input": {"tr_id": tr_id, "tr_key": key}},
        }
    ).decode()
