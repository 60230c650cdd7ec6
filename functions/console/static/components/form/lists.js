/* Arrays: of single values, of choices, of anything else. */

import { html, useEffect, useRef } from "../../lib/html.js";
import { same } from "./json.js";
import { label as labelOf } from "./nodes.js";
import { domId, join } from "./pointers.js";
import { start, startVariant } from "./values.js";
import { Field } from "./field.js";
import { Hint, Problem, useField } from "./parts.js";

/** A group of fields with a legend. */
export function Group({ field, node, label, children }) {
  return html`<fieldset class="group" id=${field.id} tabindex="-1" aria-describedby=${field.about}>
    <legend>${label}</legend>
    <${Hint} node=${node} field=${field} />
    <${Problem} field=${field} />
    ${children}
  </fieldset>`;
}

/** An array of an enum: a box for each choice, and for what is in the array beside them. */
export function Choices(props) {
  const { node, value, onChange, required, label } = props;
  const field = useField(props);
  const now = value ?? [];
  const others = now.filter((one) => !node.item.options.some((option) => same(option.value, one))).map((one) => ({ value: one, label: `${labelOf(one)} (not one of the choices)` }));
  const has = (one) => now.some((other) => same(other, one));
  const turn = (one) => ({ target }) => {
    const next = target.checked ? [...now, one] : now.filter((other) => !same(other, one));
    onChange(next.length || required ? next : undefined);
  };
  return html`<${Group} field=${field} node=${node} label=${label}>
    <div class="boxes">${[...node.item.options, ...others].map((option) =>
      html`<label key=${labelOf(option.value)}><input type="checkbox" checked=${has(option.value)} onInput=${turn(option.value)} />${option.label}</label>`)}</div>
  </${Group}>`;
}

export function List(props) {
  const simple = ["text", "integer", "number"].includes(props.node.item.kind);
  return simple ? html`<${Lines} ...${props} />` : html`<${Items} ...${props} />`;
}

/** Single values: a line each, and an empty one at the end that becomes the next. */
function Lines(props) {
  const { node, pointer, value, onChange, required, label, form } = props;
  const field = useField(props);
  const now = value ?? [];
  const send = (next) => onChange(next.length || required ? next : undefined);
  const set = (at) => (one) => send(at < now.length ? now.map((old, index) => (index === at ? (one ?? "") : old)) : one === undefined ? now : [...now, one]);
  const tidy = (at) => () => now[at] === "" && send(now.filter((_, index) => index !== at));
  const remove = (at) => () => send(now.filter((_, index) => index !== at));
  const paste = (at) => (event) => {
    const lines = (event.clipboardData?.getData("text") ?? "").split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
    if (lines.length < 2 || node.item.kind !== "text") return;
    event.preventDefault(); // a list that is pasted becomes a line each
    send([...now.slice(0, at), ...lines, ...now.slice(at + 1)]);
  };
  return html`<${Group} field=${field} node=${node} label=${label}>
    ${[...now, undefined].map((one, at) => html`<div class="line" key=${at} onFocusOut=${tidy(at)} onPaste=${paste(at)}>
      <${Field} node=${node.item} pointer=${join(pointer, at)} value=${one} onChange=${set(at)} form=${form} label=${`${label} ${at + 1}`} hideLabel=${true} />
      ${at < now.length && html`<button type="button" class="plain" aria-label=${`Remove ${label} ${at + 1}`} onClick=${remove(at)}>Remove</button>`}
    </div>`)}
  </${Group}>`;
}

/** Objects and other forms: a card each. */
function Items(props) {
  const { node, pointer, value, onChange, required, label, form } = props;
  const field = useField(props);
  const added = useRef(null);
  const now = value ?? [];
  useEffect(() => {
    if (added.current === null) return;
    document.getElementById(domId(join(pointer, added.current)))?.focus();
    added.current = null;
  });
  const send = (next) => onChange(next.length || required ? next : undefined);
  const add = () => {
    added.current = now.length;
    send([...now, begin(node.item)]);
  };
  return html`<${Group} field=${field} node=${node} label=${label}>
    ${now.map((one, at) => html`<div class="card" key=${at}>
      <${Field} node=${node.item} pointer=${join(pointer, at)} value=${one} required=${true} form=${form} label=${`${label} ${at + 1}`}
        onChange=${(next) => send(now.map((old, index) => (index === at ? (next ?? null) : old)))} />
      <button type="button" class="plain" aria-label=${`Remove ${label} ${at + 1}`} onClick=${() => send(now.filter((_, index) => index !== at))}>Remove</button>
    </div>`)}
    <button type="button" class="secondary outline" aria-label=${`Add to ${label}`} onClick=${add}>Add</button>
  </${Group}>`;
}

/** What an item holds once it is added. */
function begin(node) {
  const made = node.kind === "one" ? startVariant(node.variants[0]) : start(node);
  return made === undefined ? null : made;
}
