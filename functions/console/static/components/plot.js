/* Numbers as a picture, and the same numbers as a table. */

import { html, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { compact, number } from "../lib/format.js";

const TONES = ["busy", "good", "warn", "quiet", "bad"];
const DARK = matchMedia("(prefers-color-scheme: dark)");
/** A table of more lines than this is not read; it has the newest ones. */
const TABLE_ROWS = 200;
let library;

/**
 * @param {string} title what is shown; the picture's name for a screen reader begins with it
 * @param {number[]} x seconds since 1970, ascending
 * @param {{label: string, values: (number | null)[], color?: "good" | "warn" | "bad" | "busy" | "quiet"}[]} series
 * @param {string} unit of the values, such as "rows/s"
 * @param {"line" | "bars"} kind bars stand side by side, however far their times are apart
 */
export function Plot({ title, x, series, unit = "", kind = "line", height = 180 }) {
  const place = useRef(null);
  const [at, setAt] = useState(null);
  usePicture(place, { x, series, unit, kind, height, setAt });
  return html`<figure class="plot">
    <figcaption><strong>${title}</strong> ${series.map(({ label, color }, index) => html`<span class="plot-key">
        <span class=${`plot-mark ${color ?? TONES[index % TONES.length]}${index % 2 ? " dashed" : ""}`} aria-hidden="true"></span>${label}</span>`)}
      <span class="quiet" aria-hidden="true">${readout({ x, series, unit }, at)}</span>
    </figcaption>
    <div ref=${place} class="plot-picture" role="img" aria-label=${summary({ title, x, series, unit })} style=${{ minHeight: `${height}px` }}></div>
  </figure>`;
}

/** The numbers of a Plot; it takes the same properties. */
export function PlotTable({ title, x, series, unit = "" }) {
  const [open, setOpen] = useState(false);
  const from = Math.max(0, x.length - TABLE_ROWS);
  return html`<details class="plot-table" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>${title} as a table</summary>
    ${open && html`<div class="scroll" tabindex="0" role="region" aria-label=${`${title} as a table`}><table>
      <thead><tr><th scope="col">Time</th>${series.map(({ label }) => html`<th scope="col" class="number">${label}${unit && ` (${unit})`}</th>`)}</tr></thead>
      <tbody>${x.slice(from).map((second, index) => html`<tr key=${second}><th scope="row">${moment(second, x)}</th>
        ${series.map(({ values }) => html`<td class="number">${number(rounded(values[from + index]))}</td>`)}</tr>`)}</tbody>
    </table></div>`}
  </details>`;
}

function usePicture(place, { x, series, unit, kind, height, setAt }) {
  const picture = useRef(null);
  const [made, setMade] = useState(0);
  const dark = useDark();
  const data = useMemo(() => [kind === "bars" ? x.map((_, index) => index) : x, ...series.map(({ values }) => values)], [x, series, kind]);
  const now = useRef(null);
  now.current = { x, data, unit };
  const looks = series.map(({ label, color }) => `${label} ${color}`).join("\n");
  useEffect(() => {
    let over = false;
    const element = place.current; // which is gone from the ref before this is undone
    load().then((UPlot) => {
      if (over) return;
      const options = { width: element.clientWidth || 300, height, ...design({ UPlot, series, kind, now, setAt }) };
      picture.current = new UPlot(options, now.current.data, element);
      setMade((count) => count + 1);
    });
    const resized = new ResizeObserver(() => picture.current?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    return () => {
      over = true;
      resized.disconnect();
      picture.current?.destroy();
      picture.current = null;
    };
  }, [looks, kind, height, dark]);
  useEffect(() => picture.current?.setData(data), [data, made]);
}

function design({ UPlot, series, kind, now, setAt }) {
  const style = getComputedStyle(document.documentElement);
  const colour = (tone) => style.getPropertyValue(`--${tone}`).trim();
  const axis = { stroke: colour("quiet"), font: "12px system-ui, sans-serif", grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  const bars = kind === "bars";
  return {
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: !bars } },
    scales: {
      x: bars ? { time: false, range: (_, min, max) => [min - 0.6, max + 0.6] } : { time: true },
      y: { range: (_, min, max) => [0, max > 0 ? max * 1.08 : 1] },
    },
    axes: [
      { ...axis, values: (_, splits) => splits.map((at) => label(at, bars, now.current.x)), incrs: bars ? [1, 2, 5, 10, 20, 50, 100] : undefined, space: 90 },
      { ...axis, size: 56, values: (_, splits) => splits.map(compact) },
    ],
    series: [{}, ...series.map(({ label: name, color }, index) => ({
      label: name,
      stroke: colour(color ?? TONES[index % TONES.length]),
      width: 2,
      dash: index % 2 ? [6, 4] : undefined, // told apart without colours, too
      points: { show: bars ? false : undefined },
      ...(bars && { fill: colour(color ?? TONES[index % TONES.length]), paths: UPlot.paths.bars({ size: [0.7, 60] }) }),
    }))],
    hooks: { setCursor: [(self) => setAt(self.cursor.idx ?? null)] },
  };
}

/** The library is needed only where something is drawn. */
function load() {
  library ??= import("../vendor/uplot.js").then((module) => module.default);
  if (!document.querySelector("link[data-plot]")) {
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("../vendor/uplot.css", import.meta.url).href });
    sheet.dataset.plot = "";
    document.head.append(sheet);
  }
  return library;
}

function useDark() {
  const [dark, setDark] = useState(DARK.matches);
  useEffect(() => {
    const changed = () => setDark(DARK.matches);
    DARK.addEventListener("change", changed);
    return () => DARK.removeEventListener("change", changed);
  }, []);
  return dark;
}

function label(at, bars, x) {
  if (!bars) return moment(at, x);
  return x[at] === undefined ? "" : moment(x[at], x);
}

const FORMATS = [
  [600, { hour: "2-digit", minute: "2-digit", second: "2-digit" }],
  [86_400, { hour: "2-digit", minute: "2-digit" }],
  [Infinity, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }],
].map(([span, options]) => [span, new Intl.DateTimeFormat(undefined, options)]);

/** A time, as exact as the span of all times asks for. */
function moment(second, x) {
  const span = (x.at(-1) ?? 0) - (x[0] ?? 0);
  return FORMATS.find(([limit]) => span <= limit)[1].format(second * 1000);
}

const rounded = (value) => (value === null || value === undefined ? value : Math.round(value * 10) / 10);

function readout({ x, series, unit }, at) {
  if (at === null || x[at] === undefined) return "";
  return `${moment(x[at], x)}: ${series.map(({ label, values }) => `${label} ${number(rounded(values[at]))}`).join(", ")} ${unit}`;
}

function summary({ title, x, series, unit }) {
  if (!x.length) return `${title}: nothing yet`;
  const parts = series.map(({ label, values }) => {
    const known = values.filter((value) => value !== null && value !== undefined);
    if (!known.length) return `${label} unknown`;
    const most = known.reduce((one, other) => Math.max(one, other));
    return `${label} at most ${number(rounded(most))} ${unit}, at the end ${number(rounded(known.at(-1)))}`;
  });
  return `${title}, ${moment(x[0], x)} to ${moment(x.at(-1), x)}: ${parts.join("; ")}`;
}
