/* What is shown, as a command: curl, syncctl, kubectl, YAML. */

import { html, useState } from "../lib/html.js";
import { announce } from "./announcer.js";

/** `entries`: `[{name: "curl", text: () => string | Promise<string>}]`. A menu of buttons; each copies its text. */
export function CopyMenu({ entries, label = "Copy as" }) {
  const [done, setDone] = useState("");
  const [problem, setProblem] = useState(null); // {why, text}: without TLS a page has no clipboard
  const copy = async ({ name, text }) => {
    let made = "";
    try {
      made = await text();
      await navigator.clipboard.writeText(made);
      setDone(name);
      setProblem(null);
      announce(`Copied as ${name}.`);
    } catch (error) {
      const why = made ? "The browser does not allow copying here. Select the text:" : `It cannot be copied. ${error.message}`;
      setDone("");
      setProblem({ why, text: made });
      announce(why);
    }
  };
  return html`<span class="copy" role="group" aria-label=${label}>
    <span class="quiet">${label}</span>
    ${entries.map((entry) => html`<button type="button" class="plain" onClick=${() => copy(entry)}>${entry.name}${done === entry.name ? " ✓" : ""}</button>`)}
    ${problem && html`<span class="uncopied"><span class="quiet">${problem.why}</span>
      ${problem.text && html`<code tabindex="0" role="region" aria-label="Text to copy">${problem.text}</code>`}</span>`}
  </span>`;
}

/** Control characters, which a terminal obeys when they are pasted; line breaks and tabs are safe within quotes. */
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

/** Quote a text for a shell (one with control characters for bash or zsh). */
export function quote(value) {
  const text = String(value);
  if (/^[\w./:@+][\w./:@%+=,-]*$/.test(text)) return text;
  if (!CONTROL.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  const escaped = text.replace(/[\\']/g, "\\$&").replaceAll("\n", "\\n");
  return `$'${escaped.replace(new RegExp(CONTROL, "g"), (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`)}'`;
}

/** Quote the last arguments of a command: what begins with a dash is not an option. */
export const argument = (...texts) => [...(texts.some((text) => String(text).startsWith("-")) ? ["--"] : []), ...texts.map(quote)].join(" ");

/** A request as curl; the token stays in the caller's environment. */
export function curl(url, { method = "GET", body } = {}) {
  const parts = ["curl", '-H "Authorization: Bearer $SYNCCTL_TOKEN"'];
  if (method !== "GET") parts.push(`-X ${method}`);
  if (body !== undefined) parts.push("-H 'Content-Type: application/json'", `-d ${quote(JSON.stringify(body))}`);
  return [...parts, quote(url)].join(" ");
}
