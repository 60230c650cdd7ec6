/* Step 4: discover, or a list that another discover of this connector left; then the choice. */

import { html, useCallback, useMemo } from "../../lib/html.js";
import { address } from "../../lib/api.js";
import { Failure, Loading } from "../../components/notice.js";
import { Time } from "../../components/time.js";
import { usePoll } from "../../lib/poll.js";
import { link } from "../../lib/router.js";
import { Blocked } from "./check-step.js";
import { imageOf, splitImage } from "./document.js";
import { reopened } from "./draft.js";
import { Problems } from "./step.js";
import { StreamPicker } from "./streams.js";
import { Progress } from "./task.js";

/** `streams` are those of the discover, null before; `missing` those of an edited sync that are not offered. */
export function StreamsStep({ draft, change, follow, starter, streams, choices, missing, listed, ready, blocked, problems, find, next }) {
  const choose = useCallback((update) => change((before) => ({ choices: [...update(new Map(before.choices))], confirmed: reopened(before, "streams") })), []);
  const asking = starter.busy || follow.active;
  return html`
    ${starter.busy && html`<${Loading} what="the streams" />`}
    <${Failure} error=${starter.error} />
    ${draft.discover && !starter.busy && html`<${Progress} what="Asking the connector for its streams" id=${draft.discover} follow=${follow}
      failed=${{ title: "The streams are not known.", again: blocked.length ? undefined : find }} />`}
    ${draft.discover && draft.outdated && !asking && html`<p class="bar warn" role="note">The configuration has changed since the streams were found.</p>`}
    <${Problems} problems=${problems} />
    ${streams && !streams.length && html`<p class="bar warn" role="note">The connector offers no streams with this configuration. <a href=${link("tasks", draft.discover)}>Its task</a> shows what it wrote. Correct the configuration, and find the streams again.</p>`}
    ${missing.length > 0 && html`<p class="bar warn" role="note">No longer offered, and left out: ${missing.map((name, number) => html`${number ? ", " : ""}<code>${name}</code>`)}.</p>`}
    ${streams?.length > 0 && html`<${StreamPicker} streams=${streams} choices=${choices} choose=${choose} listed=${listed} setFixed=${(fixed) => change({ fixed })} />`}
    <${Blocked} places=${blocked} />
    ${!asking && html`<p class="row">
      ${streams?.length > 0 && html`<button type="button" disabled=${!ready} onClick=${next}>Continue to the schedule</button>`}
      <button type="button" class=${streams?.length ? "secondary outline" : ""} disabled=${blocked.length > 0} onClick=${find}>${draft.discover ? "Find the streams again" : "Find its streams"}</button></p>
      ${!streams && html`<${Earlier} draft=${draft} take=${(id) => change({ discover: id, outdated: false })} />`}`}`;
}

/** Lists of streams that this version of the connector has given before, of whatever configuration. */
function Earlier({ draft, take }) {
  const { package: name, version } = splitImage(imageOf(draft));
  const { body } = usePoll(address("tasks", { command: "discover", status: "SUCCESS", package: name, limit: 20 }));
  const found = useMemo(() => (body?.tasks ?? []).filter((task) => task.version === version).slice(0, 5), [body, version]);
  if (!found.length || draft.kind === "manifest") return null;
  return html`<details><summary>Use a list that this connector has given before</summary>
    <p class="quiet">It may have been asked with another configuration.</p>
    <ul>${found.map((task) => html`<li><button type="button" class="plain" onClick=${() => take(task.taskId)}>The list of <${Time} at=${task.createdAt} full=${true} /></button> <a href=${link("tasks", task.taskId)}>Its task</a></li>`)}</ul></details>`;
}
