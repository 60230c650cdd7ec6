/* Values and nodes: which form a value has, what it starts with, whether a field can show it. */

import { isBig, isObject, same } from "./json.js";
import { member, parts } from "./pointers.js";
import { isOption, rootOf } from "./nodes.js";

/** Whether there is nothing to send or check. */
export const isEmpty = (value) => value === undefined || value === null;

/** Whether a value stands for one in a Secret: `{valueFrom: {secretKeyRef: {name, key}}}`. */
export function isReference(value) {
  return isObject(value) && Object.keys(value).length === 1 && isObject(member(member(value, "valueFrom"), "secretKeyRef"));
}

const FITS = {
  text: (value) => typeof value === "string",
  integer: (value) => ["number", "string"].includes(typeof value) || isBig(value), // a text is a number not typed to its end
  number: (value) => ["number", "string"].includes(typeof value) || isBig(value),
  boolean: (value) => typeof value === "boolean",
  enum: (value) => !isObject(value) && !Array.isArray(value),
  choices: Array.isArray, list: Array.isArray, object: isObject, map: isObject, json: () => true, one: () => true,
};

/** Whether the field of a node can show a value. */
export const fits = (node, value) => isEmpty(value) || FITS[node.kind](value) || (node.kind === "enum" && isOption(node, value));

/** Return which variant of a node a value has, or -1; `picked` counts among those that fit equally well. */
export function variantOf(node, value, picked = 0) {
  if (isEmpty(value)) return -1;
  const scores = node.variants.map((variant) => score(variant, value));
  const best = Math.max(...scores);
  if (best < 0) return -1;
  return scores[picked] === best ? picked : scores.indexOf(best);
}

function score({ node, tags }, value) {
  const type = ["integer", "number"].includes(node.kind) && typeof value === "string" ? false : fits(node, value);
  if (!type || (node.kind === "enum" && !isOption(node, value)) || (node.kind === "integer" && value % 1 !== 0 && !isBig(value))) return -1;
  if (node.kind !== "object") return node.kind === "json" ? 0 : 1;
  let points = 1;
  for (const [name, tag] of Object.entries(tags)) {
    const there = member(value, name);
    if (there !== undefined && !same(there, tag)) return -1;
    points += there === undefined ? 0 : 1000;
  }
  for (const { name, node: inner, required } of node.fields) {
    const there = member(value, name);
    if (there !== undefined && !fits(inner, there)) return -1;
    points += there === undefined ? (required ? -10 : 0) : 1;
  }
  return Math.max(points, 0);
}

/** Return the node of a member of a value, or undefined. */
export function childOf(node, value, name) {
  if (node.kind === "one") {
    const variant = node.variants[variantOf(node, value)];
    return variant && childOf(variant.node, value, name);
  }
  if (node.kind === "list" || node.kind === "choices") return node.item;
  return node.field?.(name)?.node ?? (["object", "map"].includes(node.kind) ? (node.extra ?? undefined) : undefined);
}

/** What a place is called: its title, with those of the items that it is in. */
export function labelOf(node, value, pointer) {
  let [title, now, here] = ["", node, value];
  for (const name of parts(pointer)) {
    const item = Array.isArray(here);
    now = now && childOf(now, here, name);
    here = member(here, name);
    title = item ? `${title} ${Number(name) + 1}` : now && now.name === name ? now.title : name;
  }
  return title;
}

/** Return the value that a form begins with. */
export function defaults(spec) {
  const node = rootOf(spec);
  return isObject(node.schema.default) && node.kind === "object" ? start(node) : (start(node) ?? {});
}

/** Return what a place holds once it is there: its default, and those of its members. */
export function start(node) {
  const given = node.schema.default;
  const usable = !isEmpty(given) && fits(node, given) && sound(node, given);
  if (node.kind === "one") return startOne(node, usable && variantOf(node, given) >= 0 ? given : undefined);
  if (node.kind === "object") return { ...members(node), ...(usable ? given : {}) };
  if (usable) return given;
  if (node.kind === "enum") return node.options.length === 1 ? node.options[0].value : undefined;
  return { boolean: false, list: [], choices: [], map: {} }[node.kind];
}

function sound(node, value) {
  if (node.kind === "enum") return isOption(node, value);
  return !["integer", "number"].includes(node.kind) || typeof value !== "string";
}

function startOne(node, given) {
  const at = given === undefined ? node.variants.findIndex((variant) => !variant.node.hidden) : variantOf(node, given);
  return startVariant(node.variants[Math.max(at, 0)], given);
}

/** Return what a variant holds once it is chosen. */
export function startVariant({ node, tags }, given) {
  const value = node.loop ? undefined : start(node);
  if (node.kind !== "object") return given ?? value;
  return { ...value, ...tags, ...(isObject(given) ? given : {}) };
}

function members(node) {
  const found = node.fields.map(({ name, node: inner, required }) => [name, required && !inner.loop ? start(inner) : optional(inner)]);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}

function optional(node) {
  if (node.hidden || node.loop || isEmpty(node.schema.default) || node.schema.default === "") return undefined;
  const { default: given } = node.schema;
  if (!fits(node, given) || !sound(node, given) || (node.kind === "one" && variantOf(node, given) < 0)) return undefined;
  return start(node);
}
