/* A log while it is looked at: opened, followed, and asked for again after a failure. */

import { useEffect, useRef, useState } from "../../lib/html.js";
import { BUSY_MS, retryPause } from "../../lib/poll.js";
import { setQuery } from "../../lib/router.js";
import { isActive } from "../../lib/states.js";
import { announce } from "../../components/announcer.js";
import { Pager } from "./pager.js";

/**
 * Return a task's log, `{pager, key, ...}`, which is rendered again when it changes; `key` names task and filter.
 *
 * `following` and `follow(yes)`: whether the end is kept in sight; `fresh` counts lines since one has stopped that.
 * `marked` is the key of the line at `line`, null while it is looked for, undefined if it is not there. `go(at)` shows
 * another place of the log, `link(line)` makes the address one of this line, `around(line)` shows it without filters.
 */
export function useLog(taskId, level, q, line) {
  const [, setCount] = useState(0);
  const render = () => setCount((count) => count + 1);
  const [following, setFollowing] = useState(!line);
  const log = useRef({});
  const seen = useRef(0);
  log.current.following = following;
  const [marked, setMarked] = useState(null);
  const go = async (at) => {
    const { pager, keeper } = log.current;
    log.current.place = at;
    setMarked(null);
    const found = await pager.open(at);
    if (pager !== log.current.pager || pager.stopped) return;
    keeper.plan();
    if (at !== "start" && at !== "end" && pager.opened) setMarked(found ?? undefined);
  };
  const key = JSON.stringify([taskId, level, q]);
  useEffect(() => {
    const pager = new Pager(taskId, { level, q }, render);
    const keeper = keepUp(pager, () => log.current.following);
    Object.assign(log.current, { pager, keeper, key });
    setFollowing(!line);
    go(line || "end");
    return () => (keeper.stop(), pager.stop());
  }, [key]);
  useEffect(() => {
    if (!line || line === log.current.place) return; // another link to this log
    setFollowing(false);
    go(line);
  }, [line]);
  const { pager } = log.current.key === key ? log.current : {};
  const arrived = pager?.arrived ?? 0;
  if (following || seen.current > arrived) seen.current = arrived;
  const follow = (yes) => {
    if (yes && pager.opened && !pager.atEnd) go("end");
    if (yes) setQuery({ line: "" });
    setFollowing(yes);
  };
  const link = async (one) => {
    const cursor = await pager.cursorOf(one);
    log.current.place = cursor;
    setFollowing(false);
    setQuery({ line: cursor });
    setMarked(one.key);
    announce("The address of this page is now a link to this line.");
  };
  const around = async (one) => setQuery({ level: "", q: "", source: "", line: await pager.cursorOf(one) });
  return { pager, key, following, follow, marked: line ? marked : null, fresh: arrived - seen.current, go, link, around };
}

/** Ask on while the task is active; once more after its end: lines may come a moment late. */
function keepUp(pager, following) {
  let timer, failures = 0, late = false;
  async function turn() {
    clearTimeout(timer);
    if (document.hidden || pager.stopped) return;
    if (!pager.opened) await pager.reopen();
    else if (pager.atEnd || pager.error) await pager.newer(!following());
    else await pager.look();
    plan();
  }
  function plan() {
    clearTimeout(timer);
    if (document.hidden || pager.stopped) return;
    const { error } = pager;
    failures = error ? failures + 1 : 0;
    if (!error && !isActive(pager.state) && late) return;
    if (!error) late = !isActive(pager.state);
    const wait = error ? retryPause(error, failures) : BUSY_MS;
    if (wait !== null) timer = setTimeout(turn, wait);
  }
  const changed = () => (document.hidden ? clearTimeout(timer) : plan());
  document.addEventListener("visibilitychange", changed);
  addEventListener("online", turn);
  return {
    plan,
    stop() {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", changed);
      removeEventListener("online", turn);
    },
  };
}
