/* Ask again and again, but only while somebody looks. */

import { useCallback, useEffect, useRef, useState } from "./html.js";
import { request } from "./api.js";
import { onSignOut } from "./session.js";

/** Pauses in ms: while something goes on, and while nothing does: longer than Knative keeps an idle function. */
export const BUSY_MS = 2000;
export const IDLE_MS = 120_000;
const RETRY_MS = [1000, 2000, 5000, 10_000, 30_000];
/** Refusals that may pass by themselves, of a request that is right. */
const PASSING = [408, 425, 429];
/** A page that asks often is busy for a third of the time at most, up to this pause: an answer may take long to make. */
const SLOW_MS = 10_000;
/** Without a key, a click or a scroll for this long, the page asks as if nothing went on. */
const AWAY_MS = 30 * 60_000;
const answers = new Map();
let active = Date.now();
for (const kind of ["pointerdown", "keydown", "wheel", "touchstart"]) {
  addEventListener(kind, () => (active = Date.now()), { passive: true, capture: true });
}

/**
 * Return the pause after a failed request in ms, null to ask no more; `failures` is how many came in a row. What is not
 * there may be on its way, such as a task that is just being started: a 404 is asked again for most of a minute.
 */
export function retryPause({ status, after, isForeign }, failures) {
  const isRefused = status >= 400 && status < 500 && !isForeign && !PASSING.includes(status);
  const isFinal = status === 404 ? failures > RETRY_MS.length : isRefused;
  return isFinal ? null : Math.max(RETRY_MS[Math.min(failures, RETRY_MS.length) - 1], Math.min(after ?? 0, IDLE_MS));
}

/**
 * Return `{body, error, at, refresh}` of a GET, asked again after `pause(body)` ms; an address of "" is not asked.
 * A hidden page does not ask; one that is seen again asks at once. `at` is when the answer was last known to be so.
 */
export function usePoll(url, pause = () => IDLE_MS) {
  const [state, setState] = useState(() => remembered(url));
  const asker = useRef(null);
  const wanted = useRef(pause);
  wanted.current = pause;
  useEffect(() => {
    setState(remembered(url));
    if (!url) return undefined;
    asker.current = poll(url, (body) => wanted.current(body), setState);
    return () => asker.current.stop();
  }, [url]);
  const refresh = useCallback(() => asker.current?.ask(), []);
  return { ...(state.url === url ? state : remembered(url)), refresh };
}

function remembered(url) {
  return { url, ...answers.get(url), error: null };
}

function poll(url, pause, show) {
  let timer, controller, failed, failures = 0, stopped = false;
  let took = [0, 0]; // ms, of the last two answers: one that woke a function says nothing of the next
  async function ask() {
    clearTimeout(timer);
    controller?.abort();
    controller = new AbortController();
    const mine = controller;
    const asked = Date.now();
    try {
      const before = answers.get(url);
      const answer = await request(url, { tag: before?.tag, signal: mine.signal });
      if (stopped || mine !== controller) return;
      keep(url, answer.unchanged ? before : answer);
      took = [took[1], Date.now() - asked];
      failures = 0;
      show(remembered(url));
    } catch (error) {
      if (stopped || mine !== controller || error.name === "AbortError") return;
      failures += 1;
      failed = error;
      show({ ...remembered(url), error });
    }
    plan();
  }
  function pauseAfter(body) {
    try {
      return pause(body);
    } catch {
      return IDLE_MS; // of another shape, which its view says
    }
  }
  function plan() {
    if (stopped || document.hidden) return;
    const away = Date.now() - active > AWAY_MS;
    const wanted = pauseAfter(answers.get(url)?.body ?? {});
    const slow = Math.min(2 * Math.min(...took), SLOW_MS);
    const wait = failures ? retryPause(failed, failures) : Math.max(wanted, slow, away ? IDLE_MS : 0);
    if (wait !== null) timer = setTimeout(ask, wait);
  }
  const seen = () => (document.hidden ? clearTimeout(timer) : ask());
  const back = () => document.hidden || ask();
  document.addEventListener("visibilitychange", seen);
  addEventListener("online", back);
  if (!document.hidden) ask();
  return {
    ask,
    stop() {
      stopped = true;
      clearTimeout(timer);
      controller?.abort();
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("online", back);
    },
  };
}

/** Answers of the views that were looked at last, so that going back shows something at once. */
const KEPT = 20;

function keep(url, answer) {
  answers.delete(url);
  answers.set(url, { body: answer.body, tag: answer.tag, at: Date.now() });
  if (answers.size > KEPT) answers.delete(answers.keys().next().value);
}

/** Forget what was answered: a view that could not show it would fail again before it has asked. */
export const forgetAnswers = () => answers.clear();

onSignOut(forgetAnswers);
