/* The functions' time: a browser's clock may be wrong, and what runs is timed by theirs. */

import { useEffect, useState } from "./html.js";

/** An answer's date has whole seconds, and takes a moment to come: less than this is no difference. */
const SAME_MS = 3000;
let ahead = 0;

/** Take the `Date` of an answer that has just come. */
export function noteDate(text) {
  const difference = Date.parse(text) - Date.now();
  if (!Number.isNaN(difference)) ahead = Math.abs(difference) < SAME_MS ? 0 : difference;
}

/** Return the time, in ms, as the functions have it. */
export const serverNow = () => Date.now() + ahead;

/** Return `serverNow()`, and render again each second while `ticking`. */
export function useNow(ticking) {
  const [, setCount] = useState(0);
  useEffect(() => {
    if (!ticking) return undefined;
    const timer = setInterval(() => document.hidden || setCount((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return serverNow();
}
