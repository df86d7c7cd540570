"""A whole service in memory, as command handlers see it. Every fake keeps what was asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from bot.reply import Picture
from bot.services import (
    ArmingRefused,
    BacktestRequest,
    BotStatus,
    ChartInput,
    Check,
    Checked,
    Latch,
    LimitUse,
    ManualOrder,
    OrderAnswer,
    Progress,
    RenderFailed,
    Services,
    Setting,
)
from engine.broker import Buyable, TemporaryError
from engine.calendar import TradingCalendar
from engine.clock import WallMarketClock
from engine.events import EventBus
from engine.krx import CostModel
from engine.market import (
    KST,
    Balance,
    Bars,
    BookLevel,
    Candle,
    Code,
    Environment,
    Holding,
    Index,
    IndexQuote,
    Interval,
    Market,
    OrderBook,
    Quote,
    Side,
    Stock,
    Won,
)
from engine.ports import HistoryAnswer, NewsUnavailable
from engine.results import (
    BacktestMetrics,
    BacktestReport,
    Band,
    DayReport,
    DaySummary,
    ExitReason,
    Factor,
    FactorScore,
    LabelledNews,
    NewsItem,
    OrderLine,
    PastForecast,
    PositionView,
    Prediction,
    Recommendation,
    Score,
    ScreeningReport,
    Sentiment,
    Signal,
    SkillSummary,
    Stamp,
    Trade,
    Verdict,
)

NOW = datetime(2026, 3, 3, 10, 31, 5, tzinfo=KST)
TODAY = NOW.date()

SAMSUNG = Stock("005930", "삼성전자", Market.KOSPI, "반도체", market_cap=430_000_000_000_000)
STOCKS = (
    SAMSUNG,
    Stock("005935", "삼성전자우", Market.KOSPI, "반도체", market_cap=50_000_000_000_000),
    Stock("263810", "상신전자", Market.KOSDAQ, "전기부품", market_cap=150_000_000_000),
    Stock("028260", "삼성물산", Market.KOSPI, "상사", market_cap=25_000_000_000_000),
    Stock("247540", "에코프로비엠", Market.KOSDAQ, "이차전지", market_cap=18_000_000_000_000),
    Stock("086520", "에코프로", Market.KOSDAQ, "이차전지", market_cap=12_000_000_000_000),
    Stock("011790", "SKC", Market.KOSPI, "화학", market_cap=4_000_000_000_000),
    Stock("0126Z0", "삼성에피스홀딩스", Market.KOSPI, "바이오", market_cap=10_000_000_000_000),
)


class FixedClock(WallMarketClock):
    """Market time stands at ``at`` until a test moves it."""

    simulated = True

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def today(self) -> date:
        return self.at.date()


class FakeWall:
    """Wall time that a test moves. ``sleep`` passes at once and moves it."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.instant = NOW

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.instant

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds
        self.instant += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        import asyncio

        self.pass_(seconds)
        await asyncio.sleep(0)


class FakeListing:
    source = "시험 목록"
    as_of: datetime | None = NOW

    def __init__(self, stocks: Sequence[Stock] = STOCKS) -> None:
        self._stocks = tuple(stocks)

    def stocks(self) -> Sequence[Stock]:
        return self._stocks

    def get(self, code: Code) -> Stock | None:
        return next((stock for stock in self._stocks if stock.code == code), None)


def quote(code: Code, price: Won = 71_900, previous: Won = 70_600) -> Quote:
    return Quote(
        code,
        NOW,
        price,
        previous,
        70_800,
        72_300,
        70_500,
        12_345_678,
        880_000_000_000,
        91_700,
        49_500,
        previous,
        best_ask=price,
        best_bid=price - 100,
    )


@dataclass
class FakeQuotes:
    prices: dict[Code, Won] = field(default_factory=dict)
    down: bool = False
    multi: bool = True
    minutes: bool = True

    def _check(self) -> None:
        if self.down:
            raise TemporaryError("응답 없음")

    async def quote(self, code: Code) -> Quote:
        self._check()
        return quote(code, self.prices.get(code, 71_900))

    async def quotes(self, codes: Sequence[Code]) -> Mapping[Code, Quote]:
        from engine.broker import NotOffered

        self._check()
        if not self.multi:
            raise NotOffered("모의")
        return {code: quote(code, 71_900 + 100 * number, 70_600) for number, code in enumerate(codes)}

    async def order_book(self, code: Code) -> OrderBook:
        self._check()
        price = self.prices.get(code, 71_900)
        asks = tuple(BookLevel(price + 100 * n, 100 + n) for n in range(10))
        bids = tuple(BookLevel(price - 100 * (n + 1), 200 + n) for n in range(10))
        return OrderBook(code, NOW, asks, bids, 1_000, 2_000)

    async def index_quote(self, index: Index) -> IndexQuote:
        self._check()
        return IndexQuote(index, NOW, 2_650.25, 2_640.0, 2_645.0, 2_655.0, 2_638.0, 500, 300, 50)

    async def minute_bars(self, code: Code, day: date, until: time | None = None) -> Bars:
        self._check()
        return bars(20, Interval.MINUTE) if self.minutes else Bars.empty()


def bars(count: int, interval: Interval) -> Bars:
    first = datetime.combine(TODAY, time(9, 0), KST)
    if interval is Interval.DAY:
        starts = [first.replace(hour=0) - timedelta(days=count - n) for n in range(count)]
    else:
        starts = [first + n * interval.length for n in range(count)]
    return Bars.of([Candle(s, 70_000 + n, 70_500 + n, 69_500 + n, 70_200 + n, 1_000) for n, s in enumerate(starts)])


@dataclass
class FakeAccount:
    cash: Won = 10_000_000
    holdings: tuple[Holding, ...] = (Holding("247540", "에코프로비엠", 30, 30, 180_000.0, 190_000),)
    down: bool = False

    async def balance(self) -> Balance:
        if self.down:
            raise TemporaryError("잔고 응답 없음")
        return Balance(NOW, self.cash, self.cash, self.holdings)

    async def buyable(self, code: Code, price: Won | None) -> Buyable:
        unit = price or 91_700
        return Buyable(self.cash, self.cash // unit, unit)


@dataclass
class FakeCandles:
    can: bool = False
    asked: list[Code] = field(default_factory=list)
    filled: set[Code] = field(default_factory=set)

    def bars(self, code: Code, interval: Interval) -> Bars:
        known = code in self.filled or code != "011790"
        return bars(26, interval) if known else Bars.empty()

    async def backfill(self, code: Code) -> None:
        self.asked.append(code)
        if self.can:
            self.filled.add(code)


class FakeHistory:
    async def daily(self, code: Code, count: int) -> HistoryAnswer:
        return HistoryAnswer(code, bars(count, Interval.DAY), "시험 일봉", NOW)


def trade(profit: int = 1_000) -> Trade:
    return Trade(
        "005930",
        "삼성전자",
        100,
        NOW - timedelta(hours=1),
        93_000.0,
        NOW,
        93_000.0 + profit,
        2_700,
        19_500,
        ExitReason.TAKE_PROFIT,
        67.0,
    )


@dataclass
class FakeOrders:
    """Orders that were submitted are in ``sent``; what becomes of the next one is ``answer``."""

    answer: OrderAnswer = field(default_factory=lambda: OrderAnswer("accepted", "A1"))
    allowed: Checked = field(default_factory=lambda: Checked(True, "", (LimitUse("주문 한도", 0.21),)))
    sent: list[ManualOrder] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    open: list[OrderLine] = field(default_factory=list)
    today: list[OrderLine] = field(default_factory=list)
    closed: list[Trade] = field(default_factory=lambda: [trade()])
    held: list[PositionView] = field(
        default_factory=lambda: [
            PositionView(STOCKS[4], 30, 180_000.0, 190_000, 188_000, 175_000, 189_000, NOW - timedelta(minutes=90))
        ]
    )
    latched: list[Latch] = field(default_factory=list)
    differing: list[tuple[Code, int, int]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    audited: list[dict[str, object]] = field(default_factory=list)
    fails: Exception | None = None

    async def submit(self, order: ManualOrder) -> OrderAnswer:
        if self.fails:
            raise self.fails
        self.sent.append(order)
        return self.answer

    async def check(self, order: ManualOrder) -> Checked:
        return self.allowed

    async def cancel(self, order_id: str, by: str) -> OrderAnswer:
        self.cancelled.append(order_id)
        self.open = [line for line in self.open if line.order_id != order_id]
        return OrderAnswer("accepted", order_id)

    async def positions(self) -> Sequence[PositionView]:
        return self.held

    async def open_orders(self, code: Code | None = None) -> Sequence[OrderLine]:
        return [line for line in self.open if code in (None, line.code)]

    async def order_lines(self, day: date) -> Sequence[OrderLine]:
        return self.today if day == TODAY else []

    async def trades(self, first: date, last: date) -> Sequence[Trade]:
        return self.closed

    async def equity_curve(self, first: date, last: date) -> Sequence[tuple[datetime, Won]]:
        return [(NOW - timedelta(days=1), 10_000_000), (NOW, 10_300_000)]

    async def latches(self) -> Sequence[Latch]:
        return self.latched

    async def unlatch(self, rule: str, by: str) -> None:
        self.calls.append(f"unlatch {rule} {by}")
        self.latched = [latch for latch in self.latched if latch.rule != rule]

    async def differences(self) -> Sequence[tuple[Code, int, int]]:
        return self.differing

    async def adopt(self, code: Code, by: str) -> None:
        self.calls.append(f"adopt {code}")
        self.differing = [row for row in self.differing if row[0] != code]

    async def stop_entries(self, by: str, reason: str) -> None:
        self.calls.append("stop_entries")

    async def allow_entries(self, by: str) -> None:
        self.calls.append("allow_entries")

    async def panic(self, by: str) -> int:
        if self.fails:
            raise self.fails
        self.calls.append("panic")
        return len(self.open)

    async def flatten(self, by: str) -> int:
        self.calls.append("flatten")
        return len(self.held)

    async def record_audit(self, entry: Mapping[str, object]) -> None:
        self.audited.append(dict(entry))


def order_line(order_id: str = "A1", code: Code = "005930", side: Side = Side.BUY, filled: int = 0) -> OrderLine:
    state = "접수" if filled < 10 else "체결"
    return OrderLine(order_id, code, "삼성전자", side, 71_900, 10, filled, state, NOW, filled < 10)


@dataclass
class FakeTrader:
    running: bool = False
    entries: bool = True
    armed_until: datetime | None = None
    books: set[Code] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    async def start(self, by: str) -> str:
        self.calls.append(f"start {by}")
        self.running = True
        return ""

    async def stop(self, by: str) -> None:
        self.calls.append(f"stop {by}")
        self.running = False

    async def pause(self, by: str) -> None:
        self.calls.append("pause")
        self.entries = False

    async def resume(self, by: str) -> None:
        self.calls.append("resume")
        self.entries = True

    def status(self) -> BotStatus:
        return BotStatus(
            self.running,
            self.entries,
            "" if self.entries else "일시정지",
            "discord:2",
            NOW - timedelta(hours=1) if self.running else None,
            self.armed_until,
            1,
            3,
            NOW - timedelta(minutes=1),
            2_700,
            3,
            True,
            NOW,
        )

    async def day_summary(self, day: date) -> DaySummary | None:
        return summary()

    def want_book(self, code: Code, wanted: bool) -> None:
        (self.books.add if wanted else self.books.discard)(code)


@dataclass
class FakePictures:
    drawn: list[ChartInput] = field(default_factory=list)
    broken: bool = False

    async def render(self, view: ChartInput) -> Picture:
        if self.broken:
            raise RenderFailed("3초 안에 그리지 못했습니다")
        self.drawn.append(view)
        return Picture(b"\x89PNG", type(view).__name__)


def score(code: Code = "005930", points: float = 6.0) -> Score:
    return Score(
        code,
        NOW,
        tuple(
            FactorScore(factor, points, f"{factor.label} 이유 12.3", f"{factor.label} reason 12.3") for factor in Factor
        ),
        "d" * 32,
    )


class FakeResearch:
    async def screen(self) -> ScreeningReport:
        rows = tuple(Recommendation(stock, score(stock.code), quote(stock.code), None) for stock in STOCKS[:3])
        return ScreeningReport(NOW, rows, 2_700, 3, {"1": "관리종목"}, {}, "시험", 1.5)

    async def score_one(self, code: Code) -> Score:
        return score(code)


SKILL = SkillSummary(0.03, 0.01, 0.02, 0.02, 0.8, "2024-2025", 0.0, "실력이 증명되지 않았습니다.")


@dataclass
class FakeForecasts:
    absent: str = ""

    async def predict(self, code: Code) -> Prediction:
        if self.absent:
            return Prediction(code, absent=self.absent)
        band = Band(66_000.0, 69_000.0, 73_000.0, 76_000.0, 80_000.0)
        return Prediction(code, 71_900.0, 5, band, (72_000.0,) * 5, 0.9, "stronger", 0.6, SKILL, TODAY, "m1", TODAY)

    async def predict_many(self, codes: Sequence[Code]) -> dict[Code, Prediction]:
        return {code: await self.predict(code) for code in codes}


class FakeModel:
    def skill(self) -> SkillSummary | None:
        return SKILL

    def past(self, code: Code) -> Sequence[PastForecast]:
        return ()

    def describe(self) -> Mapping[str, str]:
        return {"모델": "m1", "학습": "2026-02-27까지"}


def headline(title: str = "삼성전자, 실적 개선 기대", sentiment: Sentiment = Sentiment.POSITIVE) -> LabelledNews:
    return LabelledNews(
        NewsItem(NOW, title, "가상신문", "https://example.invalid/1", fictional=True), sentiment, "이유", "규칙"
    )


def summary() -> DaySummary:
    return DaySummary(
        TODAY,
        Environment.SIMULATOR,
        (trade(),),
        (),
        1,
        1,
        0,
        2_700,
        19_500,
        77_800,
        10_000_000,
        10_077_800,
        2_700,
        3,
        67.0,
    )


@dataclass
class FakeAnalysis:
    down: bool = False
    by: str = "규칙"

    async def signal(self, code: Code) -> Signal:
        return Signal(
            SAMSUNG, Verdict.BUY, 0.72, ("이유 하나", "이유 둘"), ("위험 하나",), score(), (headline(),), self.by, 1
        )

    async def news(self, code: Code) -> Sequence[LabelledNews]:
        if self.down:
            raise NewsUnavailable("뉴스 출처가 답하지 않습니다")
        return [headline(), headline("삼성전자 <b>@everyone</b> 하락", Sentiment.NEGATIVE)]

    async def report(self, day: date) -> DayReport:
        return DayReport(day, summary(), "계좌: 현금 1원", "시장은 올랐습니다.", "내일 계획", self.by)


@dataclass
class FakeBacktests:
    asked: list[BacktestRequest] = field(default_factory=list)
    wait: Any = None

    async def run(self, request: BacktestRequest, progress: Progress) -> BacktestReport:
        self.asked.append(request)
        await progress(0.5, "봉 재생 중")
        if self.wait is not None:
            await self.wait.wait()
        metrics = BacktestMetrics(
            0.12, 0.3, -0.05, 0.55, 1.4, 1.2, 1.1, 1.3, 2.0, 0.4, 12.0, 12_345, 20, 0.08, None, {}
        )
        stamp = Stamp(NOW, "시험", Environment.SIMULATOR)
        return BacktestReport(
            "t", ("005930",), TODAY, TODAY, metrics, (trade(),), (), (), None, ("표본이 적습니다",), stamp
        )


@dataclass
class FakeArming:
    confirmed: bool = False
    code: str = "123456"
    trader: FakeTrader | None = None
    used: list[str] = field(default_factory=list)

    @property
    def account_confirmed(self) -> bool:
        return self.confirmed

    async def confirm_account(self, digits: str, by: str) -> None:
        if digits != "5678":
            raise ArmingRefused("계좌 끝자리가 다릅니다")
        self.confirmed = True

    async def check_code(self, one_time_code: str, by: str) -> None:
        if one_time_code != self.code or one_time_code in self.used:
            raise ArmingRefused("코드가 틀렸거나 이미 쓴 코드입니다")
        self.used.append(one_time_code)

    async def arm(self, one_time_code: str, by: str) -> datetime:
        await self.check_code(one_time_code, by)
        until = NOW + timedelta(hours=5)
        if self.trader is not None:
            self.trader.armed_until = until
        return until

    async def disarm(self, by: str) -> None: ...


@dataclass
class FakeHealth:
    bad: bool = False

    async def checks(self) -> Sequence[Check]:
        return [Check("디스크", True, "120 GB 남음"), Check("시계", not self.bad, "3초 어긋남", "NTP를 켜세요")]


@dataclass
class FakeSettings:
    values: dict[str, str] = field(default_factory=lambda: {"max_positions": "3", "account": "5678"})

    def list(self) -> Sequence[Setting]:
        return [
            Setting("max_positions", "최대 보유", self.values["max_positions"], 1, 10, "종목"),
            Setting("account", "계좌", self.values["account"], 0, 0, adjustable=False),
        ]

    async def change(self, name: str, value: str, by: str) -> Setting:
        self.values[name] = value
        return self.list()[0]


class FakeStructure:
    def zones(self, bars: Bars, *, intraday: bool) -> Sequence[Any]:
        return ()

    def events(self, bars: Bars) -> Sequence[Any]:
        return ()


def services(environment: Environment = Environment.SIMULATOR, **parts: Any) -> Services:
    """Everything switched on; ``parts`` replaces some of it."""
    trader = FakeTrader()
    arming = FakeArming(trader=trader) if environment is Environment.REAL else None
    whole = Services(
        environment=environment,
        clock=FixedClock(),
        calendar=TradingCalendar(),
        events=EventBus(),
        costs=CostModel(),
        listing=FakeListing(),
        quotes=FakeQuotes(),
        account=FakeAccount(),
        candles=FakeCandles(),
        history=FakeHistory(),
        orders=FakeOrders(),
        trader=trader,
        pictures=FakePictures(),
        account_tail="5678",
        source="시험",
        research=FakeResearch(),
        forecasts=FakeForecasts(),
        model=FakeModel(),
        analysis=FakeAnalysis(),
        backtests=FakeBacktests(),
        structure=FakeStructure(),
        arming=arming,
        health=FakeHealth(),
        settings=FakeSettings(),
    )
    return replace(whole, **parts)
