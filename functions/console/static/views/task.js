/* One task: how it is, stream by stream, why, and what can be done. */

import { html, useEffect, useRef } from "../lib/html.js";
import { address } from "../lib/api.js";
import { link } from "../lib/router.js";
import { BUSY_MS, IDLE_MS, usePoll } from "../lib/poll.js";
import { isActive, look } from "../lib/states.js";
import { useTitle } from "../lib/title.js";
import { announce } from "../components/announcer.js";
import { Failure, Loading } from "../components/notice.js";
import { Actions, Repeat } from "./task/actions.js";
import { Facts, LogEnd } from "./task/facts.js";
import { Headline } from "./task/headline.js";
import { Attempts, SchemaChanges } from "./task/history.js";
import { Rates } from "./task/rates.js";
import { Result } from "./task/result.js";
import { Streams } from "./task/streams.js";
import { image, subject, syncLink } from "./task/words.js";

const LINES = 20;

export function View({ path: [, taskId], query }) {
  const { body, error, at, refresh } = usePoll(address("tasks", taskId, { logs: LINES }), (body) => (isActive(body.task?.state) ? BUSY_MS : IDLE_MS));
  const task = body?.task;
  useTitle(task ? `${task.command} of ${subject(task)}` : `Task ${taskId}`, task?.state);
  useEnd(task);
  if (!task && error?.status === 404) return html`<${Unknown} taskId=${taskId} />`;
  return html`
    <div class="task-head"><h1>${task ? html`<span class="quiet">${task.command} of</span> ${subject(task)}` : `Task ${taskId}`}</h1>
      ${task && task.command === "read" && html`<p><a href=${syncLink(task)}>Sync ${task.syncId}</a> · ${image(task)}</p>`}
    </div>
    <${Failure} error=${error} at=${at} />
    ${!task && !error && html`<${Loading} what="the task" />`}
    ${task && html`<${Task} key=${task.taskId} task=${task} query=${query} refresh=${refresh} />`}
  `;
}

function Task({ task, query, refresh }) {
  return html`
    <${Actions} task=${task} refresh=${refresh} />
    <${Headline} task=${task} />
    <${Result} task=${task} />
    ${task.command === "read" && html`<${Streams} task=${task} query=${query} /><${Rates} task=${task} />`}
    <${Attempts} task=${task} />
    <${SchemaChanges} changes=${task.schemaChanges} />
    <${LogEnd} task=${task} />
    <${Facts} task=${task} />
    <${Repeat} task=${task} />
  `;
}

function Unknown({ taskId }) {
  return html`<h1>Task not found</h1>
    <p>Nothing is known of a task <code>${taskId}</code>. It may have been removed since it ended: finished tasks are kept for a limited time only. Or the link is of another deployment.</p>
    <p><a href=${link("tasks")}>Show all tasks</a></p>`;
}

/** Somebody who does not look hears that it has ended. */
function useEnd(task) {
  const before = useRef("");
  useEffect(() => {
    if (!task) return;
    if (isActive(before.current) && !isActive(task.state)) announce(`The ${task.command} has ended: ${look(task.state).word}.`);
    before.current = task.state;
  }, [task?.state]);
}
