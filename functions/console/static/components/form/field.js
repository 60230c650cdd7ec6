/* One place of the configuration, as the control that suits its node. */

import { html } from "../../lib/html.js";
import { BooleanInput, DateInput, EnumInput, NumberInput, TextInput } from "./inputs.js";
import { SecretInput } from "./secret-input.js";
import { Choices, List } from "./lists.js";
import { JsonText } from "./json-text.js";
import { Names } from "./names.js";
import { OneOf } from "./one-of.js";
import { ObjectField } from "./object.js";
import { pathsIn } from "./secrets.js";
import { Hint, Problem, useField } from "./parts.js";
import { fits, isReference } from "./values.js";

const CONTROLS = { integer: NumberInput, number: NumberInput, boolean: BooleanInput, choices: Choices, list: List, map: Names, one: OneOf, object: ObjectField, json: JsonField };

/** `onChange(undefined)` takes the place out of the configuration. `label` stands for the node's own title. */
export function Field(props) {
  const { node, value } = props;
  const label = props.label ?? node.title;
  const Control = controlOf(node, value);
  return html`<${Control} ...${props} label=${label} />`;
}

function controlOf(node, value) {
  if (isReference(value)) return Reference;
  if (!fits(node, value)) return JsonField;
  if (node.kind === "enum") return node.secret ? SecretInput : EnumInput;
  if (node.kind !== "text") return CONTROLS[node.kind];
  if (node.secret) return SecretInput;
  return node.schema.format === "date" && /^(\d{4}-\d\d-\d\d)?$/.test(value ?? "") ? DateInput : TextInput;
}

/** What no other control can show, as JSON in its place. */
function JsonField(props) {
  const { node, pointer, value, onChange, form, label } = props;
  const field = useField(props);
  const odd = node.kind !== "json";
  return html`<div class="field">
    <label for=${field.id}>${label}</label>
    <${Hint} node=${node} field=${field} />
    ${odd && html`<small class="hint">This value does not have the form that the connector expects, so it is shown as JSON.</small>`}
    <${JsonText} id=${field.id} pointer=${pointer} value=${value} onChange=${onChange} about=${field.about} invalid=${field.invalid}
      secretsOf=${(one) => pathsIn(node, one)} noteBroken=${form.noteBroken} mayBeEmpty=${true} rows=${odd ? 3 : 6} />
    <${Problem} field=${field} />
  </div>`;
}

/** A value that a Secret of the cluster holds. */
function Reference(props) {
  const { value, onChange, label } = props;
  const field = useField(props);
  const { name, key } = value.valueFrom.secretKeyRef;
  return html`<fieldset class="field" aria-label=${label} id=${field.id} tabindex="-1" aria-describedby=${field.about}>
    <span class="label">${label}</span>
    <p class="row"><span>From the Secret <code>${String(name)}</code>, key <code>${String(key)}</code></span>
      <button type="button" class="plain" aria-label=${`Replace ${label}`} onClick=${() => onChange(undefined)}>Replace</button></p>
    <${Problem} field=${field} />
  </fieldset>`;
}
