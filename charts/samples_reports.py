"""Made-up tables, accounts, forecasts and reports for the gallery and the tests."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Literal

import numpy as np

from charts.samples import DAY, MOCK, NOW, SAMSUNG, STAMP, bars, quote_of, score_of, session_days
from engine.clock import seeded
from engine.krx import floor_to_tick
from engine.market import KST, Bars, Index, IndexQuote, Interval, Market, Side, Stock
from engine.results import (
    BacktestMetrics,
    BacktestReport,
    Band,
    DayReport,
    DaySummary,
    ExitReason,
    Heatmap,
    HeatmapCell,
    IndexPanel,
    LabelledNews,
    NewsCard,
    NewsItem,
    PastForecast,
    PortfolioView,
    PositionView,
    Prediction,
    PredictionChart,
    Recommendation,
    RecommendationTable,
    ReportCard,
    ScreeningReport,
    Sentiment,
    Signal,
    SignalCard,
    SkillSummary,
    TicketPreview,
    Trade,
    Verdict,
)

STOCKS = tuple(
    Stock(code, name, Market.KOSPI, sector)
    for code, name, sector in (
        ("005930", "삼성전자", "전기·전자"),
        ("000660", "SK하이닉스", "전기·전자"),
        ("373220", "LG에너지솔루션", "전기·전자"),
        ("207940", "삼성바이오로직스", "제약"),
        ("005380", "현대차", "운송장비·부품"),
        ("000270", "기아", "운송장비·부품"),
        ("068270", "셀트리온", "제약"),
        ("105560", "KB금융", "금융"),
        ("055550", "신한지주", "금융"),
        ("035420", "NAVER", "IT 서비스"),
        ("035720", "카카오", "IT 서비스"),
        ("005490", "POSCO홀딩스", "금속"),
        ("011790", "SKC", "화학"),
        ("051910", "LG화학", "화학"),
        ("012450", "한화에어로스페이스", "운송장비·부품"),
        ("009540", "HD한국조선해양", "운송장비·부품"),
        ("010130", "고려아연", "금속"),
        ("015760", "한국전력", "전기·가스"),
        ("017670", "SK텔레콤", "통신"),
        ("030200", "KT", "통신"),
        ("033780", "KT&G", "음식료·담배"),
        ("097950", "CJ제일제당", "음식료·담배"),
        ("028260", "삼성물산", "유통"),
        ("086790", "하나금융지주", "금융"),
    )
)

SKILL = SkillSummary(
    0.069,
    0.034,
    0.0095,
    0.067,
    0.798,
    "2022-01 ~ 2025-12",
    0.8,
    "변동성을 뺀 뒤에도 순위를 맞히는 힘이 작게 남아 있습니다 (0.034, 우연 범위 0.010).",
)


def forecast(code: str, last: float, change: float = 3.8, rank: float = 0.91) -> Prediction:
    middle = last * (1 + change / 100)
    band = Band(middle * 0.925, middle * 0.968, middle, middle * 1.034, middle * 1.088)
    path = tuple(last + (middle - last) * share for share in (0.15, 0.42, 0.5, 0.83, 1.0))
    direction: Literal["stronger", "weaker", "neutral"] = (
        "stronger" if rank > 0.7 else "weaker" if rank < 0.3 else "neutral"
    )
    return Prediction(
        code,
        last,
        5,
        band,
        path,
        rank,
        direction,
        0.5 + 0.08 * (rank - 0.5),
        SKILL,
        date(2025, 12, 30),
        "pooled-3",
        DAY,
    )


def prediction_chart() -> PredictionChart:
    chart = bars(120, seed="prediction")
    last = float(chart.close[-1])
    random = seeded("chart samples", "past")
    past = []
    for day in session_days(25)[:20]:
        middle = last * (1 + random.normal(0, 0.02))
        band = Band(middle * 0.94, middle * 0.97, middle, middle * 1.03, middle * 1.06)
        past.append(PastForecast(day, band, float(random.uniform()), middle * (1 + random.normal(0, 0.042))))
    return PredictionChart(SAMSUNG, chart, forecast(SAMSUNG.code, last), tuple(past), STAMP)


def recommendation_table(count: int = 10, stocks: tuple[Stock, ...] = STOCKS) -> RecommendationTable:
    random = seeded("chart samples", "table")
    rows = []
    for i, stock in enumerate(stocks[:count]):
        closes = bars(30, seed=stock.code, base=int(random.integers(20, 400)) * 1000).close
        last = int(closes[-1])
        change = float(random.normal(1.0, 3.0))
        rows.append(
            Recommendation(
                stock,
                score_of(stock, 1.35 - 0.07 * i),
                quote_of(stock, last, int(closes[-2])) if i != 6 else None,
                forecast(stock.code, last, change, 0.8) if i not in (3, 7) else None,
                tuple(float(v) for v in closes) if i != 8 else (),
            )
        )
    report = ScreeningReport(NOW, tuple(rows), 2_641, 14, {"123456": "관리종목"}, {}, "KIS 복수시세", 41.0)
    return RecommendationTable(report, STAMP)


def heatmap(count: int = 24, title: str = "보유 비중 히트맵") -> Heatmap:
    random = seeded("chart samples", "heat", count)
    cells = []
    for i in range(count):
        stock = STOCKS[i % len(STOCKS)]
        name = stock.name if i < len(STOCKS) else f"{stock.name}{i // len(STOCKS) + 1}호"
        cells.append(
            HeatmapCell(
                name,
                f"{100000 + i}",
                stock.sector,
                float(np.exp(random.normal(0, 1.1))) * 1e6 / (i + 3),
                round(float(random.normal(0.2, 2.0)), 2),
            )
        )
    return Heatmap(title, tuple(cells), STAMP)


def position(stock: Stock, quantity: int, average: float, price: int, previous: int) -> PositionView:
    return PositionView(
        stock,
        quantity,
        average,
        price,
        previous,
        floor_to_tick(int(average * 0.97)),
        floor_to_tick(int(average * 1.05)),
        NOW,
    )


def portfolio(count: int = 3) -> PortfolioView:
    random = seeded("chart samples", "portfolio", count)
    positions = []
    for stock in STOCKS[:count]:
        price = floor_to_tick(int(random.integers(20, 300)) * 1000)
        average = price * (1 - float(random.normal(0.01, 0.03)))
        positions.append(position(stock, max(1, int(9_000_000 / max(count, 1) / price)), round(average), price, price))
    held = sum(p.value for p in positions)
    cash = 13_204_500 - held
    walk = 12_800_000 * np.exp(np.cumsum(random.normal(0.0005, 0.006, 90)))
    walk *= (cash + held) / walk[-1]
    days = session_days(90)
    curve = tuple((datetime.combine(day, time(15, 30), KST), int(v)) for day, v in zip(days, walk, strict=True))
    return PortfolioView(MOCK, cash, cash + held, tuple(positions), curve, 84_200)


def trade(stock: Stock, quantity: int, entry: float, leave: float, reason: ExitReason, day: date = DAY) -> Trade:
    start = datetime.combine(day, time(9, 31), KST)
    taxes = round(quantity * leave * 0.0018)
    return Trade(
        stock.code, stock.name, quantity, start, entry, start + timedelta(hours=3), leave, 200, taxes, reason, 57.2
    )


def backtest(single: bool = True) -> BacktestReport:
    chart = bars(560, seed="backtest", drift=0.0)
    random = seeded("chart samples", "equity")
    days = [at.replace(tzinfo=KST) for at in chart.start.tolist()]
    growth = np.exp(np.cumsum(random.normal(0.0005, 0.007, len(chart))))
    equity = tuple((at, float(10_000_000 * v)) for at, v in zip(days, growth, strict=True))
    held = tuple((at, float(10_000_000 * v / chart.close[0])) for at, v in zip(days, chart.close, strict=True))
    trades = []
    for i in range(20, len(chart) - 10, 28):
        day = days[i].date()
        entry, leave = float(chart.close[i]), float(chart.close[i + 6])
        one = trade(SAMSUNG, 40, entry, leave, ExitReason.TAKE_PROFIT if leave > entry else ExitReason.FIXED_STOP, day)
        trades.append(
            Trade(
                one.code, one.name, 40, one.entry_at, entry, days[i + 6], leave, one.fees, one.taxes, one.reason, 58.0
            )
        )
    values = np.array([value for _, value in equity])
    fall = float((values / np.maximum.accumulate(values) - 1).min())
    metrics = BacktestMetrics(
        growth[-1] - 1,
        0.112,
        -fall,
        0.54,
        1.31,
        1.12,
        0.92,
        1.30,
        1.35,
        0.38,
        14.2,
        1_284_300,
        len(trades),
        float(chart.close[-1] / chart.close[0] - 1),
        0.06,
    )
    return BacktestReport(
        "삼성전자 점수 전략" if single else "코스피 200 점수 전략",
        ("005930",) if single else tuple(stock.code for stock in STOCKS),
        days[0].date(),
        days[-1].date(),
        metrics,
        tuple(trades),
        equity,
        held,
        chart if single else None,
        ("표본 안 결과입니다. 표본 밖 수익은 +1.2%였습니다.", "분봉이 없는 날 41일은 일봉 점수만 썼습니다."),
        STAMP,
    )


def indices(count: int = 3) -> IndexPanel:
    random = seeded("chart samples", "index")
    quotes, lines = [], {}
    for index, base in ((Index.KOSPI, 2_680.4), (Index.KOSDAQ, 861.2), (Index.KOSPI200, 358.7)):
        walk = base * np.exp(np.cumsum(random.normal(0.00006 if base > 1000 else -0.00008, 0.0006, 102)))
        start = datetime.combine(DAY, time(9), KST)
        lines[index] = tuple((start + timedelta(minutes=i), float(v)) for i, v in enumerate(walk))
        quotes.append(
            IndexQuote(
                index,
                NOW,
                round(float(walk[-1]), 2),
                base,
                float(walk[0]),
                float(walk.max()),
                float(walk.min()),
                512,
                341,
                78,
            )
        )
    return IndexPanel(tuple(quotes[:count]), lines, STAMP)


def news(count: int = 6) -> NewsCard:
    rows = (
        ("삼성전자, 1분기 영업이익 시장 예상 웃돌아… HBM 공급 확대 기대", "연합뉴스", Sentiment.POSITIVE, "실적 상회"),
        ("외국인 사흘째 순매도, 반도체 대형주 약세", "한국경제", Sentiment.NEGATIVE, "순매도"),
        ("삼성전자 주주총회 19일 개최… 사내이사 선임안 상정", "머니투데이", Sentiment.NEUTRAL, "일정 공시"),
        ("美 관세 발표 앞두고 관망세 짙어져", "서울경제", Sentiment.NEUTRAL, "관망"),
        (
            "차세대 파운드리 공정 수율 개선 소식에 장 초반 강세, 증권가 목표가 줄상향하며 투자심리 회복",
            "이데일리",
            Sentiment.POSITIVE,
            "목표가 상향",
        ),
        ("메모리 현물가 하락 전환", "전자신문", Sentiment.NEGATIVE, "가격 하락"),
        ("배당 기준일 변경 안내", "공시", Sentiment.NEUTRAL, "안내"),
        ("자사주 3조 원 소각 결정", "공시", Sentiment.POSITIVE, "자사주 소각"),
        ("노사 협상 재개", "뉴시스", Sentiment.NEUTRAL, "노사"),
    )
    return NewsCard(
        tuple(
            LabelledNews(
                NewsItem(NOW - timedelta(minutes=17 * i), title, publisher, "https://example.com", ("005930",), True),
                sentiment,
                reason,
                "규칙",
            )
            for i, (title, publisher, sentiment, reason) in enumerate(rows[:count])
        ),
        STAMP,
        SAMSUNG,
    )


def signal() -> SignalCard:
    return SignalCard(
        Signal(
            SAMSUNG,
            Verdict.HOLD,
            0.62,
            (
                "RSI가 최근 5일 안에 33까지 눌렸다가 41로 돌아와 과매도가 풀리는 중입니다.",
                "일봉 상승 갭 아래쪽 70,200원이 두 번 지켜졌습니다.",
                "뉴스 6건 가운데 긍정 2건, 부정 2건으로 한쪽으로 기울지 않았습니다.",
            ),
            ("20일선 69,165원을 밑돌면 구조가 깨집니다.", "5일 예측의 80% 구간이 -3.9% ~ +12.9%로 넓습니다."),
            score_of(SAMSUNG),
            (),
            "gemini-3-flash",
            1,
        ),
        STAMP,
    )


def ticket() -> TicketPreview:
    return TicketPreview(
        SAMSUNG,
        Side.BUY,
        71_900,
        41,
        2_947_900,
        440,
        0,
        9_812_300,
        51,
        (("주문당 자산 35%", 0.28), ("총 노출 95%", 0.83), ("하루 손실 한도", 0.12)),
        MOCK,
        75_400,
        141_300,
        69_700,
        -92_500,
    )


def day_report(count: int = 4) -> ReportCard:
    trades = (
        trade(STOCKS[0], 41, 71_000, 74_500, ExitReason.TAKE_PROFIT),
        trade(STOCKS[12], 20, 98_400, 95_400, ExitReason.FIXED_STOP),
        trade(STOCKS[3], 2, 812_000, 820_000, ExitReason.CLOSE_OUT),
        trade(STOCKS[9], 12, 214_500, 214_500, ExitReason.SCORE),
        trade(STOCKS[4], 9, 251_000, 254_500, ExitReason.TRAILING),
        trade(STOCKS[5], 9, 101_000, 100_500, ExitReason.STRUCTURE_STOP),
        trade(STOCKS[6], 9, 181_000, 180_500, ExitReason.MANUAL),
    )[:count]
    realised = sum(one.profit for one in trades)
    summary = DaySummary(
        DAY,
        MOCK.environment,
        trades,
        (),
        count,
        count,
        1 if count else 0,
        200 * count,
        sum(t.taxes for t in trades),
        realised,
        13_120_000,
        13_120_000 + realised,
        26_410,
        14,
        61.3,
    )
    return ReportCard(
        DayReport(
            DAY,
            summary,
            f"오늘 {count}건을 사고팔아 {realised:,}원을 실현했습니다. 종가에 남은 종목은 없습니다."
            if count
            else "오늘은 거래하지 않았습니다. 55점에 이른 종목이 없었습니다.",
            "코스피는 반도체 강세로 올랐고 코스닥은 이차전지 약세로 내렸습니다. 외국인은 전기·전자를 샀습니다."
            if count
            else "",
            "내일은 준비 점수 28점 이상 종목을 장 시작 전에 다시 추립니다.",
            "gemini-3-flash" if count else "규칙",
            (
                ("전기·전자", 1.82),
                ("제약", 0.94),
                ("금융", 0.31),
                ("통신", 0.05),
                ("유통", -0.22),
                ("화학", -0.87),
                ("금속", -1.40),
                ("운송장비·부품", -2.15),
            )
            if count
            else (),
        ),
        MOCK,
    )


def short_bars(count: int) -> Bars:
    return bars(count, Interval.DAY, seed="short")


def market_ticket(stock: Stock) -> TicketPreview:
    """A market sale that would break a limit."""
    return TicketPreview(
        stock,
        Side.SELL,
        0,
        1_234_567,
        88_765_367_300,
        13_314_805,
        159_777_661,
        0,
        0,
        (("하루 손실 한도 3%", 1.12), ("주문 금액 10,000,000원", 0.97)),
        MOCK,
    )
