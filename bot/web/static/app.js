import { api, logIn, session, loggedIn, NeedLogin } from "./api.js";
import { openSocket } from "./sockets.js";
import { Talk } from "./talk.js";
import { attachSuggestions } from "./suggest.js";

const $ = (id) => document.getElementById(id);
const QUICK = ["상태", "추천", "지수", "잔고", "포트폴리오", "히트맵", "주문내역", "봇시작", "봇중지", "리포트", "도움말"];
const talk = new Talk($("cards"), $("talk"), $("toast"), $("form-dialog"));

function addEvent(message) {
  const item = document.createElement("li");
  item.textContent = message.text;
  if (message.critical) item.className = "critical";
  $("events").prepend(item);
  while ($("events").children.length > 200) $("events").lastChild.remove();
}

function showLogin(why) {
  $("login").hidden = false;
  if (why) $("login-why").textContent = why;
  $("connection").textContent = "로그인 필요";
}

async function start() {
  const found = new URLSearchParams(location.hash.slice(1)).get("code");
  if (found) {
    history.replaceState(null, "", location.pathname);
    try { await logIn(found); } catch (problem) { if (!loggedIn()) return showLogin(problem.message); }
  }
  const who = await session();
  $("environment").textContent = who.environment;
  $("environment").classList.toggle("real", who.environment === "실전");
  if (!who.logged_in || !loggedIn()) return showLogin();
  for (const name of QUICK) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => talk.say(name));
    $("quick").append(button);
  }
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const line = $("line").value.trim();
    if (!line) return;
    $("line").value = "";
    talk.say(line);
  });
  attachSuggestions($("line"), $("suggestions"), (line) => api("GET", `/api/suggest?line=${encodeURIComponent(line)}`));
  talk.onNeedLogin = () => showLogin("로그인이 끝났습니다. 새 링크를 여세요.");
  openSocket("/ws/events", {
    onState: (text) => { $("connection").textContent = text; },
    onMessage: (message) => {
      if (message.type === "event") addEvent(message);
      if (message.type === "progress") talk.progress(message.tag, message.card);
    },
  });
  $("line").focus();
  talk.say("상태", { quiet: true });
}

start().catch((problem) => showLogin(problem instanceof NeedLogin ? undefined : problem.message));
