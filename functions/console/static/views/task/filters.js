/* The filters of the list of tasks; they are the query of its link. */

import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { setQuery } from "../../lib/router.js";
import { quote } from "../../components/copy.js";

/** Members of the link's query, and the parameters of GET /tasks that they become. */
const PARAMETERS = { sync: "syncId", state: "status", command: "command", package: "package", startedBy: "startedBy", from: "from", to: "to" };
const OPTIONS = { sync: "--sync", state: "--status", command: "--command", package: "--package", startedBy: "--started-by", from: "--since", to: "--until" };
const STATES = ["PENDING", "RUNNING", "SUCCESS", "PARTIAL", "FAILED", "CANCELLED"];
const COMMANDS = ["read", "discover", "check", "spec"];
/** A filter is asked for when typing pauses. */
const TYPING_MS = 300;

/** Return the parameters of GET /tasks of a link's query. */
export const parameters = (query) => renamed(query, PARAMETERS);

/** Return the command that lists the same. */
export function command(query) {
  const options = Object.entries(renamed(query, OPTIONS)).map(([name, value]) => `${name}=${quote(value)}`);
  return ["syncctl tasks", ...options].join(" ");
}

const renamed = (query, names) =>
  Object.fromEntries(Object.entries(names).filter(([name]) => query[name]).map(([name, other]) => [other, query[name]]));

export const isFiltered = (query) => Object.keys(PARAMETERS).some((name) => query[name]);

export function clearFilters() {
  setQuery(Object.fromEntries(Object.keys(PARAMETERS).map((name) => [name, ""])));
}

/** `syncs` and `packages` are suggestions. */
export function Filters({ query, syncs, packages }) {
  const rare = ["package", "startedBy", "from", "to"].some((name) => query[name]);
  return html`<form class="task-filters" aria-label="Filter tasks" onSubmit=${(event) => event.preventDefault()}>
    <${Choice} name="state" text="State" values=${STATES} query=${query} />
    <${Choice} name="command" text="Command" values=${COMMANDS} query=${query} />
    <${Typed} name="sync" text="Sync" query=${query} suggestions=${syncs} search />
    <details open=${rare}><summary>More filters</summary><div class="task-filters">
      <${Typed} name="package" text="Image, without version" query=${query} suggestions=${packages} />
      <${Typed} name="startedBy" text="Started by" query=${query} suggestions=${["schedule", "after", "manual", "syncctl"]} />
      <${Moment} name="from" text="Accepted from" query=${query} />
      <${Moment} name="to" text="Accepted before" query=${query} />
    </div></details>
    ${isFiltered(query) && html`<button type="button" class="plain" onClick=${clearFilters}>Clear filters</button>`}
  </form>`;
}

function Choice({ name, text, values, query }) {
  return html`<label>${text}
    <select value=${query[name] ?? ""} onChange=${(event) => setQuery({ [name]: event.target.value })}>
      <option value="">any</option>
      ${values.map((value) => html`<option value=${value}>${value.toLowerCase()}</option>`)}
    </select>
  </label>`;
}

function Typed({ name, text, query, suggestions, search = false }) {
  const given = query[name] ?? "";
  const [value, setValue] = useState(given);
  const timer = useRef(0);
  useEffect(() => setValue(given), [given]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const typed = (event) => {
    const next = event.target.value;
    setValue(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ [name]: next.trim() }), TYPING_MS);
  };
  const list = `known-${name}`;
  return html`<label>${text}
    <input type="search" value=${value} onInput=${typed} list=${list} autocomplete="off" spellcheck="false" data-search=${search ? "" : undefined} />
    <datalist id=${list}>${suggestions.map((one) => html`<option value=${one}></option>`)}</datalist>
  </label>`;
}

function Moment({ name, text, query }) {
  const changed = (event) => setQuery({ [name]: event.target.value ? new Date(event.target.value).toISOString() : "" });
  return html`<label>${text}<input type="datetime-local" value=${local(query[name])} onChange=${changed} /></label>`;
}

/** An RFC 3339 text as an input has it: in the browser's zone. */
function local(text) {
  const time = Date.parse(text ?? "");
  if (Number.isNaN(time)) return "";
  return new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
