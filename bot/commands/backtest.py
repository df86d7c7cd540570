"""백테스트: the live rules on past bars of one stock."""

from __future__ import annotations

import csv
import io

from bot.access import Permission
from bot.commands.arguments import IntegerArgument, StockArgument, TextArgument
from bot.commands.registry import Group, command
from bot.context import Context, Declined
from bot.format import percent, short_won
from bot.inputs import printable
from bot.reply import Document, Reply
from bot.services import BacktestRequest
from engine.market import Stock
from engine.results import BacktestReport

DAYS = 120


def _percent(text: str) -> float:
    """``5``, ``5%`` or ``7.5``: more than 0, at most 30. Raises Declined."""
    digits = text.strip().removesuffix("%")
    whole, point, fraction = digits.partition(".")
    plain = digits.isascii() and whole.isdigit() and (not point or fraction.isdigit()) and len(digits) <= 5
    if not plain or not 0.0 < float(digits) <= 30.0:
        raise Declined("bad_percent", text=printable(text))
    return float(digits)


def trades_csv(report: BacktestReport) -> bytes:
    """The trade table; UTF-8 with a mark, so that a Korean spreadsheet opens it right."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        ("code", "name", "quantity", "entry_at", "entry_price", "exit_at", "exit_price", "profit", "percent", "reason")
    )
    for trade in report.trades:
        table.writerow(
            (
                trade.code,
                trade.name,
                trade.quantity,
                trade.entry_at.isoformat(),
                trade.entry_price,
                trade.exit_at.isoformat(),
                trade.exit_price,
                trade.profit,
                round(trade.profit_percent, 3),
                trade.reason.label,
            )
        )
    return b"\xef\xbb\xbf" + out.getvalue().encode()


@command(
    "백테스트",
    "backtest",
    description_ko="과거 15분봉으로 같은 전략을 시험합니다",
    description_en="Run the same strategy on past 15-minute bars",
    permission=Permission.VIEWER,
    group=Group.RESEARCH,
    arguments=(
        StockArgument(),
        IntegerArgument(
            name="days",
            name_ko="기간",
            description_ko="거래일 수 (기본 120)",
            description_en="Trading days (default 120)",
            required=False,
            default=DAYS,
            minimum=5,
            maximum=2_000,
        ),
        TextArgument(
            name="take_profit",
            name_ko="익절",
            description_ko="익절 % (기본: 현재 설정)",
            description_en="Take profit in percent (default: the setting)",
            required=False,
            maximum=6,
        ),
        IntegerArgument(
            name="hold",
            name_ko="보유봉",
            description_ko="최대 보유 15분봉 수 (기본: 현재 설정)",
            description_en="Longest holding in 15-minute bars (default: the setting)",
            required=False,
            maximum=2_000,
        ),
    ),
    slow=True,
    examples=("백테스트 삼성전자 60", "백테스트 005930 120 5% 52"),
)
async def backtest(context: Context, stock: Stock, days: int, take_profit: str | None, hold: int | None) -> Reply:
    backtests = context.required(context.services.backtests, "backtest")
    say = context.say
    profit = _percent(take_profit) if take_profit else None
    await context.progress(0.0, say("work_backtesting"))
    try:
        report = await backtests.run(BacktestRequest(stock.code, days, profit, hold), context.progress)
    except ValueError as problem:
        raise Declined("refused_with_reason", reason=printable(str(problem), 200)) from problem
    found = report.metrics
    lines = [
        say("backtest_title", name=stock.name, first=f"{report.first}", last=f"{report.last}"),
        say(
            "backtest_return",
            total=percent(100 * found.total_return),
            annual=percent(100 * found.annual_return),
            hold=percent(100 * found.buy_and_hold),
        ),
        say(
            "backtest_risk",
            drawdown=percent(-abs(100 * found.maximum_drawdown)),
            win=f"{100 * found.win_rate:.0f}",
            payoff=f"{found.payoff_ratio:.2f}",
            factor=f"{found.profit_factor:.2f}",
        ),
        say("backtest_trades", count=f"{found.trades:,}", costs=short_won(found.costs), sharpe=f"{found.sharpe:.2f}"),
        *(f"! {warning}" for warning in report.warnings),
    ]
    document = Document(f"gaemi-backtest-{stock.code}.csv", trades_csv(report)) if report.trades else None
    rows = (
        tuple(
            context.again("button_days", "backtest", stock.code, str(count), days=count) for count in (20, 60, 120, 250)
        ),
    )
    return await context.answer(
        "\n".join(lines), stamp=report.stamp, view=report, rows=rows, disclaimer=True, document=document
    )
