/* A schema as what is shown: a tree of nodes, each made when it is first looked at, so a circle of references ends. */

import { flatten, merge } from "./schema.js";
import { same } from "./json.js";

const DEEPEST = 20;
const SCALARS = ["string", "number", "boolean"];
const ALTERNATIVE = ["type", "properties", "const", "enum", "items", "$ref", "allOf", "oneOf", "anyOf", "title", "additionalProperties", "pattern"];

/**
 * One place of a configuration. `kind` is how it is edited: text, integer, number, boolean, enum, choices (an array of
 * an enum), list, object, map (names and values), one (one of several forms), or json where nothing else fits.
 */
export class Node {
  constructor(raw, root, { name = "", trail = [], depth = 0 } = {}) {
    const found = unwrapped(flatten(raw, root, trail), root);
    [this.root, this.name, this.depth] = [root, name, depth];
    [this.schema, this.trail] = [found.schema, found.trail];
    /** Whether its references have led here before: it is then shown only where the value has it. */
    this.loop = new Set(found.trail).size < found.trail.length;
    this.cache = new Map();
  }

  get title() {
    const own = String(this.schema.title ?? "").trim();
    return own || titled(this.name);
  }

  get secret() {
    return this.schema.airbyte_secret === true && this.schema.const === undefined;
  }

  get hidden() {
    return this.schema.airbyte_hidden === true;
  }

  get examples() {
    const given = [this.schema.examples ?? this.schema.example ?? []].flat();
    return given.filter((one) => SCALARS.includes(typeof one) && one !== "").slice(0, 3);
  }

  get kind() {
    return this.once("kind", () => (this.depth > DEEPEST ? "json" : kindOf(this)));
  }

  /** The choices of an enum: `[{value, label}]`. */
  get options() {
    return this.once("options", () => options(this.schema));
  }

  /** An object's members: `[{name, node, required}]`, by order. */
  get fields() {
    return this.once("fields", () => fields(this));
  }

  field(name) {
    const found = this.once("names", () => new Map(this.fields.map((field) => [field.name, field])));
    return found.get(name);
  }

  /** The items of an array. */
  get item() {
    return this.once("item", () => this.inner({ pattern_descriptor: this.schema.pattern_descriptor, ...this.schema.items }, this.name));
  }

  /** Values of an object that have no names of their own, or null. */
  get extra() {
    const more = this.schema.additionalProperties;
    return this.once("extra", () => (typeof more === "object" ? this.inner(more, "") : null));
  }

  /** The forms of which a value has one: `[{title, node, tags: {name: value}}]`. */
  get variants() {
    return this.once("variants", () => variants(this));
  }

  inner(raw, name) {
    return new Node(raw, this.root, { name, trail: this.trail, depth: this.depth + 1 });
  }

  once(name, make) {
    if (!this.cache.has(name)) this.cache.set(name, make());
    return this.cache.get(name);
  }
}

const roots = new WeakMap();

/** Return the root node of a spec, the same for the same spec. */
export function rootOf(spec) {
  const key = spec ?? roots;
  if (!roots.has(key)) {
    const schema = spec?.connectionSpecification ?? {};
    roots.set(key, new Node(schema, schema));
  }
  return roots.get(key);
}

/** "access_token" -> "Access token". */
function titled(name) {
  const words = String(name).replace(/[_\s]+/g, " ").trim();
  return words ? words[0].toUpperCase() + words.slice(1) : "Value";
}

/** Take the only form of oneOf and anyOf that is not null; `forms` are what is left to choose from. */
function unwrapped({ schema, trail }, root) {
  const given = schema.oneOf?.length ? schema.oneOf : schema.anyOf;
  if (!given?.length) return { schema, trail };
  if (new Set(trail).size < trail.length) return { schema: { ...schema, oneOf: undefined, anyOf: undefined }, trail }; // it is one of itself
  const { oneOf, anyOf, ...own } = schema;
  const forms = given.filter((one) => one?.type !== "null");
  const nullable = own.nullable || forms.length < given.length;
  if (forms.length === 1) {
    const { schema: only, trail: further } = unwrapped(flatten({ allOf: [forms[0]] }, root, trail), root);
    const types = only.types.length ? only.types : own.types;
    return { schema: { ...only, ...own, types, nullable: nullable || only.nullable, ...inherited(only, own) }, trail: further };
  }
  const real = forms.some((one) => ALTERNATIVE.some((word) => one?.[word] !== undefined)); // not only `required`
  return { schema: real ? { ...own, nullable, forms } : { ...own, nullable }, trail };
}

function inherited(only, own) {
  return only.properties && own.properties ? { properties: merge(own, only).properties } : {};
}

function kindOf({ schema, item, extra }) {
  if (schema.forms) return options(schema).length ? "enum" : "one";
  if (schema.const !== undefined || schema.enum) return "enum";
  const [type, second] = schema.types;
  if (second) return "one";
  if (type === "array") {
    if (!schema.items || item.kind === "json" && !Object.keys(schema.items).length) return "json";
    return item.kind === "enum" && item.options.length > 1 ? "choices" : "list";
  }
  if (type === "object") return Object.keys(schema.properties ?? {}).length ? "object" : extra ? "map" : "json";
  return type === "string" ? "text" : (type ?? "json");
}

function options(schema) {
  const fixed = (one) => one && typeof one === "object" && one.const !== undefined && one.properties === undefined;
  if (schema.forms) return schema.forms.every(fixed) ? schema.forms.map((one) => ({ value: one.const, label: String(one.title ?? label(one.const)) })) : [];
  const values = schema.const !== undefined ? [schema.const] : schema.enum.filter((one) => one !== null);
  const names = Array.isArray(schema.enumNames) ? schema.enumNames : [];
  return values.map((value, at) => ({ value, label: String(names[at] ?? label(value)) }));
}

/** A value as one line. */
export function label(value) {
  return typeof value === "string" ? value || '""' : JSON.stringify(value);
}

function fields(node) {
  const required = new Set(node.schema.required ?? []);
  const all = Object.entries(node.schema.properties ?? {}).map(([name, raw]) => ({ name, node: node.inner(raw, name), required: required.has(name) }));
  const place = ({ node: { schema } }) => schema.order ?? Infinity;
  return all.sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
}

function variants(node) {
  const { forms, types, oneOf, anyOf, title, description, default: _, ...base } = node.schema;
  const raws = forms ? forms.map((form) => ({ ...base, type: types.length ? types : undefined, allOf: [form], title: undefined })) : types.map((type) => ({ ...base, type }));
  const all = raws.map((raw, at) => {
    const inner = node.inner(raw, node.name);
    return { node: inner, tags: tagsOf(inner), own: forms ? inner.schema.title : WORDS[types[at]] };
  });
  const seen = new Map();
  return all.map(({ node: inner, tags, own }, at) => {
    const name = String(own ?? Object.values(tags)[0] ?? WORDS[inner.kind] ?? `Option ${at + 1}`);
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return { title: seen.get(name) > 1 ? `${name} (${seen.get(name)})` : name, node: inner, tags };
  });
}

const WORDS = { string: "Text", text: "Text", integer: "Whole number", number: "Number", boolean: "Yes or no", object: "Object", array: "List", list: "List", choices: "List", map: "Names and values", json: "JSON" };

function tagsOf(node) {
  if (node.kind !== "object") return {};
  const fixed = node.fields.filter((field) => field.node.kind === "enum" && field.node.options.length === 1);
  return Object.fromEntries(fixed.map((field) => [field.name, field.node.options[0].value]));
}

/** Whether a value is one of an enum's. */
export const isOption = (node, value) => node.options.some((option) => same(option.value, value));
