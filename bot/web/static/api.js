// Calls to the service. The CSRF token lives in this origin's own storage; the session cookie is out of reach.
export class NeedLogin extends Error {}
const KEY = "gaemi.csrf";

export const loggedIn = () => Boolean(localStorage.getItem(KEY));

export async function api(method, path, body, options = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRF-Token"] = localStorage.getItem(KEY) || "";
  if (options.key) headers["Idempotency-Key"] = options.key;
  const answer = await fetch(path, {
    method, headers, credentials: "same-origin", signal: options.signal,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.status === 204) return null;
  const found = await answer.json();
  if (answer.ok) return found;
  if (answer.status === 401) throw new NeedLogin(found.detail);
  throw new Error(found.detail || `오류 ${answer.status}`);
}

export async function logIn(code) {
  const found = await api("POST", "/api/session", { code });
  localStorage.setItem(KEY, found.csrf);
  return found;
}

export const session = () => api("GET", "/api/session");

export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
