/* One step of New: its number, title and state; open, closed with a summary, or locked. */

import { html, useEffect, useRef } from "../../lib/html.js";

const MARKS = {
  done: ["✓", "done", "good"],
  busy: ["▶", "running", "busy"],
  bad: ["✗", "needs you", "bad"],
  skipped: ["–", "skipped", "quiet"],
  open: ["○", "to do", "quiet"],
  locked: ["·", "later", "quiet"],
};

/** `state` is one of MARKS. `show` opens it; `focus` takes the focus when it opens, as after "Continue". */
export function Step({ id, number, title, state, summary, isOpen, show, focus, children }) {
  const heading = useRef(null);
  useEffect(() => {
    if (isOpen && focus) heading.current.focus();
  }, [isOpen]);
  const [icon, word, tone] = MARKS[state];
  return html`<section class=${`step ${isOpen ? "current" : ""} ${state}`} aria-labelledby=${`step-${id}`}>
    <header class="row">
      <h2 id=${`step-${id}`} tabindex="-1" ref=${heading} aria-current=${isOpen ? "step" : undefined}>
        <span class="ordinal" aria-hidden="true">${number}</span> ${title}</h2>
      <span class=${`status ${tone}`}><span aria-hidden="true">${icon}</span> ${word}</span>
      ${!isOpen && html`<span class="outcome">${summary}</span>`}
      ${!isOpen && state !== "locked" && html`<button type="button" class="plain" aria-label=${`Open: ${title}`} onClick=${show}>${state === "open" ? "Open" : "Change"}</button>`}
    </header>
    ${isOpen && html`<div class="body">${children}</div>`}
  </section>`;
}

/** What the server has against this part of the document. */
export function Problems({ problems }) {
  if (!problems?.length) return null;
  return html`<div class="bar bad" role="alert">${problems.map(({ field, message }) => html`<p><code>${field}</code>: ${message}</p>`)}</div>`;
}
