/* How fast rows came and were stored: as the sidecar counted it, else as this page has seen it. */

import { html, useMemo, useRef } from "../../lib/html.js";
import { Plot, PlotTable } from "../../components/plot.js";

const MOST_SAMPLES = 600;

export function Rates({ task }) {
  const seen = useSamples(task);
  const shown = useMemo(() => (task.rates ? counted(task) : sampled(seen)), [task, seen]);
  if (shown.x.length < 2) return null;
  const plot = {
    title: "Rows over time",
    x: shown.x,
    series: [{ label: "emitted", values: shown.emitted }, { label: "stored", values: shown.stored }],
    unit: "rows/s",
  };
  return html`<section><h2>Rate</h2>
    ${!task.rates && html`<p class="quiet">As seen since this page was opened.</p>`}
    <${Plot} ...${plot} /><${PlotTable} ...${plot} />
  </section>`;
}

/** Rows of each step, by the second. The last step may have just begun: by the seconds that it had. */
function counted({ rates, updatedAt }) {
  const { stepSeconds: step } = rates;
  const start = Date.parse(rates.startedAt) / 1000;
  const length = Math.max(rates.emitted.length, rates.stored.length);
  const begun = Date.parse(updatedAt) / 1000 - start - (length - 1) * step;
  const had = begun > 0 ? Math.min(step, Math.max(1, begun)) : step;
  const perSecond = (counts) => Array.from({ length }, (_, index) => (counts[index] ?? 0) / (index === length - 1 ? had : step));
  return { x: Array.from({ length }, (_, index) => start + index * step), emitted: perSecond(rates.emitted), stored: perSecond(rates.stored) };
}

function sampled(samples) {
  const steps = samples.slice(1).map((one, index) => [samples[index], one]);
  const rate = (name) => steps.map(([before, one]) => Math.max(0, one[name] - before[name]) / (one.at - before.at));
  return { x: steps.map(([, one]) => one.at), emitted: rate("emitted"), stored: rate("stored") };
}

/** The counts of the task's reports that this page has seen; of its present attempt. */
function useSamples(task) {
  const kept = useRef({ attempt: 0, samples: [] });
  const { emitted, stored } = task.totals;
  const one = { at: Date.parse(task.updatedAt) / 1000, emitted, stored };
  if (kept.current.attempt !== task.attempt) kept.current = { attempt: task.attempt, samples: [] };
  const last = kept.current.samples.at(-1);
  if (task.startedAt && (!last || one.at > last.at)) kept.current.samples = [...kept.current.samples.slice(-MOST_SAMPLES), one];
  return kept.current.samples;
}
