"""A raw client for tests: httpx and websockets, no code of the service's own client."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from websockets.asyncio.client import ClientConnection, connect

from engine.clock import Hold, SimulatedClock
from engine.market import KST
from engine.simulator.app import Addresses, Simulator
from tests.simulator.hand_tape import DAY, HandTape

REAL = ("A" * 36, "S" * 180)
MOCK = ("V" * 36, "W" * 180)


@dataclass
class RawClient:
    """One app key over plain HTTP. ``clock`` keeps market time still during a call."""

    http: httpx.AsyncClient
    clock: SimulatedClock
    app_key: str
    secret: str
    token: str = ""
    outer: Hold | None = None
    """The test's own hold, given up during a call: the server gives up only the call's."""
    account: tuple[str, str] = ("12345678", "01")

    @property
    def mock(self) -> bool:
        return self.app_key.startswith("V")

    def tr(self, tr_id: str) -> str:
        return "V" + tr_id[1:] if self.mock else tr_id

    async def login(self) -> None:
        answer = await self.post_plain("/oauth2/tokenP", appsecret=self.secret)
        self.token = answer.json()["access_token"]

    async def post_plain(self, path: str, **body: str) -> httpx.Response:
        with self.clock.hold(path):
            return await self.http.post(path, json={"grant_type": "client_credentials", "appkey": self.app_key, **body})

    async def approval(self) -> str:
        answer = await self.post_plain("/oauth2/Approval", secretkey=self.secret)
        return str(answer.json()["approval_key"])

    def headers(self, tr_id: str, hold_id: str) -> dict[str, str]:
        return {
            "authorization": f"Bearer {self.token}",
            "appkey": self.app_key,
            "appsecret": self.secret,
            "tr_id": tr_id,
            "custtype": "P",
            "gt_uid": hold_id,
        }

    @contextmanager
    def calling(self, label: str) -> Iterator[str]:
        with self.clock.hold(label) as hold:
            if self.outer is not None:
                self.outer.release()
            try:
                yield hold.id
            finally:
                if self.outer is not None:
                    self.outer.acquire()

    async def get(self, path: str, tr_id: str, **parameters: str) -> httpx.Response:
        with self.calling(path) as hold_id:
            return await self.http.get(
                f"/uapi/domestic-stock/v1/{path}", params=parameters, headers=self.headers(tr_id, hold_id)
            )

    async def post(self, path: str, tr_id: str, **body: str) -> httpx.Response:
        with self.calling(path) as hold_id:
            return await self.http.post(
                f"/uapi/domestic-stock/v1/{path}", json=body, headers=self.headers(tr_id, hold_id)
            )

    # -- shorthands

    async def order(
        self, side: str, code: str, quantity: int, price: int = 0, division: str | None = None, **more: str
    ) -> dict[str, Any]:
        tr_id = self.tr("TTTC0012U" if side == "buy" else "TTTC0011U")
        answer = await self.post(
            "trading/order-cash",
            tr_id,
            CANO=self.account[0],
            ACNT_PRDT_CD=self.account[1],
            PDNO=code,
            ORD_DVSN=division or ("00" if price else "01"),
            ORD_QTY=str(quantity),
            ORD_UNPR=str(price),
            **more,
        )
        return dict(answer.json())

    async def revise(
        self, number: str, kind: str, quantity: int = 0, price: int = 0, *, everything: bool = True
    ) -> dict[str, Any]:
        answer = await self.post(
            "trading/order-rvsecncl",
            self.tr("TTTC0013U"),
            CANO=self.account[0],
            ACNT_PRDT_CD=self.account[1],
            KRX_FWDG_ORD_ORGNO="",
            ORGN_ODNO=number,
            ORD_DVSN="00",
            RVSE_CNCL_DVSN_CD=kind,
            ORD_QTY=str(quantity),
            ORD_UNPR=str(price),
            QTY_ALL_ORD_YN="Y" if everything else "N",
        )
        return dict(answer.json())

    async def balance(self) -> dict[str, Any]:
        answer = await self.get(
            "trading/inquire-balance",
            self.tr("TTTC8434R"),
            CANO=self.account[0],
            ACNT_PRDT_CD=self.account[1],
            AFHR_FLPR_YN="N",
            OFL_YN="",
            INQR_DVSN="02",
            UNPR_DVSN="01",
            FUND_STTL_ICLD_YN="N",
            FNCG_AMT_AUTO_RDPT_YN="N",
            PRCS_DVSN="00",
            CTX_AREA_FK100="",
            CTX_AREA_NK100="",
        )
        return dict(answer.json())

    async def fills(self, **more: str) -> dict[str, Any]:
        today = f"{self.clock.today():%Y%m%d}"
        answer = await self.get(
            "trading/inquire-daily-ccld",
            self.tr("TTTC0081R"),
            **{
                "CANO": self.account[0],
                "ACNT_PRDT_CD": self.account[1],
                "INQR_STRT_DT": today,
                "INQR_END_DT": today,
                "SLL_BUY_DVSN_CD": "00",
                "INQR_DVSN": "01",
                "PDNO": "",
                "CCLD_DVSN": "00",
                "ORD_GNO_BRNO": "",
                "ODNO": "",
                "INQR_DVSN_3": "00",
                "INQR_DVSN_1": "",
                "CTX_AREA_FK100": "",
                "CTX_AREA_NK100": "",
                **more,
            },
        )
        return dict(answer.json())


@dataclass
class RawStream:
    """A WebSocket session that tells the clock of every frame it has handled."""

    socket: ClientConnection
    approval: str
    clock: SimulatedClock
    port: int
    frames: list[str | bytes] = field(default_factory=list)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)

    async def listen(self) -> None:
        async for message in self.socket:
            self.frames.append(message)
            if isinstance(message, str) and message.startswith("{"):
                content = json.loads(message)
                output = content.get("body", {}).get("output")
                if output:
                    self.keys[content["header"]["tr_id"]] = (output["key"], output["iv"])
            self.clock.frame_handled(self.port)

    async def register(self, tr_id: str, key: str, kind: str = "1") -> dict[str, Any]:
        before = len(self.frames)
        message = {
            "header": {
                "approval_key": self.approval,
                "custtype": "P",
                "tr_type": kind,
                "content-type": "utf-8",
            },
            "body": {"input": {"tr_id": tr_id, "tr_key": key}},
        }
        with self.clock.hold("register"):
            await self.socket.send(json.dumps(message))
            for _ in range(2_000):
                for frame in self.frames[before:]:
                    if isinstance(frame, str) and frame.startswith("{") and "PINGPONG" not in frame:
                        return dict(json.loads(frame))
                await asyncio.sleep(0.001)
        raise AssertionError("no answer to a registration")

    def records(self, tr_id: str) -> list[list[str]]:
        """Every record of ``tr_id`` received so far, decrypted and split."""
        found: list[list[str]] = []
        for frame in self.frames:
            if not isinstance(frame, str) or frame.startswith("{"):
                continue
            flag, name, count, payload = frame.split("|", 3)
            if name != tr_id:
                continue
            if flag == "1":
                payload = decrypt(payload, *self.keys[tr_id])
            fields = payload.split("^")
            length = len(fields) // int(count)
            assert length * int(count) == len(fields)
            found += [fields[n * length : (n + 1) * length] for n in range(int(count))]
        return found


def decrypt(payload: str, key: str, iv: str) -> str:
    decryptor = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode())).decryptor()
    padded = decryptor.update(b64decode(payload)) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    return (unpadder.update(padded) + unpadder.finalize()).decode()


@dataclass
class Stage:
    """A running simulator with its clock."""

    simulator: Simulator
    clock: SimulatedClock
    addresses: Addresses
    http: httpx.AsyncClient
    hold: Hold

    async def client(self, keys: tuple[str, str] = REAL) -> RawClient:
        client = RawClient(self.http, self.clock, *keys, outer=self.hold)
        await client.login()
        return client

    @asynccontextmanager
    async def stream(self, client: RawClient) -> AsyncIterator[RawStream]:
        approval = await client.approval()
        async with connect(self.addresses.ws_url, ping_interval=None, max_size=None) as socket:
            port = int(socket.local_address[1])
            self.clock.channel_opened(port)
            stream = RawStream(socket, approval, self.clock, port)
            reader = asyncio.create_task(stream.listen())
            try:
                yield stream
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
                self.clock.channel_closed(port)

    async def until(self, hour: int, minute: int = 0, second: int = 0) -> None:
        """Let market time pass up to the instant, and everything of that instant happen."""
        now = self.clock.now()
        await self.clock.sleep_until(now.replace(hour=hour, minute=minute, second=second, microsecond=0), priority=90)


@asynccontextmanager
async def stage(
    tape: Any = None, start: tuple[int, int, int] = (9, 0, 30), day: Any = DAY, **options: Any
) -> AsyncIterator[Stage]:
    """A simulator at ``start`` of ``day`` on a clock as fast as the work allows."""
    clock = SimulatedClock(datetime(day.year, day.month, day.day, *start, tzinfo=KST), speed=float("inf"))
    simulator = Simulator(tape or HandTape(), clock, **options)
    with clock.hold("test set-up") as setting_up:
        async with simulator.serve() as addresses:
            driving = asyncio.create_task(clock.run())
            try:
                async with httpx.AsyncClient(base_url=addresses.rest_url, timeout=30) as http:
                    setting_up.release()
                    with clock.hold("test") as hold:
                        yield Stage(simulator, clock, addresses, http, hold)
            finally:
                driving.cancel()
                await asyncio.gather(driving, return_exceptions=True)
