/* What went wrong with a request, and whether what is shown is still true. */

import { html } from "../lib/html.js";
import { hour } from "../lib/format.js";

/** `error` is an ApiError or null; `at` is when the answer that is still shown came, in ms. */
export function Failure({ error, at }) {
  if (!error) return null;
  const since = at ? ` Shown is what was true at ${hour(new Date(at))}.` : "";
  return html`<p class="bar bad" role="alert">${error.message}${since}</p>`;
}

/** While the first answer is on its way. */
export function Loading({ what }) {
  return html`<p aria-busy="true">Loading ${what} ...</p>`;
}
