/* The runs of a sync: as a strip, as a plot, as a table. */

import { html, useEffect, useMemo, useState } from "../../lib/html.js";
import { address, get } from "../../lib/api.js";
import { BUSY_MS, IDLE_MS, usePoll } from "../../lib/poll.js";
import { between, duration, number } from "../../lib/format.js";
import { isActive } from "../../lib/states.js";
import { link } from "../../lib/router.js";
import { Failure, Loading } from "../../components/notice.js";
import { Plot, PlotTable } from "../../components/plot.js";
import { Status } from "../../components/status.js";
import { Strip } from "../../components/strip.js";
import { Time } from "../../components/time.js";
import { startedBy } from "./words.js";

const PAGE = 30;

/** The query of a sync's runs. */
const query = (id, more = {}) => ({ syncId: id, command: "read", limit: PAGE, ...more });

/** Return `{runs, next, older, error, at, refresh}`: tasks of GET /tasks, newest first; `older()` asks for the next page. */
export function useRuns(id) {
  const url = id ? address("tasks", query(id)) : "";
  const { body, error, at, refresh } = usePoll(url, (found) => (found.tasks?.some((task) => isActive(task.state)) ? BUSY_MS : IDLE_MS));
  const [more, setMore] = useState({ tasks: [], next: undefined, error: null });
  useEffect(() => setMore({ tasks: [], next: undefined, error: null }), [url]);
  const runs = useMemo(() => {
    const newest = body?.tasks ?? [];
    const known = new Set(newest.map((task) => task.taskId));
    return [...newest, ...more.tasks.filter((task) => !known.has(task.taskId))];
  }, [body, more]);
  const next = more.next === undefined ? body?.next : more.next;
  const older = async () => {
    try {
      const page = await get("tasks", query(id, { cursor: next }));
      // The first page moves on while tasks are added: what it had is kept here, too.
      setMore({ tasks: [...runs, ...page.tasks], next: page.next, error: null });
    } catch (failed) {
      setMore({ ...more, error: failed });
    }
  };
  return { runs, next, older, error: error ?? more.error, at, refresh, loading: !body && !error };
}

/** A task as the strip draws it. */
const asRun = (task) => ({ ...task, emitted: task.totals?.emitted, stored: task.totals?.stored });

export function Runs({ id, found }) {
  const { runs, next, older, error, at, loading } = found;
  const drawn = useMemo(() => runs.map(asRun), [runs]);
  const plot = useMemo(() => rowsPerRun(drawn), [drawn]);
  if (loading) return html`<section aria-labelledby="runs"><h2 id="runs">Runs</h2><${Loading} what="the runs" /></section>`;
  return html`<section aria-labelledby="runs"><h2 id="runs">Runs</h2>
    <${Failure} error=${error} at=${at} />
    ${!runs.length && html`<p>It has not run yet.</p>`}
    ${runs.length > 0 && html`
      <${Strip} runs=${drawn} size=${PAGE} big />
      ${runs.length > 1 && html`<${Plot} ...${plot} /><${PlotTable} ...${plot} />`}
      <${Table} runs=${runs} />
      <p class="row">${next && html`<button class="secondary outline" onClick=${older}>Show older runs</button>`}
        <a href=${link("tasks", { sync: id })}>All tasks of this sync</a></p>`}
  </section>`;
}

function rowsPerRun(runs) {
  const shown = [...runs].reverse();
  return { title: "Rows per run", x: shown.map((run) => Math.floor(Date.parse(run.createdAt) / 1000)), unit: "rows", kind: "bars", height: 140,
    series: [{ label: "Stored", values: shown.map((run) => run.stored ?? 0), color: "busy" }] };
}

function Table({ runs }) {
  return html`<div class="scroll" role="region" aria-label="Runs" tabindex="0"><table class="cards runs">
    <thead><tr><th scope="col">Run</th><th scope="col">State</th><th scope="col">Begun</th><th scope="col" class="number">Duration</th>
      <th scope="col" class="number">Stored</th><th scope="col">Started by</th></tr></thead>
    <tbody>${runs.map((task) => html`<tr key=${task.taskId}>
      <th scope="row"><a data-row href=${link("tasks", task.taskId)}>${task.taskId}</a></th>
      <td data-label="State"><${Status} state=${task.state} />${task.state !== "SUCCESS" && task.reason && html`<small class="why">${task.reason}</small>`}</td>
      <td data-label="Begun"><${Time} at=${task.createdAt} /></td>
      <td data-label="Duration" class="number">${task.startedAt ? duration(between(task.startedAt, task.finishedAt)) : "–"}</td>
      <td data-label="Stored" class="number">${number(task.totals?.stored ?? 0)}</td>
      <td data-label="Started by">${startedBy(task.startedBy)}</td>
    </tr>`)}</tbody></table></div>`;
}
