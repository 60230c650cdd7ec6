/* Step 1: which connector. An image, or a manifest that Airbyte's CDK runs. */

import { html, useEffect, useMemo, useState } from "../../lib/html.js";
import { address, get } from "../../lib/api.js";
import { Failure } from "../../components/notice.js";
import { imageOf, imageProblem, MANIFEST_IMAGE, splitImage } from "./document.js";
import { reopened } from "./draft.js";
import { useStart } from "./task.js";
import { Problems } from "./step.js";

/** `manifest` is `{value, problem}` of the draft's text; `next()` goes on once the specification is asked for. */
export function ImageStep({ draft, change, manifest, problems, next }) {
  const { start, busy, error } = useStart();
  const [tried, setTried] = useState(false);
  const known = useImages();
  const wrong = draft.kind === "image" ? imageProblem(draft.image) : draft.image.trim() ? imageProblem(draft.image) : "";
  const bad = wrong || (draft.kind === "manifest" ? manifest.problem : "");
  const submit = (event) => {
    event.preventDefault();
    setTried(true);
    if (bad) return;
    const asked = imageOf(draft);
    if (draft.kind === "manifest" || (draft.spec && draft.specOf === asked)) return next();
    start(() => get("spec", splitImage(asked)), (spec) => {
      change((before) => ({ spec, specOf: asked, ...otherConnector(before, asked) }));
      next();
    });
  };
  return html`<form onSubmit=${submit} novalidate>
    <fieldset class="row"><legend class="unseen">Kind of connector</legend>
      <label><input type="radio" name="kind" checked=${draft.kind === "image"} onChange=${() => change(otherKind("image"))} />An image</label>
      <label><input type="radio" name="kind" checked=${draft.kind === "manifest"} onChange=${() => change(otherKind("manifest"))} />A low-code manifest</label>
    </fieldset>
    ${draft.kind === "manifest" && html`<label>Manifest (YAML or JSON)
      <textarea class="code" rows="10" spellcheck=${false} value=${draft.manifest} aria-invalid=${tried && manifest.problem ? "true" : undefined}
        aria-describedby="manifest-help" onInput=${(event) => change({ manifest: event.target.value, ...unread, confirmed: [] })} /></label>
      <small id="manifest-help" class=${tried && manifest.problem ? "bad" : ""}>${(tried && manifest.problem) || "What Airbyte's Connector Builder exports. Python components are not run."}</small>`}
    <label>${draft.kind === "image" ? "Image" : "Image that runs it (may be left out)"}
      <input list="images" value=${draft.image} placeholder=${draft.kind === "image" ? "airbyte/source-faker:7.2.1" : MANIFEST_IMAGE} autocomplete="off" autocapitalize="none"
        spellcheck=${false} maxlength="400" aria-invalid=${tried && wrong ? "true" : undefined} aria-describedby="image-help" onInput=${(event) => change((before) => ({ image: event.target.value, confirmed: reopened(before, "image") }))} /></label>
    <datalist id="images">${known.map((image) => html`<option value=${image} />`)}</datalist>
    <small id="image-help" class=${tried && wrong ? "bad" : ""}>${(tried && wrong) || "Name and version, as in a registry. Images that ran here are suggested."}</small>
    <${Problems} problems=${problems} />
    <${Failure} error=${error} />
    <p><button type="submit" aria-busy=${busy ? "true" : undefined} disabled=${busy}>Continue to its configuration</button></p>
  </form>`;
}

const unread = { check: null, skipped: false, discover: null };
const unfilled = { ...unread, config: null, secrets: [], lost: [], refs: [], choices: [], wishes: null, confirmed: [] };

/* An image's version, form and check say nothing of a manifest, and the other way round. */
export const otherKind = (kind) => ({ kind, image: "", spec: null, specOf: "", ...unfilled });

/* Another version usually takes the same configuration and offers the same streams; another connector does not. */
function otherConnector(draft, image) {
  if (!draft.specOf || splitImage(draft.specOf).package === splitImage(image).package) return { stale: true, outdated: true };
  return unfilled;
}

/** Return images of syncs and tasks, newest first; without them the field works as well. */
function useImages() {
  const [found, setFound] = useState([]);
  useEffect(() => {
    let over = false;
    const keep = (images) => over || setFound((before) => [...new Set([...before, ...images])]);
    get("tasks", { limit: 200 }).then(({ tasks }) => keep(tasks.map((task) => `${task.package}${task.version.includes(":") ? "@" : ":"}${task.version}`))).catch(() => {});
    get("syncs").then(({ syncs }) => keep(syncs.map((sync) => sync.spec?.image).filter((image) => typeof image === "string"))).catch(() => {});
    return () => (over = true);
  }, []);
  return useMemo(() => [...found].sort(), [found]);
}
