/* What has been chosen so far. The tab keeps it, without the values of secrets: those are in memory alone. */

import { useCallback, useState } from "../../lib/html.js";
import { randomId } from "../../lib/id.js";
import { onSignOut } from "../../lib/session.js";
import { parseJson } from "../../components/form/form.js";
import { empty } from "./pointers.js";

const KEY = "sync-functions.new";
let memory = null;
let session = 0;
onSignOut(() => {
  memory = null;
  session += 1;
});

/**
 * @typedef {Object} Draft
 * @property {string} id part of the storageKey of its checks and discovers
 * @property {"image" | "manifest"} kind
 * @property {?string} spec id of the task that asked for the specification; `specOf` is the image it was asked of
 * @property {Object} config with the values of secrets, whose pointers are in `secrets`
 * @property {string[]} lost pointers of secrets whose values are not known here: after a reload, or in a saved sync
 * @property {Array} refs [pointer, {name, key}] of what the person chose; others are suggested
 * @property {Array} choices [stream id, what was chosen otherwise than by default]
 * @property {string[]} confirmed steps that were gone on from as they are now: image, config, streams
 * @property {?boolean} fixed whether streams that the source adds later are left out; null: as the document has it
 * @property {?Object} base the document that is edited
 * @property {string} saved name of the sync that was saved and not changed since
 */
export function begin(given = {}) {
  return {
    id: randomId(), kind: "image", image: "", manifest: "", spec: null, specOf: "", config: null, secrets: [], lost: [],
    refs: [], check: null, skipped: false, stale: false, outdated: false, discover: null, choices: [], wishes: null, confirmed: [], fixed: null, name: "", prefix: "",
    schedule: { kind: "hand", at: "02:00", cron: "", zone: ownZone() }, base: null, saved: "", ...given,
  };
}

/** Return `[draft, change, reset]`: `change` takes members, or a function from the draft to members. */
export function useDraft() {
  const [draft, setDraft] = useState(remembered);
  const [mine] = useState(session);
  const change = useCallback((members) => {
    if (mine !== session) return; // an answer that came after its person has left
    setDraft((before) => keep({ ...before, saved: "", ...(typeof members === "function" ? members(before) : members) }));
  }, []);
  const reset = useCallback((given) => setDraft(keep(begin(given))), []);
  return [draft, change, reset];
}

/** Return what changes a draft when a step is gone on from, and when something in it has changed. */
export const confirm = (step) => ({ confirmed }) => ({ confirmed: [...new Set([...confirmed, step])] });
export const reopened = (draft, step) => draft.confirmed.filter((one) => one !== step);

export { randomId };

const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";

function remembered() {
  if (memory) return memory;
  try {
    return { ...begin(), ...parseJson(sessionStorage.getItem(KEY) ?? "{}") };
  } catch {
    return begin();
  }
}

function keep(draft) {
  memory = draft;
  const { secrets, config, ...rest } = draft;
  const lost = [...new Set([...draft.lost, ...secrets])];
  const kept = { ...rest, lost, secrets: [], config: config && empty(config, secrets) };
  try {
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    sessionStorage.removeItem(KEY); // too large for the tab: a reload begins from nothing
  }
  return draft;
}
