"""``gaemi backtest``: the live rules on past bars of one stock or of a whole folder."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.subcommands import UserError, add_json

if TYPE_CHECKING:
    from engine.backtest.report import Job
    from engine.results import BacktestReport

NAME = "backtest"
HELP = "실제 매매와 같은 판단 코드로 과거 봉을 시험합니다"
EPILOG = """예:
  gaemi backtest 005930 --data 자료폴더             한 종목, 15분봉이 있으면 15분봉으로
  gaemi backtest all --data 자료폴더 --days 250     폴더의 모든 종목을 한 계좌로
  gaemi backtest all --data 자료폴더 --daily --entry-score 28 --html 보고서.html

자료 폴더: krx_daily.parquet, 있으면 krx_minute.parquet, krx_index_daily.parquet, krx_listing.csv
체결 규칙은 docs/fills.md 에 번호로 적혀 있습니다.
JSON: title, codes, first, last, metrics, trades[], equity[], warnings[], settings, seconds, bars
종료 코드: 0 끝남, 2 자료·입력 오류, 1 그 밖의 오류, 130 사용자 중단"""


def parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"날짜는 2022-01-03 처럼 적습니다: {text!r}") from None


def add_strategy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--entry-score", type=float, metavar="점수", help="진입 점수 (기본 55)")
    parser.add_argument("--take-profit", type=float, metavar="퍼센트", help="익절 %% (기본 5)")
    parser.add_argument("--hold", type=int, metavar="봉", help="보유 한도, 15분봉 수 (기본 52)")
    parser.add_argument("--overnight", action="store_true", help="장 마감 청산 없이 밤을 넘김")
    parser.add_argument("--cash", type=int, default=10_000_000, metavar="원", help="시작 금액 (기본 10,000,000)")
    parser.add_argument("--slippage", type=int, default=1, metavar="호가", help="주문마다 불리한 호가 수 (기본 1)")
    parser.add_argument("--least-daily", type=int, default=60, metavar="봉", help="점수에 필요한 일봉 수 (기본 60)")


def add_period(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=int, metavar="일", help="가장 최근 거래일 수 (기본: 전부)")
    parser.add_argument("--from", type=parse_date, dest="first", metavar="날짜", help="시작일")
    parser.add_argument("--to", type=parse_date, dest="last", metavar="날짜", help="마지막 날")
    parser.add_argument("--daily", action="store_true", help="15분봉이 있어도 일봉만 사용")
    parser.add_argument("--delisted", action="store_true", help="상장폐지된 종목도 넣음 (krx_delisted_ohlc.parquet)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="종목코드|all", help="종목 코드, 또는 all")
    parser.add_argument("--data", type=Path, required=True, metavar="폴더", help="봉 자료가 든 폴더")
    add_period(parser)
    add_strategy(parser)
    parser.add_argument("--html", type=Path, metavar="파일", help="결과를 HTML 한 장으로 저장")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from engine.backtest.report import quiet_threads

    quiet_threads()
    os.nice(5)
    from engine.backtest.report import run_backtest
    from engine.clock import monotonic

    progress = bar()
    try:
        job = job_of(arguments, progress)
        began = monotonic()
        report = run_backtest(job, progress)
    except ValueError as error:
        raise UserError(str(error)) from error
    finally:
        finish()
    seconds = monotonic() - began
    for line in lines_of(report):
        print(line)
    if arguments.html is not None:
        from bot.backtest_page import page

        try:
            arguments.html.write_text(page(report), encoding="utf-8")
        except OSError as error:
            raise UserError(f"보고서를 저장할 수 없습니다: {arguments.html} ({error.strerror})") from error
        print(f"보고서: {arguments.html}")
    if arguments.json:
        print(json.dumps(as_json(report, seconds), ensure_ascii=False))
    return 0


def conditions_of(arguments: argparse.Namespace) -> Any:
    from engine.backtest.engine import Conditions
    from engine.backtest.fills import FillRules
    from engine.strategy import StrategySettings

    settings = StrategySettings(overnight=arguments.overnight)
    if arguments.entry_score is not None:
        settings = replace(settings, entry_score=arguments.entry_score)
    if arguments.take_profit is not None:
        settings = replace(settings, take_profit=arguments.take_profit / 100.0)
    if arguments.hold is not None:
        settings = replace(settings, holding_bars=arguments.hold)
    if arguments.cash <= 0:
        raise UserError("시작 금액은 0보다 커야 합니다")
    return Conditions(settings, fills=FillRules(slippage_ticks=arguments.slippage), cash=arguments.cash)


def job_of(arguments: argparse.Namespace, progress: Any) -> Job:
    from engine.backtest.folder import read_folder
    from engine.backtest.report import Job
    from engine.market import Environment, parse_code

    if arguments.days is not None and arguments.days < 1:
        raise UserError("--days 는 1 이상이어야 합니다")
    codes = None if arguments.code.lower() == "all" else {parse_code(arguments.code)}
    if not arguments.data.is_dir():
        raise UserError(f"자료 폴더가 없습니다: {arguments.data}")
    progress(0.0, "자료 읽기")
    found = read_folder(arguments.data, codes, minutes=not arguments.daily, delisted=arguments.delisted)
    return Job(
        histories=tuple(found.stocks.values()),
        conditions=conditions_of(arguments),
        days=arguments.days,
        first=arguments.first,
        last=arguments.last,
        daily_only=arguments.daily,
        least_daily=arguments.least_daily,
        benchmark=found.benchmark,
        source=f"{found.name} 폴더",
        environment=Environment.REAL,
    )


def bar() -> Any:
    """A progress bar on stderr where that is a terminal, else nothing."""
    if not sys.stderr.isatty():
        return lambda share, word: None

    def show(share: float, word: str) -> None:
        filled = round(30 * min(max(share, 0.0), 1.0))
        print(
            f"\r  {'█' * filled}{'·' * (30 - filled)} {100 * share:3.0f}% {word:<24}",
            end="",
            file=sys.stderr,
            flush=True,
        )

    return show


def finish() -> None:
    if sys.stderr.isatty():
        print("\r" + " " * 72 + "\r", end="", file=sys.stderr, flush=True)


def lines_of(report: BacktestReport) -> list[str]:
    found = report.metrics
    shown = dict(found.intervals)

    def with_interval(name: str, text: str) -> str:
        if name not in shown:
            return text
        low, high = shown[name]
        return f"{text} [95% {low:+.2%}, {high:+.2%}]" if name != "sharpe" else f"{text} [95% {low:.2f}, {high:.2f}]"

    lines = [
        f"{report.title}  {report.first} ~ {report.last}  ({report.settings.get('봉', '')}, {len(report.codes)}종목)",
        f"  누적 수익률    {with_interval('total_return', f'{found.total_return:+.2%}')}   연 {found.annual_return:+.2%}",
        f"  매수 후 보유   {found.buy_and_hold:+.2%}"
        + (f"   KOSPI {found.benchmark:+.2%}" if found.benchmark is not None else ""),
        f"  최대 낙폭      {-found.maximum_drawdown:.2%} (봉마다 평가)",
        f"  거래           {found.trades}번, 승률 {with_interval('win_rate', f'{found.win_rate:.1%}')}, "
        f"손익비 {found.payoff_ratio:.2f}, 총이익/총손실 {found.profit_factor:.2f}",
        f"  Sharpe {with_interval('sharpe', f'{found.sharpe:.2f}')}  Sortino {found.sortino:.2f}  Calmar {found.calmar:.2f}",
        f"  비용 {found.costs:,}원  회전율 {found.turnover:.2f}배  투자 비중 {found.exposure:.1%}",
    ]
    if "mean_trade" in shown:
        low, high = shown["mean_trade"]
        lines.append(f"  거래당 평균    [95% {low:+.2%}, {high:+.2%}]")
    for name, value in report.settings.items():
        if name.startswith(("무작위", "안 산", "기준")):
            lines.append(f"  {name}: {value}")
    lines += [f"! {warning}" for warning in report.warnings]
    return lines


def as_json(report: BacktestReport, seconds: float) -> dict[str, Any]:
    """Infinite ratios (nothing was lost) become null."""
    import math
    from dataclasses import asdict

    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return value

    step = max(1, len(report.equity) // 500)
    shown = plain(
        {
            "title": report.title,
            "codes": list(report.codes),
            "first": report.first.isoformat(),
            "last": report.last.isoformat(),
            "metrics": asdict(report.metrics),
            "trades": [
                {
                    "code": trade.code,
                    "name": trade.name,
                    "quantity": trade.quantity,
                    "entry_at": trade.entry_at.isoformat(),
                    "entry_price": trade.entry_price,
                    "exit_at": trade.exit_at.isoformat(),
                    "exit_price": trade.exit_price,
                    "fees": trade.fees,
                    "taxes": trade.taxes,
                    "profit": trade.profit,
                    "reason": trade.reason.value,
                    "score": trade.entry_score,
                }
                for trade in report.trades
            ],
            "equity": [[at.isoformat(), value] for at, value in report.equity[::step]],
            "warnings": list(report.warnings),
            "settings": report.settings,
            "seconds": round(seconds, 3),
        }
    )
    assert isinstance(shown, dict)
    return shown
