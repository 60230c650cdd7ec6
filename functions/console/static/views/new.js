/* From an empty page to a saved, scheduled sync: five steps, each of which can be taken back. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib/html.js";
import { Failure, Loading } from "../components/notice.js";
import { go, link, setQuery } from "../lib/router.js";
import { useTitle } from "../lib/title.js";
import { CheckStep, passed } from "./new/check-step.js";
import { ConfigStep } from "./new/config-step.js";
import { imageOf, problemsByStep, scheduleWords, suggestedName } from "./new/document.js";
import { confirm, useDraft } from "./new/draft.js";
import { ImageStep } from "./new/image-step.js";
import { useLoaded } from "./new/load.js";
import { useFlow } from "./new/flow.js";
import { SaveStep } from "./new/save-step.js";
import { Step } from "./new/step.js";
import { StreamsStep } from "./new/streams-step.js";

const STEPS = ["image", "config", "check", "streams", "save"];

export function View({ query }) {
  const [draft, change, reset] = useDraft();
  const loaded = useLoaded(query, draft, change, reset);
  const [refused, setRefused] = useState([]);
  useEffect(() => setRefused([]), [draft]); // they were of what has been changed since
  const flow = useFlow(draft, change);
  const [moved, settled] = [useRef(false), useRef(false)];
  // What was found before a reload is asked for again first: else a link would lead to a step that seems locked.
  if (loaded.done && !flow.loading) settled.current = true;
  const ready = loaded.done && settled.current;
  const step = shown(query, draft, flow.unlocked);
  useTitle(draft.base ? `Edit ${draft.name}` : "New");
  useLayoutEffect(() => {
    // At once: a step that is opened before this has run would be closed again.
    const image = draft.image.trim();
    if (ready && (image !== (query.image ?? "") || step !== query.step)) setQuery({ image, step });
  }, [ready, draft.image, step, query.image, query.step]);
  const show = (to) => {
    moved.current = true;
    go(link("new", { image: draft.image.trim(), step: to, sync: query.sync }));
  };
  const again = () => {
    reset();
    setRefused([]);
    go(link("new"));
  };
  if (loaded.error) return html`<h1>New</h1><${Failure} error=${loaded.error} /><p><a href=${link("new")}>Begin with an empty page</a></p>`;
  if (!ready) return html`<h1>${query.sync ? `Edit ${query.sync}` : "New"}</h1><${Loading} what=${query.sync || "what was chosen so far"} />`;
  const problems = problemsByStep(refused);
  const parts = { draft, change, flow, show, problems, refused: setRefused, again };
  return html`<div class="new">
    <div class="row"><h1>${draft.base ? `Edit ${draft.name}` : "New"}</h1>
      ${draft.image || draft.manifest ? html`<button type="button" class="plain" onClick=${again}>Start over</button>` : ""}</div>
    <p class="quiet">From a connector to a sync that runs by itself. Nothing is saved before the last step; this tab remembers where you are, but for secrets.</p>
    ${STEPS.map((id, number) => html`<${Step} key=${id} id=${id} number=${number + 1} ...${HEADS[id](parts)} state=${stateOf(id, parts)}
      isOpen=${step === id} focus=${moved.current} show=${() => show(id)}>${step === id && BODIES[id](parts)}</${Step}>`)}
  </div>`;
}

/* A link to a step that is still locked leads to the last one before it that is not. */
function shown(query, draft, unlocked) {
  const wanted = STEPS.indexOf(query.step ?? (draft.base ? "streams" : "image"));
  return STEPS.slice(0, Math.max(0, wanted) + 1).findLast((step) => unlocked[step]);
}

function stateOf(id, { flow, problems }) {
  if (!flow.unlocked[id]) return "locked";
  return problems[id]?.length ? "bad" : flow.states[id];
}

const HEADS = {
  image: ({ draft }) => ({ title: "Connector", summary: draft.kind === "manifest" ? `A manifest, run by ${imageOf(draft)}` : draft.image }),
  config: ({ draft }) => ({ title: "Configuration", summary: draft.config && `${Object.keys(draft.config).length} fields` }),
  check: ({ draft, flow }) => ({ title: "Check", summary: passed(draft, flow.check) ? "The connector can work with it" : "" }),
  streams: ({ flow }) => ({ title: "Streams", summary: flow.streams && `${flow.selected} of ${flow.streams.length}` }),
  save: ({ draft }) => ({ title: "Schedule and save", summary: draft.name && `${draft.name}, ${scheduleWords(draft.schedule)}` }),
};

const BODIES = {
  image: ({ draft, change, flow, show, problems }) =>
    html`<${ImageStep} draft=${draft} change=${change} manifest=${flow.manifest} problems=${problems.image} next=${() => (change(confirm("image")), show("config"))} />`,
  config: ({ draft, change, flow, show, problems }) => html`<${ConfigStep} draft=${draft} change=${change} spec=${flow.spec} follow=${flow.asked}
    problems=${problems.config} checkNow=${() => (change(confirm("config")), show("check"), flow.blocked.length || flow.checkNow())}
    skip=${() => (change((before) => ({ skipped: true, ...confirm("config")(before) })), show("streams"))} />`,
  check: ({ draft, change, flow, show }) => html`<${CheckStep} draft=${draft} follow=${flow.check} starter=${flow.checkStart} blocked=${flow.blocked}
    checkNow=${flow.checkNow} find=${() => (show("streams"), flow.find())} skip=${() => (change({ skipped: true }), show("streams"))} correct=${() => show("config")} />`,
  streams: ({ draft, change, flow, show, problems }) => html`<${StreamsStep} draft=${draft} change=${change} follow=${flow.found} starter=${flow.findStart}
    streams=${flow.streams} choices=${flow.choices} missing=${flow.missing} listed=${flow.listed} ready=${flow.ready} blocked=${flow.blocked}
    problems=${problems.streams} find=${flow.find}
    next=${() => (change((before) => ({ name: before.name || suggestedName(before), ...confirm("streams")(before) })), show("save"))} />`,
  save: ({ draft, change, flow, problems, refused, again }) => html`<${SaveStep} draft=${draft} change=${change} document=${flow.document}
    read=${flow.read} selected=${flow.selected} tables=${flow.tables} blocked=${flow.blocked} problems=${problems.save} refused=${refused} reset=${again} />`,
};
