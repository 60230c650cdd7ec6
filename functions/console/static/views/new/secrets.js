/* Which values of a configuration are secret: that follows from its specification. */

import { useEffect } from "../../lib/html.js";
import { secretPaths } from "../../components/form/form.js";
import { at, parts, pointer } from "./pointers.js";

/** Return the members `secrets` and `lost` of a draft with this configuration. */
export function marked(spec, draft, config) {
  const secrets = secretPaths(spec, config).filter((place) => ![undefined, null, ""].includes(at(config, place)));
  const there = (place) => at(config, pointer(parts(place).slice(0, -1))) !== undefined || parts(place).length === 1;
  return { secrets, lost: draft.lost.filter((place) => !secrets.includes(place) && there(place)) };
}

/** Follow the specification: another manifest, or version, may call a value secret that was typed before. */
export function useSecrets(spec, draft, change) {
  useEffect(() => {
    if (!spec || draft.config === null || draft.base) return; // what a saved document has, it keeps until it is typed over
    const now = marked(spec, draft, draft.config);
    if (JSON.stringify(now.secrets) !== JSON.stringify(draft.secrets)) change(now);
  }, [spec]);
}
