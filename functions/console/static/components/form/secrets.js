/* Secret values: where they are, and what the JSON shows in their place. */

import { isObject } from "./json.js";
import { at, join, member, replace } from "./pointers.js";
import { rootOf } from "./nodes.js";
import { isEmpty, isReference } from "./values.js";

const DOTS = "••••••••";

/** Return the pointers of the values that the spec calls secret, in whichever form they are. */
export function secretPaths(spec, value) {
  return pathsIn(rootOf(spec), value);
}

/** The same, below a node. */
export function pathsIn(node, value) {
  const found = new Set();
  look(node, value, "", found);
  return [...found];
}

function look(node, value, pointer, found) {
  if (isEmpty(value) || value === "" || isReference(value)) return;
  if (node.secret) return void found.add(pointer);
  // Of several forms all count: better a value too many in dots than one shown.
  if (node.kind === "one") node.variants.forEach((variant) => !variant.node.loop && look(variant.node, value, pointer, found));
  if (Array.isArray(value) && node.schema.items) value.forEach((one, index) => look(node.item, one, join(pointer, index), found));
  if (!isObject(value)) return;
  for (const name of Object.keys(value)) {
    const inner = node.field(name)?.node ?? node.extra;
    if (inner) look(inner, value[name], join(pointer, name), found);
  }
}

/** Return a value with dots for its secrets, and `kept`: which value, and where, each text of dots stands for. */
export function mask(value, pointers) {
  const kept = new Map();
  let masked = value;
  for (const pointer of pointers) {
    const text = pointers.length > 1 ? `${DOTS} (secret ${kept.size + 1})` : DOTS;
    kept.set(text, { pointer, value: at(value, pointer) });
    masked = replace(masked, pointer, text);
  }
  return { masked, kept };
}

/** Put the secrets back. Raise Error if a text of dots stands for none. */
export function unmask(value, kept) {
  if (typeof value === "string" && value.startsWith(DOTS)) {
    if (!kept.has(value)) throw new Error(`"${value}" stands for a secret that is not here: type its value.`);
    return kept.get(value).value;
  }
  if (Array.isArray(value)) return value.map((one) => unmask(one, kept));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.keys(value).map((name) => [name, unmask(member(value, name), kept)]));
}

/** Follow secrets that have been typed in their fields since. */
export function renew(kept, value) {
  for (const one of kept.values()) one.value = at(value, one.pointer) ?? one.value;
}
