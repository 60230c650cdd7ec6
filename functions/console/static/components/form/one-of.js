/* One of several forms: which one, then its fields. */

import { html, useRef, useState } from "../../lib/html.js";
import { isObject, same } from "./json.js";
import { member } from "./pointers.js";
import { Field } from "./field.js";
import { Members } from "./object.js";
import { Hint, Problem, Rich, useField } from "./parts.js";
import { isEmpty, startVariant, variantOf } from "./values.js";

export function OneOf(props) {
  const { node, value, onChange, required, label, form, hideLabel } = props;
  const field = useField(props);
  const [picked, setPicked] = useState(0);
  const left = useRef(new Map()); // what the others held, should one return to them
  const now = variantOf(node, value, picked);
  const variant = node.variants[now];
  const choose = ({ target }) => {
    if (now >= 0) left.current.set(now, value);
    const next = target.value === "" ? -1 : Number(target.value);
    setPicked(Math.max(next, 0));
    onChange(next < 0 ? undefined : (left.current.get(next) ?? switched(node, now, next, value)));
  };
  const offered = node.variants.map((one, at) => [one, at]).filter(([one, at]) => at === now || !one.node.hidden || node.hidden);
  return html`<div class="field one">
    <label for=${field.id} class=${hideLabel ? "unseen" : ""}>${label}</label>
    <${Hint} node=${node} field=${field} />
    <select id=${field.id} value=${now < 0 ? "" : String(now)} aria-describedby=${field.about} aria-invalid=${field.invalid} aria-required=${required ? "true" : undefined} onChange=${choose}>
      ${(!required || now < 0) && html`<option value="" selected=${now < 0}>${required || !isEmpty(value) ? "Choose ..." : "Not set"}</option>`}
      ${offered.map(([one, at]) => html`<option key=${at} value=${String(at)} selected=${at === now}>${one.title}</option>`)}
    </select>
    <${Problem} field=${field} />
    ${variant && html`<${Variant} key=${now} ...${props} variant=${variant} form=${form} />`}
    ${!variant && !isEmpty(value) && html`<${Field} ...${props} node=${node.inner({}, node.name)} part="value" label=${`${label} as JSON`} />`}
  </div>`;
}

function Variant({ variant, label, value, pointer, onChange, form }) {
  const { node, tags, title } = variant;
  if (node.kind !== "object") return html`<${Field} node=${node} value=${value} pointer=${pointer} part="value" onChange=${onChange} form=${form} label=${`${label}: ${title}`} required=${true} />`;
  const fixed = Object.keys(tags).filter((name) => same(member(value, name), tags[name]));
  return html`<fieldset class="nested" aria-label=${`${label}: ${title}`}>
    ${node.schema.description && html`<small class="hint"><${Rich} text=${node.schema.description} /></small>`}
    <${Members} node=${node} pointer=${pointer} value=${value} onChange=${onChange} form=${form} label=${title} fixed=${fixed} />
  </fieldset>`;
}

/** What a newly chosen form begins with: members that both have, and those that neither has. */
function switched(node, now, next, value) {
  const { node: from } = node.variants[now] ?? {};
  const { node: to, tags } = node.variants[next];
  if (to.kind !== "object" || !isObject(value)) return startVariant(node.variants[next]) ?? emptyOf(to);
  const isKept = (name) => !Object.hasOwn(tags, name) && (from?.field?.(name) ? to.field(name) && to.field(name).node.kind === from.field(name).node.kind && !Object.hasOwn(node.variants[now].tags, name) : !to.field(name));
  const kept = Object.entries(value).filter(([name]) => isKept(name));
  return { ...startVariant(node.variants[next]), ...Object.fromEntries(kept) };
}

const emptyOf = (node) => ({ text: "", integer: 0, number: 0, enum: node.kind === "enum" ? node.options[0]?.value : "" })[node.kind] ?? null;
