"""The web front end on the running service with its embedded broker: every listed path, and one real order."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import orjson
import pytest
import websockets

from bot.app import RunOptions, open_engine
from bot.front_ends import open_front_ends
from bot.settings import load_settings
from bot.venue import MarketChoice
from engine.clock import wall_sleep
from engine.market import Phase

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PARTS_THAT_MAY_BE_OFF = ("/api/predict/005930", "/api/ai/signal/005930", "/api/ai/news/005930", "/api/ai/report")
READS = (
    "/api/stocks?query=삼성",
    "/api/stocks/005930/price",
    "/api/stocks/005930/daily",
    "/api/stocks/005930/orderbook",
    "/api/indices",
    "/api/trading/portfolio",
    "/api/trading/portfolio/heatmap",
    "/api/trading/portfolio/heatmap?scope=market",
    "/api/trading/bot",
    "/healthz",
    "/metrics",
)


async def test_every_path_and_an_order_that_fills(tmp_path: Path) -> None:
    settings = load_settings(None, gaemi_home=tmp_path, gaemi_port=0)
    told: list[str] = []
    options = RunOptions(settings, tmp_path, MarketChoice(speed=60.0), autostart=False)
    async with open_engine(options) as engine, open_front_ends(engine, told.append) as loops:
        running = asyncio.create_task(engine.run(*loops))
        address = next(found.group(1) for line in told if (found := re.search(r"(http://\S+/)#code=", line)))
        bearer = {"Authorization": f"Bearer {(tmp_path / 'api-token').read_text().strip()}"}
        async with httpx.AsyncClient(base_url=address, headers=bearer, timeout=60, trust_env=False) as client:
            while engine.market.phase() is not Phase.CONTINUOUS:
                await wall_sleep(0.05)
            for path in READS:
                answer = await client.get(path)
                assert answer.status_code == 200, (path, answer.text)
            for path in PARTS_THAT_MAY_BE_OFF:
                answer = await client.get(path)
                assert answer.status_code in (200, 503), (path, answer.text)
                if answer.status_code == 503:
                    assert answer.json()["detail"]
            trades = address.replace("http", "ws") + "ws/trades"
            async with websockets.connect(trades, additional_headers=bearer) as socket:
                order = {"code": "005930", "quantity": 3, "type": "market"}
                answers = await asyncio.gather(
                    *(client.post("/api/trading/buy", json=order, headers={"Idempotency-Key": "one"}) for _ in range(3))
                )
                assert {a.json()["state"] for a in answers} == {"accepted"}, [a.text for a in answers]
                assert len({a.json()["order_id"] for a in answers}) == 1
                async with asyncio.timeout(30):
                    while (event := orjson.loads(await socket.recv())).get("kind") != "buy":
                        pass
                assert event["order"]["code"] == "005930"
            async with asyncio.timeout(30):
                while not (held := (await client.get("/api/trading/portfolio")).json()["holdings"]):
                    await wall_sleep(0.1)
            assert [(row["code"], row["quantity"]) for row in held] == [("005930", 3)]
            lines = (await client.get("/api/trading/orders")).json()["items"]
            assert [(row["code"], row["filled"]) for row in lines] == [("005930", 3)]
            async with websockets.connect(address.replace("http", "ws") + "ws/prices?codes=005930") as socket:
                async with asyncio.timeout(30):
                    while not any(row[0] == "005930" for row in orjson.loads(await socket.recv()).get("rows", ())):
                        pass
            assert (await client.post("/api/trading/bot/start")).json()["running"] is True
            assert (await client.post("/api/trading/bot/stop")).json()["running"] is False
            sold = await client.post("/api/trading/sell", json=order, headers={"Idempotency-Key": "two"})
            assert sold.json()["state"] == "accepted", sold.text
            # Last, since the first screening reads the bars of every stock.
            table = await client.get("/api/stocks/recommend", timeout=150)
            assert len(table.json()["items"]) == 10, table.text
        engine.finished.set()
        await running
