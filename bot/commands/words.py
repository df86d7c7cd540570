"""분석, 뉴스, 리포트: words about a stock, its headlines, and the day."""

from __future__ import annotations

from datetime import date, datetime

from bot.access import Permission
from bot.commands.arguments import StockArgument, TextArgument
from bot.commands.registry import Group, command
from bot.context import Context, Declined
from bot.format import day_time, points, signed_won
from bot.inputs import printable
from bot.reply import Document, Reply
from engine.market import KST, Stock
from engine.results import NewsCard, ReportCard, Sentiment, SignalCard

HEADLINES = 10
RULES = "규칙"


def by_line(context: Context, by: str) -> str:
    """AI-written words are marked as such, with the model's name."""
    return context.say("by_rules") if by == RULES else context.say("by_model", model=by)


@command(
    "분석",
    "analyze",
    description_ko="지표와 뉴스를 종합한 매수·관망·매도 의견과 이유",
    description_en="Opinion from indicators and news, with reasons and risks",
    permission=Permission.VIEWER,
    group=Group.RESEARCH,
    arguments=(StockArgument(),),
    slow=True,
    examples=("분석 에코프로비엠",),
)
async def analyze(context: Context, stock: Stock) -> Reply:
    analysis = context.required(context.services.analysis, "analysis")
    say = context.say
    await context.progress(0.0, say("work_analysing"))
    signal = await analysis.signal(stock.code)
    positive = sum(1 for news in signal.news if news.sentiment is Sentiment.POSITIVE)
    negative = sum(1 for news in signal.news if news.sentiment is Sentiment.NEGATIVE)
    lines = [
        say(
            "analyze_title",
            name=stock.name,
            code=stock.code,
            verdict=say(f"verdict_{signal.verdict.value}"),
            confidence=f"{100 * signal.confidence:.0f}",
        ),
        *(f"· {reason}" for reason in signal.reasons),
        *(f"! {risk}" for risk in signal.risks),
        say("analyze_news", count=len(signal.news), positive=positive, negative=negative),
    ]
    if signal.score is not None:
        lines.append(say("analyze_score", total=points(signal.score.total)))
    if signal.dropped_sentences:
        lines.append(say("dropped", count=signal.dropped_sentences))
    lines.append(by_line(context, signal.by))
    stamp = context.stamp()
    rows = (
        (
            context.again("button_news", "news", stock.code),
            context.again("button_score", "score", stock.code),
            context.again("button_ticket", "ticket", stock.code),
        ),
    )
    view = SignalCard(signal, stamp)
    return await context.answer("\n".join(lines), stamp=stamp, view=view, rows=rows, disclaimer=True)


@command(
    "뉴스",
    "news",
    description_ko="최근 뉴스 제목과 긍정·중립·부정 판정",
    description_en="Recent headlines with their sentiment",
    permission=Permission.VIEWER,
    group=Group.RESEARCH,
    arguments=(StockArgument(),),
    slow=True,
    examples=("뉴스 삼성전자",),
)
async def news(context: Context, stock: Stock) -> Reply:
    analysis = context.required(context.services.analysis, "analysis")
    found = tuple(await analysis.news(stock.code))[:HEADLINES]
    say = context.say
    counts = {kind: sum(1 for item in found if item.sentiment is kind) for kind in Sentiment}
    lines = [
        say(
            "news_title",
            name=stock.name,
            positive=counts[Sentiment.POSITIVE],
            neutral=counts[Sentiment.NEUTRAL],
            negative=counts[Sentiment.NEGATIVE],
        )
    ]
    for labelled in found:
        item = labelled.item
        fiction = say("fictional_mark") if item.fictional else ""
        mood = say(f"sentiment_{labelled.sentiment.value}")
        title = printable(item.title, 120)
        lines.append(f"· [{mood}] {fiction}{title} ({printable(item.publisher, 30)} {day_time(item.at)})")
    if not found:
        lines.append(say("news_none"))
    else:
        lines.append(by_line(context, found[0].by))
    stamp = context.stamp(found[0].item.at if found else None)
    rows = (
        (context.again("button_analyze", "analyze", stock.code), context.again("button_refresh", "news", stock.code)),
    )
    view = NewsCard(found, stamp, stock) if found else None
    return await context.answer("\n".join(lines), stamp=stamp, view=view, rows=rows)


def parse_day(text: str, today: date) -> date:
    """``2026-03-02``, ``20260302`` or ``3/2``. Raises Declined."""
    digits = text.strip()
    for shape in ("%Y-%m-%d", "%Y%m%d"):
        try:
            day = datetime.strptime(digits, shape).replace(tzinfo=KST).date()
        except ValueError:
            continue
        if day <= today and digits.isascii():
            return day
    raise Declined("bad_day", text=printable(digits))


@command(
    "리포트",
    "report",
    description_ko="하루 요약: 거래, 시장 분위기, 내일 계획",
    description_en="The day in review: trades, market mood, plan for tomorrow",
    permission=Permission.VIEWER,
    group=Group.RESEARCH,
    arguments=(
        TextArgument(
            name="day",
            name_ko="날짜",
            description_ko="예: 2026-03-02 (비우면 오늘)",
            description_en="For instance 2026-03-02; empty means today",
            required=False,
            maximum=10,
        ),
    ),
    slow=True,
)
async def report(context: Context, day: str | None) -> Reply:
    analysis = context.required(context.services.analysis, "analysis")
    say = context.say
    today = context.services.clock.today()
    wanted = parse_day(day, today) if day else today
    await context.progress(0.0, say("work_reporting"))
    result = await analysis.report(wanted)
    own = context.user.may(Permission.TRADER)
    lines = [say("report_title", day=f"{result.day:%Y-%m-%d}")]
    if own:
        # The account's part is for those who may see the account.
        lines += [result.account_text, say("report_realised", amount=signed_won(result.summary.realised))]
    lines += [result.market_text, result.plan_text]
    if result.dropped_sentences:
        lines.append(say("dropped", count=result.dropped_sentences))
    lines.append(by_line(context, result.by))
    stamp = context.stamp(account=own)
    text = "\n".join(line for line in lines if line)
    document = Document(f"gaemi-report-{result.day:%Y%m%d}.txt", text.encode())
    view = ReportCard(result, stamp) if own else None
    return await context.answer(text, stamp=stamp, view=view, disclaimer=True, document=document)
