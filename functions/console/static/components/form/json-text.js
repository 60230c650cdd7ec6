/* A value as JSON that can be edited: kept in step with the form, and left alone while it cannot be read. */

import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { parse, same, write } from "./json.js";
import { mask, renew, unmask } from "./secrets.js";

/**
 * `secretsOf(value)` are the pointers that are shown as dots; `expects(value)` says what is wrong with a value that can be
 * read, or ""; `noteBroken(pointer, message)` hears of a text that cannot be used. With `mayBeEmpty` an empty text is no value.
 */
export function JsonText({ id, pointer, value, onChange, secretsOf, expects = () => "", noteBroken, mayBeEmpty, about, invalid, rows }) {
  const { text, error, type, leave, drop } = useText({ value, onChange, secretsOf, expects, mayBeEmpty });
  useEffect(() => noteBroken(pointer, error), [error]);
  useEffect(() => () => noteBroken(pointer, ""), []);
  const described = [about, error && `${id}-json`].filter(Boolean).join(" ");
  return html`<textarea class="json" id=${id} rows=${rows} value=${text} spellcheck=${false} autocomplete="off" autocapitalize="off"
      aria-invalid=${error ? "true" : invalid} aria-describedby=${described || undefined} onInput=${type} onFocusOut=${leave}></textarea>
    ${error && html`<small class="problem bad" id="${id}-json" role="alert">${error} The form is as it was before.
      <button type="button" class="plain" onClick=${drop}>Take back this text</button></small>`}`;
}

function useText({ value, onChange, secretsOf, expects, mayBeEmpty }) {
  const [draft, setDraft] = useState(null); // {text, error}; null while the form's value is shown
  const kept = useRef(new Map());
  const sent = useRef(value);
  const changed = draft !== null && !same(value, sent.current);
  if (changed) renew(kept.current, value);
  const isStale = changed && !draft.error;
  const shown = draft === null || isStale ? mask(value, secretsOf(value)) : null;
  // Not in an effect: the next key may come before one runs.
  if (shown) kept.current = shown.kept;
  if (isStale) setDraft(null);
  sent.current = value;
  const type = ({ target }) => {
    const read = readText(target.value, kept.current, expects, mayBeEmpty);
    setDraft({ text: target.value, error: read.error });
    if (read.error || same(read.value, value)) return;
    sent.current = read.value;
    onChange(read.value);
  };
  const drop = () => setDraft(null);
  return { text: shown ? write(shown.masked) : draft.text, error: isStale ? "" : (draft?.error ?? ""), type, drop, leave: () => draft && !draft.error && drop() };
}

function readText(text, kept, expects, mayBeEmpty) {
  if (mayBeEmpty && text.trim() === "") return { value: undefined, error: "" };
  try {
    const value = unmask(parse(text), kept);
    return { value, error: expects(value) };
  } catch (error) {
    return { error: error.message };
  }
}
