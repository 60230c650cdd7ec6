/* Controls of single values. */

import { html, useState } from "../../lib/html.js";
import { digitsOf, exact, isNumber, same } from "./json.js";
import { label as labelOf } from "./nodes.js";
import { Hint, Problem, useField } from "./parts.js";

/** A label above, the control, and what is wrong below. */
function Labelled({ field, node, label, hideLabel, children }) {
  return html`<div class="field">
    <label for=${field.id} class=${hideLabel ? "unseen" : ""}>${label}</label>
    <${Hint} node=${node} field=${field} />
    ${children}
    <${Problem} field=${field} />
  </div>`;
}

const filled = (text) => (text === "" ? undefined : text);

export function TextInput(props) {
  const { node, value = "", onChange, required, label, hideLabel, keepEmpty } = props;
  const field = useField(props);
  const text = value ?? "";
  const common = {
    id: field.id, value: text, "aria-describedby": field.about, "aria-invalid": field.invalid, "aria-required": required ? "true" : undefined,
    autocomplete: "off", autocapitalize: "off", spellcheck: false,
    onInput: (event) => onChange(keepEmpty ? event.target.value : filled(event.target.value)),
  };
  const long = node.schema.multiline === true || text.includes("\n");
  return html`<${Labelled} field=${field} node=${node} label=${label} hideLabel=${hideLabel}>
    ${long ? html`<textarea rows="4" ...${common}></textarea>` : html`<input type="text" ...${common} />`}
  </${Labelled}>`;
}

export function DateInput(props) {
  const { node, value, onChange, required, label } = props;
  const field = useField(props);
  return html`<${Labelled} field=${field} node=${node} label=${label}>
    <input type="date" id=${field.id} value=${value ?? ""} aria-describedby=${field.about} aria-invalid=${field.invalid}
      aria-required=${required ? "true" : undefined} onInput=${(event) => onChange(filled(event.target.value))} />
  </${Labelled}>`;
}

/** A number as text: it keeps its digits, and what is no number yet stays as it is typed. */
export function NumberInput(props) {
  const { node, value, onChange, required, label, hideLabel } = props;
  const field = useField(props);
  const [draft, setDraft] = useState("");
  const text = same(numberOf(draft), value ?? undefined) ? draft : value === null || value === undefined ? "" : digitsOf(value);
  const typed = (event) => {
    setDraft(event.target.value);
    onChange(numberOf(event.target.value));
  };
  return html`<${Labelled} field=${field} node=${node} label=${label} hideLabel=${hideLabel}>
    <input type="text" inputmode=${node.kind === "integer" ? "numeric" : "decimal"} class="number" id=${field.id} value=${text} autocomplete="off"
      aria-describedby=${field.about} aria-invalid=${field.invalid} aria-required=${required ? "true" : undefined} onInput=${typed} />
  </${Labelled}>`;
}

function numberOf(text) {
  const plain = text.trim().replace(/^\+/, "").replace(/^(-?)0+(?=\d)/, "$1");
  return isNumber(plain) ? exact(plain) : filled(text.trim());
}

export function BooleanInput(props) {
  const { node, value, onChange, label } = props;
  const field = useField(props);
  return html`<div class="field">
    <label for=${field.id}><input type="checkbox" id=${field.id} checked=${(value ?? node.schema.default) === true} aria-describedby=${field.about} aria-invalid=${field.invalid}
      onInput=${(event) => onChange(event.target.checked)} />${label}</label>
    <${Hint} node=${node} field=${field} />
    <${Problem} field=${field} />
  </div>`;
}

export function EnumInput(props) {
  const { node, value, onChange, required, label, hideLabel } = props;
  const field = useField(props);
  const { options } = node;
  const empty = value === undefined || value === null;
  const at = options.findIndex((option) => same(option.value, value));
  const chosen = empty ? "" : at < 0 ? "other" : String(at);
  const choose = ({ target }) => target.value !== "other" && onChange(target.value === "" ? undefined : options[Number(target.value)].value);
  return html`<${Labelled} field=${field} node=${node} label=${label} hideLabel=${hideLabel}>
    <select id=${field.id} value=${chosen} aria-describedby=${field.about} aria-invalid=${field.invalid} aria-required=${required ? "true" : undefined} onChange=${choose}>
      ${(!required || empty) && html`<option value="" selected=${chosen === ""}>${required ? "Choose ..." : "Not set"}</option>`}
      ${at < 0 && !empty && html`<option value="other" selected>${labelOf(value)} (not one of the choices)</option>`}
      ${options.map((option, index) => html`<option key=${index} value=${String(index)} selected=${index === at}>${option.label}</option>`)}
    </select>
  </${Labelled}>`;
}
