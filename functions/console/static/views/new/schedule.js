/* When a sync runs: choices, and a cron expression of one's own. */

import { html } from "../../lib/html.js";
import { scheduleWords } from "./document.js";

const KINDS = [["hand", "By hand"], ["hourly", "Every hour"], ["daily", "Every day"], ["cron", "Cron expression"]];
const zones = () => Intl.supportedValuesOf?.("timeZone") ?? [];

export function ScheduleFields({ value, set }) {
  const patch = (members) => set({ ...value, ...members });
  return html`<fieldset><legend>Schedule</legend>
    <div class="row">${KINDS.map(([kind, words]) => html`<label><input type="radio" name="schedule" checked=${value.kind === kind} onChange=${() => patch({ kind })} />${words}</label>`)}</div>
    <div class="grid">
      ${value.kind === "daily" && html`<label>Time<input type="time" required value=${value.at} onInput=${(event) => patch({ at: event.target.value || value.at })} /></label>`}
      ${value.kind === "cron" && html`<div><label>Cron expression<input value=${value.cron} required placeholder="30 2 * * 1-5" spellcheck=${false} autocomplete="off" aria-describedby="cron-help"
        onInput=${(event) => patch({ cron: event.target.value })} /></label><small id="cron-help">Minute, hour, day of the month, month, day of the week.</small></div>`}
      ${(value.kind === "daily" || value.kind === "cron") && html`<label>Time zone<input list="zones" required value=${value.zone} spellcheck=${false} autocomplete="off"
        onInput=${(event) => patch({ zone: event.target.value })} /><datalist id="zones">${zones().map((zone) => html`<option value=${zone} />`)}</datalist></label>`}
    </div>
    <p class="quiet">It runs ${scheduleWords(value)}.</p>
  </fieldset>`;
}
