/* A spec, check or discover that runs: started, followed, cancelled, and what it waits for. */

import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { address, change } from "../../lib/api.js";
import { announce } from "../../components/announcer.js";
import { Failure } from "../../components/notice.js";
import { Status } from "../../components/status.js";
import { duration, hour } from "../../lib/format.js";
import { usePoll } from "../../lib/poll.js";
import { link } from "../../lib/router.js";
import { isActive } from "../../lib/states.js";

const SOON_MS = 1000;
/** What has ended does not change; the longest pause of a timer. */
const NEVER_MS = 2 ** 31 - 1;
const WAITS = {
  pod: "Its pod is being made. The first use of a connector takes longer: its image is pulled, or it is installed.",
  quota: "The namespace's quota has no room for it yet.",
  cluster: "The cluster is out of reach.",
  node: "No node has room for it yet.",
  image: "Its image is being pulled. That happens once on each node.",
  container: "One of its containers cannot be made yet.",
  report: "The connector is starting.",
};

/** Return `{task, error, refresh, active}` of a task, followed to its end; "" and null are no task. */
export function useTask(id) {
  const pause = (body) => (!body.task || isActive(body.task.state) ? SOON_MS : NEVER_MS);
  const { body, error, refresh } = usePoll(id ? address("tasks", id, { logs: 1 }) : "", pause);
  const task = body?.task?.taskId === id ? body.task : null;
  return { task, error, refresh, active: Boolean(id && !error && (!task || isActive(task.state))) };
}

/** Return `{start, busy, error}`: `start(ask, began)` sends a request, and hands the id of its task to `began`. */
export function useStart() {
  const [state, setState] = useState({});
  const start = async (ask, began) => {
    setState({ busy: true });
    try {
      const answer = await ask();
      setState({});
      began(answer.taskId);
    } catch (error) {
      setState({ error });
    }
  };
  return { start, ...state };
}

/** Show a task while it runs, and why it failed. `what` is its verb ("Asking for the specification"). */
export function Progress({ what, id, follow, failed = {} }) {
  const { task, error, refresh, active } = follow;
  const [cancelling, setCancelling] = useState(null);
  useEffect(() => setCancelling(null), [id]);
  useEnd(task, active, what);
  if (error) return html`<${Failure} error=${error} />${failed.again && html`<p><button type="button" class="secondary outline" onClick=${failed.again}>Try again</button></p>`}`;
  if (!active) return task && task.state !== "SUCCESS" ? html`<${Failed} task=${task} ...${failed} />` : null;
  const cancel = async () => {
    setCancelling({ busy: true });
    try {
      await change("POST", ["cancel", { taskId: id }]);
      announce("Cancelled.");
      refresh();
    } catch (problem) {
      setCancelling({ error: problem });
    }
  };
  return html`<div class="progress">
    <p class="row" aria-busy="true"><span>${what} ...</span>${task && html`<${Status} state=${task.state} />
      <span class="quiet">since ${hour(task.createdAt)}</span>`}
      <a href=${link("tasks", id)}>Its task</a>
      <button type="button" class="secondary outline" disabled=${cancelling?.busy} onClick=${cancel}>Cancel</button></p>
    <${Waiting} waiting=${task?.waiting} />
    <${Failure} error=${cancelling?.error} />
  </div>`;
}

function Waiting({ waiting }) {
  if (!waiting) return null;
  return html`<p class="quiet">${WAITS[waiting.for] ?? `It waits for: ${waiting.for}.`} ${waiting.seconds > 5 ? `It has waited for ${duration(waiting.seconds)}.` : ""}</p>`;
}

function Failed({ task, title = "", again }) {
  const { message, advice } = task.failure ?? { message: task.reason };
  return html`<div class=${`bar ${task.state === "CANCELLED" ? "quiet" : "bad"}`} role="alert">
    <p><${Status} state=${task.state} /> ${title} ${message}</p>
    ${advice && task.state !== "CANCELLED" && html`<p>${advice}</p>`}
    <p class="row"><a href=${link("tasks", task.taskId)}>Its task, with the log</a>
      ${again && html`<button type="button" class="secondary outline" onClick=${again}>Try again</button>`}</p>
  </div>`;
}

/** Say it once a task that was seen running has ended. */
function useEnd(task, active, what) {
  const ran = useRef(false);
  useEffect(() => {
    if (ran.current && task && !active) announce(`${what}: ${task.state.toLowerCase()}.`);
    ran.current = active;
  }, [active, task?.state]);
}
