/* Step 5: name, schedule, prefix; then run once, save, or copy. */

import { html, useState } from "../../lib/html.js";
import { change as send } from "../../lib/api.js";
import { announce } from "../../components/announcer.js";
import { CopyMenu } from "../../components/copy.js";
import { Tables } from "../../components/tables.js";
import { Failure } from "../../components/notice.js";
import { go, link } from "../../lib/router.js";
import { Blocked } from "./check-step.js";
import { documentCommands, NAMESPACE } from "./commands.js";
import { cron, scheduleWords } from "./document.js";
import { RunQuestion, SaveQuestion } from "./questions.js";
import { Saved } from "./saved.js";
import { ScheduleFields } from "./schedule.js";
import { SecretFields } from "./secret-fields.js";
import { Problems } from "./step.js";

/**
 * `document` is what is saved, `read()` the request that runs it once; `blocked` are pointers of secrets that a run
 * would need; `refused(problems)` shows problems at their steps.
 */
export function SaveStep({ draft, change, document, read, selected, tables, blocked, problems, refused, reset }) {
  const [state, setState] = useState({});
  const save = async (event) => {
    event.preventDefault();
    setState({ busy: true });
    refused([]);
    try {
      const { result } = await send("PUT", ["syncs", document.metadata.name, { dryRun: true }], document);
      setState({ asking: "save", result });
    } catch (error) {
      refused(error.details?.problems ?? []);
      setState(error.details?.problems ? { problems: true } : { error });
    }
  };
  const saved = (answer) => {
    setState({});
    if (!answer) return;
    announce(`Saved as ${answer.name}.`);
    change({ saved: answer.name, base: draft.base && answer.sync });
  };
  const namespace = draft.base?.metadata.namespace ?? NAMESPACE;
  return html`<form onSubmit=${save}>
    <${NameFields} draft=${draft} change=${change} />
    <${ScheduleFields} value=${draft.schedule} set=${(schedule) => change({ schedule })} />
    <section aria-labelledby="tables"><h3 id="tables">Its tables in the warehouse</h3><${Tables} names=${tables} prefix=${draft.prefix} /></section>
    <${SecretFields} draft=${draft} change=${change} namespace=${namespace} />
    <${Problems} problems=${problems} />
    ${state.problems && html`<p class="bar bad" role="alert">It cannot be saved like this: the steps that need a correction are marked.</p>`}
    <${Failure} error=${state.error} />
    <${Blocked} places=${blocked} />
    ${!draft.saved && html`<p class="row"><button type="submit" aria-busy=${state.busy ? "true" : undefined} disabled=${state.busy || !draft.name.trim()}>${draft.base ? "Save the changes" : "Save as a sync"}</button>
      <button type="button" class="secondary outline" disabled=${blocked.length > 0 || !selected || !draft.name.trim()} onClick=${() => setState({ asking: "run" })}>Run once now</button></p>`}
    <${CopyMenu} entries=${documentCommands(document, namespace)} />
  </form>
  ${draft.saved && html`<${Saved} name=${draft.saved} hasSchedule=${Boolean(cron(draft.schedule))} reset=${reset} />`}
  ${state.asking === "save" && html`<${SaveQuestion} document=${document} result=${state.result} when=${scheduleWords(draft.schedule)} close=${saved} refused=${refused} />`}
  ${state.asking === "run" && html`<${RunQuestion} draft=${draft} read=${read} selected=${selected}
    close=${(answer, shown) => (answer && shown ? go(link("tasks", answer.taskId)) : setState({}))} />`}`;
}

function NameFields({ draft, change }) {
  return html`<div class="grid">
    <div><label>Name<input value=${draft.name} maxlength="63" required readonly=${Boolean(draft.base)} spellcheck=${false} autocapitalize="none" autocomplete="off"
      aria-describedby="name-help" onInput=${(event) => change({ name: event.target.value })} /></label>
      <small id="name-help">${draft.base ? "An existing sync keeps its name." : "Lower-case letters, digits and dashes. What was read is remembered under it."}</small></div>
    <div><label>Prefix of its tables<input value=${draft.prefix} maxlength="200" spellcheck=${false} autocapitalize="none" autocomplete="off" aria-describedby="prefix-help"
      onInput=${(event) => change({ prefix: event.target.value })} /></label>
      <small id="prefix-help">May be empty. Two syncs with streams of one name need different ones.</small></div>
  </div>`;
}
