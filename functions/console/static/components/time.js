/* A time: how long ago, and in full when pointed at. */

import { html, useEffect, useState } from "../lib/html.js";
import { ago, time } from "../lib/format.js";

/** How often what is a while ago is written once more: an idle page asks for no answer in that time. */
const AGE_MS = 15_000;
const shown = new Set();
setInterval(() => document.hidden || shown.forEach((render) => render()), AGE_MS);
document.addEventListener("visibilitychange", () => document.hidden || shown.forEach((render) => render()));

/** Render again while time goes by. */
function useAge(isAging) {
  const [, setCount] = useState(0);
  useEffect(() => {
    if (!isAging) return undefined;
    const render = () => setCount((count) => count + 1);
    shown.add(render);
    return () => shown.delete(render);
  }, [isAging]);
}

/** `at` is RFC 3339; `full` shows it in full. */
export function Time({ at, full = false }) {
  useAge(Boolean(at) && !full);
  if (!at) return html`<span class="quiet">never</span>`;
  return html`<time datetime=${at} title=${full ? at : time(at)}>${full ? time(at) : ago(at)}</time>`;
}
