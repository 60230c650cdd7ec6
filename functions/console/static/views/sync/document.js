/* Documents of declared syncs: ids, what can be applied elsewhere, and values that look secret. */

import { address, request } from "../../lib/api.js";
import { isBig, isObject, parse } from "../../components/form/json.js";
import { jsonAsYaml } from "../../components/yaml.js";

const STARS = "********";
/** Names under which people write credentials; references to Secrets have none and are shown. */
const SECRET = /pass(word|wd|phrase)?$|secret|token|api[-_ ]?key|access[-_ ]?key|private[-_ ]?key|credential|^auth(orization)?$|^key$|^dsn$|connection[-_ ]?string|service[-_ ]?account/i;
const WRITTEN_BY_TOOLS = "kubectl.kubernetes.io/last-applied-configuration";

/** Return the syncId of a document: its key in tasks and states. */
export const idOf = (sync) => sync.spec?.syncId ?? sync.metadata.name;

/** Return a document as it is now, with all digits of its numbers: what is written back must not be rounded. */
export async function fetchSync(name) {
  return parse((await request(address("syncs", name), { text: true })).body).sync;
}

/** Return the document without what only its home writes. `keep` are more members of its metadata. */
export function applicable(sync, keep = []) {
  const metadata = {};
  for (const key of ["name", ...keep, "labels", "annotations"]) if (sync.metadata[key] !== undefined) metadata[key] = sync.metadata[key];
  if (metadata.annotations?.[WRITTEN_BY_TOOLS]) {
    const { [WRITTEN_BY_TOOLS]: _, ...others } = metadata.annotations; // holds the whole document once more
    metadata.annotations = others;
  }
  const { apiVersion, kind } = sync;
  return { apiVersion, kind, metadata, spec: sync.spec ?? {} };
}

/**
 * Return `{value, hidden}`: a copy of a document with each text of `config` and `env` that looks secret replaced by a mark
 * of its own, and the texts by their marks.
 */
export function masked(document) {
  const hidden = new Map();
  let stars = STARS; // more than the document has in a row itself: a text like a mark would become the secret
  for (const text = JSON.stringify(document); text.includes(stars); ) stars += "*";
  const hide = (text) => {
    const mark = `${stars}${hidden.size + 1}`;
    hidden.set(mark, text);
    return mark;
  };
  const { config, env } = document.spec ?? {};
  const spec = { ...document.spec };
  if (config !== undefined) spec.config = walk(config, "", hide);
  if (Array.isArray(env)) spec.env = env.map((one) => (typeof one?.value === "string" && SECRET.test(one.name) ? { ...one, value: hide(one.value) } : one));
  return { value: { ...document, spec }, hidden };
}

function walk(value, name, hide) {
  if (isReference(value)) return value;
  if (Array.isArray(value)) return value.map((one) => walk(one, name, hide));
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, walk(one, key, hide)]));
  return (["string", "number"].includes(typeof value) || isBig(value)) && value !== "" && SECRET.test(name) ? hide(value) : value;
}

const isReference = (value) => Boolean(value && typeof value === "object" && value.valueFrom);

/** Put the hidden texts back into YAML, on the same lines. */
export function unmasked(text, hidden) {
  return text.replace(/(['"]?)(\*{8,}\d+)\1/g, (whole, _, mark) => (hidden.has(mark) ? quoted(hidden.get(mark)) : whole));
}

const quoted = (value) => jsonAsYaml(JSON.stringify(value));
