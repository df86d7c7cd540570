"""Settings from the environment and ``.env``: typed, secret where secret, and refused as a whole when one is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from engine.market import Environment

OWN_PREFIXES = ("KIS_", "DISCORD_", "TELEGRAM_", "GEMINI_", "GAEMI_", "NAVER_")
"""Variables with these prefixes belong to gaemi: an unknown one is a typing error and refused."""

Ids = Annotated[tuple[int, ...], NoDecode]


class SettingsError(Exception):
    """One clear Korean line on what is wrong with the settings."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=None, extra="ignore", case_sensitive=False, frozen=True)

    kis_app_key: SecretStr | None = None
    kis_app_secret: SecretStr | None = None
    kis_account: str = ""
    """8 digits, or 8-2 digits."""
    kis_hts_id: str = ""
    kis_mock: bool = True
    """True or absent: 모의. False: 실전."""
    kis_calls_per_second: float | None = None

    discord_token: SecretStr | None = None
    discord_webhook_url: SecretStr | None = None
    discord_guild: int | None = None
    discord_channel: int | None = None
    discord_public_channel: bool = False
    discord_viewers: Ids = ()
    discord_traders: Ids = ()
    discord_admins: Ids = ()
    telegram_token: SecretStr | None = None
    telegram_viewers: Ids = ()
    telegram_traders: Ids = ()
    telegram_admins: Ids = ()

    gemini_api_key: SecretStr | None = None
    gemini_model: str = "gemini-3.5-flash-lite"
    naver_client_id: SecretStr | None = None
    naver_client_secret: SecretStr | None = None

    gaemi_home: Path = Field(default_factory=lambda: Path.home() / ".local" / "share" / "gaemi")
    gaemi_language: str = "ko"
    gaemi_totp_secret: SecretStr | None = None
    gaemi_host: str = "127.0.0.1"
    gaemi_port: int = Field(default=8000, ge=0, le=65535)
    gaemi_public: bool = False
    """Allow a bind that other machines can reach."""
    gaemi_autostart: bool | None = None
    """Start automatic trading with the service. Default: only in the simulator."""
    gaemi_gemini_url: str = Field(default="", validation_alias=AliasChoices("GAEMI_TEST_GEMINI_URL"))
    gaemi_discord_url: str = Field(default="", validation_alias=AliasChoices("GAEMI_TEST_DISCORD_URL"))
    gaemi_telegram_url: str = Field(default="", validation_alias=AliasChoices("GAEMI_TEST_TELEGRAM_URL"))

    @field_validator(
        "discord_viewers",
        "discord_traders",
        "discord_admins",
        "telegram_viewers",
        "telegram_traders",
        "telegram_admins",
        mode="before",
    )
    @classmethod
    def _split_ids(cls, value: Any) -> Any:
        if isinstance(value, str):
            parts = [part.strip() for part in value.split(",") if part.strip()]
            if not all(part.isascii() and part.isdigit() for part in parts):
                raise ValueError("숫자 아이디를 쉼표로 나열해야 합니다")
            return tuple(int(part) for part in parts)
        return value

    @field_validator("kis_account")
    @classmethod
    def _account(cls, value: str) -> str:
        digits = value.replace("-", "").strip()
        if digits and (not digits.isascii() or not digits.isdigit() or len(digits) not in (8, 10)):
            raise ValueError("계좌번호는 8자리 또는 8-2자리 숫자여야 합니다")
        return digits + "01" if len(digits) == 8 else digits

    @field_validator("gaemi_language")
    @classmethod
    def _language(cls, value: str) -> str:
        if value not in ("ko", "en"):
            raise ValueError("ko 또는 en 이어야 합니다")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Settings:
        given = [bool(self.kis_app_key), bool(self.kis_app_secret), bool(self.kis_account)]
        if any(given) and not all(given):
            names = ("KIS_APP_KEY", "KIS_APP_SECRET", "KIS_ACCOUNT")
            missing = ", ".join(name for name, present in zip(names, given, strict=True) if not present)
            raise ValueError(
                f"KIS 설정이 반만 되어 있습니다. 빠진 것: {missing} (셋 다 지우면 시뮬레이터로 실행합니다)"
            )
        if not any(given) and not self.kis_mock:
            raise ValueError("KIS_MOCK=false(실전)인데 KIS_APP_KEY, KIS_APP_SECRET, KIS_ACCOUNT 가 없습니다")
        if bool(self.naver_client_id) != bool(self.naver_client_secret):
            raise ValueError("NAVER_CLIENT_ID 와 NAVER_CLIENT_SECRET 은 함께 있어야 합니다")
        for url, token, name in (
            (self.gaemi_discord_url, self.discord_token, "DISCORD_TOKEN"),
            (self.gaemi_telegram_url, self.telegram_token, "TELEGRAM_TOKEN"),
            (self.gaemi_gemini_url, self.gemini_api_key, "GEMINI_API_KEY"),
        ):
            if url and token is not None and not token.get_secret_value().startswith("test"):
                raise ValueError(f"시험용 주소는 진짜 {name} 과 함께 쓸 수 없습니다")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``load_settings`` hands over: it has read the environment, and checked its names."""
        return (init_settings,)

    @property
    def environment(self) -> Environment:
        if self.kis_app_key is None:
            return Environment.SIMULATOR
        return Environment.MOCK if self.kis_mock else Environment.REAL

    @property
    def account_tail(self) -> str:
        return self.kis_account[4:8] if self.kis_account else "5678"


def _known_names() -> set[str]:
    names: set[str] = set()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            names |= {str(choice) for choice in alias.choices}
        else:
            names.add(name.upper())
    return names | {"GAEMI_SHARED_DATA"}


def load_settings(env_file: Path | None = Path(".env"), **overrides: Any) -> Settings:
    """Read ``.env`` and the environment (which wins). Raises SettingsError with one Korean line."""
    values: dict[str, str] = {}
    if env_file is not None and env_file.is_file():
        from dotenv import dotenv_values

        for name, value in dotenv_values(env_file).items():
            values[name.upper()] = (value or "").strip()
        foreign = [name for name in values if name not in _known_names()]
        if foreign:
            raise SettingsError(f".env 에 알 수 없는 설정이 있습니다: {', '.join(sorted(foreign))}{_hint(foreign[0])}")
    for name, value in os.environ.items():
        upper = name.upper()
        if upper in _known_names():
            values[upper] = value.strip()
        elif upper.startswith(OWN_PREFIXES):
            raise SettingsError(f"알 수 없는 환경 변수입니다: {name}{_hint(upper)}")
    values = {name: value for name, value in values.items() if value != "" and name != "GAEMI_SHARED_DATA"}
    given: dict[str, Any] = {
        (name if name.startswith("GAEMI_TEST_") else name.lower()): value for name, value in values.items()
    }
    given.update({name: value for name, value in overrides.items() if value is not None})
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]).upper()
        message = str(first["msg"]).removeprefix("Value error, ")
        # The value itself is never repeated: it may be a secret.
        raise SettingsError(f"설정 {where}: {message}" if where else message) from None


def _hint(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name.upper(), _known_names(), n=1)
    return f" (혹시 {near[0]} 인가요?)" if near else ""
