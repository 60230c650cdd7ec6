/* Search and filter of the list of syncs; they live in the link. */

import { html } from "../../lib/html.js";
import { number } from "../../lib/format.js";
import { setQuery } from "../../lib/router.js";
import { look } from "../../lib/states.js";

export function Filters({ query, rows }) {
  const counts = new Map();
  for (const row of rows) counts.set(row.state, (counts.get(row.state) ?? 0) + 1);
  if (query.state && !counts.has(query.state)) counts.set(query.state, 0);
  return html`<form class="row filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    <label>Search <input type="search" data-search value=${query.q ?? ""} placeholder="Name, image or reason"
      onInput=${(event) => setQuery({ q: event.target.value })} /></label>
    <label>State <select value=${query.state ?? ""} onChange=${(event) => setQuery({ state: event.target.value })}>
      <option value="">All (${number(rows.length)})</option>
      ${[...counts].sort().map(([state, count]) => html`<option value=${state} selected=${state === query.state}>${look(state).word} (${number(count)})</option>`)}
    </select></label>
  </form>`;
}
