/* An object whose names are free: a line of name and value each. */

import { html, useRef, useState } from "../../lib/html.js";
import { same } from "./json.js";
import { Field } from "./field.js";
import { Group } from "./lists.js";
import { useField } from "./parts.js";
import { domId, join } from "./pointers.js";
import { start } from "./values.js";

/** With `others`, the members that have fields of their own are left to those. */
export function Names(props) {
  const { node, pointer, onChange, required, label, form, others } = props;
  const value = props.value ?? {};
  const field = useField(others ? { ...props, part: "others" } : props);
  const { rows, setRows } = useRows(node, value);
  const send = (next) => {
    setRows(next);
    const usable = next.filter((row, at) => row.name !== "" && !doubles(next, at) && !node.field(row.name) && row.value !== undefined);
    const fixed = Object.entries(value).filter(([name]) => node.field(name));
    const all = Object.fromEntries([...fixed, ...usable.map((row) => [row.name, row.value])]);
    onChange(usable.length || required ? all : undefined);
  };
  const change = (id, what) => send(rows.map((row) => (row.id === id ? { ...row, ...what } : row)));
  const add = () => send([...rows, { id: newId(rows), name: "", value: start(node.extra) }]);
  return html`<${Group} field=${field} node=${others ? { schema: {} } : node} label=${label}>
    ${rows.map((row, at) => html`<${Row} key=${row.id} row=${row} at=${at} label=${label} node=${node.extra} form=${form} pointer=${join(pointer, row.name || `\u0000${row.id}`)}
      problem=${problemOf(node, rows, at)} change=${(what) => change(row.id, what)} remove=${() => send(rows.filter((one) => one !== row))} />`)}
    <button type="button" class="secondary outline" aria-label=${`Add to ${label}`} onClick=${add}>Add</button>
  </${Group}>`;
}

function Row({ row, at, label, node, form, pointer, problem, change, remove }) {
  const id = `${domId(pointer)}-name-${row.id}`;
  return html`<div class="line pair">
    <div class="field"><label for=${id}>${`Name ${at + 1}`}<span class="unseen"> of ${label}</span></label>
      <input type="text" id=${id} value=${row.name} autocomplete="off" spellcheck=${false} aria-invalid=${problem ? "true" : undefined} aria-describedby=${problem ? `${id}-error` : undefined}
        onInput=${(event) => change({ name: event.target.value })} />
      ${problem && html`<small class="problem bad" id="${id}-error">${problem}</small>`}</div>
    <${Field} node=${node} pointer=${pointer} value=${row.value} onChange=${(value) => change({ value })} form=${form} label=${`Value ${at + 1}`} required=${true} />
    <button type="button" class="plain" aria-label=${`Remove ${row.name || `row ${at + 1}`} of ${label}`} onClick=${remove}>Remove</button>
  </div>`;
}

/** Rows hold more than the value does: names not typed yet, or twice. They follow a value that was changed elsewhere. */
function useRows(node, value) {
  const given = Object.entries(value).filter(([name]) => !node.field(name));
  const [rows, setRows] = useState(() => fresh(given));
  const last = useRef(rows);
  const usable = rows.filter((row, at) => row.name !== "" && !doubles(rows, at) && row.value !== undefined && !node.field(row.name)).map((row) => [row.name, row.value]);
  let shown = rows;
  if (!same(Object.fromEntries(usable), Object.fromEntries(given)) && last.current === rows) shown = fresh(given);
  return { rows: shown, setRows: (next) => setRows((last.current = next)) };
}

const fresh = (entries) => entries.map(([name, value], at) => ({ id: at, name, value }));
const newId = (rows) => Math.max(-1, ...rows.map((row) => row.id)) + 1;
const doubles = (rows, at) => rows.slice(0, at).some((row) => row.name === rows[at].name);

function problemOf(node, rows, at) {
  const { name, value } = rows[at];
  if (name === "") return value === undefined || value === "" ? "" : "Give it a name: without one it is not sent.";
  if (doubles(rows, at)) return "This name is there already: only the first one is sent.";
  return node.field(name) ? "This name has a field of its own." : "";
}
