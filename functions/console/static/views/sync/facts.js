/* What a sync is: connector, schedule, tables. */

import { html } from "../../lib/html.js";
import { link } from "../../lib/router.js";
import { tableOf, Tables } from "../../components/tables.js";
import { Time } from "../../components/time.js";
import { idOf } from "./document.js";
import { scheduleInWords } from "./words.js";

/** `streams` are those of GET /syncs/NAME. */
export function Facts({ sync, streams }) {
  const { spec = {}, status = {} } = sync;
  return html`<section aria-labelledby="facts"><h2 id="facts">Facts</h2><dl>
    <dt>Connector</dt><dd>${spec.image ?? (spec.manifest ? "the CDK's, with the manifest of the document" : "")}</dd>
    ${idOf(sync) !== sync.metadata.name && html`<dt>syncId</dt><dd>${idOf(sync)}</dd>`}
    <dt>Schedule</dt><dd>${spec.schedule ? html`${scheduleInWords(spec.schedule)} <code>${spec.schedule}</code> ${spec.timeZone ?? "UTC"}` : spec.after?.length ? "none" : "none; it runs on request"}</dd>
    <dt>Next run</dt><dd>${status.nextRun ? html`<${Time} at=${status.nextRun} /> <span class="quiet">(<${Time} at=${status.nextRun} full />)</span>` : spec.suspend ? "none while it is suspended" : "none by a schedule"}</dd>
    <dt>Last success</dt><dd><${Time} at=${status.lastSuccess} /></dd>
    ${spec.after?.length > 0 && html`<dt>After</dt><dd>${spec.after.map((name, at) => html`${at ? ", " : ""}<a href=${link("syncs", name)}>${name}</a>`)}</dd>`}
    <dt>Tables in the warehouse</dt><dd><${Tables} names=${tablesOf(spec, streams)} prefix=${spec.prefix} /></dd>
    <dt>Retries</dt><dd>${spec.retries ?? "as the deployment has it"}</dd>
    ${spec.timeoutHours && html`<dt>Time limit</dt><dd>${spec.timeoutHours} h</dd>`}
  </dl></section>`;
}

/** The tables of streams that were read, else of those that the document lists. */
function tablesOf({ prefix, streams: listed }, streams) {
  const chosen = Array.isArray(listed) ? listed : [];
  const keyOf = (one) => (one.namespace ? `${one.namespace}.${one.name}` : String(one.name));
  const keys = streams.length ? streams.map((one) => one.stream) : chosen.map(keyOf);
  return keys.map((key) => tableOf(key, { prefix, table: chosen.find((one) => keyOf(one) === key || (!one.namespace && key.endsWith(`.${one.name}`)))?.table }));
}
