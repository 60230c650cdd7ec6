/* The document of a sync: edit it, save it as a file. */

import { html, useState } from "../../lib/html.js";
import { link } from "../../lib/router.js";
import { toYaml } from "../../components/yaml.js";
import { Failure } from "../../components/notice.js";
import { applicable, fetchSync, masked } from "./document.js";
import { Editor } from "./editor.js";

/** Return a document as it can be applied elsewhere; what looks secret is masked. */
export const yamlOf = async (name) => toYaml(masked(applicable(await fetchSync(name))).value);

export function Document({ sync, refresh }) {
  const [editing, setEditing] = useState(null);
  const [shown, setShown] = useState("");
  const [error, setError] = useState(null);
  const { name } = sync.metadata;
  const close = (saved) => {
    setEditing(null);
    if (saved) refresh();
  };
  if (!sync.spec) return html`<section aria-labelledby="document"><h2 id="document">Document</h2>
    <p>It cannot be read as the document of a sync, so it cannot be edited here. Correct its file, or apply it once more.</p></section>`;
  const attempt = (step) => step().then(() => setError(null), setError);
  const edit = async () => setEditing(await fetchSync(name));
  const show = async () => setShown(await yamlOf(name));
  return html`<section aria-labelledby="document"><h2 id="document">Document</h2>
    ${editing ? html`<${Editor} sync=${editing} close=${close} />` : html`
      <p class="row"><a role="button" class="outline" href=${link("new", { sync: name })}>Edit step by step</a>
        <button class="outline" onClick=${() => attempt(edit)}>Edit document</button>
        <button class="outline secondary" onClick=${() => attempt(() => download(name))}>Save as a file</button></p>
      <${Failure} error=${error} /><details onToggle=${(event) => event.target.open && attempt(show)}><summary>Show as YAML</summary><pre tabindex="0" role="region" aria-label="Document"><code>${shown}</code></pre></details>`}
  </section>`;
}

async function download(name) {
  const url = URL.createObjectURL(new Blob([await yamlOf(name)], { type: "application/yaml" }));
  const anchor = Object.assign(document.createElement("a"), { href: url, download: `${name}.yaml` });
  anchor.click();
  URL.revokeObjectURL(url);
}
