"""What the console's own endpoints take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=4_096)


ShortText = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x08\x0e-\x1f]*$")]
ActionText = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z]{1,8}(:[A-Za-z0-9_.,+-]*)*$")
]
MessageId = Annotated[str, StringConstraints(max_length=40, pattern=r"^(console/[0-9]{1,12})?$")]


class ProblemModel(BaseModel):
    """RFC 9457."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["인증 필요"])
    status: int = Field(examples=[401])
    detail: str = Field(examples=["로그인 링크나 API 토큰이 필요합니다"])


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Point(Answer):
    """One point of a curve."""

    at: datetime
    value: float


class ImageModel(Answer):
    url: str
    alternative: str = Field(description="그림을 말로 옮긴 것")
    width: int
    height: int


class FileModel(Answer):
    url: str
    name: str


class ButtonModel(Answer):
    label: str
    action: str
    style: Literal["primary", "secondary", "success", "danger"]
    kind: Literal["action", "form"]
    disabled: bool


class FieldModel(Answer):
    name: str
    label: str
    placeholder: str
    required: bool
    secret: bool
    value: str


class FormModel(Answer):
    title: str
    action: str
    fields: list[FieldModel]


class LiveModel(Answer):
    """The card refreshes itself with ``action`` every ``seconds``, at most ``times`` times."""

    action: str
    seconds: float
    times: int


class Card(Answer):
    """One answer, as a chat would show it."""

    message: str = Field(description="이 답의 번호. 단추를 누를 때 함께 보냅니다", examples=["console/12"])
    text: str = Field(examples=["삼성전자 71,900원 ▲1,300 (+1.84%)"])
    notice: str = Field(description="눌렀을 때 잠깐 보이는 한 줄")
    image: ImageModel | None
    document: FileModel | None
    rows: list[list[ButtonModel]]
    form: FormModel | None
    live: LiveModel | None
    edit: bool = Field(description="참이면 눌린 답을 그 자리에서 바꿉니다")
    error: bool
    silent: bool


class LineRequest(Model):
    line: ShortText = Field(min_length=1, examples=["차트 삼성전자 15분"])
    tag: Annotated[str, StringConstraints(max_length=40, pattern=r"^[A-Za-z0-9_-]*$")] = Field(
        "", description="진행 상황 메시지에 붙어 오는 표"
    )


class ActionRequest(Model):
    action: ActionText = Field(examples=["c:chart:005930:day"])
    message: MessageId = Field("", examples=["console/12"])
    answers: dict[Annotated[str, StringConstraints(max_length=40)], ShortText] = Field(
        default_factory=dict, max_length=5
    )
    tag: Annotated[str, StringConstraints(max_length=40, pattern=r"^[A-Za-z0-9_-]*$")] = ""


class RefreshRequest(Model):
    action: ActionText
    message: MessageId = ""


class SuggestionModel(Answer):
    label: str
    value: str = Field(description="고르면 입력줄에 들어갈 글")


class CommandModel(Answer):
    name: str = Field(examples=["차트"])
    name_en: str = Field(examples=["chart"])
    description: str
    usage: str = Field(examples=["차트 <종목> [간격]"])
    group: str
    examples: list[str]


class LoginRequest(Model):
    code: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]


class SessionModel(Answer):
    logged_in: bool
    environment: str = Field(examples=["시뮬레이터"])
    simulated: bool
    source: str
    account_tail: str = Field("", description="로그인했을 때만")


class LoggedIn(SessionModel):
    csrf: str = Field(description="상태를 바꾸는 요청의 X-CSRF-Token 머리말")


class LoginLink(Answer):
    link: str
    seconds: int


class PriceWish(Model):
    """What a client of ``/ws/prices`` may send."""

    subscribe: list[Annotated[str, StringConstraints(max_length=7)]] = Field(default_factory=list, max_length=200)
    unsubscribe: list[Annotated[str, StringConstraints(max_length=7)]] = Field(default_factory=list, max_length=200)
    all: bool | None = None


class HealthModel(Answer):
    status: Literal["ok", "slow"]
    environment: str
    beat_seconds: float | None = Field(description="이벤트 루프가 마지막으로 뛴 지 몇 초")
