/* The search of a log: what it found, and the way to the next and the previous. */

import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { number } from "../../lib/format.js";

const PAUSE_MS = 300;

/** `q` is what is searched for, `search(text)` changes it, `step(1 or -1)` goes on; `place` is the current match's, or -1. */
export function Search({ q, search, step, place, count, whole }) {
  const [text, setText] = useState(q);
  const timer = useRef(0);
  useEffect(() => setText(q), [q]);
  useEffect(() => () => clearTimeout(timer.current), []);
  useF3(q ? step : null);
  const typed = (event) => {
    const { value } = event.target;
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => search(value), PAUSE_MS);
  };
  const submit = (event) => {
    event.preventDefault();
    clearTimeout(timer.current);
    if (text !== q) search(text);
    else if (q) step(1);
  };
  const back = (event) => {
    if (event.key !== "Enter" || !event.shiftKey || text !== q) return;
    event.preventDefault();
    if (q) step(-1);
  };
  return html`<search class="log-search"><form onSubmit=${submit}>
    <input type="search" data-search aria-label="Search this log" placeholder="Search this log" value=${text} spellcheck="false"
      autocomplete="off" maxlength="1000" onInput=${typed} onKeyDown=${back} />
    ${q && html`<button type="button" class="plain" onClick=${() => step(-1)} title="Shift+Enter or Shift+F3">Previous</button>
      <button type="button" class="plain" onClick=${() => step(1)} title="Enter or F3">Next</button>
      <span class="quiet log-count" role="status">${found(place, count, whole)}</span>`}
  </form></search>`;
}

function found(place, count, whole) {
  if (!count) return whole ? "No line has it" : "";
  const all = `${number(count)}${whole ? "" : "+"} ${count === 1 && whole ? "line" : "lines"}`;
  return place < 0 ? all : `${number(place + 1)} of ${all}`;
}

function useF3(step) {
  const latest = useRef(step);
  latest.current = step;
  useEffect(() => {
    const pressed = (event) => {
      if (event.key !== "F3" || !latest.current || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      latest.current(event.shiftKey ? -1 : 1);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
