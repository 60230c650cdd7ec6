/* The streams of a source, and what is chosen of them. Pure; the defaults are those of declared syncs. */

/** The most streams that a declared sync may list. */
export const MAX_LISTED = 2000;
const MODES = ["full_refresh", "incremental"];
const DEEPEST = 6;
const MAX_COLUMNS = 2000;

/** A stream's identity as one text; a namespace may be missing, null or empty. */
export const idOf = (stream) => JSON.stringify([stream.namespace || null, stream.name]);

/** A stream's key, which its table is named after. */
export const keyOf = (stream) => (stream.namespace ? `${stream.namespace}.${stream.name}` : stream.name);

/** Return the streams of a CATALOG that have a name. */
export function offered(result) {
  const streams = Array.isArray(result?.streams) ? result.streams : [];
  return streams.filter((stream) => typeof stream?.name === "string");
}

/** Return the modes that a stream can be read in; a source that names none can do a full refresh. */
export function modes(stream) {
  const named = MODES.filter((mode) => stream.supported_sync_modes?.includes?.(mode));
  return named.length ? named : ["full_refresh"];
}

/** Return how a stream is read: what was chosen, filled up with what follows from it and from the source. */
export function plan(stream, choice = {}) {
  const own = stream.default_cursor_field?.length ? stream.default_cursor_field : [];
  const cursor = choice.cursor?.length ? choice.cursor : own;
  const key = choice.key?.length ? choice.key : (stream.source_defined_primary_key ?? []);
  const able = modes(stream);
  const easy = able.includes("incremental") && Boolean(stream.source_defined_cursor || cursor.length);
  const mode = able.includes(choice.mode) ? choice.mode : easy || able.length === 1 ? able.at(-1) : "full_refresh";
  const usual = mode === "full_refresh" ? "overwrite" : key.length ? "append_dedup" : "append";
  const write = choice.write && writes(mode).includes(choice.write) ? choice.write : usual;
  const selected = choice.selected ?? true;
  return { selected, mode, cursor, key, write, usual, table: choice.table ?? "", problem: selected ? problem(stream, mode, cursor, key, write) : "" };
}

/** The ways into a table; to replace all rows by the newest alone would lose the others. */
export const writes = (mode) => (mode === "incremental" ? ["append_dedup", "append"] : ["overwrite", "append", "append_dedup"]);

function problem(stream, mode, cursor, key, write) {
  if (mode === "incremental" && !stream.source_defined_cursor && !cursor.length) return "Choose a cursor";
  if (write === "append_dedup" && !key.length) return "Choose a key";
  return "";
}

/** Return `[{path, type}]` of a stream's columns, those within objects after their object. */
export function columns(stream) {
  const found = [];
  walk(stream.json_schema, [], found);
  return found;
}

function walk(schema, path, found) {
  const members = schema?.properties;
  if (members === null || typeof members !== "object" || path.length >= DEEPEST) return;
  for (const [name, inner] of Object.entries(members)) {
    if (found.length >= MAX_COLUMNS) return;
    found.push({ path: [...path, name], type: typeOf(inner) });
    walk(inner, [...path, name], found);
  }
}

function typeOf(schema) {
  const types = [schema?.type ?? (schema?.properties ? "object" : "any")].flat().filter((type) => type !== "null");
  return [types.join(" or ") || "any", schema?.format].filter(Boolean).map(String).join(", ");
}

/** Return the configured catalog of POST /read. */
export function configured(streams, choices) {
  const selected = streams.map((stream) => [stream, plan(stream, choices.get(idOf(stream)))]).filter(([, one]) => one.selected);
  return {
    streams: selected.map(([stream, one]) => ({
      stream: one.table ? { ...stream, table_name: one.table } : stream,
      sync_mode: one.mode, cursor_field: one.cursor, destination_sync_mode: one.write, primary_key: one.key,
    })),
  };
}

/** Whether all streams are selected as they are, so that `spec.streams` may be left out. */
export const isEverything = (streams, choices) => streams.every((stream) => !changed(stream, choices.get(idOf(stream))));

/** Return `spec.streams` of a declared sync; undefined means everything, also what the source offers later. */
export function declared(streams, choices, listed = false) {
  if (!listed && isEverything(streams, choices)) return undefined;
  return streams.flatMap((stream) => {
    const choice = choices.get(idOf(stream)) ?? {};
    const one = plan(stream, choice);
    return one.selected ? [entry(stream, choice, one)] : [];
  });
}

function entry(stream, choice, one) {
  const made = { name: stream.name };
  if (stream.namespace) made.namespace = stream.namespace;
  made.mode = one.mode;
  if (one.write !== one.usual) made.write = one.write;
  if (one.mode === "incremental" && choice.cursor?.length) made.cursor = choice.cursor;
  if (choice.key?.length) made.key = choice.key;
  if (one.table) made.table = one.table;
  return made;
}

function changed(stream, choice) {
  if (!choice) return false;
  const [now, usual] = [plan(stream, choice), plan(stream)];
  return !now.selected || Boolean(choice.cursor?.length || choice.key?.length || now.table) || now.mode !== usual.mode || now.write !== usual.write;
}

/** Return the choices that a document's `streams` stand for, and the names of those that are not offered (any more). */
export function wished(streams, wishes) {
  if (!wishes) return { choices: new Map(), missing: [] };
  const choices = new Map(streams.map((stream) => [idOf(stream), { selected: false }]));
  const missing = [];
  for (const { name, namespace, ...wish } of wishes) {
    const named = streams.filter((stream) => stream.name === name && (!namespace || stream.namespace === namespace));
    if (named.length === 1) choices.set(idOf(named[0]), { ...wish, selected: true });
    else missing.push(namespace ? `${namespace}.${name}` : name);
  }
  return { choices, missing };
}
