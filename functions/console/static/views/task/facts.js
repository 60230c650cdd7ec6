/* Facts of a task, and the end of its log. */

import { html } from "../../lib/html.js";
import { hour } from "../../lib/format.js";
import { link } from "../../lib/router.js";
import { isActive } from "../../lib/states.js";
import { CopyMenu } from "../../components/copy.js";
import { Time } from "../../components/time.js";
import { startedBy, syncLink } from "./words.js";
import { withoutColours } from "./long.js";

export function Facts({ task }) {
  const { run } = task;
  const facts = [
    ["Task", html`<code>${task.taskId}</code> <${CopyMenu} label="" entries=${[{ name: "Copy", text: () => task.taskId }]} />`],
    ["Command", task.command],
    ["Sync", task.syncId && html`<a href=${syncLink(task)}>${task.syncId}</a>`],
    ["Streams asked for", run?.streams && run.streams.join(", ")],
    ["Full sync", run?.fullSync && "yes: from nothing"],
    ["Image", task.package],
    ["Version", task.version],
    ["Storage key", task.storageKey],
    ["Started by", startedBy(task).text],
    ["Data plane", task.dataPlane],
    ["Accepted", html`<${Time} at=${task.createdAt} full />`],
    ["Started", task.startedAt && html`<${Time} at=${task.startedAt} full />`],
    ["Last report", html`<${Time} at=${task.updatedAt} full />`],
    ["Ended", task.finishedAt && html`<${Time} at=${task.finishedAt} full />`],
  ];
  return html`<section><h2>Facts</h2><dl>${facts.filter(([, value]) => value).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl></section>`;
}

const BAD = ["ERROR", "FATAL", "ERRSTD"];

export function LogEnd({ task }) {
  const bad = Boolean(task.failure);
  return html`<section><h2 id="log">Log</h2>
    <p><a href=${link("tasks", task.taskId, "logs")}>Whole log</a>${bad && html` · <a href=${link("tasks", task.taskId, "logs", { level: "ERROR" })}>Errors only</a>`}</p>
    ${task.logs?.length ? html`<pre class="task-log" tabindex="0" role="region" aria-labelledby="log">${task.logs.map((line) => html`<span class=${BAD.includes(line.level) ? "bad" : ""}>${hour(line.timestamp)} ${line.level} ${withoutColours(line.message)}${"\n"}</span>`)}</pre>` : html`<p class="quiet">${isActive(task.state) ? "It has no lines yet." : "It has no lines."}</p>`}
  </section>`;
}
