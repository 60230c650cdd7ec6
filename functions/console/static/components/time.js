/* A time: how long ago, and in full when pointed at. */

import { html } from "../lib/html.js";
import { ago, time } from "../lib/format.js";

/** `at` is RFC 3339; `full` shows it in full. */
export function Time({ at, full = false }) {
  if (!at) return html`<span class="quiet">never</span>`;
  return html`<time datetime=${at} title=${full ? at : time(at)}>${full ? time(at) : ago(at)}</time>`;
}
