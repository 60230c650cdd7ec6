/* The streams that a connector offers, and the choice among them: thousands stay usable. */

import { html, useMemo, useState } from "../../lib/html.js";
import { number } from "../../lib/format.js";
import { VirtualRows } from "../../components/virtual-rows.js";
import { idOf, isEverything, MAX_LISTED, modes, plan } from "./catalog.js";
import { StreamRow } from "./stream-row.js";

const SHOWN = { all: "All", selected: "Selected", problem: "Need a choice" };

/** `choices` is a Map by stream id; `choose(function from Map to Map)` changes it. */
export function StreamPicker({ streams, choices, choose, listed, setFixed }) {
  const [search, setSearch] = useState("");
  const [show, setShow] = useState("all");
  const [open, setOpen] = useState(new Set());
  const rows = useMemo(() => streams.map((stream) => ({ id: idOf(stream), stream, one: plan(stream, choices.get(idOf(stream))) })), [streams, choices]);
  const found = useMemo(() => filtered(rows, search, show), [rows, search, show]);
  const set = (id, members) => choose((before) => new Map(before).set(id, { ...before.get(id), ...members }));
  const toggle = (id) => setOpen((before) => {
    const after = new Set(before);
    if (!after.delete(id)) after.add(id);
    return after;
  });
  const row = ({ id, stream, one }) => html`<${StreamRow} stream=${stream} one=${one} open=${open.has(id)} set=${set} toggle=${toggle} />`;
  return html`
    <${Tools} rows=${rows} found=${found} search=${search} setSearch=${setSearch} show=${show} setShow=${setShow} choose=${choose} />
    <${Count} rows=${rows} listed=${listed} />
    <${Later} able=${isEverything(streams, choices)} listed=${listed} setFixed=${setFixed} />
    <div role="table" aria-label="Streams" aria-rowcount=${found.length + 1} class="streams">
      <div role="row" aria-rowindex="1" class="stream head"><span role="columnheader">Stream</span><span role="columnheader">Mode</span>
        <span role="columnheader">Cursor, key, table</span><span role="columnheader"><span class="unseen">Details</span></span></div>
      <${VirtualRows} items=${found} row=${row} estimate=${41} label="Rows of streams" role="rowgroup" className="stream-rows"
        rowProps=${(_, index) => ({ role: "row", "aria-rowindex": index + 2 })} />
    </div>
    ${!found.length && html`<p class="quiet">No stream matches. Change the search or the filter.</p>`}`;
}

function filtered(rows, search, show) {
  const text = search.trim().toLowerCase();
  return rows.filter(({ stream, one }) => {
    const wanted = show === "all" || (show === "selected" ? one.selected : one.problem);
    return wanted && `${stream.namespace ?? ""}.${stream.name}`.toLowerCase().includes(text);
  });
}

function Tools({ rows, found, search, setSearch, show, setShow, choose }) {
  const every = (members) => choose((before) => {
    const after = new Map(before);
    for (const { id, stream } of found) after.set(id, { ...before.get(id), ...(typeof members === "function" ? members(stream) : members) });
    return after;
  });
  const these = found.length === rows.length ? "all" : `these ${number(found.length)}`;
  const mode = (wanted) => (stream) => (modes(stream).includes(wanted) ? { mode: wanted, write: undefined } : {});
  return html`<div class="row tools">
    <input type="search" data-search aria-label="Search streams" placeholder="Search streams" value=${search} onInput=${(event) => setSearch(event.target.value)} />
    <select aria-label="Show" value=${show} onChange=${(event) => setShow(event.target.value)}>
      ${Object.entries(SHOWN).map(([value, words]) => html`<option value=${value}>${words}</option>`)}</select>
    <span class="row" role="group" aria-label=${`For ${these}`}>
      <button type="button" class="plain" onClick=${() => every({ selected: true })}>Select ${these}</button>
      <button type="button" class="plain" onClick=${() => every({ selected: false })}>Select none${these === "all" ? "" : ` of ${these}`}</button>
      <button type="button" class="plain" onClick=${() => every(mode("full_refresh"))}>Full refresh for ${these}</button>
      <button type="button" class="plain" onClick=${() => every({ mode: undefined, write: undefined })}>Default mode for ${these}</button>
    </span>
  </div>`;
}

/** Whether a saved sync lists its streams. */
function Later({ able, listed, setFixed }) {
  return html`<p><label><input type="checkbox" checked=${!listed} disabled=${!able} aria-describedby="later-help" onChange=${(event) => setFixed(!event.target.checked)} />
      A saved sync also reads streams that the source adds later</label>
    <small id="later-help">${able ? "They are then read in their default mode, each into a table of its own name. Without this, it reads the streams of this list alone."
      : "Only while all streams are selected, with their default modes, cursors, keys and tables; otherwise it reads what is selected here alone."}</small></p>`;
}

function Count({ rows, listed }) {
  const selected = rows.filter(({ one }) => one.selected).length;
  const problems = rows.filter(({ one }) => one.problem).length;
  return html`<p role="status">${number(selected)} of ${number(rows.length)} streams selected.
    ${problems ? html` <strong class="bad">${number(problems)} ${problems === 1 ? "needs" : "need"} a choice.</strong>` : ""}
    ${listed && selected > MAX_LISTED ? html` <strong class="bad">A saved sync can list ${number(MAX_LISTED)} streams at most: leave out some, or select all as they are.</strong>` : ""}</p>`;
}
