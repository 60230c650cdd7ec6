/* What a connector logs, as text that can be read: it may hold anything. */

import { visible } from "../../lib/safe.js";

/** ESC sequences of terminals: CSI (colours, moves), OSC (titles, links), and the short ones; also their 8-bit forms. */
const ANSI = /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?/g;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;
const FEW_LINES = 6;
const FEW_LETTERS = 1500;

/** Return a message without what steers a terminal; what is hidden in it is shown, as \u202e. */
export function clean(message) {
  return visible(message.replace(ANSI, "").replace(/\r\n?/g, "\n").replace(CONTROL, "")).replace(/\n+$/, "");
}

/** Return `{head, lines, letters}`: what is shown of a long text; `lines` and `letters` are how many more there are. */
export function fold(text) {
  let end = -1;
  for (let n = 0; n < FEW_LINES; n += 1) {
    end = text.indexOf("\n", end + 1);
    if (end < 0) break;
  }
  // Two lines more are shown: a button takes as much room.
  const many = end >= 0 && text.indexOf("\n", end + 1) >= 0;
  let head = many ? text.slice(0, end) : text;
  if (head.length > FEW_LETTERS * 1.2) head = head.slice(0, FEW_LETTERS).replace(/[\ud800-\udbff]$/, "");
  const rest = text.slice(head.length);
  return { head, lines: rest.split("\n").length - 1, letters: rest.length };
}

/** Return the text as readable JSON, or "" if it is not an object or an array of JSON. */
export function readableJson(text) {
  const trimmed = text.trim();
  if (!/^(\{.*\}|\[.*\])$/s.test(trimmed)) return "";
  try {
    return JSON.stringify(JSON.parse(trimmed), null, 2);
  } catch {
    return "";
  }
}

/** Split a text at what is searched for, in whatever case: the parts with an odd index are what was found. */
export function matches(text, wanted) {
  return wanted ? text.split(pattern(wanted)) : [text];
}

let known = {};

function pattern(wanted) {
  if (known.wanted !== wanted) {
    known = { wanted, found: new RegExp(`(${wanted.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")})`, "gi") };
  }
  return known.found;
}
