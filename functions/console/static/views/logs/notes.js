/* Why a log shows nothing, or not all. */

import { html } from "../../lib/html.js";
import { link, setQuery } from "../../lib/router.js";
import { isActive } from "../../lib/states.js";
import { Failure } from "../../components/notice.js";

/** `missing`: the line that the link names is not among those that are shown. */
export function Problem({ pager, taskId, missing }) {
  if (pager?.error?.status === 404) {
    return html`<div role="alert" class="bar bad"><strong>No task has the id ${taskId}.</strong> A task is removed with its log some time after its end
      (60 days, if nothing else is set). <a href=${link("tasks")}>See which tasks there are</a>.</div>`;
  }
  return html`<${Failure} error=${pager?.error} />
    ${missing && html`<p class="bar warn" role="status">The line of this link is not in the log as it is filtered here, or has been removed.</p>`}`;
}

export function Nothing({ pager, items, taskId, filters }) {
  if (!pager?.opened || items.length || pager.busy || !pager.atStart || !pager.atEnd) return null;
  const { level, q, source } = filters;
  if (level || q || source) {
    return html`<p class="log-empty">No line of this log is like that.
      <button class="plain" onClick=${() => setQuery({ level: "", q: "", source: "", line: "" })}>Show all lines</button></p>`;
  }
  if (isActive(pager.state)) {
    return html`<p class="log-empty" aria-busy="true">No lines yet. They appear here once the task's pod writes some;
      <a href=${link("tasks", taskId)}>the task</a> says what it waits for.</p>`;
  }
  return html`<p class="log-empty">This task has no log lines: it ended before its pod wrote any, or they have been removed.
    <a href=${link("tasks", taskId)}>The task</a> says how it ended.</p>`;
}
