/* A stream in the picker: whether and how it is read; its details and columns on demand. */

import { html, useMemo } from "../../lib/html.js";
import { columns, idOf, keyOf, modes, writes } from "./catalog.js";

const MODE_WORDS = { full_refresh: "Full refresh", incremental: "Incremental" };
const WRITE_WORDS = { overwrite: "Replace the table", append: "Add every row", append_dedup: "Update rows by key" };
export const dotted = (path) => path.join(".");

/** `set(id, members)` changes what was chosen; `toggle(id)` opens and closes the details. */
export function StreamRow({ stream, one, open, set, toggle }) {
  const id = idOf(stream);
  const name = keyOf(stream);
  return html`<div class=${`stream ${one.selected ? "" : "left-out"}`}>
    <span role="cell"><label class="pick"><input type="checkbox" checked=${one.selected} data-row aria-label=${`Read ${name}`}
      onChange=${(event) => set(id, { selected: event.target.checked })} />
      <span class="name">${stream.namespace && html`<span class="quiet">${stream.namespace}.</span>`}${stream.name}</span></label></span>
    <span role="cell"><select aria-label=${`Mode of ${name}`} value=${one.mode} disabled=${!one.selected || modes(stream).length < 2}
      onChange=${(event) => set(id, { mode: event.target.value, write: undefined })}>
      ${modes(stream).map((mode) => html`<option value=${mode} selected=${mode === one.mode}>${MODE_WORDS[mode]}</option>`)}</select></span>
    <span role="cell" class="facts">${one.problem ? html`<span class="bad">! ${one.problem}</span>` : html`<${Facts} stream=${stream} one=${one} />`}</span>
    <span role="cell"><button type="button" class="plain" aria-expanded=${open ? "true" : "false"} aria-label=${`Details of ${name}`}
      onClick=${() => toggle(id)}>${open ? "Close" : "Details"}</button></span>
    ${open && html`<div role="cell" class="details"><${Details} stream=${stream} one=${one} name=${name} set=${(members) => set(id, members)} /></div>`}
  </div>`;
}

function Facts({ stream, one }) {
  const cursor = one.mode === "incremental" && (one.cursor.length ? dotted(one.cursor) : stream.source_defined_cursor && "the source's own");
  return html`<span class="quiet">${[
    cursor && `cursor ${cursor}`, one.key.length && `key ${one.key.map(dotted).join(" + ")}`, one.table && `table ${one.table}`,
    one.write !== one.usual && WRITE_WORDS[one.write].toLowerCase(),
  ].filter(Boolean).join(" · ")}</span>`;
}

function Details({ stream, one, name, set }) {
  const found = useMemo(() => columns(stream), [stream]);
  const fields = found.filter((column) => !column.type.startsWith("object"));
  return html`
    <div class="grid">
      <label>Write<select value=${one.write} aria-label=${`Write mode of ${name}`} onChange=${(event) => set({ write: event.target.value })}>
        ${writes(one.mode).map((write) => html`<option value=${write} selected=${write === one.write}>${WRITE_WORDS[write]}</option>`)}</select></label>
      ${one.mode === "incremental" && html`<${Cursor} stream=${stream} one=${one} name=${name} fields=${fields} set=${set} />`}
      <${Key} stream=${stream} one=${one} name=${name} fields=${fields} set=${set} />
      <label>Table<input value=${one.table} placeholder="prefix and name" maxlength="200" spellcheck=${false} autocomplete="off" aria-label=${`Table of ${name}`}
        onInput=${(event) => set({ table: event.target.value })} /></label>
    </div>
    <details><summary>${found.length === 1 ? "1 column" : `${found.length} columns`}</summary>
      <ul class="columns">${found.map(({ path, type }) => html`<li><code>${dotted(path)}</code> <span class="quiet">${type}</span></li>`)}</ul></details>`;
}

function Cursor({ stream, one, name, fields, set }) {
  if (stream.source_defined_cursor) {
    return html`<p class="given"><span>Cursor</span><span>${one.cursor.length ? html`<code>${dotted(one.cursor)}</code>` : "the source's own"} <small class="quiet">(defined by the source)</small></span></p>`;
  }
  return html`<label>Cursor: tells what is new<${Choice} label=${`Cursor of ${name}`} fields=${fields} none="Choose a column" value=${one.cursor}
    choose=${(path) => set({ cursor: path })} /></label>`;
}

/* A key may consist of several columns: each that is chosen is added, and can be taken out. */
function Key({ stream, one, name, fields, set }) {
  if (stream.source_defined_primary_key?.length) {
    return html`<p class="given"><span>Key</span><span>${one.key.map((path, number) => html`${number ? " + " : ""}<code>${dotted(path)}</code>`)} <small class="quiet">(defined by the source)</small></span></p>`;
  }
  const rest = fields.filter(({ path }) => !one.key.some((own) => same(own, path)));
  return html`<div class="key"><label>Key: identifies a row<${Choice} label=${`Add to the key of ${name}`} fields=${rest} none=${one.key.length ? "Add a column" : "None"} value=${[]}
      choose=${(path) => path.length && set({ key: [...one.key, path] })} /></label>
    ${one.key.map((path) => html`<button type="button" class="chip" aria-label=${`Take ${dotted(path)} out of the key of ${name}`}
      onClick=${() => set({ key: one.key.filter((own) => !same(own, path)) })}>${dotted(path)} ×</button>`)}</div>`;
}

function Choice({ label, fields, none, value, choose }) {
  const now = value.length ? JSON.stringify(value) : "";
  const known = fields.some(({ path }) => same(path, value));
  return html`<select aria-label=${label} value=${now} onChange=${(event) => choose(event.target.value ? JSON.parse(event.target.value) : [])}>
    <option value="" selected=${!now}>${none}</option>
    ${now && !known && html`<option value=${now} selected>${dotted(value)}</option>`}
    ${fields.map(({ path }) => html`<option value=${JSON.stringify(path)} selected=${same(path, value)}>${dotted(path)}</option>`)}
  </select>`;
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
