/* Step 2: the specification, asked for, and the configuration as its form. */

import { html, useEffect, useState } from "../../lib/html.js";
import { get } from "../../lib/api.js";
import { Failure } from "../../components/notice.js";
import { check, defaults, Form } from "../../components/form/form.js";
import { imageOf, splitImage } from "./document.js";
import { reopened } from "./draft.js";
import { parts } from "./pointers.js";
import { marked } from "./secrets.js";
import { Progress, useStart } from "./task.js";

/** Return what is wrong with the configuration by pointer. A secret whose value is not here may be in its Secret. */
export function configProblems(spec, draft) {
  if (!spec) return {};
  return Object.fromEntries(Object.entries(check(spec, draft.config ?? {})).filter(([place]) => !draft.lost.includes(place)));
}

/** `follow` follows the task of the specification, `spec` is its result; `checkNow` goes on and starts a check. */
export function ConfigStep({ draft, change, spec, follow, problems, checkNow, skip }) {
  const { start, busy, error } = useStart();
  const ask = () => start(() => get("spec", splitImage(imageOf(draft))), (id) => change({ spec: id, specOf: imageOf(draft) }));
  useEffect(() => {
    if (spec && draft.config === null) change(typed(spec, draft, defaults(spec) ?? {}));
  }, [spec]);
  if (!spec) {
    if (!draft.spec) {
      return html`<p>Its form follows from what the connector says of itself.</p><${Failure} error=${error} />
        <p><button type="button" aria-busy=${busy ? "true" : undefined} onClick=${ask}>Ask for its specification</button></p>`;
    }
    return html`<${Progress} what="Asking the connector for its specification" id=${draft.spec} follow=${follow}
      failed=${{ title: "The connector did not tell its configuration.", again: ask }} /><${Failure} error=${error} />`;
  }
  if (draft.config === null) return null;
  return html`<${Fields} spec=${spec} draft=${draft} change=${change} problems=${problems} checkNow=${checkNow} skip=${skip} />`;
}

function Fields({ spec, draft, change, problems, checkNow, skip }) {
  const [attempt, setAttempt] = useState(0);
  const [broken, setBroken] = useState(false);
  const wrong = configProblems(spec, draft);
  const go = (then) => () => {
    if (broken || Object.keys(wrong).length) setAttempt(attempt + 1);
    else then();
  };
  const set = (config) => change((before) => typed(spec, before, config));
  const refused = Object.fromEntries(problems.map(({ pointer: place, message }) => [place, message]));
  return html`
    ${draft.secrets.length + draft.lost.length > 0 && html`<p class="quiet">Secrets are kept in this page's memory alone: a reload forgets them. A saved sync refers to them by name.</p>`}
    <${Lost} places=${draft.lost} />
    <${Form} spec=${spec} value=${draft.config} onChange=${set} problems=${attempt ? { ...refused, ...wrong } : refused} secrets=${draft.lost} attempt=${attempt} onBroken=${setBroken} />
    <p class="row"><button type="button" onClick=${go(checkNow)}>Check the connection</button>
      <button type="button" class="secondary outline" onClick=${go(skip)}>Continue without a check</button></p>`;
}

function Lost({ places }) {
  if (!places.length) return null;
  return html`<div class="bar warn" role="note"><p>The values of these secrets are not known here: ${places.map((place, number) => html`${number ? ", " : ""}<code>${parts(place).join(".")}</code>`)}.
    Type them again for a check, a discover or a run; a saved sync needs only their references.</p></div>`;
}

/** Return the members of a draft whose configuration was changed. */
const typed = (spec, draft, config) => ({ config, ...marked(spec, draft, config), stale: true, outdated: true, confirmed: reopened(draft, "config") });
