/* Schedules as people say them. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const NAMES = { sun: 0, mon: 1, tue: 2, wed: 3, thu: 4, fri: 5, sat: 6 };
const ALIASES = { "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *" };

/** "30 2 * * 1-5" -> "at 02:30 on Monday to Friday"; "" where only cron's own form says it well. */
export function scheduleInWords(schedule) {
  const fields = (ALIASES[schedule] ?? schedule ?? "").trim().split(/\s+/);
  if (fields.length !== 5) return "";
  const [minute, hour, day, month, weekday] = fields;
  if (month !== "*") return "";
  const clock = moment(minute, hour);
  if (!clock) return "";
  if (day === "*" && weekday === "*") return /^at \d\d:/.test(clock) ? `every day ${clock}` : clock;
  if (day === "*") return days(weekday) && `${clock} on ${days(weekday)}`;
  return weekday === "*" && /^\d+$/.test(day) ? `${clock} on day ${day} of each month` : "";
}

function moment(minute, hour) {
  const step = /^\*\/(\d+)$/;
  // Steps begin at each full hour or day: "*/45" is at 0 and 45, which is not every 45 minutes.
  const even = (field, whole) => step.test(field) && whole % field.match(step)[1] === 0;
  if (hour === "*" && minute === "*") return "every minute";
  if (hour === "*" && even(minute, 60)) return `every ${minute.match(step)[1]} minutes`;
  if (!/^\d+$/.test(minute)) return "";
  if (hour === "*") return minute === "0" ? "every hour" : `every hour at minute ${minute}`;
  if (even(hour, 24)) return `every ${hour.match(step)[1]} hours${minute === "0" ? "" : ` at minute ${minute}`}`;
  if (!/^\d+(,\d+)*$/.test(hour)) return "";
  return `at ${hour.split(",").map((one) => `${one.padStart(2, "0")}:${minute.padStart(2, "0")}`).join(", ")}`;
}

function days(text) {
  const parts = text.toLowerCase().split(",").map((part) => {
    const [from, to] = part.split("-").map((one) => DAYS[NAMES[one] ?? (/^\d$/.test(one) ? one : -1)]);
    return part.includes("-") ? from && to && `${from} to ${to}` : from;
  });
  return parts.every(Boolean) ? parts.join(", ") : "";
}

/** What started a run: declared syncs' runs have JSON there, others what their caller sent. */
export function startedBy(text) {
  try {
    const { trigger, after } = JSON.parse(text);
    if (typeof trigger === "string") return typeof after === "string" ? `${trigger} (${after})` : trigger;
  } catch {
    // a text of the caller's own
  }
  return text ?? "";
}

/** When a sync starts by itself, as one phrase. */
export function startsWhen(spec) {
  const words = scheduleInWords(spec.schedule);
  const ways = [];
  if (spec.schedule) ways.push(`${words || spec.schedule} (${spec.timeZone ?? "UTC"})`);
  if (spec.after?.length) ways.push(`after ${spec.after.join(", ")}`);
  return ways.join("; ") || "on request";
}
