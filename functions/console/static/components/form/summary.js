/* What is wrong, in one place, with a link to each field. */

import { html } from "../../lib/html.js";
import { labelOf } from "./values.js";

const MOST = 20;

export function Summary({ node, value, problems, broken, show }) {
  const all = Object.entries({ ...problems, ...broken });
  if (!all.length) return null;
  const go = (pointer) => (event) => {
    event.preventDefault(); // the address is that of the view
    show(pointer);
  };
  return html`<div class="summary bar bad" role="region" aria-labelledby="form-summary">
    <p id="form-summary" role="status">${all.length === 1 ? "One field needs a change:" : `${all.length} fields need a change:`}</p>
    <ul>${all.slice(0, MOST).map(
      ([pointer, message]) => html`<li key=${pointer}><a href=${location.href} onClick=${go(pointer)}>${labelOf(node, value, pointer) || "Configuration"}</a>: ${message}</li>`,
    )}</ul>
    ${all.length > MOST && html`<p>... and ${all.length - MOST} more.</p>`}
  </div>`;
}
