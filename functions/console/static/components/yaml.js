/* Values as YAML. The writer is loaded when it is first needed. */

import { exact, isBig, write } from "./form/json.js";

/** Numbers of YAML 1.1 that the writer, of YAML 1.2, would leave bare as texts: 1_000 is read as 1000. */
const OLDER_NUMBER = /^[-+]?[\d.][\d_.]*_[\d_.]*(?:[eE][-+]?\d+)?$|^[-+]?0[xXbB][\da-fA-F_]+$/;

/**
 * Return a value as YAML that other readers take for the same: texts that look like numbers or dates are quoted. One with
 * numbers that only their text holds is written as JSON, which is YAML, too.
 */
export async function toYaml(value) {
  if (hasBig(value)) return `${jsonAsYaml(write(value))}\n`;
  const { dump, Type, DEFAULT_SCHEMA } = await import("../vendor/yaml.js");
  const older = new Type("tag:yaml.org,2002:older", { kind: "scalar", resolve: (text) => OLDER_NUMBER.test(text), predicate: () => false });
  return dump(value, { lineWidth: 120, noRefs: true, schema: DEFAULT_SCHEMA.extend({ implicit: [older] }) });
}

/** Return JSON as YAML reads it: some characters that JSON may have are line breaks there, or not allowed. */
export const jsonAsYaml = (json) => json.replace(/[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Words and numbers that readers of YAML take for different things: `yes` is true for some, `010` eight. */
const DOUBTFUL = /^(?:y|yes|n|no|on|off|<<|[-+]?0\d+|[-+]?0[xob][\da-f_]+|[-+]?\d[\d_]*_[\d_]*|[-+]?\.inf|\.nan)$/i;

/** Read YAML as `syncctl` and the functions do: dates are texts, and numbers keep their digits. Raise Error. */
export async function fromYaml(text) {
  const { load, FAILSAFE_SCHEMA, Type, types } = await import("../vendor/yaml.js");
  const doubtful = new Type("tag:yaml.org,2002:doubtful", { kind: "scalar", resolve: (word) => DOUBTFUL.test(word), construct: refuse });
  const whole = new Type("tag:yaml.org,2002:int", { kind: "scalar", resolve: (word) => /^[-+]?\d+$/.test(word), construct: (word) => exact(word.replace("+", "")) });
  return load(text, { schema: FAILSAFE_SCHEMA.extend({ implicit: [doubtful, types.null, types.bool, whole, types.float] }) });
}

function refuse(word) {
  throw new Error(`expected "${word}" in quotes, since YAML readers disagree on it (or true, false, or a plain number)`);
}

function hasBig(value) {
  return isBig(value) || (value !== null && typeof value === "object" && Object.values(value).some(hasBig));
}
