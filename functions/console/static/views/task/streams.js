/* The streams of a read: a clock and counts each; thousands of them. */

import { html, useLayoutEffect, useMemo, useRef } from "../../lib/html.js";
import { bytes, duration, number } from "../../lib/format.js";
import { setQuery } from "../../lib/router.js";
import { isActive, look } from "../../lib/states.js";
import { serverNow, useNow } from "../../lib/clock.js";
import { Status } from "../../components/status.js";
import { VirtualRows } from "../../components/virtual-rows.js";
import { Long } from "./long.js";
import { plural, soon, streamSeconds } from "./words.js";

/** Columns: name, the link's word for its order, what it is sorted by. The first two ascend, others begin with the most. */
const COLUMNS = [
  ["Stream", "name", (one) => one.key],
  ["State", "state", (one) => one.status],
  ["Duration", "clock", (one, task, now) => streamSeconds(one, task, now) ?? -1],
  ["Emitted", "emitted", (one) => one.emitted],
  ["Sent", "sent", (one) => one.sent],
  ["Stored", "stored", (one) => one.stored],
  ["Refused", "refused", (one) => one.refused],
  ["Size", "size", (one) => one.bytes],
];
const ASCENDING = ["name", "state"];
const compare = new Intl.Collator(undefined, { numeric: true }).compare;

export function Streams({ task, query }) {
  const now = useNow(task.state === "RUNNING");
  const all = useMemo(() => Object.entries(task.streams ?? {}).map(([key, stream]) => ({ ...stream, key, status: stateOf(stream) })), [task]);
  const { q = "", streamState = "", sort = "" } = query;
  const shown = useMemo(() => chosen(all, task, { q, streamState, sort }), [all, q, streamState, sort]);
  const handle = useRef(null);
  useLayoutEffect(() => {
    if (handle.current) handle.current.element.scrollTop = 0; // another order begins at its top, wherever what was read is now
  }, [q, streamState, sort]);
  if (!all.length) return html`<section><h2>Streams</h2><p class="quiet">${isActive(task.state) ? "No stream has begun yet." : "No stream had begun."}</p></section>`;
  return html`<section><h2 id="streams">Streams</h2>
    ${all.length > 5 && html`<${Tools} all=${all} query=${query} count=${shown.length} />`}
    <div role="table" aria-labelledby="streams" aria-rowcount=${shown.length + 1} class="task-streams">
      <div role="rowgroup" class="task-heads"><div role="row" aria-rowindex="1" class="stream-row task-columns">${COLUMNS.map((column) => html`<${Head} column=${column} sort=${sort} />`)}</div></div>
      <${VirtualRows} items=${shown} keyOf=${(one) => one.key} estimate=${36} role="rowgroup" label="Streams" className="stream-list" handle=${handle}
        rowProps=${(_, index) => ({ role: "row", "aria-rowindex": index + 2, class: "stream-row" })}
        row=${(one) => html`<${Stream} stream=${one} task=${task} now=${now} />`} />
    </div>
  </section>`;
}

/** A stream's own state: of one that has ended it is known at the task's end whether it is a success. */
const stateOf = (stream) => (stream.status === "RUNNING" && stream.endedAt ? "ENDED" : stream.status);

function chosen(all, task, { q, streamState, sort }) {
  const text = q.toLowerCase();
  const found = all.filter((one) => (!text || one.key.toLowerCase().includes(text)) && (!streamState || one.status === streamState));
  const column = COLUMNS.find(([, name]) => name === sort.replace(/^-/, ""));
  if (!column) return found;
  const [, name, value] = column;
  const now = serverNow();
  const down = sort.startsWith("-") ? -1 : 1;
  const order = ASCENDING.includes(name) ? compare : (one, other) => one - other;
  return found.map((one) => [value(one, task, now), one]).sort(([one], [other]) => down * order(one, other)).map(([, one]) => one);
}

function Tools({ all, query, count }) {
  const states = useMemo(() => all.reduce((found, { status }) => found.set(status, (found.get(status) ?? 0) + 1), new Map()), [all]);
  return html`<search class="task-filters" aria-label="Filter streams">
    <label>Search streams<input type="search" value=${query.q ?? ""} onInput=${(event) => setQuery({ q: event.target.value })} data-search autocomplete="off" spellcheck="false" /></label>
    <label>State<select value=${query.streamState ?? ""} onChange=${(event) => setQuery({ streamState: event.target.value })}>
      <option value="">any (${number(all.length)})</option>
      ${[...states].map(([state, ones]) => html`<option value=${state}>${look(state).word} (${number(ones)})</option>`)}
    </select></label>
    <span class="quiet" role="status">${count === all.length ? plural(count, "stream") : `${number(count)} of ${plural(all.length, "stream")}`}</span>
  </search>`;
}

function Head({ column: [text, name], sort }) {
  const first = ASCENDING.includes(name) ? name : `-${name}`;
  const other = first.startsWith("-") ? name : `-${name}`;
  const at = sort === name ? "ascending" : sort === `-${name}` ? "descending" : undefined;
  const next = sort === first ? other : sort === other ? "" : first;
  return html`<span role="columnheader" aria-sort=${at} class=${ASCENDING.includes(name) ? "" : "number"}>
    <button class="plain" onClick=${() => setQuery({ sort: next })}>${text}<span aria-hidden="true">${{ ascending: " ↑", descending: " ↓" }[at]}</span></button></span>`;
}

function Stream({ stream, task, now }) {
  const seconds = streamSeconds(stream, task, now);
  return html`
    <span role="cell" class="stream-name">${stream.key}</span>
    <span role="cell"><${Status} state=${stream.status} /></span>
    <span role="cell" data-name="Duration" class="number" title=${stream.timedBy === "records" ? "From the first record on: this source reports no statuses" : undefined}>${seconds === null ? "" : duration(seconds)}</span>
    <span role="cell" data-name="Emitted" class="number">${number(stream.emitted)}</span>
    <span role="cell" data-name="Sent" class="number">${number(stream.sent)}</span>
    <span role="cell" data-name="Stored" class="number">${number(stream.stored)}</span>
    <span role="cell" data-name="Refused" class=${`number${stream.refused ? " bad" : ""}`}>${number(stream.refused)}</span>
    <span role="cell" data-name="Size" class="number">${bytes(stream.bytes)}</span>
    <${More} stream=${stream} running=${task.state === "RUNNING"} />`;
}

/** What there is to know beside the counts. */
function More({ stream, running }) {
  const limited = running && stream.limitedSince;
  const parts = [
    limited && `rate limited${stream.limitedUntil ? ` until ${soon(stream.limitedUntil, serverNow())}` : ""}`,
    stream.resumed && "resumed from its state",
    running && stream.rowsPerSecond > 0 && `${number(Math.round(stream.rowsPerSecond))} rows/s`,
    stream.percent !== undefined && `${stream.percent} %`,
    stream.secondsLeft !== undefined && `about ${duration(stream.secondsLeft)} left`,
    !(limited && stream.note?.startsWith("rate limited")) && stream.note,
  ].filter(Boolean);
  if (!parts.length && !stream.error) return null;
  return html`<span role="cell" class="stream-more">
    ${parts.length > 0 && html`<span class="quiet">${parts.join(" · ")}</span>`}
    ${stream.error && html`<span class="bad"><${Long} text=${stream.error} what="error" /></span>`}
  </span>`;
}
