/* The saved states of a sync: seen, edited, forgotten, taken back, given to another sync. */

import { html, useEffect, useState } from "../../lib/html.js";
import { address } from "../../lib/api.js";
import { IDLE_MS, usePoll } from "../../lib/poll.js";
import { link } from "../../lib/router.js";
import { argument, CopyMenu, curl } from "../../components/copy.js";
import { Failure, Loading } from "../../components/notice.js";
import { Time } from "../../components/time.js";
import { wrongState } from "./json.js";
import { CopyQuestion, fetchState, ResetQuestion, SaveQuestion, UndoQuestion } from "./state-questions.js";

/** A state that is longer than this is shown in part, and is edited from a terminal. */
const LONG = 200_000;

/** States may be megabytes, and their answer has no ETag. */
const ACTIVE_MS = 15_000;

/** `name` is that of a declared sync, or a syncId; `active` its read that goes on. */
export function States({ name, active }) {
  const url = address("syncs", name, "state");
  const { body, error, at, refresh } = usePoll(url, (found) => (found.activeTask ? ACTIVE_MS : IDLE_MS));
  const [question, setQuestion] = useState(null);
  useEffect(refresh, [active]);
  const close = (answer) => {
    setQuestion(null);
    if (answer !== undefined) refresh();
  };
  const shared = { name, active: body?.activeTask, failed: refresh, close };
  const keys = Object.keys(body?.states ?? {});
  return html`<section aria-labelledby="states"><h2 id="states">States</h2>
    ${error?.status === 404 ? html`<p>No states are saved.</p>` : html`<${Failure} error=${error} at=${at} />`}
    ${!body && !error && html`<${Loading} what="the states" />`}
    ${body && html`
      <${Active} task=${body.activeTask} />
      ${!keys.length && html`<p>No states are saved: the next read begins from nothing.</p>`}
      ${keys.sort().map((key, at) => html`<${One} key=${key} id=${`state-${at}`} name=${name} stream=${key} savedAt=${body.savedAt[key]} ask=${setQuestion} />`)}
      <p class="row">
        ${keys.length > 0 && html`<button class="outline danger-outline" onClick=${() => setQuestion({ kind: "reset" })}>Reset all states</button>
          <button class="outline secondary" onClick=${() => setQuestion({ kind: "copy" })}>Copy to another sync</button>`}
        ${body.undo && html`<button class="outline secondary" onClick=${() => setQuestion({ kind: "undo" })}>Undo the last change</button>
          <span class="quiet">${body.undo.action} of ${body.undo.states.join(", ") || "all"}, <${Time} at=${body.undo.at} /></span>`}
      </p>
      <${CopyMenu} entries=${[{ name: "curl", text: () => curl(url) }, { name: "syncctl", text: () => `syncctl state get ${argument(name)}` }]} />`}
    ${question?.kind === "reset" && html`<${ResetQuestion} ...${shared} stream=${question.stream} />`}
    ${question?.kind === "save" && html`<${SaveQuestion} ...${shared} ...${question} close=${(answer) => { close(answer); if (answer !== undefined) question.saved(); }} />`}
    ${question?.kind === "undo" && html`<${UndoQuestion} ...${shared} undo=${body.undo} />`}
    ${question?.kind === "copy" && html`<${CopyQuestion} ...${shared} />`}
  </section>`;
}

/** While a read goes on, its states cannot be changed: it would save its own over them. */
export function Active({ task }) {
  return task && html`<p class="bar busy">A read is active: <a href=${link("tasks", task)}>${task}</a>. States can be changed once it
    has ended, since it would save its own over yours. To change them now, cancel it there first.</p>`;
}

function One({ id, name, stream, savedAt, ask }) {
  const [open, setOpen] = useState(false);
  const [text, setText] = useState(null); // as it is saved
  const [draft, setDraft] = useState(null);
  const [error, setError] = useState(null);
  const load = async () => {
    try {
      setText(await fetchState(name, stream));
      setError(null);
    } catch (failed) {
      setError(failed);
    }
  };
  useEffect(() => {
    if (open) load();
  }, [open, savedAt]);
  const saved = () => {
    setDraft(null);
    load();
  };
  return html`<details class="state" onToggle=${(event) => setOpen(event.target.open)}>
    <summary><strong>${stream}</strong> <span class="quiet">saved <${Time} at=${savedAt} /></span></summary>
    <${Failure} error=${error} />
    ${open && text === null && !error && html`<${Loading} what="the state" />`}
    ${open && text !== null && draft === null && html`
      <pre tabindex="0" role="region" aria-label=${`State of ${stream}`}><code>${text.slice(0, LONG)}${text.length > LONG ? "\n…" : ""}</code></pre>
      <p class="row">${text.length > LONG ? html`<span>Too long to edit here: use <code>syncctl state set</code>.</span>`
        : html`<button class="outline" onClick=${() => setDraft(text)}>Edit state</button>`}
        <button class="outline danger-outline" onClick=${() => ask({ kind: "reset", stream })}>Reset state</button></p>`}
    ${open && draft !== null && html`<${Editor} id=${id} stream=${stream} draft=${draft} changed=${draft !== text} onInput=${setDraft} leave=${() => setDraft(null)}
      review=${() => ask({ kind: "save", stream, before: text, after: draft, saved })} />`}
  </details>`;
}

function Editor({ id, stream, draft, changed, onInput, leave, review }) {
  const wrong = wrongState(draft);
  return html`
    <label>State of ${stream} as JSON
      <textarea class="code" rows=${Math.min(24, draft.split("\n").length + 2)} spellcheck="false" aria-invalid=${wrong ? "true" : undefined}
        aria-describedby=${id} value=${draft} onInput=${(event) => onInput(event.target.value)} /></label>
    <p id=${id} class="bad" role="alert">${wrong}</p>
    <p class="row"><button disabled=${Boolean(wrong) || !changed} onClick=${review}>Review the change</button>
      <button class="secondary outline" onClick=${leave}>Discard the change</button></p>`;
}
