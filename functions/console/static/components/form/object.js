/* Objects: what has to be filled in first, what may be is folded. */

import { html, useRef, useState } from "../../lib/html.js";
import { Field } from "./field.js";
import { Group } from "./lists.js";
import { Names } from "./names.js";
import { isWithin, join, member, put } from "./pointers.js";
import { start } from "./values.js";
import { useField } from "./parts.js";

const MANY = 60;

export function ObjectField(props) {
  const { node, value, onChange, required, label } = props;
  const field = useField(props);
  const isThere = value !== undefined && value !== null;
  const whole = required && !node.loop;
  return html`<${Group} field=${field} node=${node} label=${label}>
    ${isThere || whole ? html`<div class="nested"><${Members} ...${props} value=${value ?? {}} /></div>` : html`<button type="button" class="secondary outline" onClick=${() => onChange(start(node))}>Add ${label}</button>`}
    ${isThere && !required && html`<button type="button" class="plain" onClick=${() => onChange(undefined)}>Remove ${label}</button>`}
  </${Group}>`;
}

/** An object's fields, by groups. `fixed` are names that something else decides. */
export function Members({ node, pointer, value, onChange, form, label, groups, fixed = [] }) {
  const shown = node.fields.filter((one) => !fixed.includes(one.name) && (!one.node.hidden || form.pointers.some((place) => isWithin(place, join(pointer, one.name)))));
  const one = (found) => html`<${Field} key=${found.name} node=${found.node} pointer=${join(pointer, found.name)} value=${member(value, found.name)} required=${found.required}
    form=${form} onChange=${(next) => onChange(put(value, found.name, next))} />`;
  const props = { pointer, value, form, one };
  return html`
    ${sections(shown, groups).map(({ title, fields }) => html`<${Section} key=${title} ...${props} title=${title} of=${title || label} fields=${fields} alone=${!label && fields.length === shown.length} />`)}
    ${node.extra && html`<${Names} node=${node} pointer=${pointer} value=${value} onChange=${onChange} form=${form} label="More names and values" required=${true} others=${true} />`}
  `;
}

/** Fields without a group come first, then the groups as the spec lists them, then those that it does not list. */
function sections(fields, groups) {
  if (!groups?.length) return [{ title: "", fields }];
  const titles = new Map([["", ""]]);
  for (const group of groups) if (typeof group?.id === "string") titles.set(group.id, typeof group.title === "string" ? group.title : group.id);
  const place = ({ node }) => (titles.has(node.schema.group) ? node.schema.group : "");
  return [...titles].map(([id, title]) => ({ title, fields: fields.filter((field) => place(field) === id) })).filter((section) => section.fields.length);
}

function Section({ title, of, fields, alone, ...props }) {
  const first = fields.filter((field) => field.required || field.node.schema.always_show === true || field.node.hidden);
  const later = fields.filter((field) => !first.includes(field));
  const set = later.filter((field) => member(props.value, field.name) !== undefined).length;
  const body = html`
    <${Some} ...${props} fields=${first} />
    ${later.length > 0 && html`<${Fold} ...${props} fields=${later} open=${alone && !first.length}
      summary=${html`Optional fields${of ? ` of ${of}` : ""} <span class="count quiet">${later.length}${set ? `, ${set} set` : ""}</span>`} />`}`;
  return title ? html`<section class="section" aria-label=${title}><h3>${title}</h3>${body}</section>` : body;
}

/** Whether what is to be seen is in one of these fields. */
const holds = (form, pointer, fields) => form.reveal?.among.some((place) => fields.some((field) => isWithin(place, join(pointer, field.name))));

/** Fields that are made when they are unfolded, by hand or because one of them is to be seen. */
function Fold({ fields, summary, open: before, ...props }) {
  const [open, setOpen] = useState(before);
  const seen = useRef(null);
  const wanted = props.form.reveal !== seen.current && holds(props.form, props.pointer, fields);
  seen.current = props.form.reveal;
  if (wanted && !open) setOpen(true);
  const isOpen = open || wanted;
  return html`<details class="fold" open=${isOpen} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>${summary}</summary>
    ${isOpen && html`<${Some} ...${props} fields=${fields} />`}
  </details>`;
}

/** Thousands of fields take long to show: the first ones, then as many as are asked for. */
function Some({ fields, one, form, pointer }) {
  const [count, setCount] = useState(MANY);
  const all = count >= fields.length || holds(form, pointer, fields.slice(count));
  const shown = all ? fields : fields.slice(0, count);
  return html`${shown.map(one)}
    ${!all && html`<button type="button" class="secondary outline" onClick=${() => setCount(count * 4)}>Show more fields (${fields.length - count} left)</button>`}`;
}
