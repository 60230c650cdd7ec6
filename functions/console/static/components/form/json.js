/* JSON as people type it: where an error is, and numbers that keep their digits. */

const DEPTH = 500;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORDS = [["true", true], ["false", false], ["null", null]];
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/** What is wrong with a text: `line` and `column` count from 1, and `message` names them. */
export class JsonError extends Error {
  constructor(expected, text, at) {
    const before = text.slice(0, at).split("\n");
    super(`Line ${before.length}, column ${before.at(-1).length + 1}: ${expected}.`);
    [this.at, this.line, this.column] = [at, before.length, before.at(-1).length + 1];
  }
}

/** Read JSON; numbers that a Number would round are kept exactly (see `exact`). Raise JsonError. */
export function parse(text) {
  const reader = new Reader(text);
  const value = reader.value(0);
  if (reader.peek() !== "") reader.fail("expected the end");
  return value;
}

/** Write a value that `parse` has read, with its numbers' own digits. */
export const write = (value) => (value === undefined ? "" : JSON.stringify(value, null, 2));

/** Whether a text is a number in JSON's form. */
export function isNumber(text) {
  NUMBER.lastIndex = 0;
  return NUMBER.exec(text)?.[0] === text;
}

/** Return a number's value: a Number, or what JSON.stringify writes with all digits; a text where a browser cannot. */
export function exact(text) {
  const value = Number(text);
  if (Number.isFinite(value) && digits(String(value)) === digits(text)) return value;
  return JSON.rawJSON ? JSON.rawJSON(text) : text;
}

/** Whether a value is a number that `exact` has kept with its digits. */
export const isBig = (value) => Boolean(JSON.isRawJSON?.(value));
/** A number's digits, as they are typed. */
export const digitsOf = (value) => (isBig(value) ? value.rawJSON : String(value));
/** Whether a value has members. */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value) && !isBig(value);

/** Whether two values are the same JSON; the order of members does not matter. */
export function same(a, b) {
  if (a === b) return true;
  if (isBig(a) || isBig(b)) return isBig(a) && isBig(b) && a.rawJSON === b.rawJSON;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((one, at) => same(one, b[at]));
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && same(a[name], b[name]));
}

function digits(text) {
  const [, sign, whole, part = "", power = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text);
  const all = (whole + part).replace(/^0+/, "");
  const some = all.replace(/0+$/, "");
  return some ? `${sign}${some}e${Number(power) - part.length + all.length - some.length}` : "0";
}

class Reader {
  constructor(text) {
    [this.text, this.at] = [text, 0];
  }

  fail(expected, at = this.at) {
    throw new JsonError(expected, this.text, at);
  }

  peek() {
    while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at += 1;
    return this.text[this.at] ?? "";
  }

  take(sign) {
    if (this.peek() !== sign) return false;
    this.at += 1;
    return true;
  }

  value(depth) {
    if (depth > DEPTH) this.fail("this is nested too deeply");
    if (this.take("{")) return this.members(depth + 1);
    if (this.take("[")) return this.items(depth + 1);
    if (this.peek() === '"') return this.string();
    const word = WORDS.find(([name]) => this.text.startsWith(name, this.at));
    if (word) this.at += word[0].length;
    return word ? word[1] : this.number();
  }

  number() {
    NUMBER.lastIndex = this.at;
    const found = NUMBER.exec(this.text);
    if (!found) this.fail("expected a value");
    this.at = NUMBER.lastIndex;
    return exact(found[0]);
  }

  items(depth) {
    const found = [];
    if (this.take("]")) return found;
    do found.push(this.value(depth));
    while (this.take(","));
    if (!this.take("]")) this.fail("expected a comma or ]");
    return found;
  }

  members(depth) {
    const found = [];
    const names = new Set();
    if (this.take("}")) return {};
    do {
      if (this.peek() !== '"') this.fail("expected a name in double quotes");
      const at = this.at;
      const name = this.string();
      if (names.has(name)) this.fail("this name is there twice", at);
      names.add(name);
      if (!this.take(":")) this.fail("expected a colon");
      found.push([name, this.value(depth)]);
    } while (this.take(","));
    if (!this.take("}")) this.fail("expected a comma or }");
    return Object.fromEntries(found); // `__proto__` becomes a member like any other
  }

  string() {
    const start = this.at;
    let found = "";
    for (this.at += 1; this.text[this.at] !== '"'; this.at += 1) {
      const sign = this.text[this.at];
      if (sign === undefined) this.fail("this text has no closing quote", start);
      if (sign < " ") this.fail("a line break or tab in a text is written \\n or \\t");
      found += sign === "\\" ? this.escape() : sign;
    }
    this.at += 1;
    return found;
  }

  escape() {
    const sign = this.text[(this.at += 1)];
    if (Object.hasOwn(ESCAPES, sign)) return ESCAPES[sign];
    const code = /^u[0-9a-f]{4}/i.exec(this.text.slice(this.at, this.at + 5));
    if (!code) this.fail("this escape is not JSON's", this.at - 1);
    this.at += 4;
    return String.fromCharCode(parseInt(code[0].slice(1), 16));
  }
}
