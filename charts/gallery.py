"""Every picture in every state, with an index page: ``python -m charts.gallery --out DIR``."""

from __future__ import annotations

import argparse
import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from charts import Picture, RenderRequest, View, render
from charts import samples as one
from charts import samples_reports as many
from engine.market import Bars, BookLevel, Interval, Stock
from engine.results import BookChart, CandleChart, Heatmap, HeatmapCell, IntradayChart, PredictionChart


@dataclass(frozen=True, slots=True)
class Exhibit:
    """``view`` is a function, so that listing the gallery draws nothing."""

    name: str
    title: str
    view: Callable[[], View]
    theme: str = "dark"


def _renamed(stock: Stock) -> Stock:
    return replace(stock, name=one.LONG.name, code=one.LONG.code)


def _empty_candles() -> CandleChart:
    return CandleChart(one.HALTED, Interval.DAY, Bars.empty(), one.STAMP, note="거래정지 기간이라 봉이 없습니다.")


def _halted_candles() -> CandleChart:
    chart = one.daily_candles()
    return replace(chart, stock=one.HALTED, zones=(), marks=(), note="2026-03-05 10시 30분부터 거래정지입니다.")


def _long_candles() -> CandleChart:
    chart = one.bars(100, Interval.SIXTY, 1_234_000, "long")
    return CandleChart(one.LONG, Interval.SIXTY, chart, one.REAL, float(chart.close[-2]), overlays="none")


def _few_candles() -> CandleChart:
    chart = one.bars(1)
    return CandleChart(one.SAMSUNG, Interval.DAY, chart, one.STAMP, 70_400.0, note="상장 첫날입니다.")


def _auction_book() -> BookChart:
    book = one.book_of(one.SAMSUNG, 71_900, expected_price=72_300, expected_volume=841_200)
    return BookChart(one.SAMSUNG, book, one.quote_of(one.SAMSUNG, 71_900, 71_900), one.STAMP)


def _limit_book() -> BookChart:
    limit = one.quote_of(one.SAMSUNG, 1, 70_700).upper_limit
    book = one.book_of(one.SAMSUNG, limit, asks=(), total_ask=0)
    return BookChart(one.SAMSUNG, book, one.quote_of(one.SAMSUNG, limit, 70_700), one.STAMP)


def _thin_book() -> BookChart:
    bids = (BookLevel(1_234_000, 1), BookLevel(1_230_000, 2_345_678))
    book = one.book_of(
        one.LONG, 1_234_000, asks=(BookLevel(1_235_000, 12_345_678),), bids=bids, total_ask=0, total_bid=0
    )
    return BookChart(one.LONG, book, one.quote_of(one.LONG, 1_234_000, 1_200_000), one.REAL)


def _halted_book() -> BookChart:
    book = one.book_of(one.HALTED, 51_000, asks=(), bids=(), total_ask=0, total_bid=0)
    return BookChart(one.HALTED, book, one.quote_of(one.HALTED, 51_000, 51_000, halted=True), one.STAMP)


def _limit_line() -> IntradayChart:
    line = one.intraday(seed="limit")
    top = one.quote_of(one.SAMSUNG, 1, 70_700).upper_limit
    rise = [(at, min(float(top), 70_700 + i * 420.0), volume) for i, (at, _, volume) in enumerate(line.points)]
    return replace(line, points=tuple(rise), upper_limit=float(top), lower_limit=49_500.0)


def _no_forecast() -> PredictionChart:
    chart = many.prediction_chart()
    absent = replace(chart.prediction, band=None, absent="일봉이 60개보다 적어 예측하지 않습니다 (지금 41개).")
    return replace(chart, prediction=absent, bars=chart.bars[:41])


def _unproven_forecast() -> PredictionChart:
    chart = many.prediction_chart()
    weaker = many.forecast(one.LONG.code, float(chart.bars.close[-1]), -2.4, 0.06)
    return replace(chart, stock=one.LONG, prediction=replace(weaker, skill=None), past=())


def _one_cell() -> Heatmap:
    return Heatmap("보유 비중 히트맵", (HeatmapCell("삼성전자", "005930", "전기·전자", 1.0, 1.69),), one.STAMP)


def _odd_cells() -> Heatmap:
    odd = (
        HeatmapCell(one.LONG.name, "0126Z0", "전기·전자", 5.0, 29.94),
        HeatmapCell("하한가종목", "100001", "화학", 3.0, -30.0),
        HeatmapCell("보합", "100002", "화학", 3.0, 0.0),
        HeatmapCell("무게없음", "100003", "화학", 0.0, 1.0),
        HeatmapCell("음수", "100004", "금융", -1.0, 1.0),
        HeatmapCell("모름", "100005", "", float("nan"), 1.0),
        HeatmapCell("작은종목", "100006", "아주 긴 업종 이름과 그 밖의 서비스업", 0.02, 1.2),
    )
    return Heatmap("보유 비중 히트맵", odd, one.STAMP)


EXHIBITS: tuple[Exhibit, ...] = (
    Exhibit("candles-daily", "일봉", one.daily_candles),
    Exhibit("candles-15m", "15분봉, 볼린저", one.fifteen_candles),
    Exhibit("candles-limit-up", "15분봉, 상한가와 VI", one.limit_up_candles),
    Exhibit("candles-long", "60분봉, 긴 이름", _long_candles),
    Exhibit("candles-one", "봉 하나", _few_candles),
    Exhibit("candles-halted", "거래정지", _halted_candles),
    Exhibit("candles-empty", "봉 없음", _empty_candles),
    Exhibit("candles-light", "밝은 테마", one.daily_candles, "light"),
    Exhibit("candles-western", "서양식 색", one.daily_candles, "dark-western"),
    Exhibit("intraday", "당일", one.intraday),
    Exhibit("intraday-limit-up", "당일, 상한가", _limit_line),
    Exhibit("intraday-one", "체결 하나", lambda: replace(one.intraday(), points=one.intraday().points[:1])),
    Exhibit("intraday-empty", "체결 없음", lambda: replace(one.intraday(), points=(), note="")),
    Exhibit(
        "intraday-long",
        "긴 이름, 지연",
        lambda: replace(one.intraday(1_200_000, "x"), stock=one.LONG, note="시세가 20분 늦습니다."),
        "light",
    ),
    Exhibit("book", "호가", one.order_book),
    Exhibit("book-auction", "단일가 예상 체결", _auction_book),
    Exhibit("book-limit-up", "상한가", _limit_book),
    Exhibit("book-thin", "호가 몇 개, 긴 이름", _thin_book),
    Exhibit("book-halted", "거래정지", _halted_book),
    Exhibit("book-light", "밝은 테마", one.order_book, "light"),
    Exhibit("score", "점수", one.score_card),
    Exhibit(
        "score-missing",
        "자료 부족, 긴 이름",
        lambda: replace(
            one.score_card(), stock=one.LONG, quote=None, score=one.score_of(one.LONG, -1.3, one.MISSING_LIVE)
        ),
    ),
    Exhibit(
        "score-empty",
        "점수 없음",
        lambda: replace(one.score_card(), score=replace(one.score_of(one.SAMSUNG), factors=())),
    ),
    Exhibit("score-light", "밝은 테마", one.score_card, "light"),
    Exhibit("recommend", "추천", many.recommendation_table),
    Exhibit("recommend-one", "추천 하나, 긴 이름", lambda: many.recommendation_table(1, (one.LONG,))),
    Exhibit("recommend-empty", "추천 없음", lambda: many.recommendation_table(0)),
    Exhibit("prediction", "예측", many.prediction_chart),
    Exhibit("prediction-unproven", "성적 없음, 긴 이름", _unproven_forecast),
    Exhibit("prediction-absent", "예측 없음", _no_forecast),
    Exhibit("prediction-light", "밝은 테마", many.prediction_chart, "light"),
    Exhibit("heatmap", "히트맵", many.heatmap),
    Exhibit("heatmap-200", "시장 전체", lambda: many.heatmap(200, "시장 히트맵 (시가총액)")),
    Exhibit("heatmap-one", "한 종목", _one_cell),
    Exhibit("heatmap-odd", "무게 0과 긴 이름", _odd_cells),
    Exhibit("heatmap-empty", "종목 없음", lambda: replace(_one_cell(), cells=())),
    Exhibit("heatmap-light", "밝은 테마", many.heatmap, "light-western"),
    Exhibit("portfolio", "포트폴리오", many.portfolio),
    Exhibit("portfolio-many", "아홉 종목", lambda: many.portfolio(9)),
    Exhibit("portfolio-one", "한 종목, 기록 없음", lambda: replace(many.portfolio(1), equity_curve=())),
    Exhibit("portfolio-empty", "빈 계좌", lambda: replace(many.portfolio(0), equity_curve=())),
    Exhibit("portfolio-light", "밝은 테마", many.portfolio, "light"),
    Exhibit("backtest", "백테스트", many.backtest),
    Exhibit("backtest-many", "여러 종목", lambda: many.backtest(False)),
    Exhibit("backtest-empty", "기록 없음", lambda: replace(many.backtest(), equity=(), trades=(), warnings=())),
    Exhibit("indices", "지수", many.indices),
    Exhibit("indices-one", "지수 하나", lambda: replace(many.indices(1), intraday={})),
    Exhibit("indices-empty", "지수 없음", lambda: many.indices(0)),
    Exhibit("report", "일일 리포트", many.day_report),
    Exhibit("report-many", "거래 많은 날", lambda: many.day_report(7)),
    Exhibit("report-empty", "거래 없는 날", lambda: many.day_report(0)),
    Exhibit("news", "뉴스", many.news),
    Exhibit("news-many", "뉴스 아홉 건", lambda: many.news(9)),
    Exhibit("news-one", "뉴스 하나", lambda: many.news(1)),
    Exhibit("news-empty", "뉴스 없음", lambda: many.news(0)),
    Exhibit("signal", "분석", many.signal),
    Exhibit("ticket", "주문 확인", many.ticket),
    Exhibit(
        "ticket-over",
        "한도 초과, 시장가 매도",
        lambda: many.market_ticket(_renamed(one.SAMSUNG)),
        "light",
    ),
)


def pictures() -> Iterator[tuple[Exhibit, Picture]]:
    for exhibit in EXHIBITS:
        yield exhibit, render(RenderRequest(exhibit.view(), exhibit.theme))


def write_gallery(out: Path, progress: Callable[[str], None] | None = None) -> int:
    """Write every picture and ``index.html`` into ``out``; return how many pictures there are."""
    out.mkdir(parents=True, exist_ok=True)
    figures = []
    for exhibit, picture in pictures():
        (out / f"{exhibit.name}.png").write_bytes(picture.png)
        alt, title = html.escape(picture.alt, quote=True), html.escape(exhibit.title)
        figures.append(
            f'<figure><a href="{exhibit.name}.png"><img loading="lazy" src="{exhibit.name}.png" alt="{alt}"></a>'
            f"<figcaption><b>{title}</b> <code>{exhibit.name}</code><br>{alt}</figcaption></figure>"
        )
        if progress is not None:
            progress(exhibit.name)
    (out / "index.html").write_text(_PAGE.format(figures="\n".join(figures)), encoding="utf-8")
    return len(figures)


_PAGE = """<!doctype html>
<html lang="ko"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>개미 그림 모음</title>
<style>
body {{ background: #0f1115; color: #e8eaf0; font: 15px/1.5 sans-serif; margin: 24px; }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 24px; }}
figure {{ margin: 0; }} img {{ width: 100%; border-radius: 10px; }} figcaption {{ color: #aeb6c4; font-size: 13px; }}
</style>
<h1>개미 그림 모음</h1><p>지어낸 자료로 그린 그림입니다. 실제 시세가 아닙니다.</p>
<main>
{figures}
</main></html>
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="모든 그림을 모든 상태로 그려 폴더에 씁니다.")
    parser.add_argument("--out", type=Path, required=True, help="그림과 index.html을 쓸 폴더")
    chosen = parser.parse_args(arguments)
    count = write_gallery(chosen.out)
    print(f"그림 {count}장을 {chosen.out}에 썼습니다.")


if __name__ == "__main__":
    main()
