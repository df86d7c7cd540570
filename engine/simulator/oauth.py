"""Tokens, approval keys and hashes. OAuth errors have a shape of their own and come as HTTP 403."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.simulator.envelope import Answer, gateway_refusal
from engine.simulator.floor import stable_hash
from engine.simulator.identity import AppKey
from engine.simulator.settings import BrokerSettings


@dataclass(slots=True)
class Token:
    text: str
    key: AppKey
    issued: datetime
    expires: datetime
    revoked: bool = False


def _oauth_error(code: str, description: str) -> Answer:
    return Answer({"error_code": code, "error_description": description}, 403)


class Gatekeeper:
    """Issues and judges credentials. ``now`` is the service clock."""

    def __init__(
        self, keys: Mapping[str, AppKey], settings: BrokerSettings, now: Callable[[], datetime], seed: int
    ) -> None:
        self.keys = dict(keys)
        self._settings = settings
        self._now = now
        self._seed = seed
        self._tokens: dict[str, Token] = {}
        self._current: dict[str, Token] = {}
        self._asked: dict[str, datetime] = {}
        self._approvals: dict[str, tuple[AppKey, datetime]] = {}
        self._count = 0

    # -- the four paths

    def issue_token(self, body: Mapping[str, Any]) -> Answer:
        key = self._identify(body, "appsecret")
        if isinstance(key, Answer):
            return key
        now = self._now()
        asked = self._asked.get(key.key)
        if asked is not None and (now - asked).total_seconds() < self._settings.token_interval:
            return _oauth_error("EGW00133", "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)")
        self._asked[key.key] = now
        token = self._current.get(key.key)
        if token is None or token.revoked or (now - token.issued).total_seconds() >= self._settings.token_reuse:
            token = self._new_token(key, now)
        return Answer(
            {
                "access_token": token.text,
                "access_token_token_expired": f"{token.expires:%Y-%m-%d %H:%M:%S}",
                "token_type": "Bearer",
                "expires_in": int((token.expires - now).total_seconds()),
            }
        )

    def revoke(self, body: Mapping[str, Any]) -> Answer:
        key = self._identify(body, "appsecret")
        if isinstance(key, Answer):
            return key
        token = self._tokens.get(str(body.get("token", "")))
        if token is None or token.key is not key:
            return _oauth_error("EGW00121", "유효하지 않은 token 입니다.")
        token.revoked = True
        return Answer({"code": 200, "message": "접근토큰 폐기에 성공하였습니다"})

    def approve(self, body: Mapping[str, Any]) -> Answer:
        key = self._identify(body, "secretkey")
        if isinstance(key, Answer):
            return key
        self._count += 1
        digest = hashlib.sha256(f"{self._seed}/{key.key}/{self._count}".encode()).hexdigest()
        approval = "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))
        self._approvals[approval] = (key, self._now() + timedelta(seconds=self._settings.token_life))
        return Answer({"approval_key": approval})

    def hash(self, headers: Mapping[str, str], body: object) -> Answer:
        key = self._identify(headers, "appsecret")
        if isinstance(key, Answer):
            return key
        digest = hashlib.sha256(json.dumps(body, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
        return Answer({"BODY": body, "HASH": digest})

    # -- judging

    def authorise(self, headers: Mapping[str, str]) -> AppKey:
        """The key behind a call's headers. Raises Refusal."""
        kind, _, text = headers.get("authorization", "").strip().partition(" ")
        if not text:
            raise gateway_refusal("EGW00122", "token이 없습니다.")
        if kind.lower() != "bearer":
            raise gateway_refusal("EGW00205", "credentials_type이 유효하지 않습니다.(Bearer)")
        token = self._tokens.get(text.strip())
        if token is None or token.revoked:
            raise gateway_refusal("EGW00121", "유효하지 않은 token 입니다.")
        if token.expires <= self._now():
            raise gateway_refusal("EGW00123", "기간이 만료된 token 입니다.")
        if headers.get("appkey", "").strip() != token.key.key:
            raise gateway_refusal("EGW00103", "유효하지 않은 AppKey입니다.")
        if headers.get("appsecret", "").strip() != token.key.secret:
            raise gateway_refusal("EGW00105", "유효하지 않은 AppSecret입니다.")
        return token.key

    def approved(self, approval: str) -> AppKey | None:
        """The key behind an approval key that was issued and has not expired."""
        known = self._approvals.get(approval)
        return known[0] if known and known[1] > self._now() else None

    def expire_token(self, key: AppKey) -> None:
        """Let the current token of ``key`` run out now (a fault)."""
        token = self._current.get(key.key)
        if token is not None:
            token.expires = self._now()
            self._current.pop(key.key)

    def revoke_token(self, key: AppKey) -> None:
        """The current token is no longer known, as if one had been issued elsewhere (a fault)."""
        if (token := self._current.get(key.key)) is not None:
            token.revoked = True

    def _identify(self, body: Mapping[str, Any], secret_name: str) -> AppKey | Answer:
        app_key, secret = str(body.get("appkey", "")), str(body.get(secret_name, ""))
        grant = body.get("grant_type", "client_credentials")
        if grant != "client_credentials":
            return _oauth_error("EGW00115", "grant_type이 유효하지 않습니다.")
        if not app_key:
            return _oauth_error("EGW00102", "AppKey는 필수입니다.")
        if not secret:
            return _oauth_error("EGW00104", "AppSecret은 필수입니다.")
        key = self.keys.get(app_key)
        if key is None:
            return _oauth_error("EGW00103", "유효하지 않은 AppKey입니다.")
        if key.secret != secret:
            return _oauth_error("EGW00105", "유효하지 않은 AppSecret입니다.")
        return key

    def _new_token(self, key: AppKey, now: datetime) -> Token:
        self._count += 1
        life = timedelta(seconds=self._settings.token_life)

        def part(content: Mapping[str, object]) -> str:
            return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

        identity = hashlib.sha256(f"{self._seed}/{key.key}".encode()).hexdigest()
        payload = {
            "sub": "token",
            "aud": f"{identity[:8]}-{identity[8:12]}-{identity[12:16]}-{identity[16:20]}-{identity[20:32]}",
            "iss": "unogw",
            "exp": int((now + life).timestamp()),
            "iat": int(now.timestamp()),
            "jti": f"{stable_hash(self._seed, key.key, self._count):036x}",
        }
        signature = hashlib.sha512(f"{self._seed}/{payload}".encode()).digest()
        text = ".".join(
            (part({"typ": "JWT", "alg": "HS512"}), part(payload), urlsafe_b64encode(signature).decode().rstrip("="))
        )
        token = Token(text, key, now, now + life)
        self._tokens[text] = self._current[key.key] = token
        return token
