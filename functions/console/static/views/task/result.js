/* What a spec, check or discover found: as people read it, and as the connector wrote it. */

import { html, useLayoutEffect, useMemo, useRef, useState } from "../../lib/html.js";
import { number } from "../../lib/format.js";
import { richText, safeUrl } from "../../lib/safe.js";
import { CopyMenu } from "../../components/copy.js";
import { VirtualRows } from "../../components/virtual-rows.js";
import { Long } from "./long.js";
import { fields, streamsOf } from "./schema.js";
import { plural } from "./words.js";

/** More of a text is copied, but not shown. */
const SHOWN = 300_000;

export function Result({ task }) {
  if (task.result === null || task.result === undefined) return null;
  const Shown = { spec: Spec, check: Check, discover: Catalog }[task.command];
  return html`<section><h2>${{ spec: "Configuration that it takes", check: "Check", discover: "Streams that it offers" }[task.command] ?? "Result"}</h2>
    ${Shown && html`<${Shown} result=${task.result} task=${task} />`}
    <${Raw} value=${task.result} />
  </section>`;
}

function Raw({ value }) {
  const [open, setOpen] = useState(false);
  const text = useMemo(() => (open ? JSON.stringify(value, null, 2) : ""), [open, value]);
  return html`<details onToggle=${(event) => setOpen(event.target.open)}><summary>Result as JSON</summary>
    ${open && html`<${CopyMenu} label="Copy" entries=${[{ name: "JSON", text: () => text }]} />
      ${text.length > SHOWN && html`<p class="quiet">Its beginning; a copy has all of it.</p>`}
      <pre tabindex="0" class="task-raw" aria-label="Result as JSON">${text.slice(0, SHOWN)}</pre>`}
  </details>`;
}

function Check({ result, task }) {
  const good = ["SUCCEEDED", "SUCCESS"].includes(result.status);
  if (good && task.state === "SUCCESS") return html`<p class="bar good"><strong>✓ The connector can work with this configuration.</strong> ${result.message && html`<${Long} text=${result.message} />`}</p>`;
  if (good) return html`<p class="bar warn">The connector accepted the configuration, but did not end well: see above.</p>`;
  return html`<div class="bar bad"><strong>✗ The connector cannot work with this configuration.</strong>
    <div>${result.message ? html`<${Long} text=${result.message} />` : "It gave no reason: look at its log."}</div></div>`;
}

function Spec({ result }) {
  const rows = useMemo(() => fields(result.connectionSpecification), [result]);
  const documentation = safeUrl(result.documentationUrl ?? "");
  return html`
    ${documentation && html`<p><a href=${documentation} target="_blank" rel="noopener noreferrer">The connector's documentation</a></p>`}
    <div class="scroll" tabindex="0" role="region" aria-label="Fields"><table>
      <thead><tr>${["Field", "Type", "Required", "Default", "Description"].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`<tr><th scope="row"><code>${row.path}</code></th><td>${row.type}</td><td>${row.required ? "yes" : ""}</td>
        <td>${row.value !== undefined && html`<code>${row.value}</code>`}</td><td><${Rich} text=${row.description} /></td></tr>`)}</tbody>
    </table></div>`;
}

function Rich({ text }) {
  return richText(text).map((part) => (part.url ? html`<a href=${part.url} target="_blank" rel="noopener noreferrer">${part.text}</a>` : part.text));
}

function Catalog({ result }) {
  const all = useMemo(() => streamsOf(result), [result]);
  const [text, setText] = useState("");
  const shown = useMemo(() => all.filter((one) => one.key.toLowerCase().includes(text.toLowerCase())), [all, text]);
  const handle = useRef(null);
  useLayoutEffect(() => void (handle.current.element.scrollTop = 0), [text]);
  return html`
    <search class="task-filters" aria-label="Filter streams">
      <label>Search streams<input type="search" value=${text} onInput=${(event) => setText(event.target.value)} data-search autocomplete="off" spellcheck="false" /></label>
      <span class="quiet" role="status">${shown.length === all.length ? plural(all.length, "stream") : `${number(shown.length)} of ${plural(all.length, "stream")}`}</span>
    </search>
    <div role="table" aria-label="Streams that it offers" aria-rowcount=${shown.length + 1}>
      <div role="rowgroup" class="task-heads"><div role="row" aria-rowindex="1" class="catalog-row task-columns">
        ${["Stream", "Modes", "Cursor", "Key", "Columns"].map((name) => html`<span role="columnheader">${name}</span>`)}</div></div>
      <${VirtualRows} items=${shown} keyOf=${(one) => one.key} estimate=${36} role="rowgroup" label="Streams that it offers" className="stream-list" handle=${handle}
        rowProps=${(_, index) => ({ role: "row", "aria-rowindex": index + 2, class: "catalog-row" })} row=${(one) => html`<${Offered} stream=${one} />`} />
    </div>`;
}

function Offered({ stream }) {
  return html`
    <span role="cell" class="stream-name">${stream.key}</span>
    <span role="cell" data-name="Modes">${stream.modes.join(", ")}</span>
    <span role="cell" data-name="Cursor">${stream.cursor}</span>
    <span role="cell" data-name="Key">${stream.primary}</span>
    <span role="cell">${stream.columns.length ? html`<details><summary>${plural(stream.columns.length, "column")}</summary>
      <ul class="task-columns-list">${stream.columns.map(([name, type]) => html`<li><code>${name}</code> <span class="quiet">${type}</span></li>`)}</ul></details>` : html`<span class="quiet">not described</span>`}</span>`;
}
