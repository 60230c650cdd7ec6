/* A connector's JSON Schema, part by part: references followed, allOf merged, members of a wrong type dropped. */

const TYPES = ["string", "integer", "number", "boolean", "object", "array"];
const MOST = 500;
const isPlain = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** What each keyword has to be; anything else is as if it were not there. */
const KEYWORDS = {
  title: (value) => ["string", "number"].includes(typeof value), description: (value) => typeof value === "string",
  properties: isPlain, required: Array.isArray, additionalProperties: (value) => isPlain(value) || typeof value === "boolean",
  items: isPlain, enum: (value) => Array.isArray(value) && value.length > 0, oneOf: Array.isArray, anyOf: Array.isArray, allOf: Array.isArray,
  pattern: (value) => typeof value === "string", pattern_descriptor: (value) => typeof value === "string", format: (value) => typeof value === "string",
  minimum: Number.isFinite, maximum: Number.isFinite, exclusiveMinimum: Number.isFinite, exclusiveMaximum: Number.isFinite, multipleOf: (value) => value > 0,
  minLength: Number.isFinite, maxLength: Number.isFinite, minItems: Number.isFinite, maxItems: Number.isFinite, order: Number.isFinite,
  group: (value) => typeof value === "string", groups: Array.isArray, $ref: (value) => typeof value === "string",
};

/**
 * Return `{schema, trail}`: one level of a schema in plain form. `trail` are the references that lead to it; one that
 * leads back to itself ends as an empty schema, which is any value. `types` and `nullable` replace `type`.
 */
export function flatten(raw, root, trail = []) {
  const followed = [...trail];
  const merged = gather(raw, root, followed, [], { left: MOST });
  return { schema: typed(merged), trail: followed };
}

/** Return two schemas as one that asks for both; what the second says of itself counts. */
export function merge(first, second) {
  const merged = { ...first, ...second };
  if (first.properties && second.properties) merged.properties = both(first.properties, second.properties);
  if (first.required && second.required) merged.required = [...new Set([...first.required, ...second.required])];
  if (first.type !== undefined && second.type !== undefined) merged.type = narrower(first.type, second.type);
  return merged;
}

function both(first, second) {
  const members = Object.entries(second).map(([name, schema]) => [name, Object.hasOwn(first, name) ? { allOf: [first[name], schema] } : schema]);
  return { ...first, ...Object.fromEntries(members) };
}

function narrower(first, second) {
  const common = [first].flat().filter((type) => [second].flat().includes(type));
  return common.length ? common : second;
}

/** `budget` ends what refers to itself in many ways. */
function gather(raw, root, followed, now, budget) {
  budget.left -= 1;
  if (!isPlain(raw) || budget.left < 0) return {};
  const { $ref, allOf = [], ...own } = clean(raw);
  let found = {};
  if ($ref !== undefined && !now.includes($ref)) {
    followed.push($ref);
    found = gather(lookUp($ref, root), root, followed, [...now, $ref], budget);
  }
  for (const part of allOf) found = merge(found, gather(part, root, followed, now, budget));
  return merge(found, own);
}

function clean(raw) {
  return Object.fromEntries(Object.entries(raw).filter(([name, value]) => value !== undefined && (!Object.hasOwn(KEYWORDS, name) || KEYWORDS[name](value))));
}

function lookUp(reference, root) {
  if (!reference.startsWith("#")) return undefined;
  const names = reference.slice(1).split("/").slice(1).map((part) => decoded(part).replaceAll("~1", "/").replaceAll("~0", "~"));
  return names.reduce((value, name) => (typeof value === "object" && value !== null && Object.hasOwn(value, name) ? value[name] : undefined), root);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function typed({ type, ...schema }) {
  const named = [type].flat().filter((one) => [...TYPES, "null"].includes(one));
  const types = [...new Set(named.filter((one) => one !== "null"))];
  const nullable = named.includes("null") || Boolean(schema.enum?.includes(null)) || schema.nullable === true;
  return { ...schema, types: types.length ? types : inferred(schema), nullable };
}

function inferred(schema) {
  if (schema.properties) return ["object"];
  if (schema.items) return ["array"];
  if (schema.pattern !== undefined || schema.format !== undefined || schema.minLength !== undefined || schema.airbyte_secret === true) return ["string"];
  if (schema.minimum !== undefined || schema.maximum !== undefined) return ["number"];
  return isPlain(schema.additionalProperties) ? ["object"] : [];
}
