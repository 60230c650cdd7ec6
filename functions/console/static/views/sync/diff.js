/* What a change would make of a text, line by line. */

import { html } from "../../lib/html.js";

/** More pairs of lines than this are not compared: the whole middle is shown as changed. */
const MOST = 4_000_000;
/** Lines around a change that are shown, too. */
const AROUND = 2;

/** Return `[{sign: "-" | "+" | " ", text}]`. */
export function compare(before, after) {
  const one = before.split("\n"), two = after.split("\n");
  let start = 0, end = 0;
  while (start < one.length && start < two.length && one[start] === two[start]) start += 1;
  while (end < one.length - start && end < two.length - start && one.at(-1 - end) === two.at(-1 - end)) end += 1;
  const same = (text) => ({ sign: " ", text });
  const middle = between(one.slice(start, one.length - end), two.slice(start, two.length - end));
  return [...one.slice(0, start).map(same), ...middle, ...one.slice(one.length - end).map(same)];
}

function between(one, two) {
  const removed = (text) => ({ sign: "-", text }), added = (text) => ({ sign: "+", text });
  if (one.length * two.length > MOST || !one.length || !two.length) return [...one.map(removed), ...two.map(added)];
  const width = two.length + 1;
  const longest = new Uint32Array((one.length + 1) * width); // of the common lines from here on
  for (let i = one.length - 1; i >= 0; i -= 1)
    for (let j = two.length - 1; j >= 0; j -= 1)
      longest[i * width + j] = one[i] === two[j] ? longest[(i + 1) * width + j + 1] + 1 : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  const found = [];
  let i = 0, j = 0;
  while (i < one.length || j < two.length) {
    if (i < one.length && j < two.length && one[i] === two[j]) found.push({ sign: " ", text: one[i++] }), (j += 1);
    else if (i < one.length && (j >= two.length || longest[(i + 1) * width + j] >= longest[i * width + j + 1])) found.push(removed(one[i++]));
    else found.push(added(two[j++]));
  }
  return found;
}

export function Diff({ before, after, label = "Changes" }) {
  const lines = compare(before, after);
  if (lines.every((line) => line.sign === " ")) return html`<p>Nothing is changed.</p>`;
  const near = lines.map((_, at) => lines.slice(Math.max(0, at - AROUND), at + AROUND + 1).some((line) => line.sign !== " "));
  const parts = [];
  lines.forEach((line, at) => {
    if (near[at]) parts.push(line);
    else if (near[at - 1] || at === 0) parts.push({ sign: "…", text: "" });
  });
  return html`<div class="diff" role="region" aria-label=${label} tabindex="0">${parts.map(({ sign, text }) => {
    if (sign === "-") return html`<del><span aria-hidden="true">- </span>${text}</del>`;
    if (sign === "+") return html`<ins><span aria-hidden="true">+ </span>${text}</ins>`;
    return html`<div class="quiet">${sign} ${text}</div>`;
  })}</div>`;
}
