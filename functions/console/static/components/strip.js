/* The last runs of a sync, side by side: a bar each, oldest first. */

import { html } from "../lib/html.js";
import { look } from "../lib/states.js";
import { between, duration, number, time } from "../lib/format.js";
import { link } from "../lib/router.js";

const HEIGHT = 20;
const STEP = 7;

/**
 * `runs` are those of GET /syncs, newest first; the newest `size` of them are drawn. A bar's height is its rows, its tone
 * and sign its state. `big` makes each bar a link to its task.
 */
export function Strip({ runs, size = 10, big = false }) {
  const shown = (runs ?? []).slice(0, size).reverse();
  if (!shown.length) return html`<span class="quiet">no runs</span>`;
  const most = Math.max(1, ...shown.map((run) => run.stored ?? 0));
  if (big) return html`<ol class="strip" aria-label=${summary(shown)}>${shown.map((run) => html`<${Bar} run=${run} most=${most} />`)}</ol>`;
  return html`<svg class="strip-small" role="img" aria-label=${summary(shown)} width=${size * STEP} height=${HEIGHT}>
    ${shown.map((run, at) => html`<${Small} run=${run} most=${most} x=${(size - shown.length + at) * STEP} />`)}
  </svg>`;
}

function Small({ run, most, x }) {
  const { tone } = look(run.state);
  const tall = part(run, most) * (HEIGHT - 6);
  // A run that failed has a notch above it: what is red to some is grey to others.
  return html`<g class=${tone} fill="currentColor">
    <title>${describe(run)}</title>
    <rect x=${x} y=${HEIGHT - 2 - tall} width=${STEP - 2} height=${tall + 2} />
    ${tone === "bad" && html`<rect x=${x} y="0" width=${STEP - 2} height="2" />`}
  </g>`;
}

function Bar({ run, most }) {
  const { icon, tone } = look(run.state);
  return html`<li><a class=${tone} href=${link("tasks", run.taskId)} title=${describe(run)} aria-label=${describe(run)}>
    <span class="pillar" style=${{ height: `${2 + part(run, most) * 56}px` }} /><span aria-hidden="true">${icon}</span>
  </a></li>`;
}

/** Few rows beside many are still seen. */
const part = (run, most) => Math.sqrt((run.stored ?? 0) / most);

function describe(run) {
  const took = run.startedAt ? `, ${duration(between(run.startedAt, run.finishedAt))}` : "";
  return `${look(run.state).word}, ${number(run.stored ?? 0)} rows${took}, ${time(run.createdAt)}`;
}

function summary(runs) {
  const counts = new Map();
  for (const run of runs) counts.set(look(run.state).word, (counts.get(look(run.state).word) ?? 0) + 1);
  const words = [...counts].map(([word, count]) => `${count} ${word}`).join(", ");
  return runs.length === 1 ? `Last run: ${words}` : `Last ${runs.length} runs: ${words}`;
}
