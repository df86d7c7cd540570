// Figures as people read them: thousands, sign and ▲▼ beside every change, never colour alone.
const whole = new Intl.NumberFormat("ko-KR");
export const number = (value) => whole.format(Math.round(value));
export const won = (value) => `${number(value)}원`;
export const percent = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}%`;
export const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${number(Math.abs(value))}원`;
export const arrow = (value) => (value > 0 ? "▲" : value < 0 ? "▼" : "–");
export const direction = (value) => (value > 0 ? "up" : value < 0 ? "down" : "flat");
export const clock = (iso) => (iso ? String(iso).slice(11, 19) : "–");

export function element(name, options = {}, ...children) {
  const found = document.createElement(name);
  const { className, text, ...attributes } = options;
  if (className) found.className = className;
  if (text !== undefined) found.textContent = text;
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  found.append(...children);
  return found;
}

export function line(points, width, height, label) {
  const space = "http://www.w3.org/2000/svg", picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", label);
  if (points.length < 2) return picture;
  const values = points.map((point) => point.value), low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
  const path = document.createElementNS(space, "polyline");
  path.setAttribute("points", values.map((value, at) => `${(at * width / (values.length - 1)).toFixed(1)},${(height - 2 - (value - low) * (height - 4) / span).toFixed(1)}`).join(" "));
  path.setAttribute("class", direction(values.at(-1) - values[0]));
  picture.append(path);
  return picture;
}
