/* Commands that start a task once more, without what is not kept: configurations and their secrets. */

import { address } from "../../lib/api.js";
import { curl, quote } from "../../components/copy.js";
import { image } from "./words.js";

const MOST_STREAMS = 20;

/** Return `{syncctl, curl, unknown}`: two commands, and the options in them that are not known here. */
export function repeat(task) {
  if (task.run) return { syncctl: `syncctl run --again=${quote(task.taskId)} --follow`, curl: curl(runAddress(task), { method: "POST" }), unknown: [] };
  if (task.command === "spec") return { syncctl: `syncctl spec ${quote(image(task))}`, curl: curl(ofImage(task, "spec")), unknown: [] };
  if (task.command === "read") return read(task);
  return {
    syncctl: `syncctl ${task.command} ${quote(image(task))} --config config.json`,
    curl: posted(ofImage(task, task.command, { storageKey: task.storageKey })),
    unknown: ["config.json: the connector's configuration; for curl as {\"config\": {...}}"],
  };
}

/** The address that starts a declared sync's run as this one was asked for. */
export function runAddress(task, taskId) {
  const { sync, streams, fullSync } = task.run;
  return address("syncs", sync, "run", { taskId, streams: streams?.join(","), fullSync: fullSync ? "true" : "" });
}

/** The address that starts a spec once more. */
export const specAddress = (task) => ofImage(task, "spec");

function read(task) {
  const streams = Object.keys(task.streams ?? {});
  const chosen = streams.length <= MOST_STREAMS ? streams.map((key) => `--stream=${quote(key)}`) : [];
  const unknown = [
    "config.json: the connector's configuration",
    "the tables' prefix (--prefix), and whether it was a full sync (--full-sync)",
    "modes, cursors and keys of the streams: without --catalog they are chosen as the connector proposes",
    'for curl: request.json, {"config": {...}, "catalog": {...}}, and a new task id',
  ];
  if (!chosen.length) unknown.push("which streams (--stream)");
  return {
    syncctl: ["syncctl read", quote(image(task)), "--config config.json", `--sync=${quote(task.syncId)}`, ...chosen, "--follow"].join(" "),
    curl: posted(ofImage(task, "read", { syncId: task.syncId, taskId: "NEW_TASK_ID" }), "request.json"),
    unknown,
  };
}

const ofImage = (task, command, more = {}) => address(command, { package: task.package, version: task.version, ...more });

const posted = (url, file = "config.json") =>
  `curl -H "Authorization: Bearer $SYNCCTL_TOKEN" -H 'Content-Type: application/json' -d @${file} ${quote(url)}`;
