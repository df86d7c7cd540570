// Live prices and indices: a list from the API, kept fresh by the price stream.
import { api } from "./api.js";
import { openSocket } from "./sockets.js";
import { arrow, clock, direction, element, line, number, percent } from "./format.js";

const SHOWN = 40;

export class MarketPanel {
  constructor({ body, search, note, indices, say, onState }) {
    Object.assign(this, { body, search, note, indices, say, rows: new Map(), prices: new Map(), codes: [] });
    let timer;
    search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => this.load(), 200); });
    this.socket = openSocket("/ws/prices", {
      onState,
      onMessage: (message) => this.receive(message),
      query: () => ({ codes: this.codes.join(",") }),
    });
    this.load();
    this.loadIndices();
    setInterval(() => { if (!document.hidden) this.loadIndices(); }, 10000);
  }

  async load() {
    let found;
    try { found = await api("GET", `/api/stocks?size=${SHOWN}&query=${encodeURIComponent(this.search.value.trim())}`); } catch (problem) { this.note.textContent = problem.message; return; }
    this.rows.clear();
    this.body.replaceChildren(...found.items.map((stock) => this.row(stock)));
    this.note.textContent = found.items.length ? `${number(found.total)}종목 · ${found.source}` : "찾는 종목이 없습니다";
    const before = this.codes;
    this.codes = found.items.map((stock) => stock.code);
    this.socket.send({ subscribe: this.codes, unsubscribe: before.filter((code) => !this.codes.includes(code)) });
  }

  row(stock) {
    const name = element("button", { type: "button", className: "link", text: stock.name });
    name.addEventListener("click", () => this.say(`시세 ${stock.code}`));
    const buy = element("button", { type: "button", className: "small", text: "주문", "aria-label": `${stock.name} 주문표` });
    buy.addEventListener("click", () => this.say(`주문 ${stock.code}`));
    const price = element("td", { className: "figure" }), change = element("td", { className: "figure" });
    this.rows.set(stock.code, { price, change });
    const row = element("tr", {}, element("th", { scope: "row" }, name, element("span", { className: "code", text: stock.code })), price, change, element("td", {}, buy));
    const seen = this.prices.get(stock.code);
    if (seen) this.paint(stock.code, seen[0], seen[1]);
    else if (stock.price) this.paint(stock.code, stock.price, stock.change_percent);
    return row;
  }

  receive(message) {
    if (message.note) this.note.textContent = message.note;
    for (const [code, price, , changed] of message.rows || []) {
      const before = this.prices.get(code);
      this.prices.set(code, [price, changed]);
      if (this.rows.has(code) && (!before || before[0] !== price)) this.paint(code, price, changed, before && price - before[0]);
    }
  }

  paint(code, price, changed, step = 0) {
    const row = this.rows.get(code);
    if (!row) return;
    row.price.textContent = number(price);
    row.change.textContent = `${arrow(changed)}${percent(changed)}`;
    row.price.className = row.change.className = `figure ${direction(changed)}`;
    if (step) {
      row.price.classList.add(step > 0 ? "flash-up" : "flash-down");
      setTimeout(() => row.price.classList.remove("flash-up", "flash-down"), 450);
    }
  }

  async loadIndices() {
    let found;
    try { found = await api("GET", "/api/indices"); } catch { return; }
    this.indices.replaceChildren(...found.items.map((index) => {
      const item = element("li", { title: `${clock(index.at)} 기준` });
      item.append(
        element("span", { className: "dim", text: index.name }),
        element("b", { className: direction(index.change), text: index.value.toLocaleString("ko-KR", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) }),
        element("span", { className: direction(index.change), text: `${arrow(index.change)}${percent(index.change_percent)}` }),
      );
      if (index.course.length > 1) item.append(line(index.course, 60, 18, `${index.name} 오늘 흐름`));
      return item;
    }));
  }
}
