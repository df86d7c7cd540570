// Answers as chat cards: text, picture, buttons, forms, and views that refresh themselves.
import { api, newKey, NeedLogin } from "./api.js";

const KEPT = 80;

export class Talk {
  constructor(list, scroller, toast, dialog, viewer) {
    Object.assign(this, { list, scroller, toast, dialog, viewer, cards: new Map(), lives: new Map(), waiting: new Map(), onNeedLogin: () => {} });
  }

  async say(line, { quiet = false } = {}) {
    if (!quiet) this.bubble(line);
    await this.run((tag) => api("POST", "/api/command", { line, tag }, { key: newKey() }));
  }

  async press(button, message, element) {
    let answers = {};
    if (button.kind === "form") {
      const form = await this.attempt(() => api("POST", "/api/form", { action: button.action, message }));
      if (!form) return;
      answers = await this.fill(form);
      if (!answers) return;
    }
    element.disabled = true;
    await this.run((tag) => api("POST", "/api/action", { action: button.action, message, answers, tag }, { key: newKey() }), message);
    element.disabled = false;
  }

  async run(call, pressed = "") {
    const tag = newKey(), item = pressed ? null : this.placeholder();
    this.waiting.set(tag, { item, pressed });
    const card = await this.attempt(() => call(tag));
    this.waiting.delete(tag);
    if (item) item.remove();
    if (!card) return;
    if (card.notice) this.tell(card.notice);
    if (card.text || card.image) this.show(card);
    if (card.form) await this.answer(card);
  }

  async answer(card) {
    const answers = await this.fill(card.form);
    if (answers) await this.run((tag) => api("POST", "/api/action", { action: card.form.action, message: card.message, answers, tag }, { key: newKey() }), card.message);
  }

  progress(tag, card) {
    const found = this.waiting.get(tag);
    if (!found) return;
    if (!found.item) found.item = this.placeholder();
    this.fillCard(found.item, card);
  }

  async attempt(work) {
    try { return await work(); } catch (problem) {
      if (problem instanceof NeedLogin) this.onNeedLogin();
      this.tell(problem.message);
      return null;
    }
  }

  bubble(text) { const item = this.add("mine"); const line = document.createElement("p"); line.className = "text"; line.textContent = text; item.append(line); this.scroll(); }
  placeholder() { const item = this.add("busy"); item.textContent = "…"; this.scroll(); return item; }
  add(kind) { const item = document.createElement("li"); item.className = kind; this.list.append(item); while (this.list.children.length > KEPT) this.list.firstChild.remove(); return item; }

  show(card) {
    const known = this.cards.get(card.message), there = known && known.isConnected;
    const item = there ? known : this.add("");
    this.cards.set(card.message, item);
    this.fillCard(item, card);
    clearTimeout(this.lives.get(card.message));
    if (card.live) this.follow(card.message, card.live, card.live.times);
    if (!there) this.scroll();
  }

  fillCard(item, card) {
    item.className = card.error ? "error" : "";
    const text = document.createElement("p");
    text.className = "text"; text.textContent = card.text;
    const parts = [text];
    if (card.image) {
      const old = item.querySelector("img"), image = new Image();
      if (card.image.width) { image.width = card.image.width; image.height = card.image.height; }
      image.alt = card.image.alternative; image.src = card.image.url;
      const opener = document.createElement("button");
      opener.type = "button"; opener.className = "picture"; opener.setAttribute("aria-label", "그림 크게 보기");
      opener.addEventListener("click", () => this.enlarge(image));
      opener.append(image);
      image.addEventListener("load", () => { if (!old) this.scroll(item); });
      parts.push(opener);
    }
    if (card.document) {
      const link = document.createElement("a");
      link.href = card.document.url; link.download = card.document.name; link.textContent = `내려받기: ${card.document.name}`;
      parts.push(link);
    }
    if (card.rows.length) parts.push(this.rows(card));
    item.replaceChildren(...parts);
  }

  enlarge(image) {
    const large = this.viewer.querySelector("img");
    large.src = image.src; large.alt = image.alt;
    this.viewer.showModal();
  }

  rows(card) {
    const block = document.createElement("div");
    block.className = "rows";
    for (const row of card.rows) {
      const line = document.createElement("div");
      line.className = "row";
      for (const button of row) {
        const element = document.createElement("button");
        element.type = "button"; element.textContent = button.label; element.className = button.style; element.disabled = button.disabled;
        element.addEventListener("click", () => this.press(button, card.message, element));
        line.append(element);
      }
      block.append(line);
    }
    return block;
  }

  follow(message, live, left) {
    this.lives.set(message, setTimeout(async () => {
      const item = this.cards.get(message);
      if (!item || !item.isConnected || left <= 0) return;
      if (document.hidden) return this.follow(message, live, left);
      let card = null;
      try { card = await api("POST", "/api/refresh", { action: live.action, message }); } catch { return this.follow(message, live, left - 1); }
      if (card.text || card.image) this.fillCard(item, card);
      if (card.live) this.follow(message, card.live, left - 1);
    }, live.seconds * 1000));
  }

  fill(form) {
    const fields = this.dialog.querySelector("#form-fields");
    this.dialog.querySelector("#form-title").textContent = form.title;
    fields.replaceChildren(...form.fields.map((field) => {
      const label = document.createElement("label"), input = document.createElement("input");
      label.textContent = field.label; input.name = field.name; input.placeholder = field.placeholder; input.value = field.value;
      input.required = field.required; input.type = field.secret ? "password" : "text"; input.autocomplete = "off"; input.maxLength = 300;
      label.append(input);
      return label;
    }));
    this.dialog.returnValue = "";
    this.dialog.showModal();
    return new Promise((resolve) => this.dialog.addEventListener("close", () => {
      const answers = Object.fromEntries([...fields.querySelectorAll("input")].map((input) => [input.name, input.value]));
      fields.replaceChildren();
      resolve(this.dialog.returnValue === "ok" ? answers : null);
    }, { once: true }));
  }

  tell(text) { this.toast.textContent = text; this.toast.classList.add("shown"); clearTimeout(this.quiet); this.quiet = setTimeout(() => this.toast.classList.remove("shown"), 5000); }
  // The newest answer in sight, from its beginning where it is taller than the window.
  scroll(item = this.list.lastElementChild) {
    requestAnimationFrame(() => {
      if (!item) return;
      if (item.offsetHeight > this.scroller.clientHeight) item.scrollIntoView({ block: "start" });
      else this.scroller.scrollTop = this.scroller.scrollHeight;
    });
  }
}
