/* Whether a configuration is what its spec asks for. The connector decides in the end; this helps while typing. */

import { digitsOf, isBig, isNumber, isObject, same } from "./json.js";
import { join, member } from "./pointers.js";
import { isOption, label, rootOf } from "./nodes.js";
import { fits, isEmpty, isReference, variantOf } from "./values.js";
import { textProblem } from "./texts.js";

/** Return what is wrong: a message by JSON pointer. Parts that stand for values in Secrets are not looked at. */
export function check(spec, value) {
  const found = [];
  if (isObject(value)) walk(rootOf(spec), value, "", found);
  else found.push(["", "Expected a JSON object."]);
  return Object.fromEntries(found);
}

const INSIDE = {
  object: walkObject,
  map: walkObject,
  list: walkList,
  choices: walkList,
  one: walkOne,
  text: (node, value, pointer, found) => note(found, pointer, textProblem(node.schema, value)),
  integer: walkNumber,
  number: walkNumber,
  enum: walkEnum,
};

function walk(node, value, pointer, found) {
  if (isReference(value) || isEmpty(value)) return;
  if (!fits(node, value)) found.push([pointer, `Expected ${ARTICLES[node.kind] ?? "another value"}.`]);
  else INSIDE[node.kind]?.(node, value, pointer, found);
}

const ARTICLES = { text: "a text", integer: "a whole number", number: "a number", boolean: "true or false", enum: "one of the choices", object: "an object", map: "names and values", list: "a list", choices: "a list" };

function note(found, pointer, problem) {
  if (problem) found.push([pointer, problem]);
}

function walkObject(node, value, pointer, found) {
  for (const { name, node: inner, required } of node.fields) {
    const one = member(value, name);
    if (required && isMissing(inner, one)) found.push([join(pointer, name), missing(inner)]);
    else walk(inner, one, join(pointer, name), found);
  }
  for (const name of Object.keys(value)) {
    if (node.field(name)) continue;
    if (node.extra) walk(node.extra, value[name], join(pointer, name), found);
    else if (node.schema.additionalProperties === false) found.push([join(pointer, name), "The connector does not take this member: remove it in the JSON."]);
  }
}

function isMissing(node, value) {
  return value === undefined || (value === "" && node.kind !== "enum") || (value === null && !node.schema.nullable);
}

function missing(node) {
  const what = ["enum", "one"].includes(node.kind) ? "Choose one." : "This field is required.";
  return node.schema.pattern_descriptor ? `${what} Expected: ${node.schema.pattern_descriptor}` : what;
}

function walkList(node, value, pointer, found) {
  const { minItems = 0, maxItems = Infinity, uniqueItems } = node.schema;
  if (value.length < minItems) found.push([pointer, `Expected at least ${minItems === 1 ? "one item" : `${minItems} items`}.${described(node)}`]);
  if (value.length > maxItems) found.push([pointer, `Expected at most ${maxItems === 1 ? "one item" : `${maxItems} items`}.`]);
  if (uniqueItems === true && value.length < 1000 && value.some((one, at) => value.slice(0, at).some((other) => same(one, other)))) {
    found.push([pointer, "Expected each item only once."]);
  }
  value.forEach((one, at) => walk(node.item, one, join(pointer, at), found));
}

const described = (node) => (node.schema.pattern_descriptor ? ` For example: ${node.schema.pattern_descriptor}` : "");

function walkOne(node, value, pointer, found) {
  const variant = node.variants[variantOf(node, value)];
  if (!variant) return found.push([pointer, `Expected one of: ${node.variants.map((one) => one.title).join(", ")}.`]);
  return walk(variant.node, value, pointer, found);
}

function walkEnum(node, value, pointer, found) {
  if (isOption(node, value)) return;
  const names = node.options.slice(0, 10).map((option) => label(option.value));
  found.push([pointer, `Expected one of: ${names.join(", ")}${node.options.length > 10 ? ", ..." : ""}.`]);
}

function walkNumber(node, value, pointer, found) {
  const { kind, schema } = node;
  const digits = digitsOf(value);
  const isWhole = isBig(value) ? /^-?\d+$/.test(digits) : Number.isInteger(value);
  const bad = (typeof value === "string" && !isLarge(digits)) || (kind === "integer" && typeof value !== "string" && !isWhole);
  if (bad || !inRange(schema, digits)) found.push([pointer, `Expected ${expectedNumber(kind, schema)}.`]);
}

/** A browser that cannot send such a number keeps its digits as a text. */
const isLarge = (digits) => !JSON.rawJSON && isNumber(digits);

/** "a whole number from 1 to 240". */
export function expectedNumber(kind, schema) {
  const what = kind === "integer" ? "a whole number" : "a number";
  const { minimum: from = schema.exclusiveMinimum, maximum: to = schema.exclusiveMaximum, multipleOf } = schema;
  const low = schema.minimum === undefined ? "above" : "of at least";
  const high = schema.maximum === undefined ? "below" : "of at most";
  let range = "";
  if (schema.minimum !== undefined && schema.maximum !== undefined) range = ` from ${from} to ${to}`;
  else if (from !== undefined && to !== undefined) range = ` ${low} ${from} and ${high} ${to}`;
  else if (from !== undefined) range = ` ${low} ${from}`;
  else if (to !== undefined) range = ` ${high} ${to}`;
  return `${what}${range}${multipleOf !== undefined && multipleOf !== 1 ? ` that is a multiple of ${multipleOf}` : ""}`;
}

function inRange(schema, digits) {
  const value = /^-?\d+$/.test(digits) ? BigInt(digits) : Number(digits); // these two compare exactly
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const steps = multipleOf === undefined ? 0 : Number(digits) / multipleOf;
  return !(value < minimum || value > maximum || value <= exclusiveMinimum || value >= exclusiveMaximum) && Math.abs(steps - Math.round(steps)) < 1e-9 * Math.max(1, Math.abs(steps));
}
