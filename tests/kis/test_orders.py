"""Outcome of an order, for every kind of answer."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

import pytest

from engine.broker import Accepted, NewOrder, NotSent, OrderKey, OrderType, Outcome, Rejected, Unknown
from engine.clock import SimulatedClock
from engine.kis import KIS, KisAddresses, KisCredentials
from engine.kis.orders import outcome_of
from engine.kis.transport import RawAnswer
from engine.market import KST, Environment, Side
from tests.kis.conftest import NOW
from tests.servers.kis_stub import ORDER_PATH, KisStub, Reply, refusal, token_body

BUY = NewOrder("005930", Side.BUY, OrderType.LIMIT, 10, 70_500)
CHANGE_PATH = "/uapi/domestic-stock/v1/trading/order-rvsecncl"
TAKEN = {
    "rt_cd": "0",
    "msg_cd": "APBK0013",
    "msg1": "주문 전송 완료 되었습니다.",
    "output": {"KRX_FWDG_ORD_ORGNO": "00950", "ODNO": "0000123456", "ORD_TMD": "101530"},
}
KEY = OrderKey(date(2026, 11, 20), "00950", "123456")


def answer(body: object, status: int = 200) -> RawAnswer:
    return RawAnswer(status, json.dumps(body, ensure_ascii=False).encode())


def without(key: str) -> dict[str, object]:
    output = {name: value for name, value in TAKEN["output"].items() if name != key}  # type: ignore[attr-defined]
    return {**TAKEN, "output": output}


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(TAKEN), Accepted),
        (answer({**TAKEN, "output": {**TAKEN["output"], "ODNO": "51378"}}), Accepted),  # type: ignore[dict-item]
        (answer({**TAKEN, "output": {"odno": "0000000077", "ord_tmd": "90001"}}), Accepted),
        (answer({**TAKEN, "output": [TAKEN["output"]]}), Accepted),
        (answer(without("ORD_TMD")), Accepted),
        (answer(without("ODNO")), Unknown),
        (answer({**TAKEN, "output": {"ODNO": ""}}), Unknown),
        (answer({**TAKEN, "output": {"ODNO": "12 34"}}), Unknown),
        (answer({**TAKEN, "output": None}), Unknown),
        (answer(TAKEN, 500), Unknown),
        (answer(refusal("APBK0952", "주문가능금액을 초과 했습니다", "7")), Rejected),
        (answer(refusal("APBK0952", "주문가능금액을 초과 했습니다", "7"), 500), Rejected),
        (answer(refusal("40570000", "모의투자 장시작전 입니다.")), Rejected),
        (answer(refusal("40030000")), Rejected),
        (answer(refusal("OPSQ2000", "ERROR : INPUT INVALID_CHECK_ACNO", "2")), Rejected),
        (answer(refusal("APBK9999", "주식주문호가단위 오류입니다.", "7")), Rejected),
        (answer(refusal("", "정정/취소할 수량이 없습니다.", "7")), Rejected),
        (answer(refusal("APBK9999", "처음 보는 거절", "7")), Unknown),
        (answer(refusal("", "")), Unknown),
        (answer(refusal("EGW00201", "초당 거래건수를 초과하였습니다."), 500), NotSent),
        (answer(refusal("EGW00201"), 200), NotSent),
        (answer(refusal("EGW00215"), 500), NotSent),
        (answer(refusal("EGW00121"), 500), NotSent),
        (answer(refusal("EGW00123"), 500), NotSent),
        (answer(refusal("EGW00300"), 500), Unknown),
        (answer(refusal("EGW00301"), 500), Unknown),
        (answer(refusal("EGW00302"), 200), Unknown),
        (answer(refusal("EGW00202"), 500), Unknown),
        (answer(refusal("EGW00001"), 500), Unknown),
        (RawAnswer(502, b"<html>Bad Gateway</html>"), Unknown),
        (RawAnswer(200, b"<html>ok</html>"), Unknown),
        (RawAnswer(200, b""), Unknown),
        (RawAnswer(200, json.dumps(TAKEN).encode()[:-9]), Unknown),
        (RawAnswer(200, b"[]"), Unknown),
        (RawAnswer(200, b'"0"'), Unknown),
        (RawAnswer(204, b"{}"), Unknown),
    ],
)
def test_every_answer_has_its_outcome(reply: RawAnswer, kind: type[Outcome]) -> None:
    assert type(outcome_of(reply, NOW)) is kind


def test_an_accepted_order_carries_its_number_without_padding_and_the_brokers_time() -> None:
    assert outcome_of(answer(TAKEN), NOW) == Accepted(KEY, datetime(2026, 11, 20, 10, 15, 30, tzinfo=KST))


def test_a_rejection_carries_the_brokers_words() -> None:
    outcome = outcome_of(answer(refusal("APBK0952", "주문가능금액을 초과 했습니다   ", "7")), NOW)
    assert outcome == Rejected("APBK0952", "주문가능금액을 초과 했습니다")


async def test_a_buy_goes_out_once_with_its_fields(kis: KIS, stub: KisStub) -> None:
    stub.script(ORDER_PATH, Reply(TAKEN))
    assert isinstance(await kis.place(BUY), Accepted)
    [seen] = [seen for seen in stub.seen if seen.path == ORDER_PATH]
    assert seen.headers["tr_id"] == "TTTC0012U"
    assert seen.headers["gt_uid"]
    assert seen.headers["authorization"] == "Bearer eyJ0-first"
    assert seen.body == {
        "CANO": "87654321",
        "ACNT_PRDT_CD": "01",
        "PDNO": "005930",
        "ORD_DVSN": "00",
        "ORD_QTY": "10",
        "ORD_UNPR": "70500",
        "EXCG_ID_DVSN_CD": "KRX",
    }


async def test_mock_speaks_its_own_ids_and_market_orders_have_no_price(mock_kis: KIS, stub: KisStub) -> None:
    stub.script(ORDER_PATH, Reply(TAKEN))
    await mock_kis.place(NewOrder("005930", Side.SELL, OrderType.MARKET, 3))
    seen = stub.seen[-1]
    assert (seen.headers["tr_id"], seen.body["ORD_DVSN"], seen.body["ORD_UNPR"]) == ("VTTC0011U", "01", "0")


async def test_amend_and_cancel_name_the_original(kis: KIS, stub: KisStub) -> None:
    stub.script(CHANGE_PATH, Reply(TAKEN))
    await kis.amend(KEY, NewOrder("005930", Side.BUY, OrderType.LIMIT, 4, 70_400))
    await kis.cancel(KEY, BUY)
    amend, cancel = (seen.body for seen in stub.seen if seen.path == CHANGE_PATH)
    assert amend["ORGN_ODNO"] == cancel["ORGN_ODNO"] == "0000123456"
    assert (amend["RVSE_CNCL_DVSN_CD"], amend["ORD_QTY"], amend["ORD_UNPR"], amend["QTY_ALL_ORD_YN"]) == (
        "01",
        "4",
        "70400",
        "N",
    )
    assert (cancel["RVSE_CNCL_DVSN_CD"], cancel["QTY_ALL_ORD_YN"]) == ("02", "Y")


async def test_a_lost_answer_is_unknown_and_never_sent_again(kis: KIS, stub: KisStub) -> None:
    stub.script(ORDER_PATH, Reply(drop=True))
    assert isinstance(await kis.place(BUY), Unknown)
    assert stub.count(ORDER_PATH) == 1


async def test_a_silent_broker_is_unknown_after_ten_seconds_of_market_time(
    kis: KIS, stub: KisStub, clock: SimulatedClock
) -> None:
    stub.script(ORDER_PATH, Reply(TAKEN, silence=25.0))
    outcome = await kis.place(BUY)
    assert isinstance(outcome, Unknown)
    assert (clock.now() - NOW).total_seconds() == pytest.approx(10.0)


async def test_nobody_at_the_address_means_not_sent(
    clock: SimulatedClock, credentials: KisCredentials, tmp_path: Path, kis: KIS, stub: KisStub
) -> None:
    await kis.start()  # leaves a token; then the broker goes away
    stub.script(ORDER_PATH, Reply(TAKEN))
    await stub.__aexit__(None, None, None)
    outcome = await kis.place(BUY)
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after > 0


async def test_no_token_means_not_sent(
    clock: SimulatedClock, credentials: KisCredentials, tmp_path: Path, stub: KisStub, kis: KIS
) -> None:
    stub.script("/oauth2/tokenP", Reply({"error_code": "EGW00133", "error_description": "잠시 후"}, 403))
    outcome = await kis.place(BUY)
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after == pytest.approx(61.0)
    assert stub.count(ORDER_PATH) == 0


async def test_a_refused_token_is_renewed_and_the_order_sent_once_more(kis: KIS, stub: KisStub) -> None:
    stub.script("/oauth2/tokenP", Reply(token_body("first")), Reply(token_body("second")))
    await kis.start()
    await kis._clock.sleep(61)
    stub.script(ORDER_PATH, Reply(refusal("EGW00123"), 500), Reply(TAKEN))
    assert isinstance(await kis.place(BUY), Accepted)
    tokens = [seen.headers["authorization"] for seen in stub.seen if seen.path == ORDER_PATH]
    assert tokens == ["Bearer first", "Bearer second"]


async def test_a_token_refused_twice_leaves_the_order_unsent(kis: KIS, stub: KisStub) -> None:
    await kis.start()
    await kis._clock.sleep(61)
    stub.script(ORDER_PATH, Reply(refusal("EGW00123"), 500))
    assert isinstance(await kis.place(BUY), NotSent)
    assert stub.count(ORDER_PATH) == 2


async def test_a_rate_refusal_says_when_to_try_again_and_slows_everyone(kis: KIS, stub: KisStub) -> None:
    stub.script(ORDER_PATH, Reply(refusal("EGW00201"), 500), Reply(TAKEN))
    outcome = await kis.place(BUY)
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after >= 0.5
    before = kis._clock.now()
    assert isinstance(await kis.place(BUY), Accepted)
    assert (kis._clock.now() - before).total_seconds() == pytest.approx(outcome.retry_after, abs=0.001)


async def test_the_environment_picks_the_ids_and_contradictions_are_refused(
    clock: SimulatedClock, credentials: KisCredentials, tmp_path: Path
) -> None:
    with pytest.raises(ValueError):
        KIS(credentials, KisAddresses("http://x", "ws://x"), Environment.MOCK, clock, tmp_path, wire="real")
