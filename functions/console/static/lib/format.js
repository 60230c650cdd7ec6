/* Numbers and times as people read them: in their own language and time zone. */

import { serverNow } from "./clock.js";

const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export const number = (value) => (value === null || value === undefined ? "" : whole.format(value));
export const compact = (value) => (value === null || value === undefined ? "" : short.format(value));

/** 1536 -> "1.5 KB". */
export function bytes(value) {
  if (value === null || value === undefined) return "";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  let left = value;
  while (left >= 1000 && at < units.length - 1) [left, at] = [left / 1000, at + 1];
  return `${at && left < 10 ? left.toFixed(1) : Math.round(left)} ${units[at]}`;
}

/** 3725 -> "1 h 2 min". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** The time of an RFC 3339 text, in full. */
export const time = (text) => (text ? moment.format(new Date(text)) : "");
/** Its hour, minute and second. */
export const hour = (text) => (text ? clock.format(new Date(text)) : "");
/** "3 minutes ago", "in 2 hours". */
export function ago(text, now = serverNow()) {
  if (!text) return "";
  const seconds = (Date.parse(text) - now) / 1000;
  const steps = [["day", 86_400], ["hour", 3600], ["minute", 60]];
  const [unit, size] = steps.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.round(seconds / size), unit);
}

/** Seconds between two RFC 3339 texts; to now if the second is missing. */
export function between(from, to, now = serverNow()) {
  return from ? ((to ? Date.parse(to) : now) - Date.parse(from)) / 1000 : null;
}
