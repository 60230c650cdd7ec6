/* The shell: sign-in, navigation, one view at a time. */

import { html, useEffect, useErrorBoundary, useRef, useState } from "./lib/html.js";
import { forgetAnswers } from "./lib/poll.js";
import { link, useRoute } from "./lib/router.js";
import { signOut, takeFromLink, useSession } from "./lib/session.js";
import { useKeys } from "./lib/keys.js";
import { useTitle } from "./lib/title.js";
import { Connection } from "./components/connection.js";
import { Announcer, announceView } from "./components/announcer.js";
import { SignIn } from "./views/sign-in.js";

takeFromLink();
addEventListener("hashchange", takeFromLink); // before the views look where they are

/** Views by the first parts of their links, and what a screen reader hears; each is loaded when it is first shown. */
const VIEWS = [
  [/^$|^syncs$/, () => import("./views/syncs.js"), () => "Syncs"],
  [/^syncs\/[^/]+$/, () => import("./views/sync.js"), (name) => `Sync ${name}`],
  [/^tasks$/, () => import("./views/tasks.js"), () => "Tasks"],
  [/^tasks\/[^/]+$/, () => import("./views/task.js"), (id) => `Task ${id}`],
  [/^tasks\/[^/]+\/logs$/, () => import("./views/logs.js"), (id) => `Log of task ${id}`],
  [/^new$/, () => import("./views/new.js"), () => "New sync"],
];

export function App() {
  const { token, reason } = useSession();
  const where = useRoute();
  useKeys();
  if (!token) return html`<${Announcer} /><${SignIn} reason=${reason} />`;
  return html`
    <a class="skip" href="#main" onClick=${toMain}>Skip to the content</a>
    <${Header} where=${where} />
    <${Connection} />
    ${!JSON.rawJSON && html`<p class="bar warn" role="note">This browser is too old for numbers of more than 15 digits: in a configuration, a state or a document it would save them as texts. Use a newer one to change such values.</p>`}
    ${reason && html`<p class="bar warn" role="status">${reason}</p>`}
    <main id="main" tabindex="-1" class="container-fluid"><${View} where=${where} /></main>
    <${Announcer} />
  `;
}

function toMain(event) {
  event.preventDefault(); // the address is that of the view
  document.getElementById("main").focus();
}

/** The address may say what was looked at, or typed: it does not stay for who comes next. */
function leave() {
  signOut();
  location.replace(link());
}

function Header({ where }) {
  const at = where.path[0] ?? "syncs";
  const item = (name, to, text) =>
    html`<li><a href=${to} aria-current=${at === name ? "page" : undefined}>${text}</a></li>`;
  return html`<header class="container-fluid">
    <nav aria-label="Views">
      <ul><li><strong>sync-functions</strong></li>
        ${item("syncs", link("syncs"), "Syncs")} ${item("tasks", link("tasks"), "Tasks")} ${item("new", link("new"), "New")}
      </ul>
      <ul><li><button class="plain" onClick=${leave}>Sign out</button></li></ul>
    </nav>
  </header>`;
}

function View({ where }) {
  const place = where.path.map(encodeURIComponent).join("/");
  const [, load, named] = VIEWS.find(([pattern]) => pattern.test(place)) ?? [];
  const { Component, error } = useView(load);
  const shown = useRef(null);
  useEffect(() => {
    if (shown.current !== null && shown.current !== place) {
      document.getElementById("main").focus({ preventScroll: true });
      announceView(named ? named(where.path[1]) : "Nothing is at this link");
    }
    if (shown.current !== place) scrollTo(0, 0);
    shown.current = place;
  }, [place, Component]);
  if (!load) return html`<${Lost} />`;
  if (error) return html`<p role="alert">A part of the console cannot be loaded. <button onClick=${() => location.reload()}>Reload</button></p>`;
  if (!Component) return html`<p aria-busy="true">Loading ...</p>`;
  return html`<${Guarded} key=${place} Component=${Component} where=${where} />`;
}

/** A view: if it fails, as of an answer that it cannot read, the rest of the page can still be used. */
function Guarded({ Component, where }) {
  const [error, again] = useErrorBoundary(forgetAnswers);
  if (!error) return html`<${Component} path=${where.path} query=${where.query} />`;
  return html`<h1>Something is wrong here</h1>
    <p class="bar bad" role="alert">This view cannot be shown: the functions answered something that it does not expect
      (${String(error.message ?? error)}). After an update, reload the page. <button onClick=${again}>Try again</button></p>`;
}

function Lost() {
  useTitle("Nothing is at this link");
  return html`<h1>Nothing is at this link</h1><p>Go to the <a href=${link("syncs")}>syncs</a>.</p>`;
}

function useView(load) {
  const [loaded, setLoaded] = useState({});
  useEffect(() => {
    let over = false;
    load?.().then(
      (module) => over || setLoaded({ load, Component: module.View }),
      (error) => over || setLoaded({ load, error }),
    );
    return () => (over = true);
  }, [load]);
  return loaded.load === load ? loaded : {};
}
