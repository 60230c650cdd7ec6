/* All tasks, newest first. */

import { html, useCallback, useLayoutEffect, useMemo, useRef, useState } from "../lib/html.js";
import { address } from "../lib/api.js";
import { duration, number } from "../lib/format.js";
import { link } from "../lib/router.js";
import { isActive } from "../lib/states.js";
import { useTitle } from "../lib/title.js";
import { useNow } from "../lib/clock.js";
import { CopyMenu, curl } from "../components/copy.js";
import { Failure, Loading } from "../components/notice.js";
import { Status } from "../components/status.js";
import { Time } from "../components/time.js";
import { VirtualRows } from "../components/virtual-rows.js";
import { Filters, clearFilters, command, isFiltered, parameters } from "./task/filters.js";
import { useTasks } from "./task/pages.js";
import { image, plural, startedBy, syncLink, taskSeconds, waitsFor } from "./task/words.js";

const COLUMNS = ["State", "Task", "Sync", "Image", "Started by", "When", "Duration", "Rows", "Reason"];
const NUMBERS = ["Duration", "Rows"];

export function View({ query }) {
  useTitle("Tasks");
  const filters = parameters(query);
  const list = useTasks(filters);
  const { tasks } = list;
  const syncs = useDistinct(tasks, (task) => task.syncId);
  const packages = useDistinct(tasks, (task) => task.package);
  return html`
    <div class="row task-head"><h1>Tasks</h1>
      <span class="quiet" role="status">${list.known && counted(list)}</span>
      <button class="plain" onClick=${list.refresh}>Refresh</button>
      <${CopyMenu} entries=${[
        { name: "curl", text: () => curl(address("tasks", filters)) },
        { name: "syncctl", text: () => command(query) },
        { name: "link", text: () => location.href },
      ]} />
    </div>
    <${Filters} query=${query} syncs=${syncs} packages=${packages} />
    <${Failure} error=${list.error} at=${list.at} />
    ${!list.known && !list.error && html`<${Loading} what="tasks" />`}
    ${list.known && !tasks.length && html`<${Nothing} filtered=${isFiltered(query)} />`}
    ${tasks.length > 0 && html`<${Table} ...${list} />`}
  `;
}

const counted = ({ tasks, more }) => (more ? `${plural(tasks.length, "task")} so far; more come as you scroll` : plural(tasks.length, "task"));

function Nothing({ filtered }) {
  if (filtered) return html`<p>No task matches these filters. <button class="plain" onClick=${clearFilters}>Show all tasks</button></p>`;
  return html`<p>No task has been started yet. <a href=${link("new")}>Try a connector</a>, or apply a <a href=${link("syncs")}>sync</a>.</p>`;
}

function Table({ tasks, more, loadMore }) {
  const now = useNow(tasks.some((task) => isActive(task.state)));
  const { handle, onScroll, fresh, toTop } = useTop(tasks);
  const rowProps = useCallback((task, index) => ({ role: "row", "aria-rowindex": index + 2, class: "task-row" }), []);
  return html`<div class="task-table">
    ${fresh > 0 && html`<button class="task-fresh" onClick=${toTop}>${plural(fresh, "new task")} ↑</button>`}
    <div role="table" aria-label="Tasks" aria-rowcount=${more ? -1 : tasks.length + 1}>
      <div role="rowgroup" class="task-heads"><div role="row" aria-rowindex="1" class="task-row task-columns">
        ${COLUMNS.map((name) => html`<span role="columnheader" class=${NUMBERS.includes(name) ? "number" : ""}>${name}</span>`)}
      </div></div>
      <${VirtualRows} items=${tasks} keyOf=${idOf} estimate=${37} role="rowgroup" label="Tasks, newest first" className="task-list" handle=${handle}
        onScroll=${onScroll} onBottom=${loadMore} rowProps=${rowProps} row=${(task) => html`<${Row} task=${task} now=${now} />`} />
    </div>
  </div>`;
}

const idOf = (task) => task.taskId;

function Row({ task, now }) {
  const by = startedBy(task);
  const reason = task.waiting ? `waits ${waitsFor(task.waiting)}` : task.reason;
  return html`
    <span role="cell"><${Status} state=${task.state} /></span>
    <span role="cell"><a class="task-link" data-row href=${link("tasks", task.taskId)} aria-label=${`${task.command}, task ${task.taskId}`}>${task.command}</a></span>
    <span role="cell" data-name="Sync">${task.syncId && html`<a class="task-sync" href=${syncLink(task)}>${task.syncId}</a>`}</span>
    <span role="cell" data-name="Image">${image(task)}</span>
    <span role="cell" data-name="Started by" title=${by.text}>${by.trigger || by.text}</span>
    <span role="cell"><${Time} at=${task.createdAt} /></span>
    <span role="cell" data-name="Duration" class="number">${duration(taskSeconds(task, now))}</span>
    <span role="cell" data-name="Rows" class="number">${task.command === "read" ? number(task.totals.stored) : ""}</span>
    <span role="cell" class="task-reason">${reason}</span>`;
}

/** New tasks come at the top: in sight if the top is, else behind a button. */
function useTop(tasks) {
  const handle = useRef(null);
  const at = useRef({ top: true, first: tasks[0].taskId });
  const [, setCount] = useState(0);
  if (at.current.top) at.current.first = tasks[0].taskId;
  const fresh = Math.max(0, tasks.findIndex((task) => task.taskId === at.current.first));
  const toTop = () => handle.current.scrollTo(0, "start");
  const onScroll = (event) => {
    const top = event.target.scrollTop < 8;
    if (top !== at.current.top) setCount((count) => count + 1);
    at.current.top = top;
  };
  useLayoutEffect(() => {
    if (at.current.top && handle.current.element.scrollTop) handle.current.element.scrollTop = 0;
  }, [tasks]);
  return { handle, onScroll, fresh, toTop };
}

function useDistinct(tasks, member) {
  return useMemo(() => [...new Set(tasks.slice(0, 1000).map(member).filter(Boolean))].sort().slice(0, 200), [tasks]);
}
