/* What a text has to be: length, pattern, format. */

const LONGEST = 2000;
/** Steps that matching may take at most, as far as they can be foretold. */
const MOST_STEPS = 1e7;
const LONGEST_PATTERN = 1000;
/** A part of a pattern: an escape, a class, what opens or closes a group, a repetition; else a letter. */
const PART = /\\.|\[(?:[^\]\\]|\\.)*\]|\(\??[:=!<]?|\)|[*+]\??|\{\d+(?:,\d*)?\}\??|[^]/g;

const FORMATS = {
  date: ["a date such as 2026-01-31", (text) => /^\d{4}-\d\d-\d\d$/.test(text) && isDate(text)],
  "date-time": ["a date and time such as 2026-01-31T00:00:00Z", (text) => /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i.test(text) && isDate(text.slice(0, 10))],
  time: ["a time such as 13:30:00", (text) => /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/i.test(text)],
  uri: ["a complete address such as https://example.com", (text) => /^[a-z][a-z0-9+.-]*:\S+$/i.test(text)],
  url: ["a complete address such as https://example.com", (text) => /^[a-z][a-z0-9+.-]*:\S+$/i.test(text)],
  email: ["an address such as name@example.com", (text) => /^[^\s@]+@[^\s@]+$/.test(text)],
  uuid: ["a UUID", (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)],
};

/** Return what is wrong with a text, or "". A pattern decides alone: formats of specs are often about something else. */
export function textProblem(schema, text) {
  const { minLength = 0, maxLength = Infinity, pattern, pattern_descriptor: described } = schema;
  const length = text.length > LONGEST ? text.length : [...text].length;
  if (length < minLength) return `Expected at least ${count(minLength)}.`;
  if (length > maxLength) return `Expected at most ${count(maxLength)}.`;
  if (pattern !== undefined) return matches(pattern, text) ? "" : described ? `Expected: ${described}` : `Expected a text that matches ${pattern}`;
  const format = formatOf(schema);
  return !format || text === "" || format[1](text) ? "" : `Expected ${format[0]}.`;
}

/** What a format expects, or "". */
export const formatHint = (schema) => formatOf(schema)?.[0] ?? "";

/** Whether a text matches a pattern; true if a browser cannot tell: Python's dialect, or a pattern that takes too long. */
export function matches(pattern, text) {
  if (text.length > LONGEST || pattern.length > LONGEST_PATTERN || steps(pattern, text.length) > MOST_STEPS) return true;
  try {
    return compiled(pattern).test(text);
  } catch {
    return true;
  }
}

/**
 * Return how many steps a text of this length may take: each repetition can give up letters one by one to the next, and
 * each group that is repeated, with a repetition or a choice within, can be left after every letter.
 */
function steps(pattern, length) {
  const open = [{ isChoice: false, deep: 0 }];
  let repeated = 0, closed = null, deepest = 0;
  for (const [part] of pattern.matchAll(PART)) {
    const isRepetition = /^[*+]|^\{\d+,|^\{\d{2}/.test(part);
    if (part.startsWith("(")) open.push({ isChoice: false, deep: 0 });
    else if (part === "|") open.at(-1).isChoice = true;
    else if (isRepetition) {
      repeated += 1;
      open.at(-1).isChoice = true;
      if (closed?.isChoice) open.at(-1).deep = Math.max(open.at(-1).deep, closed.deep + 1);
    }
    closed = part === ")" && open.length > 1 ? open.pop() : null;
    if (closed) Object.assign(open.at(-1), { isChoice: open.at(-1).isChoice || closed.isChoice, deep: Math.max(open.at(-1).deep, closed.deep) });
    deepest = Math.max(deepest, open.at(-1).deep);
  }
  return (deepest + 1) ** length * length ** repeated;
}

function compiled(pattern) {
  try {
    return new RegExp(pattern, "u");
  } catch {
    return new RegExp(pattern);
  }
}

const formatOf = (schema) => (Object.hasOwn(FORMATS, schema.format ?? "") ? FORMATS[schema.format] : undefined);
const count = (length) => (length === 1 ? "one character" : `${length} characters`);

function isDate(text) {
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text); // not the 31st of February
}
