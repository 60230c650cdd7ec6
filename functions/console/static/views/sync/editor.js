/* The document of a sync as YAML: looked at, edited, checked and saved. */

import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { change } from "../../lib/api.js";
import { Question } from "../../components/dialog.js";
import { Failure } from "../../components/notice.js";
import { toYaml } from "../../components/yaml.js";
import { announce } from "../../components/announcer.js";
import { applicable, fetchSync, masked, unmasked } from "./document.js";
import { Diff } from "./diff.js";

const YAML = "application/yaml";

/** `sync` is what is shown when editing begins; `close(saved)` at the end. */
export function Editor({ sync, close }) {
  const name = sync.metadata.name;
  const [base, setBase] = useState(null); // {text, hidden} of the document that the change is based on
  const [text, setText] = useState("");
  const [state, setState] = useState({});
  /** `mine` is the text that is kept, as a change of this document, with what its marks stand for: the document's own
      marks may be other values. */
  const start = async (document, mine) => {
    const { value, hidden } = masked(applicable(document, ["resourceVersion"]));
    const yaml = await toYaml(value);
    setBase({ text: yaml, hidden: mine?.hidden ?? hidden, version: document.metadata.resourceVersion });
    setText(mine?.text ?? yaml);
  };
  useEffect(() => {
    fetchSync(name).then((document) => start(document)).catch((error) => setState({ error }));
  }, []);
  if (!base) return html`<${Failure} error=${state.error} />`;
  const put = (query) => change("PUT", ["syncs", name, query], unmasked(text, base.hidden), YAML);
  /** Return the answer; or show what is wrong, and return nothing. */
  const attempt = async (query) => {
    setState((now) => ({ ...now, busy: true }));
    try {
      const answer = await put(query);
      setState({});
      return answer;
    } catch (error) {
      setState(error.status === 409 ? { conflict: true } : { error, problems: error.details?.problems ?? [] });
      announce(error.status === 409 ? "Somebody else has changed this sync." : error.message);
      return undefined;
    }
  };
  const save = async () => {
    const answer = await attempt({});
    if (!answer) throw new Error("It has not been saved."); // the editor says why
    return answer;
  };
  const review = async () => {
    const checked = await attempt({ dryRun: "true" });
    if (checked?.result === "unchanged") setState({ note: "It can be used, and says the same as the document that is there." });
    else if (checked) setState({ asked: true });
  };
  const check = async () => {
    const checked = await attempt({ dryRun: "true" });
    if (checked) setState({ note: checked.result === "unchanged" ? "It can be used, and says the same as the document that is there." : "It can be used." });
  };
  const theirs = async (mine) => {
    setState((now) => ({ ...now, busy: true })); // what is reviewed before it is there would be the text before
    try {
      const now = await fetchSync(name);
      await start(now, mine && { text: rebased(text, now.metadata.resourceVersion), hidden: base.hidden });
    } catch (error) {
      return void setState({ error, conflict: true });
    }
    setState({ note: mine ? "Your text is based on theirs now: review shows what it would change of it." : "This is their document." });
  };
  return html`<div class="editor">
    ${base.hidden.size > 0 && html`<p class="quiet">Values that look secret are hidden here and stay as they are; type over a mark to change one.
      Better keep them as references (<code>valueFrom</code>): all who may read a sync read its document.</p>`}
    <${Code} text=${text} problems=${state.problems ?? []} onInput=${(next) => { setText(next); setState({}); }} />
    ${state.error && !state.problems?.length && html`<${Failure} error=${state.error} />`}
    ${state.note && html`<p class="bar good" role="status">${state.note}</p>`}
    ${state.conflict && html`<div class="bar warn" role="alert"><p>Somebody else has changed ${name} since you opened it. Your text has not been saved.</p>
      <p class="row"><button class="outline" onClick=${() => theirs(false)}>Load theirs</button> <button class="outline secondary" onClick=${() => theirs(true)}>Keep my text, based on theirs</button></p></div>`}
    <p class="row"><button disabled=${state.busy} aria-busy=${state.busy ? "true" : undefined} onClick=${review}>Review and save</button>
      <button class="outline" disabled=${state.busy} onClick=${check}>Check</button>
      <button class="secondary outline" onClick=${() => close(false)}>Discard the change</button></p>
    ${state.asked && html`<${Question} title=${`Save ${name}?`} verb="Save" done=${`${name} is saved.`} act=${save}
      close=${(answer) => (answer ? close(true) : setState((now) => ({ ...now, asked: false })))}>
      <${Diff} before=${base.text} after=${text} label="Changes of the document" />
      <p>It counts from the next run on; a run that goes on ends as it began. Tables and states stay. If the document is kept in git,
        change it there too, or the next apply takes this back.</p>
    </${Question}>`}
  </div>`;
}

/** The same text, as a change of a later version; toYaml may have written JSON. */
const rebased = (text, version) =>
  text.replace(/^(\s+("?)resourceVersion\2:).*?(,?)$/m, (_, key, _quote, end) => `${key} ${JSON.stringify(version)}${end}`);

function Code({ text, problems, onInput }) {
  const area = useRef(null);
  const gutter = useRef(null);
  const marked = new Set(problems.map((problem) => problem.line));
  const lines = text.split("\n");
  const to = (line) => {
    const from = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    area.current.focus();
    area.current.setSelectionRange(from, from + (lines[line - 1]?.length ?? 0));
  };
  return html`<div class="with-lines">
      <div class="lines" ref=${gutter} aria-hidden="true">${lines.map((_, at) => html`<div class=${marked.has(at + 1) ? "bad" : ""}>${marked.has(at + 1) ? "● " : ""}${at + 1}</div>`)}</div>
      <textarea ref=${area} class="code" aria-label="Document as YAML" spellcheck="false" wrap="off" rows=${Math.min(30, lines.length + 1)} value=${text}
        aria-invalid=${problems.length ? "true" : undefined} aria-describedby="problems"
        onInput=${(event) => onInput(event.target.value)} onScroll=${(event) => (gutter.current.scrollTop = event.target.scrollTop)} />
    </div>
    <div id="problems" role="alert">${problems.length > 0 && html`<ul class="problems">${problems.map((problem) => html`<li class="bad">
      ${problem.line ? html`<button class="plain" onClick=${() => to(problem.line)}>Line ${problem.line}</button> <code>${(lines[problem.line - 1] ?? "").trim().slice(0, 120)}</code>: ` : ""}
      ${problem.field}: ${problem.message}</li>`)}</ul>`}</div>`;
}
