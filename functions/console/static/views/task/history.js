/* What came before: earlier attempts, and what the source offers otherwise than at the run before. */

import { html } from "../../lib/html.js";
import { Time } from "../../components/time.js";
import { Long } from "./long.js";
import { origin, plural } from "./words.js";

export function Attempts({ task }) {
  if (!task.attempts?.length) return null;
  return html`<section><h2 id="attempts">Earlier attempts</h2>
    <p class="quiet">The read was started again by itself, from its last saved state. This is attempt ${task.attempt}.</p>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="attempts"><table>
      <thead><tr>${["Attempt", "Ended", "Kind", "Origin", "What happened", "What to do"].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${task.attempts.map((one) => html`<tr key=${one.attempt}><th scope="row">${one.attempt}</th><td><${Time} at=${one.endedAt} full /></td>
        <td><code>${one.kind}</code></td><td title=${origin(one.origin)}>${one.origin}</td><td><${Long} text=${one.message} /></td><td>${one.advice}</td></tr>`)}</tbody>
    </table></div>
  </section>`;
}

export function SchemaChanges({ changes }) {
  if (!changes) return null;
  const { streamsAdded = [], streamsRemoved = [], columns = [], more = 0 } = changes;
  return html`<section><h2 id="changes">Changes of what the source offers</h2>
    <p class="quiet">Since the run before.</p>
    ${streamsAdded.length > 0 && html`<p>New streams: ${streamsAdded.join(", ")}</p>`}
    ${streamsRemoved.length > 0 && html`<p>Streams that are gone: ${streamsRemoved.join(", ")}</p>`}
    ${columns.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-labelledby="changes"><table>
      <thead><tr>${["Stream", "Column", "Was", "Now"].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${columns.map((one) => html`<tr><td>${one.stream}</td><th scope="row">${one.column}</th><td>${one.was ?? "absent"}</td><td>${one.now ?? "gone"}</td></tr>`)}</tbody>
    </table></div>`}
    ${more > 0 && html`<p class="quiet">And ${plural(more, "other change")} that are not listed.</p>`}
  </section>`;
}
