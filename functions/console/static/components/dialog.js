/* A question before something is changed: what is at stake, and a button that says what it does. */

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { visible } from "../lib/safe.js";
import { announce } from "./announcer.js";

/**
 * A modal question. `act` is what it does (a promise); an error is shown and the question stays. `verb` is the button's
 * text, `danger` colours it. The children say what is at stake. `close(answer, shown)` is called at the end; not `shown`:
 * somebody has gone elsewhere since, and is left there.
 */
export function Question({ title, verb, act, done, close, danger = false, children }) {
  const place = useRef(null);
  const [state, setState] = useState({});
  useEffect(() => {
    const before = document.activeElement;
    place.current.showModal();
    return () => before?.focus?.();
  }, []);
  const go = async (event) => {
    event.preventDefault();
    setState({ busy: true });
    try {
      const answer = await act();
      close(answer, Boolean(place.current)); // first, as nothing outside of an open dialog is read to people
      announce(done ?? `${title}: done.`);
    } catch (error) {
      setState({ error });
    }
  };
  return html`<dialog ref=${place} aria-labelledby="question" onClose=${() => close()} onCancel=${(event) => state.busy && event.preventDefault()}>
    <article><form onSubmit=${go}>
      <h2 id="question">${visible(title)}</h2>
      ${children}
      ${state.error && html`<p class="bar bad" role="alert">${state.error.message}</p>`}
      <footer>
        <button type="button" class="secondary outline" disabled=${state.busy} onClick=${() => place.current.close()}>Go back</button>
        <button type="submit" class=${danger ? "danger" : ""} aria-busy=${state.busy ? "true" : undefined} disabled=${state.busy}>${verb}</button>
      </footer>
    </form></article>
  </dialog>`;
}
