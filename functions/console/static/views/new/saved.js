/* A sync that was just saved: when it runs next, and what one does with it. */

import { html, useState } from "../../lib/html.js";
import { address, change } from "../../lib/api.js";
import { Failure } from "../../components/notice.js";
import { time } from "../../lib/format.js";
import { randomId } from "../../lib/id.js";
import { usePoll } from "../../lib/poll.js";
import { go, link } from "../../lib/router.js";

export function Saved({ name, hasSchedule, reset }) {
  const { body } = usePoll(address("syncs", name));
  const [state, setState] = useState({});
  const [once] = useState(randomId);
  const next = body?.sync?.status?.nextRun;
  const run = async () => {
    setState({ busy: true });
    try {
      const { taskId } = await change("POST", ["syncs", name, "run", { taskId: once }]);
      go(link("tasks", taskId));
    } catch (error) {
      setState({ error });
    }
  };
  return html`<div class="bar good" role="status">
    <p>Saved as <a href=${link("syncs", name)}>${name}</a>. ${next ? html`Its next run: <time datetime=${next}>${time(next)}</time>.` : hasSchedule ? "" : "It runs when somebody starts it."}</p>
    <p class="row"><button type="button" aria-busy=${state.busy ? "true" : undefined} disabled=${state.busy} onClick=${run}>Run ${name} now</button>
      <a href=${link("syncs", name)}>Show the sync</a> <button type="button" class="plain" onClick=${reset}>Begin another one</button></p>
    <${Failure} error=${state.error} />
  </div>`;
}
