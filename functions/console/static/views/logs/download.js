/* The whole log as a file, written while it comes: it may be larger than memory. */

import { address } from "../../lib/api.js";
import { token } from "../../lib/session.js";

/** Save a task's log; `progress(bytes)` while it comes. Return whether it was saved: false if somebody has changed their mind. */
export async function download(taskId, progress, signal) {
  const name = `${taskId.replace(/[^\w.-]+/g, "_")}.log`;
  const file = await chosen(name);
  if (file === null) return false;
  const url = address("tasks", taskId, "logs", { format: "text" });
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${token()}` }, cache: "no-store", signal });
  if (!answer.ok) throw new Error(await reason(answer));
  let bytes = 0;
  const counted = answer.body.pipeThrough(new TransformStream({
    transform(chunk, to) {
      progress((bytes += chunk.length));
      to.enqueue(chunk);
    },
  }));
  if (file) await counted.pipeTo(await file.createWritable());
  else save(await new Response(counted).blob(), name);
  return true;
}

/** The file that somebody chooses, null if none; undefined if this browser has no such dialog. */
async function chosen(name) {
  if (!globalThis.showSaveFilePicker) return undefined;
  try {
    return await showSaveFilePicker({ suggestedName: name });
  } catch (error) {
    if (error.name === "AbortError") return null;
    return undefined; // not allowed here, as in a frame
  }
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a download may begin late
}

async function reason(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `The answer was ${answer.status}.`;
  }
}
