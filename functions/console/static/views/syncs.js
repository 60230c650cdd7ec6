/* All syncs: how they are, and what can be done from here. */

import { Fragment, html, useMemo, useState } from "../lib/html.js";
import { address } from "../lib/api.js";
import { link, setQuery } from "../lib/router.js";
import { BUSY_MS, IDLE_MS, usePoll } from "../lib/poll.js";
import { between, duration, number } from "../lib/format.js";
import { isActive } from "../lib/states.js";
import { useTitle } from "../lib/title.js";
import { CopyMenu, curl } from "../components/copy.js";
import { Failure, Loading } from "../components/notice.js";
import { Status } from "../components/status.js";
import { Strip } from "../components/strip.js";
import { Time } from "../components/time.js";
import { RunQuestion, SuspendQuestion } from "./sync/actions.js";
import { Empty } from "./sync/empty.js";
import { Filters } from "./sync/filters.js";
import { rowsOf, shownOf } from "./sync/rows.js";
import { startsWhen } from "./sync/words.js";

const PAGE = 200;
const HEADS = [["name", "Sync"], ["state", "State"], ["last", "Last run"], ["success", "Last success"], ["duration", "Duration"],
  ["rows", "Rows"], ["", "Last ten runs"], ["next", "Next run"], ["", "Actions"]];

export function View({ query }) {
  const url = address("syncs");
  const { body, error, at, refresh } = usePoll(url, (found) => (rowsOf(found).some((row) => isActive(row.state)) ? BUSY_MS : IDLE_MS));
  const rows = useMemo(() => rowsOf(body), [body]);
  const [question, setQuestion] = useState(null);
  const [started, setStarted] = useState({});
  const failing = rows.filter((row) => row.state === "FAILED" || row.state === "INVALID").length;
  useTitle(failing ? `Syncs (${failing} failing)` : "Syncs", failing ? "FAILED" : "");
  const close = (answer) => {
    if (question.kind === "run" && answer) setStarted({ ...started, [question.row.key]: answer });
    setQuestion(null);
    if (answer !== undefined) refresh();
  };
  return html`
    <h1>Syncs</h1>
    <${Failure} error=${error} at=${at} />
    ${!body && !error && html`<${Loading} what="the syncs" />`}
    ${body && !rows.length && html`<${Empty} />`}
    ${rows.length > 0 && html`
      <${Filters} query=${query} rows=${rows} />
      <${Table} rows=${shownOf(rows, query)} query=${query} ask=${setQuestion} started=${started} />
      <${CopyMenu} entries=${[
        { name: "curl", text: () => curl(url) },
        { name: "syncctl", text: () => "syncctl get syncs" },
        { name: "kubectl", text: () => "kubectl get syncs -n sync-tasks" },
      ]} />`}
    ${question?.kind === "run" && html`<${RunQuestion} name=${question.row.name} suspended=${question.row.suspended} close=${close} />`}
    ${question?.kind === "suspend" && html`<${SuspendQuestion} name=${question.row.name} on=${!question.row.suspended} close=${close} />`}
  `;
}

function Table({ rows, query, ask, started }) {
  const [limit, setLimit] = useState(PAGE);
  if (!rows.length) return html`<p>No sync matches. <button class="plain" onClick=${() => setQuery({ q: "", state: "" })}>Show all</button></p>`;
  return html`
    <div class="scroll" role="region" aria-label="Syncs" tabindex="0">
      <table class="cards syncs">
        <thead><tr>${HEADS.map(([sort, text]) => html`<${Head} sort=${sort} text=${text} query=${query} />`)}</tr></thead>
        <tbody>${rows.slice(0, limit).map((row) => html`<${Row} key=${row.key} row=${row} ask=${ask} started=${started[row.key]} />`)}</tbody>
      </table>
    </div>
    ${rows.length > limit && html`<p>${number(limit)} of ${number(rows.length)} are shown.
      <button class="secondary" onClick=${() => setLimit(limit + PAGE)}>Show ${number(Math.min(PAGE, rows.length - limit))} more</button></p>`}
  `;
}

function Head({ sort, text, query }) {
  if (!sort) return html`<th scope="col">${text}</th>`;
  const chosen = (query.sort || "name") === sort;
  const next = chosen && !query.desc ? "1" : "";
  const order = chosen ? (query.desc ? "descending" : "ascending") : undefined;
  return html`<th scope="col" aria-sort=${order}><button class="plain" onClick=${() => setQuery({ sort, desc: next })}>${text}${chosen ? (query.desc ? " ▾" : " ▴") : ""}</button></th>`;
}

function Row({ row, ask, started }) {
  const last = row.runs[0];
  return html`<tr>
    <th scope="row"><a data-row href=${row.link}>${row.name}</a><small class="quiet">${row.declared ? row.image : "not declared"}</small></th>
    <td data-label="State"><${Status} state=${row.state} />${row.message && html`<small class="why" title=${row.message}>${row.message}</small>`}</td>
    <td data-label="Last run">${row.lastTask ? html`<a href=${link("tasks", row.lastTask)} aria-label=${`Last run of ${row.name}`}>${last ? html`<${Time} at=${last.createdAt} />` : "show"}</a>` : html`<span class="quiet">never</span>`}
      ${started && started !== row.lastTask && html`<small>started: <a href=${link("tasks", started)}>${started}</a></small>`}
      ${started && started === row.lastTask && html`<small>started by you: <a href=${link("tasks", started)}>${started}</a></small>`}</td>
    <td data-label="Last success"><${Time} at=${row.lastSuccess} /></td>
    <td class="number" data-label="Duration">${last?.startedAt ? duration(between(last.startedAt, last.finishedAt)) : "–"}</td>
    <td class="number" data-label="Rows">${last ? number(last.stored ?? 0) : "–"}</td>
    <td data-label="Last ten runs"><${Strip} runs=${row.runs} /></td>
    <td data-label="Next run">${row.nextRun ? html`<${Time} at=${row.nextRun} />` : html`<span class="quiet">${row.suspended ? "suspended" : "–"}</span>`}
      ${row.declared && row.spec && html`<small class="quiet">${startsWhen(row.spec)}</small>`}</td>
    <td class="actions">${row.declared && html`<${Fragment}>
      <button class="outline" disabled=${!row.usable} aria-label=${`Run ${row.name}`} onClick=${() => ask({ kind: "run", row })}>Run</button>
      <button class="outline secondary" disabled=${!row.usable} aria-label=${`${row.suspended ? "Resume" : "Suspend"} ${row.name}`} onClick=${() => ask({ kind: "suspend", row })}>${row.suspended ? "Resume" : "Suspend"}</button>
    </${Fragment}>`}</td>
  </tr>`;
}
