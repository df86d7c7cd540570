import { api, logIn, session, loggedIn, NeedLogin } from "./api.js";
import { AccountPanel } from "./account.js";
import { BacktestPanel } from "./backtest.js";
import { MarketPanel } from "./market.js";
import { openSocket } from "./sockets.js";
import { attachSuggestions } from "./suggest.js";
import { Talk } from "./talk.js";

const $ = (id) => document.getElementById(id);
const QUICK = ["상태", "추천", "지수", "잔고", "포트폴리오", "히트맵", "주문내역", "봇시작", "봇중지", "리포트", "점검", "도움말"];
const talk = new Talk($("cards"), $("talk"), $("toast"), $("form-dialog"), $("picture"));
let account;

// On a machine without a Korean font ours has to be there before the first letter is laid out: Chromium keeps what it
// once drew as an empty box.
async function waitForLetters() {
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d", { willReadFrequently: true });
  canvas.width = canvas.height = 24;
  const drawn = ["가", "뷁"].map((letter) => {
    pen.clearRect(0, 0, 24, 24);
    pen.font = "16px system-ui, sans-serif";
    pen.fillText(letter, 2, 18);
    return pen.getImageData(0, 0, 24, 24).data.join();
  });
  if (drawn[0] === drawn[1]) await document.fonts.load('16px "Gaemi Korean"', "가").catch(() => {});
  document.body.classList.remove("boot");
}

function view(name) {
  document.body.dataset.view = name;
  for (const button of $("views").children) {
    if (button.dataset.to === name) button.setAttribute("aria-current", "page"); else button.removeAttribute("aria-current");
  }
  if (name === "feed") $("unread").hidden = true;
  if (name === "account" && account) account.draw();
}

function say(line) { view("talk"); talk.say(line); }

function addEvent(message) {
  const item = document.createElement("li");
  item.textContent = message.text;
  item.className = `kind-${message.kind}${message.critical ? " critical" : ""}`;
  $("events").prepend(item);
  while ($("events").children.length > 200) $("events").lastChild.remove();
  if (document.body.dataset.view !== "feed") $("unread").hidden = false;
  if (account) account.soon();
}

function showLogin(why) {
  $("login").hidden = false;
  document.body.classList.add("locked");
  if (why) $("login-why").textContent = why;
  $("connection").textContent = "로그인 필요";
}

function wireControls() {
  for (const name of QUICK) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => say(name));
    $("quick").append(button);
  }
  for (const button of $("views").children) button.addEventListener("click", () => view(button.dataset.to));
  for (const button of document.querySelectorAll("[data-say]")) button.addEventListener("click", () => say(button.dataset.say));
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const line = $("line").value.trim();
    if (!line) return;
    $("line").value = "";
    say(line);
  });
  attachSuggestions($("line"), $("suggestions"), (line) => api("GET", `/api/suggest?line=${encodeURIComponent(line)}`));
  talk.onNeedLogin = () => showLogin("로그인이 끝났습니다. 새 링크를 여세요.");
}

async function start() {
  await waitForLetters();
  const found = new URLSearchParams(location.hash.slice(1)).get("code");
  if (found) {
    history.replaceState(null, "", location.pathname);
    try { await logIn(found); } catch (problem) { if (!loggedIn()) return showLogin(problem.message); }
  }
  const who = await session();
  $("environment").textContent = who.environment;
  $("environment").classList.toggle("real", who.environment === "실전");
  if (!who.logged_in || !loggedIn()) return showLogin();
  wireControls();
  const backtest = new BacktestPanel($("backtest"));
  account = new AccountPanel({ root: $("account"), say, tip: $("tip") });
  new MarketPanel({ body: $("stocks"), search: $("search"), note: $("market-note"), indices: $("indices"), say, onState: () => {} });
  openSocket("/ws/events", {
    onState: (text) => { $("connection").textContent = text; if (text === "로그인 필요") showLogin(); },
    onMessage: (message) => {
      if (message.type === "event") addEvent(message);
      if (message.type === "progress") talk.progress(message.tag, message.card);
      if (message.type === "job") backtest.update(message.job);
    },
  });
  if (matchMedia("(min-width: 60rem)").matches) $("line").focus();
  talk.say("상태", { quiet: true });
}

start().catch((problem) => showLogin(problem instanceof NeedLogin ? undefined : problem.message));
