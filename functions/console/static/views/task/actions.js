/* What can be done with a task: cancel it, run it again; each after a question that says what is at stake. */

import { html, useState } from "../../lib/html.js";
import { address, request } from "../../lib/api.js";
import { randomId } from "../../lib/id.js";
import { go, link } from "../../lib/router.js";
import { isActive, look } from "../../lib/states.js";
import { argument, CopyMenu, curl } from "../../components/copy.js";
import { Question } from "../../components/dialog.js";
import { announce } from "../../components/announcer.js";
import { repeat, runAddress, specAddress } from "./commands.js";

export function Actions({ task, refresh }) {
  const [asked, setAsked] = useState("");
  const [note, setNote] = useState("");
  const active = isActive(task.state);
  const again = !active && (task.run || task.command === "spec");
  const cancelled = (answer) => {
    setAsked("");
    if (!answer) return;
    const late = answer.state === "CANCELLED" ? "" : `It had already ended: ${look(answer.state).word}. Nothing was cancelled.`;
    setNote([late, answer.note].filter(Boolean).join(" "));
    if (late) announce(late);
    refresh();
  };
  const started = (answer, shown) => {
    setAsked("");
    if (answer && shown) go(link("tasks", answer.taskId));
  };
  return html`<div class="row">
    ${active && html`<button class="danger" onClick=${() => setAsked("cancel")}>Cancel</button>`}
    ${again && html`<button onClick=${() => setAsked("again")}>Run again</button>`}
    <${Copies} task=${task} />
    ${note && html`<p class="bar warn" role="note">${note}</p>`}
    ${asked === "cancel" && html`<${Cancel} task=${task} close=${cancelled} />`}
    ${asked === "again" && html`<${Again} task=${task} close=${started} />`}
  </div>`;
}

function Copies({ task }) {
  return html`<${CopyMenu} entries=${[
    { name: "curl", text: () => curl(address("tasks", task.taskId)) },
    { name: "syncctl", text: () => `syncctl tasks ${argument(task.taskId)}` },
    { name: "link", text: () => location.href.replace(/\?.*$/, "") },
  ]} />`;
}

function Cancel({ task, close }) {
  const act = async () => (await request(address("cancel", { taskId: task.taskId }), { method: "POST" })).body;
  return html`<${Question} title=${`Cancel this ${task.command}?`} verb="Cancel it" danger act=${act} close=${close} done="The task is cancelled.">
    ${task.command === "read" ? html`<${Kept} task=${task} />` : html`<p>The connector is stopped. It will have no result; nothing else is lost.</p>`}
    <p>The task cannot be taken up again. Its log stays.</p>
  <//>`;
}

function Kept({ task }) {
  const begun = task.totals.emitted > 0;
  return html`<p>The connector is stopped${begun ? "" : ", if it runs already"}.</p>
    <ul>
      <li><strong>Rows that the warehouse has acknowledged stay</strong>, and so do the states saved after them: the next run goes on from there. The sidecar gets a moment to save what is acknowledged by now.</li>
      <li>Rows that came after the last saved state are read again by the next run.</li>
      <li><strong>The table of a full refresh is not replaced</strong> before its stream has ended, or 20 minutes of it were read: until then its old rows stay.</li>
      <li>An incremental stream that began from nothing (a first run, a reset) has replaced its table with its first saved rows; the next run adds the others.</li>
      ${task.state === "PENDING" && task.attempt > 1 && html`<li>Attempt ${task.attempt} will not begin.</li>`}
    </ul>`;
}

function Again({ task, close }) {
  const [taskId] = useState(randomId);
  const spec = !task.run;
  const act = async () => (await request(spec ? specAddress(task) : runAddress(task, taskId), { method: spec ? "GET" : "POST" })).body;
  return html`<${Question} title="Run it again?" verb="Run it" act=${act} close=${close} done="The task is started.">
    ${spec ? html`<p>The connector is started once more, and asked which configuration it takes. Nothing is read.</p>` : html`<${SameRun} task=${task} />`}
  <//>`;
}

function SameRun({ task }) {
  const { sync, streams, fullSync } = task.run;
  const which = streams ? html`These streams of <strong>${sync}</strong> are read: ${streams.join(", ")}.` : html`All streams of <strong>${sync}</strong> are read.`;
  return html`<p>${which} The sync's present document counts.</p>
    ${fullSync
      ? html`<p class="bar warn">It was a full sync, and so is this one: the saved states of these streams are forgotten first, and everything is read from nothing.</p>`
      : html`<p>It goes on from the saved states.</p>`}`;
}

/** How to start it once more elsewhere. */
export function Repeat({ task }) {
  const { syncctl, curl: request, unknown } = repeat(task);
  return html`<details><summary>Start it once more, from a terminal</summary>
    <pre tabindex="0"><code>${syncctl}</code></pre><pre tabindex="0"><code>${request}</code></pre>
    ${unknown.length > 0 && html`<p>Not known here, since configurations and requests are not kept:</p><ul>${unknown.map((one) => html`<li>${one}</li>`)}</ul>`}
    <${CopyMenu} label="Copy" entries=${[{ name: "as syncctl", text: () => syncctl }, { name: "as curl", text: () => request }]} />
  </details>`;
}
