/* Text of connectors: whole, and folded where it is long. */

import { html } from "../../lib/html.js";

const SHORT_CHARACTERS = 600;
const SHORT_LINES = 8;
/** What a terminal takes for colours. */
const ANSI = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;

export const withoutColours = (text) => String(text ?? "").replace(ANSI, "");

/** `text` as it is; of a long one the beginning, and the whole when it is unfolded. */
export function Long({ text, what = "message" }) {
  const whole = withoutColours(text);
  const lines = whole.split("\n");
  if (whole.length <= SHORT_CHARACTERS && lines.length <= SHORT_LINES) return html`<span class="task-text">${whole}</span>`;
  const start = lines.slice(0, 3).join("\n").slice(0, SHORT_CHARACTERS / 2);
  return html`<span class="task-text">${start} ...</span>
    <details class="task-long"><summary>The whole ${what}</summary><pre tabindex="0">${whole}</pre></details>`;
}
