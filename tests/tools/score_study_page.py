"""The page docs/score-study.md and its picture, from a study of real bars."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plot

from engine.results import Factor
from engine.scoring.bootstrap import Estimate
from engine.study import OUTCOMES, QUANTILES, THINGS_TRIED, ScoreStudy, cost_words, study_scores


def write_study(folder: Path, target: Path) -> ScoreStudy:
    study = study_scores(folder, lambda stage: print(stage, flush=True))
    _picture(study, target / "images" / "score-study.png")
    (target / "score-study.md").write_text(_page(study), "utf-8")
    return study


def _picture(study: ScoreStudy, path: Path) -> None:
    figure, (left, middle, right) = plot.subplots(1, 3, figsize=(13, 4), dpi=100)
    edges, shares = zip(*study.histogram, strict=True)
    left.bar(edges, [100 * share for share in shares], width=3.6, align="edge", color="#94a3b8")
    left.axvline(28, color="#c0392b", ls=":")
    left.set_title("일봉 점수의 분포 (65점 중)")
    left.set_ylabel("종목·일의 %")
    for n, period in enumerate(study.periods):
        cells = [cell for cell in period.cells if cell.bucket != "전체"]
        _errors(middle, n, [cell.excess["same_day"] for cell in cells], period.name)
        middle.set_xticks(range(len(cells)), [cell.bucket for cell in cells], rotation=40, fontsize=8)
    middle.axhline(0, color="#9ca3af", lw=0.8)
    middle.set_ylim(-80, 80)
    middle.set_title("당일 초과 수익, bp (95% 구간)")
    middle.legend(frameon=False, fontsize=8)
    if study.minutes is not None:
        rows = study.minutes.rows
        _errors(right, 0, [row.to_close for row in rows], "종가까지")
        _errors(right, 1, [row.exits for row in rows], "손절·익절")
        right.set_xticks(range(len(rows)), ["모든 봉" if row.level < 0 else f"≥ {row.level:g}" for row in rows])
        right.axhline(0, color="#9ca3af", lw=0.8)
        right.set_title("15분봉 실제 진입, 비용 뒤 bp")
        right.legend(frameon=False, fontsize=8)
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)
    plot.close(figure)


def _errors(axes: plot.Axes, shift: int, found: list[Estimate], label: str) -> None:
    x = [n + 0.2 * shift for n in range(len(found))]
    means = [one.mean for one in found]
    spread = [[one.mean - one.low for one in found], [one.high - one.mean for one in found]]
    axes.errorbar(x, means, spread, fmt="o", ms=4, capsize=3, label=label, color=("#1f2937", "#d97706")[shift % 2])


def _page(study: ScoreStudy) -> str:
    first, second = study.periods[0], study.periods[-1]
    strong = [next(cell for cell in period.cells if cell.bucket == "28 이상") for period in (first, second)]
    spread = [next(v for v in period.variants if v.name.startswith("한 틱")) for period in (first, second)]
    lines = [
        "# 점수는 무엇을 말해 왔나",
        "",
        "이 페이지는 `gaemi study scores`가 실제 일봉과 분봉에서 잰 것을 그대로 적습니다. `python -m tests.tools.score_pages 폴더`가 씁니다.",
        "",
        "## 결론",
        "",
        "1. **55점 규칙에 증명된 우위는 없습니다.** 실제로 55점에 닿은 횟수가 너무 적어 아무것도 증명하지 못합니다.",
        f"2. **일봉 점수는 종목을 줄 세웁니다.** 28점 이상({100 * study.shares['>=28']:.1f}%의 종목·일)은 같은 날 평균보다 시가→종가에서 "
        f"{strong[0].excess['same_day'].words()}bp | {strong[1].excess['same_day'].words()}bp 나았습니다.",
        f"   같은 날 같은 수를 눈 감고 뽑으면 {strong[0].null[0]:+.0f} ± {strong[0].null[1]:.1f}bp | "
        f"{strong[1].null[0]:+.0f} ± {strong[1].null[1]:.1f}bp입니다.",
        f"3. **그래도 당일 거래로는 남지 않습니다.** 비용 뒤 당일 {strong[0].net['same_day'].words()}bp | "
        f"{strong[1].net['same_day'].words()}bp입니다. 한 틱 스프레드까지 빼면 "
        f"{spread[0].net.words()}bp | {spread[1].net.words()}bp로 잃습니다.",
        "4. 5일 보유의 초과 수익은 구간이 넓고, 대부분 그 시기의 시장입니다.",
        "",
        "> 55점은 수익을 보장하지 않습니다. 과거 자료에서 점수가 높은 종목은 다음 날 시장 평균보다 약 0.15% 나았지만, "
        "당일 청산 비용(약 0.22~0.28%)을 넘지 못했습니다.",
        "",
        "![점수 연구](images/score-study.png)",
        "",
        "## 어떻게 쟀나",
        "",
        f"{study.names}종목 {study.stock_days:,}종목·일, {study.first} ~ {study.last}. 어제까지의 일봉으로 점수를 매기고 오늘 시가에 삽니다. "
        f"비용: {cost_words()}.",
        "괄호는 **날**을 뽑는 블록 부트스트랩의 95% 구간입니다(5일, 20일 수익은 20일 블록). 한 날의 종목들은 함께 움직이므로 행을 뽑으면 구간이 거짓으로 좁아집니다.",
        "초과 = 같은 날 모든 종목의 평균을 뺀 값. 예측 방향 인자는 날마다의 예측이 있어야 하므로 여기서는 0입니다(65점 중 55점만 쟀습니다).",
        f"시도한 것: {THINGS_TRIED}",
        "",
        "## 분포",
        "",
        "| " + " | ".join(f"{q:g}%" for q in QUANTILES) + " | 최저 | 최고 | ≥ 20 | ≥ 28 | ≤ -40 |",
        "|" + "---|" * (len(QUANTILES) + 5),
        "| " + " | ".join(f"{value:.0f}" for value in study.quantiles)
        + f" | {study.lowest:.1f} | {study.highest:.1f} | {100 * study.shares['>=20']:.1f}% "
        f"| {100 * study.shares['>=28']:.2f}% | {100 * study.shares['<=-40']:.3f}% |",
        "",
        f"28점 이상은 2,700종목이면 하루 평균 {study.names_a_day:.0f}종목꼴입니다. 일봉 점수만으로 55점에 닿은 적은 없습니다: "
        "일봉만 쓰는 백테스트는 거래가 거의 없고, 그것은 오류가 아닙니다.",
        "",
    ]  # fmt: skip
    for period in study.periods:
        lines += _period_lines(period)
    lines += ["## 해마다 (28점 이상, 초과 bp)", "", "| 해 | 당일 | 5일 |", "|---|---|---|"]
    lines += [f"| {year} | {one.words()} | {five.words()} |" for year, one, five in study.by_year]
    lines += ["", *_minute_lines(study), *_closing(study)]
    return "\n".join(lines) + "\n"


def _period_lines(period) -> list[str]:  # type: ignore[no-untyped-def]
    keys = [key for key, _, _ in OUTCOMES]
    lines = [
        f"## {period.name}: {period.stock_days:,}종목·일",
        "",
        "비용 뒤 수익과 초과 수익, bp.",
        "",
        "| 일봉 점수 | 비중 | "
        + " | ".join(label for _, label, _ in OUTCOMES)
        + " | 초과: 당일 | 초과: 5일 | 눈 감고 뽑기 |",
        "|" + "---|" * (len(OUTCOMES) + 5),
    ]
    for cell in period.cells:
        net = " | ".join(cell.net[key].words() for key in keys)
        null = "" if cell.null[1] != cell.null[1] else f"{cell.null[0]:+.0f} ± {cell.null[1]:.1f}"
        excess = f"{cell.excess['same_day'].words()} | {cell.excess['5'].words()}"
        lines.append(f"| {cell.bucket} | {100 * cell.share:.2f}% | {net} | {excess} | {null} |")
    lines += ["", "인자별 순위 상관 × 1,000:", "", "| 인자 | 당일 | 5일 |", "|---|---|---|"]
    for name, (one, five) in period.correlations.items():
        label = "일봉 점수 합" if name == "daily" else Factor(name).label
        lines.append(f"| {label} | {one.words()} | {five.words()} |")
    lines += ["", "28점 이상에 얹어 본 것(비용 뒤 bp):", "", "| 규칙 | 비중 | 비용 뒤 | 초과 |", "|---|---|---|---|"]
    lines += [f"| {v.name} | {100 * v.share:.2f}% | {v.net.words()} | {v.excess.words()} |" for v in period.variants]
    return [*lines, ""]


def _minute_lines(study: ScoreStudy) -> list[str]:
    minutes = study.minutes
    if minutes is None:
        return ["## 15분봉", "", "폴더에 분봉이 없어 재지 못했습니다.", ""]
    lines = [
        "## 실제 15분봉",
        "",
        f"{minutes.stock_days}종목·일, 15분봉 {minutes.bars:,}개. 대부분 2020년 봄의 대형주이고 일봉 이력이 31개부터라 60봉 규칙을 30봉으로 풀었습니다.",
        "분위 " + ", ".join(f"{q:g}% {v:.0f}" for q, v in zip(QUANTILES, minutes.quantiles, strict=True))
        + f", 최고 {minutes.highest:.1f}. 55점 이상은 봉의 {100 * minutes.bars_at_entry:.3f}%, **{minutes.stock_days}종목·일 중 {minutes.stock_days_at_entry}**. "
        f"-40점 이하는 봉의 {100 * minutes.bars_at_exit:.2f}%, 종목·일의 {100 * minutes.stock_days_at_exit / minutes.stock_days:.1f}%.",
        "",
        "| 처음 닿은 봉 | 건수 | 종가까지 | 손절·익절 | 초과(같은 봉) |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for row in minutes.rows:
        level = "모든 봉" if row.level < 0 else f"≥ {row.level:g}"
        lines.append(f"| {level} | {row.rows} | {row.to_close.words()} | {row.exits.words()} | {row.excess.words()} |")
    lines += ["", "높은 문턱이 35점보다 낫지 않습니다. 구간의 가운데가 아니라 폭을 읽으십시오.", ""]
    return lines


def _delisted_words(study: ScoreStudy) -> str:
    found = study.delisted
    if found is None:
        return ""
    return (
        f"뒤에 상장폐지된 종목에서는 28점 이상이 마지막 60일에 {100 * found.share_near_end:.1f}%로 그 전({100 * found.share_before:.1f}%)보다 "
        f"잦았고, 비용 뒤 당일 평균 {found.mean_bps:+.0f}bp(중앙값 {found.median_bps:+.0f}bp, {found.rows}건)였습니다. "
    )


def _closing(study: ScoreStudy) -> list[str]:
    return [
        "## 얼마나 믿을까",
        "",
        f"- 살아남은 종목만 있는 자료입니다. {_delisted_words(study)}그래서 관리·경고 종목은 점수를 매기기 전에 뺍니다.",
        "- 시가에 스프레드 없이 산다고 보았습니다. 한 틱이면 당일 수익은 모두 손실 쪽입니다.",
        "- 하룻밤 보유는 설정으로만 두고 기본은 끕니다: 초과 수익의 구간이 0을 겨우 벗어나거나 걸칩니다.",
        "- 시장 상태로 쉬는 규칙은 표본을 여섯에 하나로 줄이고 아무것도 더하지 않았습니다.",
        "- 예측 모델을 거부권으로 쓰는 것은 여기서 재지 못했습니다(날마다의 예측이 필요).",
        "",
        "개인용 도구이며 투자 권유가 아닙니다. 손실 책임은 이용자에게 있습니다.",
    ]
