"""Frames of every epoch, and mutated ones: no crash, and no record that could not be true."""

from __future__ import annotations

import base64
import random
from collections import Counter
from datetime import datetime

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.broker import ExecutionNotice, IndexTick, NoticeKind
from engine.kis.frames import FrameEvent, FrameParser, session_key
from engine.market import KST, OrderBook, Side, Tick
from tests.servers.kis_stub import AES_KEY, AES_VECTOR

NOW = datetime(2026, 11, 20, 11, 30, tzinfo=KST)
_TRADE = (
    "005930^112616^62700^2^400^0.64^62700.41^62700^63000^62300^62700^62600^125^9694968^607878273600^25807^15918^-9889^"
    "93.01^4614191^4291558^1^0.45^63.03^090013^3^0^090646^5^-300^100741^2^400^20261120^20^N^71292^244009^2795345^"
    "2044512^0.16^5367918^180.61^0^^62700"
)
_BOOK = (
    "005930^113019^0^77900^78000^78100^78200^78300^78400^78500^78600^78700^78800^77800^77700^77600^77500^77400^77300^"
    "77200^77100^77000^76900^265881^424306^210852^183696^185249^115895^175905^61693^73772^63546^14941^219089^328178^"
    "246894^220916^131997^140399^127233^211404^214927^1760795^1855978^0^0^0^0^344212^-77200^5^-100.00^10358640^0^10^0^"
    "0^0"
)
TRADE, BOOK = _TRADE.split("^"), _BOOK.split("^")
INDEX = ["0001", "112616", "2990.50", "5", "-9.50", *["0"] * 4, "-0.32", *["0"] * 20]
_NOTICE = (
    "hts1^1234567801^0000002891^^02^0^00^0^005930^0000000010^000070500^112616^0^2^2^00950^000000010^홍길동^^1^N^^10^^"
    "삼성전자^000000000"
)
NOTICE = _NOTICE.split("^")
OLD_NOTICE = "hts1^1234567801^0000002891^^02^0^01^0^136480^0000000001^000003190^094941^0^2^2^06010^000000001^n^s^10^^s^"


def seal(text: str, key: str = AES_KEY) -> str:
    padder = PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key.encode()), modes.CBC(AES_VECTOR.encode())).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def plain(tr_id: str, *records: list[str]) -> str:
    return f"0|{tr_id}|{len(records):03d}|{'^'.join('^'.join(record) for record in records)}"


def sealed(*records: list[str], tr_id: str = "H0STCNI0") -> str:
    return f"1|{tr_id}|{len(records):03d}|{seal('^'.join('^'.join(record) for record in records))}"


def parser() -> FrameParser:
    found = FrameParser(
        "12345678", lambda: NOW, lambda tr_id: {"0001"} if tr_id == "H0UPCNT0" else {"005930", "0126Z0"}
    )
    found.key = session_key(AES_KEY, AES_VECTOR)
    return found


def changed(record: list[str], **fields: str) -> list[str]:
    copy = list(record)
    for position, value in fields.items():
        copy[int(position[1:])] = value
    return copy


@pytest.mark.parametrize("tail", [[], ["2"], ["2", "new", ""]], ids=["2025", "2026-09", "later"])
@pytest.mark.parametrize("count", [1, 4, 12])
def test_trades_of_every_epoch(tail: list[str], count: int) -> None:
    events = parser().parse(plain("H0STCNT0", *[[*TRADE, *tail]] * count))
    assert len(events) == count
    tick = events[-1]
    assert isinstance(tick, Tick)
    assert (tick.at, tick.price, tick.volume, tick.previous_close) == (
        NOW.replace(hour=11, minute=26, second=16),
        62_700,
        125,
        62_300,
    )
    assert (tick.side, tick.ask, tick.bid, tick.vi_reference, tick.halted) == (Side.BUY, 62_700, 62_600, 62_700, False)


@pytest.mark.parametrize("tail", [[], ["77850", "0", "0"], ["77850", "0", "0", "2"]], ids=["2025", "2026", "2026-09"])
def test_books_of_every_epoch(tail: list[str]) -> None:
    [book] = parser().parse(plain("H0STASP0", [*BOOK, *tail]))
    assert isinstance(book, OrderBook)
    assert (book.best_ask, book.best_bid, book.total_ask, book.expected_price) == (77_900, 77_800, 1_760_795, 0)


@pytest.mark.parametrize("tr_id", ["H0STCNI0", "H0STCNI9"])
def test_a_fill_notice(tr_id: str) -> None:
    [notice] = parser().parse(sealed(NOTICE, tr_id=tr_id))
    assert isinstance(notice, ExecutionNotice)
    assert (notice.kind, notice.key.number, notice.key.branch) == (NoticeKind.FILL, "2891", "00950")
    assert (notice.quantity, notice.price, notice.order_quantity, notice.side) == (10, 70_500, 10, Side.BUY)
    assert (notice.account, notice.original) == ("12345678", None)


def test_the_notice_of_2024_has_23_fields() -> None:
    [notice] = parser().parse(sealed(OLD_NOTICE.replace("136480", "005930").split("^")))
    assert isinstance(notice, ExecutionNotice)
    assert (notice.kind, notice.price) == (NoticeKind.FILL, 3_190)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"f13": "1", "f14": "1"}, NoticeKind.RECEIVED),
        ({"f13": "1", "f14": "2"}, NoticeKind.CONFIRMED),
        ({"f13": "1", "f14": "2", "f5": "1"}, NoticeKind.CONFIRMED),
        ({"f13": "1", "f14": "2", "f5": "2", "f3": "0000002890"}, NoticeKind.CANCELLED),
        ({"f13": "1", "f14": "3"}, NoticeKind.CANCELLED),
        ({"f13": "1", "f14": "1", "f12": "1"}, NoticeKind.REJECTED),
    ],
)
def test_kinds_of_notices(fields: dict[str, str], kind: NoticeKind) -> None:
    [notice] = parser().parse(sealed(changed(NOTICE, **fields)))
    assert isinstance(notice, ExecutionNotice)
    assert notice.kind is kind
    assert (notice.original is not None) == ("f3" in fields)


def test_an_index_tick_falls_where_its_sign_says_so() -> None:
    [tick] = parser().parse(plain("H0UPCNT0", changed(INDEX, f4="9.50", f9="0.32")))
    assert isinstance(tick, IndexTick)
    assert (tick.value, tick.change, tick.change_percent) == (2990.5, -9.5, -0.32)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "0",
        "0|H0STCNT0|001",
        "0|H0STCNT0|x|1^2",
        "0|H0STCNT0|000|1^2",
        "0|H0STCNT0|-01|1^2",
        "0|H0STCNT0|٣|1^2",
        "0|H0XXXXX0|001|1^2",
        "2|H0STCNT0|001|" + "^".join(TRADE),
        "1|H0STCNT0|001|" + "^".join(TRADE),
        "0|H0STCNI0|001|" + "^".join(NOTICE),
        "1|H0STCNI0|001|not base64",
        "1|H0STCNI0|001|" + base64.b64encode(b"short").decode(),
        "1|H0STCNI0|001|" + seal("^".join(NOTICE), "x" * 32),
        "0|H0STCNT0|002|" + "^".join(TRADE),
        "0|H0STCNT0|001|" + "^".join(TRADE[:-1]),
        "0|H0STCNT0|001|" + "^".join(TRADE * 2),
        plain("H0STCNT0", changed(TRADE, f0="000660")),
        plain("H0STCNT0", changed(TRADE, f2="0")),
        plain("H0STCNT0", changed(TRADE, f2="-62700")),
        plain("H0STCNT0", changed(TRADE, f2="627000")),
        plain("H0STCNT0", changed(TRADE, f2="62800")),
        plain("H0STCNT0", changed(TRADE, f12="0")),
        plain("H0STCNT0", changed(TRADE, f13="124")),
        plain("H0STCNT0", changed(TRADE, f13="969496")),
        plain("H0STCNT0", changed(TRADE, f33="20261119")),
        plain("H0STCNT0", changed(TRADE, f1="256161")),
        plain("H0STCNT0", changed(TRADE, f1="192616")),
        plain("H0STCNT0", changed(TRADE, f45="6270")),
        plain("H0STASP0", changed(BOOK, f3="78000")),
        plain("H0STASP0", changed(BOOK, f4="0")),
        plain("H0STASP0", changed(BOOK, f3="0")),
        plain("H0STASP0", changed(BOOK, f13="77900")),
        plain("H0STASP0", changed(BOOK, f23="-5")),
        plain("H0STASP0", changed(BOOK, f43="1")),
        sealed(changed(NOTICE, f1="9999999901")),
        sealed(changed(NOTICE, f9="0000000000")),
        sealed(changed(NOTICE, f9="0000000011")),
        sealed(changed(NOTICE, f10="000000000")),
        sealed(changed(NOTICE, f13="3")),
        sealed(changed(NOTICE, f4="03")),
        sealed(changed(NOTICE, f8="")),
        sealed(changed(NOTICE, f2="")),
        plain("H0UPCNT0", changed(INDEX, f2="nan")),
        plain("H0UPCNT0", changed(INDEX, f2="299050")),
        plain("H0UPCNT0", changed(INDEX, f0="9999")),
    ],
)
def test_what_cannot_be_true_is_dropped_and_counted(frame: str) -> None:
    found = parser()
    assert found.parse(frame) == []
    assert sum(found.dropped.values()) == 1


def test_one_bad_record_does_not_cost_the_others() -> None:
    found = parser()
    events = found.parse(plain("H0STCNT0", TRADE, changed(TRADE, f2="x"), changed(TRADE, f0="0126Z0")))
    assert [event.code for event in events if isinstance(event, Tick)] == ["005930", "0126Z0"]
    assert found.dropped == Counter({"H0STCNT0 field": 1})


def test_a_notice_before_the_key_is_dropped() -> None:
    found = parser()
    found.key = None
    assert found.parse(sealed(NOTICE)) == []
    assert found.dropped == Counter({"no key yet": 1})


def test_keys_never_show() -> None:
    assert AES_KEY not in repr(session_key(AES_KEY, AES_VECTOR))


# ---------------------------------------------------------------- mutations

SEEDS = [
    plain("H0STCNT0", TRADE),
    plain("H0STCNT0", [*TRADE, "2"]),
    plain("H0STCNT0", *[[*TRADE, "2"]] * 4),
    plain("H0STASP0", BOOK),
    plain("H0STASP0", [*BOOK, "77850", "0", "0", "2"]),
    plain("H0UPCNT0", INDEX),
    sealed(NOTICE),
    sealed(NOTICE, NOTICE),
    sealed(OLD_NOTICE.replace("136480", "005930").split("^")),
]
GARBAGE = ["", "-", "NaN", "inf", "1e9", "-1", "٣", "1,000", "0x10", " ", "9" * 25, "|", "삼성", "\x00", "1_0", "+5"]


def mutate(frame: str, chance: random.Random) -> str:
    """One to three accidents of a wire: lost, doubled, swapped or garbled fields and bytes, cut and joined frames."""
    for _ in range(chance.randint(1, 3)):
        fields = frame.split("^")
        position = chance.randrange(len(fields))
        kind = chance.randrange(9)
        if kind == 0:
            fields[position] = chance.choice(GARBAGE)
        elif kind == 1:
            del fields[position]
        elif kind == 2:
            fields.insert(position, chance.choice([*GARBAGE, fields[position]]))
        elif kind == 3:
            other = chance.randrange(len(fields))
            fields[position], fields[other] = fields[other], fields[position]
        elif kind == 4:
            fields[position] = fields[position][: chance.randint(0, len(fields[position]))]
        elif kind == 5:
            fields[position] += chance.choice("0123456789")
        frame = "^".join(fields)
        if kind == 6 and frame:
            cut = chance.randrange(len(frame))
            frame = frame[:cut] if chance.random() < 0.5 else frame[cut:]
        elif kind == 7 and frame:
            at = chance.randrange(len(frame))
            frame = frame[:at] + chr(chance.randrange(32, 127)) + frame[at + 1 :]
        elif kind == 8:
            frame += chance.choice(["^", "|", frame, "0|H0STCNT0|001|", "\ufffd"])
    return frame


def check(event: FrameEvent) -> None:
    """What the rest of the service relies on."""
    assert event.at.tzinfo is KST
    assert event.at.date() == NOW.date()
    if isinstance(event, Tick):
        assert event.code in ("005930", "0126Z0")
        assert event.price > 0
        assert event.previous_close > 0
        assert 0 < event.volume <= event.cumulative_volume
        assert abs(event.change) <= 4 * event.previous_close
        assert min(event.ask, event.bid, event.open, event.high, event.low, event.cumulative_value) >= 0
        for price in (event.ask, event.bid, event.open, event.high, event.low, event.vi_reference):
            assert not price or event.price / 5 < price < event.price * 5
        if event.high and event.low:
            assert event.low * 0.99 <= event.price <= event.high * 1.01
    elif isinstance(event, OrderBook):
        assert event.code in ("005930", "0126Z0")
        asks, bids = [level.price for level in event.asks], [level.price for level in event.bids]
        assert asks == sorted(set(asks))
        assert bids == sorted(set(bids), reverse=True)
        assert all(level.price > 0 and level.quantity >= 0 for level in event.asks + event.bids)
        assert event.total_ask >= sum(level.quantity for level in event.asks)
        assert not asks or not bids or asks[0] > bids[0] or event.expected_price
    elif isinstance(event, IndexTick):
        assert event.value > 0
        assert abs(100 * event.change / (event.value - event.change) - event.change_percent) < 0.03
    else:
        assert event.account == "12345678"
        assert event.key.number
        if event.kind is NoticeKind.FILL:
            assert event.price > 0
            assert event.quantity > 0
            assert not event.order_quantity or event.quantity <= event.order_quantity


def check_mutated(count: int, seed: int) -> tuple[int, int]:
    """(records delivered, records dropped) of ``count`` damaged frames; raises at the first wrong record."""
    chance = random.Random(seed)
    found = parser()
    delivered = 0
    for number in range(count):
        for event in found.parse(mutate(SEEDS[number % len(SEEDS)], chance)):
            check(event)
            delivered += 1
    return delivered, sum(found.dropped.values())


def test_twenty_thousand_mutated_frames() -> None:
    delivered, dropped = check_mutated(20_000, 20261120)
    # Neither everything nor nothing may come through, or the test proves nothing.
    assert 500 < delivered < 20_000
    assert dropped > 5_000


def test_cut_frames_never_deliver_a_changed_trade() -> None:
    """A frame that ends early gives the true record or none."""
    for seed in (SEEDS[0], SEEDS[1], SEEDS[3], SEEDS[4]):
        [whole] = parser().parse(seed)
        for end in range(len(seed)):
            for event in parser().parse(seed[:end]):
                if isinstance(event, Tick) and isinstance(whole, Tick):
                    assert event.vi_reference in (0, whole.vi_reference)
                    assert (event.price, event.cumulative_volume) == (whole.price, whole.cumulative_volume)
                else:
                    assert event == whole


def test_damaged_ciphertext_delivers_nothing_or_the_truth() -> None:
    frame = sealed(NOTICE)
    head, _, payload = frame.rpartition("|")
    raw = base64.b64decode(payload)
    [whole] = parser().parse(frame)
    for bit in range(len(raw) * 8):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        for event in parser().parse(f"{head}|{base64.b64encode(bytes(damaged)).decode()}"):
            assert event == whole


@settings(max_examples=300)
@given(st.text(max_size=400) | st.lists(st.text(max_size=8), min_size=40, max_size=70).map("^".join))
def test_any_text_is_survived(text: str) -> None:
    for frame in (text, f"0|H0STCNT0|001|{text}", f"0|H0STASP0|001|{text}", sealed([text])):
        for event in parser().parse(frame):
            check(event)
