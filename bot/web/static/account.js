// The account: totals, bot, holdings, heat map.
import { api } from "./api.js";
import { arrow, clock, direction, element, line, number, percent, signed, won } from "./format.js";
import { squarify } from "./treemap.js";

const EVERY = 10000;

function shade(change) {
  const strength = Math.min(1, Math.abs(change) / 5), base = [52, 58, 74], full = change >= 0 ? [196, 52, 56] : [44, 98, 205];
  return `rgb(${base.map((from, at) => Math.round(from + (full[at] - from) * strength)).join(",")})`;
}

export class AccountPanel {
  constructor({ root, say, tip }) {
    Object.assign(this, { root, say, tip, scope: "mine", queued: 0 });
    this.part = (id) => root.querySelector(`#${id}`);
    for (const button of root.querySelectorAll("[data-scope]")) button.addEventListener("click", () => this.choose(button.dataset.scope));
    new ResizeObserver(() => this.draw()).observe(this.part("heatmap"));
    this.load();
    setInterval(() => { if (!document.hidden) this.load(); }, EVERY);
  }

  soon() { clearTimeout(this.queued); this.queued = setTimeout(() => this.load(), 400); }

  choose(scope) {
    this.scope = scope;
    for (const button of this.root.querySelectorAll("[data-scope]")) button.setAttribute("aria-pressed", String(button.dataset.scope === scope));
    this.loadHeat();
  }

  async load() {
    await Promise.all([this.loadPortfolio(), this.loadBot(), this.loadHeat()]);
  }

  async loadPortfolio() {
    let found;
    try { found = await api("GET", "/api/trading/portfolio"); } catch (problem) { this.part("totals").replaceChildren(element("dd", { text: problem.message })); return; }
    this.part("account-tail").textContent = found.account_tail ? `…${found.account_tail} · ${clock(found.at)}` : clock(found.at);
    const rows = [["평가금액", won(found.equity), ""], ["예수금(D+2)", won(found.cash), ""], ["평가손익", signed(found.profit), direction(found.profit)], ["오늘 실현", signed(found.realised_today), direction(found.realised_today)]];
    this.part("totals").replaceChildren(...rows.flatMap(([name, value, kind]) => [element("dt", { text: name }), element("dd", { className: kind, text: value })]));
    if (found.equity_curve.length > 1) this.part("totals").append(line(found.equity_curve, 240, 36, "평가금액 흐름"));
    const list = found.holdings.map((held) => {
      const name = element("button", { type: "button", className: "link", text: held.name });
      name.addEventListener("click", () => this.say(`차트 ${held.code} 15분`));
      const sell = element("button", { type: "button", className: "small", text: "매도", "aria-label": `${held.name} 매도 주문표` });
      sell.addEventListener("click", () => this.say(`매도 ${held.code}`));
      const guard = held.stop_price ? ` · 손절 ${number(held.stop_price)} 목표 ${number(held.target_price)}` : "";
      return element("li", {},
        element("div", {}, name, element("span", { className: direction(held.profit), text: ` ${arrow(held.profit)}${percent(held.profit_percent)} ${signed(held.profit)}` }), sell),
        element("div", { className: "dim", text: `${number(held.quantity)}주 · 평균 ${number(held.average_price)} · 현재 ${number(held.price)} · 비중 ${(100 * held.weight).toFixed(1)}%${guard}` }));
    });
    this.part("holdings").replaceChildren(...(list.length ? list : [element("li", { className: "dim", text: "보유 종목이 없습니다" })]));
  }

  async loadBot() {
    let found;
    try { found = await api("GET", "/api/trading/bot"); } catch { return; }
    const why = found.entries_reason ? ` · ${found.entries_reason}` : "";
    this.part("bot").textContent = `${found.running ? "● 자동매매 켜짐" : "○ 자동매매 꺼짐"} · 보유 ${found.positions}/${found.maximum_positions} · 시장 시각 ${clock(found.market_time)}${why}`;
    this.part("bot").classList.toggle("on", found.running);
  }

  async loadHeat() {
    try { this.heat = await api("GET", `/api/trading/portfolio/heatmap?scope=${this.scope}`); } catch (problem) { this.heat = null; this.part("heat-note").textContent = problem.message; }
    this.draw();
  }

  draw() {
    const box = this.part("heatmap"), width = box.clientWidth;
    if (!this.heat || !width) return;
    const sectors = this.heat.sectors, height = sectors.length ? Math.max(180, Math.min(320, width * 0.75)) : 0;
    box.style.height = `${height}px`;
    this.part("heat-note").textContent = sectors.length ? `${clock(this.heat.at)} 기준${this.heat.fictional ? " · 가상 시세" : ""}. 빨강 상승, 파랑 하락` : "보유 종목이 없습니다";
    const cells = [];
    squarify(sectors.map((sector) => sector.weight), 0, 0, width, height).forEach(([x, y, wide, high], at) => {
      const sector = sectors[at];
      squarify(sector.cells.map((cell) => cell.weight), x, y, wide, high).forEach((place, number) => cells.push(this.cell(sector, sector.cells[number], place)));
    });
    box.replaceChildren(...cells);
  }

  cell(sector, cell, [x, y, wide, high]) {
    const words = `${sector.sector} · ${cell.name} ${arrow(cell.change_percent)}${percent(cell.change_percent)} · 비중 ${(100 * cell.weight).toFixed(1)}%`;
    const box = element("button", { type: "button", role: "listitem", className: "cell", "aria-label": words });
    Object.assign(box.style, { left: `${x}px`, top: `${y}px`, width: `${wide}px`, height: `${high}px`, backgroundColor: shade(cell.change_percent) });
    if (wide > 44 && high > 30) box.append(element("span", { text: cell.name }), element("span", { text: percent(cell.change_percent) }));
    const others = sector.cells.length > 1 ? `\n섹터 ${sector.cells.length}종목 평균 ${percent(sector.change_percent)}` : "";
    const show = () => this.showTip(box, words + others), hide = () => { this.tip.hidden = true; };
    box.addEventListener("pointerenter", show);
    box.addEventListener("focus", show);
    box.addEventListener("pointerleave", hide);
    box.addEventListener("blur", hide);
    box.addEventListener("click", () => { hide(); this.say(`시세 ${cell.code}`); });
    return box;
  }

  showTip(box, words) {
    this.tip.textContent = words;
    this.tip.hidden = false;
    const place = box.getBoundingClientRect(), size = this.tip.getBoundingClientRect();
    this.tip.style.left = `${Math.max(8, Math.min(innerWidth - size.width - 8, place.left))}px`;
    this.tip.style.top = `${Math.max(8, place.top - size.height - 6)}px`;
  }
}
