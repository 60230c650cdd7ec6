/* The caller's token: in this tab alone, until it is closed. */

import { useLayoutEffect, useState } from "./html.js";

/** Other pages of this origin may keep things, too. */
const OURS = "sync-functions.";
const KEY = `${OURS}token`;
const OTHER = "The link that you followed would sign you in with another token. You still use your own: sign out first to use the other.";
const heard = new Set();
let reason = "";

/** Return the token, or "". */
export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** Keep a token that was accepted. */
export function signIn(value) {
  sessionStorage.setItem(KEY, value);
  tell("");
}

/**
 * Forget the token; `why` is what the sign-in then says. Without a reason it is the person who leaves: then all that the
 * tab has kept is forgotten. A token that is not accepted any more does not cost somebody a draft (it has no secrets).
 */
export function signOut(why = "") {
  const kept = Object.keys(sessionStorage).filter((key) => key === KEY || (!why && key.startsWith(OURS)));
  for (const key of kept) sessionStorage.removeItem(key);
  tell(why);
}

/** Call back when somebody signs out, or has to sign in again: what is in memory may not be the next one's to see. */
export function onSignOut(forget) {
  heard.add(() => token() || forget());
}

/** Return `{token, reason}`, and render again when they change. */
export function useSession() {
  const [, setCount] = useState(0);
  useLayoutEffect(() => {
    const changed = () => setCount((count) => count + 1);
    heard.add(changed);
    return () => heard.delete(changed);
  }, []);
  return { token: token(), reason };
}

/**
 * Take a token from the link that `syncctl console` opens, and leave none in the history. Any site can have such a link:
 * it signs nobody in who is signed in, since what one types then would go where another can read it.
 */
export function takeFromLink() {
  const found = /^#token=([^&]*)(?:&to=(.*))?$/s.exec(location.hash);
  if (!found) return void (reason && token() && tell(""));
  const [given, to] = [decoded(found[1]), decoded(found[2])];
  history.replaceState(null, "", `#${to || "/"}`);
  if (!given || given === token()) return;
  if (token()) tell(OTHER);
  else signIn(given);
}

function decoded(text = "") {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // cut off, or typed by hand
  }
}

function tell(why) {
  reason = why;
  for (const changed of heard) changed();
}
