/* One sync: its runs, streams, states and document; declared or not. */

import { html, useState } from "../lib/html.js";
import { address, get } from "../lib/api.js";
import { go, link } from "../lib/router.js";
import { BUSY_MS, IDLE_MS, usePoll } from "../lib/poll.js";
import { isActive } from "../lib/states.js";
import { useTitle } from "../lib/title.js";
import { CopyMenu, curl, quote } from "../components/copy.js";
import { Failure, Loading } from "../components/notice.js";
import { Status } from "../components/status.js";
import { DeleteQuestion, RunQuestion, SuspendQuestion } from "./sync/actions.js";
import { Document, yamlOf } from "./sync/document-section.js";
import { idOf } from "./sync/document.js";
import { Facts } from "./sync/facts.js";
import { Runs, useRuns } from "./sync/runs.js";
import { States } from "./sync/states.js";
import { Streams } from "./sync/streams.js";
import { Undeclared } from "./sync/undeclared.js";

export function View({ path, query }) {
  const name = path[1];
  const url = query.undeclared ? "" : address("syncs", name);
  const { body, error, at, refresh } = usePoll(url, (found) => (isActive(found.sync?.status?.state) ? BUSY_MS : IDLE_MS));
  if (query.undeclared || (error?.status === 404 && !body)) return html`<${Undeclared} id=${name} looked=${Boolean(query.undeclared)} />`;
  if (!body) return html`<h1>${name}</h1><${Failure} error=${error} />${!error && html`<${Loading} what="the sync" />`}`;
  return html`<${Declared} body=${body} url=${url} error=${error} at=${at} refresh=${refresh} />`;
}

function Declared({ body, url, error, at, refresh }) {
  const { sync, streams = [], states = [] } = body;
  const name = sync.metadata.name;
  const { state = "NEW", message } = sync.status ?? {};
  const usable = Boolean(sync.spec) && state !== "INVALID";
  const runs = useRuns(sync.spec ? idOf(sync) : "");
  const [question, setQuestion] = useState(null);
  const [started, setStarted] = useState("");
  const active = runs.runs.find((task) => isActive(task.state))?.taskId;
  const over = runs.runs.some((task) => task.taskId === started && !isActive(task.state));
  useTitle(name, state);
  const close = (answer, shown) => {
    if (question.kind === "run" && answer) setStarted(answer);
    if (question.kind === "delete" && answer) return shown && go(link("syncs"));
    setQuestion(null);
    if (answer === undefined) return;
    refresh();
    runs.refresh();
  };
  return html`
    <h1>${name} <${Status} state=${state} /></h1>
    <${Failure} error=${error} at=${at} />
    ${message && html`<p class=${`bar ${["FAILED", "INVALID"].includes(state) ? "bad" : "quiet"}`}>${message}</p>`}
    ${started && !over && html`<p class="bar busy" role="status">A run has been started: <a href=${link("tasks", started)}>${started}</a></p>`}
    <${Actions} sync=${sync} usable=${usable} ask=${setQuestion} />
    <div class="two"><${Facts} sync=${sync} streams=${streams} /><div class="main">
      ${sync.spec && html`<${Runs} id=${idOf(sync)} found=${runs} />
        <${Streams} streams=${streams} saved=${states} usable=${usable} ask=${setQuestion} />`}
    </div></div>
    ${sync.spec && html`<${States} name=${name} active=${active} />`}
    <${Document} sync=${sync} refresh=${refresh} />
    <${CopyMenu} entries=${[
      { name: "curl", text: () => curl(url) },
      { name: "syncctl", text: () => `syncctl get syncs ${quote(name)} -o yaml` },
      { name: "kubectl", text: () => `kubectl get sync ${quote(name)} -n ${quote(sync.metadata.namespace ?? "sync-tasks")} -o yaml` },
      ...(sync.spec ? [{ name: "YAML", text: () => yamlOf(name) }] : []),
    ]} />
    ${question?.kind === "run" && html`<${RunQuestion} name=${name} streams=${question.streams} full=${question.full} suspended=${sync.spec.suspend} close=${close} />`}
    ${question?.kind === "suspend" && html`<${SuspendQuestion} name=${name} on=${!sync.spec.suspend} close=${close} />`}
    ${question?.kind === "delete" && html`<${DeleteQuestion} name=${name} version=${sync.metadata.resourceVersion} followers=${question.followers} active=${active} close=${close} />`}
  `;
}

function Actions({ sync, usable, ask }) {
  const [error, setError] = useState(null);
  const askDelete = async () => {
    try {
      const { syncs } = await get("syncs");
      const followers = syncs.filter((one) => one.spec?.after?.includes(sync.metadata.name)).map((one) => one.metadata.name);
      ask({ kind: "delete", followers });
    } catch (failed) {
      setError(failed);
    }
  };
  return html`<${Failure} error=${error} /><p class="row">
    <button disabled=${!usable} onClick=${() => ask({ kind: "run" })}>Run now</button>
    <button class="outline secondary" disabled=${!usable} onClick=${() => ask({ kind: "suspend" })}>${sync.spec?.suspend ? "Resume" : "Suspend"}</button>
    <button class="outline danger-outline" onClick=${askDelete}>Delete</button>
  </p>`;
}
