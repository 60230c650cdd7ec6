/* Keys: "/" goes to the search, "j" and "k" to the next and previous row, "Esc" out of a field. */

import { useEffect } from "./html.js";

/** Listen while the console is shown. Rows are links or buttons with `data-row`, the search has `data-search`. */
export function useKeys() {
  useEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "Escape" && typing) return event.target.blur();
  if (typing) return;
  if (event.key === "/") focus(document.querySelector("[data-search]"), event);
  if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1, event);
}

function step(by, event) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const at = rows.indexOf(document.activeElement);
  focus(rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by], event);
}

function focus(element, event) {
  if (!element) return;
  event.preventDefault();
  element.focus();
}
