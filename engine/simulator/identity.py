"""Who may use the simulator: app keys, their environment, and the accounts behind them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.market import Code, Environment, Shares, Won, parse_code

DEFAULT_CASH: Won = 10_000_000


class AccountsFileError(Exception):
    """The accounts file cannot be used; the message is one clear Korean line."""


@dataclass(frozen=True, slots=True)
class OpeningHolding:
    code: Code
    quantity: Shares
    average_price: Won


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """An account at the start: ``number`` 8 digits, ``product`` 2."""

    number: str = "12345678"
    product: str = "01"
    cash: Won = DEFAULT_CASH
    hts_id: str = "hts1"
    owner: str = "개미"
    branch: str = "00950"
    holdings: tuple[OpeningHolding, ...] = ()


@dataclass(frozen=True, slots=True)
class AppKey:
    """An app key belongs to one environment and opens one account."""

    key: str
    secret: str
    environment: Environment
    account: AccountSpec


def builtin_keys(cash: Won = DEFAULT_CASH) -> tuple[AppKey, ...]:
    """The two keys that every simulator knows: real and mock, each with an account of its own."""
    account = AccountSpec(cash=cash)
    return (
        AppKey("A" * 36, "S" * 180, Environment.REAL, account),
        AppKey("V" * 36, "W" * 180, Environment.MOCK, account),
    )


def read_accounts_file(path: Path, default: Environment = Environment.MOCK) -> tuple[AppKey, ...]:
    """App keys from JSON: ``{"keys": [{"app_key", "app_secret", "account": "8-2", "environment"?, "hts_id"?, "cash"?,
    "holdings"?: [{"code", "quantity", "average_price"}]}]}``. Raises AccountsFileError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_app_key(entry, default) for entry in content["keys"])
    except OSError as error:
        raise AccountsFileError(f"계좌 파일을 읽을 수 없습니다: {path} ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AccountsFileError(f"계좌 파일의 형식이 잘못되었습니다: {path} ({error})") from error


def _app_key(entry: dict[str, Any], default: Environment) -> AppKey:
    number, _, product = str(entry["account"]).partition("-")
    if len(number) != 8 or not number.isdigit() or len(product or "01") != 2:
        raise ValueError(f"account {entry['account']!r}: 8자리-2자리")
    environment = Environment(entry.get("environment", default))
    if environment is Environment.SIMULATOR:
        raise ValueError("environment: real 또는 mock")
    cash = int(entry.get("cash", DEFAULT_CASH))
    if cash < 0:
        raise ValueError("cash < 0")
    holdings = tuple(
        OpeningHolding(parse_code(item["code"]), int(item["quantity"]), int(item["average_price"]))
        for item in entry.get("holdings", ())
    )
    if any(item.quantity <= 0 or item.average_price <= 0 for item in holdings):
        raise ValueError("holdings: quantity, average_price > 0")
    spec = AccountSpec(
        number,
        product or "01",
        cash,
        str(entry.get("hts_id", "hts1")),
        str(entry.get("owner", "개미")),
        str(entry.get("branch", "00950")),
        holdings,
    )
    return AppKey(str(entry["app_key"]), str(entry["app_secret"]), environment, spec)
