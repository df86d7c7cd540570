"""schemathesis over the OpenAPI document: no 5xx, every answer as documented."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS

from tests.bot.fakes import FakeBacktests, FakeOrders, FakeTrader
from tests.web.conftest import Site

EXAMPLES = int(os.environ.get("GAEMI_SCHEMA_EXAMPLES", "8"))


def attack(document: dict[str, Any], address: str, headers: dict[str, str]) -> dict[str, int]:
    """Call every operation with generated cases, good and bad; how many for each status."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] == "code":  # else nearly every code is one that nobody listed
                    parameter["schema"] = {"type": "string", "enum": ["005930", "247540", "0126Z0", "999999"]}
    schema = schemathesis.openapi.from_dict(document)
    seen: dict[str, int] = {}
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            answer = case.call(base_url=address.rstrip("/"), headers=headers)
            # Tick sizes, holdings, "a key or a confirmation" are rules beyond any schema: they refuse with a 422.
            case.validate_response(answer, excluded_checks=[CHECKS.get_one("positive_data_acceptance")])
            seen[str(answer.status_code)] = seen.get(str(answer.status_code), 0) + 1

        check()
    return seen


async def test_generated_requests_find_no_crash_and_no_undocumented_answer(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    document = (await site.client.get("/api/openapi.json")).json()
    headers = site.bearer
    seen = await asyncio.to_thread(attack, document, site.address, headers)
    with capsys.disabled():
        print(f"\nschemathesis: {sum(seen.values())} cases, {dict(sorted(seen.items()))}")
    assert sum(seen.values()) >= 100
    assert not [status for status in seen if status.startswith("5")]
    # What the fakes saw was only ever well-formed.
    assert isinstance(site.services.orders, FakeOrders)
    assert all(order.quantity > 0 for order in site.services.orders.sent)
    assert isinstance(site.services.trader, FakeTrader)
    assert isinstance(site.services.backtests, FakeBacktests)
    assert all(request.days >= 5 for request in site.services.backtests.asked)
