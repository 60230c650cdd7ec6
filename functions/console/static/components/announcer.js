/* What a screen reader hears of changes that happen elsewhere on the page. */

import { html, useEffect, useState } from "../lib/html.js";

/** How long the name of a view waits its turn behind an action's outcome. */
const TOGETHER_MS = 1000;
let tell = () => {};

/** Say something once it matters: an action's outcome, the end of a task. */
export function announce(text) {
  tell(text);
}

/** Say which view is shown now, after what an action came to that has led to it. */
export function announceView(name) {
  tell(name, true);
}

export function Announcer() {
  const [text, setText] = useState("");
  useEffect(() => {
    let at = 0;
    tell = (news, behind = false) => {
      const soon = behind && Date.now() - at < TOGETHER_MS;
      at = Date.now();
      // A live region is read when it changes, so what is announced twice has to look different.
      setText((before) => (soon && before ? `${before} ${news}` : before === news ? `${news}\u00a0` : news));
    };
    return () => (tell = () => {});
  }, []);
  return html`<div class="unseen" role="status" aria-live="polite">${text}</div>`;
}
