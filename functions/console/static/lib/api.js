/* The functions' HTTP, with the caller's token. */

import { signOut, token } from "./session.js";
import { link } from "./router.js";
import { noteDate } from "./clock.js";

/** How long a GET may take until it counts as a cold start, in ms. */
const COLD_MS = 1500;
/** How long an answer is waited for: longer than any gateway lets a function take. A dead connection gives no sign of it. */
const LONGEST_MS = 330_000;
/** Names that an address cannot hold, however they are written: browsers and gateways take them for steps up. */
const DOTS = [".", ".."];
/** What stands for such an address; nothing is sent to it. */
const NOWHERE = "about:invalid";
const listeners = new Set();
const cold = new Set();
let connected = true;

/**
 * An answer other than a success: `message` is for people, `status` 0 if there was none, `details` the whole answer,
 * `after` in how many ms one may ask again (Retry-After), 0 if that is open; `isForeign`: it was
 * not JSON, so it is from a gateway or another server on the way.
 */
export class ApiError extends Error {
  constructor(message, status, details = {}, { after = 0, isForeign = false } = {}) {
    super(message);
    Object.assign(this, { status, details, after, isForeign });
  }
}

/**
 * Return the address of a path of the API: address("tasks", id, "logs", { limit: 100 }). One with a name that no address
 * can hold is refused by `request`.
 */
export function address(...parts) {
  if (parts.some((part) => DOTS.includes(part))) return NOWHERE;
  return new URL(link(...parts).slice(2), document.baseURI).href;
}

/**
 * Send a request; return `{body, tag, unchanged}`.
 * `tag` makes it conditional: if nothing has changed since, `unchanged` is true. `credentials` is another token to try.
 * With `text` the body is the answer's text: numbers of JSON may have more digits than JavaScript keeps.
 * Raise ApiError.
 */
export async function request(url, { method = "GET", body, type, tag, signal, credentials, text = false } = {}) {
  if (url === NOWHERE) throw new ApiError("A name that is empty, . or .. cannot be part of an address: whole states, with that of such a stream, are changed by `syncctl state set`.", 400);
  const used = credentials ?? token();
  const headers = { Authorization: `Bearer ${used}` };
  if (tag) headers["If-None-Match"] = tag;
  if (body !== undefined) headers["Content-Type"] = type ?? "application/json";
  const content = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(new Error("no answer")), LONGEST_MS);
  const stop = () => deadline.abort(signal.reason);
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  try {
    const answer = await send(url, { method, headers, body: content, signal: deadline.signal, cache: "no-store" });
    if (answer.status === 304) return { unchanged: true, tag };
    return { body: await read(answer, used, text), tag: answer.headers.get("ETag") ?? "" };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/** Return the body of a GET. */
export async function get(...parts) {
  return (await request(address(...parts))).body;
}

/** Send a change, and return the body of its answer. */
export async function change(method, parts, body, type) {
  return (await request(parts.includes("") ? NOWHERE : address(...parts), { method, body, type })).body;
}

/** Call back when a request takes long or ends, and when the network goes or comes; return how to stop that. */
export function onConnection(changed) {
  listeners.add(changed);
  return () => listeners.delete(changed);
}

/** Return `{connected, waking}`: whether the last request got an answer, and whether a function seems to be starting. */
export function connection() {
  return { connected, waking: cold.size > 0 };
}

async function send(url, options) {
  const mine = Symbol(url);
  const timer = setTimeout(() => mark(() => cold.add(mine)), COLD_MS);
  try {
    const answer = await fetch(url, options);
    mark(() => (connected = true));
    noteDate(answer.headers.get("Date"));
    return answer;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  } finally {
    clearTimeout(timer);
    if (cold.has(mine)) mark(() => cold.delete(mine));
  }
}

function unreachable() {
  mark(() => (connected = false));
  return new ApiError("The functions cannot be reached. The page asks again by itself.", 0);
}

async function read(answer, used, asText) {
  const text = await answer.text().catch((error) => {
    throw error.name === "AbortError" ? error : unreachable(); // it broke off in the middle
  });
  const after = retryAfter(answer);
  let body;
  try {
    body = text ? JSON.parse(text) : {};
    if (typeof body !== "object" || body === null || Array.isArray(body)) throw new Error("every answer of a function is an object");
  } catch {
    const what = answer.ok ? "with something else than an object of JSON" : `${answer.status} without a reason`;
    throw new ApiError(`This address answers ${what}: is it that of the functions' gateway?`, answer.status, {}, { after, isForeign: true });
  }
  if (answer.ok) return asText ? text : body;
  const message = typeof body?.error === "string" ? body.error : `The answer was ${answer.status}.`;
  if (answer.status === 401 && used === token()) signOut(message); // not if somebody has signed in since
  throw new ApiError(message, answer.status, body ?? {}, { after });
}

/** Return Retry-After, which is seconds or a date, in ms. */
function retryAfter(answer) {
  const text = answer.headers.get("Retry-After") ?? "";
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Math.max(ms || 0, 0);
}

function mark(step) {
  step();
  for (const changed of listeners) changed();
}
