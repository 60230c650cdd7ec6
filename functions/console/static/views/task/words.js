/* What a task's members mean, in words. */

import { between } from "../../lib/format.js";
import { link } from "../../lib/router.js";
import { isActive } from "../../lib/states.js";

const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A time that is soon: "14:05", or with its day if that is another one. */
export function soon(text, now = Date.now()) {
  const at = new Date(text);
  return (at.toDateString() === new Date(now).toDateString() ? minute : day).format(at);
}

/** Seconds that a task has run: until its end, or until now. Null before its start. */
export const taskSeconds = (task, now) => between(task.startedAt ?? (task.finishedAt && task.createdAt), task.finishedAt, now);

/**
 * Seconds on a stream's clock: from its own start to its own end. Only while the task runs it goes on: a task's end, or
 * that of an attempt, stops it where the last report left it. Null before its start.
 */
export function streamSeconds(stream, task, now) {
  if (!stream.startedAt) return null;
  if (stream.endedAt) return stream.seconds ?? between(stream.startedAt, stream.endedAt);
  if (task.state === "RUNNING") return Math.max(between(stream.startedAt, null, now), 0);
  return stream.seconds ?? between(stream.startedAt, isActive(task.state) ? task.updatedAt : task.finishedAt);
}

/** Whom or what a task was started by: `{text, trigger}`; of declared syncs' runs `startedBy` is JSON. */
export function startedBy(task) {
  const text = task.startedBy ?? "";
  try {
    const { trigger, ...rest } = JSON.parse(text);
    if (typeof trigger === "string") return { text: [trigger, ...Object.values(rest).filter((one) => typeof one === "string")].join(", "), trigger };
  } catch {
    // another caller's words
  }
  return { text, trigger: "" };
}

/** The link of a task's sync: declared syncs' runs have its name, which may be another one than the syncId. */
export function syncLink(task) {
  try {
    const { sync } = JSON.parse(task.startedBy);
    if (typeof sync === "string" && sync) return link("syncs", sync);
  } catch {
    // another caller's words
  }
  return link("syncs", task.syncId);
}

/** PACKAGE:VERSION, or PACKAGE@sha256:... */
export const image = ({ package: name, version }) => `${name}${version.startsWith("sha256:") ? "@" : ":"}${version}`;

/** A stream's key, a task's subject, in short: what it is about. */
export const subject = (task) => (task.command === "read" ? task.syncId : image(task));

const WAITS = {
  pod: "for its pod: it is being made, or nobody has looked yet why it does not run",
  quota: "for room in the quota of the tasks' namespace",
  cluster: "for the cluster, which was out of reach when its pod was to be made",
  node: "for a node that takes its pod",
  image: "for an image that is being pulled, or cannot be pulled yet",
  container: "for one of its containers, which cannot be made yet, as for a missing Secret",
  report: "for its sidecar, which runs and does not report",
  retry: "for its next attempt",
  discovery: "for the discovery of its streams",
  rate_limit: "for its source's quota: the source is rate limited",
};
const REPEATED = { quota: true, cluster: true };

/** What an active task waits for: "for a node that takes its pod". */
export function waitsFor(waiting) {
  const until = waiting.until ? ` until ${soon(waiting.until)}` : "";
  const repeat = REPEATED[waiting.for] ? "; repeat the request to try again at once" : "";
  return `${WAITS[waiting.for] ?? `for ${waiting.for}`}${until}${repeat}`;
}

const ORIGINS = {
  source: "the connector, or the system that it reads",
  destination: "the warehouse, or what loads it",
  platform: "the platform: Kubernetes, Postgres, or this deployment",
  user: "the request, the document or the settings",
};

/** Whose a failure is. */
export const origin = (name) => ORIGINS[name] ?? name;

/** A count of things: plural(1, "row") is "1 row". */
export const plural = (count, word) => `${new Intl.NumberFormat().format(count)} ${word}${count === 1 ? "" : "s"}`;
