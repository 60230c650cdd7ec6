/* States of tasks, streams and syncs: never by colour alone. */

const KNOWN = {
  NEW: ["○", "new", "quiet"],
  PENDING: ["◷", "pending", "busy"],
  RUNNING: ["▶", "running", "busy"],
  SUCCESS: ["✓", "success", "good"],
  PARTIAL: ["◐", "partial", "warn"],
  FAILED: ["✗", "failed", "bad"],
  CANCELLED: ["⊘", "cancelled", "quiet"],
  SUSPENDED: ["‖", "suspended", "quiet"],
  INVALID: ["!", "invalid", "bad"],
  ENDED: ["■", "ended", "quiet"],
  INCOMPLETE: ["✗", "incomplete", "bad"],
};

/** Return `{icon, word, tone}`; tone is good, warn, bad, busy or quiet. */
export function look(state) {
  const [icon, word, tone] = (Object.hasOwn(KNOWN, state) && KNOWN[state]) || ["?", String(state ?? "unknown").toLowerCase(), "quiet"];
  return { icon, word, tone };
}

/** Return whether a task goes on. */
export const isActive = (state) => state === "PENDING" || state === "RUNNING";
