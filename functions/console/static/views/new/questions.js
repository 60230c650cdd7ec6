/* What is at stake when a sync is saved, or run once. */

import { html } from "../../lib/html.js";
import { change } from "../../lib/api.js";
import { Question } from "../../components/dialog.js";
import { number } from "../../lib/format.js";

/** `result` is what the dry run answered: created, configured or unchanged. */
export function SaveQuestion({ document, result, when, close, refused }) {
  const { name } = document.metadata;
  const act = async () => {
    try {
      return await change("PUT", ["syncs", name], document);
    } catch (error) {
      refused(error.details?.problems ?? []);
      throw error;
    }
  };
  const { streams, prefix } = document.spec;
  return html`<${Question} title=${result === "created" ? `Save ${name}?` : `Change ${name}?`} verb=${result === "created" ? "Save" : "Save the changes"} act=${act} close=${close} done=${`Saved as ${name}.`}>
    ${result === "configured" && html`<p class="bar warn">A sync of this name is there already. Its document is replaced; its states, tables and tasks stay.</p>`}
    ${result === "unchanged" && html`<p>The sync is already as it is written here.</p>`}
    <p>It reads ${streams ? number(streams.length) : "all"} ${streams?.length === 1 ? "stream" : "streams"}, and runs ${when}.
      Its tables ${prefix ? html`begin with <code>${prefix}</code>` : "have the streams' names"}; a full refresh replaces its table.</p>
    <p>All who may read syncs can read its configuration. Values of secrets are not in it.</p>
  </${Question}>`;
}

export function RunQuestion({ draft, read, selected, close }) {
  const act = async () => {
    const { query, body } = read();
    return change("POST", ["read", query], body);
  };
  return html`<${Question} title="Run it once now?" verb="Run now" act=${act} close=${close} done="The run has begun.">
    <p>It reads ${number(selected)} ${selected === 1 ? "stream" : "streams"} into the warehouse. Tables
      ${draft.prefix ? html`begin with <code>${draft.prefix}</code>` : "have the streams' names"}; a full refresh replaces its table.</p>
    <p>What it has read is remembered under <code>${draft.name}</code>: a sync that is saved under this name goes on from there.</p>
  </${Question}>`;
}
