/* A low-code connector's manifest: a text that holds what describes the connector, its specification included. */

import { useEffect, useMemo, useState } from "../../lib/html.js";
import { parseJson } from "../../components/form/form.js";
import { fromYaml } from "../../components/yaml.js";

const LARGEST = 2_000_000;

/** Return `{value, spec, problem}` of the draft's text; `value` is undefined while it cannot be used. */
export function useManifest(draft) {
  const text = draft.kind === "manifest" ? draft.manifest : "";
  const [read, setRead] = useState({});
  useEffect(() => {
    let over = false;
    if (text.trim()) parse(text).then((result) => over || setRead({ text, ...result }));
    return () => (over = true);
  }, [text]);
  return useMemo(() => {
    if (!text.trim()) return { problem: "Paste the manifest." };
    if (read.text !== text) return { problem: "It is being read ...", reading: true };
    return read.value ? { value: read.value, spec: specOf(read.value) } : { problem: read.problem };
  }, [text, read]);
}

async function parse(text) {
  if (text.length > LARGEST) return { problem: "It is larger than any manifest can be." };
  try {
    const value = text.trimStart().startsWith("{") ? parseJson(text) : await fromYaml(text);
    if (value === null || typeof value !== "object" || Array.isArray(value)) return { problem: "Expected a mapping: type, version, check, streams, spec." };
    if (!value.streams && !value.dynamic_streams) return { problem: "Expected the member streams, or dynamic_streams." };
    return { value };
  } catch (error) {
    return { problem: `It cannot be read as YAML or JSON: ${String(error.message).split("\n")[0]}` };
  }
}

/** Return a manifest's specification as a connector would answer it; one without takes an empty configuration. */
function specOf({ spec }) {
  const { connection_specification: connectionSpecification = { type: "object", properties: {} }, documentation_url: documentationUrl, advanced_auth } = spec ?? {};
  return { connectionSpecification, documentationUrl, advanced_auth };
}
