/* A log in memory: pages around what is looked at, of a log of any length. */

import { address, request } from "../../lib/api.js";
import { beforeTime, isCursor, justBefore, timeOf } from "./cursor.js";

export const PAGE = 1000;
/** Lines that are kept at most; those that are farthest away are dropped, and asked for again. */
export const KEPT = 20_000;

/**
 * The lines between two places of a task's log that match a filter (`level`, `q`). `changed()` is called after each
 * change of `lines` (`[{key, level, logger, message, timestamp}]`, a new array each time), `atStart`, `atEnd`, `state`,
 * `busy` ("", "older", "newer", "open"), `reached` (how far an answer without lines has looked, in ms) and `error`.
 */
export class Pager {
  lines = [];
  atStart = false;
  atEnd = false;
  state = "";
  busy = "open";
  reached = null;
  error = null;
  opened = false;
  /** How many lines came at the end while that was shown. */
  arrived = 0;
  stopped = false;
  #place = "end";
  #pages = [];
  #keys = [0, 0];
  #version = 0;
  #shown = 0;
  #stop = new AbortController();

  constructor(taskId, filter, changed) {
    Object.assign(this, { taskId, filter, changed });
  }

  stop() {
    this.stopped = true;
    this.#stop.abort();
  }

  /** Try once more what has failed at first. */
  reopen() {
    return this.open(this.#place);
  }

  /** Learn the task's state, where lines at the end are not wanted. */
  look() {
    return this.busy ? null : this.#work("", () => this.#ask({ before: "end", limit: 1, level: "", q: "" }));
  }

  /** Show the end, the start, the line at a cursor, or a time. Return the key of that line, or null. */
  async open(at) {
    this.#stop.abort(); // what is still asked for belongs to another place
    this.#stop = new AbortController();
    this.#place = at;
    return this.#work("open", async () => {
      const from = isCursor(at) ? justBefore(at) : ["start", "end"].includes(at) ? at : beforeTime(at) || "end";
      const given = from === "end" ? { before: "end" } : { after: from };
      const page = await this.#ask(given);
      const inside = !["start", "end"].includes(from) && (await this.#ask({ before: page.before }));
      this.#pages = [];
      this.opened = true;
      this.#version += 1;
      this.#put(page, given);
      const first = page.logs.length ? this.#pages[0].lines[0].key : null;
      if (inside) this.#put(inside, { before: true });
      this.atStart = from === "start" || !(inside || page).more;
      this.atEnd = from === "end" || !page.more;
      return isCursor(at) && page.before !== at ? null : first;
    });
  }

  /** Load the page before the first; those without lines do not count. */
  async older() {
    if (this.atStart || this.busy || this.error) return;
    await this.#work("older", async () => {
      for (let found = 0; !found && !this.atStart; ) {
        const page = await this.#ask({ before: this.#edge(0).before });
        this.atStart = !page.more;
        found = this.#put(page, { before: true });
        this.#look(page.before);
      }
      while (this.#pages.length > 1 && this.#count() > KEPT) {
        this.#pages.pop();
        this.atEnd = false;
      }
    });
  }

  /** Load the page after the last. `keep`: nothing is dropped for it, because it is not what is looked at. */
  async newer(keep = false) {
    if (this.busy) return;
    if (keep && this.#count() > KEPT) return void (this.atEnd = false);
    await this.#work("newer", async () => {
      for (let found = 0, more = true; !found && more; ) {
        const page = await this.#ask({ after: this.#edge(-1).after });
        more = page.more;
        if (this.atEnd) this.arrived += page.logs.length;
        this.atEnd = !more;
        found = this.#put(page, { after: this.#edge(-1).after });
        this.#look(more ? page.after : "");
      }
      while (this.#pages.length > 1 && this.#count() > KEPT) {
        this.#pages.shift();
        this.atStart = false;
      }
    });
  }

  /** Return the cursor of a line: answers have those of their first and last line only. */
  async cursorOf(line) {
    const page = this.#pages.find(({ lines }) => lines.includes(line));
    let at = page.from;
    const before = page.lines.indexOf(line);
    if (before) at = (await this.#ask({ after: at, limit: before })).after;
    for (;;) {
      const next = await this.#ask({ after: at, limit: 1 });
      if (next.logs.length || !next.more) return next.before;
      at = next.after;
    }
  }

  #edge(index) {
    return this.#pages.at(index) ?? { before: "end", after: "start" };
  }

  #count() {
    return this.#pages.reduce((sum, { lines }) => sum + lines.length, 0);
  }

  #look(cursor) {
    this.reached = timeOf(cursor);
    this.changed();
  }

  /** Keep an answer as a page; `from` is the place just before its first line. Return how many lines it has. */
  #put({ logs, before, after }, given) {
    const older = Boolean(given.before);
    if (logs.length) this.#version += 1;
    const last = this.#pages.at(-1);
    if (!logs.length && !older && last) {
      last.after = after; // asked again from there on
      return 0;
    }
    if (!logs.length && older && this.#pages.length) {
      this.#pages[0].before = before;
      return 0;
    }
    const first = older ? (this.#keys[0] -= logs.length) : this.#keys[1];
    if (!older) this.#keys[1] += logs.length;
    const lines = logs.map((line, n) => ({ ...line, key: first + n }));
    const page = { lines, before, after, from: older ? justBefore(before) : given.after };
    if (older) this.#pages.unshift(page);
    else this.#pages.push(page);
    return lines.length;
  }

  async #ask(query) {
    const url = address("tasks", this.taskId, "logs", { limit: PAGE, ...this.filter, ...query });
    const { signal } = this.#stop;
    const { body } = await request(url, { signal });
    signal.throwIfAborted();
    this.state = body.state;
    return body;
  }

  /** Do one thing at a time, and show what came of it. */
  async #work(what, step) {
    const mine = this.#stop.signal;
    this.busy = what;
    this.changed();
    try {
      const answer = await step();
      this.error = null;
      return answer;
    } catch (error) {
      if (!mine.aborted) this.error = error;
      return null;
    } finally {
      if (!mine.aborted) this.#show();
    }
  }

  #show() {
    this.busy = "";
    this.reached = null;
    if (this.#shown !== this.#version) this.lines = this.#pages.flatMap(({ lines }) => lines);
    this.#shown = this.#version;
    this.changed();
  }
}
