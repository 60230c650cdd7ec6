/* Places in a log. The API's cursors are MICROSECONDS~UUID of a line; `after` leaves that line out. */

const CURSOR = /^(\d{1,16})~([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const ALL_BITS = (1n << 128n) - 1n;

export const isCursor = (text) => CURSOR.test(text);

/** When the line at a cursor was written, in ms; null for "start" and "end". */
export function timeOf(cursor) {
  const found = CURSOR.exec(cursor ?? "");
  return found ? Number(found[1]) / 1000 : null;
}

/** The cursor just before that of a line, so that a page after it begins with the line. */
export function justBefore(cursor) {
  const found = CURSOR.exec(cursor);
  if (!found) return cursor;
  const id = BigInt(`0x${found[2].replaceAll("-", "")}`);
  return id ? `${found[1]}~${uuid(id - 1n)}` : `${BigInt(found[1]) - 1n}~${uuid(ALL_BITS)}`;
}

/** The cursor before everything of that moment (RFC 3339), or "". */
export function beforeTime(text) {
  const ms = Date.parse(text);
  return ms > 0 ? `${BigInt(ms) * 1000n - 1n}~${uuid(ALL_BITS)}` : "";
}

function uuid(number) {
  const hex = number.toString(16).padStart(32, "0");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
