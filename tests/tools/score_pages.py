"""Write the pages of the score: one per factor with its curve, and the study of real bars with its picture.

python -m tests.tools.score_pages [FOLDER]     FOLDER holds krx_daily.parquet; without it only the factor pages
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import koreanize_matplotlib  # noqa: F401  # registers the Korean font
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plot
import numpy as np
from matplotlib.axes import Axes

from engine.results import Factor
from engine.scoring import curves
from engine.scoring.inputs import DirectionInput
from engine.scoring.points import direction_points
from tests.tools.score_study_page import write_study

DOCS = Path(__file__).parents[2] / "docs"
NOTHING = float("nan")
INK, LONG, SHORT = "#1f2937", "#c0392b", "#2563eb"


@dataclass(frozen=True)
class Page:
    factor: Factor
    summary: str
    formula: str
    details: tuple[str, ...]
    measured: str
    draw: Callable[[Axes], None]


def _line(axes: Axes, x: np.ndarray, y: list[float], label: str = "", colour: str = INK) -> None:
    axes.plot(x, y, color=colour, lw=2, label=label or None)


def draw_rsi(axes: Axes) -> None:
    x = np.linspace(0, 100, 401)
    for age, colour in ((0, LONG), (2, "#d97706"), (4, "#9ca3af")):
        values = [15 * curves.rsi_share(np.array([v if k == age else 50.0 for k in range(5)])) for v in x]
        _line(axes, x, values, f"{age}일 전 값" if age else "마지막 날 값", colour)
    axes.set_xlabel("RSI(14), 나머지 날은 50")


def draw_macd(axes: Axes) -> None:
    line, histogram = np.meshgrid(np.linspace(-1.2, 1.2, 121), np.linspace(-0.16, 0.16, 121))
    points = np.array([[15 * curves.macd_share(a, b, 1.0) for a, b in zip(*row, strict=True)] for row in zip(line, histogram, strict=True)])  # fmt: skip
    found = axes.contourf(line, histogram, points, levels=np.linspace(-15, 15, 21), cmap="RdBu_r")
    axes.figure.colorbar(found, ax=axes, label="점수")
    axes.set_xlabel("MACD / ATR")
    axes.set_ylabel("히스토그램 / ATR")


def draw_bollinger(axes: Axes) -> None:
    x = np.linspace(-2, 2, 401)
    for age, colour in ((0, LONG), (2, "#d97706"), (4, "#9ca3af")):
        values = [10 * curves.band_share(np.array([v if k == age else 0.0 for k in range(5)])) for v in x]
        _line(axes, x, values, f"{age}일 전 값" if age else "마지막 날 값", colour)
    axes.set_xlabel("밴드 위치 z = (종가 - 중심선) / 2σ, 나머지 날은 0")


def draw_breakout(axes: Axes) -> None:
    x = np.linspace(-0.8, 0.8, 321)
    for band, colour in ((-0.2, LONG), (0.3, "#d97706"), (0.8, "#9ca3af")):
        _line(axes, x, [12 * curves.breakout_share(v, band) for v in x], f"어제 z = {band:+.1f}", colour)
    axes.axvline(0.5, color="#9ca3af", ls=":")
    axes.set_xlabel("b = (마지막 15분 종가 - 오늘 시가) / 어제 폭")


def draw_zone(maximum: int) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        x = np.linspace(-0.5, 1.5, 201)
        _line(axes, x, [maximum * curves.zone_share(v, NOTHING, 1.0) for v in x], "상승 쪽 존까지", LONG)
        _line(axes, x, [maximum * curves.zone_share(NOTHING, v, 1.0) for v in x], "하락 쪽 존까지", SHORT)
        axes.set_xlabel("가장 가까운 존까지 거리 (ATR)")

    return draw


def draw_retest(axes: Axes) -> None:
    x = np.arange(0, 14)

    def gap(distance: float, touch: float, birth: float) -> np.ndarray:
        return np.array([distance, NOTHING, touch, birth, NOTHING, NOTHING, NOTHING, NOTHING])

    _line(axes, x, [15 * curves.retest_share(gap(0.0, n, 99.0), 1.0) for n in x], "되짚은 뒤 (거리 0)", LONG)
    _line(axes, x, [15 * curves.retest_share(gap(0.0, NOTHING, n), 1.0) for n in x], "생긴 뒤 (거리 0)", "#d97706")
    _line(axes, x, [15 * curves.retest_share(gap(1.5, n, 99.0), 1.0) for n in x], "되짚은 뒤 (거리 1.5 ATR)", "#9ca3af")
    axes.set_xlabel("지난 15분봉 수")


def draw_structure(axes: Axes) -> None:
    x = np.arange(0, 31)
    _line(axes, x, [8 * curves.event_share(2.0, float(n)) for n in x], "CHoCH (추세 전환)", LONG)
    _line(axes, x, [8 * curves.event_share(1.0, float(n)) for n in x], "BOS (추세 지속)", "#d97706")
    axes.set_xlabel("지난 15분봉 수")


def draw_direction(axes: Axes) -> None:
    x = np.linspace(0, 1, 201)
    for gate, colour in ((1.0, LONG), (0.5, "#d97706"), (0.0, "#9ca3af")):
        values = [direction_points(DirectionInput(float(v), gate, "m")) for v in x]
        _line(axes, x, values, f"실력 {gate:g}", colour)
    axes.set_xlabel("시장 안 순위 백분위 (1 = 최고)")


MIRROR = "하락 쪽은 가격을 뒤집은 거울입니다(시험으로 확인). 점수 = 최대 × (상승 쪽 - 하락 쪽)."
PAGES = (
    Page(
        Factor.RSI,
        "최근 5일 안에 얼마나 눌렸는지. 오래된 눌림은 희미해집니다.",
        "상승 쪽 L = k = 0..4 가운데 최대 (1 - k/5) × R(50 - RSI[t-k]; 0, 25)",
        (
            "RSI(14)는 Wilder 방식입니다. 첫 14개 변화의 단순 평균에서 시작하고, TA-Lib과 1e-9까지 같습니다.",
            "한 번도 움직이지 않은 종목은 **정의되지 않음**입니다. TA-Lib은 0을 주는데, 0은 극단적 과매도로 읽혀 가짜 매수 신호가 됩니다.",
            "“돌아서기 시작했다”는 조건은 없습니다. 그 조건이 다음 날 정보를 거의 없앴기 때문입니다(+40 → -1, 순위 상관 × 1,000).",
        ),
        "다음 날 순위 상관 × 1,000: 2023년까지 +33, 2024년부터 +25. 볼린저와 거의 같은 정보입니다(상관 0.90).",
        draw_rsi,
    ),
    Page(
        Factor.MACD,
        "0선 아래에서 나는 골든크로스. 0선 위의 골든크로스는 감점이 아니라 0점입니다.",
        "L = R(히스토그램/ATR; 0, 0.10) × R(-MACD/ATR; 0, 0.75)",
        (
            "MACD(12, 26, 9)의 씨앗은 TA-Lib 방식입니다(두 평균이 26번째 봉에서 시작). 씨앗 방식이 다르면 초기에 부호까지 달라집니다.",
            "신호선이 아니라 ATR로 나누므로 가격 수준이 점수를 바꾸지 않습니다. ATR(14)는 Wilder 방식입니다.",
        ),
        "다음 날 순위 상관 × 1,000: +8 | +2. 약합니다.",
        draw_macd,
    ),
    Page(
        Factor.BOLLINGER,
        "최근 5일 안에 하단 밴드에 얼마나 가까이 갔는지.",
        "L = k = 0..4 가운데 최대 (1 - k/5) × R(-z[t-k]; 0, 1.25), z = (종가 - 중심선) / 2σ",
        (
            "20일 평균과 **모집단** 표준편차(20으로 나눔)입니다. 표본 편차를 쓰면 밴드가 2.6% 넓어집니다.",
            "합을 굴려서 계산하면 원화 가격 수준에서 자릿수를 잃으므로 창마다 두 번 훑습니다. 폭이 0이면 정의되지 않음입니다.",
        ),
        "다음 날 순위 상관 × 1,000: +33 | +29.",
        draw_bollinger,
    ),
    Page(
        Factor.BREAKOUT,
        "래리 윌리엄스 변동성 돌파. 오늘 시가에서 어제 폭의 절반을 오르면 목표가입니다.",
        "L = R(b; 0.25, 0.50) × R(-z어제; -0.8, 0.2), b = (마지막 15분 종가 - 오늘 시가) / (어제 고가 - 저가)",
        (
            "완성된 15분봉의 종가만 씁니다. 그날의 최종 고가와 비교하면 미래를 보는 것입니다.",
            "어제가 상단 밴드 쪽이었으면 점수가 줄어듭니다. 어제 폭이 0(거래정지·상하한가 고정)이면 신호가 없습니다.",
            "오늘 완성된 15분봉이 없으면(장 시작 15분 안) 정의되지 않음입니다.",
        ),
        "일봉 기준 다음 날 순위 상관 × 1,000: **-26 | -17, 반대 부호입니다.** 방아쇠로서 뜻이 있을 뿐, 이 인자만으로 사면 잃었습니다.",
        draw_breakout,
    ),
    Page(
        Factor.DAILY_FVG,
        "메워지지 않은 일봉 갭(FVG) 위에 서 있는지.",
        "L = max(0, 1 - max(d, 0) / 0.8), d = (종가 - 가장 가까운 상승 갭의 위쪽) / ATR. 갭 안이면 1.",
        (
            "상승 갭: 저가[t] > 고가[t-2]. 셋째 봉이 끝나야 알 수 있습니다. 0.1 ATR보다 커야 셉니다.",
            "저가가 갭의 아래쪽을 지나면(완전히 메워짐) 또는 250봉이 지나면 사라집니다. 최근 64개까지 봅니다.",
            "smartmoneyconcepts와 다른 점 셋: 그쪽은 가운데 봉에 날짜를 달고(하루 미리 보임), 가운데 봉의 몸통 방향을 요구하며(상한가 고정 봉의 갭이 사라짐), 장 구분이 없습니다. 이 셋을 걷어 내면 목록과 첫 접촉까지 같습니다(시험).",
        ),
        "다음 날 순위 상관 × 1,000: +2 | -2. 정보가 없습니다.",
        draw_zone(8),
    ),
    Page(
        Factor.ORDER_BLOCK,
        "구조를 깬 움직임이 시작된 일봉(오더블록) 위에 서 있는지.",
        "L = max(0, 1 - max(d, 0) / 0.8), d = (종가 - 가장 가까운 살아 있는 매수 블록의 위쪽) / ATR",
        (
            "상승 돌파 때, 깨진 스윙에서 돌파 직전 봉까지 가운데 저가가 가장 낮은 봉(같으면 나중 봉)의 저가~고가입니다.",
            "돌파 봉에서 알려지고, 종가가 아래쪽을 지나면 끝납니다. 나중에 지워지지 않습니다(과거가 바뀌지 않음).",
            "스윙은 양쪽 3봉보다 **엄격히** 높은(낮은) 봉이며 3봉 뒤에 확인됩니다.",
        ),
        "다음 날 순위 상관 × 1,000: +18 | +9. 약합니다.",
        draw_zone(7),
    ),
    Page(
        Factor.FIFTEEN_FVG,
        "15분봉 갭이 생겼거나, 되짚고 지켰는지.",
        "L = max(F(되짚은 뒤 봉 수; 8), F(생긴 뒤 봉 수; 12)) × max(0, 1 - max(d, 0) / 3)",
        (
            "밤사이 점프는 장중 갭이 아닙니다: 첫째 봉과 셋째 봉이 같은 날이어야 하므로, 그날 셋째 봉 전에는 갭이 없습니다.",
            "지난 5거래일의 완성된 15분봉만 봅니다. 130봉이 지나면 사라집니다.",
            "손절가도 여기서 나옵니다: 진입가 아래 가장 가까운 갭의 아래쪽에서 한 틱 밑. 0.5~5%를 벗어나면 -3%입니다.",
        ),
        "종가까지 순위 상관 +0.016(표준오차 0.017). 19종목 42일로 잰 값이라 **증명되지 않았습니다.**",
        draw_retest,
    ),
    Page(
        Factor.STRUCTURE,
        "15분봉의 추세 전환(CHoCH)과 지속(BOS).",
        "L = (CHoCH 상승 1, BOS 상승 0.4) × F(그 뒤 봉 수; 26)",
        (
            "종가가 마지막으로 확인된 스윙을 넘으면 돌파입니다. 추세와 반대면 CHoCH, 같으면 BOS. 꼬리만 넘은 것은 세지 않습니다.",
            "BOS가 0.4인 까닭: 일봉에서 잰 부호가 음수였습니다(-17 | -21).",
            "상승과 하락의 마지막 사건을 따로 셉니다.",
        ),
        "종가까지 -0.014(0.027), 다음 시가까지 +0.031(0.039): 없음.",
        draw_structure,
    ),
    Page(
        Factor.DIRECTION,
        "5일 뒤 시장 안 순위 예측. 실력이 증명되지 않으면 0점입니다.",
        "(백분위, 점수)를 잇는 꺾은선: (0, -10) (.05, -10) (.10, -7) (.15, -4) (.30, -2) (.40, 0) (.70, 0) (.80, +2) (1, +3), 여기에 실력 0..1을 곱함",
        (
            "전날까지의 일봉으로 만든 예측만 씁니다. 예측이 없으면 그 이유를 말하고 0점입니다.",
            "위로는 +3까지뿐입니다: 잰 비대칭이 그랬습니다. 그래서 실제로 닿을 수 있는 최고점은 100이 아니라 93점입니다.",
        ),
        "능선 회귀로 대신 잰 값: 다음 날 +87 | +98. 절반은 낮은 변동성입니다.",
        draw_direction,
    ),
)


def write_factor(page: Page) -> None:
    name = page.factor.value
    figure, axes = plot.subplots(figsize=(7.2, 3.6), dpi=110)
    page.draw(axes)
    axes.set_title(f"{page.factor.label} (최대 ±{page.factor.maximum}점)")
    if not axes.get_ylabel():
        axes.set_ylabel("점수")
        axes.axhline(0, color="#d1d5db", lw=0.8)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(DOCS / "images" / f"factor-{name}.png")
    plot.close(figure)
    where = "준비 점수(일봉, 어제까지)" if page.factor.daily else "진입 점수(15분봉, 오늘)"
    lines = [
        f"# {page.factor.label}: 최대 ±{page.factor.maximum}점",
        "",
        f"{page.summary} {where}에 듭니다.",
        "",
        f"![{page.factor.label} 곡선](../images/factor-{name}.png)",
        "",
        f"**식.** {page.formula}",
        "",
        "R(x; a, b) = (x - a) / (b - a)를 0과 1 사이로 자른 값, F(n; N) = max(0, 1 - n/N), ATR = 그 인자가 쓰는 봉의 Wilder ATR(14).",
        MIRROR if page.factor is not Factor.DIRECTION else "",
        "",
        *(f"- {detail}" for detail in page.details),
        "",
        f"**실제 자료에서.** {page.measured} 자세한 것은 [점수 연구](../score-study.md).",
        "",
        "자료가 없거나 계산할 수 없으면 0점이고 이유에 “자료 부족”이라고 적습니다.",
        "",
    ]
    (DOCS / "factors" / f"{name}.md").write_text("\n".join(lines), "utf-8")


def write_index() -> None:
    rows = [f"| [{p.factor.label}]({p.factor.value}.md) | {p.factor.maximum} | {'일봉' if p.factor.daily else '15분봉'} | {p.summary} |" for p in PAGES]  # fmt: skip
    text = f"""# 아홉 인자

점수는 아홉 인자의 합입니다. 일봉 인자(준비 점수, 65점)는 **어제까지**의 상태를, 15분봉 인자(진입 점수, 35점)는 **오늘**의 방아쇠를 봅니다.
“눌려 있다”와 “오르고 있다”는 같은 순간에는 서로 부정하지만, 어제와 오늘로 나누면 함께 참일 수 있습니다.

| 인자 | 최대 | 봉 | 무엇을 보나 |
|---|---|---|---|
{chr(10).join(rows)}

모든 곡선은 완성된 봉만 쓰고(미래를 보지 않음), 가격에 어떤 수를 곱해도 같으며, 가격과 지표에 대해 이어져 있습니다. 끊기는 곳은 사건이
생기거나 없어질 때(갭이 메워짐, 구조가 깨짐)뿐입니다. 일봉이 60개보다 적으면 일봉 인자는 0점(“자료 부족”)입니다.

점수는 종목을 **줄 세우는** 값입니다. 55점은 수익을 보장하지 않습니다. [무엇을 재 보았고 무엇이 남았는지](../score-study.md).

개인용 도구이며 투자 권유가 아닙니다. 손실 책임은 이용자에게 있습니다.
"""
    (DOCS / "factors" / "README.md").write_text(text, "utf-8")


def main() -> None:
    for folder in ("factors", "images"):
        (DOCS / folder).mkdir(exist_ok=True)
    for page in PAGES:
        write_factor(page)
    write_index()
    if len(sys.argv) > 1:
        write_study(Path(sys.argv[1]), DOCS)


if __name__ == "__main__":
    main()
