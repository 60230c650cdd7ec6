/* What the choices come to: requests, and the document of a declared sync. Pure; no secret's value is in a document. */

import { at, empty, parts, pointer, put } from "./pointers.js";

const API_VERSION = "sync-functions.dev/v1alpha1";
/** What runs a manifest where no image is named: its tags are the CDK's versions (common/syncs/manifest.py). */
export const MANIFEST_IMAGE = "airbyte/source-declarative-manifest:7.39.1";
const INJECTED = "__injected_declarative_manifest";

/** "NAME:TAG" or "NAME@DIGEST" -> `{package, version}`; a colon before the last slash is a registry's port. */
export function splitImage(text) {
  const [reference, digest] = text.trim().split(/@(.*)/s);
  const slash = reference.lastIndexOf("/") + 1;
  const [name, tag] = reference.slice(slash).split(/:(.*)/s);
  return { package: reference.slice(0, slash) + name, version: digest ?? tag ?? "" };
}

/** Return what is wrong with an image's name as far as that shows here, or "". */
export function imageProblem(text) {
  const { package: name, version } = splitImage(text);
  if (!name) return "Type the connector's image, such as airbyte/source-faker:7.2.1.";
  if (/\s/.test(text.trim())) return "An image's name has no blanks.";
  const whole = name.includes("/") ? name : `airbyte/source-${name.replace(/^source-/, "")}`;
  if (!version) return `Add ${name === whole ? "a version" : "whose it is, and a version"}, such as ${whole.slice(0, 80)}:1.2.3.`;
  return "";
}

/** Return the image that is asked: with a manifest, the one that runs it. */
export const imageOf = (draft) => (draft.kind === "manifest" ? draft.image.trim() || MANIFEST_IMAGE : draft.image.trim());

/** Return the configuration as the connector gets it. */
export function connectorConfig(draft, manifest) {
  return manifest ? { ...(draft.config ?? {}), [INJECTED]: manifest } : (draft.config ?? {});
}

/** Return the pointers of all secrets of a configuration: those whose values are here, and those that are not. */
function secretPlaces(draft) {
  return [...new Set([...draft.secrets, ...draft.lost])].sort();
}

/** Return a Map from each secret's pointer to `{name, key}`: what was chosen, else a suggestion. */
export function secretRefs(draft) {
  const chosen = new Map(draft.refs);
  const name = `credentials-${draft.name || "sync"}`.slice(0, 63).replace(/[-.]+$/, "");
  const refs = new Map();
  const taken = new Set([...chosen.values()].map((ref) => `${ref.name}/${ref.key}`));
  for (const place of secretPlaces(draft)) {
    const key = keys(parts(place)).find((one) => !taken.has(`${name}/${one}`));
    taken.add(`${name}/${key}`);
    refs.set(place, { name, key, ...chosen.get(place) });
  }
  return refs;
}

/* The field's own name, then with those above it, then numbered: as `syncctl read --save-as` does it. */
function keys(path) {
  const names = path.map((part) => part.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "") || "value");
  const longer = names.map((_, start) => names.slice(names.length - 1 - start).join("-").slice(0, 200));
  return [...longer, ...Array.from({ length: 100 }, (_, number) => `${names.at(-1).slice(0, 190)}-${number + 2}`)];
}

/** Return the configuration with a reference in the place of each secret. */
function declaredConfig(draft) {
  const refs = secretRefs(draft);
  const bare = empty(draft.config ?? {}, [...refs.keys()]);
  return [...refs].reduce((config, [place, ref]) => put(config, place, { valueFrom: { secretKeyRef: ref } }), bare);
}

/** Return the schedule as cron has it, or "" for one that runs by hand. */
export function cron({ kind, at: time, cron: own }) {
  const [hour, minute] = time.split(":").map(Number);
  return { hand: "", hourly: "@hourly", daily: `${minute || 0} ${hour || 0} * * *`, cron: own.trim() }[kind];
}

/** Return what a document's schedule is among the choices. */
export function scheduleOf({ schedule, timeZone }) {
  const made = { kind: "hand", at: "02:00", cron: "", zone: timeZone ?? "UTC" };
  if (!schedule) return made;
  if (schedule === "@hourly") return { ...made, kind: "hourly" };
  const daily = /^(\d{1,2}) (\d{1,2}) \* \* \*$/.exec(schedule);
  if (daily) return { ...made, kind: "daily", at: `${daily[2].padStart(2, "0")}:${daily[1].padStart(2, "0")}` };
  return { ...made, kind: "cron", cron: schedule };
}

/** Return when a sync runs, in words. */
export function scheduleWords({ kind, at: time, cron: own, zone }) {
  const words = { hand: "when somebody starts it", hourly: "at the start of every hour", daily: `every day at ${time} (${zone})` };
  return words[kind] ?? `by the cron expression ${own.trim() || "..."} (${zone})`;
}

/** Return the document. `streams` is `spec.streams`, undefined for everything. */
export function toDocument(draft, { streams, manifest }) {
  const spec = { ...(draft.base?.spec ?? {}) };
  const schedule = cron(draft.schedule);
  set(spec, "manifest", manifest);
  set(spec, "image", draft.image.trim() || undefined);
  set(spec, "config", declaredConfig(draft));
  set(spec, "streams", streams);
  set(spec, "prefix", draft.prefix || undefined);
  set(spec, "schedule", schedule || undefined);
  set(spec, "timeZone", schedule && draft.schedule.zone !== "UTC" ? draft.schedule.zone : undefined);
  const metadata = { name: draft.name.trim() };
  if (draft.base?.metadata.resourceVersion) metadata.resourceVersion = draft.base.metadata.resourceVersion;
  return { apiVersion: API_VERSION, kind: "Sync", metadata, spec };
}

function set(object, name, value) {
  if (value === undefined) delete object[name];
  else object[name] = value;
}

/**
 * Return the problems of a 422 by the step that they belong to: `{image, config, streams, save}`, each a list of
 * `{field, message, pointer}`. A problem of a reference belongs to where Secrets are named.
 */
export function problemsByStep(problems) {
  const found = { image: [], config: [], streams: [], save: [] };
  for (const { path = [], field, message } of problems ?? []) {
    const [, member, ...rest] = path;
    const step = { image: "image", manifest: "image", config: rest.includes("valueFrom") ? "save" : "config", streams: "streams" }[member];
    found[path[0] === "spec" && step ? step : "save"].push({ field: field || path.join("."), message, pointer: pointer(path.slice(2)) });
  }
  return found;
}

/** Return the name that is suggested for a sync of this image. */
export function suggestedName(draft) {
  if (draft.kind === "manifest") return "my-sync";
  const last = splitImage(draft.image).package.split("/").at(-1).replace(/^source-/, "");
  return last.toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 50) || "my-sync";
}

/** Return whether the value at a pointer is there. */
export const isGiven = (draft, place) => ![undefined, ""].includes(at(draft.config ?? {}, place));
