/* What every field has: a label, what it is about, and what is wrong with it. */

import { html } from "../../lib/html.js";
import { richText } from "../../lib/safe.js";
import { expectedNumber } from "./check.js";
import { same } from "./json.js";
import { domId } from "./pointers.js";
import { formatHint } from "./texts.js";

const LONG = 400;

/** A place's id, message and what describes it to a screen reader. A second control of a place is a `part` of it. */
export function useField({ node, pointer, form, part, hideLabel, value }) {
  const id = part ? `${domId(pointer)}:${part}` : domId(pointer);
  const message = !part && Object.hasOwn(form.messages, pointer) ? form.messages[pointer] : "";
  const stored = form.secrets.includes(pointer);
  const hints = hideLabel ? [] : hintsOf(node, value); // those of a list's lines are at the list
  const about = [((node.schema.description && !hideLabel) || hints.length || stored) && `${id}-hint`, message && `${id}-error`].filter(Boolean).join(" ");
  return { id, message, hints, stored, about: about || undefined, invalid: message ? "true" : undefined };
}

/** Description, then what is expected. */
export function Hint({ node, field }) {
  if (!field.about?.includes(`${field.id}-hint`)) return null;
  return html`<small class="hint" id="${field.id}-hint">
    <${Rich} text=${node.schema.description} />
    ${field.stored && html`<span class="expected">Its value is kept elsewhere and not shown. Type to replace it.</span>`}
    ${field.hints.map((hint) => html`<span class="expected">${hint}</span>`)}
  </small>`;
}

export function Problem({ field }) {
  return field.message && html`<small class="problem bad" id="${field.id}-error">${field.message}</small>`;
}

/** A description with its links; only those to http and https are links. */
export function Rich({ text }) {
  if (!text) return null;
  const shown = String(text);
  const long = shown.length > LONG; // it scrolls, also by keyboard
  return html`<span class=${long ? "long" : ""} tabindex=${long ? "0" : undefined}>${richText(shown).map((part) =>
    part.url ? html`<a href=${part.url} target="_blank" rel="noopener noreferrer">${part.text}</a>` : part.text,
  )}</span>`;
}

function hintsOf(node, value) {
  const { schema, kind, examples } = node;
  const found = [];
  if (schema.pattern_descriptor) found.push(`Form: ${schema.pattern_descriptor}`);
  else if (kind === "text" && formatHint(schema) && schema.pattern === undefined) found.push(`Form: ${formatHint(schema)}`);
  if (["integer", "number"].includes(kind) && [schema.minimum, schema.maximum, schema.exclusiveMinimum, schema.exclusiveMaximum].some((one) => one !== undefined)) {
    const range = expectedNumber(kind, schema);
    found.push(range[0].toUpperCase() + range.slice(1));
  }
  if (examples.length && !["boolean", "enum"].includes(kind)) found.push(`For example: ${examples.map(String).join(", ")}`);
  const usual = node.schema.default;
  const isTold = ["text", "integer", "number", "enum"].includes(kind) && !node.secret && ["string", "number", "boolean"].includes(typeof usual) && usual !== "";
  if (isTold && !same(usual, value)) found.push(`Default: ${usual}`);
  return found;
}
