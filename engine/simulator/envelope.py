"""Requests and answers of the REST side: the envelope, refusals, case-insensitive parameters, paging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from engine.simulator.identity import AppKey

Row: TypeAlias = dict[str, str]
_Item = TypeVar("_Item")

CONTEXT_WIDTH = 100
_MESSAGE_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised call. ``parameters`` of a GET have upper-case names; a POST keeps its body's names."""

    path: str
    tr_id: str
    tr_cont: str
    key: AppKey
    parameters: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        return self.parameters.get(name, default).strip()

    def needed(self, name: str) -> str:
        """A parameter that must be there. Raises Refusal."""
        if name not in self.parameters:
            raise Refusal("2", "OPSQ2001", f"ERROR INPUT FIELD NOT FOUND [{name}]")
        return self.parameters[name].strip()

    def number(self, name: str) -> int:
        """A whole number that must be there. Raises Refusal."""
        value = self.needed(name)
        try:
            return int(value or "0")
        except ValueError:
            raise Refusal("2", "OPSQ2002", f"ERROR INPUT FIELD [{name}]") from None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a JSON object, the HTTP status and the paging header."""

    body: dict[str, Any]
    status: int = 200
    tr_cont: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A call that is answered with an error envelope."""

    def __init__(self, rt_cd: str, msg_cd: str, msg1: str, *, status: int = 200) -> None:
        super().__init__(f"{msg_cd} {msg1}")
        self.rt_cd, self.msg_cd, self.msg1, self.status = rt_cd, msg_cd, msg1, status

    def answer(self) -> Answer:
        return Answer({"rt_cd": self.rt_cd, "msg_cd": self.msg_cd, "msg1": self.msg1}, self.status)


def gateway_refusal(msg_cd: str, msg1: str) -> Refusal:
    """Gateway errors come as HTTP 500 with an ordinary envelope."""
    return Refusal("1", msg_cd, msg1, status=500)


def quote(**outputs: object) -> Answer:
    """A successful quote."""
    return Answer({**outputs, "rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다."})


def _padded(text: str, width: int = CONTEXT_WIDTH) -> str:
    return text.ljust(width)


def listing(outputs: Mapping[str, object], *, more: bool = False, condition: str = "", cursor: str = "") -> Answer:
    """A successful account list: blank-padded message and cursors, ``tr_cont`` M (more) or D (last)."""
    message = "조회가 계속됩니다..다음버튼을 Click 하십시오." if more else "조회가 완료되었습니다"
    return Answer(
        {
            "ctx_area_fk100": _padded(condition),
            "ctx_area_nk100": _padded(cursor if more else ""),
            **outputs,
            "rt_cd": "0",
            "msg_cd": "KIOK0500" if more else "KIOK0510",
            "msg1": _padded(message, _MESSAGE_WIDTH),
        },
        tr_cont="M" if more else "D",
    )


def inquiry(output: object) -> Answer:
    """A successful one-object account inquiry."""
    body = {
        "output": output,
        "rt_cd": "0",
        "msg_cd": "KIOK0510",
        "msg1": _padded("조회가 완료되었습니다", _MESSAGE_WIDTH),
    }
    return Answer(body, tr_cont="D")


def page(
    call: Call, rows: Sequence[_Item], size: int, *, cursor_name: str = "CTX_AREA_NK100"
) -> tuple[list[_Item], str]:
    """(the rows of the asked page, cursor of the next page or ""). The cursor decides, not the ``tr_cont`` header."""
    cursor = call.text(cursor_name)
    first = int(cursor) if cursor.isdigit() else 0
    chunk = list(rows[first : first + size])
    following = first + size
    return chunk, f"{following:020d}" if following < len(rows) else ""
