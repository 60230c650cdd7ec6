/* Where a draft is: its tasks, what they have found, which steps are open, and the requests that follow from it. */

import { useEffect, useMemo, useState } from "../../lib/html.js";
import { change as send } from "../../lib/api.js";
import { tableOf } from "../../components/tables.js";
import { declared, configured, idOf, keyOf, offered, plan, wished } from "./catalog.js";
import { passed } from "./check-step.js";
import { configProblems } from "./config-step.js";
import { connectorConfig, imageOf, imageProblem, isGiven, splitImage, toDocument } from "./document.js";
import { randomId, reopened } from "./draft.js";
import { useManifest } from "./manifest.js";
import { useSecrets } from "./secrets.js";
import { useStart, useTask } from "./task.js";

export function useFlow(draft, change) {
  const manifest = useManifest(draft);
  const [asked, check, found] = [useTask(draft.spec), useTask(draft.check), useTask(draft.discover)];
  const spec = draft.kind === "manifest" ? manifest.spec : draft.specOf === imageOf(draft) && asked.task?.state === "SUCCESS" ? asked.task.result : null;
  useSecrets(spec, draft, change);
  const chosen = useStreams(draft, change, found);
  const requests = useRequests(draft, change, { manifest: manifest.value, check, found });
  const blocked = draft.lost.filter((place) => !isGiven(draft, place));
  const listed = chosen.streams ? declared(chosen.streams, chosen.choices, draft.fixed ?? Boolean(draft.base?.spec.streams)) : draft.base?.spec.streams;
  const facts = { draft, manifest, spec, asked, check, found, ...chosen };
  const read = () => readRequest(draft, manifest.value, chosen);
  const loading = [[draft.spec, asked], [draft.check, check], [draft.discover, found]].some(([id, one]) => id && !one.task && !one.error) || manifest.reading;
  return {
    ...facts, ...requests, blocked, loading, listed: listed !== undefined, read, unlocked: unlocked(facts), states: states(facts, requests),
    document: toDocument(draft, { streams: listed, manifest: draft.kind === "manifest" ? manifest.value : undefined }),
  };
}

function useStreams(draft, change, found) {
  const [missing, setMissing] = useState([]);
  const result = found.task?.state === "SUCCESS" ? found.task.result : null;
  const streams = useMemo(() => result && offered(result), [draft.discover, Boolean(result)]);
  useEffect(() => {
    if (!streams || !draft.wishes) return;
    const from = wished(streams, draft.wishes);
    setMissing(from.missing);
    change({ choices: [...from.choices], wishes: null });
  }, [streams, draft.wishes]);
  const choices = useMemo(() => new Map(draft.choices), [draft.choices]);
  const plans = useMemo(() => (streams ?? []).map((stream) => plan(stream, choices.get(idOf(stream)))), [streams, choices]);
  const selected = plans.filter((one) => one.selected).length;
  const tables = (streams ?? []).flatMap((stream, at) => (plans[at].selected ? [tableOf(keyOf(stream), { prefix: draft.prefix, table: plans[at].table })] : []));
  return { streams, choices, missing, selected, tables, ready: selected > 0 && plans.every((one) => !one.problem) };
}

/* One check or discover of a draft at a time: an older one that goes on is cancelled first. */
function useRequests(draft, change, { manifest, check, found }) {
  const [checkStart, findStart] = [useStart(), useStart()];
  const query = { ...splitImage(imageOf(draft)), storageKey: `console-${draft.id}` };
  const ask = async (command, id, follow) => {
    if (id && follow.active) await send("POST", ["cancel", { taskId: id }]).catch(() => {});
    return send("POST", [command, query], { config: connectorConfig(draft, manifest) });
  };
  return {
    checkStart, findStart,
    checkNow: () => checkStart.start(() => ask("check", draft.check, check), (id) => change({ check: id, stale: false, skipped: false })),
    find: () => findStart.start(() => ask("discover", draft.discover, found), (id) => change((before) => ({ discover: id, outdated: false, confirmed: reopened(before, "streams") }))),
  };
}

function readRequest(draft, manifest, { streams, choices }) {
  const taskId = `${draft.name.trim()}-${randomId().slice(0, 10)}`;
  const query = { ...splitImage(imageOf(draft)), syncId: draft.name.trim(), taskId, tableNamePrefix: draft.prefix, startedBy: "console" };
  return { query, body: { config: connectorConfig(draft, manifest), catalog: configured(streams, choices) } };
}

function known(draft, manifest) {
  return draft.kind === "manifest" ? Boolean(manifest.value) : !imageProblem(draft.image);
}

/* An edited sync has all that the later steps need: its document. */
function unlocked({ draft, manifest, spec, asked, check, streams, ready }) {
  const edited = Boolean(draft.base);
  const image = known(draft, manifest);
  const filled = spec && draft.config && !Object.keys(configProblems(spec, draft)).length;
  const tried = passed(draft, check) || draft.skipped || draft.discover;
  return {
    image: true,
    config: image && (edited || draft.kind === "manifest" || draft.specOf === imageOf(draft)),
    check: image && Boolean(edited || filled),
    streams: image && Boolean(edited || (filled && tried)),
    save: image && Boolean(edited ? !streams || ready : filled && ready),
  };
}

function states({ draft, manifest, spec, asked, check, found, streams, ready }, { checkStart, findStart }) {
  const filled = spec && draft.config && !Object.keys(configProblems(spec, draft)).length;
  const isConfirmed = (step) => draft.confirmed.includes(step);
  const failed = (follow) => follow.error || (follow.task && !follow.active && follow.task.state !== "SUCCESS");
  return {
    image: known(draft, manifest) && isConfirmed("image") ? "done" : "open",
    config: asked.active ? "busy" : !spec && draft.spec && failed(asked) ? "bad" : filled && isConfirmed("config") ? "done" : "open",
    check: checkStart.busy || check.active ? "busy" : passed(draft, check) ? "done" : draft.check && !draft.stale && failed(check) ? "bad" : draft.skipped ? "skipped" : "open",
    streams: findStart.busy || found.active ? "busy" : failed(found) || (streams && !ready) ? "bad" : streams && isConfirmed("streams") ? "done" : "open",
    save: draft.saved ? "done" : "open",
  };
}
