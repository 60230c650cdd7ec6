/* The form of a connector's spec, with the configuration's JSON beside it. */

import { html, useEffect, useMemo, useRef, useState } from "../../lib/html.js";
import { check } from "./check.js";
import { isObject } from "./json.js";
import { JsonText } from "./json-text.js";
import { rootOf } from "./nodes.js";
import { SignIn } from "./oauth.js";
import { Members } from "./object.js";
import { at, domId, join, parts } from "./pointers.js";
import { secretPaths } from "./secrets.js";
import { Summary } from "./summary.js";

export { check } from "./check.js";
export { parse as parseJson, write as writeJson } from "./json.js";
export { secretPaths } from "./secrets.js";
export { defaults } from "./values.js";

/**
 * `spec` is a SPEC result, `value` the configuration, `onChange(value)` gets each change. `problems` are messages by
 * pointer (as `check` returns them, or the connector's): shown at their fields and listed first. `secrets` are pointers of
 * secrets whose values are kept elsewhere. Raise `attempt` when a check has failed, and the first wrong field gets the
 * focus. `onBroken(true)` tells that a JSON text cannot be read, so that `value` is not what is shown.
 */
export function Form({ spec, value, onChange, problems = {}, secrets = [], attempt, onBroken }) {
  const node = useMemo(() => rootOf(spec), [spec]);
  const own = useOwnProblems(spec, value);
  const [reveal, setReveal] = useReveal(problems, attempt);
  const [broken, noteBroken] = useBroken(onBroken);
  const messages = { ...own.shown, ...problems };
  const form = { messages, pointers: Object.keys(messages), secrets, reveal, noteBroken };
  const config = isObject(value) ? value : {};
  return html`<div class="spec-form" onFocusOut=${own.left}>
    <${SignIn} spec=${spec} root=${node} />
    <${Summary} node=${node} value=${config} problems=${problems} broken=${broken} show=${setReveal} />
    <div class="fields">
      ${node.kind === "object"
        ? html`<${Members} node=${node} pointer="" value=${config} onChange=${onChange} form=${form} groups=${node.schema.groups} />`
        : html`<p class="quiet">This connector names no fields. ${Object.keys(node.schema).length > 2 ? "Write its configuration as JSON." : "It may need none."}</p>`}
    </div>
    <${Beside} spec=${spec} value=${config} onChange=${onChange} noteBroken=${noteBroken} />
  </div>`;
}

function Beside({ spec, value, onChange, noteBroken }) {
  return html`<div class="beside">
    <label for=${domId("")}>Configuration as JSON</label>
    <small class="quiet" id="${domId("")}-hint">The same configuration, with members that have no field. Secrets are shown as dots.</small>
    <${JsonText} id=${domId("")} pointer="" about="${domId("")}-hint" value=${value} onChange=${onChange} secretsOf=${(one) => secretPaths(spec, one)}
      expects=${(one) => (isObject(one) ? "" : "A configuration is a JSON object: { ... }")} noteBroken=${noteBroken} rows=${18} />
  </div>`;
}

/** Problems of fields that were left with something in them: what is still empty is no mistake yet. */
function useOwnProblems(spec, value) {
  const [touched, setTouched] = useState([]);
  const found = touched.length ? check(spec, value) : {};
  const shown = Object.entries(found).filter(([pointer]) => touched.includes(domId(pointer)) && ![undefined, ""].includes(at(value, pointer)));
  const left = ({ target }) => target.id?.startsWith("form:") && !touched.includes(target.id) && setTouched([...touched, target.id]);
  return { shown: Object.fromEntries(shown), left };
}

/** Which field is to be seen: it is unfolded, and gets the focus. */
function useReveal(problems, attempt) {
  const [reveal, setReveal] = useState(null);
  const before = useRef({ pointers: Object.keys(problems), attempt });
  useEffect(() => {
    const pointers = Object.keys(problems);
    const last = before.current;
    before.current = { pointers, attempt };
    const typing = document.activeElement?.closest?.(".spec-form");
    const isNew = !typing && pointers.some((pointer) => !last.pointers.includes(pointer));
    if (pointers.length && (attempt !== last.attempt || (attempt === undefined && isNew))) setReveal({ pointer: null, among: pointers });
  }, [problems, attempt]);
  useEffect(() => {
    if (!reveal) return;
    const place = reveal.pointer === null ? firstOf(reveal.among) : nearest(reveal.pointer);
    place?.focus();
  }, [reveal]);
  return [reveal, (pointer) => setReveal({ pointer, among: [pointer] })];
}

/** The first of the fields in the order of the page. */
function firstOf(pointers) {
  const places = new Set(pointers.map(nearest));
  return [...document.querySelectorAll('.spec-form [id^="form:"]')].find((element) => places.has(element));
}

/** A place's own field, or that of what it is in: at last the JSON of all. */
function nearest(pointer) {
  const names = parts(pointer);
  for (let count = names.length; count >= 0; count -= 1) {
    const found = document.getElementById(domId(names.slice(0, count).reduce(join, "")));
    if (found) return found;
  }
  return null;
}

function useBroken(onBroken) {
  const [broken, setBroken] = useState({});
  const note = (pointer, message) =>
    setBroken((before) => {
      const { [pointer]: _, ...others } = before;
      if ((before[pointer] ?? "") === message) return before;
      return message ? { ...others, [pointer]: message } : others;
    });
  const count = Object.keys(broken).length;
  useEffect(() => onBroken?.(count > 0), [count > 0]);
  return [broken, note];
}
