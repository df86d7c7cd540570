// Backtests: a form, a job with progress, figures, curve and trades.
import { api } from "./api.js";
import { direction, element, line, number, percent, signed } from "./format.js";

export class BacktestPanel {
  constructor(root) {
    this.part = (id) => root.querySelector(`#${id}`);
    this.job = null;
    this.part("backtest-form").addEventListener("submit", (event) => { event.preventDefault(); this.start(new FormData(event.target)); });
    this.part("backtest-cancel").addEventListener("click", async () => { if (this.job) this.show(await api("DELETE", `/api/backtest/${this.job}`)); });
  }

  async start(fields) {
    const body = { code: fields.get("code").trim().toUpperCase(), days: Number(fields.get("days")) };
    for (const name of ["take_profit_pct", "max_hold_bars"]) if (fields.get(name)) body[name] = Number(fields.get(name));
    this.part("backtest-result").replaceChildren();
    try { this.show(await api("POST", "/api/backtest", body)); } catch (problem) { this.part("backtest-word").textContent = problem.message; }
  }

  update(job) { if (job.id === this.job) this.show(job); }

  async show(job) {
    this.job = job.id;
    const running = job.state === "running";
    this.part("backtest-progress").hidden = this.part("backtest-cancel").hidden = !running;
    this.part("backtest-progress").value = job.progress;
    this.part("backtest-word").textContent = job.problem || `${job.word}${running ? ` · ${Math.round(100 * job.progress)}%` : ""}`;
    if (running) { clearTimeout(this.timer); this.timer = setTimeout(() => this.poll(job.id), 1500); return; }
    clearTimeout(this.timer);
    if (job.result) this.result(job.result);
    else if (job.state === "done") await this.poll(job.id);
  }

  async poll(id) {
    if (id !== this.job) return;
    try { const job = await api("GET", `/api/backtest/${id}`); if (job.state !== "done" || job.result) this.show(job); } catch (problem) { this.part("backtest-word").textContent = problem.message; }
  }

  result(found) {
    const figures = [["누적수익률", percent(100 * found.total_return), found.total_return], ["연환산", percent(100 * found.annual_return), found.annual_return], ["MDD", percent(-Math.abs(100 * found.maximum_drawdown)), -1], ["승률", `${(100 * found.win_rate).toFixed(0)}%`, 0], ["손익비", found.payoff_ratio.toFixed(2), 0], ["단순 보유", percent(100 * found.buy_and_hold), found.buy_and_hold], ["거래", `${number(found.trades_count)}건`, 0], ["비용", `${number(found.costs)}원`, 0]];
    const totals = element("dl", { className: "figures" });
    for (const [name, value, sign] of figures) totals.append(element("dt", { text: name }), element("dd", { className: sign ? direction(sign) : "", text: value }));
    const parts = [element("p", { className: "dim", text: `${found.first} – ${found.last} · ${found.source}` }), totals];
    if (found.equity.length > 1) parts.push(line(found.equity, 320, 90, "누적 평가금액"));
    parts.push(...found.warnings.map((text) => element("p", { className: "warning", text: `! ${text}` })));
    if (found.trades.length) {
      const body = element("tbody");
      for (const trade of found.trades.slice(0, 50)) body.append(element("tr", {}, element("th", { scope: "row", text: trade.exit_at.slice(0, 10) }), element("td", { text: trade.reason }), element("td", { className: `figure ${direction(trade.profit)}`, text: `${signed(trade.profit)} (${percent(trade.profit_percent)})` })));
      parts.push(element("table", {}, element("caption", { text: "거래 내역" }), element("thead", {}, element("tr", {}, ...["청산일", "사유", "손익"].map((text) => element("th", { scope: "col", text })))), body));
    }
    parts.push(element("p", { className: "dim", text: found.disclaimer }));
    this.part("backtest-result").replaceChildren(...parts);
  }
}
