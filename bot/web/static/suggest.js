// Autocomplete under the input: a listbox driven by the keyboard or a tap.
export function attachSuggestions(input, list, fetchLines) {
  let shown = [], chosen = -1, wanted = 0, timer;
  function hide() { list.hidden = true; shown = []; chosen = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); }
  function mark(index) {
    chosen = index;
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === index)));
    if (index >= 0) { input.setAttribute("aria-activedescendant", list.children[index].id); list.children[index].scrollIntoView({ block: "nearest" }); }
    else input.removeAttribute("aria-activedescendant");
  }
  function take(index) { input.value = shown[index].value; hide(); input.focus(); if (input.value.endsWith(" ")) ask(); }
  async function ask() {
    const number = ++wanted, line = input.value;
    if (!line.trim()) return hide();
    let found = [];
    try { found = await fetchLines(line); } catch { return hide(); }
    if (number !== wanted) return;
    shown = found.filter((item) => item.value.trim() !== line.trim());
    list.replaceChildren(...shown.map((item, at) => {
      const row = document.createElement("li");
      row.id = `suggestion-${at}`; row.role = "option"; row.textContent = item.label;
      row.addEventListener("pointerdown", (event) => { event.preventDefault(); take(at); });
      return row;
    }));
    list.hidden = !shown.length; chosen = -1;
    input.setAttribute("aria-expanded", String(shown.length > 0));
  }
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 120); });
  input.addEventListener("blur", () => setTimeout(hide, 150));
  input.form.addEventListener("submit", () => { wanted++; clearTimeout(timer); hide(); });
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown") { event.preventDefault(); mark((chosen + 1) % shown.length); }
    else if (event.key === "ArrowUp") { event.preventDefault(); mark((chosen - 1 + shown.length) % shown.length); }
    else if (event.key === "Escape") hide();
    else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) { event.preventDefault(); take(chosen); }
  });
}
