/* For each secret of a configuration: the Secret and key that a saved sync refers to, and the command that makes them. */

import { html } from "../../lib/html.js";
import { CopyMenu } from "../../components/copy.js";
import { secretCommands } from "./commands.js";
import { secretRefs } from "./document.js";
import { parts } from "./pointers.js";

export function SecretFields({ draft, change, namespace }) {
  const refs = secretRefs(draft);
  if (!refs.size) return null;
  const commands = secretCommands(refs.values(), namespace);
  const set = (place, ref) => change((before) => ({ refs: [...new Map(before.refs).set(place, ref)] }));
  const leave = (place) => change((before) => ({ lost: before.lost.filter((one) => one !== place) }));
  return html`<fieldset class="secrets"><legend>Secrets</legend>
    <p class="quiet">A saved sync has references in the place of secrets. The values that you typed are used for a check, a discover and a run from this page, and are kept nowhere.</p>
    ${[...refs].map(([place, ref]) => {
      const field = parts(place).join(".");
      return html`<div class="grid" key=${place}>
        <p class="given"><span>Field</span><code>${field}</code></p>
        <label>Secret<input value=${ref.name} required spellcheck=${false} autocomplete="off" autocapitalize="none" aria-label=${`Secret of ${field}`} onInput=${(event) => set(place, { ...ref, name: event.target.value })} /></label>
        <label>Key<input value=${ref.key} required spellcheck=${false} autocomplete="off" autocapitalize="none" aria-label=${`Key of ${field}`} onInput=${(event) => set(place, { ...ref, key: event.target.value })} /></label>
        ${draft.lost.includes(place) && html`<button type="button" class="plain" aria-label=${`Leave out ${field}`} onClick=${() => leave(place)}>Leave out</button>`}
      </div>`;
    })}
    <p>Keep the values before the first run. These commands ask for them:</p>
    <p class="quiet">On one machine</p><pre tabindex="0" aria-label="Command for one machine"><code>${commands.syncctl}</code></pre>
    <p class="quiet">On a cluster, in bash; for a value of several lines, name a file: <code>--from-file=KEY=FILE</code></p>
    <pre tabindex="0" aria-label="Command for a cluster"><code>${commands.kubectl}</code></pre>
    <${CopyMenu} label="Copy the command for" entries=${[{ name: "syncctl secret", text: () => commands.syncctl }, { name: "kubectl secret", text: () => commands.kubectl }]} />
  </fieldset>`;
}
