/* Values as YAML. The writer is loaded when it is first needed. */

import { isBig, write } from "./form/json.js";

/** Numbers of YAML 1.1 that the writer, of YAML 1.2, would leave bare as texts: 1_000 is read as 1000. */
const OLDER_NUMBER = /^[-+]?[\d.][\d_.]*_[\d_.]*(?:[eE][-+]?\d+)?$|^[-+]?0[xXbB][\da-fA-F_]+$/;

/**
 * Return a value as YAML that other readers take for the same: texts that look like numbers or dates are quoted. One with
 * numbers that only their text holds is written as JSON, which is YAML, too.
 */
export async function toYaml(value) {
  if (hasBig(value)) return `${write(value)}\n`;
  const { dump, Type, DEFAULT_SCHEMA } = await import("../vendor/yaml.js");
  const older = new Type("tag:yaml.org,2002:older", { kind: "scalar", resolve: (text) => OLDER_NUMBER.test(text), predicate: () => false });
  return dump(value, { lineWidth: 120, noRefs: true, schema: DEFAULT_SCHEMA.extend({ implicit: [older] }) });
}

function hasBig(value) {
  return isBig(value) || (value !== null && typeof value === "object" && Object.values(value).some(hasBig));
}
