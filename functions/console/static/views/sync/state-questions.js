/* What is at stake when states are changed. */

import { html, useState } from "../../lib/html.js";
import { address, change, get, request } from "../../lib/api.js";
import { visible } from "../../lib/safe.js";
import { Question } from "../../components/dialog.js";
import { Diff } from "./diff.js";
import { parse, write } from "../../components/form/json.js";
import { Active } from "./states.js";

/** Do it; if it is refused, look again at what goes on. */
const trying = (act, failed) => async () => {
  try {
    return await act();
  } catch (error) {
    failed(error);
    throw error;
  }
};

/** Return a stream's state as it is now, as a text with all digits. */
export async function fetchState(name, stream) {
  return write(parse((await request(address("syncs", name, "state", stream), { text: true })).body).state);
}

/** `key` is that of a stream, or nothing for all. */
export function ResetQuestion({ name, stream: key, active, failed, close }) {
  const parts = ["syncs", name, "state", ...(key ? [key] : [])];
  const stream = key && visible(key);
  return html`<${Question} title=${stream ? `Reset the state of ${stream}?` : `Reset all states of ${name}?`} verb="Reset" danger
    done=${stream ? `The state of ${stream} is forgotten.` : "All states are forgotten."} act=${trying(() => change("DELETE", parts), failed)} close=${close}>
    <p><strong>The next read of ${stream ?? "every stream"} begins from nothing, and replaces ${stream ? "its table" : "the tables"}</strong>: what the
      source does not have any more is gone then. Only a full refresh with the write mode append adds. Until that read, all rows
      stay.${stream && " Other streams go on from their states."}</p>
    <p>It can be taken back, until a read has saved newer states.</p>
    <${Active} task=${active} />
  </${Question}>`;
}

export function SaveQuestion({ name, stream: key, before, after, active, failed, close }) {
  const [base, setBase] = useState(before); // what the change is shown against
  const stream = visible(key);
  const act = trying(async () => {
    const now = await fetchState(name, key);
    if (now !== base) {
      setBase(now);
      throw new Error("This state has changed since it was opened here: shown is now what your text would change of it.");
    }
    return change("PUT", ["syncs", name, "state", key], after);
  }, failed);
  return html`<${Question} title=${`Save this state of ${stream}?`} verb="Save" danger act=${act} done=${`The state of ${stream} is saved.`} close=${close}>
    <${Diff} before=${base} after=${write(parse(after))} label="Changes of the state" />
    <p>The next read of ${stream} goes on from there: rows in between are skipped, or read a second time. Only the form is checked;
      what is in a state is between you and the connector. It can be taken back, until a read has saved a newer one.</p>
    <${Active} task=${active} />
  </${Question}>`;
}

export function UndoQuestion({ name, undo: before, active, failed, close }) {
  const [force, setForce] = useState(null);
  const [undo, setUndo] = useState(before); // what is shown
  const act = trying(async () => {
    const { undo: now } = await get("syncs", name, "state");
    if (now && JSON.stringify(now) !== JSON.stringify(undo)) {
      setUndo(now);
      throw new Error("The last change has changed since it was shown here: shown is now what would be taken back.");
    }
    return change("POST", ["syncs", name, "state", "undo", { force: force ? "true" : "" }]);
  }, (error) => {
    if (error.status === 409 && force === null) setForce(false);
    failed(error);
  });
  return html`<${Question} title="Undo the last change of states?" verb="Undo" act=${act} done="The change is taken back." close=${close}>
    <p>The last change by hand was: ${undo?.action ?? "none"} of ${visible(undo?.states?.join(", ") || "all states")}. These states become what they
      were before it; other states stay as they are.</p>
    ${force !== null && !active && html`<label><input type="checkbox" checked=${force} onChange=${(event) => setForce(event.target.checked)} />
      Go back behind what a read has saved since</label>`}
    <${Active} task=${active} />
  </${Question}>`;
}

export function CopyQuestion({ name, active, failed, close }) {
  const [to, setTo] = useState("");
  const act = trying(() => change("POST", ["syncs", name, "state", "copy", { to }]), failed);
  return html`<${Question} title=${`Copy the states of ${name}`} verb="Copy" danger act=${act} done=${`${to} has the states of ${name}.`} close=${close}>
    <label>To the sync <input required value=${to} onInput=${(event) => setTo(event.target.value.trim())} spellcheck="false" /></label>
    <p><strong>The states of that sync are replaced</strong>: its next read goes on from where ${name} is. That can be taken back there.</p>
    <${Active} task=${active} />
  </${Question}>`;
}
