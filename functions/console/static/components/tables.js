/* Where rows go: the tables of the warehouse, and on one machine how to look into them. */

import { html } from "../lib/html.js";
import { number } from "../lib/format.js";
import { CopyMenu, quote } from "./copy.js";

const SHOWN = 5;
/** The warehouse of the one-machine edition, as docs/tutorial/first-sync.md reads it; the table is an argument. */
const LOOK = `python -c 'import duckdb, os, sys
file = os.path.expanduser("~/.local/share/sync-functions/warehouse.duckdb")
table = sys.argv[1].replace("\\"", "\\"\\"")
duckdb.connect(file, read_only=True).sql(f"FROM \\"{table}\\" LIMIT 5").show()'`;

/** Return the table of a stream: `key` is its name, or "namespace.name"; `table` one that was chosen for it. */
export const tableOf = (key, { prefix = "", table = "" } = {}) => table || `${prefix}${key}`;

/** Return the command that shows the first rows of a table on one machine. */
export const lookCommand = (table) => `${LOOK} ${quote(table)}`;

/** `names` are tables; without any they follow from the streams' names, which are not known yet, and the prefix. */
export function Tables({ names, prefix }) {
  const more = names.length - SHOWN;
  return html`<div class="tables">
    <p>${!names.length
      ? html`One for each stream, ${prefix ? html`named <code>${prefix}</code> and the stream's name` : "with the stream's name"}`
      : names.slice(0, SHOWN).map((name, at) => html`${at ? ", " : ""}<code>${name}</code>`)}${more > 0 && ` and ${number(more)} more`}</p>
    ${names.length > 0 && html`<details><summary>Look at the rows</summary>
      <p>On a cluster they are in the warehouse that Bulker writes to. On one machine they are in the file <code>warehouse.duckdb</code> of the
        folder that <code>syncctl serve</code> names; while no task writes, this shows the first ones:</p>
      <pre tabindex="0" aria-label="Command that shows rows"><code>${lookCommand(names[0])}</code></pre>
      <${CopyMenu} label="Copy" entries=${[{ name: "command", text: () => lookCommand(names[0]) }]} />
    </details>`}
  </div>`;
}
