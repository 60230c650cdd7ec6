/* A secret: dots, which can be shown while they are typed, and never again. */

import { html, useState } from "../../lib/html.js";
import { Hint, Problem, useField } from "./parts.js";

export function SecretInput(props) {
  const { node, value, onChange, required, label, hideLabel } = props;
  const field = useField(props);
  const [{ typed, shown }, setState] = useState({ typed: false, shown: false });
  const text = value ?? "";
  const input = (event) => {
    setState({ typed: event.target.value !== "", shown });
    onChange(event.target.value === "" ? undefined : event.target.value);
  };
  const left = (event) => !event.currentTarget.contains(event.relatedTarget) && setState({ typed: false, shown: false });
  const common = {
    id: field.id, value: String(text), "aria-describedby": field.about, "aria-invalid": field.invalid, "aria-required": required ? "true" : undefined,
    autocomplete: "new-password", autocapitalize: "off", spellcheck: false, onInput: input, placeholder: field.stored ? "••••••••" : undefined,
  };
  const long = node.schema.multiline === true || String(text).includes("\n");
  return html`<div class="field">
    <label for=${field.id} class=${hideLabel ? "unseen" : ""}>${label}</label>
    <${Hint} node=${node} field=${field} />
    <div class="secret" onFocusOut=${left}>
      ${long ? html`<textarea rows="4" class=${shown ? "" : "dots"} ...${common}></textarea>` : html`<input type=${shown ? "text" : "password"} ...${common} />`}
      <button type="button" class="secondary outline" aria-label=${`${shown ? "Hide" : "Show"} ${label}`} disabled=${!typed}
        onClick=${() => setState({ typed, shown: !shown })}>${shown ? "Hide" : "Show"}</button>
    </div>
    <${Problem} field=${field} />
  </div>`;
}
