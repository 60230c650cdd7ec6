/* Pages of tasks, as one list: newest first, grown at its end while one scrolls, kept current while one looks. */

import { useEffect, useMemo, useRef, useState } from "../../lib/html.js";
import { address, request } from "../../lib/api.js";
import { BUSY_MS, IDLE_MS, usePoll } from "../../lib/poll.js";
import { isActive } from "../../lib/states.js";

const PAGE = 100;

/** An empty list. `order` are ids, `tasks` the tasks by their ids. */
export const nothing = () => ({ order: [], tasks: new Map() });

/**
 * Return the list with a page in its place. `after` is the id of the task before the page, "" for the first page, and
 * `last` says that nothing comes behind it. Tasks between the page's first and last that are not in it do not match any
 * more; what comes behind it stays.
 */
export function merge({ order, tasks }, page, after, last) {
  const ids = page.map((task) => task.taskId);
  const known = new Set(order);
  const inPage = new Set(ids);
  const from = after ? order.indexOf(after) + 1 : 0;
  if (after && !from) return { order, tasks: updated(tasks, page) }; // where it belongs is not known any more
  const seen = ids.findLast((id) => known.has(id));
  const until = last ? order.length : seen === undefined ? from : order.indexOf(seen) + 1;
  // More has come than one page holds: what is between is not known, so the list begins again.
  const gap = !after && !last && seen === undefined && order.length > 0;
  const head = order.slice(0, from).filter((id) => !inPage.has(id));
  const tail = gap ? [] : order.slice(Math.max(until, from)).filter((id) => !inPage.has(id));
  const merged = new Map(gap ? [] : tasks);
  for (const task of page) merged.set(task.taskId, task);
  const next = [...head, ...ids, ...tail];
  if (merged.size > next.length) {
    const kept = new Set(next);
    for (const id of merged.keys()) if (!kept.has(id)) merged.delete(id);
  }
  return { order: next, tasks: merged, gap };
}

function updated(tasks, page) {
  const merged = new Map(tasks);
  for (const task of page) if (merged.has(task.taskId)) merged.set(task.taskId, task);
  return merged;
}

/**
 * Return `{tasks, known, more, error, at, loadMore, refresh}` of the tasks that match `filters`, parameters of
 * GET /tasks. The first page is polled; a later one is asked again with it while it has an active task.
 */
export function useTasks(filters) {
  const url = address("tasks", { ...filters, limit: PAGE });
  const held = useRef({});
  if (held.current.url !== url) held.current = { url, list: nothing(), later: [], next: undefined, taken: null, loading: false, renewing: false };
  const first = usePoll(url, (body) => (busy(body.tasks ?? []) || busy(held.current.list.tasks.values()) ? BUSY_MS : IDLE_MS));
  const [, setCount] = useState(0);
  const mine = held.current;
  const show = () => held.current === mine && setCount((count) => count + 1);
  if (first.body && mine.taken !== first.body) take(mine, first.body);
  useEffect(() => {
    if (first.at) void renew(mine, filters, show);
  }, [first.at]);
  const waits = !busy(first.body?.tasks ?? []) && busy(mine.list.tasks.values());
  useEffect(() => {
    if (waits) first.refresh(); // a later page has come: the pause so far was that of the first one alone
  }, [waits, url]);
  const tasks = useMemo(() => mine.list.order.map((id) => mine.list.tasks.get(id)), [mine.list]);
  return {
    tasks,
    known: Boolean(first.body),
    more: Boolean(mine.next),
    error: first.error ?? mine.error,
    at: first.at,
    refresh: first.refresh,
    loadMore: () => void more(mine, filters, show),
  };
}

const busy = (tasks) => [...tasks].some((task) => isActive(task.state));

function take(mine, body) {
  mine.taken = body;
  mine.list = merge(mine.list, body.tasks, "", !body.next);
  if (mine.list.gap || !body.next) mine.later = [];
  if (mine.list.gap || !body.next || !(mine.later.length || mine.loading)) mine.next = behind(body);
}

/** The page behind an answer's, or null. */
const behind = (body) => body.next && { cursor: body.next, after: body.tasks.at(-1).taskId };

async function more(mine, filters, show) {
  const page = mine.next;
  if (!page || mine.loading) return undefined;
  mine.loading = true;
  let moved = false;
  try {
    const { body, tag } = await ask(filters, page);
    moved = !mine.list.order.includes(page.after); // the list has begun again meanwhile
    if (!moved) {
      mine.list = merge(mine.list, body.tasks, page.after, !body.next);
      mine.later.push({ ...page, tag, ids: body.tasks.map((task) => task.taskId) });
    }
    mine.next = moved ? behind(mine.taken) : behind(body);
    mine.error = null;
  } catch (error) {
    mine.error = error;
  }
  mine.loading = false;
  show();
  return moved ? more(mine, filters, show) : undefined;
}

/** Ask again for later pages with tasks that go on. */
async function renew(mine, filters, show) {
  if (mine.renewing) return; // there may be many pages, and answers may be slow
  mine.renewing = true;
  try {
    for (const page of [...mine.later]) {
      if (!page.ids.some((id) => isActive(mine.list.tasks.get(id)?.state))) continue;
      const { body, tag, unchanged } = await ask(filters, page, page.tag);
      if (unchanged || !mine.later.includes(page)) continue;
      mine.list = merge(mine.list, body.tasks, page.after, !body.next);
      Object.assign(page, { tag, ids: body.tasks.map((task) => task.taskId) });
      show();
    }
  } catch {
    // the first page says what is wrong
  }
  mine.renewing = false;
}

const ask = (filters, page, tag) => request(address("tasks", { ...filters, limit: PAGE, cursor: page.cursor }), { tag });
