/* A syncId that only has tasks: somebody starts its reads by POST /read. */

import { html, useEffect } from "../../lib/html.js";
import { address, get } from "../../lib/api.js";
import { link } from "../../lib/router.js";
import { isActive } from "../../lib/states.js";
import { useTitle } from "../../lib/title.js";
import { CopyMenu, curl, quote } from "../../components/copy.js";
import { Status } from "../../components/status.js";
import { image } from "../task/words.js";
import { idOf } from "./document.js";
import { Runs, useRuns } from "./runs.js";
import { States } from "./states.js";

/** `looked`: whether it is known that no document has this id, as where the list of syncs shows it so. */
export function Undeclared({ id, looked }) {
  useEffect(() => {
    if (looked) return undefined;
    let over = false;
    get("syncs").then(({ syncs }) => {
      const declared = syncs.find((sync) => idOf(sync) === id);
      if (declared && !over) location.replace(link("syncs", declared.metadata.name));
    }, () => {}); // what is shown says what is wrong
    return () => (over = true);
  }, [id, looked]);
  const found = useRuns(id);
  const newest = found.runs[0];
  useTitle(id, newest?.state ?? "");
  const active = found.runs.find((task) => isActive(task.state))?.taskId;
  return html`
    <h1>${id} ${newest && html`<${Status} state=${newest.state} />`}</h1>
    ${found.loading || newest ? html`<p>Not declared: a program or person starts its reads with a configuration of their own, which is kept nowhere
        here. So it cannot be run from this page.</p>
      <p>To declare it, make a document with its image, its configuration and <code>syncId: ${JSON.stringify(id)}</code>: it goes on from
        these states. <a href=${link("new", { image: newest ? image(newest) : "" })}>Begin with its connector</a>, or
        save what you read from a terminal by <code>syncctl read --save-as FILE</code>.</p>`
      : html`<p>Nothing is known of this sync: it is not declared and has no runs. <a href=${link("syncs")}>All syncs</a></p>`}
    <${Runs} id=${id} found=${found} />
    ${newest && html`<${States} name=${id} active=${active} />`}
    <${CopyMenu} entries=${[
      { name: "curl", text: () => curl(address("tasks", { syncId: id, command: "read" })) },
      { name: "syncctl", text: () => `syncctl tasks --sync=${quote(id)} --command read` },
    ]} />
  `;
}
