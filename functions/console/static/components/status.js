/* A state, as icon, word and colour. */

import { html } from "../lib/html.js";
import { look } from "../lib/states.js";

export function Status({ state }) {
  const { icon, word, tone } = look(state);
  return html`<span class=${`status ${tone}`}><span aria-hidden="true">${icon}</span> ${word}</span>`;
}
