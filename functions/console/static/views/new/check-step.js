/* Step 3: whether the connector can work with the configuration. */

import { html } from "../../lib/html.js";
import { link } from "../../lib/router.js";
import { Failure, Loading } from "../../components/notice.js";
import { Progress } from "./task.js";

/** Return whether the configuration was checked as it is now, and passed. */
export const passed = (draft, follow) => Boolean(draft.check && !draft.stale && follow.task?.state === "SUCCESS");

/** `starter` is that of useStart; `checkNow` starts a check, `find` a discover, `skip` goes on without, `correct` goes back. */
export function CheckStep({ draft, follow, starter, blocked, checkNow, find, skip, correct }) {
  const asking = starter.busy || follow.active;
  return html`
    ${starter.busy && html`<${Loading} what="the check" />`}
    <${Failure} error=${starter.error} />
    ${draft.check && draft.stale && !asking && html`<p class="bar warn" role="note">The configuration has changed since the last check.</p>`}
    ${draft.check && !starter.busy && html`<${Progress} what="Checking the connection" id=${draft.check} follow=${follow} failed=${{ title: "The check did not pass." }} />`}
    ${passed(draft, follow) && html`<p class="bar good" role="status">The check passed. ${follow.task.result?.message ?? ""} <a href=${link("tasks", draft.check)}>Its task</a></p>`}
    <${Blocked} places=${blocked} />
    ${!asking && html`<p class="row">
      ${passed(draft, follow) && html`<button type="button" disabled=${blocked.length > 0} onClick=${find}>Find its streams</button>`}
      <button type="button" class=${passed(draft, follow) ? "secondary outline" : ""} disabled=${blocked.length > 0} onClick=${checkNow}>${draft.check ? "Check again" : "Check the connection"}</button>
      ${!passed(draft, follow) && html`<button type="button" class="secondary outline" onClick=${correct}>Change the configuration</button>
        <button type="button" class="secondary outline" onClick=${skip}>Skip the check</button>`}
    </p>`}`;
}

/** Why a check, a discover or a run is not possible here: functions read no Secrets. */
export function Blocked({ places }) {
  if (!places.length) return null;
  return html`<p class="bar warn" role="note">The values of ${places.map((place, number) => html`${number ? ", " : ""}<code>${place.slice(1).replaceAll("/", ".")}</code>`)} are not known here.
    Type them in the configuration first.</p>`;
}
