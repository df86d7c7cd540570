"""A backtest as one HTML page without scripts or outside files."""

from __future__ import annotations

from html import escape

from engine.results import BacktestReport

DISCLAIMER = "개인용 도구이며 투자 권유가 아닙니다. 손실 책임은 이용자에게 있습니다."
_STYLE = """body{font:16px/1.5 system-ui,'Noto Sans KR',sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem;color:#1b1f24}
h1{font-size:1.5rem}table{border-collapse:collapse;width:100%;font-size:.9rem}td,th{padding:.3rem .5rem;border-bottom:1px solid #d8dee4;text-align:right}
td:first-child,th:first-child{text-align:left}.warn{background:#fff8c5;padding:.6rem 1rem;border-radius:6px}.up{color:#c4161c}.down{color:#1054a8}
svg{width:100%;height:auto;background:#fafbfc}"""
_WIDTH, _HEIGHT = 900, 300


def _percent(value: float | None) -> str:
    if value is None:
        return "—"
    shade = "up" if value > 0 else "down" if value < 0 else ""
    return f'<span class="{shade}">{value:+.2%}</span>'


def _line(points: list[tuple[float, float]], low: float, high: float, colour: str) -> str:
    span = high - low or 1.0
    text = " ".join(f"{_WIDTH * x:.1f},{_HEIGHT * (1 - (y - low) / span):.1f}" for x, y in points)
    return f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{text}"/>'


def _curves(report: BacktestReport) -> str:
    series = [(report.equity, "#0b6e4f"), (report.buy_and_hold_equity, "#8b949e")]
    values = [value for curve, _ in series for _, value in curve]
    if not values:
        return ""
    first, last = report.equity[0][0].timestamp(), report.equity[-1][0].timestamp()
    low, high = min(values), max(values)
    lines = []
    for curve, colour in series:
        step = max(1, len(curve) // 900)
        points = [((at.timestamp() - first) / ((last - first) or 1.0), value) for at, value in curve[::step]]
        lines.append(_line(points, low, high, colour))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="자산 곡선">{"".join(lines)}</svg>'
        f"<p>초록 전략, 회색 매수 후 보유. 세로 {low:,.0f}원 ~ {high:,.0f}원</p>"
    )


def page(report: BacktestReport) -> str:
    found = report.metrics
    figures = [
        ("누적 수익률", _percent(found.total_return)),
        ("연 수익률", _percent(found.annual_return)),
        ("매수 후 보유", _percent(found.buy_and_hold)),
        ("KOSPI", _percent(found.benchmark)),
        ("최대 낙폭", _percent(-found.maximum_drawdown)),
        ("거래", f"{found.trades:,}번"),
        ("승률", f"{found.win_rate:.1%}"),
        ("손익비", f"{found.payoff_ratio:.2f}"),
        ("총이익/총손실", f"{found.profit_factor:.2f}"),
        ("Sharpe / Sortino / Calmar", f"{found.sharpe:.2f} / {found.sortino:.2f} / {found.calmar:.2f}"),
        ("비용", f"{found.costs:,}원"),
        ("회전율 / 투자 비중", f"{found.turnover:.2f}배 / {found.exposure:.1%}"),
    ]
    names = {"total_return": "누적 수익률", "sharpe": "Sharpe", "win_rate": "승률", "mean_trade": "거래당 평균"}
    for name, (low, high) in found.intervals.items():
        figures.append(
            (
                f"95% 구간: {names.get(name, name)}",
                f"{low:.2f} ~ {high:.2f}" if name == "sharpe" else f"{low:+.2%} ~ {high:+.2%}",
            )
        )
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{value}</td></tr>" for name, value in figures)
    trades = "".join(
        f"<tr><td>{escape(trade.name)} {escape(trade.code)}</td><td>{trade.entry_at:%Y-%m-%d %H:%M}</td>"
        f"<td>{trade.entry_price:,.0f}</td><td>{trade.exit_at:%Y-%m-%d %H:%M}</td><td>{trade.exit_price:,.0f}</td>"
        f"<td>{trade.quantity:,}</td><td>{_percent(trade.profit_percent / 100.0)}</td>"
        f"<td>{trade.entry_score or 0:+.1f}</td><td>{escape(trade.reason.label)}</td></tr>"
        for trade in report.trades[:2_000]
    )
    settings = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in report.settings.items())
    warnings = "".join(f"<li>{escape(warning)}</li>" for warning in report.warnings)
    return f"""<!doctype html>
<html lang="ko"><head><meta charset="utf-8"><title>{escape(report.title)}</title><style>{_STYLE}</style></head><body>
<h1>{escape(report.title)}</h1>
<p>{report.first} ~ {report.last} · {escape(report.stamp.source)} · {report.stamp.environment.label} · 자료 시각 {report.stamp.at:%Y-%m-%d %H:%M} KST</p>
<div class="warn"><ul>{warnings}</ul></div>
<table>{rows}</table>
{_curves(report)}
<h2>거래 {len(report.trades):,}번</h2>
<table><tr><th>종목</th><th>매수</th><th>가격</th><th>매도</th><th>가격</th><th>주</th><th>손익</th><th>점수</th><th>까닭</th></tr>{trades}</table>
<h2>조건</h2><table>{settings}</table>
<p>{DISCLAIMER}</p></body></html>
"""
