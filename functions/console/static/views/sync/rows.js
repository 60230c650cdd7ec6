/* The list of syncs as rows: declared ones and those that only have tasks. */

import { between } from "../../lib/format.js";
import { link } from "../../lib/router.js";
import { idOf } from "./document.js";

/** How urgent a state is. */
const ORDER = ["FAILED", "INVALID", "PARTIAL", "RUNNING", "PENDING", "CANCELLED", "NEW", "SUCCESS", "SUSPENDED"];

/** Return the rows of an answer of GET /syncs. */
export function rowsOf(body) {
  const runs = body?.runs ?? {};
  const declared = (body?.syncs ?? []).map((sync) => row(sync.metadata.name, idOf(sync), sync.status, runs, {
    declared: true, spec: sync.spec, image: sync.spec?.image ?? (sync.spec?.manifest ? "manifest" : ""),
    suspended: sync.spec?.suspend === true, usable: Boolean(sync.spec) && sync.status?.state !== "INVALID",
    link: link("syncs", sync.metadata.name),
  }));
  const others = (body?.undeclared ?? []).map((one) => row(one.syncId, one.syncId, one.status, runs, {
    declared: false, image: "", link: link("syncs", one.syncId, { undeclared: "1" }),
  }));
  return [...declared, ...others];
}

function row(name, id, status, runs, more) {
  const own = (Object.hasOwn(runs, id) && runs[id]) || []; // every object has a member `constructor`
  return { key: `${more.declared ? "d" : "u"}:${name}`, name, id, state: status?.state ?? "NEW", message: status?.message ?? "",
    lastTask: status?.lastTask ?? own[0]?.taskId ?? "", lastSuccess: status?.lastSuccess ?? "", nextRun: status?.nextRun ?? "", runs: own, ...more };
}

const VALUES = {
  name: (row) => row.name.toLowerCase(),
  state: (row) => (ORDER.indexOf(row.state) + 1 || ORDER.length + 1),
  last: (row) => row.runs[0]?.createdAt ?? "",
  success: (row) => row.lastSuccess,
  duration: (row) => (row.runs[0] ? between(row.runs[0].startedAt, row.runs[0].finishedAt) ?? -1 : -1),
  rows: (row) => row.runs[0]?.stored ?? -1,
  next: (row) => row.nextRun || "9999",
};

/** Return the rows that a view's query wants, in its order. */
export function shownOf(rows, { q = "", state = "", sort = "name", desc = "" }) {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (row) => {
    const text = `${row.name} ${row.id} ${row.image} ${row.message}`.toLowerCase();
    return (!state || row.state === state) && words.every((word) => text.includes(word));
  };
  const value = Object.hasOwn(VALUES, sort) ? VALUES[sort] : VALUES.name;
  const sign = desc ? -1 : 1;
  return rows.filter(fits)
    .map((row) => [value(row), row])
    .sort(([a, one], [b, two]) => (a < b ? -sign : a > b ? sign : one.name < two.name ? -1 : 1))
    .map(([, row]) => row);
}
