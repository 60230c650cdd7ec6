/* One line of a log. */

import { html, useState } from "../../lib/html.js";
import { announce } from "../../components/announcer.js";
import { number } from "../../lib/format.js";
import { clean, fold, matches, readableJson } from "./text.js";

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { weekday: "short", year: "numeric", month: "short", day: "numeric" });
const TONES = { FATAL: "bad", ERROR: "bad", ERRSTD: "bad", WARN: "warn", WARNING: "warn", INFO: "plain-level" };
/** Cleaned once: lines are drawn again with each scroll. */
const cleaned = new WeakMap();

/** Who wrote a line: the platform's own lines have this logger (contract.md D), a connector's its package. */
export const sourceOf = ({ logger }) => (logger === "jitsu" ? "platform" : "connector");

/** The text of a line as it is shown. */
function textOf(line) {
  if (!cleaned.has(line)) cleaned.set(line, clean(line.message));
  return cleaned.get(line);
}

/** The day of a line, in the reader's time zone. */
export const dayOf = ({ timestamp }) => day.format(new Date(timestamp));

/**
 * `date`: whether its day is shown above. `wanted` is highlighted. `open` and `setOpen` keep what is unfolded or
 * formatted, since a row that is scrolled away is gone. `onLink()` makes the address a link to the line, `onAround()`
 * shows what is around it.
 */
export function Line({ line, date, wanted, marked, current, open = {}, setOpen, href, onLink, onAround }) {
  const text = textOf(line);
  const json = open.json ? readableJson(text) : "";
  const { head, lines, letters } = fold(json || text);
  const level = clean(line.level).toUpperCase();
  const shown = open.all ? json || text : head;
  const link = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    onLink();
  };
  return html`${date && html`<p class="log-day">${dayOf(line)}</p>`}
    <div class=${`log-line ${marked ? "marked" : ""} ${current ? "current" : ""}`} aria-current=${marked || current ? "true" : undefined}>
      <a class="log-time" href=${href} onClick=${link} title=${`${line.timestamp}: link to this line`}><time datetime=${line.timestamp}>${clock.format(new Date(line.timestamp))}</time></a>
      <span class=${`log-level ${TONES[level] ?? "quiet"}`}>${level}</span>
      <span class="log-source quiet" title=${clean(line.logger)}>${sourceOf(line)}</span>
      <div class="log-text"><span class="log-message">${marks(shown, wanted)}</span>
        ${(lines > 0 || letters > 0) && html`<button class="plain" aria-expanded=${open.all ? "true" : "false"} onClick=${() => setOpen({ ...open, all: !open.all })}>${open.all ? "Show less" : more(lines, letters)}</button>`}
        ${(open.json || isJson(line, text)) && html`<button class="plain" aria-pressed=${open.json ? "true" : "false"} onClick=${() => setOpen({ ...open, json: !open.json, all: !open.json })}>${open.json ? "As it was logged" : "Format JSON"}</button>`}
      </div>
      <span class="log-acts">${onAround && html`<button class="plain" title="Show this line among all others" onClick=${onAround}>Around</button>`}
      <button class="plain" aria-label="Copy this line" title="Copy this line" onClick=${() => copy(line)}>Copy</button></span>
    </div>`;
}

const more = (lines, letters) => (lines ? `${number(lines)} more ${lines === 1 ? "line" : "lines"}` : `${number(letters)} more characters`);

const marks = (text, wanted) => matches(text, wanted).map((part, n) => (n % 2 ? html`<mark>${part}</mark>` : part));

const judged = new WeakMap();

function isJson(line, text) {
  if (!judged.has(line)) judged.set(line, Boolean(readableJson(text)));
  return judged.get(line);
}

async function copy(line) {
  try {
    await navigator.clipboard.writeText(`${line.timestamp} ${clean(line.level)} ${clean(line.logger)} ${textOf(line)}`);
    announce("Copied the line.");
  } catch {
    announce("The browser does not allow copying here.");
  }
}
