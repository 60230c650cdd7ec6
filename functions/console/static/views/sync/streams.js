/* The streams of a sync by its last reads; all, some or one of them can be run or refreshed. */

import { html, useState } from "../../lib/html.js";
import { bytes, number } from "../../lib/format.js";
import { Status } from "../../components/status.js";
import { Time } from "../../components/time.js";

const PAGE = 200;

/** `streams` are those of GET /syncs/NAME, `saved` its `states`; `ask({kind, streams, full})` opens the question. */
export function Streams({ streams, saved, usable, ask }) {
  const [chosen, setChosen] = useState(new Set());
  const [search, setSearch] = useState("");
  const [limit, setLimit] = useState(PAGE);
  const times = new Map(saved.map((state) => [state.key, state.savedAt]));
  const able = (name) => !/,|^\s|\s$/.test(name); // a request has names separated by commas
  const found = streams.filter((one) => one.stream.toLowerCase().includes(search.toLowerCase()));
  const picked = streams.map((one) => one.stream).filter((name) => chosen.has(name) && able(name));
  const toggle = (name) => {
    const next = new Set(chosen);
    next.has(name) ? next.delete(name) : next.add(name);
    setChosen(next);
  };
  const each = found.map((one) => one.stream).filter(able);
  const all = each.length > 0 && each.every((name) => chosen.has(name));
  const toggleAll = () => setChosen(new Set(all ? [] : each));
  const start = (full) => ask({ kind: "run", streams: picked, full });
  return html`<section aria-labelledby="streams"><h2 id="streams">Streams</h2>
    ${!streams.length && html`<p>They are known after the first read.</p>`}
    ${streams.length > 10 && html`<label class="narrow">Search streams <input type="search" value=${search} onInput=${(event) => setSearch(event.target.value)} /></label>`}
    ${streams.length > 0 && html`
      <p class="row"><span role="status">${picked.length ? `${number(picked.length)} selected` : "None selected: buttons act on all streams"}</span>
        <button class="outline" disabled=${!usable} onClick=${() => start(false)}>${picked.length ? "Run selected" : "Run all"}</button>
        <button class="outline danger-outline" disabled=${!usable} onClick=${() => start(true)}>${picked.length ? "Refresh selected" : "Refresh all"}</button></p>
      <div class="scroll" role="region" aria-label="Streams" tabindex="0"><table class="cards streams">
        <thead><tr><th scope="col"><input type="checkbox" aria-label="Select all streams" checked=${all} onChange=${toggleAll} /></th><th scope="col">Stream</th><th scope="col">Status</th><th scope="col">Last record</th>
          <th scope="col" class="number">Rows</th><th scope="col" class="number">Bytes</th><th scope="col">State saved</th></tr></thead>
        <tbody>${found.slice(0, limit).map((one) => html`<tr key=${one.stream}>
          <td><input type="checkbox" aria-label=${`Select ${one.stream}`} checked=${chosen.has(one.stream)} disabled=${!able(one.stream)} onChange=${() => toggle(one.stream)} /></td>
          <th scope="row">${one.stream}${!able(one.stream) && html` <small class="quiet">only with all others: a request cannot name it alone</small>`}</th>
          <td data-label="Status">${one.status ? html`<${Status} state=${one.status} />` : html`<span class="quiet">not read yet</span>`}</td>
          <td data-label="Last record"><${Time} at=${one.lastRecord} /></td>
          <td data-label="Rows" class="number">${one.rows === null ? "–" : number(one.rows)}</td>
          <td data-label="Bytes" class="number">${bytes(one.bytes) || "–"}</td>
          <td data-label="State saved"><${Time} at=${times.get(one.stream)} /></td>
        </tr>`)}</tbody></table></div>
      ${found.length > limit && html`<button class="secondary outline" onClick=${() => setLimit(limit + PAGE)}>Show more streams (${number(found.length - limit)})</button>`}`}
  </section>`;
}
