/* Specs and catalogs as rows. They are a connector's: any member may be of another shape. */

const DEEPEST = 8;
const MOST_FIELDS = 2000;

const object = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
const list = (value) => (Array.isArray(value) ? value : []);
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** Return the fields of a configuration, nested ones by dotted paths: `[{path, type, required, value, description}]`. */
export function fields(schema, prefix = "", depth = 0, found = []) {
  const required = list(object(schema).required);
  for (const [name, given] of Object.entries(object(object(schema).properties))) {
    if (found.length >= MOST_FIELDS || depth > DEEPEST) break;
    const field = object(given);
    const description = [field.title, field.description].filter((one) => typeof one === "string").join(": ");
    found.push({ path: prefix + name, type: kind(field), required: required.includes(name), value: field.default === undefined ? undefined : text(field.default), description });
    fields(field, `${prefix}${name}.`, depth + 1, found);
    for (const choice of list(field.oneOf)) fields(choice, `${prefix}${name}.`, depth + 1, found);
  }
  return found;
}

function kind(field) {
  if (field.airbyte_secret) return "secret";
  if (Array.isArray(field.oneOf)) return `one of: ${field.oneOf.map((choice) => object(choice).title ?? "?").join(" | ")}`;
  if (Array.isArray(field.enum)) return field.enum.map(text).join(" | ");
  if ("const" in field) return text(field.const);
  return types(field);
}

/** The types of a JSON schema: "string, null". */
function types(schema) {
  const given = object(schema).type ?? list(object(schema).oneOf ?? object(schema).anyOf).map((one) => object(one).type).filter(Boolean);
  const named = list(given).length ? list(given).map(String).join(", ") : typeof given === "string" ? given : "any";
  return object(schema).format ? `${named} (${object(schema).format})` : named;
}

const path = (parts) => list(parts).map(String).join(".");

/** Return what a discovered catalog offers: `[{key, modes, cursor, primary, columns: [[name, type]]}]`. */
export function streamsOf(catalog) {
  return list(object(catalog).streams).map((given) => {
    const stream = object(given);
    const cursor = path(stream.default_cursor_field);
    return {
      key: [stream.namespace, stream.name].filter(Boolean).map(String).join("."),
      modes: list(stream.supported_sync_modes).map(String),
      cursor: cursor || (stream.source_defined_cursor ? "the source's own" : ""),
      primary: list(stream.source_defined_primary_key).map((one) => path(Array.isArray(one) ? one : [one])).join(", "),
      columns: Object.entries(object(object(stream.json_schema).properties)).map(([name, schema]) => [name, types(schema)]),
    };
  });
}
