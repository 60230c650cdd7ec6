/* What stands above a log: filters, wrap, download, copies. */

import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { address } from "../../lib/api.js";
import { bytes } from "../../lib/format.js";
import { setQuery } from "../../lib/router.js";
import { isActive } from "../../lib/states.js";
import { announce } from "../../components/announcer.js";
import { CopyMenu, curl, quote } from "../../components/copy.js";
import { download } from "./download.js";

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/** Return the level that a link asks for, or "": links are typed by hand, too. */
export const levelOf = (text) => (LEVELS.includes(text?.toUpperCase()) ? text.toUpperCase() : "");

/** `level` is the server's filter, `source` the page's; a line that was linked to may be hidden by a new one. */
export function Filters({ level, source, wrap }) {
  return html`
    <label>Level
      <select value=${level} onChange=${(event) => setQuery({ level: event.target.value, line: "" })}>
        <option value="">all</option>
        ${LEVELS.slice(1).map((name) => html`<option value=${name}>${name === "FATAL" ? name : `${name} and worse`}</option>`)}
      </select>
    </label>
    <label>From
      <select value=${source} onChange=${(event) => setQuery({ source: event.target.value })}>
        <option value="">all</option><option value="connector">the connector</option><option value="platform">the platform</option>
      </select>
    </label>
    <label class="log-wrap"><input type="checkbox" checked=${wrap} onChange=${(event) => setQuery({ wrap: event.target.checked ? "" : "off" })} /> Wrap</label>`;
}

export function Copies({ taskId, level, q, state }) {
  const wanted = { level, q, format: "text" };
  const entries = [
    { name: "curl", text: () => curl(address("tasks", taskId, "logs", wanted)) },
    { name: "syncctl", text: () => syncctl(taskId, level, q, isActive(state)) },
    { name: "link", text: () => location.href },
  ];
  return html`<${CopyMenu} entries=${entries} />`;
}

function syncctl(taskId, level, q, active) {
  const options = [level && `--level ${level}`, q && `--grep=${quote(q)}`, active && "--follow"].filter(Boolean);
  const id = taskId.startsWith("-") ? `-- ${quote(taskId)}` : quote(taskId);
  return ["syncctl logs", ...options, id].join(" ");
}

export function Download({ taskId }) {
  const [state, setState] = useState({});
  const stop = useRef(null);
  useEffect(() => () => stop.current?.abort(), []);
  const start = async () => {
    stop.current = new AbortController();
    setState({ busy: true, got: 0 });
    try {
      const saved = await download(taskId, (got) => setState({ busy: true, got }), stop.current.signal);
      setState({});
      if (saved) announce("The log was saved.");
    } catch (error) {
      if (error.name === "AbortError") return setState({});
      setState({ error: `The download broke off: ${error.message} Try again.` });
    }
  };
  if (state.busy) return html`<button class="plain" onClick=${() => stop.current.abort()}>Stop the download (${bytes(state.got)})</button>`;
  return html`<button class="plain" onClick=${start}>Download all</button>${state.error && html`<span class="bad" role="alert">${state.error}</span>`}`;
}
