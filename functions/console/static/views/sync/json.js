/* JSON of states, as people type it. */

import { isObject, parse } from "../../components/form/json.js";

/** Return what is wrong with a state as it was typed, or "". */
export function wrongState(text) {
  try {
    return isObject(parse(text)) ? "" : "A state is a JSON object: it begins with { and ends with }.";
  } catch (error) {
    return `This is not JSON: ${error.message}`;
  }
}
