"""추천, 점수: what the rules say about the market and about one stock, with every reason."""

from __future__ import annotations

from bot.access import Permission
from bot.commands.arguments import StockArgument
from bot.commands.quotes import quote_line
from bot.commands.registry import Group, command
from bot.context import Context
from bot.format import percent, points
from bot.reply import Button, Reply, grid
from engine.broker import BrokerError
from engine.market import Stock
from engine.results import Recommendation, RecommendationTable, ScoreCard

SHOWN = 10
BUTTONS = 10


def _badge(row: Recommendation) -> str:
    """The forecast as a badge; nothing where there is none."""
    if row.prediction is None or not row.prediction.available:
        return ""
    return f" · {percent(row.prediction.change_percent)}{'↑' if row.prediction.change_percent > 0 else '↓'}"


@command(
    "추천",
    "recommend",
    description_ko="전 종목 선별 결과 상위 10종목과 점수",
    description_en="The ten best-scored stocks of the whole market",
    permission=Permission.VIEWER,
    group=Group.RESEARCH,
    slow=True,
)
async def recommend(context: Context) -> Reply:
    research = context.required(context.services.research, "screener")
    say = context.say
    await context.progress(0.0, say("work_screening"))
    report = await research.screen()
    stamp = context.stamp(report.at, source=report.price_source)
    best = report.recommendations[:SHOWN]
    lines = [
        say(
            "recommend_title",
            evaluated=f"{report.evaluated:,}",
            reached=f"{report.reached_entry:,}",
            threshold=f"{context.services.entry_threshold:g}",
        )
    ]
    for number, row in enumerate(best, 1):
        price = f" {row.quote.price:,} {percent(row.quote.change_percent)}" if row.quote is not None else ""
        lines.append(f"{number}. {row.stock.name} {points(row.score.total)}{price}{_badge(row)}")
    if not best:
        lines.append(say("recommend_none"))
    if report.excluded or report.failed:
        lines.append(say("recommend_left_out", excluded=len(report.excluded), failed=len(report.failed)))
    lines.append(say("score_verdict"))
    buttons = [Button(row.stock.name[:40], f"c:score:{row.stock.code}") for row in best[:BUTTONS]]
    rows = (*grid(buttons), (context.again("button_refresh", "recommend"),))
    return await context.answer(
        "\n".join(lines),
        stamp=stamp,
        view=RecommendationTable(report, stamp, context.services.entry_threshold),
        rows=rows,
        disclaimer=True,
    )


@command(
    "점수",
    "score",
    description_ko="한 종목의 9팩터 점수와 팩터별 이유",
    description_en="The nine-factor score of a stock with the reason of each factor",
    permission=Permission.VIEWER,
    group=Group.RESEARCH,
    arguments=(StockArgument(),),
    examples=("점수 삼성전자",),
)
async def score(context: Context, stock: Stock) -> Reply:
    research = context.required(context.services.research, "screener")
    say, services = context.say, context.services
    result = await research.score_one(stock.code)
    try:
        quote = await services.quotes.quote(stock.code)
    except BrokerError:
        quote = None  # the score stands without the price; the footer dates it
    total = result.total
    verdict = "buy" if total >= services.entry_threshold else "sell" if total <= services.exit_threshold else "hold"
    lines = [
        say("score_title", name=stock.name, code=stock.code, total=points(total), verdict=say(f"verdict_{verdict}")),
        say("score_parts", daily=points(result.daily_points), live=points(result.live_points)),
    ]
    if quote is not None:
        lines.append(quote_line(quote))
    for factor in result.factors:
        reason = factor.reason if context.language == "ko" else factor.reason_en or factor.reason
        lines.append(f"· {factor.factor.label} {points(factor.points)}/{factor.factor.maximum} {reason}")
    lines.append(say("score_verdict"))
    stamp = context.stamp(result.at)
    rows = (
        (
            context.again("button_chart", "chart", stock.code, "15m"),
            context.again("button_predict", "predict", stock.code),
            context.again("button_analyze", "analyze", stock.code),
            context.again("button_ticket", "ticket", stock.code),
            context.again("button_refresh", "score", stock.code),
        ),
    )
    view = ScoreCard(stock, result, stamp, quote, services.entry_threshold, services.exit_threshold)
    return await context.answer("\n".join(lines), stamp=stamp, view=view, rows=rows, disclaimer=True)
