/* A new deployment: what to do first. */

import { html } from "../../lib/html.js";
import { link } from "../../lib/router.js";
import { CopyMenu } from "../../components/copy.js";

const STEPS = [
  ["Read a connector, and save what was read as a document:", "syncctl read airbyte/source-faker:7.2.1 --save-as first.yaml"],
  ["Declare it, with a schedule if you add one to the file:", "syncctl apply -f first.yaml"],
  ["Run it now, and watch rows and log lines:", "syncctl run first -f"],
];

export function Empty() {
  return html`<p>A sync copies data from a source into the warehouse, with an Airbyte connector, when you start it or on a schedule.
      Nothing has been synced yet.</p>
    <p><a role="button" href=${link("new")}>New sync</a></p>
    <p>Or from a terminal, with three commands:</p>
    <ol class="steps">${STEPS.map(([why, command]) => html`<li>${why}
      <pre tabindex="0" aria-label=${command}><code>${command}</code></pre>
      <${CopyMenu} label="Copy" entries=${[{ name: "command", text: () => command }]} />
    </li>`)}</ol>`;
}
