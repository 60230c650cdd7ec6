/* How a task is: state, clock, how far, what it waits for, why it failed. */

import { html } from "../../lib/html.js";
import { bytes, duration, number } from "../../lib/format.js";
import { link } from "../../lib/router.js";
import { isActive } from "../../lib/states.js";
import { serverNow, useNow } from "../../lib/clock.js";
import { Status } from "../../components/status.js";
import { Time } from "../../components/time.js";
import { Long } from "./long.js";
import { origin, plural, soon, taskSeconds, waitsFor } from "./words.js";

export function Headline({ task }) {
  const now = useNow(isActive(task.state));
  const { totals, progress } = task;
  const read = task.command === "read";
  return html`<section aria-label="How it is" class="task-headline">
    <p class="row"><span class="task-state"><${Status} state=${task.state} /></span>
      ${task.startedAt && html`<span><span class="quiet">${isActive(task.state) ? "for" : "after"}</span> <span role="timer" aria-label="Duration">${duration(taskSeconds(task, now))}</span></span>`}
      ${task.attempt > 1 && html`<span>attempt ${task.attempt}</span>`}
      ${progress && progress.rowsPerSecond > 0 && html`<span>${number(Math.round(progress.rowsPerSecond))} rows/s</span>`}
    </p>
    ${read && html`<dl class="task-counts">${counts(totals).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`}
    ${progress?.percent !== undefined && html`<${HowFar} progress=${progress} />`}
    ${task.waiting && html`<${Waiting} waiting=${task.waiting} reason=${task.reason} now=${now} />`}
    ${!task.waiting && task.reason && task.reason !== task.failure?.message && html`<p><${Long} text=${task.reason} what="reason" /></p>`}
    ${task.failure && html`<${Failed} task=${task} />`}
  </section>`;
}

function counts(totals) {
  return [
    ["Streams", number(totals.streams)],
    ["Emitted", number(totals.emitted)],
    ["Sent", number(totals.sent)],
    ["Stored", number(totals.stored)],
    ["Refused", number(totals.refused)],
    ["Size", bytes(totals.bytes)],
  ];
}

function HowFar({ progress }) {
  const left = progress.secondsLeft === undefined ? "" : `, about ${duration(progress.secondsLeft)} left`;
  return html`<p class="task-far"><progress value=${progress.percent} max="100" aria-label="By the source's estimate"></progress>
    <span>${progress.percent} %${left} <span class="quiet">by the source's estimate</span></span></p>`;
}

function Waiting({ waiting, reason, now }) {
  const since = waiting.since ? (now - Date.parse(waiting.since)) / 1000 : waiting.seconds;
  const limited = waiting.for === "rate_limit";
  const title = limited ? `Rate limited${waiting.until ? ` until ${soon(waiting.until, serverNow())}` : ""}` : `Waits ${waitsFor(waiting)}`;
  return html`<div class="bar busy" role="note" aria-label="What it waits for"><strong>${title}</strong>
    <span class="quiet"> since <${Time} at=${waiting.since} full /> (${duration(Math.max(since, 0))})</span>
    ${waiting.task && html`<div><a href=${link("tasks", waiting.task)}>Show that task</a></div>`}
    ${reason && html`<div><${Long} text=${reason} what="reason" /></div>`}
  </div>`;
}

function Failed({ task }) {
  const { failure, attempts } = task;
  const discovery = `${task.taskId}-discover`; // what a declared sync's read begins with, if its streams are not known
  const tone = { CANCELLED: "quiet", PARTIAL: "warn" }[task.state] ?? "bad";
  const tried = attempts.length ? ` It was started ${plural(attempts.length + 1, "time")}.` : "";
  return html`<section class=${`bar ${tone} task-failure`} aria-label="Failure">
    <h2>${{ CANCELLED: "Why it ended", PARTIAL: "Why it is not complete" }[task.state] ?? "Why it failed"}: <code>${failure.kind}</code></h2>
    <p><${Long} text=${failure.message} /></p>
    ${String(failure.message).includes(discovery) && html`<p><a href=${link("tasks", discovery)}>Show the discovery, with its log</a></p>`}
    <dl>
      <dt>Whose it is</dt><dd>${failure.origin}: ${origin(failure.origin)}</dd>
      <dt>What to do</dt><dd><strong>${failure.advice}</strong></dd>
      <dt>Another try</dt><dd>${failure.retryable ? "may help: it may pass by itself." : "will likely end the same way without a change."}${tried}</dd>
    </dl>
    <p class="quiet">All reasons are explained in docs/reference/failures.md, kinds in docs/reference/contract.md (A47).</p>
  </section>`;
}
