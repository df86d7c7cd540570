"""What the chat adapters say by themselves, in both languages; everything else comes with the Reply."""

from __future__ import annotations

from collections.abc import Mapping

KOREAN: Mapping[str, str] = {
    "picture_too_large": "그림이 {limit}MB를 넘어 보내지 않았습니다.",
    "file_too_large": "파일이 {limit}MB를 넘어 보내지 않았습니다.",
    "form_button": "입력하기",
    "form_expired": "입력 시간이 지났습니다. 다시 눌러 주세요.",
    "form_cancelled": "입력을 그만두었습니다.",
    "form_prompt": "{title}\n{label}\n그만두려면 '그만'이라고 보내세요.",
    "form_optional": "건너뛰려면 - 를 보내세요.",
    "original_button": "원본",
    "original_gone": "원본이 남아 있지 않습니다. 다시 조회해 주세요.",
    "original_caption": "원본 그림",
    "welcome": (
        "개미입니다. 아래 단추를 누르거나 '차트 삼성전자'처럼 입력하세요.\n"
        "자동매매는 '봇시작'을 눌러야 시작합니다. 전체 명령은 '도움말'에 있습니다."
    ),
    "welcome_placeholder": "예: 차트 삼성전자",
    "not_allowed": "사용할 수 없습니다.",
    "command_changed": "명령이 바뀌었습니다. 잠시 뒤 다시 입력해 주세요.",
    "failed": "처리하지 못했습니다. 잠시 뒤 다시 시도해 주세요.",
    "nothing": "끝났습니다.",
}

ENGLISH: Mapping[str, str] = {
    "picture_too_large": "The picture was larger than {limit} MB and was not sent.",
    "file_too_large": "The file was larger than {limit} MB and was not sent.",
    "form_button": "Enter",
    "form_expired": "The time to answer is over. Press the button again.",
    "form_cancelled": "Cancelled.",
    "form_prompt": "{title}\n{label}\nSend 'stop' to cancel.",
    "form_optional": "Send - to leave it as it is.",
    "original_button": "Original",
    "original_gone": "The original is gone. Ask again for a fresh one.",
    "original_caption": "Original picture",
    "welcome": (
        "This is gaemi. Press a key below or type for instance 'chart 005930'.\n"
        "Automatic trading begins only when you press '봇시작'. 'help' lists all commands."
    ),
    "welcome_placeholder": "e.g. chart 005930",
    "not_allowed": "Not allowed.",
    "command_changed": "The commands have changed. Try again in a moment.",
    "failed": "That did not work. Try again in a moment.",
    "nothing": "Done.",
}


def front_text(language: str, key: str, **values: object) -> str:
    """Raises KeyError for an unknown key or a missing value."""
    catalogue = KOREAN if language.startswith("ko") or not language else ENGLISH
    return catalogue[key].format_map(values)
