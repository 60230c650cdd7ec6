/* A task's log: followed, searched, and linked to line by line. */

import { html, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { number, time } from "../lib/format.js";
import { link, setQuery } from "../lib/router.js";
import { isActive, look } from "../lib/states.js";
import { useTitle } from "../lib/title.js";
import { announce } from "../components/announcer.js";
import { Loading } from "../components/notice.js";
import { Status } from "../components/status.js";
import { VirtualRows } from "../components/virtual-rows.js";
import { Line, dayOf, sourceOf } from "./logs/line.js";
import { Problem, Nothing } from "./logs/notes.js";
import { Search } from "./logs/search.js";
import { Copies, Download, Filters, levelOf } from "./logs/tools.js";
import { useLog } from "./logs/use-log.js";

export function View({ path, query }) {
  const taskId = path[1];
  const { q = "", source = "", line = "", wrap = "" } = query;
  const level = levelOf(query.level);
  const log = useLog(taskId, level, q, line);
  const { pager } = log;
  const items = useMemo(() => ofSource(pager, source), [pager?.lines, source]);
  const state = pager?.state ?? "";
  useTitle(`Log of ${taskId}`, state);
  useEndTold(state);
  useEffect(() => {
    if (!pager?.opened || items.length || pager.busy || pager.error) return; // what shows no line is not scrolled
    if (!pager.atStart) pager.older();
    else if (!pager.atEnd) pager.newer();
  });
  const rows = useRef(null);
  const [current, step] = useSteps(log, source, rows);
  return html`<div class="log-view">
    <div class="row"><h1>Log of <a href=${link("tasks", taskId)}>${taskId}</a></h1>${state && html`<${Status} state=${state} />`}</div>
    <div class="row log-tools">
      <${Search} q=${q} search=${(text) => setQuery({ q: text, line: "" })} step=${step} count=${items.length}
        place=${items.findIndex(({ key }) => key === current)} whole=${pager?.atStart && pager?.atEnd} />
      <${Filters} level=${level} source=${source} wrap=${wrap !== "off"} />
    </div>
    <div class="row log-tools"><${Download} taskId=${taskId} /><${Copies} taskId=${taskId} level=${level} q=${q} state=${state} /></div>
    <${Problem} pager=${pager} taskId=${taskId} missing=${line && log.marked === undefined} />
    ${pager?.opened && html`<${Where} log=${log} items=${items} />`}
    ${!pager?.opened && !pager?.error && html`<${Loading} what="the log" />`}
    <${Nothing} pager=${pager} items=${items} taskId=${taskId} filters=${{ level, q, source }} />
    ${items.length > 0 && html`<${Lines} key=${log.key} log=${log} items=${items} rows=${rows} taskId=${taskId} query=${query} q=${q} current=${current} wrap=${wrap !== "off"} filtered=${level || q || source} />`}
  </div>`;
}

const ofSource = (pager, source) => {
  const lines = pager?.lines ?? [];
  return ["connector", "platform"].includes(source) ? lines.filter((one) => sourceOf(one) === source) : lines;
};

/** Say so once a task ends that one has seen running. */
function useEndTold(state) {
  const before = useRef("");
  useEffect(() => {
    if (isActive(before.current) && state && !isActive(state)) announce(`The task has ended: ${look(state).word}.`);
    before.current = state;
  }, [state]);
}

/** Return the key of the line that the search is at, and how to go on. */
function useSteps(log, source, rows) {
  const [current, setCurrent] = useState(null);
  useEffect(() => setCurrent(null), [log.key]);
  const at = (index) => {
    const items = ofSource(log.pager, source);
    const key = items.at(index < 0 ? -1 : index % items.length)?.key;
    if (key === undefined) return;
    log.follow(false);
    setCurrent(key);
    rows.current?.scrollTo(items.findIndex((one) => one.key === key));
  };
  const step = async (by) => {
    const { pager } = log;
    const place = () => ofSource(pager, source).findIndex(({ key }) => key === current);
    if (place() < 0) return at(-1);
    if (by < 0 && place() === 0) await pager.older();
    if (by > 0 && place() === ofSource(pager, source).length - 1 && !pager.atEnd) await pager.newer();
    at(place() + by);
  };
  return [current, step];
}

/** How much of the log is here, and of which days. */
function Where({ log, items }) {
  const { pager } = log;
  const days = items.length ? [...new Set([dayOf(items[0]), dayOf(items.at(-1))])].join(" - ") : "";
  const doing = { older: "Loading older lines ...", newer: "", open: "Loading ..." }[pager.busy] ?? "";
  const reached = pager.reached ? `Nothing found ${pager.busy === "older" ? "back" : "on"} to ${time(pager.reached)}; looking on ...` : doing;
  return html`<div class="row log-where quiet">
    <span>${days}</span>
    <span>${number(items.length)} ${items.length === 1 ? "line" : "lines"}${pager.atStart && pager.atEnd ? "" : " loaded"}</span>
    <span role="status">${reached}</span>
    <${ToEnd} log=${log} />
  </div>`;
}

function ToEnd({ log }) {
  const { pager, following, fresh } = log;
  if (following) return isActive(pager.state) ? html`<span class="log-follow">Following</span>` : null;
  const more = fresh ? ` (${number(fresh)} new)` : "";
  return html`<button class="log-follow" onClick=${() => log.follow(true)}>${isActive(pager.state) || fresh ? `Follow${more}` : "Go to the end"}</button>`;
}

function Lines({ log, items, rows, taskId, query, q, current, wrap, filtered }) {
  const { pager } = log;
  const [, setCount] = useState(0);
  const open = useRef(new Map());
  useEffect(() => {
    const index = items.findIndex(({ key }) => key === log.marked);
    if (index >= 0) rows.current.scrollTo(index);
  }, [log.marked]);
  const setOpen = (key, value) => {
    open.current.set(key, value);
    setCount((count) => count + 1);
  };
  const row = (line, index) => html`<${Line} line=${line} wanted=${q} marked=${line.key === log.marked} current=${line.key === current}
    date=${index > 0 && dayOf(items[index - 1]) !== dayOf(line)} open=${open.current.get(line.key)} setOpen=${(value) => setOpen(line.key, value)}
    href=${link("tasks", taskId, "logs", { ...query, line: line.timestamp })} onLink=${() => log.link(line)} onAround=${filtered && (() => log.around(line))} />`;
  return html`<${VirtualRows} items=${items} row=${row} estimate=${26} label=${`Log of ${taskId}`} role="log" handle=${rows}
    className=${`log ${wrap ? "" : "unwrapped"}`} follow=${log.following} aria-live=${log.following ? "polite" : "off"} aria-relevant="additions"
    onTop=${() => pager.older()} onBottom=${() => !pager.atEnd && pager.newer()} onAtEnd=${(yes) => (yes ? pager.atEnd && log.follow(true) : log.follow(false))}
    onKeyDown=${(event) => jump(event, log, rows)} />`;
}

/** Home and End are those of the log, not of what is loaded of it. */
function jump(event, log, rows) {
  if (event.ctrlKey || event.metaKey || event.altKey || !["Home", "End"].includes(event.key)) return;
  event.preventDefault();
  if (event.key === "End") return log.follow(true);
  log.follow(false);
  if (log.pager.atStart) rows.current.scrollTo(0, "start");
  else log.go("start").then(() => rows.current?.scrollTo(0, "start"));
}
