/* Links of views: #/tasks/ID/logs?level=ERROR. The page itself has one address, whatever routes to it. */

import { useLayoutEffect, useState } from "./html.js";

/** @typedef {{path: string[], query: Object<string, string>}} Where */

/** Read a link. @param {string} hash @returns {Where} */
export function parse(hash) {
  const [path, query] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const parts = path.split("/").filter(Boolean).map(decode);
  return { path: parts, query: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

/** Return the link of a view: link("tasks", id, { level: "ERROR" }). Members that are empty are left out. */
export function link(...parts) {
  const query = typeof parts.at(-1) === "object" ? parts.pop() : {};
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const tail = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${parts.map(encodeURIComponent).join("/")}${tail}`;
}

/** Go to a view, as a link does. */
export function go(to) {
  location.hash = to;
}

/** Change the query of this view's link in place: what is typed into a filter is no step to go back to. */
export function setQuery(changes) {
  const { path, query } = parse(location.hash);
  history.replaceState(null, "", link(...path, { ...query, ...changes }));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** Return where the page is. @returns {Where} */
export function useRoute() {
  const [where, setWhere] = useState(() => parse(location.hash));
  useLayoutEffect(() => {
    // Before anything else can happen: a link that is followed at once would be lost.
    const changed = () => setWhere(parse(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return where;
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // typed by hand
  }
}
