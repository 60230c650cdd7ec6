/* What can be done with a sync as a whole; each asks first and says what is at stake. */

import { html, useState } from "../../lib/html.js";
import { change } from "../../lib/api.js";
import { randomId } from "../../lib/id.js";
import { link } from "../../lib/router.js";
import { visible } from "../../lib/safe.js";
import { applicable, fetchSync } from "./document.js";
import { Question } from "../../components/dialog.js";

/** Start a run, once for each `taskId`; return that. `streams` are keys, all if it is empty. */
export async function run(name, taskId, { streams = [], full = false } = {}) {
  const query = { taskId, streams: streams.join(","), fullSync: full ? "true" : "" };
  return (await change("POST", ["syncs", name, "run", query])).taskId;
}

/** Suspend or resume, based on the document as it is now: labels, order and the rest stay. */
export async function suspend(name, on) {
  const document = applicable(await fetchSync(name), ["resourceVersion"]);
  const { suspend: _, ...spec } = document.spec;
  return change("PUT", ["syncs", name], { ...document, spec: on ? { ...spec, suspend: true } : spec });
}

/** `close(taskId)` once it has been started. */
export function RunQuestion({ name, streams = [], full = false, suspended, close }) {
  const [taskId] = useState(randomId); // if the answer is lost, the same run is asked for again
  const what = streams.length ? list(streams) : "all streams";
  const title = full ? `Refresh ${what} of ${name}?` : `Run ${streams.length ? what + " of " : ""}${name} now?`;
  return html`<${Question} title=${title} verb=${full ? "Refresh" : "Run"} danger=${full} done=${`A run of ${name} has been started.`}
    act=${() => run(name, taskId, { streams, full })} close=${close}>
    ${full ? html`<p><strong>The saved states of ${what} are forgotten, and everything is read again.</strong> That has no undo.</p>
        <p><strong>Their tables are replaced</strong>, also those of incremental streams, whatever their write mode: what the source does not
          have any more is gone. Until the first rows are stored, the old ones stay. Only a full refresh with the write mode append adds.</p>`
      : html`<p>Reads ${what} from the saved states on, whatever the schedule. The next run of the schedule comes all the same: one whose
        moment comes while this one goes on waits for its end, and is skipped if that takes too long.</p>`}
    ${streams.length > 0 && !full && html`<p>Other streams are left as they are.</p>`}
    ${suspended && html`<p>It is suspended: this run is the only one, and its schedule stays paused.</p>`}
  </${Question}>`;
}

export function SuspendQuestion({ name, on, close }) {
  return html`<${Question} title=${on ? `Suspend ${name}?` : `Resume ${name}?`} verb=${on ? "Suspend" : "Resume"}
    done=${on ? `${name} is suspended.` : `${name} starts by itself again.`} act=${() => suspend(name, on)} close=${close}>
    ${on ? html`<p>It starts nothing by schedule or after other syncs until it is resumed. A run that goes on is not ended, and
        you can still run it by hand.</p>`
      : html`<p>Its schedule and <code>after</code> start runs again. Of missed moments at most the newest is made up, if it is not older than
        <code>startingDeadlineSeconds</code>; a success meanwhile of a sync that it comes after starts it at once.</p>`}
    <p>The document changes in one line: <code>spec.suspend</code>. If the document is kept in git, change it there too, or the next
      apply takes this back.</p>
  </${Question}>`;
}

/** `followers` are the names of syncs that start after it; `version` is what was looked at. */
export function DeleteQuestion({ name, version, followers, active, close }) {
  const [force, setForce] = useState(false);
  const act = () => change("DELETE", ["syncs", name, { resourceVersion: version, force: force ? "true" : "" }]);
  return html`<${Question} title=${`Delete ${name}?`} verb="Delete" danger act=${act} done=${`${name} has been deleted.`} close=${close}>
    <p><strong>Its document is deleted, and its schedule with it.</strong> The tables and their rows, the saved states, and the tasks
      with their logs stay. Declared again under the same name, it goes on from its states.</p>
    ${active && html`<p>The run <a href=${link("tasks", active)}>${active}</a> goes on to its end; one that still waits for its streams is cancelled.</p>`}
    ${followers.length > 0 && html`<p>The success of ${name} starts ${list(followers)}: nothing would start ${followers.length === 1 ? "it" : "them"} then.</p>
      <label><input type="checkbox" checked=${force} onChange=${(event) => setForce(event.target.checked)} /> Delete it all the same</label>`}
  </${Question}>`;
}

const list = (names) => (names.length < 6 ? visible(names.join(", ")) : `${names.length} streams`);
